"""What an item's own values decide: urgency, department, dispatch, review and photos, by its type's rules."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from schemas.item_type import Condition, Effect, ItemType, Review, ReviewEffect, ReviewStep, Rule

Fields = Mapping[str, object]

_NO_EFFECT: Final = Effect()


class Ruling(Struct, frozen=True, gc=False):
    """How a report goes on.

    `department`: the function that takes the case, should there be one. `dispatch`: whether there is one, once
    the review order allows. `fixed_on_site`: the author closes in one step, with photos of before and after.
    """

    urgency: str
    department: str
    dispatch: bool
    review: Review
    review_by: tuple[ReviewStep, ...]
    fixed_on_site: bool


def apply_rules(item_type: ItemType, fields: Fields, claimed_urgency: str | None) -> Ruling:
    """The ruling on these fields. Rules are read in order; a later match overrides an earlier one per key.

    A claimed urgency counts where the type allows it; otherwise the type's default does. Rules override both.
    """
    effect = _combined(item_type.rules, fields)
    raised = [one.then for one in item_type.review_raise if holds(one.when, fields)]
    review: ItemType | ReviewEffect = raised[-1] if raised else item_type
    fixed = is_fixed_on_site(item_type, fields)
    return Ruling(
        urgency=_urgency(item_type, effect.urgency, claimed_urgency),
        department=effect.route_to or item_type.lead_department,
        dispatch=not fixed and _has_case(item_type, effect.dispatch),
        review=review.review,
        review_by=review.review_by,
        fixed_on_site=fixed,
    )


def ruled_urgency(item_type: ItemType, fields: Fields, claimed_urgency: str | None) -> str:
    """The urgency of the ruling alone."""
    ruled: str | None = None
    for rule in item_type.rules:
        if rule.then.urgency and holds(rule.when, fields):
            ruled = rule.then.urgency
    return _urgency(item_type, ruled, claimed_urgency)


def is_fixed_on_site(item_type: ItemType, fields: Fields) -> bool:
    """Whether the author closes in one step."""
    fix = item_type.photo.on_site_fix
    return fix is not None and fields.get(fix.field) is True


def ruled_by_urgency_alone(item_type: ItemType) -> bool:
    """Whether the claimed urgency is all that the ruling on an item of this type may depend on."""
    return not (item_type.rules or item_type.review_raise or item_type.photo.on_site_fix)


def holds(condition: Condition, fields: Fields) -> bool:
    """Whether a condition is true of these fields; an empty field satisfies none."""
    if condition.all:
        return all(holds(part, fields) for part in condition.all)
    value, wanted = fields.get(condition.field or ""), condition.value
    if value is None:
        return False
    if condition.op == "eq":
        return type(value) is type(wanted) and value == wanted
    options = wanted if isinstance(wanted, tuple) else ()
    if condition.op == "in":
        return value in options
    return isinstance(value, list | tuple) and any(option in options for option in value)


def photos_needed(item_type: ItemType, urgency: str, fixed_on_site: bool, role: Literal["report", "close"]) -> int:
    """How many photos of a role an item needs: `report` before it is sent, `close` before it is closed.

    What was fixed on the spot needs its own numbers too, since nobody else will see it.
    """
    photo = item_type.photo
    least = photo.close_min
    if role == "report":
        least = photo.report_min_by_urgency.get(urgency, photo.report_min)
    if not fixed_on_site or photo.on_site_fix is None:
        return least
    fix = photo.on_site_fix
    return max(least, fix.report_min if role == "report" else fix.close_min)


def photos_there(item_type: ItemType, ruling: Ruling, of_report: int, of_work: int) -> bool:
    """Whether no verified photo is lacking that approval needs; work that was fixed on the spot needs its own too."""
    urgency, fixed = ruling.urgency, ruling.fixed_on_site
    after = photos_needed(item_type, urgency, fixed, "close") if fixed else 0
    return of_report >= photos_needed(item_type, urgency, fixed, "report") and of_work >= after


def _combined(rules: Sequence[Rule], fields: Fields) -> Effect:
    if not rules:
        return _NO_EFFECT
    dispatch, urgency, route_to = None, None, None
    for rule in rules:
        if holds(rule.when, fields):
            effect = rule.then
            dispatch = dispatch if effect.dispatch is None else effect.dispatch
            urgency = effect.urgency or urgency
            route_to = effect.route_to or route_to
    return Effect(dispatch=dispatch, urgency=urgency, route_to=route_to)


def _urgency(item_type: ItemType, ruled: str | None, claimed: str | None) -> str:
    allowed = item_type.urgency.allowed
    if ruled in allowed:
        return ruled
    return claimed if claimed in allowed else item_type.urgency.default


def _has_case(item_type: ItemType, ruled: bool | None) -> bool:
    if item_type.dispatch_by == "none" or item_type.kind == "record":
        return False
    return item_type.flow == "dispatch" if ruled is None else ruled
