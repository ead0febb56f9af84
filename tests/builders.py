"""A mini city and the phones in it: one street, two communities with two square grids each, one or two people a role.

    await build_city(services)
    phone = await enrol(services, WORKER)
    hazard = await phone.report("0401", photos=[photo(1)])
    await deliver(services, WORKER, 1)

Everything is put there by the functions the server itself uses, so what a test finds is what the server made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from io import BytesIO
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID, uuid4, uuid5

import httpx
from PIL import Image

from schemas.catalogue import item_types, load
from schemas.evidence import PhotoRef
from schemas.item_type import Field, ItemType
from schemas.wire import Base, Capture, Change, ChangeSet, Clock, Fix, Receipt
from server.db import people, push, registry, sessions
from server.db.database import Transaction
from server.db.people import NewAssignment, NewUser
from server.db.registry import NewDivision, NewGrid, NewOrganisation
from server.db.sessions import NewDevice
from server.services import Services
from server.usecases.evidence import declare, take_in
from server.usecases.photo_checks import check_upload
from server.usecases.push import Arrival, push_set
from server.usecases.sessions import Caller, begin_session, find_person
from sync.access import Organisation, tier_of
from sync.framing import encode_change, encode_set

_NAMES = UUID("5d0f53a4-6a56-4d4f-9d6f-0f3b5a0f7a11")
CITY, COUNTY, STREET = "341100000000", "341182000000", "341182001000"
EAST, WEST = "341182001001", "341182001002"
GRIDS = (f"{EAST}001", f"{EAST}002", f"{WEST}001", f"{WEST}002")
TYPES = item_types(load())
_GRID_DEGREES = 0.01
_IN_OFFICE_SINCE = timedelta(days=365)


class Person(NamedTuple):
    """Somebody of the city; `grids` are codes, everybody else works for a division."""

    role: str
    phone: str
    grids: tuple[str, ...] = ()
    division: str | None = None
    department: str | None = None

    @property
    def id(self) -> UUID:
        """Made from the telephone number."""
        return uuid5(_NAMES, self.phone)


WORKER = Person("grid_worker", "13900000001", (GRIDS[0],))
MATE = Person("grid_worker", "13900000002", (GRIDS[0],))
NEIGHBOUR = Person("grid_worker", "13900000003", (GRIDS[1],))
WEST_WORKER = Person("grid_worker", "13900000004", (GRIDS[2],))
CHIEF = Person("grid_chief", "13900000005", GRIDS[:2])
SECOND_CHIEF = Person("grid_chief", "13900000006", GRIDS[:1])
WEST_CHIEF = Person("grid_chief", "13900000007", GRIDS[2:])
RIDER = Person("part_time_worker", "13900000008", division=COUNTY)
ADVISER = Person("grid_adviser", "13900000009", division=EAST)
CADRE = Person("community", "13900000010", division=EAST)
WEST_CADRE = Person("community", "13900000011", division=WEST)
STREET_CADRE = Person("street", "13900000012", division=STREET)
DISPATCHER = Person("dispatcher", "13900000013", division=STREET)
CENTRE = Person("county_centre", "13900000014", division=COUNTY)
ADMINISTRATOR = Person("administrator", "13900000015", division=COUNTY)
AUDITOR = Person("auditor", "13900000016", division=COUNTY)
FIREMAN = Person("department_handler", "13900000017", division=COUNTY, department="xiaofang")
POLICEMAN = Person("department_handler", "13900000018", division=STREET, department="gongan")
PETITIONER = Person("department_handler", "13900000019", division=STREET, department="xinfang")
COMMITTEE = Person("department_handler", "13900000020", division=COUNTY, department="zhengfawei")
PEOPLE = (
    *(WORKER, MATE, NEIGHBOUR, WEST_WORKER, CHIEF, SECOND_CHIEF, WEST_CHIEF, RIDER, ADVISER, CADRE, WEST_CADRE),
    *(STREET_CADRE, DISPATCHER, CENTRE, ADMINISTRATOR, AUDITOR, FIREMAN, POLICEMAN, PETITIONER, COMMITTEE),
)
OFFICES = (
    *(("xiaofang", COUNTY), ("gongan", STREET), ("gongan", COUNTY), ("xinfang", STREET), ("zhengfawei", COUNTY)),
    *(("chengguan", STREET), ("minzheng", STREET), ("jiedao", STREET), ("shequ", EAST), ("shequ", WEST)),
)


def grid_id(code: str) -> UUID:
    """The id of a grid of the city."""
    return uuid5(_NAMES, code)


def organisation(department: str, division: str) -> Organisation:
    """An office of the city."""
    return Organisation(uuid5(_NAMES, f"{department}@{division}"), department, division)


def point(grid: str = GRIDS[0]) -> dict[str, Any]:
    """The middle of a grid."""
    place = GRIDS.index(grid)
    lon, lat = 117.9 + (place + 0.5) * _GRID_DEGREES, 32.7 + 0.5 * _GRID_DEGREES
    return {"lon": round(lon, 6), "lat": round(lat, 6), "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}


# People ----------------------------------------------------------------------------------------------------


async def build_city(services: Services) -> None:
    """Put the city into an empty database."""
    await services.database.write(lambda tx: lay_out(tx, services))
    await services.registry_holder.refresh()


async def caller(services: Services, person: Person, kind: str = "user") -> Caller:
    """Somebody as the API knows him once he has signed in."""
    async with services.database.read() as connection:
        found = await find_person(connection, services.keyring, person.phone)
    assert found is not None
    return Caller(user_id=found.id, name=found.name, kind=kind, assignments=found.assignments)


async def sign_in(services: Services, person: Person) -> dict[str, str]:
    """The header of a fresh sign-in at an office."""
    pair = await services.database.write(lambda tx: begin_session(tx, services, uuid4(), "user", person.id))
    return {"Authorization": f"Bearer {pair.access}"}


# Phones ----------------------------------------------------------------------------------------------------


class Phone:
    """An enrolled device that numbers its change sets; `registry`: the version that it says it has."""

    def __init__(self, services: Services, person: Person, device_id: UUID, epoch: str) -> None:
        self.services = services
        self.person = person
        self.device_id = device_id
        self.epoch = epoch
        self.no = 0
        self.registry = 1

    def encode(self, changes: tuple[Change, ...], no: int) -> bytes:
        """A change set's bytes."""
        change_set = ChangeSet(
            no=no,
            device=self.device_id,
            holder=self.person.id,
            author=self.person.id,
            catalogue=self.services.catalogue.version,
            registry=self.registry,
            nonce="n" * 22,
            changes=[encode_change(change, "json") for change in changes],
        )
        return encode_set(change_set, "json")

    async def push(self, *changes: Change) -> Receipt:
        """Send the changes as the next set."""
        self.no += 1
        now = datetime.now(UTC)
        raw = self.encode(changes, self.no)
        arrival = Arrival(self.device_id, self.epoch, self.no, raw, Clock(now, 60_000, "boot"), now)
        receipt = await push_set(self.services, arrival)
        assert receipt is not None
        return receipt

    async def report(self, type_code: str, /, *, urgency: str | None = None, **fields: Any) -> UUID:
        """Push a new item, which must be applied, and return its id."""
        change = create(type_code, urgency=urgency, **fields)
        outcome = (await self.push(change)).outcomes[0]
        assert outcome.outcome == "applied", outcome
        return change.item

    async def correct(self, item_id: UUID, **fields: Any) -> None:
        """Push an edit of the item as it is now, which must be applied."""
        async with self.services.database.read() as connection:
            row = await connection.fetchrow("SELECT type, version, rev FROM item WHERE id = $1", item_id)
        assert row is not None
        base = Base(row["version"], f"{row['rev'] % 2**64:016x}")
        change = Change("update", item_id, row["type"], capture(), base=base, fields=fields)
        outcome = (await self.push(change)).outcomes[0]
        assert outcome.outcome == "applied", outcome


