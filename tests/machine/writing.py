"""What workers do on their phones, with or without signal."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

from sync.device import VisibleItem
from tests.builders import TYPES, form, photo
from tests.machine.city import City
from tests.machine.ground import Plot
from tests.machine.handset import Handset, capture
from tests.machine.rules import rule, tell, writers
from tests.old_catalogues import GONE, OLDER, OLDEST

_MOST_SEEN = 90
_HOT = 6
_TEXT = {"0102": "address", "0101": "name", "0401": "description", "0105": "owner_unit"}
_OTHER = {"0102": ("owner_name", "owner_phone"), "0101": ("remark", "phone"), "0401": ("responsible",)}
_OUTSIDE = {"lon": 110.0, "lat": 30.0, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}
_NO_SUCH_GRID = "341182001001999"


def pick_writer(city: City, chance: Random) -> Handset | None:
    """Somebody who writes."""
    able = writers(city)
    return chance.choice(able) if able else None


def pick_item(phone: Handset, chance: Random, *types: str) -> VisibleItem | None:
    """An item that the phone shows; often one of the few that all of them pick."""
    seen = [one for one in phone.device.items() if one.type in types]
    if not seen:
        return None
    return chance.choice(seen[:_HOT] if chance.random() < 0.6 else seen)


def create(city: City, phone: Handset, type_code: str, plot: Plot, **fields: Any) -> UUID:
    """A new item in the draft; its marked values are entered into the ledger."""
    item, planted, place = city.new_id(), planted_fields(city, type_code), plot.place(city.chance)
    located = {"location": place} if "point" in _sources(type_code) else {}
    whole = form(type_code) | located | planted | fields
    phone.device.create_item(item, type_code, capture(place), whole, plot.code)
    city.write(phone, "create", item, {name: value for name, value in planted.items() if whole[name] == value})
    return item


def _sources(type_code: str) -> list[str]:
    return [one.source for one in TYPES[type_code].territory_from]


def home(phone: Handset, chance: Random) -> Plot:
    """A grid to work in, by the phone's map."""
    return chance.choice(phone.plots)


def planted_fields(city: City, type_code: str) -> dict[str, str]:
    """Fields of a type with values that are found nowhere else."""
    marks = city.marks
    if type_code == "0102":
        return {"address": marks.text(), "unit_no": marks.door(), "owner_phone": marks.phone()}
    if type_code == "0101":
        return {"name": marks.text(), "national_id": marks.national_id(), "phone": marks.phone()}
    if type_code == "0401":
        return {"description": marks.text(), "responsible": marks.text()}
    return {}


def edit(city: City, phone: Handset, item: VisibleItem, name: str) -> None:
    """Another value for one field, in the draft."""
    marks = city.marks
    make = marks.phone if name in ("owner_phone", "phone") else marks.open_text if item.type == "0105" else marks.text
    value = make()
    phone.device.edit_item(item.id, phone.here(city.chance), {name: value})
    city.write(phone, "update", item.id, {name: value})


def maybe_seal(phone: Handset, chance: Random) -> None:
    """Often the draft is closed at once."""
    if chance.random() < 0.7:
        phone.seal(chance)


@rule(9)
async def create_item(city: City, chance: Random) -> bool:
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    houses = [one.id for one in phone.device.items() if one.type == "0102"]
    grid = home(phone, chance)
    kind = chance.choice(("0102", "0102", "0401", "0401", "0101", "0101"))
    if kind == "0101" and houses:
        create(city, phone, kind, grid, dwelling=str(chance.choice(houses)))
    else:
        create(city, phone, "0102" if kind == "0101" else kind, grid)
    maybe_seal(phone, chance)
    tell(city, f"{kind} on {phone.number}")
    return True


@rule(2.5)
async def create_outside(city: City, chance: Random) -> bool:
    """A record where its author does not work."""
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    create(city, phone, "0102", chance.choice(city.land.in_order))
    maybe_seal(phone, chance)
    return True


@rule(10)
async def edit_same_field(city: City, chance: Random) -> bool:
    phone = pick_writer(city, chance)
    item = pick_item(phone, chance, *_TEXT) if phone else None
    if phone is None or item is None:
        return False
    edit(city, phone, item, _TEXT[item.type])
    maybe_seal(phone, chance)
    tell(city, f"{item.id} on {phone.number}")
    return True


@rule(7)
async def edit_other_field(city: City, chance: Random) -> bool:
    phone = pick_writer(city, chance)
    item = pick_item(phone, chance, *_OTHER) if phone else None
    if phone is None or item is None:
        return False
    edit(city, phone, item, chance.choice(_OTHER[item.type]))
    maybe_seal(phone, chance)
    tell(city, f"{item.id} on {phone.number}")
    return True


@rule(5)
async def delete_item(city: City, chance: Random) -> bool:
    phone = pick_writer(city, chance)
    item = pick_item(phone, chance, "0101", "0102") if phone else None
    if phone is None or item is None:
        return False
    phone.device.delete_item(item.id, phone.here(chance))
    city.write(phone, "delete", item.id, {"": None})
    maybe_seal(phone, chance)
    tell(city, f"{item.id} on {phone.number}")
    return True


