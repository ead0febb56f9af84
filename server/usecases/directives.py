"""Directives: what a device is asked to do itself, and that it says it has done.

    asked for, with a reason -> told in every answer to the device -> the device names it among `done`

Wiping goes with revoking. The device first sends what it has not sent, which goes to the quarantine; nobody can make it
do either while it is switched off, so what is shown is what it has said.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from server.db import audit, directives
from server.db.database import Transaction
from server.db.directives import DirectiveKind
from server.errors import Problem
from server.services import Services
from server.usecases.devices import DeviceDetail, lock_device_in_sight, revoke, show_device
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.sight import is_his_alone, sight_of


async def wipe_device(services: Services, caller: Caller, device_id: UUID, reason: str | None) -> DeviceDetail:
    """Have a device erase what it holds; it is revoked, if it was not.

    Raises Problem: reason_needed, parameter_invalid; not_found; forbidden where its holder works for others too;
    directive_open if it has been asked for and is not done.
    """
    return await _ask(services, caller, device_id, "wipe", reason)


async def ask_for_update(services: Services, caller: Caller, device_id: UUID, reason: str | None) -> DeviceDetail:
    """Have the app of a device ask its user to update it. Raises Problem as `wipe_device` does."""
    return await _ask(services, caller, device_id, "update_app", reason)


async def note_done(tx: Transaction, device_id: UUID, done: Sequence[UUID]) -> None:
    """A device has carried these out; what was never asked of it, or is done already, changes nothing."""
    if not done:
        return
    for directive_id in await directives.finish_directives(tx.connection, device_id, done):
        await audit.record(
            tx.connection, None, "directive.done", "device", str(device_id), detail={"directive": str(directive_id)}
        )


async def _ask(
    services: Services, caller: Caller, device_id: UUID, kind: DirectiveKind, reason: str | None
) -> DeviceDetail:
    sight, told = sight_of(services, caller), checked_reason(reason)

    async def work(tx: Transaction) -> None:
        locked = await lock_device_in_sight(tx, sight, device_id)
        if not is_his_alone(sight, locked.held):
            raise Problem("forbidden")
        if kind == "wipe" and not locked.device.revoked:
            await revoke(tx, caller, device_id, told)
        if not await directives.insert_directive(tx.connection, uuid4(), device_id, kind, told, caller.user_id):
            raise Problem("directive_open")
        await audit.record(
            tx.connection,
            caller.user_id,
            "device.directed",
            "device",
            str(device_id),
            told,
            detail={"kind": kind},
            request_id=caller.request_id,
        )

    await services.database.write(work)
    return await show_device(services, caller, device_id)
