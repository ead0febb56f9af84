"""What a legacy code stands for: every kind of row in the synthetic table of departments' codes, and edges by hand."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from server.db.crosswalk import LegacyRow
from server.usecases.crosswalk_rows import Known, place_codes, read_codes
from sync.crosswalk import Crosswalk, CrosswalkRow, choose, metres_to, plain_code
from sync.grid_index import GridIndex
from sync.lineage import CodeValidity, Lineage, Step
from sync.registry import GridLabel, Registry
from sync.territory import Fix

FILE = Path(__file__).parents[1] / "data" / "legacy_grids.csv"
NAMES = UUID("51a0c7b0-3d0e-4a51-9f0b-0c6b3f4c8c11")
TODAY = date(2026, 5, 6)
DEPARTMENTS = ("chengguan", "minzheng", "weijian", "xiaofang", "yingji", "zhengfawei", "zuzhi")


@cache
def lines() -> list[dict[str, str]]:
    text = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(text))


@cache
def communities() -> tuple[str, ...]:
    return tuple(sorted({line["community_code"] for line in lines()}))


def grids_of(community: str, count: int) -> tuple[UUID, ...]:
    return tuple(uuid5(NAMES, f"{community}{serial:03d}") for serial in range(1, count + 1))


@cache
def read_file() -> tuple[LegacyRow, ...]:
    """The rows as an import takes them in."""
    table = read_codes(FILE.read_bytes())
    rows, faults = place_codes(table.lines, Known(DEPARTMENTS, communities(), {}, ("3411",)))
    assert (faults, table.faults) == ([], [])
    return tuple(rows)


def city(grids_each: int) -> Crosswalk:
    """A crosswalk of the whole file, with so many current grids in each community."""
    rows = [
        CrosswalkRow(
            department=row.department,
            legacy_code=row.legacy_code,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            sense=row.sense,
            community=row.community,
        )
        for row in read_file()
    ]
    return Crosswalk(rows, [(grid, place) for place in communities() for grid in grids_of(place, grids_each)])


def kind_of(line: dict[str, str]) -> str:
    return line["note"].split(":")[0]


@pytest.mark.parametrize("line", lines(), ids=lambda line: f"{line['department']}-{line['legacy_code']}")
def test_every_row_of_the_table_is_answered_by_its_kind(line: dict[str, str]) -> None:
    """With one grid a community, a code of one community gives it; with two, they are candidates."""
    places = [one["community_code"] for one in lines() if one["legacy_code"] == line["legacy_code"]]
    for count in (1, 2):
        reading = city(count).read(line["department"], line["legacy_code"], TODAY)
        assert set(reading.grids) == {grid for place in places for grid in grids_of(place, count)}
        many = {"ambiguous": "ambiguous", "retired": "retired"}.get(kind_of(line), "several")
        one = {"one": "one", "several": "one"}.get(kind_of(line), many)
        assert reading.answer == (one if count == 1 else many)


def test_the_table_holds_every_kind() -> None:
    assert {kind_of(line) for line in lines()} == {"one", "several", "covers", "ambiguous", "retired"}
    assert {row.sense for row in read_file()} == {"covers", "one_of", "retired"}


def test_a_code_of_another_department_says_nothing() -> None:
    """Health's old codes look like unified ones, and mean something only in its own name."""
    assert city(1).read("weijian", "341103004004001", TODAY).answer == "one"
    assert city(1).read("xiaofang", "341103004004001", TODAY).answer == "unknown"
    assert city(1).read("weijian", "341103004004999", TODAY).answer == "unknown"


@pytest.mark.parametrize("text", ["XF-0304-001", " xf-0304-001 ", "ＸＦ－0304－001"])
def test_spelling_makes_no_difference(text: str) -> None:
    assert plain_code(text) == "XF-0304-001"
    assert city(1).read("xiaofang", text, TODAY).answer == "one"


# Days, by hand --------------------------------------------------------------------------------------------

A, B, C = (UUID(int=number) for number in (1, 2, 3))
GRIDS = [(A, "341182001001"), (B, "341182001001"), (C, "341182001002")]


def row(place: UUID | str, start: int, end: int | None, **more: str) -> CrosswalkRow:
    """A row of whole years, the last one inclusive."""
    days = {"valid_from": date(start, 1, 1), "valid_to": date(end, 12, 31) if end else None}
    where = {"grid_id": place} if isinstance(place, UUID) else {"community": place}
    return CrosswalkRow(department="xiaofang", legacy_code="X", **days, **where, **more)  # type: ignore[arg-type]


def read(day: date, *rows: CrosswalkRow) -> tuple[str, tuple[UUID, ...]]:
    reading = Crosswalk(rows, GRIDS).read("xiaofang", "X", day)
    return reading.answer, reading.grids


def test_the_rows_of_the_day_count() -> None:
    rows = (row(A, 2016, 2018), row(C, 2019, None))
    assert read(date(2018, 12, 31), *rows) == ("one", (A,))
    assert read(date(2019, 1, 1), *rows) == ("one", (C,))


def test_after_its_last_day_a_code_means_what_it_meant_last() -> None:
    rows = (row(A, 2016, 2020), row(C, 2016, 2023))
    assert read(date(2020, 12, 31), *rows) == ("several", (A, C))
    assert read(date(2021, 1, 1), *rows) == ("one", (C,))
    assert read(TODAY, *rows) == ("one", (C,))


