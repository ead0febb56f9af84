"""The state machine of a submission: pending, approved, returned.

A submission is pending at a level (1, 2), or at level 0 while it waits for nothing but its required photos. A
decision names the revision it saw. Sampled work is approved as it is; a check is due afterwards.
"""

from hashlib import sha256
from typing import Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.catalogue import ReturnReason
from schemas.item_type import ItemType, ReviewStep
from sync.access import Assignment, ItemFacts
from sync.duties import may_review
from sync.refusal import Refusal, forbidden, late_transition, reason_refusal
from sync.rules import Ruling

Revision = tuple[int, int]
"""(version, rev), rev as an unsigned 64-bit number."""


class Approval(Struct, frozen=True):
    """One approval. `replaced` is the approved revision it put aside, which undoing brings back."""

    level: int
    user_id: UUID
    replaced: Revision | None = None


class ReviewState(Struct, frozen=True, kw_only=True):
    """Where a submission stands.

    `steps` are the approvals it needs; of a `sampled` one, the check that is due. `authors` wrote what is
    new since the last approved revision. `notes` are by field key.
    """

    state: Literal["pending", "approved", "returned"]
    version: int
    rev: int
    level: int
    steps: tuple[ReviewStep, ...]
    authors: tuple[UUID, ...]
    approvals: tuple[Approval, ...] = ()
    sampled: bool = False
    waits_for_evidence: bool = False
    reason: str | None = None
    note: str | None = None
    notes: dict[str, str] = {}
    approved: Revision | None = None

    @property
    def revision(self) -> Revision:
        """The revision that is under review."""
        return self.version, self.rev

    @property
    def step(self) -> ReviewStep | None:
        """The step whose reader is asked for a decision now; None if nobody is."""
        if self.state == "pending" and self.level:
            return self.steps[self.level - 1]
        due = self.state == "approved" and self.sampled and not self.approvals
        return self.steps[0] if due else None


class Submission(Struct, frozen=True, kw_only=True):
    """A revision that asks for review; `evidence_verified`: it lacks no needed photo."""

    version: int
    rev: int
    author: UUID
    evidence_verified: bool
    sampled: bool = False


class Reviewer(Struct, frozen=True):
    """Who decides, with the assignments that are valid now."""

    user_id: UUID
    assignments: tuple[Assignment, ...]


class Decision(Struct, frozen=True, kw_only=True):
    """What a reviewer decides about the revision he saw; a return has a reason, and notes by field key."""

    action: Literal["approve", "return"]
    revision: Revision
    reason: str | None = None
    note: str | None = None
    notes: dict[str, str] = {}


def is_sampled(item_id: UUID, version: int, rate: float) -> bool:
    """Whether this revision is drawn for a check: the same answer on every server and at every time."""
    drawn = sha256(item_id.bytes + version.to_bytes(8, "big")).digest()[:8]
    return int.from_bytes(drawn, "big") < rate * 2**64


def authors_of(previous: ReviewState | None, author: UUID) -> tuple[UUID, ...]:
    """Who wrote what a new submission asks approval for: its author, and those not approved before him."""
    earlier = () if previous is None or previous.state == "approved" else previous.authors
    return tuple(dict.fromkeys((*earlier, author)))


def asks_approval(ruling: Ruling) -> bool:
    """Whether a new submission waits for a person; any other is approved as soon as its photos are verified."""
    return ruling.review in ("one", "two")


def submit(
    ruling: Ruling,
    submission: Submission,
    steps: tuple[ReviewStep, ...],
    previous: ReviewState | None = None,
) -> ReviewState:
    """A new submission, or, with `previous`, the resubmission of an item: review begins again.

    `steps` are the ruling's, past own work (see `review_steps`). A type without approvals is approved as
    soon as its photos are verified.
    """
    asks = asks_approval(ruling)
    sampled = ruling.review == "sample" and submission.sampled
    waiting = ReviewState(
        state="pending",
        version=submission.version,
        rev=submission.rev,
        level=1 if asks else 0,
        steps=steps if asks or sampled else (),
        authors=authors_of(previous, submission.author),
        sampled=sampled,
        waits_for_evidence=not submission.evidence_verified,
        approved=previous.approved if previous else None,
    )
    return evidence_changed(waiting, submission.evidence_verified)


