"""What phones write: before they go offline, and in the three weeks in which nobody hears of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from schemas.forms import packaged
from schemas.wire import Fix, LegacyCode
from server.made_up.forms import Scene, edit_fields, editable, make_fields
from server.rehearse.city import legacy_of_community, legacy_of_grid
from server.simulate.worker import Worker

OFFLINE: Final = timedelta(days=21)
"""Within the offline lease of 30 days."""

_SPELLS: Final = 6
_BETWEEN: Final = timedelta(days=3)
_DWELLING, _RESIDENT, _TASK, _CLUE = "0102", "0101", "0802", "0204"
_UNSAID_EVERY: Final = 4
_MEETING_EVERY: Final = 2


class Claimed(Struct, frozen=True, kw_only=True):
    """What a phone says of the grid of a new item, in the order in which it was written."""

    item: UUID
    type: str
    fields: dict[str, Any]
    grid: str | None
    legacy: LegacyCode | None
    position: Fix | None
    at: datetime


class Desk:
    """One worker at his phone. `claims`: what it says of the grids of new items."""

    def __init__(self, worker: Worker, seed: int) -> None:
        self.worker = worker
        self.claims: list[Claimed] = []
        self._rng = Random(f"{seed}/{worker.number}/rehearsal")
        self._own: list[tuple[UUID, str]] = []
        self._addresses = 0

    @property
    def grid(self) -> str:
        """The code of the grid that he works in, as his phone knows it."""
        return self.worker.grids[0].code

    # Before ----------------------------------------------------------------------------------------------------------

    def write_synced(self) -> None:
        """Records and an event that everybody will know."""
        dwellings = [self._create(_DWELLING, self._fields(_DWELLING)) for _ in range(3)]
        scene = self._scene({_DWELLING: [str(dwellings[-1])]})
        resident = self._create(_RESIDENT, make_fields(_RESIDENT, self._rng, scene))
        task = self._create(_TASK, self._fields(_TASK))
        self._own = [*((one, _DWELLING) for one in dwellings[1:]), (resident, _RESIDENT), (task, _TASK)]
        self.worker.phone.seal()

    # Offline ---------------------------------------------------------------------------------------------------------

    def write_offline(self, shared: Sequence[UUID]) -> None:
        """New items and edits, over three weeks. `shared`: dwellings of the grid that both of its workers know."""
        self.claims.clear()
        edits = list(self._own)
        for spell in range(_SPELLS):
            self.worker.phone.clock.pass_time(_BETWEEN.total_seconds() * self._rng.uniform(0.8, 1.1))
            self._create(_DWELLING, self._fields(_DWELLING), position=self._fix() if spell % 2 else None)
            self._create_task(spell)
            if edits:
                self._edit(*edits.pop())
            self.worker.phone.seal()
        self._create(_CLUE, self._fields(_CLUE))
        if shared and (self.worker.number // 2) % _MEETING_EVERY == 0:
            self._edit(shared[0], _DWELLING, "use")
        self.worker.phone.seal()

    def _create_task(self, spell: int) -> None:
        """A task, which needs no place: by its code of today, by an old one, or with the author's position."""
        fields = self._fields(_TASK)
        community = legacy_of_community(self.grid[:12])
        if spell == 0 and self.worker.number % _UNSAID_EVERY == 0:
            self._create(_TASK, fields, grid=None, legacy=community)
        elif spell % 3 == 1:
            self._create(_TASK, fields, grid=None, legacy=legacy_of_grid(self.grid))
        elif spell % 3 == 2:
            self._create(_TASK, fields, grid=None, legacy=community, position=self._fix())
        else:
            self._create(_TASK, fields)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _create(
        self,
        code: str,
        fields: dict[str, Any],
        grid: str | None = "",
        legacy: LegacyCode | None = None,
        position: Fix | None = None,
    ) -> UUID:
        phone, grid = self.worker.phone, self.grid if grid == "" else grid
        urgency = packaged().types[code].type.urgency.default
        item = phone.create(code, fields, grid, urgency, position, legacy)
        self.claims.append(
            Claimed(item=item, type=code, fields=fields, grid=grid, legacy=legacy, position=position, at=phone.clock.at)
        )
        return item

    def _edit(self, item: UUID, code: str, key: str | None = None) -> None:
        """Other values of fields that do not tell the item's grid."""
        seen = self.worker.phone.device.visible(item)
        telling = packaged().types[code].territory.values()
        keys = [key] if key else [one for one in editable(code) if one not in telling]
        fields = edit_fields(code, seen.fields, self._rng, keys) if seen else {}
        if fields:
            self.worker.phone.edit(item, code, fields)

    def _fields(self, code: str) -> dict[str, Any]:
        fields = make_fields(code, self._rng, self._scene({}))
        if code == _TASK:
            fields.pop("location", None)
        if code == _DWELLING:
            # No two dwellings are the same: duplicates are not what is rehearsed.
            self._addresses += 1
            fields["address"] = f"{fields['address']}{self.worker.number}-{self._addresses}"
        return fields

    def _scene(self, items: dict[str, list[str]]) -> Scene:
        worker = self.worker
        return Scene(
            worker.phone.clock.at, worker.grids[0].outline, items, cared=worker.cared, album=worker.camera.album
        )

    def _fix(self) -> Fix:
        lon, lat = self._scene({}).place(self._rng)
        return Fix(lon, lat, "wgs84", round(self._rng.uniform(3, 20), 1), "gps")