async def enrol(services: Services, person: Person) -> Phone:
    """A new phone of somebody."""
    device = NewDevice(id=uuid4(), user_id=person.id, name="红米", platform="android", app="1.0")

    async def work(tx: Transaction) -> str:
        await sessions.insert_device(tx.connection, device)
        return await push.current_epoch(tx.connection)

    return Phone(services, person, device.id, await services.database.write(work))


def capture(grid: str = GRIDS[0]) -> Capture:
    """Written a minute ago in the middle of a grid."""
    here = point(grid)
    return Capture(datetime.now(UTC), 0, "boot", Fix(here["lon"], here["lat"], "wgs84", 5.0))


def create(
    type_code: str, /, *, grid: str = GRIDS[0], item_id: UUID | None = None, urgency: str | None = None, **fields: Any
) -> Change:
    """A new item in a grid: what its form requires is filled in unless it is given."""
    filled = form(type_code, grid) | fields
    return Change("create", item_id or uuid4(), type_code, capture(grid), grid=grid, urgency=urgency, fields=filled)  # type: ignore[arg-type]


def form(type_code: str, grid: str = GRIDS[0]) -> dict[str, Any]:
    """The smallest form of a type that is accepted; references are left to the caller, who knows what there is."""
    item_type = TYPES[type_code]
    always = {keys[-1] for keys in item_type.require_any}
    wanted = [field for field in item_type.fields if field.required or field.key in always]
    return {field.key: _value(field, item_type, grid) for field in wanted if field.type != "reference"}


