"""The demo city: exact borders, believable sizes, and enough people, offices and phones for the whole loop."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from random import Random

import numpy as np
import pytest
import shapely

from schemas.catalogue import load
from schemas.grid_code import parse_grid_code
from schemas.identity import check_credit_code, check_phone, check_plate, check_resident_id
from server.demo.city import City, one_street, whole_city
from server.demo.divisions import CITY_CODE, COUNTY_CODE, STREET_CODE, Division, Rings
from server.demo.grids import Grid
from server.demo.people import Person, is_field_worker
from server.made_up import names
from sync.division_checks import DivisionRow, check_divisions
from sync.registry_checks import Candidate, Place, Registered, check_grids
from sync.registry_outlines import normal_form

METRES_LAT = 111_195.0
METRES_LON = METRES_LAT * 0.843
"""Metres a degree of longitude at 32.5 N; off by under one per cent anywhere in the city."""


def other_city() -> City:
    return whole_city(1)


every_seed = pytest.mark.parametrize("make", [whole_city, other_city])
every_city = pytest.mark.parametrize("make", [one_street, whole_city])


def polygon(outline: Rings | None) -> shapely.Polygon:
    assert outline is not None
    return shapely.Polygon(outline[0], outline[1:])


def polygons(grids: Iterable[Grid]) -> list[shapely.Polygon]:
    return [polygon(grid.outline) for grid in grids]


def by_tier(city: City, tier: str) -> list[Division]:
    return [division for division in city.divisions if division.tier == tier]


def by_code(city: City) -> dict[str, Division]:
    return {division.code: division for division in city.divisions}


def host(city: City, street: Division) -> Division:
    """The county in whose outline a street lies."""
    divisions = by_code(city)
    parent = divisions[street.parent or ""]
    return divisions[street.host_county or parent.host_county or parent.code]


# Divisions ---------------------------------------------------------------------------------------------------------


def test_the_whole_city_has_every_division_of_the_plan() -> None:
    city = whole_city()
    counties = by_tier(city, "county")
    assert len(by_tier(city, "city")) == 1
    assert Counter(bool(county.host_county) for county in counties) == {False: 8, True: 2}
    streets = by_tier(city, "street")
    assert Counter(street.code[6] == "0" for street in streets) == {True: 22, False: 16}
    assert len(by_tier(city, "community")) == 229
    assert len(city.grids) == 2088
    parents = {division.parent for division in city.divisions}
    assert [street.name_zh for street in streets if street.code not in parents] == ["明南街道", "明西街道"]


def test_the_street_has_thirteen_communities_below_its_county_and_city() -> None:
    city = one_street()
    assert Counter(one.tier for one in city.divisions) == {"city": 1, "county": 1, "street": 1, "community": 13}
    named = {code: division.name_zh for code, division in by_code(city).items()}
    assert {CITY_CODE, COUNTY_CODE} < set(named)
    assert (named["341182001000"], named["341182001006"]) == ("明光街道", "市府社区")


def test_the_street_is_the_same_in_both_cities() -> None:
    street, city = one_street(), whole_city()
    assert set(street.grids) <= set(city.grids)
    assert set(street.divisions) <= set(city.divisions)
    assert set(street.organisations) <= set(city.organisations)


def test_names_may_be_shared_but_codes_are_not() -> None:
    divisions = whole_city().divisions
    assert len({division.code for division in divisions}) == len(divisions)
    roads = [division for division in divisions if division.name_zh == "人民路社区"]
    assert {division.code[:6] for division in roads} == {"341125"}
    assert len(roads) == 2
    assert all(re.fullmatch(r"[A-Z][A-Za-zü'() -]+", division.name_en) for division in divisions)


def test_zones_lie_in_the_county_that_hosts_them() -> None:
    city = whole_city()
    hosts = {street.name_zh: host(city, street).name_zh for street in by_tier(city, "street")}
    assert hosts["紫薇街道"] == "琅琊区"
    assert hosts["大王街道"] == hosts["凤凰街道"] == "南谯区"
    assert hosts["明光街道"] == "明光市"


def test_real_outlines_are_those_of_the_counties_and_all_others_are_synthetic() -> None:
    for division in whole_city().divisions:
        drawn = "real" if division.outline and not division.synthetic else "synthetic" if division.outline else "none"
        is_county = division.tier == "county" and not division.host_county
        empty = division.tier in ("city", "county") or division.name_zh in ("明南街道", "明西街道")
        assert drawn == ("real" if is_county else "none" if empty else "synthetic"), division.name_zh


# Borders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [one_street, lambda: one_street(7), whole_city, other_city])
def test_grids_tile_their_communities_and_these_their_streets(make) -> None:
    city = make()
    cells = polygons(city.grids)
    assert all(cell.is_valid and cell.exterior.is_ccw for cell in cells)
    assert shapely.coverage_is_valid(cells, gap_width=1e-4)
    below: defaultdict[str, list[shapely.Polygon]] = defaultdict(list)
    for grid, cell in zip(city.grids, cells, strict=True):
        for code in (grid.community_code, f"{grid.code[:9]}000"):
            below[code].append(cell)
    for code, parts in below.items():
        whole = polygon(by_code(city)[code].outline)
        assert not whole.interiors
        assert shapely.union_all(parts).equals(whole), code
        assert whole.area == pytest.approx(sum(part.area for part in parts), rel=1e-9)


def test_neighbours_share_every_vertex_of_their_border() -> None:
    cells = polygons(one_street().grids)
    tree = shapely.STRtree(cells)
    for one, other in zip(*tree.query(cells, predicate="touches"), strict=True):
        shared = {
            *shapely.get_coordinates(shapely.intersection(cells[one], cells[other])).view("f8,f8").ravel().tolist()
        }
        assert shared <= {*cells[one].exterior.coords} & {*cells[other].exterior.coords}


@every_seed
def test_streets_lie_inside_their_counties_and_towns_lie_apart(make) -> None:
    city = make()
    streets = [street for street in by_tier(city, "street") if street.outline]
    outlines = [polygon(street.outline) for street in streets]
    for street, outline in zip(streets, outlines, strict=True):
        assert polygon(host(city, street).outline).contains_properly(outline), street.name_zh
    towns = shapely.get_parts(shapely.union_all(outlines))
    assert len(towns) == 20
    assert not any(town.interiors for town in towns)
    apart = [one.distance(other) for at, one in enumerate(towns) for other in towns[:at]]
    assert min(apart) * METRES_LON > 200


def test_no_check_of_the_registry_finds_a_fault() -> None:
    city = whole_city()
    rows = [
        DivisionRow(row=row, code=one.code, parent=one.parent or "", host_county=one.host_county, outline=one.outline)
        for row, one in enumerate(city.divisions)
    ]
    assert check_divisions(rows, (), ("3411",)) == []
    grids = [
        Candidate(row=row, code=grid.code, community=grid.community_code, outline=grid.outline)
        for row, grid in enumerate(city.grids)
    ]
    places = {one.code: Place(one.name_zh, one.outline, one.host_county) for one in city.divisions}
    assert check_grids(grids, places, Registered({}, {}), ("3411",)) == []


@every_seed
def test_grids_have_the_size_and_shape_of_city_grids(make) -> None:
    cells = np.array(polygons(make().grids))
    flat = shapely.transform(cells, lambda points: points * (METRES_LON, METRES_LAT))
    areas, lengths = shapely.area(flat), shapely.length(flat)
    assert areas.min() > 40_000
    assert areas.max() < 400_000
    assert (12.566 * areas / lengths**2).min() > 0.4


@every_city
def test_communities_are_numbered_without_holes(make) -> None:
    city = make()
    communities: defaultdict[str, list[Grid]] = defaultdict(list)
    for grid in city.grids:
        assert parse_grid_code(grid.code).kind == grid.kind
        assert grid.code.startswith(grid.community_code)
        communities[grid.community_code].append(grid)
    assert set(communities) == {one.code for one in by_tier(city, "community")}
    for grids in communities.values():
        assert 6 <= len(grids) <= 14
        general = [grid for grid in grids if grid.kind == "general"]
        assert [int(grid.code[-3:]) for grid in general] == list(range(1, len(general) + 1))


def test_special_grids_and_compounds_are_a_few() -> None:
    grids = whole_city().grids
    kinds = Counter(grid.kind for grid in grids)
    assert 50 < kinds["dedicated"] < 100
    assert 5 <= kinds["temporary"] < 25
    assert {grid.kind for grid in grids if grid.days_left} == {"temporary"}
    assert all((grid.days_left or 0) >= 90 for grid in grids if grid.kind == "temporary")
    assert {grid.kind for grid in grids if grid.compounds} == {"general"}
    assert 800 < sum(bool(grid.compounds) for grid in grids) < 1700
    assert 200 < sum(bool(grid.micro_grids) for grid in grids) < 600
    named = Counter((grid.community_code, compound) for grid in grids for compound in grid.compounds)
    assert max(named.values()) == 1
    for grid in grids:
        assert [one.serial for one in grid.micro_grids] == [f"{n:02}" for n in range(1, len(grid.micro_grids) + 1)]


def test_serials_run_from_the_north_west_to_the_south_east() -> None:
    city = whole_city()
    own: defaultdict[str, list[shapely.Point]] = defaultdict(list)
    for grid, cell in zip(city.grids, polygons(city.grids), strict=True):
        if grid.kind == "general":
            own[grid.community_code].append(cell.centroid)
    westward = 0
    for places in own.values():
        northern, southern = places[: len(places) // 2], places[len(places) // 2 :]
        assert sum(one.y for one in northern) / len(northern) > sum(one.y for one in southern) / len(southern)
        westward += places[0].x > places[1].x
    # Rows are told by the middle of the vertices, which may differ from the centre of a grid.
    assert westward <= len(own) // 50


def test_all_that_is_made_up_says_so_and_is_the_same_again() -> None:
    assert {grid.label for grid in whole_city().grids} == {"合成 synthetic"}
    assert one_street.__wrapped__() == one_street()
    assert whole_city.__wrapped__() == whole_city()
    assert [grid.id for grid in other_city().grids] == [grid.id for grid in whole_city().grids]
    assert [person.id for person in one_street(1).people] == [person.id for person in one_street().people]
    assert one_street(1).grids[0].outline != one_street().grids[0].outline


def test_outlines_are_in_the_form_in_which_the_registry_keeps_them() -> None:
    city = whole_city()
    for outline in [one.outline for one in (*city.grids, *city.divisions) if one.outline]:
        assert normal_form(outline) == outline
        assert all(len(set(ring)) == len(ring) - 1 for ring in outline)


# People and offices ------------------------------------------------------------------------------------------------


def team(city: City, role: str) -> dict[str, list[Person]]:
    teams: defaultdict[str, list[Person]] = defaultdict(list)
    for person in city.people:
        for held in person.assignments:
            if held.role == role and held.grid_code is not None:
                teams[held.grid_code].append(person)
    return teams


@every_city
def test_every_grid_has_its_workers_and_one_chief(make) -> None:
    city = make()
    workers, chiefs = team(city, "grid_worker"), team(city, "grid_chief")
    assert set(workers) == set(chiefs) == {grid.code for grid in city.grids}
    assert {len(people) for people in workers.values()} == {2, 3}
    assert {len(people) for people in chiefs.values()} == {1}
    assert {len(person.assignments) for people in chiefs.values() for person in people} == {1, 2}


def test_the_city_has_6060_grid_workers() -> None:
    field = [person for person in whole_city().people if is_field_worker(person)]
    assert len(field) == 6060
    assert {person.role for person in field} == {"grid_worker", "grid_chief", "grid_adviser", "part_time_worker"}
    part_time = [person for person in field if person.employment.kind == "part_time"]
    assert {person.role for person in part_time} == {"part_time_worker"}
    assert 300 < len(part_time) < 600
    counties = {person.assignments[0].division_code for person in part_time}
    assert counties == {county.code for county in by_tier(whole_city(), "county")}


@every_city
def test_people_are_told_apart(make) -> None:
    people = make().people
    assert len({person.name for person in people}) == len(people)
    assert len({person.phone for person in people}) == len(people)
    assert len({person.id for person in people}) == len(people)
    assert all(re.fullmatch(r"1990550\d{4}", person.phone) for person in people)
    assert all(re.fullmatch(r"[一-龥]{2,4}", person.name) for person in people)
    assert len({person.name[0] for person in people}) > 60


@every_city
def test_every_role_of_the_catalogue_is_held_at_a_tier_it_allows(make) -> None:
    city = make()
    tiers = {role.code: set(role.tiers) for role in load().roles}
    divisions = by_code(city)
    for person in city.people:
        for held in person.assignments:
            tier = "grid" if held.grid_code else divisions[held.division_code].tier
            assert tier in tiers[held.role], held
    assert {person.role for person in city.people} == set(tiers)


@every_city
def test_one_login_for_each_role_and_all_of_them_where_the_day_is_played(make) -> None:
    city = make()
    logins = [person for person in city.people if person.has_password]
    assert sorted(person.role for person in logins) == sorted(role.code for role in load().roles)
    held = {person.role: person.assignments[0] for person in logins}
    assert held["grid_worker"].grid_code == held["grid_chief"].grid_code == city.devices[0].grid_codes[0]
    assert held["community"].division_code == held["grid_adviser"].division_code == held["grid_chief"].division_code
    assert held["street"].division_code == held["dispatcher"].division_code == STREET_CODE
    handler = held["department_handler"]
    assert (handler.department, handler.division_code) == ("xiaofang", STREET_CODE)
    assert held["county_centre"].division_code == held["part_time_worker"].division_code == COUNTY_CODE
    for role in ("city_centre", "administrator", "security_administrator", "auditor"):
        assert held[role].division_code == CITY_CODE


@every_city
def test_every_division_has_its_departments_and_somebody_in_each(make) -> None:
    city = make()
    organisations = {(office.department, office.division_code) for office in city.organisations}
    assert len(organisations) == len(city.organisations)
    wanted = {
        (department.code, division.code)
        for department in load().departments
        for division in city.divisions
        if division.tier in department.tiers and (division.tier != "community" or department.code == "shequ")
    }
    assert organisations == wanted
    staffed = {
        (held.department or {"community": "shequ", "street": "jiedao"}.get(held.role), held.division_code)
        for person in city.people
        for held in person.assignments
    }
    assert organisations <= staffed
    assert all("None" not in office.name_zh + office.name_en for office in city.organisations)


def test_every_county_and_zone_is_run_by_somebody() -> None:
    city = whole_city()
    held = {(one.role, one.division_code) for person in city.people for one in person.assignments}
    for county in by_tier(city, "county"):
        for role in ("administrator", "county_centre", "dispatcher", "auditor"):
            assert (role, county.code) in held
    for street in by_tier(city, "street"):
        assert {("street", street.code), ("dispatcher", street.code)} <= held
    for community in by_tier(city, "community"):
        assert {("community", community.code), ("grid_adviser", community.code)} <= held


@every_city
def test_every_reviewer_that_an_item_type_names_can_be_found(make) -> None:
    city = make()
    held = {(one.role, one.department, one.division_code) for person in city.people for one in person.assignments}
    steps = {(step.by, step.tier, item.lead_department) for item in load_items() for step in item.review_by}
    assert len(steps) >= 10
    divisions = by_code(city)
    for community in by_tier(city, "community"):
        street = community.parent or ""
        places = {"community": community.code, "street": street, "county": divisions[street].parent or ""}
        for by, tier, lead in steps:
            if tier != "grid":
                named = lead if by == "lead_department" else by.removeprefix("department:")
                office = by in ("community", "street")
                wanted = (by, None) if office else ("department_handler", named)
                assert (*wanted, places[tier]) in held, (community.name_zh, by, tier)


def load_items():
    return [item for category in load().categories for item in category.items]


# Phones ------------------------------------------------------------------------------------------------------------


@every_city
def test_phones_are_many_and_two_in_every_grid_that_has_any(make) -> None:
    city = make()
    assert 240 <= len(city.devices) == len({device.person_id for device in city.devices}) <= 250
    in_grid = Counter(code for device in city.devices for code in device.grid_codes)
    assert sum(phones >= 2 for phones in in_grid.values()) >= len(in_grid) - 2
    assert Counter(device.role for device in city.devices)["part_time_worker"] >= 10


def test_phones_of_the_whole_city_are_those_of_few_streets() -> None:
    devices = whole_city().devices
    assert len(devices) == 250
    streets = Counter(device.grid_codes[0][:9] for device in devices if device.grid_codes)
    assert set(streets) <= {"341182001", "341102001", "341102006"}
    assert min(streets["341182001"], streets["341102001"]) > 80


@every_city
@pytest.mark.parametrize("count", [10, 20, 40, 60, 200])
def test_the_first_phones_share_grids_too(make, count: int) -> None:
    in_grid = Counter(code for device in make().devices[:count] for code in device.grid_codes)
    shared = [code for code, phones in in_grid.items() if phones >= 2]
    assert len(shared) >= len(in_grid) - 2
    assert len(shared) >= count // 3


# The rest ----------------------------------------------------------------------------------------------------------


def test_legacy_codes_cover_communities_of_the_city() -> None:
    city = whole_city()
    known = {one.code for one in by_tier(city, "community")}
    departments = {department.code for department in load().departments}
    assert len(city.crosswalk) == 91
    assert {row.community_code for row in city.crosswalk} <= known
    assert {row.department for row in city.crosswalk} <= departments
    assert Counter(row.sense for row in city.crosswalk) == {"covers": 88, "one_of": 2, "retired": 1}
    assert sum(row.valid_to is None for row in city.crosswalk) == 2
    assert one_street().crosswalk == ()


def test_made_up_values_are_well_formed() -> None:
    rng = Random(5)
    for _ in range(500):
        assert check_resident_id(names.resident_id(rng, date(1984, 2, 29)), date(2025, 1, 1)) is None
        assert check_credit_code(names.credit_code(rng)) is None
        assert check_plate(names.plate(rng)) is None
        assert check_phone(names.mobile(rng)) is None
        assert re.fullmatch(r"1[3-9]\d{9}", names.mobile(rng))
        assert re.fullmatch(r"[0-9A-Za-z一-龥-]{1,40}", names.unit_no(rng))
        assert len(names.address(rng)) <= 120
    assert int(names.resident_id(rng, date(1990, 1, 1), male=True)[16]) % 2 == 1
    assert int(names.resident_id(rng, date(1990, 1, 1), male=False)[16]) % 2 == 0
