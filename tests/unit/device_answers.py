"""Answers for a device, in few words: what tests of the device are told in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from schemas.wire import (
    Capture,
    ChangeOutcome,
    Clock,
    Cursor,
    Entry,
    ExchangeAnswer,
    ItemBody,
    Receipt,
    StreamPage,
)
from sync import framing
from sync.device import Device, Outgoing
from tests.entries import entry_of
from tests.property.model_server import NOW

CLOCK, CAPTURE = Clock(NOW, 1, "boot"), Capture(NOW, 1, "boot")
PHONE, USER, ITEM, OTHER = (UUID(int=number) for number in range(1, 5))
GRID = "341102001001001"
PHOTO = {"sha256": "ab" * 32, "size": 2048, "role": "report"}
KEY = f"{PHOTO['sha256']}-2048"


def enrolled() -> Device:
    return Device.enrolled(PHONE, USER, "2024.2", 1, "e1")


def body(version: int = 1, touch: int = 0, item: UUID = ITEM, **more: Any) -> ItemBody:
    given = {
        "rev": f"{version:016x}",
        "grid": None,
        "code": GRID,
        "author": USER,
        "urgency": "normal",
        "received_at": NOW,
        "fields": {},
    }
    return ItemBody(id=item, type="0401", version=version, touch=touch, **{**given, **more})


def present(position: int, item: ItemBody) -> Entry:
    return entry_of(position, item)


def absent(position: int, item: UUID = ITEM, version: int = 1) -> Entry:
    return Entry(position, "item", item, version, f"{version:016x}", 0)


def page(*entries: Entry, stream: str = "grid/1", **more: Any) -> StreamPage:
    return StreamPage(stream, list(entries), Cursor(entries[-1].position if entries else 0, 0), **more)


def answer(*pages: StreamPage, **more: Any) -> ExchangeAnswer:
    """What a server expects is the number after the last that it answers here, if nothing is said."""
    expected = max((one.no for one in more.get("receipts", ())), default=0) + 1
    given = {"epoch": "e1", "now": NOW, "expected": expected, "safe_no": 0, "catalogue": "2024.2", "registry": 1}
    return ExchangeAnswer(**{**given, "streams": list(pages), **more})


def send(device: Device) -> Outgoing:
    device.seal_set("n" * 22)
    return device.next_request(CLOCK)


def receipt(out: Outgoing, outcome: Any, index: int = 0, **more: Any) -> Receipt:
    no = out.request.first + index
    told = [ChangeOutcome(str(ITEM), outcome, **more)]
    return Receipt(no, framing.set_hash(out.sets[index]), "decided", told)


def pull(device: Device, *pages: StreamPage, **more: Any) -> Any:
    given = {"expected": device.acknowledged + 1, **more}
    return device.apply_answer(device.next_request(CLOCK).serial, answer(*pages, **given))


def fields_of(device: Device, item: UUID = ITEM) -> dict[str, Any] | None:
    seen = device.visible(item)
    return None if seen is None else seen.fields


def changes_in(out: Outgoing) -> list[Any]:
    return [framing.decode_change(raw, "json") for one in out.sets for raw in framing.decode_set(one).changes]