@cache
def picture(number: int) -> bytes:
    """The bytes of a photo: another one for every number, the same every time."""
    image = Image.new("RGB", (48, 36), (number % 256, number // 256 % 256, 128))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def photo(number: int, role: str = "report") -> dict[str, Any]:
    """A photo as a form names it."""
    data = picture(number)
    return {"sha256": sha256(data).hexdigest(), "size": len(data), "role": role}


async def deliver(services: Services, person: Person, *numbers: int) -> None:
    """Send the bytes of photos by somebody's phone and have them checked."""
    for upload in await send(services, person, *numbers):
        await check_upload(services, upload)


async def send(services: Services, person: Person, *numbers: int) -> list[UUID]:
    """Send the bytes of photos by somebody's phone; the uploads, which are to be checked yet."""
    sender = await caller(services, person)
    refs = [PhotoRef(one["sha256"], one["size"]) for one in map(photo, numbers)]
    ways = [one.upload for one in await declare(services, sender, refs)]
    async with httpx.AsyncClient() as client:
        for number, way in zip(numbers, ways, strict=True):
            assert way is not None
            (await client.put(way.url, content=picture(number))).raise_for_status()
    uploads = [way.id for way in ways if way is not None]
    await take_in(services, sender, uploads)
    return uploads


# Values ----------------------------------------------------------------------------------------------------

_spare_photos = count(10_000)
_doors = count(1)


def _value(field: Field, item_type: ItemType, grid: str) -> Any:
    match field.type:
        case "enum":
            first = field.options[0].value
            return [first] if field.multi else first
        case "text":
            # No two dwellings are the same one, unless a test makes them so.
            door = str(next(_doors)) if field.key == "address" else ""
            return "3栋2单元" if field.pattern else f"楼道内堆放杂物{door}"
        case "geo_point":
            return point(grid)
        case "photo_list":
            return [photo(next(_spare_photos)) for _ in range(max(1, item_type.photo.report_min))]
        case "integer":
            return max(1, int(field.min or 0))
        case _:
            return _PLAIN[field.type]


_PLAIN = {
    "decimal": "1.5",
    "boolean": False,
    "date": "2024-05-20",
    "datetime": "2024-05-20T08:30:00+08:00",
    "phone": "13855012345",
    "national_id": "11010519491231002X",
}


# The city itself -------------------------------------------------------------------------------------------


async def lay_out(tx: Transaction, services: Services) -> None:
    """The rows of the city."""
    await registry.insert_divisions(
        tx.connection,
        [NewDivision(code=code, parent=parent, tier=tier_of(code), name_zh=name) for code, parent, name in _DIVISIONS],
    )
    await registry.insert_registry_version(tx.connection, 1, "test city")
    await registry.insert_grids(tx.connection, 1, [_grid(place, code) for place, code in enumerate(GRIDS)])
    await registry.insert_organisations(tx.connection, [_office(*one) for one in OFFICES])
    await add_people(tx, services, PEOPLE)


async def add_people(
    tx: Transaction, services: Services, persons: Iterable[Person], grids: Mapping[UUID, Sequence[UUID]] | None = None
) -> None:
    """More people, in office for a year; `grids`: those of each, where they are not the grids of the beginning."""
    known = list(persons)
    await people.insert_users(tx.connection, [_user(services, person) for person in known])
    places = {person.id: [grid_id(code) for code in person.grids] for person in known} | dict(grids or {})
    posts = [one for person in known for one in _assignments(person, places[person.id])]
    await people.insert_assignments(tx.connection, posts)


_DIVISIONS = (
    (CITY, None, "滁州市"),
    (COUNTY, CITY, "明光市"),
    (STREET, COUNTY, "明光街道"),
    (EAST, STREET, "东社区"),
    (WEST, STREET, "西社区"),
)


def _grid(place: int, code: str) -> NewGrid:
    # Rounded as outlines are when they are read, so that neighbours have the same border.
    west, east = (round(117.9 + at * _GRID_DEGREES, 7) for at in (place, place + 1))
    south, north = 32.7, 32.71
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    community = code[:12]
    name = f"第{place + 1}网格"
    return NewGrid(
        id=grid_id(code), code=code, community=community, kind="general", name=name, outline=[ring], synthetic=True
    )


def _office(department: str, division: str) -> NewOrganisation:
    one = organisation(department, division)
    return NewOrganisation(
        id=one.id, department=department, division=division, tier=one.tier, name_zh=department, name_en=department
    )


def _user(services: Services, person: Person) -> NewUser:
    keyring = services.keyring
    return NewUser(
        id=person.id,
        name=f"{person.role} {person.phone[-2:]}",
        phone_index=keyring.index("phone", person.phone),
        phone_sealed=keyring.seal_for("phone", person.phone),
    )


def _assignments(person: Person, grids: Sequence[UUID]) -> list[NewAssignment]:
    places: list[dict[str, Any]] = [{"grid_id": one} for one in grids]
    return [
        NewAssignment(
            user_id=person.id,
            role=person.role,
            department=person.department,
            valid_from=datetime.now(UTC) - _IN_OFFICE_SINCE,
            **place,
        )
        for place in places or [{"division": person.division}]
    ]
