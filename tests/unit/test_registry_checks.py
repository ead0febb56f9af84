"""Each fault of a grid's row by the smallest case, and what is no fault."""

from __future__ import annotations

from typing import Any

import pytest

from server.demo.geography import DEMO_SEED, whole_territory
from sync.division_checks import DivisionRow, check_divisions, parent_of
from sync.registry_cells import UnfitCell, read_compounds, read_date, read_mark, read_micro_grids, read_text
from sync.registry_checks import Candidate, Place, Registered, check_grids
from sync.registry_faults import Fault
from sync.registry_geometry import polygons
from sync.registry_outlines import UnfitOutline, converter, normal_form, read_rings, to_outline

STREET, ONE, TWO = "341182001000", "341182001001", "341182001002"
CITY = ("3411",)
LON, LAT = 117.99, 32.78
M_LON, M_LAT = 1 / 93_500, 1 / 111_195
Ring = list[tuple[float, float]]
NOTHING = Registered({}, {})
PLACES = {ONE: Place("一社区"), TWO: Place("二社区")}


def box(west: float, south: float, east: float, north: float) -> Ring:
    """A box of so many metres from a corner of the town, to six digits as files have them."""
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return [(round(LON + x * M_LON, 6), round(LAT + y * M_LAT, 6)) for x, y in corners]


def grid(row: int, code: str, ring: Ring | None, *holes: Ring, community: str = "") -> Candidate:
    return Candidate(row=row, code=code, community=community, outline=None if ring is None else [ring, *holes])


def check(*grids: Candidate, places: Any = PLACES, registered: Registered = NOTHING) -> list[Fault]:
    return check_grids(grids, places, registered, CITY)


def named(faults: list[Fault]) -> list[tuple[int | None, str]]:
    return [(one.row, one.fault) for one in faults]


FOUR = (
    grid(2, f"{ONE}001", box(0, 0, 300, 300)),
    grid(3, f"{ONE}002", box(300, 0, 600, 300)),
    grid(4, f"{ONE}003", box(0, 300, 300, 600)),
    grid(5, f"{TWO}001", box(300, 300, 600, 600)),
)


# What is no fault ------------------------------------------------------------------------------------------


def test_neighbours_that_share_their_border_are_sound() -> None:
    assert check(*FOUR) == []
    assert check() == []


@pytest.mark.parametrize("nudge", [1e-6, -1e-6])
def test_a_border_written_with_another_last_digit_is_shared(nudge: float) -> None:
    ring = [(lon + nudge, lat - nudge) for lon, lat in box(300, 0, 600, 300)]
    whole = {**PLACES, ONE: Place("一社区", [box(0, 0, 600, 300)])}
    assert check(FOUR[0], grid(3, f"{ONE}002", ring), places=whole) == []


def test_a_vertex_on_a_neighbours_straight_border_is_no_fault() -> None:
    ring = box(0, 0, 300, 300)
    ring.insert(2, (round((ring[1][0] + ring[2][0]) / 2 + 4e-7, 6), round((ring[1][1] + ring[2][1]) / 2, 6)))
    assert check(grid(2, f"{ONE}001", ring), *FOUR[1:]) == []


def test_a_grid_around_another_is_no_fault() -> None:
    lake = box(100, 100, 200, 200)
    assert check(grid(2, f"{ONE}001", box(0, 0, 300, 300), lake), grid(3, f"{ONE}901", lake)) == []


def test_a_wedge_and_a_lane_are_places() -> None:
    wedge = [(LON, LAT), (LON + 300 * M_LON, LAT), (LON + 300 * M_LON, LAT + 35 * M_LAT), (LON, LAT)]
    assert check(grid(2, f"{ONE}001", wedge), grid(3, f"{TWO}001", box(0, 400, 300, 402.5))) == []


# Codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("34118200100100", "code_form"),
        ("341282001001001", "code_form"),
        ("341100001001001", "code_division"),
        (f"{ONE[:9]}498001", "code_virtual_community"),
        (f"{ONE}000", "code_serial"),
        (f"{ONE}800", "code_serial"),
        (f"{ONE}0010", "code_check_digit"),
        ("３４１１８２００１００１００１", "code_form"),
    ],
)
def test_a_code_that_is_none(code: str, fault: str) -> None:
    assert named(check(grid(2, code, box(0, 0, 300, 300)))) == [(2, fault)]


def test_a_printed_code_with_its_check_digit_is_a_code() -> None:
    assert check(grid(2, "3411820010010013", box(0, 0, 300, 300))) == []
    twice = check(*FOUR, grid(6, "3411820010010013", box(0, 0, 300, 300)))
    assert named(twice) == [(6, "code_duplicate")]


