"""Who acts: which person reviews a submission at a level, and in what capacity a person works on a case."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from schemas.catalogue import Department
from schemas.item_type import ItemType, ReviewStep
from sync.access import (
    FIELD_ROLES,
    OFFICE_TIERS,
    Assignment,
    ItemFacts,
    department_of,
    division_prefix,
    may_read,
    readers_of,
    tier_of,
    write_refusal,
)

_LADDER = (("grid_chief", "grid"), *OFFICE_TIERS.items())
_TIER_ORDER = ("grid", "community", "street", "county", "city")

SYSTEM = "system"
"""The role in which the server itself acts."""


class Actor(Struct, frozen=True):
    """Who acts on a case: in which roles, and for which of the organisations that hold it."""

    user_id: UUID | None
    roles: frozenset[str]
    organisation_ids: frozenset[UUID] = frozenset()


def may_review(assignments: Iterable[Assignment], facts: ItemFacts, item_type: ItemType, step: ReviewStep) -> bool:
    """Whether a person's assignments make him the reader who reviews at this step, whoever wrote the item."""
    return any(_reviews(held, facts, item_type, step) for held in assignments)


def review_steps(
    steps: Iterable[ReviewStep],
    authors: Iterable[tuple[Assignment, ...]],
    facts: ItemFacts,
    item_type: ItemType,
    departments: Mapping[str, Department],
) -> tuple[ReviewStep, ...]:
    """The steps of a submission, where nobody meets his own work.

    A step whose reader wrote the item himself goes to the next tier up that may read the type. Where there is
    no such tier the step stays, and another person of the same office takes it.
    """
    held = [one for assignments in authors for one in assignments]
    return tuple([_raised(step, held, facts, item_type, departments) for step in steps])


def case_actor(user_id: UUID, assignments: Iterable[Assignment], facts: ItemFacts, item_type: ItemType) -> Actor:
    """The capacities in which a person may act on the case of an item.

    Grid teams and dispatchers act on what they may read. Offices above decide on a case in their area even
    where its form is not theirs to read. A type that is sent past the desk has its desk at the lead
    department.
    """
    roles: set[str] = set()
    organisations: set[UUID] = set()
    for held in assignments:
        organisations |= _acts_for(held, facts)
        if _acts_in_role(user_id, held, facts, item_type):
            roles.add(held.role)
        if _leads_direct_type(held, facts, item_type):
            roles.add("dispatcher")
    if organisations:
        roles.add("department_handler")
    return Actor(user_id, frozenset(roles), frozenset(organisations))


def first_to_correct(
    candidates: Iterable[tuple[UUID, tuple[Assignment, ...]]], facts: ItemFacts, item_type: ItemType
) -> UUID | None:
    """The first of these people, given with what they are assigned to now, who may correct an item."""
    may = (
        user_id
        for user_id, assignments in candidates
        if write_refusal(user_id, assignments, facts, item_type, "update") is None
    )
    return next(may, None)


def _reviews(held: Assignment, facts: ItemFacts, item_type: ItemType, step: ReviewStep) -> bool:
    if step.by == "grid_chief":
        return held.role == "grid_chief" and facts.grid_id is not None and held.grid_id == facts.grid_id
    if step.by in OFFICE_TIERS:
        in_office = held.role == step.by
    else:
        named = _department_named(step, item_type) if held.role == "department_handler" else None
        in_office = named is not None and held.department == named
    return in_office and held.division is not None and tier_of(held.division) == step.tier and _covers(held, facts)


def _department_named(step: ReviewStep, item_type: ItemType) -> str | None:
    if step.by == "lead_department":
        return item_type.lead_department
    return step.by.removeprefix("department:") if step.by.startswith("department:") else None


def _raised(
    step: ReviewStep,
    held: Sequence[Assignment],
    facts: ItemFacts,
    item_type: ItemType,
    departments: Mapping[str, Department],
) -> ReviewStep:
    while may_review(held, facts, item_type, step):
        higher = _next_tier(step, item_type, departments)
        if higher is None:
            break
        step = higher
    return step


def _next_tier(step: ReviewStep, item_type: ItemType, departments: Mapping[str, Department]) -> ReviewStep | None:
    above = _TIER_ORDER[_TIER_ORDER.index(step.tier) + 1 :]
    department = _department_named(step, item_type)
    if department is not None:
        tiers = departments[department].tiers
        ladder = ((step.by, tier) for tier in above if tier in tiers)
    else:
        readers = readers_of(item_type)
        ladder = ((by, tier) for by, tier in _LADDER if tier in above and by in readers)
    by, tier = next(ladder, (None, None))
    return ReviewStep(level=step.level, by=by, tier=tier) if by and tier else None


def _covers(held: Assignment, facts: ItemFacts) -> bool:
    return held.division is not None and facts.grid_code.startswith(division_prefix(held.division))


def _acts_for(held: Assignment, facts: ItemFacts) -> set[UUID]:
    """The holders that are this assignment's organisation, or lie below it in the same department."""
    department = department_of(held)
    if department is None or held.division is None:
        return set()
    prefix = division_prefix(held.division)
    return {o.id for o in facts.holders if o.department == department and o.division.startswith(prefix)}


def _acts_in_role(user_id: UUID, held: Assignment, facts: ItemFacts, item_type: ItemType) -> bool:
    if held.role in FIELD_ROLES:
        in_grid = facts.grid_id is not None and held.grid_id == facts.grid_id
        return in_grid and may_read(user_id, (held,), facts, item_type)
    if held.role == "dispatcher":
        return _covers(held, facts) and may_read(user_id, (held,), facts, item_type)
    return held.role in OFFICE_TIERS and _covers(held, facts)


def _leads_direct_type(held: Assignment, facts: ItemFacts, item_type: ItemType) -> bool:
    leads = held.role == "department_handler" and held.department == item_type.lead_department
    return leads and item_type.dispatch_by == "direct" and _covers(held, facts)
