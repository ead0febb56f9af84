"""Checking the whole audit trail: every row and change set against its link, every link against its chain and seal,
every seal against the one before, the newest against the checkpoints in the object store. All that is wrong is named.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from msgspec import Struct

from schemas.auditing import AuditRow, Break
from server.db import audit_links
from server.db.audit_links import LinkFound, Seal
from server.db.database import Connection
from server.errors import Problem
from server.services import Services
from server.storage.objects import StoreUnavailable
from server.usecases.audit_checkpoints import LONGEST_UNSEALED, PURPOSE, LostSeals, check_checkpoints
from server.usecases.telling import Teller
from sync.audit_chain import START, Chains, at_link, links_hash, seal_hash

T = TypeVar("T")

_LONGEST_ACT = timedelta(hours=1)
_MOST_NAMED = 200
_STEP = 10_000


class Verified(Struct, frozen=True, kw_only=True):
    """What was looked at, and what is wrong with it: nothing where `breaks` is empty.

    `more`: breaks that are not listed; `waiting`: rows that are to be sealed next; `lost`: what went with restores;
    `public_key`: checks the signature of exported trails, in hexadecimal.
    """

    rows: int
    chains: int
    seals: int
    waiting: int
    breaks: list[Break]
    more: int
    lost: list[LostSeals]
    public_key: str


async def verify_trail(services: Services, teller: Teller) -> Verified:
    """Check the trail as it stands at this moment. Raises Problem: not_ready where the object store does not answer."""
    try:
        async with services.database.read() as connection:
            found, lost = await check_checkpoints(services, connection)
            check = TrailCheck(connection, teller)
            found = [*[one async for one in check.run()], *found]
            waiting = await audit_links.waiting(connection)
    except StoreUnavailable as error:
        raise Problem("not_ready") from error
    return Verified(
        rows=check.rows,
        chains=len(check.chains),
        seals=check.seals,
        waiting=waiting["number"],
        breaks=found[:_MOST_NAMED],
        more=max(0, len(found) - _MOST_NAMED),
        lost=lost,
        public_key=services.keyring.public_key(PURPOSE).hex(),
    )


class TrailCheck:
    """One walk over seals and links, side by side, in one snapshot."""

    def __init__(self, connection: Connection, teller: Teller) -> None:
        self.rows = 0
        self.seals = 0
        self.chains: set[str] = set()
        self._connection = connection
        self._teller = teller
        self._walk = Chains()
        self._moments = array("d")

    async def run(self) -> AsyncGenerator[Break]:
        """Everything that is wrong, in the order of the seals."""
        total = await audit_links.count_links(self._connection)
        self._teller.phase("校验审计链", "checking the chains", total // _STEP)
        links, before = audit_links.every_link(self._connection), Seal(0, "", datetime.now(UTC), 0, b"", START)
        pending = await anext(links, None)
        async for seal in audit_links.every_seal(self._connection):
            for one in _check_seal(seal, before):
                yield one
            before, hashes = seal, list[bytes]()
            self._began(seal)
            while pending is not None and pending.seal_no <= seal.no:
                for one in self._check_link(pending, seal):
                    yield one
                if pending.seal_no == seal.no:
                    hashes.append(pending.link.hash)
                pending = await anext(links, None)
            for one in _check_links(seal, hashes):
                yield one
        while pending is not None:
            yield _inserted(pending)
            pending = await anext(links, None)
        async for one in self._unlinked(before):
            yield one

    def _began(self, seal: Seal) -> None:
        self.seals += 1
        moment = seal.sealed_at.timestamp()
        if not self._moments or moment > self._moments[-1]:
            self._moments.append(moment)

    def _check_link(self, found: LinkFound, seal: Seal) -> Iterator[Break]:
        self.rows += 1
        if self.rows % _STEP == 0:
            self._teller.step()
        link = found.link
        self.chains.add(link.chain)
        yield from self._walk.check(link, found.row)
        if found.seal_no != seal.no:
            yield _inserted(found)
        elif isinstance(found.row, AuditRow) and self._is_late(found.row.at, seal):
            yield at_link("row_late", link)

    def _is_late(self, at: datetime, seal: Seal) -> bool:
        """Whether sealing went on long after the time that the row gives, and did not find it."""
        place = bisect_right(self._moments, (at + _LONGEST_ACT).timestamp())
        return place < len(self._moments) and self._moments[place] < seal.sealed_at.timestamp()

    async def _unlinked(self, last: Seal) -> AsyncGenerator[Break]:
        before = datetime.now(UTC) - LONGEST_UNSEALED
        rows = await audit_links.rows_without_link(self._connection, before, _MOST_NAMED)
        sets = await audit_links.sets_without_link(self._connection, before, _MOST_NAMED)
        if (rows or sets) and (last.no == 0 or last.sealed_at < before):
            yield Break(kind="sealing_behind", count=len(rows) + len(sets))
            return
        for row in rows:
            yield Break(kind="row_inserted", audit_id=row["id"])
        for one in sets:
            yield Break(kind="set_inserted", chain=f"device/{one['device_id']}", set_no=one["set_no"])


def _check_seal(seal: Seal, before: Seal) -> Iterator[Break]:
    for lost in range(before.no + 1, seal.no):
        yield Break(kind="seal_removed", seal=lost)
    previous = before.hash if seal.no == before.no + 1 else None
    over = (seal.no, seal.epoch, seal.sealed_at, seal.links, seal.links_hash)
    if previous is not None and seal.hash != seal_hash(previous, *over):
        yield Break(kind="seal_altered", seal=seal.no)


def _check_links(seal: Seal, hashes: list[bytes]) -> Iterator[Break]:
    if len(hashes) != seal.links:
        kind = "link_removed" if len(hashes) < seal.links else "link_inserted"
        yield Break(kind=kind, seal=seal.no, count=abs(seal.links - len(hashes)))
    elif links_hash(hashes) != seal.links_hash:
        yield Break(kind="link_altered", seal=seal.no)


def _inserted(found: LinkFound) -> Break:
    return at_link("link_inserted", found.link, found.seal_no)