def test_codes_twice_and_codes_given_up() -> None:
    assert named(check(FOUR[0], FOUR[1], grid(9, f"{ONE}002", box(900, 0, 1200, 300)))) == [(9, "code_duplicate")]
    given_up = {f"{ONE}001": None, f"{ONE}002": f"{ONE}700"}
    faults = check(*FOUR, registered=Registered({}, given_up))
    assert named(faults) == [(2, "code_retired"), (3, "code_of_other")]
    assert f"{ONE}700" in faults[1].zh


def test_communities_and_areas() -> None:
    assert named(check(grid(2, "341182001009001", box(0, 0, 300, 300)))) == [(2, "community_unknown")]
    assert named(check(grid(2, f"{ONE}001", box(0, 0, 300, 300), community=TWO))) == [(2, "community_mismatch")]
    assert check(grid(2, f"{ONE}001", box(0, 0, 300, 300), community=ONE)) == []
    assert named(check_grids(FOUR, PLACES, NOTHING, (TWO,))) == [(row, "out_of_area") for row in (2, 3, 4)]
    assert named(check_grids(FOUR, PLACES, NOTHING, (ONE[:9],))) == []


# Outlines --------------------------------------------------------------------------------------------------


def read(geometry: Any) -> Any:
    return to_outline(read_rings(geometry), converter("wgs84"))


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(point) for point in ring] for ring in rings]}


@pytest.mark.parametrize(
    ("geometry", "fault"),
    [
        (None, "geometry_type"),
        ({"type": "LineString", "coordinates": []}, "geometry_type"),
        ({"type": "GeometryCollection", "geometries": []}, "geometry_type"),
        ({"type": "MultiPolygon", "coordinates": []}, "multi_part"),
        ({"type": "MultiPolygon", "coordinates": [[], []]}, "multi_part"),
        ({"type": "Polygon", "coordinates": []}, "ring_points"),
        ({"type": "Polygon"}, "ring_points"),
        ({"type": "Polygon", "coordinates": [1]}, "ring_points"),
        (polygon([(118, 32), (118.1, 32), (118, 32)]), "ring_points"),
        (polygon([(118, 32), (118.1, 32), ("118", 32.1)]), "ring_points"),
        (polygon([(118, 32), (118.1, 32), (118,)]), "ring_points"),
        (polygon([(118, 32), (118.1, 32), (float("nan"), 32.1)]), "ring_bounds"),
        (polygon([(118, 32), (118.1, 32), (float("inf"), 32.1)]), "ring_bounds"),
        (polygon([(118, 32), (118.1, 32), (10**400, 32.1)]), "ring_bounds"),
        (polygon([(32, 118), (32.1, 118), (32.1, 118.1)]), "ring_bounds"),
        (polygon([(0, 0), (0.1, 0), (0.1, 0.1)]), "ring_bounds"),
        (polygon(box(0, 0, 9, 9), [(118 + at / 1e5, 32.5 + at % 2 / 1e4) for at in range(5_000)]), "vertices_too_many"),
    ],
)
def test_a_geometry_that_is_no_outline(geometry: Any, fault: str) -> None:
    with pytest.raises(UnfitOutline) as unfit:
        read(geometry)
    assert unfit.value.name == fault


def test_an_outline_has_one_normal_form() -> None:
    ring, hole = box(0, 0, 300, 300), box(100, 100, 200, 200)
    wanted = read(polygon(ring, hole))
    assert wanted[0][0] == wanted[0][-1] == min(ring)
    for turned in (ring[:-1], ring[::-1], [*ring[2:], *ring[1:3]], [(*point, 12.5) for point in ring]):
        assert read(polygon(turned, hole[::-1])) == wanted
    assert read({"type": "MultiPolygon", "coordinates": [polygon(ring, hole)["coordinates"]]}) == wanted
    assert normal_form(wanted) == wanted
    outer, inner = (shape.exterior.is_ccw for shape in polygons([[one] for one in wanted]))
    assert (outer, inner) == (True, False)


def test_outlines_that_cross_themselves_or_enclose_nothing() -> None:
    a, b, c, d, _ = box(0, 0, 300, 300)
    faults = check(grid(2, f"{ONE}001", [a, c, b, d, a]), grid(3, f"{TWO}001", [a, b, (b[0] + M_LON, b[1]), a]))
    assert named(faults) == [(2, "ring_crosses"), (3, "ring_area")]
    assert f"{LON + 150 * M_LON:.4f}" in faults[0].en
    assert named(check(grid(2, f"{ONE}001", box(0, 0, 0.8, 0.8)))) == [(2, "ring_area")]
    hole_outside = grid(2, f"{ONE}001", box(0, 0, 300, 300), box(400, 0, 500, 100))
    assert named(check(hole_outside)) == [(2, "ring_crosses")]


