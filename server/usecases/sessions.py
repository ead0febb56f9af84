"""Signing in, staying signed in, and who it is that a token belongs to.

A session has one current pair of tokens. Both follow from its id and a generation number from the root secret, so the
same request is always given the same pair: an answer that was lost can be asked for again, until the pair it held is
first used. The refresh token carries id and generation in the clear beside 16 bytes of HMAC; an older one is
recognised for what it is however old it is.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from msgspec import Struct

from schemas.accounts import Limits, TokenPair
from server.db import audit, epochs, people, sessions
from server.db.database import Connection, Transaction
from server.db.sessions import CallerRow, SessionKind, SessionRow
from server.errors import Problem
from server.sealing import Keyring, token_hash
from server.services import Services
from server.settings import Settings
from sync.access import Assignment

_MAC = 16
_REFRESH_BYTES = 16 + 4 + _MAC
_REFRESH_CHARACTERS = _REFRESH_BYTES * 4 // 3


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks, as he stands now: `kind` is device, user, console or cli; assignments are the current ones.

    `revoked`: the device was revoked or its holder has left; it is given nothing. `departed`: only the latter, so that
    what was written before, photos included, is still taken.
    """

    user_id: UUID
    name: str
    kind: SessionKind | str
    assignments: tuple[Assignment, ...]
    device_id: UUID | None = None
    session_id: UUID | None = None
    revoked: bool = False
    departed: bool = False
    request_id: str | None = None

    @property
    def roles(self) -> frozenset[str]:
        """The roles of all current assignments."""
        return frozenset(held.role for held in self.assignments)


class Pair(NamedTuple):
    """An access token of 22 characters and a refresh token of 48."""

    access: str
    refresh: str

    @classmethod
    def of(cls, keyring: Keyring, session_id: UUID, generation: int) -> Pair:
        """The pair of a session's generation: always the same one."""
        seed = session_id.bytes + generation.to_bytes(4)
        return cls(_text(keyring.token("access", seed)), _text(seed + keyring.token("refresh", seed)))


class Lives(NamedTuple):
    """How long tokens are valid from the moment they are given."""

    access: timedelta
    refresh: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Lives:
        """The lives that the settings say."""
        return cls(timedelta(minutes=settings.access_token_minutes), timedelta(days=settings.refresh_token_days))


def read_refresh(keyring: Keyring, token: str) -> tuple[UUID, int] | None:
    """The session and generation of a refresh token that this installation gave; None for any other text."""
    if len(token) != _REFRESH_CHARACTERS:
        return None
    raw = urlsafe_b64decode(token)
    seed, mac = raw[:-_MAC], raw[-_MAC:]
    if len(raw) != _REFRESH_BYTES or not hmac.compare_digest(mac, keyring.token("refresh", seed)):
        return None
    return UUID(bytes=seed[:16]), int.from_bytes(seed[16:])


async def identify(services: Services, token: str, kinds: frozenset[str], request_id: str | None = None) -> Caller:
    """Who holds this access token. Raises Problem: token_unknown or token_expired.

    `kinds`: the kinds of session that are let in here.
    """
    async with services.database.pool.acquire() as connection:
        row = await sessions.load_caller(connection, token_hash(token))  # pyright: ignore[reportArgumentType]
    if row is None or row.kind not in kinds or row.ended or (row.departed and row.kind != "device"):
        raise Problem("token_unknown")
    if row.expired:
        raise Problem("token_expired")
    await services.registry_holder.refresh()
    return _caller(row, request_id)


def _caller(row: CallerRow, request_id: str | None) -> Caller:
    return Caller(
        user_id=row.user_id,
        name=row.name,
        kind=row.kind,
        assignments=row.assignments,
        device_id=row.device_id,
        session_id=row.session_id,
        revoked=row.revoked or row.departed,
        departed=row.departed and not row.revoked,
        request_id=request_id,
    )