@rule(3.5)
async def twin(city: City, chance: Random) -> bool:
    """A house that stands already, registered once more."""
    phone = pick_writer(city, chance)
    house = pick_item(phone, chance, "0102") if phone else None
    if phone is None or house is None or len(phone.state.items) > _MOST_SEEN:
        return False
    same = {name: house.fields[name] for name in ("address", "unit_no") if name in house.fields}
    create(city, phone, "0102", home(phone, chance), **same)
    maybe_seal(phone, chance)
    return True


@rule(1.5)
async def stray(city: City, chance: Random) -> bool:
    """A house whose place nobody can tell: the code is unknown, and no position helps."""
    phone = pick_writer(city, chance)
    if phone is None:
        return False
    _create_stray(city, phone)
    maybe_seal(phone, chance)
    return True


def _create_stray(city: City, phone: Handset, code: str = _NO_SUCH_GRID) -> None:
    item, planted = city.new_id(), planted_fields(city, "0102")
    fields = form("0102") | planted | {"location": _OUTSIDE}
    phone.device.create_item(item, "0102", capture(None), fields, code)
    city.write(phone, "create", item, dict(planted))


@rule(2.5)
async def old_code(city: City, chance: Random) -> bool:
    """A house that only its code places, by an old list: its grid has ended, or bears another code since."""
    phone = pick_writer(city, chance)
    codes = _ended_codes(city, phone) if phone else []
    if phone is None or not codes or len(phone.state.items) > _MOST_SEEN:
        return False
    code = chance.choice(codes)
    _create_stray(city, phone, code)
    maybe_seal(phone, chance)
    tell(city, f"{code} on {phone.number}")
    return True


def _ended_codes(city: City, phone: Handset) -> list[str]:
    """Those of the phone's own map, if there are any; else those that anybody may have on a list."""
    ended = city.land.ended_codes
    return [one.code for one in phone.plots if one.code in ended] or ended[-8:]


@rule(3.5)
async def refer_to_deleted(city: City, chance: Random) -> bool:
    """A resident of a house that somebody deleted, as far as the ledger knows; this phone may not know it yet."""
    phone = pick_writer(city, chance)
    houses = [one for one in _seen_deleted(city, phone) if one.type == "0102"] if phone else []
    if phone is None or not houses:
        return False
    create(city, phone, "0101", home(phone, chance), dwelling=str(chance.choice(houses).id))
    phone.seal(chance)
    return True


def _seen_deleted(city: City, phone: Handset) -> list[VisibleItem]:
    """What the phone holds and somebody deleted, as far as the ledger knows."""
    gone = {one.item for one in city.ledger[-400:] if one.op == "delete"}
    return [one for one in phone.device.items() if one.type in _TEXT and one.id in gone]


@rule(2)
async def edit_deleted(city: City, chance: Random) -> bool:
    """An item that somebody deleted, on a phone that does not know it yet."""
    phone = pick_writer(city, chance)
    seen = _seen_deleted(city, phone) if phone else []
    if phone is None or not seen:
        return False
    item = chance.choice(seen)
    edit(city, phone, item, _TEXT[item.type])
    phone.seal(chance)
    tell(city, f"{item.id} on {phone.number}")
    return True


@rule(3.5)
async def atomic_set(city: City, chance: Random) -> bool:
    """Several changes that go together, one of which is sometimes wrong, and sometimes one that must wait."""
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    phone.seal(chance)
    house = create(city, phone, "0102", home(phone, chance))
    create(city, phone, "0101", home(phone, chance), dwelling=str(house))
    if chance.random() < 0.3:
        _create_stray(city, phone)
    elif chance.random() < 0.5:
        create(city, phone, "0102", home(phone, chance), use="no such use")
    elif (item := pick_item(phone, chance, *_TEXT)) is not None and item.id != house:
        edit(city, phone, item, _TEXT[item.type])
    no = phone.seal(chance, atomic=True)
    city.joint_sets.add((phone.device_id, no or 0))
    return True


@rule(2)
async def wrong_value(city: City, chance: Random) -> bool:
    """A form that no server takes."""
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    create(city, phone, "0102", home(phone, chance), use="no such use")
    maybe_seal(phone, chance)
    return True


@rule(3)
async def move_item(city: City, chance: Random) -> bool:
    """A point over the border: the item lies in another grid now."""
    phone = pick_writer(city, chance)
    item = pick_item(phone, chance, "0102", "0401") if phone else None
    if phone is None or item is None:
        return False
    others = [one for one in phone.plots if one.code != item.code] or city.land.in_order
    phone.device.edit_item(item.id, phone.here(chance), {"location": chance.choice(others).place(chance)})
    maybe_seal(phone, chance)
    return True


