"""One-time codes, and the devices that are enrolled with them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID, uuid4

from schemas.accounts import CodesRequest, Enrolled, EnrolmentRequest, NewCode, TokenPair
from server.db import audit, people, push, sessions
from server.db.database import Transaction
from server.db.sessions import CodeRow, NewDevice
from server.errors import Problem
from server.sealing import Keyring
from server.services import Services
from server.usecases.sessions import Caller, begin_session, find_person, repeat_first_pair
from server.usecases.tickets import Arrived, Ticket, come_back, write_ticket
from sync.access import Assignment, division_prefix

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""No character that is taken for another one when it is read from a screen."""

DEVICE_ROLES = ("grid_worker", "part_time_worker", "grid_chief", "grid_adviser")
_WRITING_ROLES = ("grid_worker", "part_time_worker", "grid_chief")
_ISSUED_BY = {
    "administrator": DEVICE_ROLES,
    "community": ("grid_worker", "grid_chief", "grid_adviser"),
    "grid_chief": ("grid_worker", "grid_chief", "grid_adviser"),
}
_CHARACTERS = 12
_MOST_FOR_ONE = 20


class Area(NamedTuple):
    """Whose devices somebody may enrol: people of these roles, all of whose work lies in these grids or divisions."""

    roles: tuple[str, ...]
    grid_ids: tuple[UUID, ...]
    prefixes: tuple[str, ...]

    def holds(self, assignments: Sequence[Assignment]) -> bool:
        """Whether every one of a person's assignments lies inside; a person without any is nowhere."""
        return bool(assignments) and all(self._holds(held) for held in assignments)

    def _holds(self, held: Assignment) -> bool:
        in_division = held.division is not None and held.division.startswith(self.prefixes)
        return held.role in self.roles and (held.grid_id in self.grid_ids or in_division)


def area_of(caller: Caller) -> Area:
    """The caller's area, by the widest of his roles that enrol devices. Raises Problem: forbidden."""
    role = next((role for role in _ISSUED_BY if role in caller.roles), None)
    if role is None or caller.revoked:
        raise Problem("forbidden")
    held = [one for one in caller.assignments if one.role == role]
    if role == "grid_chief":
        return Area(_ISSUED_BY[role], tuple(one.grid_id for one in held if one.grid_id), ())
    return Area(_ISSUED_BY[role], (), tuple(division_prefix(one.division) for one in held if one.division))


async def issue_codes(
    services: Services, caller: Caller, wish: CodesRequest, reason: str | None = None
) -> list[NewCode]:
    """Make enrolment codes for people of the caller's area. Raises Problem: forbidden, not_found, parameter_invalid."""
    area = area_of(caller)
    if wish.user is not None and wish.count > _MOST_FOR_ONE:
        raise Problem("parameter_invalid", field="count")
    return await services.database.write(lambda tx: _issue(tx, services, caller, area, wish, reason))


async def _issue(
    tx: Transaction, services: Services, caller: Caller, area: Area, wish: CodesRequest, reason: str | None
) -> list[NewCode]:
    if wish.user is None:
        user_ids = await people.people_of_area(tx.connection, *area, _WRITING_ROLES, wish.count)
    else:
        person = await find_person(tx.connection, services.keyring, wish.user)
        if person is None or not area.holds(person.assignments):
            raise Problem("not_found", field="user")
        user_ids = [person.id] * wish.count
    life = timedelta(hours=services.settings.enrol_code_hours)
    return await create_codes(
        tx,
        services.keyring,
        user_ids,
        created_by=caller.user_id,
        life=life,
        reason=reason,
        request_id=caller.request_id,
    )


async def create_codes(
    tx: Transaction,
    keyring: Keyring,
    user_ids: Sequence[UUID],
    *,
    created_by: UUID | None,
    life: timedelta,
    reason: str | None = None,
    replaces: UUID | None = None,
    request_id: str | None = None,
) -> list[NewCode]:
    """Make one code for each entry of `user_ids`, audited; the database keeps only their HMACs.

    `replaces`: the device in whose place the new one will be.
    """
    if not user_ids:
        return []
    codes = [(_draw(), user_id) for user_id in user_ids]
    expires_at = await sessions.insert_enrolment_codes(
        tx.connection, [(_index(keyring, code), user_id) for code, user_id in codes], created_by, life, replaces
    )
    acts = [
        audit.Act(
            actor_id=created_by,
            action="enrolment_code.issued",
            subject_kind="user",
            subject_id=str(user_id),
            reason=reason,
            detail={"replaces": str(replaces)} if replaces else {},
            request_id=request_id,
        )
        for user_id in user_ids
    ]
    await audit.record_all(tx.connection, acts)
    return [NewCode(code, user_id, expires_at) for code, user_id in codes]


