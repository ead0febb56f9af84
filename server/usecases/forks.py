"""Gives a phone that was restored from its backup an id of its own, without anybody's help.

    its number was used for other bytes (`forked`)  -> its access token, and the number and hash of that set
    its tokens were succeeded since the backup      -> its ticket, and the refresh token that the backup holds

The device that it was goes on for the other copy, if there is one. What a thief of a backup could do with this is in
docs/adr/0024.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from schemas.accounts import Backup, Enrolled, ForkRequest, SetRef
from server.db import audit, forks, people, sessions
from server.db.database import Transaction
from server.db.forks import Fork
from server.errors import Problem
from server.sealing import token_hash
from server.services import Services
from server.usecases.enrolment import enrolled_answer
from server.usecases.sessions import Caller, Pair, begin_session, read_refresh, repeat_first_pair
from server.usecases.tickets import Arrived, read_ticket
from sync.access import Assignment

_WITHIN = timedelta(days=1)
_MOST = 5
"""A phone is restored once in its life; more than so many forks a day of one person's phones are a fault or a thief."""


async def fork(services: Services, caller: Caller | None, wish: ForkRequest, request_id: str | None = None) -> Enrolled:
    """A device of its own for a copy of this one; `caller`: by its access token, None where the wish has a ticket.

    Until a token of the answer is first used, the same `install` is answered the same way. Raises Problem:
    parameter_invalid where what belongs together is not given; fork_unknown; ticket_invalid, token_unknown,
    fork_needless; forbidden for a device that was revoked or whose holder has left; fork_spent, fork_too_often.
    """
    if (wish.refused is None) == (wish.backup is None):
        raise Problem(
            "parameter_invalid",
            field="refused",
            detail_zh="请填写被拒变更集 refused 或备份内容 backup,二者只填其一。",
            detail_en="Give either the refused set or what the backup holds, not both.",
        )
    return await services.database.write(lambda tx: _fork(tx, services, caller, wish, request_id))


async def _fork(
    tx: Transaction, services: Services, caller: Caller | None, wish: ForkRequest, request_id: str | None
) -> Enrolled:
    device_id = _told_by_token(caller) if wish.backup is None else _told_by_ticket(services, wish.backup)
    device = await sessions.lock_device(tx.connection, device_id)
    holder = await people.find_person(tx.connection, user_id=device.user_id) if device else None
    if device is None or device.revoked or holder is None:
        raise Problem("forbidden")
    made = await forks.fork_of(tx.connection, device_id, wish.install)
    if made is not None:
        pair = await repeat_first_pair(tx, services, made.id)
        if pair is None:
            raise Problem("fork_spent", field="install")
    else:
        await _prove(tx, services, device_id, wish)
        made = await _make(tx, device_id, holder.id, wish, request_id)
        pair = await begin_session(tx, services, made.id, "device", holder.id, made.id)
    arrived = Arrived(made.id, holder.id, holder.name, _roles(holder.assignments), made.enrolled_at, pair)
    return await enrolled_answer(tx, services, arrived, wish.install)


def _told_by_token(caller: Caller | None) -> UUID:
    if caller is None or caller.device_id is None or caller.revoked:
        raise Problem("forbidden")
    return caller.device_id


def _told_by_ticket(services: Services, backup: Backup) -> UUID:
    """The device that the backup was of, by what only its app can have kept."""
    ticket = read_ticket(services.keyring, backup.ticket, backup.install)
    if ticket is None:
        raise Problem("ticket_invalid", field="backup")
    return ticket.device_id


async def _prove(tx: Transaction, services: Services, device_id: UUID, wish: ForkRequest) -> None:
    """That the phone is a copy. Raises Problem: fork_unknown, token_unknown, fork_needless."""
    if wish.refused is not None:
        await _prove_by_set(tx, device_id, wish.refused)
    elif wish.backup is not None:
        await _prove_by_token(tx, services, device_id, wish.backup.refresh)


async def _prove_by_set(tx: Transaction, device_id: UUID, refused: SetRef) -> None:
    if not await forks.forked_set_known(tx.connection, device_id, refused.no, bytes.fromhex(refused.hash)):
        raise Problem("fork_unknown", field="refused")


async def _prove_by_token(tx: Transaction, services: Services, device_id: UUID, token: str) -> None:
    """Another copy has gone on with the session that this token is of; one that is good proves nothing."""
    known = read_refresh(services.keyring, token)
    session = await sessions.lock_session(tx.connection, known[0]) if known else None
    if known is None or session is None or session.ended or session.device_id != device_id:
        raise Problem("token_unknown", field="backup")
    shown = token_hash(Pair.of(services.keyring, *known).refresh)
    is_ahead = session.generation is not None and known[1] > session.generation
    if is_ahead or shown == session.refresh_hash or (shown == session.previous_hash and not session.pair_used):
        raise Problem("fork_needless", field="backup")


async def _make(tx: Transaction, device_id: UUID, user_id: UUID, wish: ForkRequest, request_id: str | None) -> Fork:
    recent = await forks.recent_forks(tx.connection, user_id, _WITHIN)
    if recent.made >= _MOST:
        raise Problem("fork_too_often", retry_after=recent.seconds)
    described = (wish.name, wish.platform, wish.app)
    made = await forks.insert_fork(tx.connection, device_id, uuid4(), wish.install, described)
    detail = {"from": str(device_id), "by": "set" if wish.refused is not None else "ticket"}
    await audit.record(tx.connection, user_id, "device.forked", "device", str(made.id), None, detail, request_id)
    return made


def _roles(held: tuple[Assignment, ...]) -> list[str]:
    return sorted({one.role for one in held})
