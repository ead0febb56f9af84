"""What the doctor says of facts that no test can bring about: settings, clocks, disks, old keys and backups."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.catalogue import document
from schemas.forms import compile_catalogue, packaged
from server.usecases.catalogue_usage import VersionUsage
from server.usecases.doctor import concluded
from server.usecases.doctor_contents import judge_catalogue, judge_devices, judge_waiting
from server.usecases.doctor_database import (
    judge_clock,
    judge_connections,
    judge_disk,
    judge_durability,
    judge_schema,
    judge_vacuum,
    judge_version,
)
from server.usecases.doctor_findings import Finding
from server.usecases.doctor_keeping import judge_backups, judge_jobs, judge_key_age, judge_witness
from server.usecases.doctor_store import judge_refusal
from server.usecases.witness import Life

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY, MINUTE, GIGABYTE = timedelta(days=1), timedelta(minutes=1), 1 << 30


def state(found: Finding) -> str:
    """How it is; what is not well always says what to do, in both languages."""
    assert found.zh
    assert found.en
    assert (found.state == "ok") == (found.do_zh is None) == (found.do_en is None)
    return found.state


SETTINGS: dict[str, Any] = {
    "version": 180_000,
    "encoding": "UTF8",
    "knows_chinese": True,
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "oldest_xid": 1000,
    "connections": 10,
    "connections_allowed": 100,
}


@pytest.mark.parametrize(
    ("judge", "given", "expected"),
    [
        (judge_version, {}, "ok"),
        (judge_version, {"version": 140_005}, "fault"),
        (judge_version, {"encoding": "LATIN1"}, "fault"),
        (judge_version, {"knows_chinese": False}, "fault"),
        (judge_durability, {}, "ok"),
        (judge_durability, {"fsync": "off"}, "fault"),
        (judge_durability, {"full_page_writes": "off"}, "fault"),
        (judge_durability, {"synchronous_commit": "off"}, "fault"),
        (judge_durability, {"synchronous_commit": "remote_apply"}, "ok"),
        (judge_connections, {}, "ok"),
        (judge_connections, {"connections": 95}, "warning"),
        (lambda row: judge_vacuum(row, []), {}, "ok"),
        (lambda row: judge_vacuum(row, []), {"autovacuum": "off"}, "fault"),
        (lambda row: judge_vacuum(row, []), {"oldest_xid": 1_500_000_000}, "warning"),
        (lambda row: judge_vacuum(row, [{"name": "feed", "dead": 10**6}]), {}, "warning"),
    ],
)
def test_settings_of_the_database(judge: Any, given: dict[str, Any], expected: str) -> None:
    assert state(judge(SETTINGS | given)) == expected


@pytest.mark.parametrize(
    ("schema", "unfinished", "expected", "todo"),
    [
        ("0020", False, "ok", ""),
        ("0014", False, "fault", "onegrid up"),
        ("0021", False, "fault", "Install that later version"),
        ("0020", True, "fault", "onegrid restore"),
    ],
)
def test_the_schema(schema: str, unfinished: bool, expected: str, todo: str) -> None:
    found = judge_schema(schema, "0020", unfinished=unfinished)
    assert state(found) == expected
    assert todo in (found.do_en or "")


@pytest.mark.parametrize(
    ("said", "todo"),
    [
        ("SignatureDoesNotMatch", "ONEGRID_S3_SECRET_KEY"),
        ("NoSuchBucket", "ONEGRID_S3_BUCKET"),
        ("MaxRetryError", "ONEGRID_S3_ENDPOINT"),
    ],
)
def test_an_object_store_that_does_not_serve(said: str, todo: str) -> None:
    found = judge_refusal(said)
    assert state(found) == "fault"
    assert todo in (found.do_zh or "")
    assert todo in (found.do_en or "")


@pytest.mark.parametrize(("seconds", "expected"), [(0.2, "ok"), (-20.0, "warning"), (3600.0, "fault")])
def test_clocks(seconds: float, expected: str) -> None:
    assert state(judge_clock("clock", seconds, "数据库", "the database")) == expected


@pytest.mark.parametrize(
    ("free", "total", "expected"), [(50, 100, "ok"), (4, 100, "warning"), (30, 4000, "warning"), (0, 100, "fault")]
)
def test_disks(free: int, total: int, expected: str) -> None:
    assert state(judge_disk(free * GIGABYTE, total * GIGABYTE)) == expected


@pytest.mark.parametrize(("days", "expected"), [(30, "ok"), (500, "warning")])
def test_master_keys_age(days: int, expected: str) -> None:
    assert state(judge_key_age(days)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"proved": NOW - DAY, "made": NOW - DAY}, "ok"),
        ({}, "warning"),
        ({"unsafe": NOW - 9 * DAY}, "fault"),
        ({"made": NOW - DAY}, "warning"),
        ({"proved": NOW - 3 * DAY, "made": NOW}, "warning"),
        ({"proved": NOW - 8 * DAY, "made": NOW - 8 * DAY}, "fault"),
        ({"proved": NOW - DAY, "made": NOW - DAY, "keys": NOW - 2 * DAY}, "warning"),
        ({"proved": NOW - DAY, "made": NOW - DAY, "keys": NOW - DAY}, "ok"),
    ],
)
def test_backups(given: dict[str, Any], expected: str) -> None:
    nothing = {"proved": None, "made": None, "unsafe": None, "keys": None}
    assert state(judge_backups(nothing | given, NOW)) == expected


LIFE = Life(epoch="e", seq=2, positions=100, numbers=10, database=7, system="s", timeline=1, lsn=1000)


def life(**more: Any) -> Life:
    known = {name: getattr(LIFE, name) for name in LIFE.__struct_fields__}
    return Life(**known | more)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((LIFE, NOW), "ok"),
        ((life(positions=90), NOW), "ok"),
        ((life(positions=90), NOW - 9 * MINUTE), "fault"),
        ((life(positions=200), NOW), "fault"),
        ((life(database=8), NOW), "fault"),
        ((life(epoch="before", positions=200), NOW), "ok"),
        ("unreadable", "fault"),
        (None, "warning"),
    ],
)
def test_the_witness(said: Any, expected: str) -> None:
    assert state(judge_witness(said, LIFE, NOW)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "ok"),
        ({"last_run": None}, "fault"),
        ({"last_run": NOW - 9 * MINUTE}, "fault"),
        ({"oldest_queued": NOW - MINUTE}, "ok"),
        ({"oldest_queued": NOW - 60 * MINUTE}, "warning"),
        ({"oldest_unchecked": NOW - 60 * MINUTE}, "warning"),
        ({"failed": 3}, "warning"),
    ],
)
def test_jobs(given: dict[str, Any], expected: str) -> None:
    well = {"last_run": NOW, "oldest_queued": None, "oldest_unchecked": None, "failed": 0}
    assert state(judge_jobs(well | given, NOW)) == expected


def version(standing: Any, devices: int) -> VersionUsage:
    return VersionUsage(
        version="2020.1", standing=standing, devices=devices, last_exchange=None, changes=0, last_change=None
    )


@pytest.mark.parametrize(
    ("versions", "year", "expected"),
    [
        ([version("current", 9)], 2024, "ok"),
        ([version("unknown", 0)], 2024, "ok"),
        ([version("kept", 1)], 2024, "warning"),
        ([], 1999, "warning"),
    ],
)
def test_the_catalogue(versions: list[VersionUsage], year: int, expected: str) -> None:
    year = int(min(packaged().source.public_holidays.years)) if year == 2024 else year
    assert state(judge_catalogue(packaged(), versions, year)) == expected


def test_a_newer_catalogue_of_the_program_is_offered() -> None:
    raw = json.loads(document()) | {"catalogue_version": "2024.1"}
    older, year = compile_catalogue(json.dumps(raw).encode()), int(min(raw["public_holidays"]["years"]))
    found = judge_catalogue(older, [], year)
    assert (state(found), found.facts) == ("warning", {"brought": "2024.2"})


@pytest.mark.parametrize(("silent", "unsent", "expected"), [(0, 0, "ok"), (2, 0, "warning"), (0, 1, "warning")])
def test_devices(silent: int, unsent: int, expected: str) -> None:
    assert state(judge_devices({"devices": 5, "silent": silent, "unsent": unsent})) == expected


@pytest.mark.parametrize(("days", "expected"), [(3, "ok"), (40, "warning")])
def test_what_waits_for_people(days: int, expected: str) -> None:
    row = {"held": 1, "held_since": NOW - days * DAY, "conflicts": 0, "open_since": None}
    assert state(judge_waiting(row, NOW)) == expected


def test_the_worst_counts() -> None:
    well, aged, broken = judge_key_age(1), judge_key_age(500), judge_disk(0, GIGABYTE)
    assert concluded([well]).state == "ok"
    assert concluded([well, aged]).state == "warning"
    assert concluded([aged, broken, well]).state == "fault"
