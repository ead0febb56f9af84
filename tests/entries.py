"""Entries out of whole items, for servers that a test plays itself."""

from __future__ import annotations

from msgspec.structs import asdict

from schemas.wire import Bits64, Entry, EntryItem, ItemBody
from sync.device.photos import photos_in


def entry_of(position: int, body: ItemBody) -> Entry:
    """The entry that tells a device just this item."""
    return Entry(position, "item", body.id, body.version, Bits64(body.rev), body.touch, item=_told(body))


def _told(body: ItemBody) -> EntryItem:
    listed = [(one["sha256"], one["size"]) for one in photos_in(body.fields)]
    states = {(one.sha256, one.size): one.state for one in body.evidence}
    told = {name: value for name, value in asdict(body).items() if name in EntryItem.__struct_fields__}
    told["photos"] = [states[one] for one in listed] if states.keys() & listed else []
    told["evidence"] = [one for one in body.evidence if (one.sha256, one.size) not in listed]
    return EntryItem(**told)
