"""Change sets of new items of mixed types, filled in by the made-up forms and encoded once, as on a phone."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from schemas.forms import packaged
from schemas.wire import Capture, Change, ChangeSet, Fix
from server.bench.exchange.town import Ground, Phone, ground, ground_of
from server.made_up.forms import Scene, claimed_urgency, make_fields, missing_references
from server.made_up.names import numbered_credit_code, numbered_resident_id
from server.made_up.photos import Photo
from sync.framing import Form, encode_change, encode_set
from sync.items import class_stream

_TOLD_APART = {"0102": ("address",), "0103": ("name",), "0105": ("name",)}
"""By item type, the text that a duplicate is known by."""
_PHONES = 7_000
"""More than any load has: so far apart are the numbers that one phone gives to people and units. They recur after 700
units, more than a phone pushes to the product."""
_FIRST_BIRTH = date(1940, 1, 1)
_DAYS = 30_000
_SERIALS = 499
_HEADS = ("MA", "32", "55", "78", "06")
_BY_A_HEAD = 1_000_000


class Making:
    """Makes the change sets of one phone, numbered from 1 on; equal seeds draw equal forms."""

    def __init__(self, phone: Phone, seed: str, form: Form = "msgpack") -> None:
        self.phone, self.no = phone, 0
        self._rng = Random(seed)
        self._form: Form = form
        self._types = sorted(packaged().types)
        self._at = 0
        self._made: Counter[str] = Counter()

    def next_set(self, records: int = 100) -> bytes:
        """The next set: in one grid all 30 types in turn; in several, one item each of what refers to nothing."""
        self.no += 1
        places = [ground(number) for number in self.phone.grids]
        changes = self._in_one(places[0], records) if len(places) == 1 else self._in_many(places[:records])
        phone = self.phone
        made = ChangeSet(
            no=self.no,
            device=phone.device,
            holder=phone.user,
            author=phone.user,
            catalogue=phone.catalogue,
            registry=1,
            nonce=secrets.token_urlsafe(16),
            changes=[encode_change(one, self._form) for one in changes],
        )
        return encode_set(made, self._form)

    def _in_one(self, place: Ground, records: int) -> list[Change]:
        items: dict[str, list[str]] = {}
        scene = self._scene(place, items)
        made: list[Change] = []
        while len(made) < records:
            made.append(self._create(place, scene, self._needed(self._next_type(), scene)))
            items.setdefault(made[-1].type, []).append(str(made[-1].item))
        return made

    def _in_many(self, places: Sequence[Ground]) -> list[Change]:
        made: list[Change] = []
        for place in places:
            scene = self._scene(place, {})
            while missing_references(code := self._next_type(), scene):
                pass
            made.append(self._create(place, scene, code))
        return made

    def _next_type(self) -> str:
        self._at += 1
        return self._types[self._at % len(self._types)]

    def _needed(self, code: str, scene: Scene) -> str:
        """The type, or what it must first be able to refer to."""
        while missing := missing_references(code, scene):
            code = missing[0][0]
        return code

    def _scene(self, place: Ground, items: dict[str, list[str]]) -> Scene:
        return Scene(datetime.now(UTC), (place.ring,), items, camera=_no_camera)

    def _create(self, place: Ground, scene: Scene, code: str) -> Change:
        lon, lat = scene.place(self._rng)
        capture = Capture(scene.now, 60_000, "boot", Fix(round(lon, 6), round(lat, 6), "wgs84", 8.0))
        fields: dict[str, Any] = make_fields(code, self._rng, scene)
        self._tell_apart(code, fields)
        urgency: Any = claimed_urgency(code, self._rng)
        return Change("create", _new_id(), code, capture, grid=place.code, urgency=urgency, fields=fields)

    def _tell_apart(self, code: str, fields: dict[str, Any]) -> None:
        """Made-up places are few, and names and numbers recur; no two of the bench are to be taken for one."""
        self._made[code] += 1
        for key in _TOLD_APART.get(code, ()):
            if key in fields:
                fields[key] += f" {self.phone.device.hex[:6]}-{self._made[code]}"
        number = self._made[code] * _PHONES + self.phone.number
        if fields.get("id_type") == "resident_id":
            fields["national_id"] = _own_resident_id(fields["national_id"], number)
        if "credit_code" in fields:
            fields["credit_code"] = numbered_credit_code(
                _HEADS[number // _BY_A_HEAD % len(_HEADS)], number % _BY_A_HEAD
            )


def _own_resident_id(drawn: str, number: int) -> str:
    """The number of another person from the same place and of the same sex; equal `number`s alone make equal ones."""
    birth = _FIRST_BIRTH + timedelta(days=number // _SERIALS % _DAYS)
    serial = 2 * (number % _SERIALS) + (1 if int(drawn[16]) % 2 else 2)
    return numbered_resident_id(drawn[:6], birth, serial)


def changes_of(raw: bytes) -> list[Change]:
    """The changes of a set that was made here."""
    made = msgspec.msgpack.decode(raw, type=ChangeSet)
    return [msgspec.msgpack.decode(one, type=Change) for one in made.changes]


def stream_of(change: Change, author: UUID) -> str:
    """The stream that carries a new item whose author reads the streams of his grid."""
    stream_class = packaged().types[change.type].type.stream
    return f"own/{author}" if stream_class == "author" else class_stream(stream_class, ground_of(change.grid or ""))


def _new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, the rest random."""
    drawn = (int(datetime.now(UTC).timestamp() * 1000) << 80) | secrets.randbits(80)
    return UUID(int=drawn & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def _no_camera(rng: Random, _: str, __: datetime, ___: tuple[float, float]) -> Photo:
    """A photo's identity without its bytes: they stay on the phone."""
    return Photo(f"{rng.getrandbits(256):064x}", rng.randint(20_000, 200_000), b"")
