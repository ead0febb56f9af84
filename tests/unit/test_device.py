"""What the device does with one answer: bases, overlays, receipts, the pulled layer, photos."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from schemas.wire import Base, CaseView, Entry, EvidenceState, NoticeBody, Receipt, Transition
from sync import framing
from sync.device import Device, NotVisibleError
from tests.property.model_server import hash64
from tests.unit.device_answers import (
    CAPTURE,
    CLOCK,
    GRID,
    ITEM,
    KEY,
    OTHER,
    PHOTO,
    absent,
    answer,
    body,
    changes_in,
    enrolled,
    fields_of,
    page,
    present,
    pull,
    receipt,
    send,
)


@pytest.fixture
def device() -> Device:
    return enrolled()


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


def test_a_step_of_a_case_names_the_state_it_leaves_and_shows_no_other(device: Device) -> None:
    case = CaseView("signed")
    pull(device, page(present(1, body(3, case=case))))
    device.transition_item(ITEM, CAPTURE, "handle", "signed", "已清理", {"after": "干净"})
    seen = device.visible(ITEM)
    assert seen is not None
    assert (seen.case, seen.unsent, seen.fields) == (case, True, {"after": "干净"})
    out = send(device)
    (step,) = changes_in(out)
    assert (step.op, step.base, step.transition) == (
        "transition", Base(3, f"{3:016x}"), Transition("handle", "signed", "已清理"),
    )  # fmt: skip
    notice = NoticeBody(OTHER, "parked", ITEM, "late_transition", 1)
    pages = page(Entry(1, "parked", OTHER, 1, "0" * 16, 0, notice=notice), stream="own/1")
    device.apply_answer(out.serial, answer(pages, receipts=[receipt(out, "parked")]))
    assert (device.parked(), fields_of(device)) == ([notice], {})
    assert [told.change.op for told in device.told()] == ["transition"]


def test_an_edit_of_what_is_receipted_and_not_pulled_names_what_was_pulled_last(device: Device) -> None:
    pull(device, page(present(1, body(3))))
    device.edit_item(ITEM, CAPTURE, {"a": 1})
    out = send(device)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "applied", version=4)], more=True))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    (edit,) = changes_in(send(device))
    assert edit.base == Base(3, f"{3:016x}")


@pytest.mark.parametrize("atomic", [False, True])
def test_a_set_may_be_one_of_all_or_nothing(device: Device, atomic: bool) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    device.seal_set("n" * 22, atomic=atomic)
    assert framing.decode_set(device.next_request(CLOCK).sets[0]).atomic is atomic


def test_a_deletion_hides_an_item_until_it_is_edited_again(device: Device) -> None:
    """As after a restore, when a deletion that was refused is laid over once more, and what was written since too."""
    pull(device, page(present(1, body(fields={"a": 1}))))
    device.delete_item(ITEM, CAPTURE)
    out = send(device)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "rejected", code="no")]))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    pull(device, epoch="e2", expected=1)
    assert (device.unsent, fields_of(device)) == (2, {"a": 2})


# Too much for one set ----------------------------------------------------------------------------------------


def write(device: Device, *sizes: int) -> None:
    for number, size in enumerate(sizes):
        device.create_item(UUID(int=100 + number), "0401", CAPTURE, {"text": "x" * size})


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_draft_beyond_the_limit_becomes_several_sets_in_order(device: Device, form: Any) -> None:
    write(device, *[700] * 10)
    assert device.seal_set("n" * 22, form, max_set_bytes=2_500) == 5
    out = device.next_request(CLOCK)
    sets = [framing.decode_set(raw) for raw in out.sets]
    items = [framing.decode_change(raw, form).item.int for one in sets for raw in one.changes]
    assert max(map(len, out.sets)) <= 2_500
    assert ([one.no for one in sets], items) == ([1, 2, 3, 4, 5], list(range(100, 110)))
    assert len({one.nonce for one in sets}) == 5


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_draft_at_the_limit_stays_one_set(device: Device, form: Any) -> None:
    write(device, 700, 700)
    twin = Device.restore(device.snapshot())
    twin.seal_set("n" * 22, form)
    limit = len(twin.next_request(CLOCK).sets[0]) + 16
    assert device.seal_set("n" * 22, form, max_set_bytes=limit) == 1


def test_a_change_too_large_on_its_own_is_told_and_its_number_goes_void(device: Device) -> None:
    write(device, 100, 5_000, 100)
    device.seal_set("n" * 22, max_set_bytes=2_500)
    sets = [framing.decode_set(raw) for raw in device.next_request(CLOCK).sets]
    assert [(one.no, len(one.changes), one.void) for one in sets] == [(1, 1, None), (2, 0, "too_large"), (3, 1, None)]
    (told,) = device.told()
    assert (told.no, told.outcome.code, len(told.change.fields["text"])) == (2, "set_too_large", 5_000)
    assert [item.id.int for item in device.items()] == [100, 102]


def test_a_set_of_all_or_nothing_is_never_split(device: Device) -> None:
    write(device, 1_500, 1_500)
    assert device.seal_set("n" * 22, atomic=True, max_set_bytes=2_500) == 1
    assert [told.outcome.code for told in device.told()] == ["set_too_large"] * 2


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


def test_an_edit_of_a_loser_stays_in_sight_until_the_winner_shows_it(device: Device) -> None:
    """The two count their versions apart: the loser may have come further."""
    pull(device, page(present(1, body(5, fields={"a": 1})), present(2, body(2, item=OTHER))))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    out = send(device)
    told = receipt(out, "merged", version=3, rev="0" * 16, linked=OTHER)
    device.apply_answer(out.serial, answer(receipts=[told], more=True))
    assert fields_of(device) == {"a": 2}
    pull(device, page(present(3, body(3, item=OTHER)), more=True), more=True)
    assert fields_of(device) == {"a": 1}


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


def test_a_lost_stream_is_held_until_those_gained_for_it_are_filled(device: Device) -> None:
    """A grid is split: its items are in sight all the time, under the new grid as soon as that told of them."""
    pull(device, page(present(1, body()), present(2, body(item=OTHER))))
    split = {"gained": ["grid/2"], "lost": ["grid/1"]}
    pull(device, page(present(1, body(2)), stream="grid/2", more=True), more=True, **split)
    assert [item.id for item in device.items()] == [ITEM, OTHER]
    filled = pull(device, page(stream="grid/2"), lost=["grid/1"])
    assert (filled.lost, [item.id for item in device.items()]) == (["grid/1"], [ITEM])
    assert list(device.memberships()) == ["grid/2"]


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


@pytest.mark.parametrize("states", [[], ["declared", "verified"], ["refused", "verified"]])
def test_every_photo_of_an_item_has_its_state(device: Device, states: list[Any]) -> None:
    """Those of its form in the form's order, `declared` where nothing is said; then those of a desk."""
    second, desk = PHOTO | {"sha256": "cd" * 32, "role": "close"}, EvidenceState("ef" * 32, 9, "close", "verified")
    entry = present(1, body(fields={"photos": [PHOTO, second]}))
    assert entry.item is not None
    told = msgspec.structs.replace(entry.item, photos=states, evidence=[desk])
    pull(device, page(msgspec.structs.replace(entry, item=told)))
    visible = device.visible(ITEM)
    assert visible is not None
    first, other = states or ("declared", "declared")
    of_form = [EvidenceState(PHOTO["sha256"], 2048, "report", first), EvidenceState("cd" * 32, 2048, "close", other)]
    assert visible.evidence == [*of_form, desk]


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
