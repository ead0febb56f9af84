"""A resident whom two phones change at once: real change sets through the push, so that real conflicts open."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from msgspec import Raw, json

from schemas.wire import Base, Capture, Change, ChangeOutcome, ChangeSet, Clock
from server.services import Services
from server.usecases.conflict_access import id_range
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.orders import Order
from server.usecases.push import Arrival, push_set
from server.usecases.sealed_items import Vault
from server.usecases.sessions import Caller, find_person
from server.usecases.settling import Done
from sync.disputes import Choice
from sync.feed import unsigned64
from sync.items import ItemState
from tests.integration.town import CHIEF_EAST, WORKER_EAST, Citizen

DWELLING: dict[str, Any] = {
    "address": "明光街道东街 1 号",
    "unit_no": "2-1-301",
    "use": "owner",
    "location": {"lon": 117.905, "lat": 32.705, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"},
}
RESIDENT: dict[str, Any] = {
    "name": "张三",
    "id_type": "resident_id",
    "national_id": "11010519491231002X",
    "residence_type": "registered",
    "phone": "13800001234",
    "relation": "head",
    "living_here": True,
}


class Phone:
    """An enrolled device and the number of its next change set."""

    def __init__(self, holder: Citizen, device_id: UUID) -> None:
        self.holder = holder
        self.id = device_id
        self.next_no = 1


class Scene:
    """Two phones of one grid, and what the database says, looked at from outside."""

    def __init__(self, services: Services, truth: asyncpg.Connection, epoch: str) -> None:
        self.services = services
        self.truth = truth
        self.epoch = epoch
        self.phones: dict[str, Phone] = {}
        self.registered = 0

    @classmethod
    async def open(cls, services: Services, truth: asyncpg.Connection) -> Scene:
        scene = cls(services, truth, await truth.fetchval("SELECT id FROM epoch"))
        await scene.enrol("worker", WORKER_EAST)
        await scene.enrol("chief", CHIEF_EAST)
        return scene

    async def enrol(self, name: str, holder: Citizen) -> None:
        device_id = uuid4()
        await self.truth.execute(
            "INSERT INTO device (id, user_id, name) VALUES ($1, $2, $3)", device_id, holder.id, f"{name}的手机"
        )
        await self.truth.execute("INSERT INTO counter (device_id, epoch) VALUES ($1, $2)", device_id, self.epoch)
        self.phones[name] = Phone(holder, device_id)

    async def push(
        self,
        phone: str,
        op: str,
        item: UUID,
        fields: dict[str, Any] | None = None,
        *,
        of: str = "0101",
        base: Base | None = None,
    ) -> ChangeOutcome:
        """One change in a set of its own; what became of it."""
        device, now = self.phones[phone], datetime.now(UTC)
        capture = Capture(now, 1, "boot")
        change = Change(op, item, of, capture, base=base, grid=self.phones["worker"].holder.grid, fields=fields or {})
        change_set = ChangeSet(
            no=device.next_no,
            device=device.id,
            holder=device.holder.id,
            author=device.holder.id,
            catalogue=self.services.catalogue.version,
            registry=1,
            nonce="A" * 22,
            changes=[Raw(json.encode(change))],
        )
        raw = json.encode(change_set)
        arrival = Arrival(device.id, self.epoch, device.next_no, raw, Clock(now, 1, "boot"), now)
        receipt = await push_set(self.services, arrival)
        assert receipt is not None
        assert receipt.status == "decided", receipt
        device.next_no += 1
        return receipt.outcomes[0]

    async def register(self) -> UUID:
        """A dwelling and a resident of it, written by the worker; the next ones are others."""
        dwelling, resident = uuid4(), uuid4()
        own = {"dwelling": str(dwelling), "national_id": national_id(self.registered)}
        built = await self.push(
            "worker", "create", dwelling, DWELLING | {"unit_no": f"2-1-{301 + self.registered}"}, of="0102"
        )
        assert (built.outcome, built.conflict) == ("applied", None), built
        made = await self.push("worker", "create", resident, RESIDENT | own)
        assert (made.outcome, made.conflict) == ("applied", None), made
        self.registered += 1
        return resident

    async def base(self, item: UUID) -> Base:
        """The revision that a phone holds which pulled just now."""
        row = await self.truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", item)
        return Base(row["version"], f"{unsigned64(row['rev']):016x}")

    async def two_edits(
        self,
        item: UUID,
        first: dict[str, Any] | None,
        second: dict[str, Any] | None,
        *,
        of: str = "0101",
    ) -> UUID:
        """The chief's edit arrives, then the worker's, of the same base (None: a deletion); the conflict that opens."""
        base = await self.base(item)
        for phone, fields, expected in (("chief", first, "applied"), ("worker", second, "parked")):
            outcome = await self.push(phone, "update" if fields else "delete", item, fields, of=of, base=base)
            assert outcome.outcome == expected, outcome
        assert outcome.conflict is not None
        return outcome.conflict

    async def caller(self, citizen: Citizen) -> Caller:
        """A citizen as the command line knows him."""
        async with self.services.database.read() as connection:
            person = await find_person(connection, self.services.keyring, citizen.phone)
        assert person is not None
        return Caller(user_id=person.id, name=person.name, kind="cli", assignments=person.assignments)

    async def order(self, conflict: UUID | str, by: Citizen, **more: Any) -> Order:
        given = {"reason": "已电话核实", "now": datetime.now(UTC)} | more
        return Order(actor=await self.caller(by), ids=id_range(str(conflict)), **given)

    async def resolve(self, conflict: UUID | str, by: Citizen, choice: Choice, **more: Any) -> Done:
        return await resolve_conflict(self.services, await self.order(conflict, by, **more), choice)

    async def undo(self, conflict: UUID | str, by: Citizen, **more: Any) -> Done:
        return await undo_resolution(self.services, await self.order(conflict, by, **more))

    # What is so ---------------------------------------------------------------------------------------------

    async def item(self, item: UUID) -> ItemState:
        """The item's head, unsealed with its key."""
        vault = Vault(self.services.keyring, self.services.catalogue)
        rows = await self.services.database.pool.fetch(
            "SELECT i.*, k.wrapped FROM item i JOIN item_key k ON k.item_id = i.id WHERE i.id = $1", item
        )
        return vault.open_item(rows[0], vault.secret(rows[0]))

    async def conflict(self, conflict: UUID) -> asyncpg.Record:
        return await self.truth.fetchrow("SELECT * FROM conflict WHERE id = $1", conflict)

    async def revision(self, item: UUID, version: int) -> asyncpg.Record:
        return await self.truth.fetchrow("SELECT * FROM revision WHERE item_id = $1 AND version = $2", item, version)

    async def entries(self, object_id: UUID) -> dict[str, asyncpg.Record]:
        """The feed entries of an object, by stream."""
        rows = await self.truth.fetch(
            "SELECT s.key, f.* FROM feed f JOIN stream s ON s.id = f.stream_id WHERE f.object_id = $1", object_id
        )
        return {row["key"]: row for row in rows}

    async def everything(self) -> dict[str, Any]:
        """A fingerprint of every table: equal ones mean that nothing was written in between."""
        tables = await self.truth.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            row[0]: Counter([line[0] for line in await self.truth.fetch(f'SELECT t::text FROM "{row[0]}" t')])
            for row in tables
        }


def national_id(number: int) -> str:
    """The first is that of `RESIDENT`; each is a valid one."""
    digits = f"1101051949123100{2 + number}" if number < 8 else f"110105194912310{number:02}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return digits + "10X98765432"[total % 11]


def long_ago(days: float) -> datetime:
    """So many days before now."""
    return datetime.now(UTC) - timedelta(days=days)
