"""Heads of all streams and the sessions that poll, as of the last sweep.

It may only ever say "nothing new". Whatever it does not know for certain, or is not sure of, is asked of the database;
so forgetting costs a question, never an answer. It never says so from what is older than `STALEST` seconds.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from time import monotonic
from uuid import UUID

from msgspec import Struct

from server.db.live import Sweep
from server.memory.listeners import Listener, Listeners
from sync.feed import make_mark

STALEST = 2.0
"""Seconds after the beginning of the last sweep until nothing is said from memory any more."""

_MOST_SESSIONS = 20_000


class Session(Struct, frozen=True):
    """What a device's access token stands for.

    `until`, by the monotonic clock: when it expires, or the next of its holder's assignments begins or ends.
    """

    user_id: UUID
    scope: tuple[str, ...]
    directives: tuple[UUID, ...]
    until: float


class Memory:
    """The memory of one server process; empty, and silent, until somebody keeps it."""

    def __init__(self) -> None:
        self.listeners = Listeners()
        self._house = ("", 0, "")
        self._keys: dict[int, str] = {}
        self._heads: dict[str, int] = {}
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._tokens: defaultdict[UUID, set[bytes]] = defaultdict(set)
        # By user: the transaction that last stirred what he may do, and the sweep that brought it.
        self._stirred: dict[UUID, tuple[int, int]] = {}
        # Streams known to have moved, with the number of sweeps begun before that was known.
        self._suspect: dict[str, int] = {}
        self._begun = self._applied = self._oldest_ticket = 0
        self._began_at = self._fresh_at = float("-inf")

    @property
    def fresh(self) -> bool:
        """Whether the last sweep is young enough to speak from."""
        return monotonic() < self._fresh_at + STALEST

    # Polls -------------------------------------------------------------------------------------------------

    def nothing_new(self, access_hash: bytes, mark: str) -> bool:
        """Whether this token's device surely holds everything; False also where that is not known here."""
        session = self._sessions.get(access_hash)
        if session is None or not self.fresh or monotonic() >= session.until:
            return False
        if self._suspect and not self._suspect.keys().isdisjoint(session.scope):
            return False
        self._sessions.move_to_end(access_hash)
        heads = {key: self._heads.get(key, 0) for key in session.scope}
        epoch, _, catalogue = self._house
        return mark == make_mark(epoch, catalogue, heads, session.directives)

    def ticket(self) -> int:
        """To be taken before the snapshot from which something is to be remembered."""
        return self._applied

    def remember(self, ticket: int, access_hash: bytes, session: Session) -> None:
        """Keep a session as a snapshot younger than `ticket` showed it, unless it may have changed since."""
        if not self._is_current(ticket, session.user_id):
            return
        self._sessions[access_hash] = session
        self._tokens[session.user_id].add(access_hash)
        if len(self._sessions) > _MOST_SESSIONS:
            self._forget(next(iter(self._sessions)))

    def listen(self, ticket: int, listener: Listener) -> None:
        """Nudge a listener from now on; one that may have changed since `ticket` has ended at once."""
        self.listeners.add(listener)
        if not self._is_current(ticket, listener.user_id):
            listener.end()

    def _is_current(self, ticket: int, user_id: UUID) -> bool:
        _, brought = self._stirred.get(user_id, (0, 0))
        return ticket >= max(brought, self._oldest_ticket) and self.fresh

    def _forget(self, access_hash: bytes) -> None:
        user_id = self._sessions.pop(access_hash).user_id
        self._tokens[user_id].discard(access_hash)
        if not self._tokens[user_id]:
            del self._tokens[user_id]

    # Keeping it --------------------------------------------------------------------------------------------

    def moved(self, keys: Iterable[str]) -> None:
        """These streams were moved, where to is not known: until a sweep has seen it, nothing is said of them."""
        for key in keys:
            self._suspect[key] = self._begun

    def nudged(self, ids: Iterable[int]) -> None:
        """Somebody moved the streams with these ids; what is not known here is left to the sweep."""
        self.moved(self._keys[one] for one in ids if one in self._keys)

    def sweep_begins(self) -> None:
        """From now on a sweep asks the database; there is one at a time."""
        self._begun += 1
        self._began_at = monotonic()

    def apply(self, sweep: Sweep) -> None:
        """Take in what the sweep that began last has found."""
        self._applied += 1
        self._fresh_at = self._began_at
        house = sweep.epoch, sweep.registry, sweep.catalogue
        if self._house != house:
            self._forget_everybody()
            self._house = house
        self._take_users(sweep.users)
        moved = [key for key, head in sweep.heads.items() if self._heads.get(key) != head]
        self._keys.update(sweep.keys)
        self._heads.update(sweep.heads)
        self._suspect = {key: begun for key, begun in self._suspect.items() if begun >= self._begun}
        self.listeners.nudge(moved)

    def empty(self) -> None:
        """Know nothing: the connection to the database is gone, and with it every certainty."""
        self._applied += 1
        self._fresh_at = float("-inf")
        self._keys.clear()
        self._heads.clear()
        self._stirred.clear()
        self._suspect.clear()
        self._forget_everybody()

    def _take_users(self, users: Mapping[UUID, int]) -> None:
        for user_id, transaction in users.items():
            known, _ = self._stirred.get(user_id, (0, 0))
            if known != transaction:
                self._stirred[user_id] = (transaction, self._applied)
                self.listeners.end(user_id)
                for access_hash in list(self._tokens.get(user_id, ())):
                    self._forget(access_hash)

    def _forget_everybody(self) -> None:
        self._sessions.clear()
        self._tokens.clear()
        self._oldest_ticket = self._applied
        self.listeners.end_all()
