"""Conflicts at the console: their list, one of them with its three sides, settling it and taking that back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath

from server.console.conflict_parts import detail_parts, line_of
from server.console.filters import Choice as Option
from server.console.filters import read_filters
from server.console.flash import Flash
from server.console.visit import Visit
from server.db.conflicts import ConflictFilter
from server.errors import Problem
from server.usecases.conflict_counts import count_conflicts
from server.usecases.conflict_kinds import KIND_WORDS
from server.usecases.conflict_views import Detail, list_conflicts, reveal_conflict, show_conflict
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.orders import Order
from sync.access import division_prefix
from sync.disputes import Choice

PAGE_LENGTH = 25
_Answer = Response[Any]


@get("/conflicts")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The list of those that wait for this person."""
    now = datetime.now(UTC)
    filters = await read_filters(visit, "/console/conflicts")
    kind = visit.request.query_params.get("kind", "")
    kind = kind if kind in KIND_WORDS else ""
    wanted = ConflictFilter(
        state="open",
        kind=kind or None,
        item_type=filters.type or None,
        division_prefix=division_prefix(filters.division) if filters.division else None,
    )
    page = await list_conflicts(visit.services, visit.caller, wanted, limit=PAGE_LENGTH, after=filters.cursor)
    counts = await count_conflicts(visit.services, visit.caller, wanted, now)
    return visit.page(
        "conflicts.html",
        lines=[line_of(visit, one, now) for one in page.conflicts],
        count=counts.total,
        filters=filters,
        kind=kind,
        kinds=[Option(one, visit.say(f"conflict.kind.{one}")) for one in KIND_WORDS],
        next=filters.address(kind=kind, cursor=page.next) if page.next else None,
    )


@get("/conflicts/{conflict:str}")
async def one(visit: NamedDependency[Visit], conflict: FromPath[str]) -> Response[str]:
    """One of them."""
    conflict_id = _id(conflict)
    return await _page(visit, await show_conflict(visit.services, visit.caller, (conflict_id, conflict_id)))


@post("/conflicts/{conflict:str}", status_code=200)
async def act(visit: NamedDependency[Visit], form: NamedDependency[FormMultiDict], conflict: FromPath[str]) -> _Answer:
    """What a form of the page asks for; where it is refused the page says why and keeps the reason that was given."""
    conflict_id, deed = _id(conflict), _DEEDS.get(str(form.get("do", "")))
    if deed is None:
        raise Problem("parameter_invalid", field="do")
    try:
        return await deed(visit, conflict_id, form)
    except Problem as problem:
        if problem.code in ("not_found", "forbidden"):
            raise
        detail = await show_conflict(visit.services, visit.caller, (conflict_id, conflict_id))
        return await _page(visit, detail, problem=problem, given=form)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem("not_found") from None


async def _page(
    visit: Visit,
    detail: Detail,
    *,
    revealed: bool = False,
    problem: Problem | None = None,
    given: FormMultiDict | None = None,
) -> Response[str]:
    return visit.page(
        "conflict.html",
        status=problem.status if problem else 200,
        conflict_id=detail.conflict.id,
        revealed=revealed,
        problem=visit.either(problem.zh, problem.en) if problem else "",
        given={key: str(value) for key, value in given.multi_items()} if given else {},
        **await detail_parts(visit, detail),
    )


async def _take(visit: Visit, conflict_id: UUID, form: FormMultiDict) -> _Answer:
    await resolve_conflict(visit.services, _order(visit, conflict_id, form), _choice(form))
    return visit.go(f"/console/conflicts/{conflict_id}", Flash("done", visit.say("conflict.done")))


def _choice(form: FormMultiDict) -> Choice:
    """What the button says is taken; in a merge with a side for each field."""
    take = form.get("do")
    if take == "grid":
        return Choice("grid", grid=str(form.get("grid", "")).strip())
    if take == "link":
        return Choice("link", link=_named(str(form.get("link", ""))))
    if take == "merge":
        chosen = {key.removeprefix("side."): value for key, value in form.multi_items() if key.startswith("side.")}
        if not set(chosen.values()) <= {"server", "incoming"}:
            raise Problem("parameter_invalid", field="side")
        return Choice("merge", chosen)
    return Choice("server" if take == "server" else "incoming")


def _named(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise Problem("parameter_invalid", field="link") from None


async def _undo(visit: Visit, conflict_id: UUID, form: FormMultiDict) -> _Answer:
    await undo_resolution(visit.services, _order(visit, conflict_id, form))
    return visit.go(f"/console/conflicts/{conflict_id}", Flash("done", visit.say("conflict.undone")))


async def _reveal(visit: Visit, conflict_id: UUID, form: FormMultiDict) -> _Answer:
    """The page with every value, this once."""
    reason = str(form.get("reason", ""))
    detail = await reveal_conflict(visit.services, visit.caller, (conflict_id, conflict_id), reason)
    return await _page(visit, detail, revealed=True)


def _order(visit: Visit, conflict_id: UUID, form: FormMultiDict) -> Order:
    reason, now = str(form.get("reason", "")), datetime.now(UTC)
    return Order(actor=visit.caller, ids=(conflict_id, conflict_id), reason=reason, now=now)


_DEEDS: dict[str, Callable[[Visit, UUID, FormMultiDict], Awaitable[_Answer]]] = {
    **dict.fromkeys(("server", "incoming", "merge", "grid", "link"), _take),
    "undo": _undo,
    "reveal": _reveal,
}
