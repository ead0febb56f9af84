"""Who reads and writes what, in cases told one by one."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from schemas.catalogue import item_types, load
from sync.access import (
    Assignment,
    ItemFacts,
    Organisation,
    assignments_at,
    device_streams,
    division_prefix,
    may_hold,
    may_read,
    reading_grants,
    tier_of,
    write_refusal,
)

TYPES = item_types(load())
JANUARY, JUNE = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)
HERE, NEXT_DOOR = UUID(int=10), UUID(int=11)
CODES = {HERE: "341102001002001", NEXT_DOOR: "341102001002002"}
STREET, COUNTY, CITY = "341102001000", "341102000000", "341100000000"


def in_grid(role: str, grid: UUID = HERE) -> Assignment:
    return Assignment(role=role, grid_id=grid, division=CODES[grid][:12], valid_from=JANUARY)


def at_desk(role: str, division: str, department: str | None = None) -> Assignment:
    return Assignment(role=role, division=division, department=department, valid_from=JANUARY)


def item(code: str, author: UUID = OTHER, grid: UUID | None = HERE, *holders: Organisation) -> ItemFacts:
    return ItemFacts(type=code, grid_id=grid, grid_code=CODES[grid] if grid else "", author_id=author, holders=holders)


WORKER, CHIEF = in_grid("grid_worker"), in_grid("grid_chief")
COURIER = at_desk("part_time_worker", COUNTY)


def reads(held: Assignment, facts: ItemFacts) -> bool:
    return may_read(ME, (held,), facts, TYPES[facts.type])


def refused(held: Assignment, facts: ItemFacts, operation: str) -> str | None:
    return write_refusal(ME, (held,), facts, TYPES[facts.type], operation)  # type: ignore[arg-type]


def test_validity_is_half_open() -> None:
    ended = Assignment(role="grid_worker", grid_id=HERE, valid_from=JANUARY, valid_to=JUNE)
    assert assignments_at([ended], JANUARY) == (ended,)
    assert assignments_at([ended], JUNE) == ()


@pytest.mark.parametrize(
    ("division", "prefix", "tier"),
    [
        ("341100000000", "3411", "city"),
        ("341102000000", "341102", "county"),
        ("341102010000", "341102010", "street"),
        ("341102010010", "341102010010", "community"),
    ],
)
def test_a_division_is_a_prefix_of_its_codes(division: str, prefix: str, tier: str) -> None:
    assert (division_prefix(division), tier_of(division)) == (prefix, tier)


@pytest.mark.parametrize("role", ["administrator", "security_administrator", "auditor"])
def test_administration_reads_no_business_content(role: str) -> None:
    held = at_desk(role, CITY)
    assert reading_grants(ME, (held,), TYPES.values()) == ()
    assert not any(reads(held, item(code, author=ME)) for code in TYPES)


def test_a_courier_sees_his_own_open_reports_and_nothing_else() -> None:
    assert reads(COURIER, item("0604", author=ME))
    assert not reads(COURIER, item("0604"))
    assert not reads(COURIER, item("0101", author=ME))


def test_a_tip_is_read_by_the_police_the_committee_and_its_author_only() -> None:
    tip = item("0204")
    readers = {
        (role, department)
        for role, department in [
            ("grid_worker", None),
            ("grid_chief", None),
            ("community", None),
            ("county_centre", None),
            ("dispatcher", None),
            ("department_handler", "gongan"),
            ("department_handler", "zhengfawei"),
            ("department_handler", "shijian"),
        ]
        if reads(
            CHIEF if role == "grid_chief" else WORKER if role == "grid_worker" else at_desk(role, COUNTY, department),
            tip,
        )
    }
    assert readers == {("department_handler", "gongan"), ("department_handler", "zhengfawei")}
    assert reads(WORKER, item("0204", author=ME))


def test_only_the_department_that_holds_an_open_case_reads_it() -> None:
    fire = Organisation(UUID(int=50), "xiaofang", COUNTY)
    handler = at_desk("department_handler", COUNTY, "xiaofang")
    assert not reads(handler, item("0401"))
    assert reads(handler, item("0401", OTHER, HERE, fire))
    assert not reads(at_desk("department_handler", STREET, "xiaofang"), item("0401", OTHER, HERE, fire))


def test_restricted_types_stay_with_their_departments_even_when_held() -> None:
    market = Organisation(UUID(int=51), "shijian", COUNTY)
    assert not reads(at_desk("department_handler", COUNTY, "shijian"), item("0204", OTHER, HERE, market))
    assert not may_hold(TYPES["0204"], "shijian")
    assert may_hold(TYPES["0703"], "jiaoyu")
    assert may_hold(TYPES["0401"], "shijian")
    assert not may_hold(TYPES["0502"], "gongan")


def test_restriction_goes_before_readers() -> None:
    narrowed = replace(TYPES["0501"], restricted_to=("sifa",))
    police = at_desk("department_handler", COUNTY, "gongan")
    justice = at_desk("department_handler", COUNTY, "sifa")
    held = item("0501", OTHER, HERE, Organisation(UUID(int=52), "gongan", COUNTY))
    assert reads(police, held)
    assert not may_read(ME, (police,), held, narrowed)
    assert may_read(ME, (justice,), held, narrowed)
    assert not may_read(ME, (justice,), held, replace(narrowed, restricted_to=("gongan",)))


def test_an_adviser_of_one_grid_does_not_read_its_neighbour() -> None:
    adviser = in_grid("grid_adviser")
    assert reads(adviser, item("0604"))
    assert not reads(adviser, item("0604", grid=NEXT_DOOR))
    assert reads(at_desk("grid_adviser", CODES[HERE][:12]), item("0604", grid=NEXT_DOOR))
    assert not reads(adviser, item("0501"))


def test_phones_carry_the_streams_of_their_grids() -> None:
    assert device_streams(ME, (WORKER,)) == [f"grid/{HERE}", f"own/{ME}"]
    assert device_streams(ME, (CHIEF,)) == [f"grid/{HERE}", f"own/{ME}", f"restricted/{HERE}"]
    assert device_streams(ME, (COURIER,)) == [f"own/{ME}"]
    assert device_streams(ME, (at_desk("street", STREET),)) == [f"own/{ME}"]


def test_records_are_written_in_assigned_grids_only() -> None:
    for operation in ("create", "update", "delete"):
        assert refused(WORKER, item("0101"), operation) is None
        assert refused(in_grid("grid_worker", NEXT_DOOR), item("0101", author=ME), operation) == "out_of_scope"
        assert refused(COURIER, item("0101"), operation) == "role_may_not_write"
        assert refused(WORKER, item("0101", grid=None), operation) == "out_of_scope"


def test_events_are_reported_anywhere_in_the_county() -> None:
    far = ItemFacts(type="0604", grid_id=UUID(int=99), grid_code="341103001001001", author_id=ME)
    assert refused(in_grid("grid_worker", NEXT_DOOR), item("0501", author=ME), "create") is None
    assert refused(WORKER, far, "create") == "out_of_scope"
    assert refused(COURIER, item("0604", author=ME), "create") is None
    assert refused(COURIER, far, "create") == "out_of_scope"
    assert refused(COURIER, item("0501", author=ME), "create") == "role_may_not_write"


def test_events_are_corrected_by_their_author_or_the_team_that_reads_them_and_never_deleted() -> None:
    assert refused(WORKER, item("0604"), "update") is None
    assert refused(in_grid("grid_worker", NEXT_DOOR), item("0604"), "update") == "out_of_scope"
    assert refused(in_grid("grid_worker", NEXT_DOOR), item("0604", author=ME), "update") is None
    assert refused(WORKER, item("0501"), "update") == "out_of_scope"
    assert refused(CHIEF, item("0501"), "update") is None
    assert refused(COURIER, item("0604"), "update") == "out_of_scope"
    assert refused(CHIEF, item("0604", author=ME), "delete") == "delete_not_allowed"


@pytest.mark.parametrize("role", ["grid_adviser", "community", "dispatcher", "department_handler", "auditor"])
def test_advisers_and_offices_do_not_write_from_devices(role: str) -> None:
    held = at_desk(role, CODES[HERE][:12], "gongan" if role == "department_handler" else None)
    assert refused(held, item("0604", author=ME), "create") == "role_may_not_write"
    assert refused(held, item("0101", author=ME), "update") == "role_may_not_write"