def evidence_changed(review: ReviewState, verified: bool) -> ReviewState:
    """The submission once its photos were looked at again; what waited for them alone is approved."""
    changed = replace(review, waits_for_evidence=not verified)
    if verified and changed.state == "pending" and changed.level == 0:
        return replace(changed, state="approved", approved=changed.revision)
    return changed


def decide(
    review: ReviewState,
    decision: Decision,
    reviewer: Reviewer,
    facts: ItemFacts,
    item_type: ItemType,
    reasons: tuple[ReturnReason, ...],
) -> ReviewState | Refusal:
    """Approve or return.

    Refused: `late_transition`, `own_work`, `forbidden`; an approval also `same_reviewer` and
    `evidence_not_verified`; a return also `reason_needed`, `reason_unknown` (for this kind), `note_needed` and
    `parameter_invalid` (a note on a field that the form lacks).
    """
    step = review.step
    if step is None or decision.revision != review.revision:
        return late_transition(review.state)
    if reviewer.user_id in review.authors:
        return Refusal("own_work", "不能审核自己填报的内容。", "Nobody reviews what they wrote.")
    if not may_review(reviewer.assignments, facts, item_type, step):
        return forbidden()
    if decision.action == "approve":
        return _approve(review, reviewer.user_id, step.level)
    return _return(review, decision, item_type, reasons)


def undo(review: ReviewState, user_id: UUID, revision: Revision, built_upon: bool) -> ReviewState | Refusal:
    """Take back one's own last approval, while nothing was built on it (`built_upon`: a case moved on it)."""
    if revision != review.revision or not review.approvals or review.state == "returned":
        return late_transition(review.state)
    *kept, last = review.approvals
    if last.user_id != user_id:
        return forbidden()
    if built_upon:
        return Refusal("undo_too_late", "已有后续操作,无法撤销。", "Something was built on it; it cannot be undone.")
    if review.sampled:
        return replace(review, approvals=tuple(kept))
    approved = last.replaced if review.state == "approved" else review.approved
    return replace(review, state="pending", level=last.level, approvals=tuple(kept), approved=approved)


def _approve(review: ReviewState, user_id: UUID, level: int) -> ReviewState | Refusal:
    if any(approval.user_id == user_id for approval in review.approvals):
        return Refusal(
            "same_reviewer",
            "两级审核须由不同的人完成。",
            "The two approvals must come from different people.",
        )
    if review.waits_for_evidence:
        return Refusal(
            "evidence_not_verified",
            "所需照片尚未核验,请待照片传完后再审核。",
            "A needed photo is not verified yet; approve once the photos have arrived.",
        )
    if review.sampled:
        return replace(review, approvals=(*review.approvals, Approval(level, user_id, review.approved)))
    if review.level < len(review.steps):
        return replace(review, level=review.level + 1, approvals=(*review.approvals, Approval(level, user_id)))
    approvals = (*review.approvals, Approval(level, user_id, review.approved))
    return replace(review, state="approved", approvals=approvals, approved=review.revision)


def _return(
    review: ReviewState, decision: Decision, item_type: ItemType, reasons: tuple[ReturnReason, ...]
) -> ReviewState | Refusal:
    known = frozenset(reason.code for reason in reasons if item_type.kind in reason.kinds)
    refusal = reason_refusal(decision.reason, known, decision.note)
    if refusal is not None:
        return refusal
    stray = decision.notes.keys() - {field.key for field in item_type.fields}
    if stray:
        return Refusal(
            "parameter_invalid",
            "批注所指的字段不存在。",
            "A note names a field this form lacks.",
            field="notes",
        )
    return replace(review, state="returned", reason=decision.reason, note=decision.note, notes=dict(decision.notes))
