"""The first person of an installation: somebody has to appoint before anybody can be appointed."""

from __future__ import annotations

from functools import partial

from server.db import appointments, audit, people, registry
from server.db.appointments import instant
from server.db.database import Transaction
from server.db.people import NewAssignment
from server.db.registry import NewDivision
from server.errors import Problem
from server.passwords import hash_password
from server.services import Services
from server.usecases.credentials import NewPassword, draw_password
from server.usecases.people import new_user, refuse
from server.usecases.reasons import checked_reason
from sync.roster import name_fault, phone_fault

CITY = NewDivision(code="341100000000", parent=None, tier="city", name_zh="滁州市", name_en="Chuzhou City")
_ROLE = "security_administrator"


async def found(services: Services, name: str, phone: str, reason: str) -> NewPassword:
    """Make the first security administrator, of the whole city, with a password; only while there is none.

    Raises Problem: reason_needed, phone_invalid, name_invalid, phone_taken, founded_already.
    """
    why, name = checked_reason(reason), name.strip()
    fault = phone_fault(phone) or name_fault(name)
    if fault is not None:
        raise refuse(fault)
    password = draw_password()
    work = partial(_found, services=services, name=name, phone=phone, reason=why, password=password)
    return await services.database.write(partial(work, password_hash=hash_password(password)))


async def _found(
    tx: Transaction, services: Services, name: str, phone: str, reason: str, password: str, password_hash: str
) -> NewPassword:
    if await appointments.lock_founding(tx.connection, _ROLE):
        raise Problem("founded_already")
    user = new_user(services.keyring, name, phone)
    if await appointments.lock_people(tx.connection, phone_indexes=[user.phone_index]):
        raise Problem("phone_taken", field="phone")
    if not (await appointments.ground_of(tx.connection, [], [CITY.code], await instant(tx.connection))).divisions:
        await registry.insert_divisions(tx.connection, [CITY])
    await people.insert_users(tx.connection, [user])
    await people.insert_assignments(tx.connection, [NewAssignment(user_id=user.id, role=_ROLE, division=CITY.code)])
    await appointments.set_password(tx.connection, user.id, password_hash)
    await audit.record(tx.connection, user.id, "user.founded", "user", str(user.id), reason)
    return NewPassword(user.id, password, 0)
