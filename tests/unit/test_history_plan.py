"""What the demo's history is planned by: moments, ids, shares, and endings for every state of a case."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from schemas.catalogue import item_types, load
from server.demo.history import walk
from server.demo.history.endings import ENDINGS, WEIGHTS, ending_of
from server.demo.history.events import plan_events
from server.demo.history.moments import CITY_TIME, DAYS, Days, uuid7
from server.demo.history.plan import Scale, share
from server.demo.history.records import plan_visits

GRIDS = 2088


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CITY_TIME)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2026-03-05T03:10", "2026-03-04T18:00"),
        ("2026-03-05T08:00", "2026-03-04T18:00"),
        ("2026-03-05T08:59", "2026-03-04T18:00"),
        ("2026-03-05T09:00", "2026-03-05T08:59"),
        ("2026-03-05T14:20", "2026-03-05T14:19"),
        ("2026-03-05T18:00", "2026-03-05T17:59"),
        ("2026-03-05T23:59", "2026-03-05T18:00"),
    ],
)
def test_the_history_ends_with_the_last_working_moment(now: str, latest: str) -> None:
    assert Days(local(now)).latest == local(latest)


@pytest.mark.parametrize("now", ["2026-03-05T03:10", "2026-03-05T09:00", "2026-03-05T14:20"])
def test_all_happens_in_working_hours_before_the_end(now: str) -> None:
    days, rng = Days(local(now)), Random(1)
    for back in range(DAYS + 1):
        moment = days.on_day(back, rng)
        assert 8 <= moment.hour < 18 or moment.time().isoformat() == "18:00:00"
        assert (days.latest.date() - moment.date()).days == back
        assert moment <= days.latest
        hours = timedelta(hours=rng.uniform(0, 48))
        shifted = days.working(moment - timedelta(days=3) + hours, rng)
        assert 8 <= shifted.hour <= 18
        assert moment - timedelta(days=3) + hours <= shifted <= days.latest


@pytest.mark.parametrize("now", ["2026-03-05T03:10", "2026-03-05T14:20", "2026-03-05T23:59"])
def test_what_would_come_after_the_end_comes_at_the_end(now: str) -> None:
    days, rng = Days(local(now)), Random(1)
    for minutes in (1, 40, 700, 3000):
        assert days.working(days.latest + timedelta(minutes=minutes), rng) == days.latest
    assert days.working(days.latest, rng) == days.latest


def test_ids_are_uuids_of_version_seven_in_the_order_of_time() -> None:
    rng, start = Random(1), local("2026-03-05T10:00")
    ids = [uuid7(start + timedelta(milliseconds=number), rng) for number in range(50)]
    assert ids == sorted(ids)
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    assert ids[0].int >> 80 == int(start.timestamp() * 1000)


def test_shares_add_up_over_the_city() -> None:
    scale, days = Scale(), Days(local("2026-03-05T14:20"))
    events = [share(scale.events, place) for place in range(GRIDS)]
    assert sum(one.count for one in events) == 10_000
    assert all(one.first + one.count == other.first for one, other in pairwise(events))
    assert {one.count for one in events} == {4, 5}
    items = sum(
        len(plan_events(scale, place, days, Random(place)))
        + sum(1 + visit.residents for visit in plan_visits(scale, place, days, Random(place)))
        for place in range(GRIDS)
    )
    assert items == 110_224


def test_of_the_events_97_percent_are_handled_and_every_ending_comes_up() -> None:
    endings = Counter(one.name if (one := ending_of(number, 33)) else None for number in range(10_000))
    assert endings.pop(None) / 10_000 == pytest.approx(0.97, abs=0.001)
    assert set(endings) == {one.name for one in ENDINGS}
    assert max(endings.values()) - min(endings.values()) <= 1


def test_endings_speak_of_types_and_steps_that_there_are() -> None:
    types = item_types(load())
    assert set(WEIGHTS) == {code for code, one in types.items() if one.kind == "event"}
    for one in ENDINGS:
        assert set(one.types) <= set(WEIGHTS)
        assert set(one.steps) <= set(walk._STEPS), one.name
        assert all(types[code].dispatch_by == "desk" for code in one.types)
        assert one.urgency is None or all(one.urgency in types[code].urgency.allowed for code in one.types)