async def find_person(connection: Connection, keyring: Keyring, key: str) -> people.Person | None:
    """A person by id or login phone; None also for who has left."""
    if "-" not in key:
        return await people.find_person(connection, phone_index=keyring.index("phone", key))
    try:
        return await people.find_person(connection, user_id=UUID(key))
    except ValueError:
        return None


async def begin_session(
    tx: Transaction,
    services: Services,
    session_id: UUID,
    kind: SessionKind,
    user_id: UUID,
    device_id: UUID | None = None,
) -> TokenPair:
    """Begin a session in this transaction and give its first pair."""
    pair, lives = Pair.of(services.keyring, session_id, 1), Lives.of(services.settings)
    await sessions.insert_session(
        tx.connection,
        session_id,
        kind,
        user_id,
        device_id,
        (token_hash(pair.access), lives.access),
        (token_hash(pair.refresh), lives.refresh),
    )
    return _answer(pair, services.settings)


async def repeat_first_pair(tx: Transaction, services: Services, session_id: UUID) -> TokenPair | None:
    """The first pair of a session once more, unless it was used or succeeded."""
    session = await sessions.lock_session(tx.connection, session_id)
    pair, lives = Pair.of(services.keyring, session_id, 1), Lives.of(services.settings)
    if session is None or session.over or session.pair_used or session.access_hash != token_hash(pair.access):
        return None
    await sessions.extend_session(tx.connection, session_id, *lives)
    return _answer(pair, services.settings)


async def refresh(services: Services, token: str, request_id: str | None = None) -> TokenPair:
    """The pair that succeeds this refresh token. Raises Problem: token_unknown or token_superseded.

    The token that led to the current pair is given that pair again until one of the pair is first used. A token
    replayed after that is refused and noted; the session goes on, for its holder has the newer pair.
    """
    known = read_refresh(services.keyring, token)
    if known is None:
        raise Problem("token_unknown")
    session_id, generation = known
    outcome = await services.database.write(lambda tx: _refresh(tx, services, session_id, generation, request_id))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


async def _refresh(
    tx: Transaction, services: Services, session_id: UUID, generation: int, request_id: str | None
) -> TokenPair | Problem:
    session = await sessions.lock_session(tx.connection, session_id)
    if session is None or session.ended:
        return Problem("token_unknown")
    ahead = await _is_ahead(tx, session, generation)
    if session.expired and not ahead:
        return Problem("token_unknown")
    presented = token_hash(Pair.of(services.keyring, session_id, generation).refresh)
    pair, lives = Pair.of(services.keyring, session_id, generation + 1), Lives.of(services.settings)
    if presented == session.refresh_hash or ahead:
        await sessions.rotate_session(
            tx.connection,
            session_id,
            generation + 1,
            (token_hash(pair.access), lives.access),
            (token_hash(pair.refresh), lives.refresh),
            presented,
        )
        if ahead:
            await _note_ahead(tx, session_id, session, request_id)
    elif presented == session.previous_hash and not session.pair_used:
        await sessions.extend_session(tx.connection, session_id, *lives)
    else:
        await _note_replay(tx, session_id, session, request_id)
        return Problem("token_superseded")
    return _answer(pair, services.settings)


async def _is_ahead(tx: Transaction, session: SessionRow, generation: int) -> bool:
    """Whether this token, which only this installation can have made, is newer than all that the database knows.

    So it is after a restore, and only then: a database that never went back gives no tokens that it forgets.
    """
    newer = session.generation is not None and generation > session.generation
    return newer and session.kind == "device" and await epochs.went_back(tx.connection)


async def _note_ahead(tx: Transaction, session_id: UUID, session: SessionRow, request_id: str | None) -> None:
    await audit.record(
        tx.connection,
        session.user_id,
        "session.caught_up",
        "session",
        str(session_id),
        detail={"device": session.device_id and str(session.device_id)},
        request_id=request_id,
    )


