"""A small town to sign in to: one county, one street, two communities with three square grids, one person a role."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple
from uuid import UUID, uuid5

from server.db import people, registry
from server.db.database import Transaction
from server.db.people import NewAssignment, NewUser
from server.db.registry import NewDivision, NewGrid
from server.passwords import hash_password
from server.services import Services

NAMESPACE = UUID("0d6f4c0e-0f5d-4b69-9a3c-6d1f6cb1c0de")
CITY, COUNTY, STREET = "341100000000", "341182000000", "341182001000"
EAST, WEST = "341182001001", "341182001002"
PASSWORD = "Correct-Horse-9"


class Citizen(NamedTuple):
    """Somebody of the town; `grid` is a code."""

    role: str
    phone: str
    grid: str | None = None
    division: str | None = None
    department: str | None = None

    @property
    def id(self) -> UUID:
        return uuid5(NAMESPACE, self.phone)


GRIDS = {f"{EAST}001": EAST, f"{EAST}002": EAST, f"{WEST}001": WEST}
WORKER_EAST = Citizen("grid_worker", "13800000001", grid=f"{EAST}001")
WORKER_EAST_2 = Citizen("grid_worker", "13800000002", grid=f"{EAST}002")
WORKER_WEST = Citizen("grid_worker", "13800000003", grid=f"{WEST}001")
CHIEF_EAST = Citizen("grid_chief", "13800000004", grid=f"{EAST}001")
COMMUNITY_EAST = Citizen("community", "13800000005", division=EAST)
ADMINISTRATOR = Citizen("administrator", "13800000006", division=COUNTY)
RIDER = Citizen("part_time_worker", "13800000007", division=COUNTY)
HANDLER = Citizen("department_handler", "13800000008", division=COUNTY, department="gongan")
PEOPLE = (
    WORKER_EAST,
    WORKER_EAST_2,
    WORKER_WEST,
    CHIEF_EAST,
    COMMUNITY_EAST,
    ADMINISTRATOR,
    RIDER,
    HANDLER,
)


def grid_id(code: str) -> UUID:
    """The id of a grid of the town."""
    return uuid5(NAMESPACE, code)


async def build(services: Services) -> None:
    """Put the town into an empty database."""
    await services.database.write(lambda tx: _build(tx, services))
    await services.registry_holder.refresh()


async def _build(tx: Transaction, services: Services) -> None:
    await registry.insert_divisions(tx.connection, _divisions())
    await registry.insert_registry_version(tx.connection, 1, "test town")
    await registry.insert_grids(tx.connection, 1, [_grid(i, code) for i, code in enumerate(GRIDS)])
    await people.insert_users(tx.connection, [_user(services, one) for one in PEOPLE])
    await people.insert_assignments(tx.connection, [_assignment(one) for one in PEOPLE])


def _divisions() -> list[NewDivision]:
    return [
        NewDivision(code=CITY, parent=None, tier="city", name_zh="滁州市"),
        NewDivision(code=COUNTY, parent=CITY, tier="county", name_zh="明光市"),
        NewDivision(code=STREET, parent=COUNTY, tier="street", name_zh="明光街道"),
        NewDivision(code=EAST, parent=STREET, tier="community", name_zh="东社区", name_en="East"),
        NewDivision(code=WEST, parent=STREET, tier="community", name_zh="西社区", name_en="West"),
    ]


def _grid(place: int, code: str) -> NewGrid:
    west, south = 117.9 + place * 0.01, 32.7
    ring = [(west, south), (west + 0.01, south), (west + 0.01, south + 0.01), (west, south + 0.01), (west, south)]
    return NewGrid(
        id=grid_id(code),
        code=code,
        community=GRIDS[code],
        kind="general",
        name=f"第{place + 1}网格",
        outline=[ring],
        synthetic=True,
    )


def _user(services: Services, one: Citizen) -> NewUser:
    return NewUser(
        id=one.id,
        name=f"测试{one.role}",
        phone_index=services.keyring.index("phone", one.phone),
        phone_sealed=services.keyring.seal_for("phone", one.phone),
        password_hash=_password_hash(),
    )


@cache
def _password_hash() -> str:
    return hash_password(PASSWORD)


def _assignment(one: Citizen) -> NewAssignment:
    return NewAssignment(
        user_id=one.id,
        role=one.role,
        grid_id=grid_id(one.grid) if one.grid else None,
        division=one.division,
        department=one.department,
    )
