"""The history of the demo at any moment it may be filled in: each hour of a week, the edges of months, feasts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest
from msgspec.structs import replace

from schemas.forms import packaged
from server.demo.city import City
from server.demo.history.chronicle import Life
from server.demo.history.endings import Ending
from server.demo.history.moments import CITY_TIME
from server.demo.history.pages import Page
from server.demo.history.pictures import Album, Picture, picture_moments
from server.demo.history.plan import Scale
from server.demo.history.telling import Setting
from server.sealing import Keyring
from server.services import Services
from sync.case_table import CaseStatus
from sync.registry import GridLabel, Registry
from tests.told import HOURS, SCALE, Told, few_grids, tell

pytestmark = pytest.mark.long

_MONDAY = datetime(2026, 11, 23, tzinfo=CITY_TIME)
_FEW = few_grids()
_FEWER = few_grids(grids_each=1)
_DAYS = (
    *("2024-02-29", "2024-03-01", "2028-02-29", "2028-03-30"),  # leap days, near and behind
    *("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-28", "2026-04-30", "2026-05-01"),
    *("2026-02-16", "2026-02-17", "2026-02-23", "2026-02-24", "2026-03-10"),  # the Spring Festival, and after it
    *("2026-09-25", "2026-10-01", "2026-10-08", "2031-10-01"),  # feasts, and a year without published holidays
)
_CLOCKS = ("00:00:00", "07:59:59.999", "08:59:59", "09:00:00", "12:45:00", "17:59:59", "18:00:30", "23:59:59.5")


def services_of(city: City) -> Services:
    """What the telling itself needs: no database, no store."""
    labels = [GridLabel(one.id, one.code, one.community_code, one.kind, one.name_zh, one.outline) for one in city.grids]
    parts = {"keyring": Keyring(b"r" * 32), "catalogue": packaged(), "registry": Registry(1, labels)}
    return cast("Services", SimpleNamespace(**parts))


def pictures_before(now: datetime) -> Iterator[Picture]:
    """Pictures as `take_pictures` dates them, without bytes."""
    for moment in picture_moments(now):
        for number in range(4):
            yield Picture(sha256(f"{moment} {number}".encode()).hexdigest(), 1000, moment)


def told_until(now: datetime, city: City, scale: Scale) -> tuple[Told, list[dict[str, Any]]]:
    """The history of these grids until `now`, and the rows of its photos."""
    services = services_of(city)
    setting = Setting(city=city, now=now, pictures=tuple(pictures_before(now)), scale=scale)
    told, page = tell(services, setting), Page(services, Album(setting.pictures))
    for chronicle in told.chronicles:
        page.add(chronicle)
    return told, page._rows["evidence_link"]


def check(now: datetime, city: City = _FEWER, scale: Scale = SCALE) -> Told:
    """The history until `now` can be believed."""
    told, links = told_until(now, city, scale)
    for life in told.lives:
        check_moments(life, now)
        compiled = packaged().types[life.item.type]
        assert compiled.check_whole(life.item.fields, now.astimezone(CITY_TIME).date()) == [], now
    check_photos(told, links, now)
    return told


def check_moments(life: Life, now: datetime) -> None:
    """Everything lies before `now`, and nothing before what led to it."""
    for one in life.revisions:
        captured_at, received_at = one["captured_at"], one["received_at"]
        assert captured_at <= received_at < now, now
        opens = datetime.combine(received_at.astimezone(CITY_TIME).date(), time(8), CITY_TIME)
        assert captured_at >= opens - timedelta(minutes=30) or received_at < opens, now
    for steps in (life.review_steps, life.case_steps):
        times = [step["at"] for step in steps]
        assert times == sorted(times), now
        assert all(life.revisions[0]["received_at"] <= at < now for at in times), now
    assert max(life.stirred_at, life.reviewed_at, life.case_at) < now


def check_photos(told: Told, links: list[dict[str, Any]], now: datetime) -> None:
    """Each photo was taken before the report that shows it, and so soon before that no reviewer wonders."""
    taken_at = {one.sha256: one.taken_at for one in told.setting.pictures}
    captured_at = {(life.id, one["version"]): one["captured_at"] for life in told.lives for one in life.revisions}
    assert links
    for link in links:
        assert link["flags"] == [], now
        claimed = captured_at.get((link["item_id"], link["version"]), link["linked_at"])
        assert taken_at[link["sha256"].hex()] <= claimed <= link["linked_at"] < now


def authors(told: Told) -> set[str]:
    """The roles of those who wrote something."""
    roles = {person.id: person.role for person in told.setting.city.people}
    return {roles[life.item.author_id] for life in told.lives}


@pytest.mark.parametrize("day", range(7))
def test_each_hour_of_a_week_has_a_history(day: int) -> None:
    for hour in range(24):
        told = check(_MONDAY + timedelta(days=day, hours=hour))
        assert authors(told) == {"grid_worker", "grid_chief", "part_time_worker"}


@pytest.mark.parametrize("day", _DAYS)
def test_edges_of_months_leap_days_and_feasts_have_a_history(day: str) -> None:
    for clock in _CLOCKS:
        check(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=CITY_TIME))


def test_what_was_left_overnight_is_done_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    back_and_forth = ("sign", "ask_hold", "grant_hold", "resume", "handle", "redo", "handle", "redo", "handle")
    steps = ("accept", "dispatch", *back_and_forth, "verify", "close", "reopen", "dispatch", "sign")
    ending = Ending(name="hurried", types=("0403", "0405"), hours=(15.5, 15.8), steps=steps, urgency="normal")
    monkeypatch.setattr("server.demo.history.endings.ENDINGS", (ending,))
    told = check(datetime(2026, 3, 5, 9, 20, tzinfo=CITY_TIME), scale=replace(SCALE, one_open_in=1))
    assert max(len(life.case_steps) for life in told.lives if life.standing.case) > len(steps)


@pytest.mark.parametrize("clock", ["09:00", "09:20", "10:00", "13:07", "17:55", "18:00", "18:01"])
def test_much_that_is_still_open_finds_time_before_the_end(clock: str) -> None:
    for day in ("2026-03-04", "2026-03-07"):
        now = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=CITY_TIME)
        check(now, scale=replace(SCALE, events=120, one_open_in=1))


@pytest.mark.parametrize("now", HOURS, ids=str)
def test_a_few_grids_have_every_author_and_every_state(now: datetime) -> None:
    told = check(now, _FEW)
    assert authors(told) == {"grid_worker", "grid_chief", "part_time_worker"}
    assert {life.case.state for life in told.lives if life.standing.case} == set(get_args(CaseStatus))
    assert max(life.item.version for life in told.lives) > 1
    assert "returned" in {life.review.state for life in told.lives}
