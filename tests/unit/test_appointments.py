"""Who may be given which post, rule by rule, and how a list of people is read and checked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from schemas.catalogue import load
from server.errors import CATALOGUE
from sync.access import Assignment
from sync.appointments import (
    Fault,
    GridPlace,
    Ground,
    Post,
    appoint,
    has_ended,
    is_in_sight,
    may_appoint,
    validity,
)
from sync.roster import BadLine, Known, Line, check_roster, read_line

CITY, COUNTY, STREET, COMMUNITY = "341100000000", "341182000000", "341182001000", "341182001001"
ELSEWHERE = "341102000000"
GRID, FAR_GRID = f"{COMMUNITY}001", "341102001002001"
NOW = datetime(2025, 6, 1, 2, tzinfo=UTC)
GROUND = Ground(
    {GRID: GridPlace(UUID(int=1), COMMUNITY), FAR_GRID: GridPlace(UUID(int=2), "341102001002")},
    frozenset({CITY, COUNTY, STREET, COMMUNITY, ELSEWHERE}),
)
CATALOGUE_OF_TYPES = load()


def at(role: str, division: str, **more) -> Assignment:
    return Assignment(role=role, division=division, valid_from=NOW - timedelta(days=9), **more)


ADMINISTRATOR = (at("administrator", COUNTY),)
GUARD = (at("security_administrator", CITY),)


def post(role: str, **given) -> Post:
    return Post(role=role, **{"valid_from": NOW, **given})


def outcome(wish: Post, ever=(), by=ADMINISTRATOR) -> str:
    placed = appoint(wish, ever, by, GROUND, CATALOGUE_OF_TYPES)
    return placed.code if isinstance(placed, Fault) else "appointed"


@pytest.mark.parametrize(
    ("role", "place", "expected"),
    [
        ("grid_worker", {"grid": GRID}, "appointed"),
        ("grid_chief", {"grid": GRID}, "appointed"),
        ("grid_adviser", {"grid": GRID}, "appointed"),
        ("grid_adviser", {"division": COMMUNITY}, "appointed"),
        ("part_time_worker", {"division": COUNTY}, "appointed"),
        ("community", {"division": COMMUNITY}, "appointed"),
        ("street", {"division": STREET}, "appointed"),
        ("county_centre", {"division": COUNTY}, "appointed"),
        ("dispatcher", {"division": STREET}, "appointed"),
        ("dispatcher", {"division": COUNTY}, "appointed"),
        ("department_handler", {"division": COUNTY, "department": "shuili"}, "appointed"),
        ("department_handler", {"division": STREET, "department": "jiedao"}, "appointed"),
        ("department_handler", {"division": COMMUNITY, "department": "shequ"}, "appointed"),
        ("mayor", {"division": COUNTY}, "role_unknown"),
        ("grid_worker", {"division": COMMUNITY}, "place_unsuitable"),
        ("grid_worker", {}, "place_unsuitable"),
        ("grid_worker", {"grid": GRID, "division": COMMUNITY}, "place_unsuitable"),
        ("grid_adviser", {"division": STREET}, "place_unsuitable"),
        ("part_time_worker", {"division": STREET}, "place_unsuitable"),
        ("community", {"division": STREET}, "place_unsuitable"),
        ("community", {"grid": GRID}, "place_unsuitable"),
        ("dispatcher", {"division": COMMUNITY}, "place_unsuitable"),
        ("grid_worker", {"grid": "341182001001999"}, "grid_unknown"),
        ("street", {"division": "341182999000"}, "division_unknown"),
        ("department_handler", {"division": COUNTY}, "department_unsuitable"),
        ("department_handler", {"division": STREET, "department": "shuili"}, "department_unsuitable"),
        ("department_handler", {"division": COUNTY, "department": "jiedao"}, "department_unsuitable"),
        ("department_handler", {"division": COUNTY, "department": "magic"}, "department_unsuitable"),
        ("grid_worker", {"grid": GRID, "department": "gongan"}, "department_unsuitable"),
        ("street", {"division": STREET, "department": "gongan"}, "department_unsuitable"),
    ],
)
def test_a_post_has_to_fit_its_role(role, place, expected) -> None:
    assert outcome(post(role, **place)) == expected


@pytest.mark.parametrize("role", ["administrator", "security_administrator", "auditor"])
def test_who_watches_is_appointed_by_a_security_administrator_alone(role) -> None:
    wish = post(role, division=CITY)
    assert outcome(wish, by=(at("administrator", CITY),)) == "role_not_yours"
    assert outcome(wish, by=GUARD) == "appointed"
    assert outcome(post("grid_worker", grid=GRID), by=GUARD) == "role_not_yours"


def test_what_lies_outside_is_as_unknown_as_what_does_not_exist() -> None:
    assert outcome(post("grid_worker", grid=FAR_GRID)) == "grid_unknown"
    assert outcome(post("county_centre", division=ELSEWHERE)) == "division_unknown"
    assert outcome(post("city_centre", division=CITY)) == "division_unknown"
    assert outcome(post("city_centre", division=CITY), by=(at("administrator", CITY),)) == "appointed"
    assert not may_appoint((at("county_centre", COUNTY),), "grid_worker", COMMUNITY)


def test_nobody_holds_a_post_twice_at_once() -> None:
    held = Assignment(
        role="grid_worker",
        grid_id=UUID(int=1),
        division=COMMUNITY,
        valid_from=NOW - timedelta(days=9),
        valid_to=NOW + timedelta(days=1),
    )
    same = {"grid": GRID}
    assert outcome(post("grid_worker", **same), [held]) == "assignment_overlaps"
    assert outcome(post("grid_worker", **same, valid_from=NOW + timedelta(days=1)), [held]) == "appointed"
    before = {"valid_from": NOW - timedelta(days=20), "valid_to": NOW - timedelta(days=9)}
    assert outcome(post("grid_worker", **same, **before), [held]) == "appointed"
    assert outcome(post("grid_chief", **same), [held]) == "appointed"
    taken_back = Assignment(role="grid_worker", grid_id=UUID(int=1), valid_from=NOW, valid_to=NOW)
    assert outcome(post("grid_worker", **same, valid_from=NOW - timedelta(days=1)), [taken_back]) == "appointed"


def test_one_place_may_have_a_handler_in_two_departments() -> None:
    held = at("department_handler", COUNTY, department="gongan")
    assert outcome(post("department_handler", division=COUNTY, department="gongan"), [held]) == "assignment_overlaps"
    assert outcome(post("department_handler", division=COUNTY, department="sifa"), [held]) == "appointed"


def test_days_are_those_of_the_city_and_the_last_one_counts() -> None:
    begins, ends = validity(date(2025, 3, 1), date(2025, 3, 31), NOW)
    assert begins == datetime(2025, 2, 28, 16, tzinfo=UTC)
    assert ends == datetime(2025, 3, 31, 16, tzinfo=UTC)
    assert validity(None, None, NOW) == (NOW, None)
    assert outcome(post("grid_worker", grid=GRID, valid_from=begins, valid_to=begins)) == "validity_empty"


def test_a_person_is_seen_where_he_works_or_worked_last() -> None:
    here = at("grid_worker", COMMUNITY)
    gone = at("grid_worker", COMMUNITY, valid_to=NOW - timedelta(days=1))
    there = at("grid_worker", "341102001002")
    assert is_in_sight(ADMINISTRATOR, [here, there], NOW)
    assert is_in_sight(ADMINISTRATOR, [gone], NOW)
    assert not is_in_sight(ADMINISTRATOR, [gone, there], NOW)
    assert is_in_sight(ADMINISTRATOR, [], NOW)
    assert not is_in_sight((at("county_centre", COUNTY),), [here], NOW)


def test_an_assignment_that_was_taken_back_before_it_began_has_ended() -> None:
    coming = at("grid_worker", COMMUNITY)
    assert not has_ended(coming, NOW)
    begins = NOW + timedelta(days=5)
    assert has_ended(Assignment(role="grid_worker", valid_from=begins, valid_to=begins), NOW)


# Lists -----------------------------------------------------------------------------------------------------


def cells(**given: str) -> dict[str, str]:
    return {"phone": "13800000021", "name": "王芳", **given}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"phone": "1.38E+10"}, Fault("phone_invalid", "phone")),
        ({"phone": "12800000021"}, Fault("phone_invalid", "phone")),
        ({"phone": ""}, Fault("phone_invalid", "phone")),
        ({"name": " "}, Fault("name_invalid", "name")),
        ({"name": "王\x1b芳"}, Fault("name_invalid", "name")),
        ({"name": "王" * 51}, Fault("name_invalid", "name")),
        ({"role": "grid_worker", "valid_from": "01.03.2025"}, Fault("date_invalid", "valid_from")),
        ({"role": "grid_worker", "valid_to": "2025-02-30"}, Fault("date_invalid", "valid_to")),
    ],
)
def test_a_line_that_cannot_be_read_says_why(given, fault) -> None:
    assert read_line(7, cells(**given), NOW) == BadLine(7, fault)


def test_a_line_is_trimmed_and_takes_both_ways_of_writing_a_day() -> None:
    line = read_line(2, cells(phone=" 13800000021 ", role="grid_worker", grid=GRID, valid_from="2025/3/1"), NOW)
    assert isinstance(line, Line)
    assert (line.phone, line.name) == ("13800000021", "王芳")
    assert line.post is not None
    assert line.post.valid_from == datetime(2025, 2, 28, 16, tzinfo=UTC)
    alone = read_line(2, cells(), NOW)
    assert isinstance(alone, Line)
    assert alone.post is None


def checked(*lines: dict[str, str], known: dict[str, Known] | None = None):
    read = [read_line(row, one, NOW) for row, one in enumerate(lines, 2)]
    good = [one for one in read if isinstance(one, Line)]
    assert len(good) == len(read)
    return check_roster(good, known or {}, ADMINISTRATOR, GROUND, CATALOGUE_OF_TYPES, NOW)


def test_lines_of_one_number_are_one_person_with_several_posts() -> None:
    worker = cells(role="grid_worker", grid=GRID)
    roster, bad = checked(worker, cells(role="grid_chief", grid=GRID))
    assert bad == []
    assert roster.names == {"13800000021": "王芳"}
    assert [placed.role for _, placed in roster.assignments] == ["grid_worker", "grid_chief"]
    assert checked(worker, worker)[1] == [BadLine(3, Fault("assignment_overlaps", "role"))]
    other_name = cells(name="王方", role="grid_chief", grid=GRID)
    assert checked(worker, other_name)[1] == [BadLine(3, Fault("name_differs", "name"))]


def test_who_is_known_gets_posts_under_his_own_name_only() -> None:
    here, there = (at("grid_chief", COMMUNITY),), (at("grid_chief", "341102001002"),)
    line = cells(role="grid_worker", grid=GRID)
    roster, bad = checked(line, known={"13800000021": Known("王芳", here)})
    assert (bad, roster.names, len(roster.assignments)) == ([], {}, 1)
    for known, fault in [
        (Known("王方", here), Fault("name_differs", "name")),
        (Known("王方", there), Fault("phone_taken", "phone")),
        (Known("王芳", here, is_appointer=True), Fault("own_appointment", "phone")),
    ]:
        assert checked(line, known={"13800000021": known})[1] == [BadLine(2, fault)]


def test_every_fault_has_words() -> None:
    from typing import get_args

    from sync.appointments import FaultCode

    assert set(get_args(FaultCode)) <= CATALOGUE.keys()