def test_what_a_broken_outline_leaves_empty_is_not_told_as_well() -> None:
    nine = [
        grid(2 + 3 * y + x, f"{ONE}{1 + 3 * y + x:03}", box(300 * x, 300 * y, 300 * x + 300, 300 * y + 300))
        for y in range(3)
        for x in range(3)
    ]
    a, b, c, d, _ = box(300, 300, 600, 600)
    assert check(*nine) == []
    broken = grid(6, nine[4].code, [a, c, b, d, a])
    assert named(check(*nine[:4], broken, *nine[5:])) == [(6, "ring_crosses")]
    unread = grid(6, nine[4].code, None)
    assert named(check(*nine[:4], unread, *nine[5:])) == []
    wrongly_coded = grid(6, "341182001001x05", box(300, 300, 600, 600))
    assert named(check(*nine[:4], wrongly_coded, *nine[5:])) == [(6, "code_form")]
    assert named(check(*nine[:4], *nine[5:])) == [(2, "hole")]


# Beside each other -----------------------------------------------------------------------------------------


def test_an_overlap_names_both_and_the_later_row() -> None:
    faults = check(FOUR[0], grid(3, f"{ONE}002", box(290, 0, 600, 300)))
    assert named(faults) == [(3, "overlap")]
    assert f"{ONE}001" in faults[0].zh
    assert "3,0" in faults[0].en
    standing = Registered({f"{ONE}001": [box(0, 0, 310, 300)]}, {})
    faults = check(FOUR[1], registered=standing)
    assert named(faults) == [(3, "overlap")]
    assert f"{ONE}001" in faults[0].en
    assert check(FOUR[0], FOUR[1], registered=standing) == []


def test_one_inside_another_and_one_twice_are_overlaps() -> None:
    assert named(check(FOUR[0], grid(3, f"{ONE}002", box(100, 100, 200, 200)))) == [(3, "overlap")]
    assert named(check(FOUR[0], grid(3, f"{ONE}002", box(0, 0, 300, 300)))) == [(3, "overlap")]


def test_overlaps_count_from_a_width_on() -> None:
    assert check(FOUR[0], grid(3, f"{ONE}002", box(299.7, 0, 600, 300))) == []
    assert named(check(FOUR[0], grid(3, f"{ONE}002", box(299, 0, 600, 300)))) == [(3, "overlap")]


def test_standing_outlines_of_before_the_checks_do_no_harm() -> None:
    a, b, c, d, _ = box(0, 0, 300, 300)
    crossed = Registered({f"{TWO}009": [[a, c, b, d, a]]}, {})
    assert named(check(grid(2, f"{ONE}001", box(10, 250, 290, 600)), registered=crossed)) == [(2, "overlap")]


def test_a_hole_inside_the_grids_of_a_community() -> None:
    around = [
        grid(2, f"{ONE}001", box(0, 0, 300, 100)),
        grid(3, f"{ONE}002", box(0, 200, 300, 300)),
        grid(4, f"{ONE}003", box(0, 100, 100, 200)),
        grid(5, f"{ONE}004", box(200, 100, 300, 200)),
    ]
    faults = check(*around)
    assert named(faults) == [(2, "hole")]
    assert (faults[0].code, "10,0" in faults[0].en) == (ONE, True)
    assert check(*around, grid(6, f"{TWO}001", box(100, 100, 200, 200))) == []
    assert check(*around, registered=Registered({f"{TWO}001": [box(100, 100, 200, 200)]}, {})) == []
    assert check(*around, registered=Registered({f"{ONE}005": [box(100, 100, 200, 200)]}, {})) == []
    left = check(*around, grid(6, f"{ONE}005", box(100, 100, 199, 200)))
    assert named(left) == [(2, "hole")]


def test_a_hole_within_the_outline_of_a_community() -> None:
    places = {ONE: Place("一社区", [box(0, 0, 600, 300)])}
    assert named(check(FOUR[0], places=places)) == [(2, "hole")]
    assert named(check(FOUR[0], grid(3, f"{ONE}002", box(301, 0, 600, 300)), places=places)) == [(2, "hole")]
    assert check(FOUR[0], grid(3, f"{ONE}002", box(300.3, 0, 600, 300)), places=places) == []
    assert check(FOUR[0], places=places, registered=Registered({f"{ONE}002": [box(300, 0, 600, 300)]}, {})) == []


