"""Ending assignments, one or all: access ends at that instant, everywhere.

    lock the person -> end the assignments -> hand on what was returned to him -> end his sign-ins -> audit

A device that he held stays signed in and is given nothing: what was written before still arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from msgspec import Struct

from server.db import appointments, audit
from server.db.appointments import HeldPost, instant
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.people import act, appointer_of, lock_person, not_himself, post_detail
from server.usecases.reasons import checked_reason
from server.usecases.returns import hand_on_returns
from server.usecases.sessions import Caller
from sync.appointments import has_ended, may_appoint


class Ended(Struct, frozen=True, kw_only=True):
    """What the end of assignments came to.

    `handed_on`: returned items that a colleague is to correct now; `unsent`: changes that his devices still held when
    they last said so, and may still send; `without_chief`: grids that nobody leads any more.
    """

    user: UUID
    assignments: list[int]
    sessions: int = 0
    handed_on: int = 0
    unsent: int = 0
    without_chief: list[str] = []
    dry_run: bool = False


async def unassign(services: Services, caller: Caller, key: str, number: int, reason: str) -> Ended:
    """End one assignment now.

    Raises Problem: forbidden, reason_needed, not_found, own_appointment, assignment_ended.
    """
    appointer_of(caller)
    return await services.database.write(
        partial(_unassign, services=services, caller=caller, key=key, number=number, reason=checked_reason(reason))
    )


async def _unassign(tx: Transaction, services: Services, caller: Caller, key: str, number: int, reason: str) -> Ended:
    now = await instant(tx.connection)
    person, held = await lock_person(tx, services, caller, key)
    one = next((one for one in held if one.id == number and _gives(caller, one)), None)
    if one is None:
        raise Problem("not_found", field="assignment")
    not_himself(caller, person.id)
    if has_ended(one.assignment, now):
        raise Problem("assignment_ended")
    detail = post_detail(one.assignment, one.grid) | {"assignment": number}
    await appointments.end_assignments(tx.connection, [number], now)
    await audit.record_all(tx.connection, [act(caller, "user.unassigned", person.id, reason, detail)])
    return Ended(
        user=person.id,
        assignments=[number],
        without_chief=await _without_chief(tx, [one]),
        handed_on=await hand_on_returns(tx, services, person.id),
    )


async def leave(services: Services, caller: Caller, key: str, reason: str, *, dry_run: bool = False) -> Ended:
    """Let a person leave: every assignment and every sign-in ends at this instant, his devices are given nothing more.

    What he wrote before still arrives. All that he holds must be the caller's to give. Raises Problem: forbidden,
    reason_needed, not_found, own_appointment, person_left, role_not_yours.
    """
    appointer_of(caller)
    return await services.database.write(
        partial(_leave, services=services, caller=caller, key=key, reason=checked_reason(reason), dry_run=dry_run)
    )


async def _leave(tx: Transaction, services: Services, caller: Caller, key: str, reason: str, dry_run: bool) -> Ended:
    now = await instant(tx.connection)
    person, held = await lock_person(tx, services, caller, key)
    not_himself(caller, person.id)
    if person.left_at is not None:
        raise Problem("person_left")
    ending = [one for one in held if not has_ended(one.assignment, now)]
    if not all(_gives(caller, one) for one in ending):
        raise Problem(
            "role_not_yours",
            detail_zh="此人另有不归您管理的任职,请先由其管理者结束。",
            detail_en="They also hold posts that are not yours to end; have those ended first.",
        )
    numbers = [one.id for one in ending]
    unsent = await appointments.unsent_of(tx.connection, person.id)
    if dry_run:
        return Ended(user=person.id, assignments=numbers, unsent=unsent, dry_run=True)
    await appointments.end_assignments(tx.connection, numbers, now)
    handed_on = await hand_on_returns(tx, services, person.id)
    await appointments.mark_left(tx.connection, person.id, now)
    sessions = await appointments.end_office_sessions(tx.connection, person.id)
    detail = {"assignments": numbers, "sessions": sessions}
    await audit.record_all(tx.connection, [act(caller, "user.left", person.id, reason, detail)])
    return Ended(
        user=person.id,
        assignments=numbers,
        sessions=sessions,
        unsent=unsent,
        without_chief=await _without_chief(tx, ending),
        handed_on=handed_on,
    )


def _gives(caller: Caller, one: HeldPost) -> bool:
    return may_appoint(caller.assignments, one.assignment.role, one.assignment.division)


async def _without_chief(tx: Transaction, ended: Sequence[HeldPost]) -> list[str]:
    """The grids that lost their last chief."""
    grids = [one.assignment.grid_id for one in ended if one.assignment.role == "grid_chief" and one.assignment.grid_id]
    return await appointments.grids_without_chief(tx.connection, grids) if grids else []
