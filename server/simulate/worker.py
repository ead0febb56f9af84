"""A worker with a phone, and what he does beside his day's work."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from schemas.accounts import RegistryView
from server.made_up.forms import Scene, make_fields
from server.simulate.camera import Camera
from server.simulate.link import BrokenError
from server.simulate.marking import mark
from server.simulate.notebook import Grid, Note
from server.simulate.phone import Phone

_SIMPLE = "0802"


class Worker:
    """`grids`: where he works; a part-time worker may report in any of them and looks nothing up.

    `marks`: whether what he writes of people is made recognisable. `is_gone`: he has left, or his phone was wiped.
    """

    def __init__(
        self, number: int, phone: Phone, grids: Sequence[Grid], part_time: bool, seed: str, user: UUID, marks: bool
    ) -> None:
        self.number = number
        self.user = user
        self.phone = phone
        self.camera = Camera(phone)
        self.grids = grids
        self.part_time = part_time
        self.seed = seed
        self.marks = marks
        self.own: dict[UUID, Note] = {}
        self.cared: set[str] = set()
        self.shots: list[dict[str, Any]] = []
        self._fresh: list[Note] = []
        self.is_gone = False

    # Beside the day's work -------------------------------------------------------------------------------------------

    def report(self, rng: Random, **fields: Any) -> None:
        """One more form, of which nobody will write anything further; the draft is not sealed."""
        grid = self.grids[0]
        scene = Scene(self.phone.clock.at, grid.outline, {}, album=self.camera.album, camera=self.camera.take)
        form = make_fields(_SIMPLE, rng, scene)
        given = {key: value for key, value in fields.items() if value}
        form = {key: value for key, value in form.items() if key not in fields} | given
        self.phone.create(_SIMPLE, mark(_SIMPLE, form, rng) if self.marks else form, grid.code, "normal", None)

    def step_too_early(self) -> bool:
        """Take a step of a case that is not so far yet; False where there is no event to be seen."""
        seen = next((one for one in self.phone.device.items() if one.case is not None and not one.unsent), None)
        if seen is not None:
            self.phone.step(seen.id, seen.type, "verify", "handled")
            self.phone.seal()
        return seen is not None

    async def send_all(self) -> None:
        """Everything that this phone has, photos included, whatever day it is."""
        await self.phone.exchange_all()
        await self.camera.send()

    async def look_up_grids(self) -> None:
        """The grids have changed."""
        view = msgspec.json.decode(await self.phone.link.get("/v1/registry"), type=RegistryView)
        self.grids = [Grid(grid.code, grid.outline) for grid in view.grids]

    async def drain_and_wipe(self) -> None:
        """The phone was revoked: it sends what it has, gives up its photos, and forgets everything."""
        phone = self.phone
        await phone.exchange_all()
        if not phone.device.wiped:
            self.camera.give_up()
            await phone.exchange_all()
        if not phone.device.wiped:
            raise BrokenError("a phone that was to be wiped holds its data still")
        self.is_gone = True

    def sent(self) -> list[Note]:
        """What the worker has made, and not deleted, since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return [note for note in fresh if note.item in self.own]

    def note(self, note: Note) -> None:
        """Something new of the worker's own."""
        self.own[note.item] = note
        self._fresh.append(note)
