"""What a case is, what an actor brings to it, and what the world says at that instant."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from schemas.catalogue import Catalogue
from schemas.item_type import ItemType
from sync.access import Organisation
from sync.case_table import UNHANDLED, CaseStatus
from sync.rules import photos_needed

_TIERS_ABOVE = {"community": "street", "street": "county", "county": "city"}


class Asked(Struct, frozen=True, kw_only=True):
    """An open request for an exit that somebody else must approve."""

    action: str
    reason: str
    by: UUID | None
    at: datetime
    until: datetime | None = None


class Held(Struct, frozen=True):
    """Since when a case is on hold, and the state it goes on from."""

    state: CaseStatus
    at: datetime


class CaseState(Struct, frozen=True, kw_only=True):
    """Where a case stands; times in UTC.

    `opened_at` begins the present round. `waiver` is why needed photos were waived; `year_flagged`: see
    `Deadlines`.
    """

    state: CaseStatus
    urgency: str
    department: str
    opened_at: datetime
    organisation: Organisation | None = None
    assisting: tuple[Organisation, ...] = ()
    asked: Asked | None = None
    held: Held | None = None
    escalated_to: str | None = None
    accept_by: datetime | None = None
    respond_by: datetime | None = None
    handle_by: datetime | None = None
    year_flagged: bool = False
    dispatched_at: datetime | None = None
    signed_at: datetime | None = None
    handled_at: datetime | None = None
    handled_by: UUID | None = None
    closed_at: datetime | None = None
    waiver: str | None = None


def since(case: CaseState) -> datetime:
    """When the work that a case is about began: no state is left and come to again without a later time."""
    return max(filter(None, (case.opened_at, case.dispatched_at, case.signed_at, case.handled_at)))


class Given(Struct, frozen=True, kw_only=True):
    """What an actor gives with an action; `request` names the request (its action) that an answer is about."""

    reason: str | None = None
    note: str | None = None
    organisation: Organisation | None = None
    until: datetime | None = None
    urgency: str | None = None
    waiver: str | None = None
    request: str | None = None


class Circumstances(Struct, frozen=True, kw_only=True):
    """What the world says at this instant.

    `report_verified`, `close_verified`: verified photos of each role; after-photos only of the present round.
    """

    item_type: ItemType
    catalogue: Catalogue
    now: datetime
    review_approved: bool
    report_verified: int = 0
    close_verified: int = 0


class PhotoNeeds(Struct, frozen=True):
    """How many verified photos of each role a case needs before it may be closed."""

    report: int
    close: int


def photo_needs(item_type: ItemType, urgency: str, fixed_on_site: bool = False) -> PhotoNeeds:
    """The photos needed for closing: those of the report, those that may follow it, and after-photos."""
    report = photos_needed(item_type, urgency, fixed_on_site, "report")
    follow = item_type.photo.follow_min if item_type.photo.may_follow else 0
    return PhotoNeeds(max(report, follow), photos_needed(item_type, urgency, fixed_on_site, "close"))


def overdue(case: CaseState, now: datetime) -> tuple[str, ...]:
    """Which deadlines have passed unmet: of accept, respond, handle. A case on hold is never overdue."""
    unmet = (
        ("accept", case.accept_by, case.state in UNHANDLED and case.dispatched_at is None),
        ("respond", case.respond_by, case.state == "dispatched"),
        ("handle", case.handle_by, case.state in UNHANDLED),
    )
    return tuple(name for name, due, waits in unmet if waits and due is not None and due < now)


def next_tier(case: CaseState) -> str | None:
    """The tier above the one that has the case before it now; the desk of a street is where a case begins."""
    present = case.escalated_to or (case.organisation.tier if case.organisation else "community")
    return _TIERS_ABOVE.get(present)
