"""The review queue: what waits for this person, approving many at once, and taking that back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from msgspec import ValidationError, convert

from schemas.offices import PhotoView, QueuedReview, ReviewDecision, ReviewRef, ReviewResult
from schemas.wire import CaseView
from server.console import clock
from server.console.filters import read_filters
from server.console.flash import Flash
from server.console.titles import Title, title, titles
from server.console.values import summary
from server.console.visit import Visit
from server.errors import Problem
from server.usecases import reviews
from server.usecases.reasons import checked_reason
from server.usecases.workload import review_load

PAGE_LENGTH = 25


class Line(NamedTuple):
    """A submission in the list; `revision` names it with its version, as the forms send it back."""

    id: UUID
    revision: str
    type: str
    summary: str
    grid: str
    code: str
    author: str
    submitted_at: datetime
    waiting: str
    due: datetime | None
    left: str
    late: bool
    urgency: str
    urgency_words: str
    photos: str
    photos_state: str
    tags: list[str]
    approvable: bool


class Outcome(NamedTuple):
    """What became of one decision; `title` is None for an item that is not his to see."""

    revision: str
    item: UUID
    title: Title | None
    done: bool
    words: str


@get("/reviews")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The list."""
    filters = await read_filters(visit, "/console/reviews")
    page = await reviews.queue(visit.services, visit.caller, filters.items, filters.cursor, PAGE_LENGTH)
    load = await review_load(visit.services, visit.caller, filters.items)
    now = datetime.now(UTC)
    return visit.page(
        "queue.html",
        lines=[_line(visit, one, now) for one in page.reviews],
        count=load.waiting,
        filters=filters,
        next=filters.address(cursor=page.next) if page.next else None,
        all_ticked=visit.request.query_params.get("select") == "all",
    )


@post("/reviews", status_code=200)
async def decide(visit: NamedDependency[Visit], form: NamedDependency[FormMultiDict]) -> Response[Any]:
    """Approve everything that was ticked, and show what became of each; or take such approvals back."""
    refs = [read_revision(one) for one in form.getall("revision", [])]
    if not refs:
        return visit.go("/console/reviews", Flash("refused", visit.say("bulk.none")))
    if form.get("do") == "undo":
        reason = checked_reason(str(form.get("reason", "")))
        results = await reviews.undo_all(visit.services, visit.caller, refs, reason)
        return await _results(visit, "undone", refs, results)
    decisions = [ReviewDecision(ref.item, ref.version, ref.rev, "approve") for ref in refs]
    results = await reviews.decide_all(visit.services, visit.caller, decisions)
    return await _results(visit, "done", refs, results)


@post("/reviews/undo", status_code=303)
async def undo(visit: NamedDependency[Visit], form: NamedDependency[FormMultiDict]) -> Response[Any]:
    """Take one approval back and show the item, which can be decided again."""
    ref = read_revision(str(form.get("revision", "")))
    return visit.go(f"/console/items/{ref.item}", await taken_back(visit, ref, str(form.get("reason", ""))))


async def taken_back(visit: Visit, ref: ReviewRef, reason: str) -> Flash:
    """Take one approval back; the message says whether that was possible. Raises Problem for an unusable reason."""
    (result,) = await reviews.undo_all(visit.services, visit.caller, [ref], checked_reason(reason))
    if result.result == "refused":
        return Flash("refused", result_words(visit, result))
    return Flash("done", visit.say("undo.done", what=await title(visit, ref.item)))


def read_revision(text: str) -> ReviewRef:
    """Which revision a form is about. Raises Problem `parameter_invalid`."""
    try:
        item, version, rev = text.split(" ")
        return convert({"item": item, "version": int(version), "rev": rev}, ReviewRef)
    except (ValueError, ValidationError):
        raise Problem("parameter_invalid", field="revision") from None


def revision_text(ref: ReviewRef) -> str:
    """A revision as `read_revision` reads it."""
    return f"{ref.item} {ref.version} {ref.rev}"


def result_words(visit: Visit, result: ReviewResult) -> str:
    """Why a decision was refused."""
    return visit.either(result.zh or "", result.en or "")


async def _results(visit: Visit, act: str, refs: list[ReviewRef], results: list[ReviewResult]) -> Response[str]:
    names, done_words = await titles(visit, [ref.item for ref in refs]), visit.say(f"bulk.{act}_one")
    rows = [
        Outcome(
            revision_text(ref),
            ref.item,
            names.get(ref.item),
            result.result == "done",
            done_words if result.result == "done" else result_words(visit, result),
        )
        for ref, result in zip(refs, results, strict=True)
    ]
    done = [row.revision for row in rows if row.done]
    left = len(rows) - len(done)
    return visit.page(
        "results.html",
        rows=rows,
        done=visit.say(f"bulk.{act}", count=len(done)) if done else "",
        refused=visit.say(f"bulk.{act}_refused", count=left) if left else "",
        undoable=done if act == "done" else [],
    )


def _line(visit: Visit, one: QueuedReview, now: datetime) -> Line:
    item, compiled = one.item, visit.services.catalogue.types[one.item.type]
    grid, code = visit.grid_words(item.grid)
    due = _due(item.case)
    photos, photos_state = _photos(visit, one.photos)
    return Line(
        id=item.id,
        revision=revision_text(under_review(one)),
        type=visit.type_name(item.type),
        summary=summary(visit.language, compiled, item.fields),
        grid=grid,
        code=code,
        author=one.author_name or visit.say("item.unknown_person"),
        submitted_at=one.submitted_at,
        waiting=clock.since(visit.language, one.submitted_at, now),
        due=due,
        left=clock.until(visit.language, due, now) if due else visit.say("queue.no_due"),
        late=due is not None and due < now,
        urgency=item.urgency,
        urgency_words=visit.urgency(item.urgency),
        photos=photos,
        photos_state=photos_state,
        tags=_tags(visit, one),
        approvable=not one.waits_for_evidence,
    )


def under_review(one: QueuedReview) -> ReviewRef:
    """The revision that waits for a decision."""
    version = one.item.review.version if one.item.review else one.item.version
    return ReviewRef(one.item.id, version, one.rev)


def _due(case: CaseView | None) -> datetime | None:
    if case is None:
        return None
    return case.accept_by if case.state == "reported" and case.accept_by else case.handle_by


def _photos(visit: Visit, photos: list[PhotoView]) -> tuple[str, str]:
    ready = sum(photo.state == "verified" for photo in photos)
    refused = sum(photo.state == "refused" for photo in photos)
    if not photos:
        return visit.say("queue.photos_none"), "none"
    if refused:
        return visit.say("queue.photos_refused", count=refused), "refused"
    if ready == len(photos):
        return visit.say("queue.photos_ready", count=ready), "ready"
    return visit.say("queue.photos_waiting", ready=ready, count=len(photos)), "waiting"


def _tags(visit: Visit, one: QueuedReview) -> list[str]:
    tags = [visit.say("queue.level", level=one.step.level)] if one.step.level > 1 else []
    if one.checks:
        tags.append(visit.say("queue.check"))
    elif one.approved_version:
        tags.append(visit.say("queue.again"))
    return tags
