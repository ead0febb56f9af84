"""Revisions become submissions and cases, in the transaction that stores them: for all of a set at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.item_type import ReviewStep
from server.db import items, reviews
from server.db.database import Transaction
from server.services import Services
from server.usecases.feeding import FeedWrite, writes_for_notices
from server.usecases.standings import (
    Moved,
    Standing,
    load_standings,
    returned_notice,
    review_step,
    steps_by_itself,
    store_moves,
)
from sync.access import FIELD_ROLES, PART_TIME, Assignment
from sync.case_state import CaseState
from sync.cases import advance, open_case, revised
from sync.duties import review_steps
from sync.items import ItemState
from sync.review import ReviewState, Revision, Submission, authors_of, is_sampled, submit
from sync.review import evidence_changed as after_photos


class Submitted(Struct, frozen=True):
    """An item's new head, its key, and who wrote the revision.

    `keeps`: the revision whose review it goes on with, for nothing that anybody wrote has changed since.
    """

    item: ItemState
    secret: bytes
    author_id: UUID
    keeps: Revision | None = None


async def submit_revisions(
    tx: Transaction, services: Services, submitted: Sequence[Submitted], now: datetime
) -> list[FeedWrite]:
    """Begin reviews anew, open or revise cases, and close the to-dos of what was corrected.

    Called after heads, revisions and photos were written, with the items locked. Returns the entries of to-dos; those
    of the items are the caller's. An item without a grid waits: nobody is in charge of it yet, or any more, and then
    the review that it had waits with it.
    """
    await _carry_reviews(tx, services, [one for one in submitted if one.keeps and one.item.grid_id is None], now)
    submitted = [one for one in submitted if one.item.grid_id is not None]
    if not submitted:
        return []
    standings = await load_standings(tx.connection, services, [(one.item, one.secret) for one in submitted])
    held = await _assignments(tx, submitted, standings, now)
    moves = [
        _keep_review(services, standing, one.keeps, held, now)
        or take_submission(services, standing, one.author_id, held, now)
        for standing, one in zip(standings, submitted, strict=True)
        if not one.item.deleted
    ]
    await store_moves(tx, services, moves, now)
    asked = {one.after.item.id for one in moves if one.after.review and one.after.review.state == "returned"}
    returned = [one for one in standings if one.review and one.review.state == "returned"]
    notices = [returned_notice(one, now, is_open=False) for one in returned if one.item.id not in asked]
    return writes_for_notices(await items.upsert_notices(tx.connection, notices))


async def _carry_reviews(tx: Transaction, services: Services, submitted: Sequence[Submitted], now: datetime) -> None:
    """Where a person took back that he told the grid: nothing was written, and once he tells it the review goes on."""
    if not submitted:
        return
    standings = await load_standings(tx.connection, services, [(one.item, one.secret) for one in submitted])
    moves = [
        Moved(one, replace(one, review=_carried(one.review, one.item)))
        for one, given in zip(standings, submitted, strict=True)
        if one.review is not None and one.review.revision == given.keeps and not one.item.deleted
    ]
    await store_moves(tx, services, moves, now)


async def _assignments(
    tx: Transaction, submitted: Sequence[Submitted], standings: Sequence[Standing], now: datetime
) -> dict[UUID, tuple[Assignment, ...]]:
    """What everyone who wrote something unapproved is assigned to."""
    users = {author for one in standings if one.review for author in one.review.authors}
    users |= {one.author_id for one in submitted}
    held: dict[UUID, tuple[Assignment, ...]] = dict.fromkeys(users, ())
    for row in await reviews.assignments_of_users(tx.connection, sorted(users), now):
        fields = dict(row)
        held[fields.pop("user_id")] += (Assignment(**fields),)
    return held


def take_submission(
    services: Services,
    standing: Standing,
    author_id: UUID,
    held: Mapping[UUID, tuple[Assignment, ...]],
    now: datetime,
) -> Moved:
    """The submission of one revision, then the case, which may wait for that submission.

    `held`: what everyone who wrote something unapproved is assigned to.
    """
    review = _review(services, standing, author_id, held)
    answers = _answers(standing, author_id, held[author_id])
    reviewed = replace(standing, review=review, answers=answers, submitted_at=now)
    after = replace(reviewed, case=_case(services, reviewed, now))
    again = standing.review is not None and standing.review.state == "returned"
    steps = [review_step(after, review, "resubmitted" if again else "submitted", author_id, review.level, now)]
    if review.state == "approved":
        steps.append(review_step(after, review, "approved", None, 0, now))
    return Moved(standing, after, steps, list(steps_by_itself(standing.case, after, now)))


def _keep_review(
    services: Services,
    standing: Standing,
    keeps: Revision | None,
    held: Mapping[UUID, tuple[Assignment, ...]],
    now: datetime,
) -> Moved | None:
    """The review as it stood, of the revision by which a person only told the grid; None where it begins anew.

    As after any other move (ADR 30) what was approved stays so, and what was returned is still to be corrected. What
    still waits is asked of the desk of the new grid, for a desk is found by where the item lies; only where somebody
    who wrote it would review it there do the type's rules send it to another tier, and it begins anew.
    """
    review = standing.review
    if review is None or review.revision != keeps:
        return None
    asked = review.steps if review.state == "pending" else ()
    if asked and _steps(services, standing, review.authors, held) != asked:
        return None
    # Its photos may have been verified while it lay nowhere.
    kept = after_photos(_carried(review, standing.item), standing.evidence_verified())
    reviewed = replace(standing, review=kept)
    after = replace(reviewed, case=_case(services, reviewed, now))
    steps = [review_step(after, kept, "approved", None, 0, now)] if kept.state != review.state else []
    return Moved(standing, after, steps, list(steps_by_itself(standing.case, after, now)))


def _carried(review: ReviewState, item: ItemState) -> ReviewState:
    """The review as it stands, as one of the item's head, which says what the revision under review says."""
    head = item.version, item.rev
    approved = head if review.approved == review.revision else review.approved
    return replace(review, version=item.version, rev=item.rev, approved=approved)