def test_before_its_first_day_a_code_says_nothing() -> None:
    first = date(2016, 1, 1)
    assert read(first, row(A, 2016, None))[0] == "one"
    assert read(first - timedelta(days=1), row(A, 2016, None)) == ("unknown", ())


def test_a_code_that_was_given_up_is_retired_on_every_day_and_tells_where_it_was() -> None:
    retired = row("341182001001", 2015, 2019, sense="retired")
    for day in (date(2016, 1, 1), TODAY):
        assert read(day, retired) == ("retired", (A, B))


def test_a_code_taken_up_again_after_it_was_given_up_counts() -> None:
    rows = (row(A, 2015, 2019, sense="retired"), row(C, 2021, 2023))
    assert read(date(2020, 6, 1), *rows) == ("retired", (A,))
    assert read(TODAY, *rows) == ("one", (C,))


def test_where_no_grid_is_left_a_code_is_retired() -> None:
    assert read(TODAY, row("341182009009", 2016, 2023)) == ("retired", ())
    assert read(TODAY, row(UUID(int=9), 2016, 2023)) == ("retired", ())
    assert read(TODAY, row(UUID(int=9), 2016, 2023), row(C, 2016, 2023)) == ("one", (C,))


def test_one_of_two_places_that_is_gone_leaves_the_other() -> None:
    assert read(TODAY, row(UUID(int=9), 2016, 2023, sense="one_of"), row(C, 2016, 2023, sense="one_of")) == (
        "one",
        (C,),
    )


def test_what_grids_became_is_meant_by_their_old_codes() -> None:
    """9 was split into A and B; 8 lay in C's community and is one of another now, under the id that it had."""
    old, moved = UUID(int=9), UUID(int=8)
    steps = [Step(2, "split", (old,), (A, B)), Step(3, "move", (moved,), (moved,))]
    codes = [CodeValidity("341182001002008", moved, 1, 3), CodeValidity("341182001003001", moved, 3)]
    grids = [*GRIDS, (moved, "341182001003")]

    def meant(place: UUID | str) -> tuple[str, tuple[UUID, ...]]:
        reading = Crosswalk([row(place, 2016, None)], grids, Lineage(steps, codes)).read("xiaofang", "X", TODAY)
        return reading.answer, reading.grids

    assert meant(old) == ("several", (A, B))
    assert meant("341182001002") == ("several", (C, moved))
    assert meant("341182001001") == ("several", (A, B))


# Unified codes, and choosing by a position ------------------------------------------------------------------


def square(west: float, south: float = 32.0) -> list[list[tuple[float, float]]]:
    return [[(west, south), (west + 0.01, south), (west + 0.01, south + 0.01), (west, south + 0.01)]]


LABELS = [
    GridLabel(A, "341182001001001", "341182001001", "general", "一", square(118.0)),
    GridLabel(B, "341182001001002", "341182001001", "general", "二", square(118.01)),
    GridLabel(C, "341182001002001", "341182001002", "general", "三", square(118.02)),
]
INDEX = GridIndex([(label.id, label.code, label.outline) for label in LABELS])


@pytest.mark.parametrize(
    ("code", "answer", "grids"),
    [
        ("341182001001002", "one", (B,)),
        ("341182001001009", "retired", (A, B)),
        ("341182001001008", "unknown", ()),
        ("999999999999999", "unknown", ()),
    ],
)
def test_a_unified_code_is_current_retired_or_unknown(code: str, answer: str, grids: tuple[UUID, ...]) -> None:
    ended = CodeValidity("341182001001009", UUID(int=9), 1, 3)
    registry = Registry(3, LABELS, Lineage((), [*(CodeValidity(one.code, one.id, 1) for one in LABELS), ended]))
    reading = registry.read_code(code)
    assert (reading.answer, reading.grids) == (answer, grids)


def fix(lon: float, accuracy_m: float = 5.0) -> Fix:
    return Fix(lon, 32.005, "wgs84", accuracy_m)


@pytest.mark.parametrize(
    ("candidates", "where", "chosen"),
    [
        ((A, B), fix(118.005), A),
        ((A, B), fix(118.0099, 50.0), None),
        ((A, C), fix(118.0099, 50.0), A),
        ((A, C), fix(118.0101, 50.0), None),
        ((A, C), fix(118.015), None),
        ((A, B), fix(118.005, 100_000.0), None),
        ((A,), fix(118.005, 100_000.0), A),
        ((A, B), fix(119.0), None),
        ((), fix(118.005), None),
    ],
)
def test_a_position_chooses_the_candidate_it_lies_in_unless_it_reaches_another(
    candidates: tuple[UUID, ...], where: Fix, chosen: UUID | None
) -> None:
    assert choose(candidates, where, INDEX) == chosen


def test_a_position_is_converted_before_it_chooses() -> None:
    """At Chuzhou GCJ-02 lies half a kilometre east of WGS-84: unconverted it would be the next grid."""
    assert choose((A, B), Fix(118.0119, 32.005, "gcj02", 5.0), INDEX) == A


def test_how_far_an_outline_is() -> None:
    assert metres_to(square(118.0), fix(118.005)) == 0
    assert metres_to(square(118.0), fix(118.011)) == pytest.approx(94.3, abs=0.5)
