"""The mini city with legacy codes, phones that push them, and the database looked at from outside."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from schemas.wire import Base, Change, ChangeOutcome, Fix, LegacyCode
from server.db import crosswalk, registry
from server.db.crosswalk import LegacyRow
from server.db.database import Transaction
from server.services import Services
from server.usecases.conflict_access import id_range
from server.usecases.conflict_views import Detail, show_conflict
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.orders import Order
from server.usecases.settling import Done
from sync.disputes import Choice
from sync.feed import unsigned64
from tests.builders import EAST, GRIDS, WEST, WORKER, Person, Phone, build_city, caller, create, enrol, grid_id

ENDED = date(2023, 12, 31)
ONE, SEVERAL, STREET_WIDE, EITHER, GONE = "XF-ONE", "CG-EAST", "YJ-ALL", "XF-EITHER", "ZZ-GONE"
RETIRED_GRID = f"{EAST}009"
FAR = {"lon": 119.5, "lat": 33.5, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}


def row(code: str, department: str = "xiaofang", **more: Any) -> LegacyRow:
    """A row that ended when the departments' grids were merged."""
    given = {"valid_from": date(2017, 11, 1), "valid_to": ENDED} | more
    return LegacyRow(department=department, legacy_code=code, **given)


ROWS = [
    row(ONE, grid_id=grid_id(GRIDS[1])),
    row(SEVERAL, "chengguan", community=EAST),
    row(STREET_WIDE, "yingji", community=EAST),
    row(STREET_WIDE, "yingji", community=WEST),
    row(EITHER, community=EAST, sense="one_of"),
    row(EITHER, community=WEST, sense="one_of"),
    row(GONE, "zhengfawei", community=EAST, valid_to=date(2019, 4, 30), sense="retired"),
]


async def build(services: Services, truth: asyncpg.Connection) -> None:
    """The mini city at registry version 2: with legacy codes, and a grid that was retired."""
    await build_city(services)

    async def work(tx: Transaction) -> None:
        await registry.insert_registry_version(tx.connection, 2, "legacy codes")
        await crosswalk.write_crosswalk(tx.connection, 2, [], ROWS)

    await services.database.write(work)
    await truth.execute(
        """
        WITH ended AS (INSERT INTO grid VALUES (gen_random_uuid(), 1, 2) RETURNING id),
            given AS (INSERT INTO grid_code SELECT $1, id FROM ended)
        INSERT INTO grid_label (grid_id, from_version, to_version, code, community, kind, name, outline)
        SELECT id, 1, 2, $1, $2, 'general', 'ended', '[]' FROM ended
        """,
        RETIRED_GRID,
        EAST,
    )
    async with services.database.read() as connection:
        services.registry_holder.registry = await registry.load_registry(connection)


def claiming(
    type_code: str, legacy: tuple[str, str] | None = None, *, grid: str | None = None, **fields: Any
) -> Change:
    """A new item written far from every grid, with nothing but a code to tell its grid by."""
    made = create(type_code, **fields)
    far = Fix(FAR["lon"], FAR["lat"], "wgs84", 5.0)
    capture = msgspec.structs.replace(made.capture, position=far)
    fields = made.fields | ({"location": FAR} if "location" in made.fields and "location" not in fields else {})
    return msgspec.structs.replace(
        made, capture=capture, grid=grid, legacy=LegacyCode(*legacy) if legacy else None, fields=fields
    )


class Scene:
    """A worker's phone in that city."""

    def __init__(self, services: Services, truth: asyncpg.Connection, phone: Phone) -> None:
        self.services = services
        self.truth = truth
        self.phone = phone

    @classmethod
    async def open(cls, services: Services, truth: asyncpg.Connection) -> Scene:
        await build(services, truth)
        return cls(services, truth, await enrol(services, WORKER))

    async def push(self, change: Change) -> ChangeOutcome:
        return (await self.phone.push(change)).outcomes[0]

    async def phone_of(self, person: Person) -> Phone:
        return await enrol(self.services, person)

    async def park(self, change: Change) -> tuple[UUID, UUID]:
        """Push what must be parked: the item and the conflict."""
        outcome = await self.push(change)
        assert outcome.outcome == "parked", outcome
        assert outcome.conflict is not None
        return change.item, outcome.conflict

    async def edit(self, item: UUID, op: str = "update", **more: Any) -> Change:
        """An edit on the item as it is now, written where nothing is."""
        head = await self.item(item)
        base = Base(head["version"], f"{unsigned64(head['rev']):016x}")
        made = claiming(head["type"])
        return msgspec.structs.replace(made, op=op, item=item, base=base, **({"fields": {}} | more))

    async def item(self, item: UUID) -> asyncpg.Record:
        return await self.truth.fetchrow("SELECT * FROM item WHERE id = $1", item)

    async def claim(self, conflict: UUID) -> dict[str, Any]:
        return msgspec.json.decode(await self.truth.fetchval("SELECT claim FROM conflict WHERE id = $1", conflict))

    async def streams(self, object_id: UUID) -> set[str]:
        """The streams in which an object is present."""
        rows = await self.truth.fetch(
            "SELECT s.key FROM feed f JOIN stream s ON s.id = f.stream_id WHERE f.object_id = $1 AND f.present",
            object_id,
        )
        return {one["key"] for one in rows}

    async def order(self, conflict: UUID, by: Person, **more: Any) -> Order:
        given: dict[str, Any] = {"reason": "按门牌核对", "now": datetime.now(UTC)} | more
        return Order(actor=await caller(self.services, by, "cli"), ids=id_range(str(conflict)), **given)

    async def settle(self, conflict: UUID, by: Person, grid: str, **more: Any) -> Done:
        order = await self.order(conflict, by, **more)
        return await resolve_conflict(self.services, order, Choice("grid", grid=grid))

    async def undo(self, conflict: UUID, by: Person) -> Done:
        return await undo_resolution(self.services, await self.order(conflict, by))

    async def show(self, conflict: UUID, by: Person) -> Detail:
        return await show_conflict(self.services, await caller(self.services, by, "cli"), id_range(str(conflict)))
