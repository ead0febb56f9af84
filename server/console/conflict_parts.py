"""What the pages about conflicts show, in the reader's words."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from server.console import clock
from server.console.titles import titles
from server.console.values import value_words
from server.console.visit import Visit
from server.usecases.conflict_views import Detail, Line, Sides, Written, takes_of


class ConflictLine(NamedTuple):
    """A conflict in the list; it names fields and shows no values."""

    id: UUID
    kind: str
    type: str
    grid: str
    fields: str
    author: str
    opened_at: datetime
    waiting: str


class Column(NamedTuple):
    """Who wrote one side, on which device, and when by estimate."""

    words: str
    by: str
    device: str
    at: datetime | None


class Row(NamedTuple):
    """A field with its three values; the notes say of a side what its colour says."""

    key: str
    label: str
    base: Any
    server: Any
    server_notes: list[str]
    incoming: Any
    incoming_notes: list[str]


def line_of(visit: Visit, one: Line, now: datetime) -> ConflictLine:
    """A line of the list."""
    return ConflictLine(
        id=one.id,
        kind=visit.say(f"conflict.kind.{one.kind}"),
        type=visit.either(one.type_zh, one.type_en),
        grid=one.grid or visit.say("queue.no_grid"),
        fields=visit.say("separator").join(visit.either(field.zh, field.en) for field in one.fields),
        author=one.author,
        opened_at=one.opened_at,
        waiting=clock.since(visit.language, one.opened_at, now),
    )


async def detail_parts(visit: Visit, detail: Detail) -> dict[str, Any]:
    """Everything of the page but what was just tried."""
    line = detail.conflict
    seen = await titles(visit, [line.item, *detail.related.items])
    takes = takes_of(detail)
    return {
        "detail": detail,
        "kind_words": visit.say(f"conflict.kind.{line.kind}"),
        "type_name": visit.either(line.type_zh, line.type_en),
        "why": visit.either(detail.reason_zh, detail.reason_en),
        "columns": _columns(visit, detail),
        "rows": [_row(visit, detail, sides) for sides in detail.fields],
        "content": _content(visit, detail),
        "related": [(item, str(seen[item])) for item in detail.related.items if item in seen],
        "item_seen": line.item in seen,
        "step": _step(visit, detail),
        "takes": takes,
        "take_words": visit.say(f"conflict.take.{detail.settled.take}") if detail.settled else "",
        "candidates": detail.claim.candidates if detail.claim else [],
        "masked": _masked(detail),
    }


def _columns(visit: Visit, detail: Detail) -> list[Column]:
    sides = (("base", detail.base), ("server", detail.server), ("incoming", detail.incoming))
    return [_column(visit, visit.say(f"conflict.{key}"), written) for key, written in sides]


def _column(visit: Visit, words: str, written: Written | None) -> Column:
    if written is None:
        return Column(words, "", "", None)
    version = visit.say("conflict.version", version=written.version) if written.version else ""
    by = visit.say("separator").join(part for part in (written.author, version) if part)
    return Column(words, by, written.device, written.captured_at)


def _row(visit: Visit, detail: Detail, sides: Sides) -> Row:
    gone = visit.say("conflict.deleted")
    deletes = detail.op == "delete" or detail.conflict.kind == "delete_update"
    return Row(
        key=sides.key,
        label=visit.either(sides.zh, sides.en),
        base=visit.say("conflict.base_unknown") if detail.base_unknown else _words(visit, detail, sides, sides.base),
        server=_words(visit, detail, sides, sides.server),
        server_notes=_notes(visit, sides, detail),
        incoming=gone if deletes else _words(visit, detail, sides, sides.incoming),
        incoming_notes=[visit.say("conflict.differs")] if sides.incoming_changed and not deletes else [],
    )


def _notes(visit: Visit, sides: Sides, detail: Detail) -> list[str]:
    told = (
        (sides.server_changed, "conflict.differs"),
        (sides.moved_on, "conflict.moved_on"),
        (detail.item_deleted, "conflict.deleted"),
    )
    return [visit.say(words) for so, words in told if so]


def _words(visit: Visit, detail: Detail, sides: Sides, value: Any) -> Any:
    """A value as it was handed over: what is to be masked is masked by then."""
    compiled = visit.services.catalogue.types[detail.conflict.type]
    return value_words(visit.language, compiled.fields.get(sides.key), value, revealed=True)


def _content(visit: Visit, detail: Detail) -> list[tuple[str, Any]]:
    compiled = visit.services.catalogue.types[detail.conflict.type]
    held = detail.claim.content if detail.claim else detail.content
    return [
        (
            visit.either(one.zh, one.en),
            value_words(visit.language, compiled.fields.get(one.key), one.value, revealed=True),
        )
        for one in held
    ]


def _step(visit: Visit, detail: Detail) -> str:
    step = detail.step
    if step is None:
        return ""
    states = {key: visit.say(f"case.{state}") for key, state in (("leaves", step.leaves), ("found", step.found))}
    words = visit.say("conflict.step_words", action=visit.say(f"action.{step.action}"), **states)
    return words + visit.say("separator") + visit.say("conflict.awaited") if step.awaited else words


def _masked(detail: Detail) -> bool:
    shown = (*detail.fields, *detail.content, *(detail.claim.content if detail.claim else ()))
    return any(one.masked for one in shown) or (detail.step is not None and detail.step.masked)