def _steps(
    services: Services,
    standing: Standing,
    authors: Sequence[UUID],
    held: Mapping[UUID, tuple[Assignment, ...]],
) -> tuple[ReviewStep, ...]:
    departments = {one.code: one for one in services.catalogue.source.departments}
    assignments = [held[author] for author in authors]
    return review_steps(standing.ruling.review_by, assignments, standing.facts, standing.compiled.type, departments)


def _review(
    services: Services, standing: Standing, author_id: UUID, held: Mapping[UUID, tuple[Assignment, ...]]
) -> ReviewState:
    item, item_type, ruling = standing.item, standing.compiled.type, standing.ruling
    submission = Submission(
        version=item.version,
        rev=item.rev,
        author=author_id,
        evidence_verified=standing.evidence_verified(),
        sampled=is_sampled(item.id, item.version, item_type.sample_rate),
    )
    steps = _steps(services, standing, authors_of(standing.review, author_id), held)
    return submit(ruling, submission, steps, standing.review)


def _answers(standing: Standing, author_id: UUID, held: Sequence[Assignment]) -> UUID:
    """Who is to correct what is returned: the revision's author, unless he works at an office and has no phone."""
    in_field = any(one.role in FIELD_ROLES or one.role == PART_TIME for one in held)
    return author_id if in_field else standing.answers or standing.item.author_id


def _case(services: Services, standing: Standing, now: datetime) -> CaseState | None:
    circumstances = standing.circumstances(services, now)
    if standing.case is None:
        return open_case(standing.ruling, circumstances, standing.nearest)
    case = revised(standing.case, standing.ruling, circumstances)
    return advance(case, standing.ruling, circumstances, standing.nearest)
