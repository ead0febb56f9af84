"""Reading grants against an oracle that reads the catalogue's words one reader at a time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas.catalogue import document, item_types, load
from sync.access import (
    Assignment,
    Grant,
    ItemFacts,
    Organisation,
    may_read,
    reaches,
    reading_grants,
)

TYPES = item_types(load())
RAW = {item["code"]: item for category in msgspec.json.decode(document())["categories"] for item in category["items"]}
START = datetime(2025, 1, 1, tzinfo=UTC)

USERS = [UUID(int=n) for n in range(1, 4)]
GRIDS = {
    UUID(int=100): "341102001002001",
    UUID(int=101): "341102001002002",
    UUID(int=102): "341102001003001",
    UUID(int=103): "341102002001001",
    UUID(int=104): "341103001001001",
    UUID(int=105): "341102010010001",
    UUID(int=106): "341102010011001",
}
# Each division with the digits that the codes inside it begin with, written out by hand.
DIVISIONS = {
    "341100000000": "3411",
    "341102000000": "341102",
    "341103000000": "341103",
    "341102001000": "341102001",
    "341102002000": "341102002",
    "341102010000": "341102010",
    "341102001002": "341102001002",
    "341102010010": "341102010010",
}
DEPARTMENTS = ["gongan", "sifa", "zhengfawei", "xinfang", "fulian", "minzheng", "shequ", "jiedao", "xiaofang"]
ROLES = [
    "grid_worker",
    "grid_chief",
    "grid_adviser",
    "part_time_worker",
    "community",
    "street",
    "county_centre",
    "city_centre",
    "dispatcher",
    "department_handler",
    "administrator",
    "security_administrator",
    "auditor",
]


@st.composite
def assignments(draw: st.DrawFn) -> Assignment:
    role = draw(st.sampled_from(ROLES))
    division = draw(st.sampled_from(list(DIVISIONS)))
    if role in ("grid_worker", "grid_chief") or (role == "grid_adviser" and draw(st.booleans())):
        grid = draw(st.sampled_from(list(GRIDS)))
        return Assignment(role=role, grid_id=grid, division=GRIDS[grid][:12], valid_from=START)
    department = draw(st.sampled_from(DEPARTMENTS)) if role == "department_handler" else None
    return Assignment(role=role, division=division, department=department, valid_from=START)


organisations = st.builds(
    Organisation,
    id=st.uuids(),
    department=st.sampled_from(DEPARTMENTS),
    division=st.sampled_from(list(DIVISIONS)),
)


@st.composite
def items(draw: st.DrawFn) -> ItemFacts:
    grid = draw(st.sampled_from([*GRIDS, None]))
    return ItemFacts(
        type=draw(st.sampled_from(sorted(TYPES))),
        grid_id=grid,
        grid_code=GRIDS[grid] if grid else "",
        author_id=draw(st.sampled_from(USERS)),
        holders=tuple(draw(st.lists(organisations, max_size=2))),
    )


def inside(division: str | None, code: str) -> bool:
    return division in DIVISIONS and code.startswith(DIVISIONS[division])


def office_department(one: Assignment) -> str | None:
    return {"department_handler": one.department, "community": "shequ", "street": "jiedao"}.get(one.role)


def may_be_sent(department: str | None, rules: dict[str, Any], readers: list[str]) -> bool:
    """Whoever may be sent a case of this type is named by its readers, as a department or as whoever holds it."""
    if "restricted_to" in rules and department not in rules["restricted_to"]:
        return False
    return (
        "routed_department" in readers
        or f"department:{department}" in readers
        or ("lead_department" in readers and department == rules["lead_department"])
        or ("assist_departments" in readers and department in rules["assist_departments"])
    )


def holds(one: Assignment, facts: ItemFacts, rules: dict[str, Any], readers: list[str]) -> bool:
    """A case is read by those who hold it, wherever it lies."""
    department = office_department(one)
    if not may_be_sent(department, rules, readers):
        return False
    return any(o.department == department and inside(one.division, o.division) for o in facts.holders)


def as_department(one: Assignment, facts: ItemFacts, rules: dict[str, Any], *wanted: str) -> bool:
    if one.role != "department_handler" or one.department not in wanted:
        return False
    if "restricted_to" in rules and one.department not in rules["restricted_to"]:
        return False
    return inside(one.division, facts.grid_code)


def is_reader(reader: str, user: UUID, one: Assignment, facts: ItemFacts, rules: dict[str, Any]) -> bool:
    """One sentence of `audience_readers` at a time."""
    if reader == "author":
        return facts.author_id == user and one.role not in ("administrator", "security_administrator", "auditor")
    if reader in ("grid_workers", "grid_chief"):
        role = {"grid_workers": "grid_worker", "grid_chief": "grid_chief"}[reader]
        return one.role == role and facts.grid_id is not None and one.grid_id == facts.grid_id
    if reader == "grid_adviser" and one.grid_id is not None:
        return one.role == reader and one.grid_id == facts.grid_id
    if reader in ("community", "street", "dispatcher", "grid_adviser", "county_centre", "city_centre"):
        return one.role == reader and inside(one.division, facts.grid_code)
    if reader == "lead_department":
        return as_department(one, facts, rules, rules["lead_department"])
    if reader == "assist_departments":
        return as_department(one, facts, rules, *rules["assist_departments"])
    if reader == "routed_department":
        return False
    return as_department(one, facts, rules, reader.removeprefix("department:"))


TEAM_AND_OFFICES = [
    "grid_workers",
    "grid_chief",
    "grid_adviser",
    "community",
    "street",
    "county_centre",
    "city_centre",
    "dispatcher",
    "routed_department",
]


def oracle(user: UUID, held: list[Assignment], facts: ItemFacts) -> bool:
    rules = RAW[facts.type]
    readers = list(rules["readers"]) if rules["audience"] == "need_to_know" else list(TEAM_AND_OFFICES)
    if rules["audience"] == "grid" and rules["kind"] == "event":
        readers.append("author")
    for one in held:
        if one.role == "part_time_worker":
            if rules["part_time"] == "report_only" and facts.author_id == user:
                return True
        elif holds(one, facts, rules, readers) or any(is_reader(reader, user, one, facts, rules) for reader in readers):
            return True
    return False


def granted(grants: tuple[Grant, ...], facts: ItemFacts) -> bool:
    """As a list in SQL filters: the type, then each condition that is given."""
    return any(facts.type in grant.types and reaches(grant.reach, facts) for grant in grants)


@settings(max_examples=1500, deadline=None)
@given(user=st.sampled_from(USERS), held=st.lists(assignments(), max_size=3), facts=items())
def test_lists_pages_and_the_words_of_the_catalogue_agree(user: UUID, held: list[Assignment], facts: ItemFacts) -> None:
    expected = oracle(user, held, facts)
    event(f"readable: {expected}")
    assert may_read(user, held, facts, TYPES[facts.type]) == expected
    assert granted(reading_grants(user, held, TYPES.values()), facts) == expected
