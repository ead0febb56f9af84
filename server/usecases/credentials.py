"""Passwords made anew and accounts unlocked, by a security administrator."""

from __future__ import annotations

import secrets
import string
from functools import partial
from uuid import UUID

from msgspec import Struct

from server.db import appointments, audit, people
from server.db.database import Transaction
from server.errors import Problem
from server.passwords import hash_password
from server.services import Services
from server.usecases.people import act, lock_person
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.appointments import areas_of

_PASSWORD_LENGTH = 12
_READABLE = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")
_KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_SECURITY = frozenset({"security_administrator"})


class NewPassword(Struct, frozen=True):
    """A fresh password, shown this once, and how many sessions its old one had open."""

    user: UUID
    password: str
    sessions: int


async def reset_password(services: Services, caller: Caller, key: str, reason: str) -> NewPassword:
    """Give a person a fresh password and end his sign-ins at offices; his devices stay signed in.

    Raises Problem: forbidden, reason_needed, not_found, person_left.
    """
    _security(caller)
    password = draw_password()
    return await services.database.write(
        partial(
            _reset,
            services=services,
            caller=caller,
            key=key,
            reason=checked_reason(reason),
            password=password,
            password_hash=hash_password(password),
        )
    )


async def _reset(
    tx: Transaction,
    services: Services,
    caller: Caller,
    key: str,
    reason: str,
    password: str,
    password_hash: str,
) -> NewPassword:
    person, _ = await lock_person(tx, services, caller, key)
    if person.left_at is not None:
        raise Problem("person_left")
    await appointments.set_password(tx.connection, person.id, password_hash)
    ended = await appointments.end_office_sessions(tx.connection, person.id)
    await audit.record_all(tx.connection, [act(caller, "user.password_reset", person.id, reason, {"sessions": ended})])
    return NewPassword(person.id, password, ended)


async def unlock(services: Services, caller: Caller, key: str, reason: str) -> UUID:
    """Let a person try his password again. Raises Problem: forbidden, reason_needed, not_found, person_left."""
    _security(caller)
    return await services.database.write(
        partial(_unlock, services=services, caller=caller, key=key, reason=checked_reason(reason))
    )


async def _unlock(tx: Transaction, services: Services, caller: Caller, key: str, reason: str) -> UUID:
    person, _ = await lock_person(tx, services, caller, key)
    if person.left_at is not None:
        raise Problem("person_left")
    await people.forgive_login_failures(tx.connection, person.id)
    await audit.record_all(tx.connection, [act(caller, "user.unlocked", person.id, reason)])
    return person.id


def _security(caller: Caller) -> None:
    if caller.revoked or not areas_of(caller.assignments, _SECURITY):
        raise Problem(
            "forbidden",
            detail_zh="重设密码和解锁须由安全管理员操作。",
            detail_en="Passwords are reset and accounts unlocked by a security administrator.",
        )


def draw_password() -> str:
    """A password of 12 characters of three kinds, none of which is taken for another one."""
    while True:
        drawn = "".join(secrets.choice(_READABLE) for _ in range(_PASSWORD_LENGTH))
        if all(any(character in kind for character in drawn) for kind in _KINDS):
            return drawn
