"""One item's page: reading it, deciding about it, acting on its case, revealing what is masked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from msgspec import ValidationError, convert

from schemas.offices import ItemView, ReviewDecision
from server.console.case_forms import read_action
from server.console.flash import Flash
from server.console.item_parts import case_parts, item_parts
from server.console.queue_page import read_revision, taken_back
from server.console.titles import title
from server.console.values import photos_hidden
from server.console.visit import Visit
from server.db.reading import ItemFilter
from server.errors import Problem
from server.usecases import cases, reviews
from server.usecases.item_page import photo_addresses, revealed_item
from server.usecases.reading import item_view, winner_of

_Answer = Response[Any]


@get("/items/{item:str}")
async def show(visit: NamedDependency[Visit], item: FromPath[str]) -> _Answer:
    """The page; the id of a loser leads on to the page of its winner."""
    item_id = _id(item)
    if (winner := await winner_of(visit.services, visit.caller, item_id)) is not None:
        return visit.go(f"/console/items/{winner}", Flash("done", visit.say("item.linked", loser=item_id)))
    return await _page(visit, item_id)


@post("/items/{item:str}", status_code=200)
async def act(visit: NamedDependency[Visit], form: NamedDependency[FormMultiDict], item: FromPath[str]) -> _Answer:
    """What a form of the page asks for; where it is refused the page says why and keeps what was written.

    What was linked since the page was read is not acted on: the page of its winner says so.
    """
    item_id, deed = _id(item), _DEEDS.get(str(form.get("do", "")))
    if deed is None:
        raise Problem("parameter_invalid", field="do")
    if (winner := await winner_of(visit.services, visit.caller, item_id)) is not None:
        return visit.go(f"/console/items/{winner}", Flash("refused", visit.say("item.linked_since")))
    try:
        return await deed(visit, item_id, form)
    except Problem as problem:
        if problem.code == "not_found":
            raise
        if problem.code == "late_transition":
            return visit.go(f"/console/items/{item_id}", Flash("refused", visit.either(problem.zh, problem.en)))
        return await _page(visit, item_id, given=form, problem=problem)


@get("/items/{item:str}/photos/{name:str}")
async def photo(visit: NamedDependency[Visit], item: FromPath[str], name: FromPath[str]) -> Redirect:
    """On to a fresh address of a photo's bytes; sensitive ones are reached from the revealed page alone."""
    view = await item_view(visit.services, visit.caller, _id(item))
    if photos_hidden(visit.services.catalogue.types[view.item.type], revealed=False):
        raise Problem("not_found")
    found = await photo_addresses(visit.services, visit.caller, view.item.id, thumbnails=False, only=name)
    if name not in found:
        raise Problem("not_found")
    return Redirect(found[name].url, status_code=303)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem("not_found") from None


async def _page(
    visit: Visit,
    item_id: UUID,
    *,
    revealed: ItemView | None = None,
    given: FormMultiDict | None = None,
    problem: Problem | None = None,
) -> Response[str]:
    """The item with its case; the case alone for who may decide about it but not read the item."""
    around = {
        "given": {key: str(value) for key, value in given.multi_items()} if given else {},
        "problem": visit.either(problem.zh, problem.en) if problem else "",
    }
    status = problem.status if problem else 200
    try:
        view = revealed or await item_view(visit.services, visit.caller, item_id)
    except Problem:
        detail = await cases.case_detail(visit.services, visit.caller, item_id)
        parts = await case_parts(visit, detail)
        return visit.page("case.html", status=status, item_id=item_id, case=parts, **around)
    parts = await item_parts(visit, view, revealed=revealed is not None)
    return visit.page("item.html", status=status, item_id=item_id, **parts, **around)


async def _approve(visit: Visit, item_id: UUID, form: FormMultiDict) -> _Answer:
    """Approve, then on to the list, or to what is now the most urgent submission."""
    await _decide(visit, {"item": item_id, "decision": "approve"}, form)
    words = visit.say("approved.flash", what=await title(visit, item_id))
    flash = Flash("done", words, str(form.get("revision", "")))
    if form.get("do") == "approve_next":
        page = await reviews.queue(visit.services, visit.caller, ItemFilter(), None, 1)
        if page.reviews:
            return visit.go(f"/console/items/{page.reviews[0].item.id}", flash)
    return visit.go("/console/reviews", flash)


async def _return(visit: Visit, item_id: UUID, form: FormMultiDict) -> _Answer:
    notes = {
        key.removeprefix("note."): str(value).strip()
        for key, value in form.multi_items()
        if key.startswith("note.") and str(value).strip()
    }
    note = str(form.get("note", "")).strip()
    wish = {"decision": "return", "notes": notes, "reason": form.get("reason"), "note": note}
    await _decide(visit, {"item": item_id} | {key: value for key, value in wish.items() if value}, form)
    words = visit.say("returned.flash", what=await title(visit, item_id))
    return visit.go("/console/reviews", Flash("done", words))


async def _decide(visit: Visit, wish: dict[str, Any], form: FormMultiDict) -> None:
    """Raises Problem with what the decision was refused for."""
    ref = read_revision(str(form.get("revision", "")))
    if ref.item != wish["item"]:
        raise Problem("parameter_invalid", field="revision")
    try:
        decision = convert(wish | {"version": ref.version, "rev": ref.rev}, ReviewDecision)
    except ValidationError:
        raise Problem("parameter_invalid") from None
    (result,) = await reviews.decide_all(visit.services, visit.caller, [decision])
    if result.result == "refused":
        raise Problem(result.code or "", field=result.field, detail_zh=result.zh, detail_en=result.en)


async def _undo(visit: Visit, item_id: UUID, form: FormMultiDict) -> _Answer:
    ref = read_revision(str(form.get("revision", "")))
    return visit.go(f"/console/items/{item_id}", await taken_back(visit, ref, visit.say("undo.reason_default")))


async def _reveal(visit: Visit, item_id: UUID, form: FormMultiDict) -> _Answer:
    """The page with every value, this once."""
    view = await revealed_item(visit.services, visit.caller, item_id, str(form.get("reason", "")))
    return await _page(visit, item_id, revealed=view)


async def _case(visit: Visit, item_id: UUID, form: FormMultiDict) -> _Answer:
    action = read_action(form)
    words = visit.say(f"action.{action.action}")
    await cases.act(visit.services, visit.caller, item_id, action)
    return visit.go(f"/console/items/{item_id}", Flash("done", visit.say("case.done", action=words)))


_DEEDS: dict[str, Callable[[Visit, UUID, FormMultiDict], Awaitable[_Answer]]] = {
    "approve": _approve,
    "approve_next": _approve,
    "return": _return,
    "undo": _undo,
    "reveal": _reveal,
    "case": _case,
}
