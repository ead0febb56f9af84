"""Which grid a point belongs to, on squares drawn by hand, and which source decides an item's grid."""

from math import cos, inf, nan, radians
from uuid import UUID

import pytest
from msgspec import ValidationError, convert

from schemas.item_type import GridSource
from sync.coordinates import wgs84_to_bd09, wgs84_to_gcj02
from sync.grid_index import GridIndex, Located
from sync.territory import Fix, Sighting, Territory, decide_territory

LAT, LON = 32.78, 118.0
METRES_LAT = 111_195.0
METRES_LON = METRES_LAT * cos(radians(LAT))
WEST, EAST, LAKE = UUID(int=1), UUID(int=2), UUID(int=3)
RETIRED = UUID(int=9)


def at(x: float, y: float) -> tuple[float, float]:
    """The point x metres east and y metres north of the south-western corner."""
    return LON + x / METRES_LON, LAT + y / METRES_LAT


def square(left: float, low: float, right: float, high: float) -> list[tuple[float, float]]:
    return [at(left, low), at(right, low), at(right, high), at(left, high), at(left, low)]


def hand_drawn() -> GridIndex:
    """Two squares of 400 m side by side; in the eastern one a hole of 100 m that is a grid of its own."""
    return GridIndex(
        [
            (EAST, "341182001001002", [square(400, 0, 800, 400), square(550, 150, 650, 250)]),
            (WEST, "341182001001001", [square(0, 0, 400, 400)]),
            (LAKE, "341182001001901", [square(550, 150, 650, 250)]),
        ]
    )


INDEX = hand_drawn()


def fix(x: float, y: float, accuracy_m: float = 5.0) -> Fix:
    return Fix(*at(x, y), "wgs84", accuracy_m)


def decide(
    *sources: GridSource,
    point: Fix | None = None,
    reference_grid: UUID | None = None,
    capture: Fix | None = None,
    claimed_grid: UUID | None = None,
) -> Territory:
    return decide_territory(
        sources,
        point=point,
        reference_grid=reference_grid,
        capture=capture,
        claimed_grid=claimed_grid,
        sighting=Sighting(INDEX),
    )


@pytest.mark.parametrize(
    ("x", "y", "grid", "border"),
    [
        (200, 200, WEST, 200),
        (390, 100, WEST, 10),
        (410, 100, EAST, 10),
        (600, 200, LAKE, 50),
        (500, 200, EAST, 50),
        (800 - 30, 400 - 20, EAST, 20),
    ],
)
def test_a_fix_decides_as_long_as_its_circle_stays_inside(x: float, y: float, grid: UUID, border: float) -> None:
    for accuracy_m in (0.0, 5.0, border * 0.99):
        assert INDEX.locate(*at(x, y), accuracy_m) == Located(grid, False)
    assert INDEX.locate(*at(x, y), border * 1.01).grid_id is None


@pytest.mark.parametrize(
    ("x", "y", "accuracy_m", "candidates"),
    [
        (390, 100, 15, (WEST, EAST)),
        (410, 100, 15, (WEST, EAST)),
        (600, 200, 55, (EAST, LAKE)),
        (520, 200, 130, (WEST, EAST, LAKE)),
        (10, 200, 20, (WEST,)),
    ],
)
def test_a_poor_fix_across_a_border_decides_nothing(
    x: float, y: float, accuracy_m: float, candidates: tuple[UUID, ...]
) -> None:
    located = INDEX.locate(*at(x, y), accuracy_m)
    assert located.grid_id is None
    assert located.on_border
    assert located.candidates == candidates


def test_a_point_on_a_shared_corner_is_in_no_single_grid() -> None:
    located = INDEX.locate(*at(400, 0), 0.0)
    assert (located.grid_id, located.on_border) == (None, True)
    assert located.candidates == (WEST, EAST)


def test_a_point_outside_all_grids() -> None:
    far = INDEX.locate(*at(-500, 200), 50.0)
    assert (far.grid_id, far.on_border, far.candidates) == (None, False, ())
    near = INDEX.locate(*at(-30, 200), 50.0)
    assert (near.grid_id, near.on_border, near.candidates) == (None, True, (WEST,))


def test_many_are_located_in_their_order() -> None:
    points = [(200.0, 200.0, 5.0), (-500.0, 0.0, 5.0), (390.0, 100.0, 15.0), (600.0, 200.0, 5.0)]
    lons, lats = zip(*(at(x, y) for x, y, _ in points), strict=True)
    located = INDEX.locate_many(lons, lats, [accuracy_m for *_, accuracy_m in points])
    assert [one.grid_id for one in located] == [WEST, None, None, LAKE]
    assert INDEX.locate_many([], [], []) == []


