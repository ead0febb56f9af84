"""What offices and the server say to each other about items, reviews and cases. Times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

from schemas.evidence import PhotoRef
from schemas.wire import Hex16, ItemBody

Text = Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00]*$")]
"""What a person writes; no NUL."""
Key = Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9_]+$")]
"""A code of the catalogue, or a field key."""
Version = Annotated[int, Meta(ge=1, lt=2**31)]


class ItemSummary(Struct, frozen=True):
    """An item in a list: nothing that was filled into its form."""

    id: UUID
    type: str
    urgency: str
    grid: UUID | None
    code: str | None
    author: UUID
    author_name: str
    version: int
    received_at: datetime
    updated_at: datetime
    review: str | None
    case: str | None


class ItemsPage(Struct, frozen=True):
    """A page of items; `next` is the cursor of the next one, null at the end."""

    items: list[ItemSummary]
    next: str | None


class RevisionView(Struct, frozen=True):
    """One revision: who changed which fields to what (null: cleared), when it was captured and when it arrived.

    `captured_at` is the server's estimate; `skew`: by how many seconds the phone's own clock was ahead of it (below
    zero: behind), where that was more than five minutes.
    """

    version: int
    rev: str
    op: str
    author: UUID
    author_name: str | None
    device: UUID | None
    code: str | None
    fields: dict[str, Any]
    reason: str | None
    captured_at: datetime
    received_at: datetime
    skew: int | None


class ReviewStepView(Struct, frozen=True):
    """A step of a review; without an actor the server took it by itself."""

    at: datetime
    action: str
    version: int
    level: int
    actor: UUID | None
    actor_name: str | None
    reason: str | None
    note: str | None
    notes: dict[str, str]


class CaseStepView(Struct, frozen=True, rename={"from_state": "from", "to_state": "to"}):
    """A step of a case; without an actor the server took it by itself. `detail`: until, urgency, request.

    `detail.waited_for`: the code of what an actor's step lacked that waited in `detail.conflict` until that was there.
    """

    at: datetime
    action: str
    from_state: str | None
    to_state: str
    actor: UUID | None
    actor_name: str | None
    organisation: UUID | None
    organisation_zh: str | None
    organisation_en: str | None
    reason: str | None
    note: str | None
    detail: dict[str, Any]


class PhotoView(Struct, frozen=True):
    """A photo of an item with what its bytes told; `flags` is null until they were compared with the claim."""

    sha256: str
    size: int
    role: str
    state: str
    refusal: str | None
    flags: list[str] | None
    media_type: str | None
    width: int | None
    height: int | None
    taken_at: datetime | None


class ItemView(Struct, frozen=True, omit_defaults=True):
    """An item with everything that happened to it.

    Where it is masked, of a marked value there is a string with what may be shown of it, `***` if that is nothing.
    `alias`: the id that was asked for, of an item that was linked into this one.
    """

    item: ItemBody
    author_name: str | None
    history: list[RevisionView]
    review_steps: list[ReviewStepView]
    case_steps: list[CaseStepView]
    photos: list[PhotoView]
    alias: UUID | None = None


class RevealWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody wants to see every value of an item."""

    reason: Text


class StepView(Struct, frozen=True):
    """Who is asked for a decision: a reader, at a tier."""

    level: int
    by: str
    tier: str


class QueuedReview(Struct, frozen=True):
    """A submission that waits for the caller, with what he needs to decide.

    `checks`: it was approved as it is and drawn for a check. `approved_version`: the revision approved before this one.
    """

    item: ItemBody
    author_name: str | None
    step: StepView
    rev: str
    checks: bool
    waits_for_evidence: bool
    approved_version: int | None
    submitted_at: datetime
    photos: list[PhotoView]


class ReviewsPage(Struct, frozen=True):
    """A page of the caller's queue, the most urgent first; `next` is the cursor of the next one."""

    reviews: list[QueuedReview]
    next: str | None


class ReviewDecision(Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided about the revision that the reviewer saw; a return has a reason, and notes by field key."""

    item: UUID
    version: Version
    rev: Hex16
    decision: Literal["approve", "return"]
    reason: Key | None = None
    note: Text | None = None
    notes: dict[Key, Text] = {}


class ReviewDecisions(Struct, frozen=True, forbid_unknown_fields=True):
    """Decisions that are carried out one by one in one transaction; one that is refused stops no other."""

    decisions: Annotated[list[ReviewDecision], Meta(min_length=1, max_length=200)]


class ReviewRef(Struct, frozen=True, forbid_unknown_fields=True):
    """A submission by the revision it is about."""

    item: UUID
    version: Version
    rev: Hex16


class ReviewUndo(Struct, frozen=True, forbid_unknown_fields=True):
    """Approvals that the caller takes back, and why."""

    items: Annotated[list[ReviewRef], Meta(min_length=1, max_length=200)]
    reason: Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]


class ReviewResult(Struct, frozen=True, omit_defaults=True):
    """What became of one decision: `state` is the submission's, `code` tells why it was refused."""

    item: UUID
    result: Literal["done", "refused"]
    state: str | None = None
    code: str | None = None
    field: str | None = None
    zh: str | None = None
    en: str | None = None


class ReviewResults(Struct, frozen=True):
    """The results in the order of the decisions."""

    results: list[ReviewResult]


class OrganisationView(Struct, frozen=True):
    """An office: a department in a division."""

    id: UUID
    department: str
    division: str
    tier: str
    name_zh: str
    name_en: str


class OrganisationsAnswer(Struct, frozen=True):
    """The offices of the caller's area."""

    organisations: list[OrganisationView]


class RequestView(Struct, frozen=True):
    """An open request for an exit that somebody else must approve."""

    action: str
    reason: str
    by: UUID | None
    at: datetime
    until: datetime | None


class CaseSummary(Struct, frozen=True):
    """A case in a queue: nothing that was filled into its item's form. `overdue`: deadlines that passed unmet."""

    item: UUID
    type: str
    state: str
    urgency: str
    grid: UUID | None
    code: str | None
    department: str
    organisation: OrganisationView | None
    assisting: list[OrganisationView]
    request: RequestView | None
    escalated_to: str | None
    accept_by: datetime | None
    respond_by: datetime | None
    handle_by: datetime | None
    overdue: list[str]
    review: str | None
    opened_at: datetime
    closed_at: datetime | None


class CasesPage(Struct, frozen=True):
    """A page of cases, the most urgent first, then the oldest; `next` is the cursor of the next one."""

    cases: list[CaseSummary]
    next: str | None


class ActionView(Struct, frozen=True):
    """An action open to the caller; `lacks` is the code of what it still needs, should it need something."""

    action: str
    lacks: str | None


class CaseDetail(Struct, frozen=True):
    """A case with its steps and what the caller may do now.

    Notes and waiver are left out for who may decide about the case but not read the item.
    """

    case: CaseSummary
    steps: list[CaseStepView]
    actions: list[ActionView]
    waiver: str | None


class CaseAction(Struct, frozen=True, forbid_unknown_fields=True):
    """An action on a case; `from` is the state that it leaves.

    The organisation is named, or found as the nearest one of `department` up the tree (of `tier`, if given).
    `request`: the action whose request is approved, refused or withdrawn. `photos`: from after the work.
    """

    action: Key
    from_state: Key = field(name="from")
    organisation: UUID | None = None
    department: Key | None = None
    tier: Literal["community", "street", "county", "city"] | None = None
    reason: Key | None = None
    note: Text | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    urgency: Key | None = None
    waiver: Text | None = None
    request: Key | None = None
    photos: Annotated[list[PhotoRef], Meta(max_length=20)] = []
