"""Reviews: what waits for a person, his decisions, many at once, and taking them back.

    lock the items in order -> load standings -> decide one by one (pure) -> store all -> move the entries

A decision that is refused stops no other one. What a person may not see he is not told of either: such an item is
`not_found`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from msgspec.structs import replace

from schemas.offices import (
    QueuedReview,
    ReviewDecision,
    ReviewRef,
    ReviewResult,
    ReviewsPage,
    StepView,
)
from schemas.wire import ItemBody
from server.db import evidence, items, reviews
from server.db.database import Row, Transaction
from server.db.reading import ItemFilter
from server.errors import CATALOGUE, ErrorKind
from server.services import Services
from server.usecases.awaited_steps import take_awaited
from server.usecases.bodies import item_bodies
from server.usecases.desk_acts import record_desk_acts
from server.usecases.feeding import touch_items, writes_for_notices
from server.usecases.paging import QueuePlace, from_cursor, to_cursor
from server.usecases.reading import grants_of, note_reading, photo_view, readable
from server.usecases.returns import answerers
from server.usecases.sessions import Caller
from server.usecases.standing_rows import seal_text
from server.usecases.standings import (
    Moved,
    Standing,
    lock_standings,
    merged_moves,
    returned_notice,
    review_step,
    steps_by_itself,
    store_moves,
)
from sync.access import OFFICE_TIERS, Assignment, division_prefix, tier_of
from sync.cases import advance
from sync.feed import from_hex, to_hex, unsigned64
from sync.refusal import Refusal
from sync.review import Decision, Reviewer, ReviewState, decide, undo

Wish = TypeVar("Wish", ReviewDecision, ReviewRef)
Outcome = Callable[[Standing, ReviewState, Wish], ReviewState | Refusal]

_DONE = {"approve": "approved", "return": "returned"}


async def queue(
    services: Services, caller: Caller, narrowed: ItemFilter, cursor: str | None, limit: int
) -> ReviewsPage:
    """What the caller may decide now, the most urgent first, then the oldest.

    Raises Problem `parameter_invalid` for a wrong cursor. The personal values that it shows are noted as read.
    """
    place = from_cursor(cursor, QueuePlace)
    return await services.database.write(
        partial(_queue, services=services, caller=caller, narrowed=narrowed, place=place, limit=limit)
    )


async def _queue(
    tx: Transaction, services: Services, caller: Caller, narrowed: ItemFilter, place: QueuePlace | None, limit: int
) -> ReviewsPage:
    grants, desks = grants_of(services, caller), desks_of(caller.assignments)
    rows = await reviews.review_queue(tx.connection, grants, caller.user_id, desks, narrowed, place, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    ids = [row["item_id"] for row in rows[:limit]]
    bodies = await item_bodies(tx.connection, services, ids)
    await note_reading(tx, services, caller, bodies.values())
    photos: dict[UUID, list[Row]] = {}
    for photo in await evidence.photos_of_items(tx.connection, ids):
        photos.setdefault(photo["item_id"], []).append(photo)
    queued = [_queued(row, bodies[row["item_id"]], photos.get(row["item_id"], ())) for row in rows[:limit]]
    return ReviewsPage(queued, to_cursor(_place(last) if last else None))


def _place(row: Row) -> QueuePlace:
    return QueuePlace(row["urgency_level"], row["submitted_at"], row["item_id"])


def desks_of(assignments: Sequence[Assignment]) -> list[dict[str, Any]]:
    """Where the caller is asked for decisions: as the reader of a tier in a division, or of a grid."""
    desks: list[dict[str, Any]] = []
    for held in assignments:
        if held.role == "grid_chief":
            desks.append({"reader": held.role, "grid_id": held.grid_id})
        elif held.division is not None and (held.role in OFFICE_TIERS or held.role == "department_handler"):
            reader = f"department:{held.department}" if held.role == "department_handler" else held.role
            place = {"tier": tier_of(held.division), "prefix": division_prefix(held.division)}
            desks.append({"reader": reader, **place})
    return desks


def _queued(row: Row, body: ItemBody, photos: Sequence[Row]) -> QueuedReview:
    return QueuedReview(
        item=body,
        author_name=row["author_name"],
        step=StepView(row["level"], row["asked_by"], row["asked_tier"]),
        rev=to_hex(unsigned64(row["rev"])),
        checks=row["state"] == "approved",
        waits_for_evidence=row["waits_for_evidence"],
        approved_version=row["approved_version"],
        submitted_at=row["submitted_at"],
        photos=[photo_view(photo) for photo in photos],
    )


# Deciding --------------------------------------------------------------------------------------------------


async def decide_all(services: Services, caller: Caller, decisions: Sequence[ReviewDecision]) -> list[ReviewResult]:
    """Approve and return, each with its own result, all in one transaction."""
    return await services.database.write(
        partial(_decide_all, services=services, caller=caller, decisions=decisions, now=datetime.now(UTC))
    )


async def _decide_all(
    tx: Transaction, services: Services, caller: Caller, decisions: Sequence[ReviewDecision], now: datetime
) -> list[ReviewResult]:
    bench = await _open_bench(tx, services, caller, [one.item for one in decisions], now)
    await bench.ask(tx, {one.item for one in decisions if one.decision == "return"})
    reviewer = Reviewer(caller.user_id, caller.assignments)
    reasons = services.catalogue.source.return_reasons

    def outcome(standing: Standing, review: ReviewState, wish: ReviewDecision) -> ReviewState | Refusal:
        decided = decide(review, _decision(wish), reviewer, standing.facts, standing.compiled.type, reasons)
        returned = isinstance(decided, ReviewState) and decided.state == "returned"
        return _nobody_answers() if returned and standing.item.id in bench.unanswered else decided

    results = [bench.take(one, outcome, _DONE[one.decision]) for one in decisions]
    await bench.close(tx)
    return results


def _decision(wish: ReviewDecision) -> Decision:
    return Decision(
        action=wish.decision,
        revision=(wish.version, from_hex(wish.rev)),
        reason=wish.reason,
        note=wish.note,
        notes=wish.notes,
    )


async def undo_all(services: Services, caller: Caller, refs: Sequence[ReviewRef], reason: str) -> list[ReviewResult]:
    """Take back the caller's own last approvals, while nothing was built on them."""
    return await services.database.write(
        partial(_undo_all, services=services, caller=caller, refs=refs, reason=reason, now=datetime.now(UTC))
    )


