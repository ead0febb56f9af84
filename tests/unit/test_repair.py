"""Comparing a stream: the arithmetic of places, the device's rounds, and what a repair costs in bytes and trips."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from uuid import UUID

import msgspec
import pytest

from schemas.wire import Cursor, Entry, ExchangeAnswer, Repair, Repaired, StreamPage
from sync import framing, repair
from sync.device import Applied, Device
from sync.feed import from_hex
from tests.property.model_server import hash64
from tests.unit.device_answers import CLOCK, answer, body, enrolled, page, present, pull

GRID = "grid/1"


@pytest.fixture
def device() -> Device:
    return enrolled()


def objects(count: int, seed: int = 0) -> list[UUID]:
    random = Random(seed)
    return [UUID(int=random.getrandbits(128), version=4) for _ in range(count)]


class Server:
    """One stream at its head, which answers by the server's half of the arithmetic."""

    def __init__(self, entries: Iterable[Entry], epoch: str = "e1") -> None:
        self.entries = {entry.id: entry for entry in entries}
        self.sent = self.received = self.trips = 0
        self.epoch = epoch

    def digest(self) -> str:
        total = 0
        for entry in self.entries.values():
            total ^= hash64(entry)
        return f"{total:016x}"

    def repaired(self, asked: Repair) -> Repaired:
        places: dict[int, repair.Place] = {}
        hashes: dict[int, list[int]] = {}
        for entry in self.entries.values():
            place, hashed = repair.place_of(entry.id), hash64(entry)
            before = places.get(place, repair.Place(0, 0))
            places[place] = repair.Place(before.digest ^ hashed, before.entries + 1)
            hashes.setdefault(place, []).append(hashed)
        told = repair.compare(asked, places)
        listed = {
            key: repair.pack_hashes([one for place in repair.places_behind(key) for one in hashes.get(place, [])])
            for key in told.listed
        }
        wanted = [from_hex(one) for one in asked.want]
        by_hash = {hash64(entry): entry for entry in self.entries.values()}
        return Repaired(told.finer, listed, [by_hash[one] for one in wanted if one in by_hash])

    def page(self, asked: Repair | None) -> StreamPage:
        told = self.repaired(asked) if asked else None
        return StreamPage(GRID, [], Cursor(9, 9), digest=self.digest(), repaired=told)

    def exchange(self, device: Device) -> Applied:
        """One trip, its bytes counted both ways as MessagePack, without compression."""
        out = device.next_request(CLOCK)
        request, _ = framing.decode_request(self._up(framing.encode_request(out.request, [], "msgpack")), "msgpack")
        given = answer(self.page(request.repairs.get(GRID)), epoch=self.epoch)
        applied = device.apply_answer(out.serial, self._down(given))
        self.trips += 1
        return applied

    def heal(self, device: Device, most: int = 20) -> None:
        """Trips until the device wants no more, and only those that repair."""
        while self.trips < most and self.exchange(device).again:
            pass

    def _up(self, raw: bytes) -> bytes:
        self.received += len(raw)
        return raw

    def _down(self, given: ExchangeAnswer) -> ExchangeAnswer:
        raw = framing.encode_answer(given, "msgpack")
        self.sent += len(raw)
        return framing.decode_answer(raw, "msgpack")


def entry(object_id: UUID, version: int = 1) -> Entry:
    """With a form of the usual length."""
    return present(9, body(version, item=object_id, fields={"address": "明珠路 12 号 3 栋 2 单元 501", "rooms_let": 3}))


def differing(count: int, differences: int) -> tuple[Device, Server]:
    """A device that holds `count` entries of which some are missing, some too many and some older than the server's."""
    ids = objects(count)
    device = enrolled()
    pull(device, page(*[entry(one) for one in ids], stream=GRID))
    server = Server([entry(one) for one in ids])
    for index, one in enumerate(objects(differences, seed=1)):
        if index % 3 == 0:
            server.entries[one] = entry(one)
        elif index % 3 == 1:
            del server.entries[ids[index * 7]]
        else:
            server.entries[ids[index * 7]] = entry(ids[index * 7], 2)
    applied = server.exchange(device)
    assert (applied.repaired, applied.again) == ([GRID], True)
    server.sent = server.received = server.trips = 0
    return device, server


def same(device: Device, server: Server) -> bool:
    held = {one: (two.version, two.rev) for one, two in device.memberships()[GRID].items()}
    bodies = {item.id: item.version for item in device.items()}
    theirs = {one.id: (one.version, one.rev) for one in server.entries.values()}
    return held == theirs and bodies == {one: version for one, (version, _) in theirs.items()}


# Arithmetic --------------------------------------------------------------------------------------------------


