"""What the device does with one answer: bases, overlays, receipts, repairs, epochs, photos."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from schemas.wire import (
    Base,
    Capture,
    ChangeOutcome,
    Clock,
    Cursor,
    Entry,
    EvidenceState,
    ExchangeAnswer,
    ItemBody,
    NoticeBody,
    Receipt,
    StreamPage,
)
from sync import framing
from sync.device import Device, NotVisibleError, Outgoing
from tests.property.model_server import NOW, hash64

CLOCK, CAPTURE = Clock(NOW, 1, "boot"), Capture(NOW, 1, "boot")
PHONE, USER, ITEM, OTHER = (UUID(int=number) for number in range(1, 5))
GRID = "341102001001001"
PHOTO = {"sha256": "ab" * 32, "size": 2048, "role": "report"}
KEY = f"{PHOTO['sha256']}-2048"


@pytest.fixture
def device() -> Device:
    return Device.enrolled(PHONE, USER, "2024.2", 1, "e1")


def body(version: int = 1, touch: int = 0, item: UUID = ITEM, **more: Any) -> ItemBody:
    given = {"grid": None, "code": GRID, "author": USER, "urgency": "normal", "received_at": NOW, "fields": {}}
    return ItemBody(id=item, type="0401", version=version, rev=f"{version:016x}", touch=touch, **{**given, **more})


def present(position: int, item: ItemBody) -> Entry:
    return Entry(position, "item", item.id, item.version, item.rev, item.touch, item=item)


def absent(position: int, item: UUID = ITEM, version: int = 1) -> Entry:
    return Entry(position, "item", item, version, f"{version:016x}", 0)


def page(*entries: Entry, stream: str = "grid/1", **more: Any) -> StreamPage:
    return StreamPage(stream, list(entries), Cursor(entries[-1].position if entries else 0, 0), **more)


def answer(*pages: StreamPage, **more: Any) -> ExchangeAnswer:
    given = {"epoch": "e1", "now": NOW, "expected": 1, "safe_no": 0, "catalogue": "2024.2", "registry": 1}
    return ExchangeAnswer(**{**given, "streams": list(pages), **more})


def send(device: Device) -> Outgoing:
    device.seal_set("n" * 22)
    return device.next_request(CLOCK)


def receipt(out: Outgoing, outcome: Any, index: int = 0, **more: Any) -> Receipt:
    no = out.request.first + index
    told = [ChangeOutcome(str(ITEM), outcome, **more)]
    return Receipt(no, framing.set_hash(out.sets[index]), "decided", told)


def pull(device: Device, *pages: StreamPage, **more: Any) -> Any:
    return device.apply_answer(device.next_request(CLOCK).serial, answer(*pages, **more))


def fields_of(device: Device, item: UUID = ITEM) -> dict[str, Any] | None:
    seen = device.visible(item)
    return None if seen is None else seen.fields


def changes_in(out: Outgoing) -> list[Any]:
    return [framing.decode_change(raw, "json") for one in out.sets for raw in framing.decode_set(one).changes]


# Writing -----------------------------------------------------------------------------------------------------


def test_an_edit_names_the_revision_that_was_pulled_and_only_what_changes(device: Device) -> None:
    pull(device, page(present(1, body(3, fields={"a": 1, "b": 2}))))
    device.edit_item(ITEM, CAPTURE, {"a": None, "c": 5})
    device.delete_item(ITEM, CAPTURE)
    edit, deletion = changes_in(send(device))
    assert (edit.op, edit.base, edit.fields) == ("update", Base(3, f"{3:016x}"), {"a": None, "c": 5})
    assert (deletion.op, deletion.base, deletion.type) == ("delete", Base(3, f"{3:016x}"), "0401")


def test_what_was_never_pulled_has_no_base(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1}, grid=GRID, urgency="urgent")
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    creation, edit = changes_in(send(device))
    assert (creation.op, creation.grid, creation.urgency, creation.base) == ("create", GRID, "urgent", None)
    assert (edit.op, edit.base, edit.type) == ("update", None, "0401")


def test_null_clears_a_field(device: Device) -> None:
    pull(device, page(present(1, body(fields={"a": 1, "b": 2}))))
    device.edit_item(ITEM, CAPTURE, {"a": None})
    assert fields_of(device) == {"b": 2}


def test_only_what_is_seen_can_be_edited(device: Device) -> None:
    with pytest.raises(NotVisibleError):
        device.edit_item(ITEM, CAPTURE, {"a": 1})
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    device.delete_item(ITEM, CAPTURE)
    with pytest.raises(NotVisibleError):
        device.edit_item(ITEM, CAPTURE, {"a": 1})


def test_a_set_keeps_its_bytes_and_number_until_its_receipt_comes(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    first = send(device)
    again = Device.restore(device.snapshot()).next_request(CLOCK)
    assert (first.request.first, first.sets) == (1, again.sets)
    assert device.seal_set("m" * 22) is None


def test_bytes_and_number_of_sets_are_bounded_but_one_always_goes(device: Device) -> None:
    for _ in range(4):
        device.create_item(UUID(int=device.unsent + 100), "0401", CAPTURE, {"text": "x" * 1000})
        device.seal_set("n" * 22)
    assert len(device.next_request(CLOCK, max_sets=3).sets) == 3
    assert len(device.next_request(CLOCK, max_bytes=3000).sets) == 2
    assert len(device.next_request(CLOCK, max_bytes=10).sets) == 1


# Receipts and overlays ---------------------------------------------------------------------------------------


def test_an_edit_stays_in_sight_until_the_pulled_item_shows_it(device: Device) -> None:
    pull(device, page(present(1, body(1, fields={"a": 1}))))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    out = send(device)
    old = page(present(2, body(1, touch=1, fields={"a": 1})), more=True)
    told = receipt(out, "applied", version=2, rev="0" * 16)
    device.apply_answer(out.serial, answer(old, receipts=[told], more=True))
    assert fields_of(device) == {"a": 2}
    pull(device, page(present(3, body(2, fields={"a": 2, "by_server": True})), more=True), more=True)
    assert fields_of(device) == {"a": 2, "by_server": True}
    pull(device, page(present(4, body(2, touch=1, fields={"a": 9})), more=True), more=True)
    assert fields_of(device) == {"a": 9}, "the overlay is gone once the version is there"


def test_an_edit_whose_item_left_the_scope_goes_with_the_whole_pull(device: Device) -> None:
    pull(device, page(present(1, body())))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    out = send(device)
    told = receipt(out, "rebased", version=2, rev="0" * 16)
    device.apply_answer(out.serial, answer(page(absent(2, version=2)), receipts=[told]))
    assert (device.items(), device.unsent) == ([], 0)


@pytest.mark.parametrize("outcome", ["parked", "quarantined", "rejected"])
def test_a_change_that_was_not_applied_is_told_and_its_values_are_kept(device: Device, outcome: str) -> None:
    pull(device, page(present(1, body(fields={"a": 1}))))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    out = send(device)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, outcome, code="why", zh="因为", en="because")]))
    (told,) = device.told()
    assert (told.outcome.code, told.change.fields, told.no, told.index) == ("why", {"a": 2}, 1, 0)
    assert fields_of(device) == {"a": 1}
    device.dismiss(1, 0)
    assert device.told() == []


@pytest.mark.parametrize("status", ["rejected", "quarantined"])
def test_a_set_refused_as_a_whole_refuses_each_of_its_changes(device: Device, status: Any) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    device.create_item(OTHER, "0401", CAPTURE, {"a": 1})
    out = send(device)
    told = Receipt(1, framing.set_hash(out.sets[0]), status, code="set_malformed", zh="坏", en="bad")
    device.apply_answer(out.serial, answer(receipts=[told]))
    assert [(one.index, one.outcome.outcome, one.outcome.code) for one in device.told()] == [
        (0, status, "set_malformed"),
        (1, status, "set_malformed"),
    ]
    assert (device.items(), device.acknowledged) == ([], 1)


def test_a_receipt_for_other_bytes_is_not_this_devices(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    out = send(device)
    foreign = msgspec.structs.replace(receipt(out, "applied", version=1), hash="0" * 64)
    assert device.apply_answer(out.serial, answer(receipts=[foreign])).receipts == 0
    assert (device.acknowledged, device.unsent) == (0, 1)


def test_a_forked_device_keeps_its_edits_and_sends_no_more(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    out = send(device)
    forked = Receipt(1, framing.set_hash(out.sets[0]), "forked", code="device_forked")
    applied = device.apply_answer(out.serial, answer(receipts=[forked]))
    assert device.forked
    assert not applied.again
    assert (device.next_request(CLOCK).sets, fields_of(device)) == ([], {"a": 1})


def test_acknowledged_waits_for_a_missing_receipt(device: Device) -> None:
    for item in (ITEM, OTHER):
        device.create_item(item, "0401", CAPTURE, {"a": 1})
        device.seal_set("n" * 22)
    out = device.next_request(CLOCK)
    device.next_request(CLOCK)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "applied", index=1)]))
    assert device.acknowledged == 0
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "applied", index=0)]))
    assert device.acknowledged == 2


def test_receipted_sets_are_kept_until_they_are_safe(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    out = send(device)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "applied", version=1)]))
    assert list(device._state.outbox) == [1]
    pull(device, safe_no=1)
    assert list(device._state.outbox) == []


# The pulled layer --------------------------------------------------------------------------------------------


def test_an_older_body_never_replaces_a_newer_one_but_is_a_member(device: Device) -> None:
    pull(device, page(present(1, body(3, 1, fields={"a": 3}))), page(present(1, body(2, 5)), stream="own/1"))
    assert fields_of(device) == {"a": 3}
    pull(device, page(present(2, body(3, 0, fields={"a": 0})), stream="own/1"))
    assert fields_of(device) == {"a": 3}
    assert device.digest("own/1") == f"{hash64(present(2, body(3, 0))):016x}"


def test_an_item_goes_with_its_last_membership(device: Device) -> None:
    pull(device, page(present(1, body())), page(present(1, body()), stream="own/1"))
    pull(device, page(absent(2)))
    assert device.visible(ITEM)
    pull(device, page(absent(2), stream="own/1"))
    assert device.visible(ITEM) is None


def test_a_lost_stream_keeps_what_is_not_drained_and_no_more(device: Device) -> None:
    pull(device, page(present(1, body(fields={"a": 1})), present(2, body(item=OTHER))))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    pull(device, lost=["grid/1"])
    assert ([item.id for item in device.items()], device.memberships()) == ([ITEM], {})
    out = send(device)
    assert out.request.cursors == {}
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "applied", version=2)]))
    assert device.items() == []


def test_a_wrong_digest_begins_the_stream_again_without_hiding_it(device: Device) -> None:
    applied = pull(device, page(present(1, body()), digest="0" * 16))
    assert (applied.repaired, applied.again, device.repairs) == (["grid/1"], True, 1)
    assert device.visible(ITEM)
    out = device.next_request(CLOCK)
    assert out.request.cursors == {"grid/1": Cursor(0, 0)}
    good = f"{hash64(present(7, body(item=OTHER))):016x}"
    device.apply_answer(out.serial, answer(page(present(7, body(item=OTHER)), digest=good)))
    assert [item.id for item in device.items()] == [OTHER]
    assert (device.digest("grid/1"), device.repairs) == (good, 1)


def test_a_page_that_begins_again_drops_what_it_does_not_name_at_its_end(device: Device) -> None:
    pull(device, page(present(1, body()), present(2, body(item=OTHER))))
    pull(device, page(present(5, body(item=UUID(int=9))), reset=True, more=True), more=True)
    assert len(device.items()) == 3
    pull(device, page(present(6, body(item=OTHER))))
    assert [item.id for item in device.items()] == [OTHER, UUID(int=9)]


def test_notices_follow_their_feed(device: Device) -> None:
    todo = NoticeBody(OTHER, "todo", ITEM, "returned", 1, notes={"a": "看不清"})
    parked = NoticeBody(UUID(int=9), "parked", ITEM, "update_update", 1, fields={"a": 2})
    entries = [Entry(i, one.kind, one.id, 1, "0" * 16, 0, notice=one) for i, one in enumerate((todo, parked), 1)]
    pull(device, page(*entries, stream="own/1"))
    assert (device.todos(), device.parked()) == ([todo], [parked])
    pull(device, page(Entry(3, "todo", OTHER, 2, "0" * 16, 0), stream="own/1"))
    assert device.todos() == []


def test_a_mark_counts_only_when_nothing_is_left_to_do(device: Device) -> None:
    pull(device, page(present(1, body())), mark="m1")
    assert device.mark == "m1"
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    assert device.mark is None


def test_a_new_epoch_begins_numbers_and_cursors_again_and_keeps_unsent_edits(device: Device) -> None:
    pull(device, page(present(1, body(fields={"a": 1})), present(2, body(item=OTHER))))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    old = send(device)
    applied = device.apply_answer(old.serial, answer(epoch="e2"))
    assert (applied.new_epoch, applied.again) == (True, True)
    assert fields_of(device) == {"a": 2}
    out = send(device)
    assert (out.request.epoch, out.request.cursors, out.request.first) == ("e2", {}, 1)
    assert framing.decode_set(out.sets[0]).epoch == "e2"
    assert [change.fields for change in changes_in(out)] == [{"a": 2}]


# Photos ------------------------------------------------------------------------------------------------------


def with_photo(device: Device, outcome: Any = "applied") -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"photos": [PHOTO]})
    out = send(device)
    assert device.photos_to_send() == []
    told = receipt(out, outcome, version=1)
    device.apply_answer(out.serial, answer(page(present(1, body(fields={"photos": [PHOTO]}))), receipts=[told]))


def seen(state: Any) -> EvidenceState:
    return EvidenceState(PHOTO["sha256"], 2048, "report", state)


def test_a_photo_is_sent_after_the_receipt_and_let_go_when_verified(device: Device) -> None:
    with_photo(device)
    assert [(photo.sha256, photo.size) for photo in device.photos_to_send()] == [(PHOTO["sha256"], 2048)]
    assert device.note_photos([seen("stored")]) == []
    assert device.photos_to_send() == []
    applied = pull(device, page(present(2, body(touch=1, evidence=[seen("verified")]))))
    assert (applied.released, device.photo_states()) == ([KEY], {})


def test_a_refused_photo_is_sent_again(device: Device) -> None:
    with_photo(device)
    device.note_photos([seen("stored")])
    pull(device, page(present(2, body(touch=1, evidence=[seen("refused")]))))
    assert [photo.state for photo in device.photos_to_send()] == ["refused"]


def test_a_pulled_item_does_not_make_a_sent_photo_unsent(device: Device) -> None:
    with_photo(device)
    device.note_photos([seen("stored")])
    pull(device, page(present(2, body(touch=1, evidence=[seen("declared")]))))
    assert device.photos_to_send() == []


def test_an_item_out_of_scope_stays_until_its_photos_are_sent(device: Device) -> None:
    with_photo(device)
    pull(device, lost=["grid/1"])
    assert device.visible(ITEM)
    assert device.note_photos([seen("stored")]) == [KEY]
    assert device.visible(ITEM) is None


def test_the_photos_of_a_rejected_change_are_not_sent(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"photos": [PHOTO]})
    out = send(device)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "rejected", code="no")]))
    assert device.photo_states() == {}


def test_photos_that_the_item_lists_already_are_not_the_phones_to_send(device: Device) -> None:
    pull(device, page(present(1, body(fields={"photos": [PHOTO]}))))
    device.edit_item(ITEM, CAPTURE, {"photos": [PHOTO, {**PHOTO, "size": 99}]})
    assert list(device.photo_states()) == [f"{PHOTO['sha256']}-99"]
