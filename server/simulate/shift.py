"""One working day of one worker, without a network: forms, edits and deletions, and a clock that may go wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5

from schemas.forms import packaged
from schemas.wire import Fix
from server.made_up.forms import Scene, claimed_urgency, edit_fields, make_fields, missing_references
from server.simulate.marking import mark
from server.simulate.meetings import Deed
from server.simulate.notebook import Grid, Note, Notebook
from server.simulate.plan import RECORDS, Day
from server.simulate.worker import Worker

_SET_SIZES = (1, 2, 3, 4, 5, 6, 8, 10)
_NEW_PHOTOS_ON_DAYS = (2, 1)
_WITH_POSITION = 0.7
_MOST_PHOTOS = 4
_NOBODY = UUID("6f0d3f57-3c55-4a0e-8a30-0f3b6f3f7f10")


class Shift:
    """One day of one worker; what is done lies in the outbox at its end."""

    def __init__(self, worker: Worker, day: int, at: datetime, notebook: Notebook) -> None:
        rng = Random(f"{worker.seed}/{day}")
        self._worker, self._phone, self._rng, self._day = worker, worker.phone, rng, day
        self._phone.clock.move_to(at)
        self._upset_clock()
        self._in_set, self._set_size = 0, rng.choice(_SET_SIZES)
        self._new_photos = self._side = 0
        self._marking = Random(f"{worker.seed}/{day}/marks")
        self._known = self._look_around(notebook)
        self._scenes: dict[str, Scene] = {}

    def work(self, plan: Day, deeds: Sequence[Deed]) -> None:
        """Deeds and edits are strewn among the new forms."""
        steps: list[Any] = [*((self._deed, deed) for deed in deeds), *[(self._edit_any, None)] * plan.edits]
        steps += [(self._delete_any, None)] * plan.deletes + [(self._flawed, None)] * plan.flawed
        self._rng.shuffle(steps)
        creates = [(self._create, code) for code in plan.creates]
        # Until the first records are made there is nothing that an event could refer to.
        for step in steps:
            creates.insert(self._rng.randint(0 if self._day else len(creates) // 2, len(creates)), step)
        for place, (act, what) in enumerate(creates):
            if self._jumps and place == len(creates) // 2:
                self._phone.clock.jump(self._phone.luck.dice("clock_jumped"))
            act(what)
            self._phone.clock.pass_time(self._rng.randint(60, 900))
        self._seal()

    def _upset_clock(self) -> None:
        luck, clock = self._phone.luck, self._phone.clock
        if luck.strikes("rebooted"):
            clock.reboot()
        if luck.strikes("zone_changed"):
            clock.change_zone(luck.dice("zone_changed"))
        self._jumps = luck.strikes("clock_jumped")

    # Steps -----------------------------------------------------------------------------------------------------------

    def _create(self, code: str) -> None:
        self._create_in(self._rng.choice(self._worker.grids), code)

    def _create_in(self, grid: Grid, code: str) -> None:
        scene = self._scene(grid)
        for options in missing_references(code, scene):
            self._create_in(grid, options[0])
        fields = self._with_old_photos(code, self._made(code, scene), scene)
        urgency, position = claimed_urgency(code, self._rng), self._position(code, scene)
        item = self._phone.create(code, fields, grid.code, urgency, position)
        note = Note(item, code, grid.code, self._worker.number, self._day)
        self._worker.note(note)
        self._known.append(note)
        scene.items.setdefault(code, []).append(str(item))  # pyright: ignore[reportAttributeAccessIssue]
        self._written()

    def _edit_any(self, _: None) -> None:
        if self._known:
            note = self._rng.choice(self._known)
            seen = self._phone.device.visible(note.item)
            rng = self._side_rng()
            self._edit(note.item, note.type, edit_fields(note.type, seen.fields, rng) if seen else {})

    def _delete_any(self, _: None) -> None:
        records = [note for note in self._known if note.type in RECORDS]
        if records:
            note = self._rng.choice(records)
            self._delete(note.item, note.type)

    def _deed(self, deed: Deed) -> None:
        seen = self._phone.device.visible(deed.item)
        if seen is None:
            return
        if deed.act == "delete":
            self._delete(deed.item, deed.type)
        elif deed.act == "edit":
            self._edit(deed.item, deed.type, edit_fields(deed.type, seen.fields, self._side_rng(), (deed.key,)))
        elif deed.act == "add_photo":
            self._edit(deed.item, deed.type, self._one_more_photo(deed, seen.fields))
        else:
            self._edit(deed.item, deed.type, self._one_more_option(deed, seen.fields))

    def _flawed(self, _: None) -> None:
        """What an old app may send: a form without a field that it needs, or one that refers to nothing."""
        grid = self._rng.choice(self._worker.grids)
        if self._worker.part_time or self._rng.random() < 0.5:
            fields = self._made("0801", self._scene(grid))
            del fields["description"]
            code = "0801"
        else:
            nobody = str(uuid5(_NOBODY, str(self._rng.random())))
            scene = Scene(self._phone.clock.at, grid.outline, {"0102": [nobody]})
            code, fields = "0101", self._made("0101", scene)
        self._phone.create(code, fields, grid.code, "critical" if code == "0801" else "normal", None)
        self._written()

    # Inside ----------------------------------------------------------------------------------------------------------

    def _made(self, code: str, scene: Scene) -> dict[str, Any]:
        return self._marked(code, make_fields(code, self._rng, scene))

    def _marked(self, code: str, fields: dict[str, Any]) -> dict[str, Any]:
        return mark(code, fields, self._marking) if self._worker.marks else fields

    def _edit(self, item: UUID, item_type: str, fields: dict[str, Any]) -> None:
        if fields:
            self._phone.edit(item, item_type, self._marked(item_type, fields))
            self._written()

    def _delete(self, item: UUID, item_type: str) -> None:
        if self._phone.device.visible(item) is not None:
            self._phone.delete(item, item_type)
            self._known = [note for note in self._known if note.item != item]
            self._worker.own.pop(item, None)
            for scene in self._scenes.values():
                if str(item) in scene.items.get(item_type, ()):
                    scene.items[item_type].remove(str(item))  # pyright: ignore[reportAttributeAccessIssue]
            self._written()

    def _written(self) -> None:
        self._in_set += 1
        if self._in_set >= self._set_size:
            self._seal()

    def _seal(self) -> None:
        if self._in_set:
            self._phone.seal()
            self._in_set, self._set_size = 0, self._rng.choice(_SET_SIZES)

    def _side_rng(self) -> Random:
        """Dice for what depends on the state pulled, so that it shifts no other draw of the day."""
        self._side += 1
        return Random(f"{self._worker.seed}/{self._day}/{self._side}")

    def _look_around(self, notebook: Notebook) -> list[Note]:
        """What can be seen on this phone: the team's open items, and the worker's own of whatever class."""
        own = self._worker.own
        if self._worker.part_time:
            return list(own.values())
        team = [note for grid in self._worker.grids for note in notebook.known(grid.code, self._phone.knew)]
        return [*own.values(), *(note for note in team if note.stream == "grid" and note.item not in own)]

    def _scene(self, grid: Grid) -> Scene:
        """The grid as it is now; made when it is first needed."""
        scene = self._scenes.get(grid.code)
        if scene is None:
            items: defaultdict[str, list[str]] = defaultdict(list)
            for note in self._known:
                if note.grid == grid.code and not self._worker.part_time:
                    items[note.type].append(str(note.item))
            crs: Any = ("wgs84", "gcj02", "bd09")[self._worker.number % 3]
            worker = self._worker
            scene = Scene(self._phone.clock.at, grid.outline, items, crs, worker.cared, worker.camera.album)
            scene.camera = worker.camera.take
            self._scenes[grid.code] = scene
        scene.now = self._phone.clock.at
        return scene

    def _position(self, code: str, scene: Scene) -> Fix | None:
        """Where the phone was, for types that may know it."""
        sources = {source.source for source in packaged().types[code].type.territory_from}
        if "capture" not in sources or self._rng.random() > _WITH_POSITION:
            return None
        lon, lat = scene.place(self._rng)
        return Fix(lon, lat, "wgs84", round(self._rng.uniform(3, 40), 1), "gps", scene.now - timedelta(seconds=8))

    def _with_old_photos(self, code: str, fields: dict[str, Any], scene: Scene) -> dict[str, Any]:
        """After the first photos of a day, one taken earlier serves again: its bytes travel only once."""
        key = packaged().types[code].photo_field
        if key is None or key not in fields:
            return fields
        chosen: list[dict[str, Any]] = []
        for photo in fields[key]:
            kept = self._old_photo(chosen) if self._new_photos >= _NEW_PHOTOS_ON_DAYS[self._day % 2] else None
            if kept is None:
                self._new_photos += 1
                self._worker.shots.append(photo)
            else:
                scene.album.pop(f"{photo['sha256']}-{photo['size']}", None)
                photo = {**kept, "role": photo["role"]}
            chosen.append(photo)
        return {**fields, key: chosen}

    def _old_photo(self, chosen: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        used = {photo["sha256"] for photo in chosen}
        old = [photo for photo in self._worker.shots[-6:] if photo["sha256"] not in used]
        return self._rng.choice(old) if old else None

    def _one_more_photo(self, deed: Deed, fields: dict[str, Any]) -> dict[str, Any]:
        photos = fields.get(deed.key, [])
        if len(photos) >= _MOST_PHOTOS - 1:
            return {}
        at = (117.99, 32.78)
        photo = self._worker.camera.take(
            self._side_rng(), f"{deed.type} {self._worker.number}", self._phone.clock.at, at
        )
        self._worker.camera.album[photo.key] = photo.data
        return {deed.key: [*photos, {"sha256": photo.sha256, "size": photo.size, "role": "report"}]}

    def _one_more_option(self, deed: Deed, fields: dict[str, Any]) -> dict[str, Any]:
        options = [option.value for option in packaged().types[deed.type].fields[deed.key].options]
        held = fields.get(deed.key, [])
        free = [option for option in options if option not in held and option != "none"]
        return {deed.key: sorted([*held, self._side_rng().choice(free)])} if free else {}