def test_slivers_by_width_and_length() -> None:
    strip = grid(2, f"{ONE}001", box(0, 0, 1.5, 40))
    faults = check(strip, grid(3, f"{TWO}001", box(100, 0, 101.2, 10)))
    assert named(faults) == [(2, "sliver"), (3, "sliver")]
    tail = [*box(0, 0, 300, 300)[:2], *box(300, 298.5, 340, 300)[:3], *box(0, 0, 300, 300)[3:]]
    assert named(check(grid(2, f"{ONE}001", tail))) == [(2, "sliver")]
    short = [*box(0, 0, 300, 300)[:2], *box(300, 298.5, 312, 300)[:3], *box(0, 0, 300, 300)[3:]]
    assert check(grid(2, f"{ONE}001", short)) == []


def test_outside_its_community_or_else_street_or_else_county() -> None:
    own = {ONE: Place("一社区", [box(0, 0, 300, 300)])}
    faults = check(grid(2, f"{ONE}001", box(0, 0, 310, 300)), places=own)
    assert named(faults) == [(2, "outside_community")]
    assert "一社区" in faults[0].zh
    street = {ONE: Place("一社区"), STREET: Place("街道", [box(0, 0, 300, 300)])}
    assert named(check(grid(2, f"{ONE}001", box(0, 0, 310, 300)), places=street)) == [(2, "outside_community")]
    county = {ONE: Place("一社区"), "341182000000": Place("县", [box(0, 0, 300, 300)])}
    assert check(grid(2, f"{ONE}001", box(0, 0, 1250, 300)), places=county) == []
    assert named(check(grid(2, f"{ONE}001", box(0, 0, 1350, 300)), places=county)) == [(2, "outside_community")]


def test_a_statistical_zone_lies_in_its_host_county() -> None:
    zone, host = "341171001001", "341103000000"
    places = {
        zone: Place("社区"),
        "341171000000": Place("开发区", None, host),
        host: Place("南谯区", [box(0, 0, 300, 300)]),
    }
    assert check(grid(2, f"{zone}001", box(0, 0, 300, 300)), places=places) == []
    assert named(check(grid(2, f"{zone}001", box(2000, 0, 2300, 300)), places=places)) == [(2, "outside_community")]


# Divisions -------------------------------------------------------------------------------------------------


def test_the_division_above_follows_from_the_code() -> None:
    assert [parent_of(code) for code in (ONE, STREET, "341182000000", "341100000000")] == [
        STREET,
        "341182000000",
        "341100000000",
        None,
    ]


def test_divisions_with_outlines_that_are_none() -> None:
    a, b, c, d, _ = box(0, 0, 300, 300)
    rows = [
        DivisionRow(row=2, code=ONE, outline=[[a, c, b, d, a]]),
        DivisionRow(row=3, code=TWO, outline=[[a, b, (b[0] + M_LON, b[1]), a]]),
    ]
    assert named(check_divisions(rows, {STREET}, CITY)) == [(2, "ring_crosses"), (3, "ring_area")]


# Cells -----------------------------------------------------------------------------------------------------


def test_cells_are_read_as_they_are_meant() -> None:
    assert read_compounds(" 东苑 ; 西苑；;") == ("东苑", "西苑")
    assert read_compounds("") == ()
    west, east = {"serial": "02", "name": "西"}, {"serial": "01", "name": "东"}
    assert read_micro_grids("02:西；01：东") == (east, west)
    assert [read_mark(cell) for cell in ("", "no", "否", "YES", "是", "true")] == [False] * 3 + [True] * 3
    assert read_date(" ") is None


@pytest.mark.parametrize(
    ("reader", "cell"),
    [
        *((read_text, cell) for cell in ("", " ", "a\x1b[2J", "=cmd", "+1", "-1", "@x", "字" * 101, "a\nb")),
        *((read_compounds, cell) for cell in ("东苑;东苑", "a:b", ";".join(map(str, range(201))))),
        *((read_micro_grids, cell) for cell in ("东", "1:东", "00:东", "01:东;01:西", "01:")),
        *((read_date, cell) for cell in ("20240531", "2024-02-30", "2024/05/31", "tomorrow")),
        (read_mark, "maybe"),
    ],
)
def test_cells_that_cannot_be_meant(reader: Any, cell: str) -> None:
    with pytest.raises(UnfitCell):
        reader(cell)


# The city --------------------------------------------------------------------------------------------------


def test_the_whole_demo_city_has_no_fault() -> None:
    """With communities and streets that have outlines, counties, and statistical zones in their host counties."""
    territory = whole_territory(DEMO_SEED)
    places = {one.code: Place(one.name_zh, one.outline, one.host_county) for one in territory.divisions}
    undrawn = {
        code: place if code.endswith("000000") else place._replace(outline=None) for code, place in places.items()
    }
    rows = [Candidate(row=row, code=one.code, outline=one.outline) for row, one in enumerate(territory.grids, 2)]
    assert len(rows) == 2_088
    assert check_grids(rows, places, NOTHING, CITY) == []
    assert check_grids(rows, undrawn, NOTHING, CITY) == []
