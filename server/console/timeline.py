"""What happened to an item, in one list: revisions, steps of its review, steps of its case; the latest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from schemas.forms import CompiledType
from schemas.offices import CaseStepView, ItemView, ReviewStepView, RevisionView
from server.console import clock
from server.console.values import label, value_words
from server.console.visit import Visit


class Change(NamedTuple):
    """One field of a revision; `before` is None where it was empty."""

    label: str
    before: Any
    after: Any


class Happening(NamedTuple):
    """One entry. `kind`: revision, review or case; `who` is empty where the server acted by itself."""

    at: datetime
    kind: str
    words: str
    who: str
    detail: str = ""
    changes: tuple[Change, ...] = ()
    filled: int = 0
    reason: str = ""
    note: str = ""
    notes: tuple[tuple[str, str], ...] = ()


def timeline(visit: Visit, compiled: CompiledType, view: ItemView, *, revealed: bool) -> list[Happening]:
    """Everything, masked like the item itself."""
    happenings = [
        *_revisions(visit, compiled, view.history, revealed),
        *(_review_step(visit, compiled, step) for step in view.review_steps),
        *(case_step(visit, step) for step in view.case_steps),
    ]
    # Sorting is stable and the list is turned: of two things at one instant the later one stands above.
    return sorted(happenings, key=lambda one: one.at)[::-1]


def case_step(visit: Visit, step: CaseStepView) -> Happening:
    """A step of a case."""
    office = visit.either(step.organisation_zh or "", step.organisation_en or "")
    moved = visit.say(f"case.{step.to_state}")
    lacked = step.detail.get("waited_for")
    waited = visit.say(f"case.waited.{lacked}") if lacked else ""
    return Happening(
        at=step.at,
        kind="case",
        words=visit.say(f"action.{step.action}"),
        who=_who(visit, step.actor_name, by_server=step.actor is None),
        detail=visit.say("separator").join(part for part in (moved, office, waited) if part),
        reason=exit_reason(visit, step.reason),
        note=step.note or "",
    )


def exit_reason(visit: Visit, code: str | None) -> str:
    """A reason of a case's exits in words."""
    for way_out in visit.services.catalogue.source.case_exits:
        for reason in way_out.reasons:
            if reason.code == code:
                return visit.either(reason.zh, reason.en)
    return code or ""


def return_reason(visit: Visit, code: str | None) -> str:
    """A reason for returning a submission in words."""
    for reason in visit.services.catalogue.source.return_reasons:
        if reason.code == code:
            return visit.either(reason.zh, reason.en)
    return code or ""


def _revisions(
    visit: Visit, compiled: CompiledType, history: list[RevisionView], revealed: bool
) -> Iterator[Happening]:
    before: dict[str, Any] = {}
    for revision in history:
        first = revision.version == 1
        changes = () if first else tuple(_changes(visit, compiled, before, revision.fields, revealed))
        yield Happening(
            at=revision.received_at,
            kind="revision",
            words=f"{visit.say(f'op.{revision.op}')} v{revision.version}",
            who=_who(visit, revision.author_name),
            detail=_captured(visit, revision),
            changes=changes,
            filled=len(revision.fields) if first else 0,
            reason=revision.reason or "",
        )
        before |= revision.fields


def _captured(visit: Visit, revision: RevisionView) -> str:
    """When it was captured, and what is to be thought of the phone's clock."""
    words = visit.say("item.captured", at=clock.shown(visit.language, revision.captured_at))
    if revision.skew is None:
        return words
    key = "item.clock_ahead" if revision.skew > 0 else "item.clock_behind"
    return f"{words} · {visit.say(key, span=clock.span(visit.language, timedelta(seconds=revision.skew)))}"


def _changes(
    visit: Visit, compiled: CompiledType, before: dict[str, Any], fields: dict[str, Any], revealed: bool
) -> Iterator[Change]:
    for key, value in fields.items():
        field = compiled.fields.get(key)
        words = [value_words(visit.language, field, one, revealed=revealed) for one in (before.get(key), value)]
        yield Change(label(visit.language, field) if field else key, *words)


def _review_step(visit: Visit, compiled: CompiledType, step: ReviewStepView) -> Happening:
    return Happening(
        at=step.at,
        kind="review",
        words=visit.say(f"step.{step.action}"),
        who=_who(visit, step.actor_name, by_server=step.actor is None),
        detail=visit.say("queue.level", level=step.level) if step.level else "",
        reason=return_reason(visit, step.reason) if step.action == "returned" else "",
        note=step.note or "" if step.action in ("returned", "undone") else "",
        notes=tuple(noted(visit, compiled, step.notes)) if step.action == "returned" else (),
    )


def noted(visit: Visit, compiled: CompiledType, notes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Notes by the names of the fields they are about."""
    for key, note in notes.items():
        field = compiled.fields.get(key)
        yield (label(visit.language, field) if field else key), note


def _who(visit: Visit, name: str | None, *, by_server: bool = False) -> str:
    return visit.say("item.server") if by_server else name or visit.say("item.unknown_person")