async def _note_replay(tx: Transaction, session_id: UUID, session: SessionRow, request_id: str | None) -> None:
    await audit.record(
        tx.connection,
        session.user_id,
        "session.replayed",
        "session",
        str(session_id),
        detail={"device": session.device_id and str(session.device_id)},
        request_id=request_id,
    )


async def sign_in(services: Services, phone: str, password: str, request_id: str | None = None) -> TokenPair:
    """Begin a person's session by password. Raises Problem: login_failed or login_locked."""
    user_id = await _check_password(services, phone, password, request_id)
    session_id = uuid4()

    async def work(tx: Transaction) -> TokenPair:
        await _welcome(tx, user_id, session_id, request_id)
        return await begin_session(tx, services, session_id, "user", user_id)

    return await services.database.write(work)


async def sign_in_to_console(services: Services, phone: str, password: str, request_id: str | None = None) -> str:
    """Begin a console session by password and give its token, for a cookie. Raises Problem as `sign_in` does.

    It has no refresh token: it lives for as long as its pages are used.
    """
    user_id = await _check_password(services, phone, password, request_id)
    session_id, token = uuid4(), secrets.token_urlsafe(16)

    async def work(tx: Transaction) -> str:
        await _welcome(tx, user_id, session_id, request_id)
        access = (token_hash(token), console_idle(services.settings))
        await sessions.insert_session(tx.connection, session_id, "console", user_id, None, access, None)
        return token

    return await services.database.write(work)


async def _check_password(services: Services, phone: str, password: str, request_id: str | None) -> UUID:
    settings, index = services.settings, services.keyring.index("phone", phone)
    async with services.passwords.place():
        attempt = await services.database.write(
            lambda tx: people.count_login_attempt(
                tx.connection, index, settings.login_failures, settings.login_lock_minutes
            )
        )
        if attempt is not None and not attempt.counted:
            raise Problem("login_locked", retry_after=attempt.wait or settings.login_lock_minutes * 60)
        right = await services.passwords.matches(password, attempt and attempt.password_hash)
    if attempt is None or not right:
        await _note_failure(services, attempt, request_id)
        raise Problem("login_failed")
    return attempt.user_id


async def _welcome(tx: Transaction, user_id: UUID, session_id: UUID, request_id: str | None) -> None:
    await people.forgive_login_failures(tx.connection, user_id)
    await sessions.forget_old_sessions(tx.connection, user_id)
    await audit.record(tx.connection, user_id, "session.begun", "session", str(session_id), request_id=request_id)


async def _note_failure(services: Services, attempt: people.LoginAttempt | None, request_id: str | None) -> None:
    if attempt is None or not attempt.locks:
        return
    user_id = attempt.user_id
    await services.database.write(
        lambda tx: audit.record(tx.connection, None, "user.locked", "user", str(user_id), request_id=request_id)
    )


async def identify_console(services: Services, token: str, request_id: str | None = None) -> Caller:
    """Who holds this console token; the idle time begins anew. Raises Problem as `identify` does."""
    caller = await identify(services, token, frozenset({"console"}), request_id)
    session_id, idle = caller.session_id, console_idle(services.settings)
    if session_id is not None:
        await services.database.write(lambda tx: sessions.keep_console_session(tx.connection, session_id, idle))
    return caller


async def sign_out(services: Services, caller: Caller) -> None:
    """End the caller's session; its tokens work no more."""
    session_id = caller.session_id
    if session_id is not None:
        await services.database.write(lambda tx: sessions.end_session(tx.connection, session_id))


def console_idle(settings: Settings) -> timedelta:
    """How long a console session lives without a request."""
    return timedelta(minutes=settings.console_idle_minutes)


def _answer(pair: Pair, settings: Settings) -> TokenPair:
    limits = Limits(
        set_bytes=settings.max_set_bytes,
        body_bytes=settings.max_body_bytes,
        page_bytes=settings.pull_page_bytes,
        lease_days=settings.offline_lease_days,
    )
    return TokenPair(pair.access, settings.access_token_minutes * 60, pair.refresh, limits)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