def test_a_place_is_told_by_the_last_byte_and_the_upper_half_of_the_one_before() -> None:
    object_id = UUID("0190a5c4-7d33-7c11-8a3e-00000000b7c9")
    assert repair.place_of(object_id) == 16 * 0xC9 + 0xB
    assert repair.places_behind(0xC9) == range(16 * 0xC9, 16 * 0xC9 + 16)
    assert list(repair.places_behind(256 + 16 * 0xC9 + 0xB)) == [16 * 0xC9 + 0xB]


def test_digests_are_xors_big_endian_and_zero_where_nothing_is() -> None:
    one, two, three = (UUID(int=number) for number in (0x1005, 0x2005, 0x1006))
    digests = repair.digests_of([(one, 0xFF), (two, 0x0F), (three, 1 << 63)])
    buckets = repair.bucket_digests(digests)
    assert (len(buckets), buckets[:40]) == (2048, bytes(40))
    assert buckets[40:56] == bytes([0] * 7 + [0xF0] + [0x80] + [0] * 7)
    assert buckets[56:] == bytes(2048 - 56)
    parts = repair.part_digests(digests, 5)
    assert (len(parts), parts[8:24], parts[24:]) == (128, bytes([0] * 7 + [0xFF] + [0] * 7 + [0x0F]), bytes(104))


def test_a_bucket_is_told_by_hashes_up_to_a_bound_and_by_its_parts_beyond() -> None:
    asked = Repair(buckets=bytes(2048))
    full = {16 * 3: repair.Place(7, repair.LISTED)}
    assert repair.compare(asked, full) == ({}, [3])
    more = {16 * 3: repair.Place(7, repair.LISTED), 16 * 3 + 1: repair.Place(9, 1)}
    told = repair.compare(asked, more)
    assert (list(told.finer), told.listed) == ([3], [])
    assert told.finer[3] == repair.part_digests({16 * 3: 7, 16 * 3 + 1: 9}, 3)
    narrowed = repair.compare(Repair(finer={3: repair.part_digests({16 * 3: 7}, 3)}), more)
    assert narrowed == ({}, [256 + 16 * 3 + 1])


def test_an_empty_bucket_is_told_as_no_hashes() -> None:
    assert repair.compare(Repair(buckets=bytes(7) + b"\x01" + bytes(2040)), {}) == ({}, [0])
    assert repair.unpack_hashes(repair.pack_hashes([])) == ()


# What it costs -----------------------------------------------------------------------------------------------


def test_ten_differences_in_ten_thousand_entries_cost_two_trips_and_twelve_kilobytes() -> None:
    device, server = differing(10_000, 10)
    server.heal(device)
    assert same(device, server)
    assert (server.trips, server.sent + server.received < 12_000) == (2, True), server.sent + server.received


def test_ten_differences_in_a_hundred_thousand_entries_cost_three_trips_and_hardly_more() -> None:
    device, server = differing(100_000, 10)
    server.heal(device)
    assert same(device, server)
    assert (server.trips, server.sent + server.received < 15_000) == (3, True), server.sent + server.received


@pytest.mark.parametrize("differences", [1, 3, 30, 600, 3_000])
def test_it_heals_whatever_the_difference_is(differences: int) -> None:
    device, server = differing(3_000, differences) if differences < 400 else differing(30_000, differences)
    server.heal(device, most=12)
    assert same(device, server)
    assert device.repairs == 1


# Rounds ------------------------------------------------------------------------------------------------------


def held(device: Device, *ids: UUID) -> None:
    pull(device, page(*[entry(one) for one in ids], stream=GRID))


def test_a_wrong_digest_hides_nothing_until_the_round_has_ended(device: Device) -> None:
    mine, both, theirs = objects(3)
    held(device, mine, both)
    server = Server([entry(both), entry(theirs)])
    assert server.exchange(device).repaired == [GRID]
    out = device.next_request(CLOCK)
    assert out.request.cursors == {GRID: Cursor(9, 9)}
    assert server.exchange(device).repaired == []
    assert {item.id for item in device.items()} == {mine, both}
    assert server.exchange(device).again is False
    assert same(device, server)


def test_the_state_of_a_repair_outlives_a_restart_and_a_lost_answer(device: Device) -> None:
    ids = objects(300)
    held(device, *ids[:200])
    server = Server([entry(one) for one in ids[100:]])
    for _ in range(20):
        device = Device.restore(device.snapshot())
        lost = device.next_request(CLOCK)
        late = answer(server.page(lost.request.repairs.get(GRID)))
        if not server.exchange(device).again:
            break
        assert device.apply_answer(lost.serial, late).stale
    assert (same(device, server), server.trips) == (True, 3)