@rule(6)
async def transition(city: City, chance: Random) -> bool:
    """A step of a case, on the spot; some see a state that was, or never was."""
    phone = pick_writer(city, chance)
    cases = [one for one in (phone.device.items() if phone else []) if one.case is not None]
    if phone is None or not cases:
        return False
    ripe = [one for one in cases if one.case and one.case.state == "handled"]
    item = chance.choice(ripe if ripe and chance.random() < 0.7 else cases)
    action, note = chance.choice(("verify", "redo", "redo")), city.marks.text()
    phone.device.transition_item(item.id, phone.here(chance), action, "handled", note)
    city.write(phone, "transition", item.id, {action: note})
    maybe_seal(phone, chance)
    tell(city, f"{action} {item.id} on {phone.number}")
    return True


def verify_unseen(city: City, phone: Handset, item: VisibleItem, chance: Random) -> None:
    """A handled hazard is looked at, photos from before and after are taken; some close it at once."""
    photos = [photo(chance.randrange(20)), photo(chance.randrange(20, 40), "close")]
    steps = [("verify", "handled", {"photos": photos}), ("close", "verified", {})]
    for action, leaves, fields in steps if chance.random() < 0.4 else steps[:1]:
        note = city.marks.text()
        phone.device.transition_item(item.id, phone.here(chance), action, leaves, note, fields)
        city.write(phone, "transition", item.id, {action: note})
        phone.seal(chance)


@rule(1)
async def take_photo(city: City, chance: Random) -> bool:
    """A facility with a picture of it."""
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    create(city, phone, "0105", home(phone, chance), photos=[photo(chance.randrange(40))])
    phone.seal(chance)
    return True


@rule(1.5)
async def old_catalogue(city: City, chance: Random) -> bool:
    """A set of one of the two previous versions."""
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    phone.seal(chance)
    item, keeper, version = city.new_id(), city.marks.text(), chance.choice((OLDER, OLDEST))
    plot = home(phone, chance)
    fields: dict[str, Any] = {"title": city.marks.open_text(), "kind": "tower", "keeper": keeper}
    phone.device.adopt(version, phone.state.registry)
    if version == OLDEST:
        place = plot.place(chance)
        phone.device.create_item(item, "0105", capture(place), fields | {"location": place}, plot.code)
        city.write(phone, "create", item, {"keeper": keeper})
    else:
        create(city, phone, "0401", plot)
    no = phone.seal(chance)
    phone.device.adopt(city.services.catalogue.version, phone.state.registry)
    city.old_sets.add((phone.device_id, no or 0))
    return True


@rule(0.8)
async def too_old_catalogue(city: City, chance: Random) -> bool:
    """An app that was not updated for long: what it writes is kept, and it is given nothing."""
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    phone.seal(chance)
    phone.device.adopt(chance.choice((GONE, "2099.1")), phone.state.registry)
    phone.outdated = True
    create(city, phone, "0102", home(phone, chance))
    phone.seal(chance)
    return True


@rule(2)
async def put_away(city: City, chance: Random) -> bool:
    """A worker has read that something of his was released."""
    read = [(phone, one) for phone in city.phones for one in phone.device.notices() if one.code == "released"]
    if not read:
        return False
    phone, notice = chance.choice(read)
    phone.device.put_away(notice.id)
    tell(city, f"{phone.number} {notice.id}")
    return True


@rule(4)
async def update_app(city: City, chance: Random) -> bool:
    """The app is updated."""
    old = [one for one in city.phones if one.outdated]
    if not old:
        return False
    renew_app(city, chance.choice(old))
    return True


def renew_app(city: City, phone: Handset) -> None:
    """The app of today."""
    phone.device.adopt(city.services.catalogue.version, phone.state.registry)
    phone.outdated = False


@rule(2.6)
async def lose_bytes(city: City, chance: Random) -> bool:
    """The phone's store is damaged: a set that is not sent yet is gone."""
    phone = pick_writer(city, chance)
    if phone is None or phone.device.forked:
        return False
    unsent = [no for no, one in phone.state.outbox.items() if one.receipt is None and one.raw and not one.void]
    if not unsent:
        return False
    no = chance.choice(unsent)
    phone.device.lose_bytes(no)
    city.poison = [one for one in city.poison if one[:3] != (phone, phone.device_id, no)]
    excuse(city, phone, no, "the phone lost its bytes")
    return True


@rule(1.5)
async def too_large(city: City, chance: Random) -> bool:
    """What no server would take: told to the worker, its number sent without it."""
    phone = pick_writer(city, chance)
    if phone is None or len(phone.state.items) > _MOST_SEEN:
        return False
    phone.seal(chance)
    before = len(phone.device.told())
    create(city, phone, "0102", home(phone, chance))
    no = phone.seal(chance, largest=300)
    excuse(city, phone, no or 0, "too large")
    return len(phone.device.told()) > before


def excuse(city: City, phone: Handset, no: int, why: str) -> None:
    """What this phone wrote in a set that the server has not got need not arrive."""
    city.old_sets.discard((phone.device_id, no))
    # After a restore also what had a receipt once is to be sent again.
    his = [one for one in city.ledger if city.families.get(one.phone, one.phone) == phone.family]
    for written in (*phone.pending, *his):
        if written.no == no:
            written.excused = why
