"""The town of the bench: a lattice of square grids without any place of the world, and the phones in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID, uuid5

from msgspec import Struct

from server.db import people, push, registry, sessions
from server.db.database import Transaction
from server.db.people import NewAssignment, NewUser
from server.db.registry import NewDivision, NewGrid
from server.db.sessions import NewDevice
from server.services import Services
from server.usecases.sessions import begin_session
from sync.access import tier_of

_NAMES = UUID("0b9d2f6e-7c41-4b6a-9a55-3f1d5c2e8a70")
_CITY, _COUNTY = "341100000000", "341182000000"
_WEST, _SOUTH, _SIDE = 117.5, 32.2, 0.01
_ROW, _GRIDS_EACH = 60, 10
_IN_OFFICE_SINCE = timedelta(days=365)


class Ground(Struct, frozen=True):
    """One grid: its id, code and ring in WGS-84."""

    id: UUID
    code: str
    ring: tuple[tuple[float, float], ...]


class Phone(Struct, frozen=True):
    """An enrolled device: its number among all, its holder, its access token, and the numbers of his grids."""

    number: int
    device: UUID
    user: UUID
    access: str
    grids: tuple[int, ...]
    epoch: str
    catalogue: str


def ground(number: int) -> Ground:
    """The grid of this number, from 0 on; ten to a community."""
    west, south = _WEST + number % _ROW * _SIDE, _SOUTH + number // _ROW * _SIDE
    east, north = west + _SIDE, south + _SIDE
    code = f"{_community(number)}{number % _GRIDS_EACH + 1:03}"
    ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return Ground(ground_of(code), code, ring)


@cache
def ground_of(code: str) -> UUID:
    """The id of the grid with this code."""
    return uuid5(_NAMES, code)


async def lay_out(services: Services, grids: int) -> None:
    """Put so many grids into an empty database."""

    async def work(tx: Transaction) -> None:
        await registry.insert_divisions(tx.connection, _divisions(grids))
        await registry.insert_registry_version(tx.connection, 1, "bench")
        await registry.insert_grids(tx.connection, 1, [_new_grid(number) for number in range(grids)])

    await services.database.write(work)
    await services.registry_holder.refresh()


async def enrol(services: Services, role: str, teams: Sequence[tuple[int, ...]]) -> list[Phone]:
    """One new person with one phone for each team of grids."""

    async def work(tx: Transaction) -> list[Phone]:
        drawn = await _first_free(tx)
        users = [uuid5(_NAMES, f"user {drawn + place}") for place in range(len(teams))]
        fresh = [_new_user(services, number, user) for number, user in enumerate(users, drawn)]
        await people.insert_users(tx.connection, fresh)
        held = [one for user, team in zip(users, teams, strict=True) for one in _assignments(user, role, team)]
        await people.insert_assignments(tx.connection, held)
        epoch = await push.current_epoch(tx.connection)
        staffed = enumerate(zip(users, teams, strict=True), drawn)
        return [await _phone(tx, services, number, user, team, epoch) for number, (user, team) in staffed]

    return await services.database.write(work)


async def _first_free(tx: Transaction) -> int:
    found: int | None = await tx.connection.fetchval("SELECT count(*) FROM users")
    return found or 0


async def _phone(
    tx: Transaction, services: Services, number: int, user: UUID, team: tuple[int, ...], epoch: str
) -> Phone:
    device, session = uuid5(user, "device"), uuid5(user, "session")
    new = NewDevice(id=device, user_id=user, name="bench", platform="android", app="1.0")
    await sessions.insert_device(tx.connection, new)
    pair = await begin_session(tx, services, session, "device", user, device)
    return Phone(number, device, user, pair.access, team, epoch, services.catalogue.version)


def _new_user(services: Services, number: int, user: UUID) -> NewUser:
    phone = f"139{number:08}"
    return NewUser(
        id=user,
        name=f"bench {number}",
        phone_index=services.keyring.index("phone", phone),
        phone_sealed=services.keyring.seal_for("phone", phone),
    )


def _assignments(user: UUID, role: str, team: tuple[int, ...]) -> list[NewAssignment]:
    since = datetime.now(UTC) - _IN_OFFICE_SINCE
    return [NewAssignment(user_id=user, role=role, grid_id=ground(one).id, valid_from=since) for one in team]


def _community(number: int) -> str:
    place = number // _GRIDS_EACH
    return f"341182{place // 100 + 1:03}{place % 100 + 1:03}"


def _divisions(grids: int) -> list[NewDivision]:
    communities = sorted({_community(number) for number in range(grids)})
    streets = sorted({f"{code[:9]}000" for code in communities})
    rows = [(_CITY, None), (_COUNTY, _CITY), *((code, _COUNTY) for code in streets)]
    rows += [(code, f"{code[:9]}000") for code in communities]
    return [NewDivision(code=code, parent=parent, tier=tier_of(code), name_zh=code) for code, parent in rows]


def _new_grid(number: int) -> NewGrid:
    one = ground(number)
    return NewGrid(
        id=one.id,
        code=one.code,
        community=one.code[:12],
        kind="general",
        name=one.code,
        outline=[list(one.ring)],
        synthetic=True,
    )
