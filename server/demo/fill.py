"""Fills an empty database with the demo street and writes down how to get in."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from server.db import audit, people, registry
from server.db.database import Transaction
from server.db.people import NewAssignment, NewUser
from server.db.registry import NewDivision, NewGrid, NewOrganisation
from server.demo.city import SYNTHETIC, demo_divisions, demo_grids
from server.demo.offices import demo_organisations
from server.demo.people import Person, demo_field_devices, demo_people
from server.embedded.folder import write_private
from server.passwords import hash_password
from server.sealing import Keyring
from server.services import Services
from server.usecases.enrolment import create_codes

REGISTRY_VERSION = 1
# Phones of the demo may be enrolled for as long as the demo is looked at.
_CODE_LIFE = timedelta(days=365)
_IN_SERVICE = timedelta(days=400)


async def fill(services: Services, data: Path, base_url: str) -> None:
    """Seed registry, people and enrolment codes in one transaction, then write `demo.json` (owner only)."""
    passwords = {person.id: _password() for person in demo_people() if person.has_password}
    hashes = await asyncio.to_thread(lambda: {one: hash_password(word) for one, word in passwords.items()})
    codes = await services.database.write(lambda tx: _seed(tx, services, hashes))
    demo = {
        "base_url": base_url,
        "label": SYNTHETIC,
        "logins": [_login(person, passwords[person.id]) for person in demo_people() if person.has_password],
        "enrolling": "administrator",
        "enrolment_codes": codes,
    }
    write_private(data / "demo.json", msgspec.json.format(msgspec.json.encode(demo)))


async def _seed(tx: Transaction, services: Services, hashes: dict[UUID, str]) -> list[dict[str, Any]]:
    await _seed_registry(tx)
    await _seed_people(tx, services.keyring, hashes)
    await audit.record(tx.connection, None, "demo.filled", "registry", str(REGISTRY_VERSION))
    devices = demo_field_devices()
    codes = await create_codes(
        tx, services.keyring, [device.person_id for device in devices], created_by=None, life=_CODE_LIFE
    )
    return [
        {"code": code.code, "user": code.user, "role": device.role, "grids": device.grid_codes}
        for code, device in zip(codes, devices, strict=True)
    ]


async def _seed_registry(tx: Transaction) -> None:
    await registry.insert_divisions(
        tx.connection,
        [
            NewDivision(code=one.code, parent=one.parent, tier=one.tier, name_zh=one.name_zh, name_en=one.name_en)
            for one in demo_divisions()
        ],
    )
    await registry.insert_registry_version(tx.connection, REGISTRY_VERSION, SYNTHETIC)
    await registry.insert_grids(
        tx.connection,
        REGISTRY_VERSION,
        [
            NewGrid(
                id=grid.id,
                code=grid.code,
                community=grid.community_code,
                kind=grid.kind,
                name=grid.name_zh,
                outline=grid.outline,
                synthetic=True,
            )
            for grid in demo_grids()
        ],
    )
    await registry.insert_organisations(
        tx.connection,
        [
            NewOrganisation(
                id=one.id,
                department=one.department,
                division=one.division_code,
                tier=one.tier,
                name_zh=one.name_zh,
                name_en=one.name_en,
            )
            for one in demo_organisations()
        ],
    )


async def _seed_people(tx: Transaction, keyring: Keyring, hashes: dict[UUID, str]) -> None:
    await people.insert_users(
        tx.connection,
        [
            NewUser(
                id=person.id,
                name=person.name,
                phone_index=keyring.index("phone", person.phone),
                phone_sealed=keyring.seal_for("phone", person.phone),
                password_hash=hashes.get(person.id),
            )
            for person in demo_people()
        ],
    )
    since = datetime.now(UTC) - _IN_SERVICE
    await people.insert_assignments(
        tx.connection, [one for person in demo_people() for one in _assignments(person, since)]
    )


def _assignments(person: Person, since: datetime) -> Sequence[NewAssignment]:
    grids = {grid.code: grid.id for grid in demo_grids()}
    return [
        NewAssignment(
            user_id=person.id,
            role=held.role,
            grid_id=grids[held.grid_code] if held.grid_code else None,
            division=held.division_code,
            department=held.department,
            valid_from=since,
        )
        for held in person.assignments
    ]


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
