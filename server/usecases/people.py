"""The people of the organisation: taking them on and appointing them.

    lock the person -> load what he ever held and the places -> decide (pure) -> store -> audit

Who keeps accounts sees the people of his division alone: everybody else is as if he did not exist. No telephone number
is in any answer, error or audit entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct

from server.db import appointments, audit, people
from server.db.appointments import HeldPost, LockedPerson, instant
from server.db.database import Transaction
from server.db.people import NewAssignment, NewUser
from server.errors import CATALOGUE, Problem
from server.sealing import Keyring
from server.services import Services
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.access import Assignment
from sync.appointments import (
    Fault,
    Post,
    appoint,
    areas_of,
    is_in_sight,
    validity,
)
from sync.roster import name_fault, phone_fault


class PostWish(Struct, frozen=True, kw_only=True):
    """A post as it is asked for; `first` and `last` are days in the city's time, the last one inclusive."""

    role: str
    grid: str | None = None
    division: str | None = None
    department: str | None = None
    first: date | None = None
    last: date | None = None

    def post(self, now: datetime) -> Post:
        """The post with its validity as instants."""
        begins, ends = validity(self.first, self.last, now)
        return Post(
            role=self.role,
            grid=self.grid,
            division=self.division,
            department=self.department,
            valid_from=begins,
            valid_to=ends,
        )


class Appointed(Struct, frozen=True):
    """Whom it is about, and the number of the assignment that he got."""

    user: UUID
    assignment: int | None


def refuse(fault: Fault) -> Problem:
    """A fault as the refusal of a request."""
    return Problem(fault.code, field=fault.field)


def appointer_of(caller: Caller) -> tuple[Assignment, ...]:
    """The caller's assignments. Raises Problem: forbidden, if none of them keeps accounts."""
    if caller.revoked or not areas_of(caller.assignments):
        raise Problem(
            "forbidden",
            detail_zh="管理人员须由系统管理员或安全管理员操作。",
            detail_en="People are managed by an administrator or a security administrator.",
        )
    return caller.assignments


# Taking on -------------------------------------------------------------------------------------------------


async def create_user(
    services: Services, caller: Caller, name: str, phone: str, wish: PostWish | None, reason: str
) -> Appointed:
    """Take on a person, with a first post if one is named.

    Raises Problem: forbidden, reason_needed, phone_invalid, name_invalid, phone_taken, and what `assign` refuses.
    """
    appointer_of(caller)
    why, name = checked_reason(reason), name.strip()
    fault = phone_fault(phone) or name_fault(name)
    if fault is not None:
        raise refuse(fault)
    return await services.database.write(
        partial(_create, services=services, caller=caller, name=name, phone=phone, wish=wish, reason=why)
    )


async def _create(
    tx: Transaction,
    services: Services,
    caller: Caller,
    name: str,
    phone: str,
    wish: PostWish | None,
    reason: str,
) -> Appointed:
    user = new_user(services.keyring, name, phone)
    if await appointments.lock_people(tx.connection, phone_indexes=[user.phone_index]):
        raise Problem("phone_taken", field="phone")
    await people.insert_users(tx.connection, [user])
    await audit.record_all(tx.connection, [act(caller, "user.created", user.id, reason)])
    number = await _appoint(tx, services, caller, user.id, (), wish, reason) if wish else None
    return Appointed(user.id, number)


def new_user(keyring: Keyring, name: str, phone: str) -> NewUser:
    """A person without a password; his number is found by its HMAC and kept sealed."""
    index, sealed = keyring.index("phone", phone), keyring.seal_for("phone", phone)
    return NewUser(id=uuid4(), name=name, phone_index=index, phone_sealed=sealed)


def act(caller: Caller, action: str, user_id: UUID, reason: str, detail: dict[str, Any] | None = None) -> audit.Act:
    """An entry of the audit trail about a person."""
    return audit.Act(
        actor_id=caller.user_id,
        action=action,
        subject_kind="user",
        subject_id=str(user_id),
        reason=reason,
        detail=detail or {},
        request_id=caller.request_id,
    )


# Appointing ------------------------------------------------------------------------------------------------


