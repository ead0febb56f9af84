"""What the device does when the server was restored, and when it has become another: nothing it holds is lost."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from schemas.wire import Cursor, Entry, ItemBody, NoticeBody, Receipt, Repair, Repaired
from sync import framing, repair
from sync.device import Applied, Device, Outgoing
from tests.property.model_server import hash64
from tests.unit.device_answers import (
    CAPTURE,
    CLOCK,
    ITEM,
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


def decided(device: Device, **fields: Any) -> Outgoing:
    """An edit of the item that is receipted and pulled again."""
    before = device.visible(ITEM)
    version = before.version if before else 0
    if before:
        device.edit_item(ITEM, CAPTURE, fields)
    else:
        device.create_item(ITEM, "0401", CAPTURE, fields)
    out = send(device)
    told = receipt(out, "applied", version=version + 1)
    after = body(version + 1, fields={**(before.fields if before else {}), **fields})
    device.apply_answer(out.serial, answer(page(present(version + 1, after)), receipts=[told]))
    return out


def meet(device: Device, expected: int, epoch: str = "e2", **more: Any) -> Applied:
    """The first answer of another epoch."""
    return pull(device, epoch=epoch, expected=expected, **more)


def compared(device: Device, *held: ItemBody, listed: bool = True, **more: Any) -> tuple[Outgoing, Applied]:
    """One exchange with a server that holds these, and tells all its hashes unless not `listed`."""
    out = device.next_request(CLOCK)
    entries = [present(9, one) for one in held]
    total = 0
    for entry in entries:
        total ^= hash64(entry)
    asked = out.request.repairs.get("grid/1", Repair())
    hashes = dict.fromkeys(range(256), b"") if listed and asked.buckets else {}
    for entry in entries if hashes else []:
        hashes[entry.id.int & 0xFF] += hash64(entry).to_bytes(8, "big")
    wanted = [entry for entry in entries if f"{hash64(entry):016x}" in asked.want]
    told = Repaired(hashes=hashes, entries=wanted) if asked != Repair() else None
    reset = "grid/1" not in out.request.cursors
    whole = msgspec.structs.replace(page(digest=f"{total:016x}", reset=reset, repaired=told), cursor=Cursor(9, 9))
    given = {"epoch": "e2", "expected": device._state.last_no + 1, **more}
    return out, device.apply_answer(out.serial, answer(whole, **given))


def salvaged(out: Outgoing) -> list[tuple[UUID, int]]:
    bodies = [msgspec.json.decode(raw, type=ItemBody) for raw in out.request.salvage]
    return [(one.id, one.version) for one in bodies]


# Numbers -----------------------------------------------------------------------------------------------------


def test_what_the_restored_server_lacks_is_sent_again_under_its_number_with_its_bytes(device: Device) -> None:
    first, second = decided(device, a=1), decided(device, b=2)
    applied = meet(device, expected=2)
    assert (applied.new_epoch, applied.again, device.acknowledged, device.unsent) == (True, True, 1, 1)
    out = device.next_request(CLOCK)
    assert (out.request.epoch, out.request.first, out.sets) == ("e2", 2, second.sets)
    assert framing.decode_set(out.sets[0]).epoch == "e1"
    assert device._state.outbox[1].receipt is not None, first


def test_edits_without_receipt_are_laid_over_again_until_they_have_one(device: Device) -> None:
    decided(device, a=1)
    decided(device, a=2)
    meet(device, expected=2)
    compared(device, body(1, fields={"a": 1}), expected=2)
    compared(device, body(1, fields={"a": 1}), expected=2)
    assert (device._state.items[ITEM].version, fields_of(device), device.unsent) == (1, {"a": 2}, 1)
    out = device.next_request(CLOCK)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "rejected", code="no")], epoch="e2", expected=3))
    assert (fields_of(device), [told.no for told in device.told()]) == ({"a": 1}, [2])


def test_a_server_that_lacks_what_it_gave_a_receipt_for_was_restored_whatever_epoch_it_names(device: Device) -> None:
    """As where an app took over the epoch of a new enrolment before it had exchanged in it."""
    decided(device, a=1)
    second = decided(device, b=2)
    applied = pull(device, expected=2)
    assert (applied.new_epoch, applied.again, device.unsent) == (True, True, 1)
    assert device.next_request(CLOCK).sets == second.sets
    assert device._state.former_items == {ITEM}


def test_what_was_told_of_a_set_is_told_anew_with_its_next_receipt(device: Device) -> None:
    pull(device, page(present(1, body())))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    out = send(device)
    device.apply_answer(out.serial, answer(receipts=[receipt(out, "parked")]))
    assert len(device.told()) == 1
    meet(device, expected=1)
    assert (device.told(), fields_of(device)) == ([], {"a": 2})


def test_a_notice_goes_back_to_what_the_restored_server_says_of_it(device: Device) -> None:
    """Its version may be lower than the one that the lost life came to."""
    for version, name in ((5, "lost"), (4, "restored")):
        told = NoticeBody(OTHER, "parked", ITEM, "parked", version, {"name": name})
        entry = Entry(version, "parked", OTHER, version, "0" * 16, 0, notice=told)
        pull(device, page(entry, stream="own/1"))
    assert [one.fields for one in device.parked()] == [{"name": "restored"}]


@pytest.mark.parametrize("spoilt", [b'{"no":1', b'{"no":"\\ud800"}', b"[" * 5_000, b"\xc1"])
def test_a_set_that_nobody_can_read_stops_no_phone_when_it_is_sent_again(device: Device, spoilt: bytes) -> None:
    """Its bytes were damaged on the phone before they were sent, and the server has kept them as they came."""
    pull(device, page(present(1, body())))
    device.edit_item(ITEM, CAPTURE, {"a": 2})
    device.seal_set("n" * 22)
    sealed = device._state.outbox[1]
    sealed.raw, sealed.hash = spoilt, framing.set_hash(spoilt)
    out = device.next_request(CLOCK)
    refused = Receipt(1, sealed.hash, "rejected", code="set_malformed")
    device.apply_answer(out.serial, answer(receipts=[refused]))
    meet(device, expected=1)
    assert device.next_request(CLOCK).sets == [spoilt]
    assert [told.outcome.outcome for told in device.told()] == ["rejected"]


def test_photos_of_a_set_that_is_sent_again_are_declared_again(device: Device) -> None:
    out = decided(device, photos=[PHOTO])
    device._state.photos[f"{PHOTO['sha256']}-2048"].state = "stored"
    meet(device, expected=1)
    assert device.photos_to_send() == []
    told = answer(receipts=[receipt(device.next_request(CLOCK), "applied", version=1)], epoch="e2", expected=2)
    device.apply_answer(out.serial + 2, told)
    assert [photo.state for photo in device.photos_to_send()] == ["declared"]


def test_a_set_that_is_kept_no_more_goes_void_and_is_made_once(device: Device) -> None:
    """As when an older backup was restored than was promised."""
    decided(device, a=1)
    decided(device, b=2)
    pull(device, safe_no=1, expected=3)
    assert list(device._state.outbox) == [2]
    meet(device, expected=1)
    out = Device.restore(device.snapshot()).next_request(CLOCK)
    void = framing.decode_set(out.sets[0])
    assert (void.no, void.void, void.changes, len(out.sets)) == (1, "lost", [], 2)
    assert device.next_request(CLOCK).sets == out.sets
    assert device.unsent == 1


def test_safe_no_never_falls_within_an_epoch_and_may_in_the_next(device: Device) -> None:
    decided(device, a=1)
    pull(device, safe_no=1, expected=2)
    pull(device, safe_no=0, expected=2)
    assert device._state.safe_no == 1
    meet(device, expected=2, safe_no=0)
    assert device._state.safe_no == 0


def test_a_late_answer_of_the_former_epoch_gives_no_receipt(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    late = send(device)
    meet(device, expected=1)
    told = device.apply_answer(late.serial, answer(receipts=[receipt(late, "applied", version=1)], expected=2))
    assert (told.stale, told.receipts, device.unsent) == (True, 0, 1)


# Bytes that are lost -----------------------------------------------------------------------------------------


def test_a_set_whose_bytes_are_lost_holds_the_rest_up_only_until_the_server_says_what_it_waits_for(
    device: Device,
) -> None:
    for item in (ITEM, OTHER):
        device.create_item(item, "0401", CAPTURE, {"a": 1})
        device.seal_set("n" * 22)
    device.lose_bytes(1)
    assert device.next_request(CLOCK).sets == []
    pull(device, expected=1)
    sets = [framing.decode_set(raw) for raw in device.next_request(CLOCK).sets]
    assert [(one.no, one.void) for one in sets] == [(1, "lost"), (2, None)]
    (told,) = device.told()
    assert (told.no, told.outcome.code, told.change.fields) == (1, "set_lost", {"a": 1})


def test_lost_bytes_that_the_server_has_are_not_missed(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    send(device)
    device.lose_bytes(1)
    pull(device, expected=2, more=True)
    assert (device.acknowledged, device.unsent, device.told()) == (1, 0, [])
    pull(device, page(present(1, body(fields={"a": 1}))), expected=2)
    assert fields_of(device) == {"a": 1}


# Comparing and salvage ---------------------------------------------------------------------------------------


def test_nothing_goes_when_another_epoch_begins_and_each_stream_is_compared(device: Device) -> None:
    pull(device, page(present(1, body())), page(stream="own/1"))
    meet(device, expected=1)
    out = device.next_request(CLOCK)
    assert device.visible(ITEM)
    assert (out.request.cursors, list(out.request.repairs)) == ({"own/1": Cursor()}, ["grid/1"])
    digests = repair.digests_of([(ITEM, hash64(present(1, body())))])
    assert out.request.repairs["grid/1"] == Repair(buckets=repair.bucket_digests(digests))


def test_what_the_server_holds_alike_is_confirmed_and_not_salvaged(device: Device) -> None:
    pull(device, page(present(1, body(2))))
    meet(device, expected=1)
    _, applied = compared(device, body(2))
    assert (applied.again, applied.repaired, device._state.former_items) == (False, [], set())
    # From here on the epoch is like any other: what is absent was not lost.
    pull(device, page(absent(10)), epoch="e2")
    assert (device.items(), device._state.salvage) == ([], [])


def test_an_item_that_the_server_lacks_goes_only_after_it_was_salvaged(device: Device) -> None:
    pull(device, page(present(1, body(2, fields={"a": 1}))))
    meet(device, expected=1)
    compared(device)
    assert device.visible(ITEM)
    lost = device.next_request(CLOCK)
    assert (salvaged(lost), bool(device.visible(ITEM))) == ([(ITEM, 2)], True)
    # That answer never came; the next request carries it again.
    out, applied = compared(device)
    assert (salvaged(out), applied.again, device.items()) == ([(ITEM, 2)], False, [])
    assert salvaged(device.next_request(CLOCK)) == []


@pytest.mark.parametrize(
    ("held", "theirs"),
    [(body(5), body(3)), (body(5, 2), body(5, 1)), (body(5), body(5, rev="f" * 16)), (body(5), body(7))],
    ids=["lower_version", "lower_touch", "another_rev", "higher_on_another_way"],
)
def test_the_servers_truth_replaces_what_is_held_after_it_was_salvaged(
    device: Device, held: ItemBody, theirs: ItemBody
) -> None:
    pull(device, page(present(1, held)))
    meet(device, expected=1)
    compared(device, theirs)
    assert device._state.items[ITEM] == held
    out, applied = compared(device, theirs)
    assert (salvaged(out), len(out.request.repairs["grid/1"].want)) == ([(ITEM, 5)], 1)
    assert (device._state.items[ITEM], applied.again, device.repairs) == (theirs, False, 0)


def test_an_ordinary_entry_of_the_new_epoch_lowers_too_and_what_it_replaces_is_kept_for_salvage(device: Device) -> None:
    pull(device, page(present(1, body(5))))
    meet(device, expected=1)
    entry = present(9, body(3))
    pull(device, page(entry, reset=True, digest=f"{hash64(entry):016x}"), epoch="e2")
    assert device._state.items[ITEM].version == 3
    assert salvaged(device.next_request(CLOCK)) == [(ITEM, 5)]


def test_erased_items_are_not_salvaged(device: Device) -> None:
    pull(device, page(present(1, body(5))))
    meet(device, expected=1)
    compared(device)
    erased = msgspec.structs.replace(absent(10), erased=True)
    pull(device, page(erased, digest="0" * 16), epoch="e2")
    assert (salvaged(device.next_request(CLOCK)), device.items()) == ([], [])


def test_what_was_erased_before_the_restore_is_not_salvaged_either(device: Device) -> None:
    """Its absence had come on one stream, and not yet on the other."""
    pull(device, page(present(1, body(5))), page(present(1, body(5)), stream="own/1"))
    pull(device, page(msgspec.structs.replace(absent(2), erased=True), stream="own/1"))
    meet(device, expected=1)
    compared(device)
    assert (salvaged(device.next_request(CLOCK)), device.items()) == ([], [])


def test_a_stream_that_lagged_is_compared_by_the_bodies_that_are_held(device: Device) -> None:
    """Else it would agree with an older server, and the newer body would stay when the other stream goes."""
    pull(device, page(present(1, body(5)), stream="own/1"), page(present(1, body(3))))
    meet(device, expected=1)
    compared(device, body(3), lost=["own/1"])
    out, _ = compared(device, body(3))
    assert (salvaged(out), device._state.items[ITEM].version) == ([(ITEM, 5)], 3)


def test_of_much_salvage_nothing_is_replaced_before_the_last_is_sent(device: Device) -> None:
    held = [body(5, item=UUID(int=number)) for number in range(1, 302)]
    theirs = [body(3, item=one.id) for one in held]
    pull(device, page(*[present(1, one) for one in held]))
    meet(device, expected=1)
    compared(device, *theirs)
    out, applied = compared(device, *theirs)
    assert (len(salvaged(out)), out.request.repairs, applied.again) == (200, {}, True)
    assert {one.version for one in device.items()} == {5}
    out, _ = compared(device, *theirs)
    assert (len(salvaged(out)), len(out.request.repairs["grid/1"].want)) == (101, 301)
    assert {one.version for one in device.items()} == {3}


def test_salvage_travels_in_the_form_of_the_request(device: Device) -> None:
    pull(device, page(present(1, body(5))))
    meet(device, expected=1)
    compared(device)
    out = device.next_request(CLOCK, form="msgpack")
    request, _ = framing.decode_request(framing.encode_request(out.request, out.sets, "msgpack"), "msgpack")
    assert msgspec.msgpack.decode(request.salvage[0], type=ItemBody).version == 5


def test_nothing_is_compared_before_the_last_set_is_sent(device: Device) -> None:
    """Else all that is only on its way again would seem to be missing, and would be salvaged."""
    decided(device, a=1)
    decided(device, a=2)
    meet(device, expected=1)
    assert device.next_request(CLOCK, max_sets=1).request.repairs == {"grid/1": Repair()}
    assert device.next_request(CLOCK).request.repairs["grid/1"].buckets


def test_a_stream_lost_in_the_new_epoch_is_salvaged_too(device: Device) -> None:
    pull(device, page(present(1, body(5))))
    meet(device, expected=1)
    pull(device, epoch="e2", lost=["grid/1"])
    assert device.visible(ITEM)
    out = device.next_request(CLOCK)
    assert salvaged(out) == [(ITEM, 5)]
    device.apply_answer(out.serial, answer(epoch="e2"))
    assert device.items() == []


# Forks -------------------------------------------------------------------------------------------------------


def fork(device: Device) -> None:
    out = send(device)
    forked = Receipt(1, framing.set_hash(out.sets[0]), "forked", code="set_forked")
    assert not device.apply_answer(out.serial, answer(receipts=[forked])).again


def test_a_forked_device_keeps_its_edits_and_sends_no_more(device: Device) -> None:
    device.create_item(ITEM, "0401", CAPTURE, {"a": 1})
    fork(device)
    assert device.forked
    assert (device.next_request(CLOCK).sets, fields_of(device)) == ([], {"a": 1})


def test_numbers_that_were_never_used_here_are_a_copys(device: Device) -> None:
    decided(device, a=1)
    pull(device, expected=2)
    assert not device.forked
    pull(device, expected=3)
    assert device.forked


def test_a_copy_that_was_told_before_it_wrote_sends_one_set_to_have_it_refused(device: Device) -> None:
    """Without a refused set it could prove nothing: its tokens may be the newest."""
    decided(device, a=1)
    pull(device, expected=3)
    for value in (2, 3):
        device.edit_item(ITEM, CAPTURE, {"a": value})
        device.seal_set("n" * 22)
    out = device.next_request(CLOCK)
    assert out.request.first == 2
    refused = Receipt(2, framing.set_hash(out.sets[0]), "forked", code="set_forked")
    assert len(out.sets) == 1
    assert not device.apply_answer(out.serial, answer(receipts=[refused], expected=3)).again
    assert device.next_request(CLOCK).sets == []
    device.become(UUID(int=9))
    device.seal_set("n" * 22)
    assert [len(device.next_request(CLOCK).sets), device.forked, device.unsent] == [1, False, 2]


def test_as_another_device_it_sends_what_has_no_receipt_from_one_on(device: Device) -> None:
    pull(device, page(present(4, body())), mark="m")
    device.create_item(OTHER, "0401", CAPTURE, {"a": 1})
    device.edit_item(ITEM, CAPTURE, {"b": 1})
    late = send(device)
    device.edit_item(OTHER, CAPTURE, {"a": 2})
    forked = Receipt(1, framing.set_hash(late.sets[0]), "forked", code="set_forked")
    pull(device, receipts=[forked])
    waiting = device.next_request(CLOCK)
    device.become(UUID(int=77), "ticket-2")
    assert device.apply_answer(waiting.serial, answer(expected=2)).stale
    device.apply_answer(late.serial, answer(receipts=[receipt(late, "applied", version=1)], expected=2))
    assert (device.forked, device.ticket, device.unsent) == (False, "ticket-2", 3)
    out = send(device)
    (sealed,) = [framing.decode_set(raw) for raw in out.sets]
    assert (sealed.no, sealed.device, out.request.device) == (1, UUID(int=77), UUID(int=77))
    assert [(change.item, change.fields) for change in changes_in(out)] == [
        (OTHER, {"a": 1}), (ITEM, {"b": 1}), (OTHER, {"a": 2}),
    ]  # fmt: skip
    assert out.request.cursors == {"grid/1": Cursor(4, 0)}
    assert [one.raw for one in device._state.former] == late.sets


def test_messages_of_the_former_device_are_dismissed_on_their_own(device: Device) -> None:
    pull(device, page(present(1, body())))
    for value in (1, 2):
        device.edit_item(ITEM, CAPTURE, {"a": value})
        out = send(device)
        device.apply_answer(out.serial, answer(receipts=[receipt(out, "parked")]))
        device.become(UUID(int=70 + value))
    assert [told.change.fields for told in device.told()] == [{"a": 1}, {"a": 2}]
    device.dismiss(device.told()[0].no, 0)
    assert [told.change.fields for told in device.told()] == [{"a": 2}]
