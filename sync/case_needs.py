"""What an action on a case needs before it may be done: one check per need of the table."""

from collections.abc import Callable

from sync.access import may_hold
from sync.case_state import CaseState, Circumstances, Given, next_tier, overdue, photo_needs
from sync.case_table import Need, Transition
from sync.refusal import Refusal, late_transition


def first_lacking(case: CaseState, line: Transition, circumstances: Circumstances, given: Given) -> Refusal | None:
    """The first need of a transition that is not met, as a refusal."""
    found = (_CHECKS[need](case, circumstances, given) for need in line.needs)
    return next((refusal for refusal in found if refusal is not None), None)


def _lacks_review(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    """Normal cases wait for their review; critical and urgent ones are dispatched first."""
    first = circumstances.catalogue.review_rules.order[case.urgency] == "review_first"
    return _lacks_approval(case, circumstances, given) if first else None


def _lacks_approval(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    if circumstances.review_approved:
        return None
    return Refusal(
        "review_pending",
        "上报尚未审核通过,请先审核。",
        "The report is not approved yet; have it reviewed first.",
    )


def _lacks_photos(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    waived = (given.waiver or case.waiver or "").strip()
    if waived or not photos_lacking(case, circumstances):
        return None
    return Refusal(
        "evidence_not_verified",
        "所需照片尚未核验;确无法提供的,请写明免交原因。",
        "A needed photo is not verified; wait for it, or waive it with a reason.",
    )


def photos_lacking(case: CaseState, circumstances: Circumstances, fixed_on_site: bool = False) -> bool:
    """Whether photos that closing needs are not verified yet."""
    needs = photo_needs(circumstances.item_type, case.urgency, fixed_on_site)
    return circumstances.report_verified < needs.report or circumstances.close_verified < needs.close


def _lacks_note(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    if (given.note or "").strip():
        return None
    return Refusal("note_needed", "请写明原因。", "Say why, in a note.", field="note")


def _lacks_organisation(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    chosen = given.organisation
    if chosen is not None and may_hold(circumstances.item_type, chosen.department):
        return None
    return Refusal(
        "organisation_unsuitable",
        "请选择可以办理该事项的单位。",
        "Choose an organisation that may handle this type.",
        field="organisation",
    )


def _lacks_until(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    latest = max(case.handle_by or circumstances.now, circumstances.now)
    if given.until is not None and given.until > latest:
        return None
    return Refusal("parameter_invalid", "新时限须晚于原时限。", "The new deadline must be later.", field="until")


def _lacks_urgency(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    if given.urgency in circumstances.item_type.urgency.allowed:
        return None
    return Refusal("parameter_invalid", "该事项没有这个紧急程度。", "This type has no such urgency.", field="urgency")


def _not_overdue(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    if overdue(case, circumstances.now) and next_tier(case) is not None:
        return None
    return Refusal("not_overdue", "案件未超期,或已升级至市级。", "The case is not overdue, or already with the city.")


def _not_direct(case: CaseState, circumstances: Circumstances, given: Given) -> Refusal | None:
    return None if circumstances.item_type.dispatch_by == "direct" else late_transition(case.state)


_CHECKS: dict[Need, Callable[[CaseState, Circumstances, Given], Refusal | None]] = {
    "review": _lacks_review,
    "approval": _lacks_approval,
    "photos": _lacks_photos,
    "note": _lacks_note,
    "organisation": _lacks_organisation,
    "until": _lacks_until,
    "urgency": _lacks_urgency,
    "overdue": _not_overdue,
    "direct_type": _not_direct,
}