async def assign(services: Services, caller: Caller, key: str, wish: PostWish, reason: str) -> Appointed:
    """Give a person of the caller's area a post.

    Raises Problem: forbidden, reason_needed, not_found, person_left, own_appointment, and the faults of a post:
    role_unknown, role_not_yours, place_unsuitable, grid_unknown, division_unknown, department_unsuitable,
    validity_empty, assignment_overlaps.
    """
    appointer_of(caller)
    return await services.database.write(
        partial(_assign, services=services, caller=caller, key=key, wish=wish, reason=checked_reason(reason))
    )


async def _assign(
    tx: Transaction, services: Services, caller: Caller, key: str, wish: PostWish, reason: str
) -> Appointed:
    person, held = await lock_person(tx, services, caller, key)
    not_himself(caller, person.id)
    if person.left_at is not None:
        raise Problem("person_left")
    ever = [one.assignment for one in held]
    return Appointed(person.id, await _appoint(tx, services, caller, person.id, ever, wish, reason))


async def _appoint(
    tx: Transaction,
    services: Services,
    caller: Caller,
    user_id: UUID,
    ever: Sequence[Assignment],
    wish: PostWish,
    reason: str,
) -> int:
    now = await instant(tx.connection)
    post = wish.post(now)
    ground = await appointments.ground_of(tx.connection, place_codes([post.grid]), place_codes([post.division]), now)
    placed = appoint(post, ever, caller.assignments, ground, services.catalogue.source)
    if isinstance(placed, Fault):
        raise refuse(placed)
    (number,) = await people.insert_assignments(tx.connection, [new_assignment(user_id, placed)])
    detail = post_detail(placed, post.grid) | {"assignment": number}
    await audit.record_all(tx.connection, [act(caller, "user.assigned", user_id, reason, detail)])
    return number


def place_codes(codes: Iterable[str | None]) -> list[str]:
    """Those of these codes that can be codes of places at all."""
    return sorted({code for code in codes if code is not None and code.isascii() and code.isdigit()})


def new_assignment(user_id: UUID, placed: Assignment) -> NewAssignment:
    """An assignment to be stored."""
    return NewAssignment(
        user_id=user_id,
        role=placed.role,
        grid_id=placed.grid_id,
        division=placed.division,
        department=placed.department,
        valid_from=placed.valid_from,
        valid_to=placed.valid_to,
    )


def post_detail(placed: Assignment, grid: str | None) -> dict[str, Any]:
    """A post as the audit trail tells it."""
    told = {
        "role": placed.role,
        "grid": grid,
        "division": placed.division,
        "department": placed.department,
        "from": placed.valid_from,
        "to": placed.valid_to,
    }
    return {key: value for key, value in told.items() if value is not None}


async def lock_person(
    tx: Transaction, services: Services, caller: Caller, key: str
) -> tuple[LockedPerson, list[HeldPost]]:
    """Lock a person of the caller's area by login phone or id; raises Problem: not_found.

    Who has left is found by his id alone.
    """
    ids, indexes = person_keys(services.keyring, key)
    found = await appointments.lock_people(tx.connection, ids=ids, phone_indexes=indexes)
    # In a statement of its own: it sees what was committed while the lock was waited for.
    held = await appointments.posts_of(tx.connection, [one.id for one in found])
    ever = [one.assignment for one in held]
    if not found or not is_in_sight(caller.assignments, ever, await instant(tx.connection)):
        raise Problem("not_found")
    return found[0], held


def person_keys(keyring: Keyring, key: str) -> tuple[list[UUID], list[bytes]]:
    """What a person is looked for by: his id, or the index of his telephone number."""
    if "-" not in key:
        return [], [] if phone_fault(key) else [keyring.index("phone", key)]
    try:
        return [UUID(key)], []
    except ValueError:
        return [], []


def not_himself(caller: Caller, user_id: UUID) -> None:
    """Raises Problem own_appointment where somebody would change his own posts."""
    if caller.user_id == user_id:
        raise Problem("own_appointment")


def words_of(fault: Fault) -> tuple[str, str]:
    """A fault in Chinese and in English."""
    kind = CATALOGUE[fault.code]
    return kind.zh, kind.en
