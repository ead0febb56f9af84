"""The nearest organisation up the division tree, statistical zones included."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from schemas.catalogue import item_types, load
from sync.access import Assignment, ItemFacts, Organisation, may_read
from sync.routing import Above, ladder, nearest

CITY, LANGYA, NANQIAO, ZONE = "341100000000", "341102000000", "341103000000", "341171000000"
STREET, COMMUNITY = "341102001000", "341102001002"
ZONE_STREET, ZONE_COMMUNITY = "341171001000", "341171001001"
OTHER_STREET, OTHER_COMMUNITY = "341171002000", "341171002001"
TREE = {
    CITY: Above(None),
    LANGYA: Above(CITY),
    NANQIAO: Above(CITY),
    ZONE: Above(CITY, host_county=NANQIAO),
    STREET: Above(LANGYA),
    COMMUNITY: Above(STREET),
    ZONE_STREET: Above(ZONE),
    ZONE_COMMUNITY: Above(ZONE_STREET),
    OTHER_STREET: Above(ZONE, host_county=LANGYA),
    OTHER_COMMUNITY: Above(OTHER_STREET),
}


def office(department: str, division: str) -> Organisation:
    return Organisation(UUID(int=int(division)), department, division)


@pytest.mark.parametrize(
    ("division", "steps"),
    [
        (COMMUNITY, (COMMUNITY, STREET, LANGYA, CITY)),
        (ZONE_COMMUNITY, (ZONE_COMMUNITY, ZONE_STREET, ZONE, NANQIAO, CITY)),
        (OTHER_COMMUNITY, (OTHER_COMMUNITY, OTHER_STREET, ZONE, LANGYA, CITY)),
        (CITY, (CITY,)),
        ("999999999999", ()),
        (None, ()),
    ],
)
def test_a_ladder_leads_to_the_city_and_past_a_zones_host(division, steps) -> None:
    assert ladder(division, TREE) == steps


def test_a_host_that_lies_on_the_way_is_no_detour() -> None:
    tree = TREE | {STREET: Above(LANGYA, host_county=LANGYA)}
    assert ladder(COMMUNITY, tree) == (COMMUNITY, STREET, LANGYA, CITY)


def test_a_broken_tree_ends_the_ladder_and_a_circle_is_walked_once() -> None:
    assert ladder("1", {"1": Above("2"), "2": Above("1")}) == ("1", "2")
    assert ladder(ZONE, {ZONE: Above(CITY, NANQIAO)}) == (ZONE, NANQIAO)


@pytest.mark.parametrize(
    ("standing_at", "chosen"),
    [
        ([ZONE_STREET, ZONE, NANQIAO, CITY], ZONE_STREET),
        ([ZONE, NANQIAO, CITY], ZONE),
        ([LANGYA, NANQIAO, CITY], NANQIAO),
        ([LANGYA, CITY], CITY),
        ([LANGYA], None),
    ],
)
def test_a_zone_has_its_own_office_or_its_hosts_or_the_citys(standing_at, chosen) -> None:
    known = [office("gongan", one) for one in standing_at] + [office("xiaofang", ZONE_COMMUNITY)]
    found = nearest(known, "gongan", ladder(ZONE_COMMUNITY, TREE))
    assert (found and found.division) == chosen


def test_an_office_of_a_neighbouring_street_is_never_near() -> None:
    known = [office("gongan", OTHER_STREET), office("gongan", CITY)]
    found = nearest(known, "gongan", ladder(ZONE_COMMUNITY, TREE))
    assert found == office("gongan", CITY)


@pytest.mark.parametrize("item_type", [one for one in item_types(load()).values() if one.kind == "event"])
def test_a_host_countys_office_reads_in_the_zone_what_it_holds_and_nothing_else(item_type) -> None:
    department = item_type.lead_department
    handler = Assignment(
        role="department_handler", division=NANQIAO, department=department, valid_from=datetime(2025, 1, 1, tzinfo=UTC)
    )
    facts = {"type": item_type.code, "grid_id": UUID(int=9), "grid_code": f"{ZONE_COMMUNITY}001"}
    held = ItemFacts(**facts, author_id=UUID(int=2), holders=(office(department, NANQIAO),))
    unheld = ItemFacts(**facts, author_id=UUID(int=2))
    assert may_read(UUID(int=1), (handler,), held, item_type)
    assert not may_read(UUID(int=1), (handler,), unheld, item_type)
