"""What the server asks of the device itself, and what it withholds."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from schemas.wire import Directive, EvidenceState, Receipt
from sync import framing
from sync.device import Applied, Device, WipedError
from tests.unit.device_answers import (
    CAPTURE,
    CLOCK,
    ITEM,
    KEY,
    OTHER,
    PHOTO,
    answer,
    body,
    enrolled,
    fields_of,
    page,
    present,
    pull,
    receipt,
    send,
)

WIPE, UPDATE, LATER = (
    Directive(UUID(int=40), "wipe"), Directive(UUID(int=41), "update_app"), Directive(UUID(int=42), "update_app"),
)  # fmt: skip


@pytest.fixture
def device() -> Device:
    return enrolled()


def asked(device: Device, *directives: Directive, **more: Any) -> Applied:
    return pull(device, directives=list(directives), **more)


def test_a_directive_is_handed_out_once_and_told_as_done_until_the_server_knows(device: Device) -> None:
    assert asked(device, UPDATE, LATER).directives == [UPDATE, LATER]
    assert asked(device, UPDATE, LATER).directives == []
    assert device.next_request(CLOCK).request.done == []
    device.carry_out(LATER.id)
    assert device.next_request(CLOCK).request.done == [LATER.id]
    out = Device.restore(device.snapshot()).next_request(CLOCK)
    assert out.request.done == [LATER.id]
    asked(device, UPDATE)
    assert device.next_request(CLOCK).request.done == []
    assert asked(device, UPDATE, LATER).directives == [], "an answer that was on its way asks no second time"


def test_a_wipe_waits_for_edits_and_photos_then_says_so_and_then_forgets_everything(device: Device) -> None:
    pull(device, page(present(1, body())))
    device.create_item(OTHER, "0401", CAPTURE, {"photos": [PHOTO]})
    assert asked(device, WIPE).directives == [WIPE]
    assert device.wiping
    out = send(device)
    assert out.request.done == []
    told, pages = receipt(out, "applied", version=1), page(present(2, body(item=OTHER)))
    device.apply_answer(out.serial, answer(pages, receipts=[told], directives=[WIPE], expected=2))
    assert device.next_request(CLOCK).request.done == [], "the photo is only here"
    device.note_photos([EvidenceState(PHOTO["sha256"], 2048, "report", "stored")])
    out = device.next_request(CLOCK)
    assert (out.request.done, bool(device.items())) == ([WIPE.id], True)
    applied = device.apply_answer(out.serial, answer(expected=2))
    assert (applied.wiped, applied.released, device.wiped) == (True, [KEY], True)
    assert (device.items(), device.told(), device.memberships(), device.photo_states()) == ([], [], {}, {})
    assert Device.restore(device.snapshot()).wiped


def test_a_wipe_does_not_wait_for_photos_that_nobody_takes(device: Device) -> None:
    """Those of a device that was revoked first."""
    device.create_item(ITEM, "0401", CAPTURE, {"photos": [PHOTO]})
    asked(device, WIPE)
    out = send(device)
    told = Receipt(1, framing.set_hash(out.sets[0]), "quarantined", code="device_revoked")
    device.apply_answer(out.serial, answer(receipts=[told], directives=[WIPE], expected=2))
    assert device.next_request(CLOCK).request.done == []
    assert device.give_up_photos() == [KEY]
    assert device.next_request(CLOCK).request.done == [WIPE.id]


def test_a_photo_that_can_never_be_taken_is_shown_as_long_as_something_names_it(device: Device) -> None:
    """Neither a wipe nor a lost stream waits for it; only the worker can put another in its place."""
    device.create_item(ITEM, "0401", CAPTURE, {"photos": [PHOTO]})
    out = send(device)
    named = page(present(1, body(fields={"photos": [PHOTO]})))
    device.apply_answer(out.serial, answer(named, receipts=[receipt(out, "applied", version=1)], expected=2))
    device.note_photos([EvidenceState(str(PHOTO["sha256"]), 2048, "report", "refused")])
    assert [one.state for one in device.photos_to_send()] == ["refused"], "it may have come damaged"
    asked(device, WIPE)
    assert device.next_request(CLOCK).request.done == []

    assert device.note_hopeless_photos({KEY: "photo_undecodable", "nobody's": "photo_too_large"}) == []
    assert device.photos_to_send() == []
    assert device.next_request(CLOCK).request.done == [WIPE.id]
    again = Device.restore(device.snapshot())
    assert again.photo_states()[KEY].hopeless == "photo_undecodable"
    assert pull(again, page(present(2, body(version=2, fields={"photos": []})))).released == [KEY]
    assert again.photo_states() == {}


def test_before_a_wipe_all_that_is_of_a_former_epoch_is_salvaged(device: Device) -> None:
    pull(device, page(present(1, body())))
    pull(device, epoch="e2")
    asked(device, WIPE, epoch="e2", withheld="app_too_old")
    out = device.next_request(CLOCK)
    assert (len(out.request.salvage), out.request.done) == (1, [])
    device.apply_answer(out.serial, answer(epoch="e2", withheld="app_too_old"))
    assert device.next_request(CLOCK).request.done == [WIPE.id]


def test_a_wipe_whose_answer_is_lost_is_told_again(device: Device) -> None:
    asked(device, WIPE)
    lost = device.next_request(CLOCK)
    again = device.next_request(CLOCK)
    assert (lost.request.done, again.request.done) == ([WIPE.id], [WIPE.id])
    device.apply_answer(lost.serial, answer())
    assert not device.wiped
    device.apply_answer(again.serial, answer())
    assert device.wiped


def test_nothing_is_written_once_a_wipe_is_told(device: Device) -> None:
    asked(device, WIPE)
    device.create_item(ITEM, "0401", CAPTURE, {})
    out = send(device)
    device.apply_answer(
        out.serial, answer(receipts=[receipt(out, "applied", version=1)], directives=[WIPE], expected=2)
    )
    out = device.next_request(CLOCK)
    with pytest.raises(WipedError):
        device.create_item(OTHER, "0401", CAPTURE, {})
    device.apply_answer(out.serial, answer(expected=2))
    with pytest.raises(WipedError):
        device.create_item(OTHER, "0401", CAPTURE, {})


def test_a_wiped_device_takes_nothing_in(device: Device) -> None:
    asked(device, WIPE)
    pull(device)
    pull(device, page(present(1, body())), gained=["grid/1"])
    assert (device.wiped, device.items()) == (True, [])


def test_the_app_cannot_say_that_a_wipe_is_done(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {})
    asked(device, WIPE)
    device.carry_out(WIPE.id)
    assert device.next_request(CLOCK).request.done == []


def test_what_is_withheld_is_not_lost_and_sets_go_on(device: Device) -> None:
    pull(device, page(present(1, body())), mark="m")
    device.edit_item(ITEM, CAPTURE, {"a": 1})
    out = send(device)
    told = receipt(out, "applied", version=2)
    applied = device.apply_answer(
        out.serial, answer(receipts=[told], lost=["grid/1"], withheld="app_too_old", expected=2)
    )
    assert (applied.receipts, applied.again, device.withheld, device.mark) == (1, False, "app_too_old", None)
    assert (list(device.memberships()), fields_of(device)) == (["grid/1"], {"a": 1})
    pull(device, expected=2, mark="m2")
    assert (device.withheld, device.mark) == (None, "m2")


def test_what_is_withheld_in_a_new_epoch_is_compared_when_it_is_given_again(device: Device) -> None:
    pull(device, page(present(1, body())))
    pull(device, epoch="e2")
    applied = pull(device, epoch="e2", withheld="app_too_old")
    assert (applied.again, bool(device.visible(ITEM))) == (False, True)
    assert device.next_request(CLOCK).request.repairs["grid/1"].buckets
