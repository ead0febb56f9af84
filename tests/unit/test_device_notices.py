"""Notices on a device: what is put away is out of sight, is told until it is gone, and comes back if it tells more."""

from __future__ import annotations

from uuid import UUID

import pytest

from schemas.wire import Entry, NoticeBody, PutAway
from sync.device import Device, Outgoing
from tests.unit.device_answers import ITEM, PHONE, USER, answer, enrolled, page, send

OWN = f"own/{USER}"
NOTICE = UUID(int=9)


@pytest.fixture
def device() -> Device:
    return enrolled()


def told(version: int = 1, notice: UUID = NOTICE, code: str = "released", position: int = 1) -> Entry:
    kind = {"returned": "todo", "parked": "parked"}.get(code, "notice")
    body = NoticeBody(notice, kind, ITEM, code, version)
    return Entry(position, kind, notice, version, "0" * 16, 0, notice=body)


def gone(version: int) -> Entry:
    return Entry(version, "notice", NOTICE, version, "0" * 16, 0)


def pull(device: Device, *entries: Entry) -> Outgoing:
    out = send(device)
    device.apply_answer(out.serial, answer(page(*entries, stream=OWN), mark="m"))
    return out


def test_what_is_put_away_is_told_until_it_is_gone(device: Device) -> None:
    pull(device, told())
    assert ([one.id for one in device.notices()], device.mark) == ([NOTICE], "m")
    device.put_away(NOTICE)
    assert (device.notices(), device.mark) == ([], None), "the server is to hear of it"
    again = Device.restore(device.snapshot())
    for _ in range(2):
        assert send(again).request.put_away == [PutAway(NOTICE, 1)]
    pull(again, gone(2))
    assert (send(again).request.put_away, again.mark) == ([], "m")


def test_what_tells_something_new_is_in_sight_again(device: Device) -> None:
    pull(device, told())
    device.put_away(NOTICE)
    pull(device, told(2, position=2))
    assert [one.version for one in device.notices()] == [2]
    assert send(device).request.put_away == []


@pytest.mark.parametrize("code", ["returned", "parked", "duplicate"])
def test_what_asks_for_something_cannot_be_put_away(device: Device, code: str) -> None:
    pull(device, told(code=code))
    device.put_away(NOTICE)
    device.put_away(PHONE)
    assert len([*device.todos(), *device.parked(), *device.notices()]) == 1
    assert send(device).request.put_away == []


def test_a_request_tells_no_more_than_a_server_takes(device: Device) -> None:
    many = [UUID(int=1000 + number) for number in range(150)]
    pull(device, *(told(notice=one, position=place) for place, one in enumerate(many, start=1)))
    for one in many:
        device.put_away(one)
    assert [one.notice for one in send(device).request.put_away] == many[:100]
