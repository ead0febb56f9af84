"""Fills an empty database with a demo city and writes down how to get in."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from server.db import audit, people
from server.db.database import Transaction
from server.db.people import NewAssignment, NewUser
from server.demo.city import City
from server.demo.grids import SYNTHETIC
from server.demo.history.loading import load_history
from server.demo.people import Person, is_field_worker
from server.demo.registering import REGISTRY_VERSION, register
from server.demo.telling import Teller
from server.embedded.folder import write_private
from server.passwords import hash_password
from server.sealing import Keyring
from server.services import Services
from server.usecases.enrolment import create_codes

_CITY_TIME = ZoneInfo("Asia/Shanghai")
# Phones of the demo may be enrolled for as long as the demo is looked at.
_CODE_LIFE = timedelta(days=365)
_IN_SERVICE = timedelta(days=400)


async def fill(services: Services, data: Path, base_url: str, city: City, teller: Teller | None = None) -> None:
    """Seed registry, people and enrolment codes in one transaction, then what happened in a whole city.

    `demo.json` (owner only) is written last. Raises HistoryError.
    """
    teller = teller or Teller()
    teller.done(f"网格 grids {len(city.grids):,}")
    teller.now("人员 people")
    passwords = {person.id: _password() for person in city.people if person.has_password}
    hashes = await asyncio.to_thread(lambda: {one: hash_password(word) for one, word in passwords.items()})
    codes = await services.database.write(lambda tx: _seed(tx, services.keyring, city, hashes))
    workers = sum(map(is_field_worker, city.people))
    teller.done(f"人员 people {len(city.people):,} · 网格员 grid workers {workers:,}")
    if city.whole:
        await load_history(services, city, teller.now)
        teller.settle()
    demo = {
        "base_url": base_url,
        "label": SYNTHETIC,
        "logins": [_login(person, passwords[person.id]) for person in city.people if person.has_password],
        "enrolling": "administrator",
        "enrolment_codes": codes,
    }
    write_private(data / "demo.json", msgspec.json.format(msgspec.json.encode(demo)))


async def _seed(tx: Transaction, keyring: Keyring, city: City, hashes: dict[UUID, str]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    await register(tx.connection, city, now.astimezone(_CITY_TIME).date())
    await people.insert_users(tx.connection, [_user(person, keyring, hashes) for person in city.people])
    await people.insert_assignments(tx.connection, list(_assignments(city, now - _IN_SERVICE)))
    await audit.record(tx.connection, None, "demo.filled", "registry", str(REGISTRY_VERSION))
    holders = [device.person_id for device in city.devices]
    codes = await create_codes(tx, keyring, holders, created_by=None, life=_CODE_LIFE)
    return [
        {"code": code.code, "user": code.user, "role": device.role, "grids": device.grid_codes}
        for code, device in zip(codes, city.devices, strict=True)
    ]


def _user(person: Person, keyring: Keyring, hashes: dict[UUID, str]) -> NewUser:
    return NewUser(
        id=person.id,
        name=person.name,
        phone_index=keyring.index("phone", person.phone),
        phone_sealed=keyring.seal_for("phone", person.phone),
        password_hash=hashes.get(person.id),
    )


def _assignments(city: City, since: datetime) -> Iterator[NewAssignment]:
    grids = {grid.code: grid.id for grid in city.grids}
    for person in city.people:
        for held in person.assignments:
            yield NewAssignment(
                user_id=person.id,
                role=held.role,
                grid_id=grids[held.grid_code] if held.grid_code else None,
                division=held.division_code,
                department=held.department,
                valid_from=since,
            )


def _login(person: Person, password: str) -> dict[str, Any]:
    return {
        "role": person.role,
        "name": person.name,
        "phone": person.phone,
        "password": password,
        "divisions": sorted({held.division_code for held in person.assignments}),
        "grids": sorted({held.grid_code for held in person.assignments if held.grid_code}),
        "department": person.assignments[0].department,
    }


def _password() -> str:
    """Three kinds of characters, easy to type, and another one for every demo."""
    letters = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(7))
    digits = "".join(secrets.choice(string.digits) for _ in range(4))
    return f"G{letters}-{digits}"
