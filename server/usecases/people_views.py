"""The people of somebody's area, listed and shown; telephone numbers are masked unless a reason is given and noted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from server.db import appointments, audit
from server.db.appointments import DeviceOf, HeldPost, ListedPerson, PeopleFilter, instant
from server.db.database import Transaction
from server.errors import Problem
from server.masking import mask_phone
from server.services import Services
from server.usecases.paging import from_cursor, to_cursor
from server.usecases.people import act, appointer_of, lock_person
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.access import Assignment
from sync.appointments import areas_of, has_ended

PostState = Literal["now", "coming", "ended"]


class PostView(Struct, frozen=True, kw_only=True):
    """An assignment by its number; `grid` and `division` are codes, the validity is half-open."""

    assignment: int
    role: str
    grid: str | None
    division: str | None
    department: str | None
    valid_from: datetime
    valid_to: datetime | None
    state: PostState


class PersonView(Struct, frozen=True, kw_only=True):
    """A person of a list. `phone` is masked unless it was asked for; `devices`: those in use.

    `posts` that have ended are told of one person shown alone, and of who has no others.
    """

    id: UUID
    name: str
    phone: str
    left_at: datetime | None
    locked_until: datetime | None
    has_password: bool
    devices: int
    posts: list[PostView]


class PeoplePage(Struct, frozen=True):
    """A page of people, and where the next one begins."""

    people: list[PersonView]
    next: str | None


class PersonDetail(Struct, frozen=True):
    """A person with every assignment ever and every device."""

    person: PersonView
    devices: list[DeviceOf]


class PersonPlace(NamedTuple):
    """A place in a list of people by name."""

    name: str
    id: UUID


class PeopleWish(Struct, frozen=True, kw_only=True):
    """Which people to list; `division` is a prefix of codes."""

    left: bool = False
    role: str | None = None
    division: str | None = None
    grid: str | None = None


async def list_people(
    services: Services, caller: Caller, wish: PeopleWish, cursor: str | None, limit: int, reveal: str | None = None
) -> PeoplePage:
    """A page of the people of the caller's area, by name, with the posts that they hold or will hold, else held.

    `reveal`: why their telephone numbers are shown in full; it is noted for each of them. Raises Problem: forbidden,
    parameter_invalid for a wrong cursor, reason_needed.
    """
    areas = areas_of(appointer_of(caller))
    wanted = PeopleFilter(areas=areas, left=wish.left, role=wish.role, division=wish.division, grid=wish.grid)
    place, why = from_cursor(cursor, PersonPlace), None if reveal is None else checked_reason(reveal)
    return await services.database.write(
        partial(_list, services=services, caller=caller, wanted=wanted, place=place, limit=limit, why=why)
    )


async def _list(
    tx: Transaction,
    services: Services,
    caller: Caller,
    wanted: PeopleFilter,
    place: PersonPlace | None,
    limit: int,
    why: str | None,
) -> PeoplePage:
    rows = await appointments.list_people(tx.connection, wanted, place, limit + 1)
    shown, now = rows[:limit], await instant(tx.connection)
    held = await _posts(tx, [row.id for row in shown])
    await _note(tx, caller, [row.id for row in shown], why)
    people = [_view(services, row, held[row.id], now, why is not None, whole=wanted.left) for row in shown]
    last = PersonPlace(shown[-1].name, shown[-1].id) if len(rows) > limit else None
    return PeoplePage(people, to_cursor(last))


async def show_person(services: Services, caller: Caller, key: str, reveal: str | None = None) -> PersonDetail:
    """One person of the caller's area with all assignments ever.

    Raises Problem: forbidden, not_found, reason_needed.
    """
    appointer_of(caller)
    why = None if reveal is None else checked_reason(reveal)
    return await services.database.write(partial(_show, services=services, caller=caller, key=key, why=why))


async def _show(tx: Transaction, services: Services, caller: Caller, key: str, why: str | None) -> PersonDetail:
    person, held = await lock_person(tx, services, caller, key)
    row = await appointments.find_listed(tx.connection, person.id)
    if row is None:
        raise Problem("not_found")
    await _note(tx, caller, [person.id], why)
    view = _view(services, row, held, await instant(tx.connection), why is not None, whole=True)
    return PersonDetail(view, await appointments.devices_of(tx.connection, person.id))


async def _posts(tx: Transaction, user_ids: Sequence[UUID]) -> dict[UUID, list[HeldPost]]:
    held: dict[UUID, list[HeldPost]] = {user_id: [] for user_id in user_ids}
    for one in await appointments.posts_of(tx.connection, user_ids):
        held[one.user_id].append(one)
    return held


async def _note(tx: Transaction, caller: Caller, user_ids: Sequence[UUID], why: str | None) -> None:
    if why is not None and user_ids:
        await audit.record_all(tx.connection, [act(caller, "user.revealed", one, why) for one in user_ids])


def _view(
    services: Services, row: ListedPerson, held: Sequence[HeldPost], now: datetime, reveal: bool, *, whole: bool
) -> PersonView:
    phone = services.keyring.unseal_for("phone", row.phone_sealed)
    posts = [_post_view(one, now) for one in held]
    locked = row.locked_until if row.locked_until and row.locked_until > now else None
    return PersonView(
        id=row.id,
        name=row.name,
        phone=phone if reveal else mask_phone(phone),
        left_at=row.left_at,
        locked_until=locked,
        has_password=row.has_password,
        devices=row.devices,
        posts=posts if whole else [post for post in posts if post.state != "ended"] or posts,
    )


def _post_view(one: HeldPost, now: datetime) -> PostView:
    held = one.assignment
    return PostView(
        assignment=one.id,
        role=held.role,
        grid=one.grid,
        division=held.division,
        department=held.department,
        valid_from=held.valid_from,
        valid_to=held.valid_to,
        state=_state(held, now),
    )


def _state(held: Assignment, now: datetime) -> PostState:
    if has_ended(held, now):
        return "ended"
    return "coming" if held.valid_from > now else "now"
