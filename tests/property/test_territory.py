"""Look-ups held against a slow truth: even-odd ray casting and point-to-segment distances over every grid."""

from itertools import pairwise
from math import cos, hypot, radians
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.item_type import GridSource
from server.demo.city import one_street
from sync.coordinates import distance_m
from sync.grid_index import GridIndex
from sync.territory import Fix, Sighting, decide_territory

Ring = tuple[tuple[float, float], ...]

GRIDS = one_street().grids
INDEX = GridIndex([(grid.id, grid.code, grid.outline) for grid in GRIDS])
RINGS: dict[UUID, Ring] = {grid.id: grid.outline[0] for grid in GRIDS}
CORNERS = [corner for ring in RINGS.values() for corner in ring]
LONS = [lon for lon, _ in CORNERS]
LATS = [lat for _, lat in CORNERS]
METRES_LAT = 111_195.0
METRES_LON = METRES_LAT * cos(radians(32.7815))
UNSURE_M = 0.05
"""Distances closer than this to the accuracy are not judged: the two ways of measuring differ by a little."""

lons = st.floats(min(LONS) - 0.005, max(LONS) + 0.005)
lats = st.floats(min(LATS) - 0.005, max(LATS) + 0.005)
accuracies = st.one_of(st.floats(0, 60), st.floats(0, 5000))
places = st.tuples(lons, lats, accuracies)
grids = st.sampled_from([None, UUID(int=7), *RINGS])
positions = st.builds(Fix, lons, lats, st.sampled_from(["wgs84", "gcj02", "bd09"]), accuracies)
on_corners = st.builds(lambda corner, metres: Fix(*corner, "wgs84", metres), st.sampled_from(CORNERS), accuracies)
fixes = st.none() | positions
orders = st.lists(st.sampled_from(["point", "reference", "capture", "claimed"]), unique=True)


def inside(ring: Ring, lon: float, lat: float) -> bool:
    crossings = 0
    for (ax, ay), (bx, by) in pairwise(ring):
        if (ay > lat) != (by > lat) and lon < ax + (lat - ay) / (by - ay) * (bx - ax):
            crossings += 1
    return crossings % 2 == 1


def metres_to_ring(ring: Ring, lon: float, lat: float) -> float:
    flat = [((x - lon) * METRES_LON, (y - lat) * METRES_LAT) for x, y in ring]
    return min(_metres_to_segment(a, b) for a, b in pairwise(flat))


def _metres_to_segment(a: tuple[float, float], b: tuple[float, float]) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = max(0.0, min(1.0, -(a[0] * dx + a[1] * dy) / (dx * dx + dy * dy)))
    return hypot(a[0] + along * dx, a[1] + along * dy)


@settings(max_examples=400)
@given(places)
@example((117.9925, 32.7815, 0.0))
@example((*CORNERS[0], 5.0))
def test_a_look_up_agrees_with_the_slow_truth(place: tuple[float, float, float]) -> None:
    lon, lat, accuracy_m = place
    located = INDEX.locate(lon, lat, accuracy_m)
    truth = {grid_id: metres_to_ring(ring, lon, lat) for grid_id, ring in RINGS.items()}
    holders = [grid_id for grid_id, ring in RINGS.items() if inside(ring, lon, lat)]
    if any(abs(metres - accuracy_m) < UNSURE_M + accuracy_m / 500 for metres in truth.values()):
        return
    clear = [grid_id for grid_id in holders if truth[grid_id] > accuracy_m]
    assert located.grid_id == (clear[0] if clear else None)
    if located.grid_id is None:
        assert set(located.candidates) == {*holders, *(g for g, metres in truth.items() if metres < accuracy_m)}
        assert located.on_border == bool(located.candidates)


@given(st.lists(places, max_size=40))
def test_many_at_once_are_located_as_one_by_one(batch: list[tuple[float, float, float]]) -> None:
    columns = [list(column) for column in zip(*batch, strict=True)] or [[], [], []]
    assert INDEX.locate_many(*columns) == [INDEX.locate(*place) for place in batch]


@given(st.lists(positions | on_corners, min_size=1, max_size=8))
@example([Fix(0.0, 0.0, "bd09", 0.0), Fix(180.0, -90.0, "gcj02", 1_000_000.0), Fix(*CORNERS[0], "wgs84", 0.0)])
def test_the_positions_of_a_set_are_located_as_one_by_one(some: list[Fix]) -> None:
    alone = Sighting(INDEX)
    told = [alone.locate(fix) for fix in some]
    for together in (Sighting(INDEX, some), Sighting(INDEX, some * 100)):
        assert [together.locate(fix) for fix in some] == told


@given(lons, lats, st.floats(0, 200), st.floats(0, 200))
def test_a_better_fix_never_decides_otherwise(lon: float, lat: float, better: float, worse: float) -> None:
    sharp, blurred = (INDEX.locate(lon, lat, metres) for metres in sorted((better, worse)))
    if blurred.grid_id is not None:
        assert sharp.grid_id == blurred.grid_id
    assert not sharp.on_border or blurred.on_border


@given(lons, lats, st.floats(1, 100), st.floats(-0.0009, 0.0009), st.floats(-0.0009, 0.0009))
def test_a_decided_grid_holds_the_whole_accuracy_circle(
    lon: float, lat: float, accuracy_m: float, east: float, north: float
) -> None:
    located = INDEX.locate(lon, lat, accuracy_m)
    nearby = (lon + east, lat + north)
    if located.grid_id is not None and distance_m(lon, lat, *nearby) < accuracy_m * 0.995:
        assert INDEX.locate(*nearby, 0.0).grid_id == located.grid_id


@given(orders, fixes, grids, fixes, grids)
def test_the_first_giving_source_decides_and_later_ones_only_flag(
    order: list[GridSource], point: Fix | None, reference: UUID | None, capture: Fix | None, claimed: UUID | None
) -> None:
    asked = {"point": point, "reference_grid": reference, "capture": capture, "claimed_grid": claimed}
    territory = decide_territory(order, **asked, sighting=Sighting(INDEX))
    alone = [decide_territory([source], **asked, sighting=Sighting(INDEX)).grid_id for source in order]
    giving = [(source, grid_id) for source, grid_id in zip(order, alone, strict=True) if grid_id is not None]
    assert (territory.source, territory.grid_id) == (giving[0] if giving else (None, None))
    assert [(one.source, one.grid_id) for one in territory.disagreeing] == [
        (source, grid_id) for source, grid_id in giving if grid_id != territory.grid_id
    ]
    assert territory.grid_id is None or territory.grid_id in INDEX