async def _undo_all(
    tx: Transaction, services: Services, caller: Caller, refs: Sequence[ReviewRef], reason: str, now: datetime
) -> list[ReviewResult]:
    bench = await _open_bench(tx, services, caller, [one.item for one in refs], now)
    built_upon = await reviews.built_upon(tx.connection, sorted(bench.standings))

    def outcome(standing: Standing, review: ReviewState, wish: ReviewRef) -> ReviewState | Refusal:
        revision = (wish.version, from_hex(wish.rev))
        return undo(review, caller.user_id, revision, standing.item.id in built_upon)

    results = [bench.take(one, outcome, "undone", reason) for one in refs]
    await bench.close(tx)
    return results


async def _open_bench(
    tx: Transaction, services: Services, caller: Caller, item_ids: Sequence[UUID], now: datetime
) -> _Bench:
    standings = await lock_standings(tx, services, item_ids)
    mine = await readable(tx.connection, services, caller, list(standings))
    return _Bench(services, caller, now, {item_id: standings[item_id] for item_id in sorted(mine)})


class _Bench:
    """Locked items that a person may see, and what he decided about them so far."""

    def __init__(self, services: Services, caller: Caller, now: datetime, standings: dict[UUID, Standing]) -> None:
        self.services = services
        self.caller = caller
        self.now = now
        self.standings = standings
        self.unanswered: set[UUID] = set()
        self._moves: list[Moved] = []
        self._notices: list[dict[str, Any]] = []

    async def ask(self, tx: Transaction, item_ids: set[UUID]) -> None:
        """Find for these items who is to correct them if they are returned; for some there may be nobody."""
        asked = [one for item_id, one in self.standings.items() if item_id in item_ids]
        for item_id, answers in (await answerers(tx.connection, asked)).items() if asked else ():
            if answers is None:
                self.unanswered.add(item_id)
            else:
                self.standings[item_id] = replace(self.standings[item_id], answers=answers)

    def take(self, wish: Wish, outcome_of: Outcome[Wish], action: str, note: str | None = None) -> ReviewResult:
        """Carry out one decision on an item as the earlier ones left it."""
        standing = self.standings.get(wish.item)
        if standing is None or standing.review is None:
            return _refused(wish.item, CATALOGUE["not_found"], "not_found")
        outcome = outcome_of(standing, standing.review, wish)
        if isinstance(outcome, Refusal):
            return _refused(wish.item, outcome, outcome.code, outcome.field)
        self._move(standing, outcome, action, note)
        return ReviewResult(wish.item, "done", outcome.state)

    def _move(self, standing: Standing, review: ReviewState, action: str, note: str | None) -> None:
        move = reviewed(self.services, standing, review, action, self.caller.user_id, self.now, note)
        self.standings[standing.item.id] = move.after
        self._moves.append(move)
        if action == "returned":
            self._notices.append(returned_notice(move.after, self.now, is_open=True))

    async def close(self, tx: Transaction) -> None:
        """Store what was decided and show it to everyone who holds the items."""
        if not self._moves:
            return
        taken = await take_awaited(tx, self.services, self._approved(), self.now)
        await store_moves(tx, self.services, merged_moves([*self._moves, *taken.moves]), self.now)
        await record_desk_acts(tx, self.caller, self._moves)
        notices = await items.upsert_notices(tx.connection, self._notices)
        moved = [one.after.item.id for one in self._moves]
        await touch_items(tx, moved, [*writes_for_notices(notices), *taken.writes])

    def _approved(self) -> list[Standing]:
        """What is approved by now, as the last of its decisions left it."""
        moved = {one.after.item.id: one.after for one in self._moves}
        return [one for one in moved.values() if one.review is not None and one.review.state == "approved"]


def reviewed(
    services: Services,
    standing: Standing,
    review: ReviewState,
    action: str,
    actor_id: UUID,
    now: datetime,
    note: str | None = None,
) -> Moved:
    """The standing with what a decision made of its submission; a case that waited for an approval goes on by itself.

    `note`: why an approval was taken back.
    """
    before = standing.review or review
    level = before.step.level if before.step else before.level
    after = replace(standing, review=review)
    if after.case is not None:
        case = advance(after.case, after.ruling, after.circumstances(services, now), after.nearest)
        after = replace(after, case=case)
    step = review_step(after, review, action, actor_id, level, now)
    if note is not None:
        step["note"] = seal_text(standing.item.id, note, standing.secret)
    return Moved(standing, after, [step], list(steps_by_itself(standing.case, after, now)))


def _nobody_answers() -> Refusal:
    words = CATALOGUE["nobody_answers"]
    return Refusal("nobody_answers", words.zh, words.en)


def _refused(item_id: UUID, words: Refusal | ErrorKind, code: str, field: str | None = None) -> ReviewResult:
    return ReviewResult(item_id, "refused", None, code, field, words.zh, words.en)
