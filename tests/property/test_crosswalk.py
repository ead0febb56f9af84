"""Legacy codes over any table of rows: an answer is of current grids, and a position inside a candidate decides."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sync.crosswalk import Crosswalk, CrosswalkRow, choose
from sync.grid_index import GridIndex
from sync.territory import Fix

COMMUNITIES = ("341182001001", "341182001002", "341182001003", "341182009009")
"""The last one has no grid any more."""
GRIDS = [(UUID(int=place + 1), COMMUNITIES[place // 3]) for place in range(9)]
CURRENT = {grid_id for grid_id, _ in GRIDS}
SIDE = 0.01


def square(place: int) -> list[list[tuple[float, float]]]:
    """A grid of three by three: the outline of one of them."""
    west, south = 118 + place % 3 * SIDE, 32 + place // 3 * SIDE
    return [[(west, south), (west + SIDE, south), (west + SIDE, south + SIDE), (west, south + SIDE)]]


INDEX = GridIndex([(one, f"{where}{place:03d}", square(place)) for place, (one, where) in enumerate(GRIDS)])

days = st.dates(date(2015, 1, 1), date(2027, 1, 1))
places = st.sampled_from([*COMMUNITIES, *(grid_id for grid_id, _ in GRIDS), UUID(int=99)])


@st.composite
def rows(draw: st.DrawFn) -> CrosswalkRow:
    start, place = draw(days), draw(places)
    return CrosswalkRow(
        department=draw(st.sampled_from(["xiaofang", "yingji"])),
        legacy_code=draw(st.sampled_from(["A", "B"])),
        valid_from=start,
        valid_to=draw(st.none() | st.integers(0, 2000).map(lambda more: start + timedelta(days=more))),
        sense=draw(st.sampled_from(["covers", "covers", "one_of", "retired"])),
        community=place if isinstance(place, str) else None,
        grid_id=place if isinstance(place, UUID) else None,
    )


@given(st.lists(rows(), max_size=8), days)
def test_an_answer_is_of_current_grids_that_rows_of_the_code_name(table: list[CrosswalkRow], day: date) -> None:
    reading = Crosswalk(table, GRIDS).read("xiaofang", "A", day)
    ours = [one for one in table if (one.department, one.legacy_code) == ("xiaofang", "A") and one.valid_from <= day]
    named = {one for one, where in GRIDS for row in ours if one == row.grid_id or where == row.community}
    assert set(reading.grids) <= CURRENT & named
    assert list(reading.grids) == sorted(reading.grids, key=lambda one: one.int)
    assert (reading.answer == "unknown") == (not ours)
    assert (reading.answer == "one") == (reading.fault is None)
    if reading.answer in ("several", "ambiguous"):
        assert len(reading.grids) > 1
    if reading.answer == "one":
        assert len(reading.grids) == 1


@given(st.lists(rows(), min_size=1, max_size=8), st.integers(0, 5000))
def test_once_every_row_has_ended_the_answer_is_that_of_the_last_day(table: list[CrosswalkRow], later: int) -> None:
    ended = [one for one in table if one.valid_to is not None]
    crosswalk = Crosswalk(ended, GRIDS)
    last = max((one.valid_to for one in ended if one.valid_to), default=date(2020, 1, 1))
    for department, code in {(one.department, one.legacy_code) for one in ended}:
        after = crosswalk.read(department, code, last + timedelta(days=later))
        mine = [one for one in ended if (one.department, one.legacy_code) == (department, code)]
        own_last = max(one.valid_to for one in mine if one.valid_to)
        assert after == crosswalk.read(department, code, own_last)


@given(
    st.sets(st.sampled_from(range(9)), min_size=1),
    st.data(),
    st.floats(0.001, 0.999),
    st.floats(0.001, 0.999),
    st.floats(0, 0.9),
)
def test_a_position_inside_a_candidate_always_chooses_it(
    candidates: set[int], data: st.DataObject, east: float, north: float, share: float
) -> None:
    """As long as its accuracy circle stays inside."""
    place = data.draw(st.sampled_from(sorted(candidates)))
    lon, lat = 118 + (place % 3 + east) * SIDE, 32 + (place // 3 + north) * SIDE
    border_m = min(east, 1 - east, north, 1 - north) * SIDE * 94_000
    among = [GRIDS[one][0] for one in candidates]
    assert choose(among, Fix(lon, lat, "wgs84", border_m * share), INDEX) == GRIDS[place][0]


@given(st.sets(st.sampled_from(range(9))), st.floats(117.99, 118.04), st.floats(31.99, 32.04), st.floats(0, 3000))
def test_whatever_is_chosen_is_a_candidate_and_the_only_one_in_reach(
    candidates: set[int], lon: float, lat: float, accuracy_m: float
) -> None:
    among = [GRIDS[one][0] for one in candidates]
    chosen = choose(among, Fix(lon, lat, "wgs84", accuracy_m), INDEX)
    if chosen is not None:
        assert chosen in among
        located = INDEX.locate(lon, lat, accuracy_m)
        touched = {located.grid_id} if located.grid_id else set(located.candidates)
        assert touched & set(among) == {chosen}
