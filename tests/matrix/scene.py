"""What is planted at home, in the next community and in another county.

What a thing says stands nowhere else, so an answer with one of its texts or ids has shown it. `clear` texts are shown
to whoever may see the thing, `secret` ones (what the catalogue marks as personal or sensitive) only where nothing is
masked. A `told` text is marked as personal too, but names and numbers nobody: the page of an item shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from msgspec.structs import replace

from schemas.evidence import PhotoRef
from schemas.offices import CaseAction, ReviewDecision
from schemas.wire import Base, Capture, Change, Fix
from server.services import Services
from server.usecases import cases, reviews
from server.usecases.evidence import declare
from tests import builders
from tests.builders import (
    CHIEF,
    COUNTY,
    DISPATCHER,
    EAST,
    GRIDS,
    MATE,
    NEIGHBOUR,
    PETITIONER,
    RIDER,
    WEST,
    WEST_WORKER,
    WORKER,
    Person,
    Phone,
    capture,
    create,
    deliver,
    enrol,
    grid_id,
    organisation,
    photo,
)
from tests.matrix.city import (
    FAR_CHIEF,
    FAR_COMMUNITY,
    FAR_COUNTY,
    FAR_DISPATCHER,
    FAR_GRID,
    FAR_GRID_NAME,
    FAR_PETITIONER,
    FAR_POINT,
    FAR_WORKER,
)

PLACES = ("home", "next", "far")
WORD = "矩阵共同标记"
"""What every planted report says, so that one search finds them all."""

_GRID = {"home": GRIDS[0], "next": GRIDS[2], "far": FAR_GRID}
_COMMUNITY = {"home": EAST, "next": WEST, "far": FAR_COMMUNITY}
_WRITER = {"home": WORKER, "next": WEST_WORKER, "far": FAR_WORKER}
_PERSON = {"home": NEIGHBOUR, "next": WEST_WORKER, "far": FAR_WORKER}
_DESK = {"home": (CHIEF, DISPATCHER, PETITIONER), "far": (FAR_CHIEF, FAR_DISPATCHER, FAR_PETITIONER)}
_NAME = {"home": "赵青禾", "next": "孙南浦", "far": "钱北望"}
_OTHER_NAME = "赵晴和"
_GRID_NAME = {"home": "第1网格", "next": "第3网格", "far": FAR_GRID_NAME}


class Planted(NamedTuple):
    """One thing. `revision` names it to a review; `more` is what else a request about it has to say."""

    kind: str
    place: str
    id: str
    ids: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    revision: tuple[int, str] = (1, "0" * 16)
    more: Mapping[str, Any] = MappingProxyType({})

    @property
    def label(self) -> str:
        """Which thing it is, in a message."""
        return f"{self.kind} {self.place}"


class Scene:
    """The planted things, and the phones that wrote them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.things: list[Planted] = []
        self._phones: dict[Person, Phone] = {}
        self._number = 0

    async def plant(self) -> None:
        """All of it."""
        for place in PLACES:
            self.things += [await self.report(place), await self.petition(place), await self.resident(place)]
            self.things += [await self._person(place), await self.upload(place), _grid(place), _office(place)]
        for place in _DESK:
            self.things += [await self.held(place), await self.asked(place)]
        self.things += [await self.own(), await self.approved(), await self.conflict()]

    # Events ------------------------------------------------------------------------------------------------

    async def report(self, place: str = "home", kind: str = "report", writer: Person | None = None) -> Planted:
        """A report that everybody of the grid reads, with a photo, whose review and case wait."""
        self._number += 1
        writer = writer or _WRITER[place]
        clear, phone = f"clear-{self._number}-{kind}-{place}", f"1870000{self._number:04d}"
        taken = photo(self._number)
        fields = {"description": f"{WORD} {clear}", "user_phone": phone, "photos": [taken]}
        item_id = await self._create(place, writer, "0402", fields)
        await deliver(self.services, writer, self._number)
        name = f"{taken['sha256']}-{taken['size']}"
        planted = Planted(kind, place, item_id, (item_id, taken["sha256"]), (clear,), (phone,), more={"photo": name})
        return planted._replace(revision=await self._revision(item_id))

    async def own(self) -> Planted:
        """The part-time worker's own report."""
        return await self.report("home", "own", RIDER)

    async def approved(self) -> Planted:
        """A report that the grid chief has approved."""
        planted = (await self.report("home"))._replace(kind="approved")
        await self._approve(planted, CHIEF)
        return planted

    async def held(self, place: str) -> Planted:
        """A report whose case the fire department of the county holds."""
        chief, desk, _ = _DESK[place]
        planted = (await self.report(place))._replace(kind="held")
        await self._approve(planted, chief)
        await self._act(planted, desk, action="accept", from_state="reported")
        office = organisation("xiaofang", COUNTY if place == "home" else FAR_COUNTY).id
        await self._act(planted, desk, action="dispatch", from_state="accepted", organisation=office)
        return planted

    async def petition(self, place: str, kind: str = "petition") -> Planted:
        """An event that only those read who have to know of it; it was sent straight to its department."""
        self._number += 1
        people, demand = 70_00 + self._number, f"secret-{self._number}-{kind}-{place}"
        item_id = await self._create(place, _WRITER[place], "0504", {"people": people, "demand": demand})
        return Planted(kind, place, item_id, (item_id,), (), (demand,), (), await self._revision(item_id))

    async def asked(self, place: str) -> Planted:
        """The same, where the department has asked for more time: the offices above decide about its case."""
        handler = _DESK[place][2]
        planted = await self.petition(place, "asked")
        await self._act(planted, handler, action="sign", from_state="dispatched")
        until = datetime.now(UTC) + timedelta(days=30)
        await self._act(planted, handler, action="extend", from_state="signed", reason="ex_procedure", until=until)
        return planted

    # Records, conflicts ------------------------------------------------------------------------------------

    async def resident(self, place: str) -> Planted:
        """A person. At home and far away it is one identity number, and neither side may learn of the other."""
        self._number += 1
        dwelling = await self._create(place, _WRITER[place], "0102", {"address": f"明光街道 {self._number} 号"})
        remark, name = f"told-{self._number}-resident-{place}", _NAME[place]
        fields = {"name": name, "remark": remark, "dwelling": dwelling, "phone": f"1871111{self._number:04d}"}
        if place != "next":
            fields |= {"id_type": "resident_id", "national_id": "11010519491231002X"}
        item_id = await self._create(place, _WRITER[place], "0101", fields)
        ids, secret = (item_id, dwelling), (name, fields["phone"])
        planted = Planted("resident", place, item_id, ids, (), secret, (remark,), more={"name": name})
        return planted._replace(revision=await self._revision(item_id))

    async def conflict(self) -> Planted:
        """Two phones named the resident at home differently: what the second one wrote is parked."""
        known = next(one for one in self.things if (one.kind, one.place) == ("resident", "home"))
        now_called = _NAME["home"] + "儿"
        self.things[self.things.index(known)] = known._replace(more={"name": now_called})
        base = Base(*known.revision)
        item, told = UUID(known.id), None
        for writer, name in ((MATE, now_called), (WORKER, _OTHER_NAME)):
            change = Change("update", item, "0101", capture(), base=base, fields={"name": name})
            told = (await (await self._phone(writer)).push(change)).outcomes[0]
        assert told is not None
        assert told.conflict is not None, told
        return Planted("conflict", "home", str(told.conflict), (str(told.conflict),), (), (_OTHER_NAME,))

    # People and places -------------------------------------------------------------------------------------

    async def _person(self, place: str) -> Planted:
        person = _PERSON[place]
        device = str((await self._phone(person)).device_id)
        more = {"name": f"{person.role} {person.phone[-2:]}", "device": device}
        return Planted("person", place, str(person.id), (str(person.id), device), (), (person.phone,), more=more)

    async def device(self, place: str) -> Planted:
        """One more phone of somebody who works there."""
        phone = await enrol(self.services, _PERSON[place])
        return Planted("device", place, str(phone.device_id), (str(phone.device_id),))

    async def upload(self, place: str) -> Planted:
        """Somebody's way in for a photo that he has not sent yet."""
        self._number += 1
        taken, writer = photo(self._number), await builders.caller(self.services, _WRITER[place])
        (told,) = await declare(self.services, writer, [PhotoRef(taken["sha256"], taken["size"])])
        assert told.upload is not None
        return Planted("upload", place, str(told.upload.id), (str(told.upload.id),))

    # How things come in ------------------------------------------------------------------------------------

    async def _create(self, place: str, writer: Person, type_code: str, fields: dict[str, Any]) -> str:
        change = create(type_code, grid=GRIDS[0] if place == "far" else _GRID[place], **fields)
        if place == "far":
            change = _moved_away(change)
        outcome = (await (await self._phone(writer)).push(change)).outcomes[0]
        assert outcome.outcome == "applied", outcome
        return str(change.item)

    async def _phone(self, writer: Person) -> Phone:
        if writer not in self._phones:
            self._phones[writer] = await enrol(self.services, writer)
        return self._phones[writer]

    async def _revision(self, item_id: str) -> tuple[int, str]:
        async with self.services.database.read() as connection:
            row = await connection.fetchrow("SELECT version, rev FROM item WHERE id = $1", UUID(item_id))
        assert row is not None
        return row["version"], f"{row['rev'] % 2**64:016x}"

    async def _approve(self, planted: Planted, chief: Person) -> None:
        decision = ReviewDecision(UUID(planted.id), *planted.revision, "approve")
        caller = await builders.caller(self.services, chief)
        (result,) = await reviews.decide_all(self.services, caller, [decision])
        assert result.result == "done", result

    async def _act(self, planted: Planted, who: Person, **action: Any) -> None:
        caller = await builders.caller(self.services, who)
        await cases.act(self.services, caller, UUID(planted.id), CaseAction(**action))


def absent(like: Planted) -> Planted:
    """Something of the same kind that there is not: who may not see a thing has to be answered as if it were this."""
    made = str(uuid4())
    more = {"photo": f"{'ab' * 32}-91", "name": "查无此人", "device": str(uuid4()), "code": "341182001009001"}
    more["community"] = "341182001009"
    return like._replace(id=made, ids=(made,), clear=(), secret=(), told=(), more={key: more[key] for key in like.more})


def _grid(place: str) -> Planted:
    more = {"code": _GRID[place], "community": _COMMUNITY[place]}
    known = str(grid_id(_GRID[place]))
    return Planted("grid", place, known, (known,), (_GRID_NAME[place],), more=more)


def _office(place: str) -> Planted:
    office = str(organisation("shequ", _COMMUNITY[place]).id)
    return Planted("office", place, office, (office,))


def _moved_away(change: Change) -> Change:
    fields = dict(change.fields)
    if "location" in fields:
        fields["location"] = FAR_POINT
    there = Capture(datetime.now(UTC), 0, "boot", Fix(FAR_POINT["lon"], FAR_POINT["lat"], "wgs84", 5.0))
    return replace(change, grid=FAR_GRID, capture=there, fields=fields)