def test_a_point_in_two_grids_that_overlap_is_in_no_single_grid() -> None:
    """Registries refuse overlaps; should one slip through, a person decides."""
    overlapping = GridIndex([(WEST, "1", [square(0, 0, 400, 400)]), (EAST, "2", [square(300, 0, 700, 400)])])
    lon, lat = at(350, 200)
    located = overlapping.locate(lon, lat, 5.0)
    assert (located.grid_id, located.candidates) == (None, (WEST, EAST))
    assert overlapping.locate_many([lon], [lat], [5.0]) == [located]


def test_an_index_knows_its_grids_and_may_be_empty() -> None:
    assert len(INDEX) == 3
    assert WEST in INDEX
    assert RETIRED not in INDEX
    empty = GridIndex([])
    assert empty.locate(*at(0, 0), 5.0).grid_id is None
    assert empty.locate_many([LON], [LAT], [5.0])[0].grid_id is None


@pytest.mark.parametrize(
    "values",
    [
        (200.0, 32.0, 5.0),
        (118.0, nan, 5.0),
        (118.0, 32.0, -1.0),
        (118.0, 32.0, nan),
        (118.0, 32.0, inf),
    ],
)
def test_a_point_that_cannot_be_is_refused(values: tuple[float, float, float]) -> None:
    lon, lat, accuracy = values
    with pytest.raises(ValidationError):
        convert({"lon": lon, "lat": lat, "crs": "wgs84", "accuracy": accuracy}, Fix)


def test_the_first_source_that_gives_a_grid_decides() -> None:
    territory = decide("point", "capture", "claimed", point=fix(200, 200), capture=fix(201, 200), claimed_grid=WEST)
    assert (territory.grid_id, territory.source, territory.disagreeing) == (WEST, "point", ())


def test_an_order_of_the_type_is_kept() -> None:
    territory = decide("reference", "claimed", "capture", capture=fix(200, 200), reference_grid=EAST)
    assert (territory.grid_id, territory.source) == (EAST, "reference")
    assert [finding.source for finding in territory.findings] == ["reference", "claimed", "capture"]


def test_a_poor_fix_leaves_it_to_the_next_source() -> None:
    poor = fix(390, 100, 30.0)
    territory = decide("point", "capture", "claimed", point=poor, capture=poor, claimed_grid=EAST)
    assert (territory.grid_id, territory.source, territory.disagreeing) == (EAST, "claimed", ())
    assert [(one.answer, one.candidates) for one in territory.findings] == [
        ("border", (WEST, EAST)),
        ("border", (WEST, EAST)),
        ("grid", ()),
    ]


def test_a_later_source_that_disagrees_is_flagged_and_moves_nothing() -> None:
    territory = decide("point", "capture", "claimed", point=fix(200, 200), capture=fix(500, 100), claimed_grid=WEST)
    assert (territory.grid_id, territory.source) == (WEST, "point")
    assert [(one.source, one.grid_id) for one in territory.disagreeing] == [("capture", EAST)]


def test_no_source_that_gives_a_grid_is_a_conflict() -> None:
    territory = decide("point", "reference", "capture", "claimed", point=fix(-900, 0), reference_grid=RETIRED)
    assert (territory.grid_id, territory.source, territory.disagreeing) == (None, None, ())
    assert [one.answer for one in territory.findings] == ["outside", "not_current", "empty", "empty"]


def test_a_source_that_the_type_does_not_name_is_not_asked() -> None:
    territory = decide("claimed", capture=fix(200, 200), claimed_grid=EAST)
    assert (territory.grid_id, territory.disagreeing) == (EAST, ())
    assert len(territory.findings) == 1


@pytest.mark.parametrize(("crs", "shift"), [("gcj02", wgs84_to_gcj02), ("bd09", wgs84_to_bd09)])
def test_a_fix_is_converted_before_it_is_located(crs: str, shift: object) -> None:
    """The shift is wider than a grid here: an unconverted point would fall outside all three."""
    lon, lat = shift(*at(200, 200))
    territory = decide("point", point=Fix(lon, lat, crs, 5.0))
    assert territory.grid_id == WEST
    assert decide("point", point=Fix(lon, lat, "wgs84", 5.0)).grid_id is None
