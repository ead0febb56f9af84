"""Sets of several changes by the two phones of `conflict_scene`, and what became of the items they are about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from msgspec import Raw, json

from schemas.wire import Base, Capture, Change, ChangeOutcome, ChangeSet, Clock, Transition
from server.usecases.conflict_views import Detail, show_conflict
from server.usecases.push import Arrival, push_set
from tests.integration.conflict_scene import DWELLING, RESIDENT, Scene, national_id
from tests.integration.town import Citizen

OUTSIDE = {"lon": 110.0, "lat": 30.0, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}


class KindsScene(Scene):
    """A `Scene` whose phones send whole sets."""

    def change(self, op: str, item: UUID | None = None, fields: dict[str, Any] | None = None, **more: Any) -> Change:
        """A change captured now; of dwellings, in the worker's grid, if nothing else is said."""
        given = {"type": "0102", "grid": self.phones["worker"].holder.grid, "fields": fields or {}} | more
        return Change(op, item or uuid4(), capture=Capture(datetime.now(UTC), 1, "boot"), **given)

    def dwelling(self, item: UUID | None = None, **fields: Any) -> Change:
        """A new dwelling that is like no other."""
        self.registered += 1
        own = {"unit_no": f"9-9-{self.registered:03}"}
        return self.change("create", item, DWELLING | own | fields)

    def resident(self, dwelling: UUID, item: UUID | None = None, **fields: Any) -> Change:
        """A new resident of a dwelling, with an identity number that is his alone."""
        self.registered += 1
        own = {"dwelling": str(dwelling), "national_id": national_id(self.registered)}
        return self.change("create", item, RESIDENT | own | fields, type="0101")

    async def send(self, phone: str, *changes: Change, atomic: bool = False) -> list[ChangeOutcome]:
        """The changes as the phone's next set."""
        device, now = self.phones[phone], datetime.now(UTC)
        change_set = ChangeSet(
            no=device.next_no, device=device.id, holder=device.holder.id, author=device.holder.id,
            catalogue=self.services.catalogue.version, registry=1, nonce="A" * 22,
            changes=[Raw(json.encode(change)) for change in changes], atomic=atomic,
        )  # fmt: skip
        arrival = Arrival(device.id, self.epoch, device.next_no, json.encode(change_set), Clock(now, 1, "boot"), now)
        receipt = await push_set(self.services, arrival)
        assert receipt is not None
        assert receipt.status == "decided", receipt
        device.next_no += 1
        return receipt.outcomes

    async def one(self, phone: str, change: Change) -> ChangeOutcome:
        """What became of a single change."""
        return (await self.send(phone, change))[0]

    async def built(self, phone: str = "worker") -> UUID:
        """A dwelling that stands."""
        change = self.dwelling()
        outcome = await self.one(phone, change)
        assert (outcome.outcome, outcome.conflict) == ("applied", None), outcome
        return change.item

    async def edit(self, item: UUID, base: Base | None = None, of: str = "0102", **fields: Any) -> Change:
        """An edit of the item as it is now."""
        return self.change("update", item, fields, base=base or await self.base(item), type=of)

    async def deletion(self, item: UUID, of: str = "0102") -> Change:
        """A deletion of the item as it is now."""
        return self.change("delete", item, base=await self.base(item), type=of)

    def step(self, item: UUID, action: str, leaves: str, note: str | None = None, **more: Any) -> Change:
        """A step of the case of a fire hazard."""
        return self.change("transition", item, type="0401", transition=Transition(action, leaves, note), **more)

    async def shown(self, conflict: UUID, by: Citizen) -> Detail:
        """A conflict as somebody sees it."""
        return await show_conflict(self.services, await self.caller(by), (conflict, conflict))

    async def kinds(self) -> list[tuple[str, str]]:
        """Kind and state of every conflict, in the order in which they were opened."""
        rows = await self.truth.fetch("SELECT kind, state FROM conflict ORDER BY opened_at, set_no, set_index, id")
        return [tuple(row) for row in rows]

    async def streams_of(self, item: UUID) -> set[str]:
        """The streams that carry an object."""
        return {key for key, entry in (await self.entries(item)).items() if entry["present"]}

    async def notice(self, conflict: UUID) -> tuple[str, str, bool]:
        """Kind, code and whether it is open."""
        return tuple(await self.truth.fetchrow("SELECT kind, code, open FROM notice WHERE id = $1", conflict))