async def enrol(services: Services, wish: EnrolmentRequest, request_id: str | None = None) -> Enrolled:
    """Enrol a device with a code, or take one back for its ticket.

    Raises Problem: enrolment_code_invalid; ticket_invalid, device_known; parameter_invalid for neither or both. The
    same request from the same installation of the app is answered the same way again, until a token of that answer is
    first used: a lost answer costs no code.
    """
    if (wish.code is None) == (wish.ticket is None):
        raise Problem(
            "parameter_invalid",
            field="code",
            detail_zh="请填写注册码 code 或凭证 ticket,二者只填其一。",
            detail_en="Give either a code or a ticket, not both.",
        )
    return await services.database.write(lambda tx: _enrol(tx, services, wish, request_id))


async def _enrol(tx: Transaction, services: Services, wish: EnrolmentRequest, request_id: str | None) -> Enrolled:
    arriving = _by_code if wish.ticket is None else come_back
    arrived = await arriving(tx, services, wish, request_id)
    return await enrolled_answer(tx, services, arrived, wish.install)


async def enrolled_answer(tx: Transaction, services: Services, arrived: Arrived, install: str) -> Enrolled:
    """What an app is told that is a device now; its ticket is good for this `install` alone."""
    ticket = Ticket(arrived.device_id, arrived.user_id, arrived.enrolled_at)
    return Enrolled(
        device=arrived.device_id,
        user=arrived.user_id,
        name=arrived.name,
        roles=arrived.roles,
        epoch=await push.current_epoch(tx.connection),
        access=arrived.pair.access,
        access_expires_in=arrived.pair.access_expires_in,
        refresh=arrived.pair.refresh,
        ticket=write_ticket(services.keyring, ticket, install),
        limits=arrived.pair.limits,
    )


async def _by_code(tx: Transaction, services: Services, wish: EnrolmentRequest, request_id: str | None) -> Arrived:
    code_hash = _index(services.keyring, wish.code or "")
    code = await sessions.lock_enrolment_code(tx.connection, code_hash)
    if code is None or code.over:
        raise Problem("enrolment_code_invalid", field="code")
    if not code.fresh:
        return await _once_more(tx, services, wish, code)
    arrived = await _first_time(tx, services, wish, code, request_id)
    await sessions.use_enrolment_code(tx.connection, code_hash, wish.install, arrived.device_id)
    return arrived


async def _first_time(
    tx: Transaction, services: Services, wish: EnrolmentRequest, code: CodeRow, request_id: str | None
) -> Arrived:
    device = NewDevice(
        id=uuid4(),
        user_id=code.user_id,
        name=wish.name,
        platform=wish.platform,
        app=wish.app,
        replaces=code.replaces,
    )
    enrolled_at = await sessions.insert_device(tx.connection, device)
    # A device has one session, under its own id, unless it is forgotten and returns.
    pair = await begin_session(tx, services, device.id, "device", code.user_id, device.id)
    detail = {"replaces": str(code.replaces)} if code.replaces else None
    await audit.record(
        tx.connection, code.user_id, "device.enrolled", "device", str(device.id), None, detail, request_id
    )
    return Arrived(device.id, code.user_id, code.name, code.roles, enrolled_at, pair)


async def _once_more(tx: Transaction, services: Services, wish: EnrolmentRequest, code: CodeRow) -> Arrived:
    device = await sessions.lock_device(tx.connection, code.device_id) if code.device_id else None
    pair: TokenPair | None = None
    if code.device_id is not None and code.install == wish.install:
        pair = await repeat_first_pair(tx, services, code.device_id)
    if code.device_id is None or device is None or pair is None:
        raise Problem("enrolment_code_invalid", field="code")
    return Arrived(code.device_id, code.user_id, code.name, code.roles, device.enrolled_at, pair)


def enrolment_link(code: str, address: str) -> str:
    """What an app scans: where its server is, and the code."""
    return f"onegrid://enrol?{urlencode({'url': address, 'code': code})}"


def in_groups(code: str) -> str:
    """A code as it is read aloud and typed: by fours."""
    return "-".join(code[i : i + 4] for i in range(0, len(code), 4))


def _draw() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(_CHARACTERS))


def _index(keyring: Keyring, code: str) -> bytes:
    """Of the code as a person may type it: with hyphens and spaces, in small letters."""
    return keyring.index("enrolment code", code.replace("-", "").replace(" ", "").upper())
