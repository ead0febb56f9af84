"""I5, I9, I12 and I14 at rest: every value that was written is somewhere, and none stands in the clear."""

from __future__ import annotations

from uuid import UUID

from tests.builders import PEOPLE
from tests.integration.lockpick import clear_text
from tests.machine.books import Written, holds
from tests.machine.city import City
from tests.machine.marks import planted_in
from tests.machine.opened import Opened


def heads_follow_from_history(opened: Opened) -> None:
    """An item is what its revisions say, one after the other."""
    wrong = [item for item, fields in opened.heads.items() if opened.folded.get(item, {}) != fields]
    holds("I5", not wrong, "an item is what its history tells", wrong[:3])


def nothing_written_is_lost(city: City, opened: Opened) -> None:
    """Current, superseded by a revision, in a conflict, or in the quarantine; of what was made one with another item,
    by the protocol's rule, with that one.
    """
    pending = {id(one) for phone in city.phones for one in phone.pending}
    later = _later_in_conflict(city, opened)
    for place, written in enumerate(city.ledger):
        if written.excused or id(written) in pending or _is_found(city, written, opened):
            continue
        # Of one hand's edits of one field the newest stands in the conflict; those before it were its own to replace.
        replaced = str(written.token) in opened.all_raw and later.get(_hand(city, written), -1) > place
        holds("I5", replaced, "what was written is somewhere", written, *_seen_of(city, opened, written))


def _seen_of(city: City, opened: Opened, written: Written) -> list[str]:
    """Whatever helps to understand the loss of a value."""
    sets = [
        f"in set {no} of {device}" for (device, no), raw in opened.raw.items() if str(written.token).encode() in raw
    ]
    named = {str(device) for device, no in opened.raw if any(str(device) in one for one in sets)}
    told = [said.decode() for (device, _, _), said in city.told.receipts.items() if str(device) in named]
    about = [f"history {opened.history.get(written.item)}", f"conflicts {opened.conflicts.get(written.item)}"]
    written_there = [str(one) for one in city.ledger if (one.item, one.name) == (written.item, written.name)]
    return [*sets, *(one for one in told if f'"no":{written.no},' in one), *about, *written_there]


def _is_found(city: City, written: Written, opened: Opened) -> bool:
    item = written.item
    if written.op == "delete":
        return item in opened.deleted or str(item) in opened.kept
    token = str(written.token)
    if written.op == "transition" and token in opened.all_raw:
        # A step that was taken already is taken once; what its second author noted stands in his set.
        return True
    way = city.told.way_of(item)
    there = any(token in opened.history.get(one, "") or token in opened.conflicts.get(one, "") for one in way)
    return there or token in opened.kept or token in opened.salvaged


def _later_in_conflict(city: City, opened: Opened) -> dict[tuple[int, UUID, str], int]:
    last: dict[tuple[int, UUID, str], int] = {}
    for place, written in enumerate(city.ledger):
        if written.token and _waits(city, written.item, written.token, opened):
            last[_hand(city, written)] = place
    return last


def _hand(city: City, written: Written) -> tuple[int, UUID, str]:
    """Who wrote which field: copies of a phone may each be the device that it was, and two items one."""
    return city.families.get(written.phone, written.phone), city.told.way_of(written.item)[-1], written.name


def _waits(city: City, item: UUID, token: str, opened: Opened) -> bool:
    return any(token in opened.conflicts.get(one, "") for one in city.told.way_of(item))


async def what_phones_held_is_there(city: City, opened: Opened) -> None:
    """What a phone had pulled before a restore is in the history, in salvage, or still held by it as it was."""
    known = {tuple(row.values()) for row in await city.rows("SELECT item_id, version, rev FROM revision")}
    known |= {
        tuple(row.values())
        for row in await city.rows("SELECT item_id, item_version, item_rev FROM quarantine WHERE outcome = 'salvaged'")
    }
    for phone, item, version, rev in city.held:
        signed = int(rev, 16)
        signed = signed - 2**64 if signed >= 2**63 else signed
        if (item, version, signed) in known or phone not in city.phones:
            continue
        body = phone.state.items.get(item)
        same = body is not None and item in phone.state.former_items and (body.version, body.rev) == (version, rev)
        holds("I12", same, "what a phone still held comes back", phone.number, item, version)
    city.held = [one for one in city.held if one[0] in city.phones]


def poison_is_kept(city: City, opened: Opened) -> None:
    """Spoilt bytes are kept as they came, and what was sent after them was decided."""
    for phone, device, no, raw in city.poison:
        if phone not in city.phones or phone.device_id != device or phone.device.forked:
            continue
        kept = opened.raw.get((device, no))
        holds("I9", kept == raw, "a bad set is kept as it came", phone.number, no, raw[:60], kept)


async def nothing_marked_is_in_the_clear(city: City) -> None:
    """No planted value, no login phone, in any table or line of the log."""
    for where, text in (("tables", await clear_text(city.house.truth)), ("log", city.house.log.getvalue())):
        holds("I14", not planted_in(text), f"no marked value is clear in the {where}", planted_in(text))
        logins = [person.phone for person in PEOPLE if person.phone in text]
        holds("I14", not logins, f"no login phone is clear in the {where}", logins)
    failed = [line for line in city.house.log.getvalue().splitlines() if "change_set_failed" in line]
    holds("I2", not failed, "no set fails by the server's own fault", failed[:2])
    city.house.log.seek(0)
    city.house.log.truncate()