def test_a_stream_that_moves_between_the_trips_is_brought_along(device: Device) -> None:
    mine, moved, theirs = objects(3)
    held(device, mine)
    server = Server([entry(moved), entry(theirs)])
    server.exchange(device)
    server.exchange(device)
    newer = entry(moved, 2)
    server.entries[moved] = newer
    out = device.next_request(CLOCK)
    moving = server.page(out.request.repairs[GRID])
    assert [one.id for one in moving.repaired.entries] == [theirs]  # type: ignore[union-attr]
    moving = msgspec.structs.replace(moving, entries=[newer])
    assert not device.apply_answer(out.serial, answer(moving)).again
    assert same(device, server)


def test_what_was_wanted_replaces_a_body_whose_version_was_damaged_upwards(device: Device) -> None:
    (one,) = objects(1)
    pull(device, page(entry(one, 9), stream=GRID))
    server = Server([entry(one)])
    server.heal(device)
    assert same(device, server)


def test_wanted_entries_that_do_not_fit_are_wanted_again(device: Device) -> None:
    mine, *theirs = objects(6)
    held(device, mine)
    server = Server(map(entry, theirs))
    server.exchange(device)
    server.exchange(device)
    for left in (5, 3, 1):
        out = device.next_request(CLOCK)
        assert len(out.request.repairs[GRID].want) == left
        whole = server.page(out.request.repairs[GRID])
        some = msgspec.structs.replace(whole.repaired, entries=whole.repaired.entries[:2])  # type: ignore[union-attr]
        applied = device.apply_answer(out.serial, answer(msgspec.structs.replace(whole, repaired=some)))
    assert (applied.again, same(device, server)) == (False, True)


def test_an_ask_that_was_not_answered_is_asked_again(device: Device) -> None:
    """As when other streams took all the room."""
    held(device, *objects(2))
    server = Server([])
    server.exchange(device)
    out = device.next_request(CLOCK)
    assert device.apply_answer(out.serial, answer(server.page(None))).again
    assert device.next_request(CLOCK).request.repairs == out.request.repairs


def test_three_rounds_without_agreement_end_in_a_fill_from_zero_and_that_in_patience(device: Device) -> None:
    """A server whose own digest is wrong must not be asked for ever."""
    ids = objects(3)
    held(device, *ids)
    server = Server(map(entry, ids))
    wrong = "1" * 16
    trips = 0
    for trips in range(1, 20):  # noqa: B007
        out = device.next_request(CLOCK)
        if out.request.cursors == {GRID: Cursor()}:
            break
        bent = msgspec.structs.replace(server.page(out.request.repairs.get(GRID)), digest=wrong)
        assert device.apply_answer(out.serial, answer(bent)).again
    assert trips == 5
    filled = page(*server.entries.values(), stream=GRID, digest=wrong)
    assert not device.apply_answer(out.serial, answer(filled)).again
    assert len(device.items()) == 3
    # The next news begins it anew.
    assert pull(device, page(stream=GRID, digest=wrong)).repaired == [GRID]


# Cursors that cannot be used ---------------------------------------------------------------------------------


def test_a_jump_to_the_head_keeps_what_is_held_where_it_agrees(device: Device) -> None:
    ids = objects(3)
    held(device, *ids)
    server = Server(map(entry, ids))
    jumped = msgspec.structs.replace(server.page(None), reset=True)
    assert not pull(device, jumped).again
    assert (same(device, server), device.next_request(CLOCK).request.cursors) == (True, {GRID: Cursor(9, 9)})


def test_a_jump_to_the_head_is_compared_where_it_does_not_and_counts_as_no_mistake(device: Device) -> None:
    ids = objects(4)
    held(device, *ids[:3])
    server = Server(map(entry, ids[1:]))
    applied = pull(device, msgspec.structs.replace(server.page(None), reset=True))
    assert (applied.again, applied.repaired, len(device.items())) == (True, [], 3)
    server.heal(device)
    assert (same(device, server), server.trips, device.repairs) == (True, 2, 0)


def test_a_jump_in_the_middle_of_a_fill_drops_nothing(device: Device) -> None:
    ids = objects(4)
    held(device, *ids)
    pull(device, StreamPage(GRID, [], Cursor(1, 5), more=True, reset=False))
    server = Server(map(entry, ids))
    pull(device, msgspec.structs.replace(server.page(None), reset=True))
    assert same(device, server)


def test_a_stream_of_which_nothing_is_held_is_filled_and_not_compared(device: Device) -> None:
    pull(device, page(stream=GRID))
    server = Server(map(entry, objects(3)))
    assert pull(device, msgspec.structs.replace(server.page(None), reset=True)).again
    out = device.next_request(CLOCK)
    assert (out.request.cursors, out.request.repairs) == ({GRID: Cursor()}, {})
