"""What the templates of an item's page are given: values, photos, sketch, decision, case and history, all in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas.accounts import GridView
from schemas.forms import CompiledType
from schemas.offices import CaseDetail, CaseSummary, ItemView, PhotoView, ReviewRef
from schemas.wire import ItemBody
from server.console import clock
from server.console.case_desk import organisation_name
from server.console.case_forms import action_forms
from server.console.filters import Choice
from server.console.queue_page import revision_text
from server.console.sketch import Sketch, draw, point_of
from server.console.timeline import case_step, exit_reason, return_reason, timeline
from server.console.titles import titles
from server.console.values import label, photos_hidden, references, shown_fields, summary
from server.console.visit import Visit
from server.errors import CATALOGUE
from server.usecases.cases import case_detail
from server.usecases.explaining import explain_item
from server.usecases.item_page import ReviewDesk, grid_view, photo_addresses, review_desk


class Photo(NamedTuple):
    """A photo on the page. `thumbnail` is an address for a few minutes, empty until the bytes were verified."""

    name: str
    thumbnail: str
    address: str
    alt: str
    caption: str
    state: str
    state_words: str
    flags: list[str]


class Place(NamedTuple):
    """The grid on the page; without a sketch where it is no longer current."""

    grid: str
    code: str
    community: str
    synthetic: bool
    sketch: Sketch | None
    alt: str
    outside: bool
    bar_words: str


class GridReason(NamedTuple):
    """Why one revision put the item into its grid, or could not."""

    version: int
    at: datetime
    words: str


class Deadline(NamedTuple):
    """One deadline of a case: what it is for, when it is, and how long is left; `state` is open, late or met."""

    words: str
    due: datetime
    left: str
    state: str


async def item_parts(visit: Visit, view: ItemView, *, revealed: bool) -> dict[str, Any]:
    """Everything for an item that the reader may read."""
    item = view.item
    compiled = visit.services.catalogue.types[item.type]
    named = await titles(visit, references(compiled, item.fields))
    fields = shown_fields(visit.language, compiled, item.fields, named, revealed=revealed)
    desk = await review_desk(visit.services, visit.caller, item.id)
    case = await case_parts(visit, await case_detail(visit.services, visit.caller, item.id)) if item.case else None
    hidden_photos = photos_hidden(compiled, revealed=revealed)
    return {
        "view": view,
        "type_name": visit.type_name(item.type),
        "summary": summary(visit.language, compiled, item.fields),
        "urgency_words": visit.urgency(item.urgency),
        "author": view.author_name or visit.say("item.unknown_person"),
        "review_words": visit.say(f"review.{item.review.state if item.review else 'none'}"),
        "fields": fields,
        "any_masked": any(one.hidden or one.masked for one in fields) or (hidden_photos and bool(view.photos)),
        "revealed": revealed,
        "hidden_photos": hidden_photos and bool(view.photos),
        "photos": [] if hidden_photos else await _photos(visit, compiled, view, revealed),
        "place": await _place(visit, compiled, item),
        "reasons": await _reasons(visit, item.id),
        "desk": desk,
        "revision": revision_text(ReviewRef(item.id, desk.version, desk.rev)) if desk else "",
        "refusal": _refusal(visit, desk),
        "return_reasons": _return_reasons(visit, compiled),
        "returned_for": return_reason(visit, item.review.reason) if item.review else "",
        "note_fields": [(field.key, label(visit.language, field)) for field in compiled.fields.values()],
        "history": timeline(visit, compiled, view, revealed=revealed),
        "case": case,
    }


async def _reasons(visit: Visit, item_id: UUID) -> list[GridReason]:
    explained = await explain_item(visit.services, visit.caller, item_id)
    return [GridReason(one.version, one.at, visit.either(one.zh, one.en)) for one in explained.revisions]


async def case_parts(visit: Visit, detail: CaseDetail) -> dict[str, Any]:
    """A case; for its own page, or as part of its item's."""
    case = detail.case
    compiled = visit.services.catalogue.types[case.type]
    grid, code = visit.grid_words(case.grid)
    request = case.request
    return {
        "detail": detail,
        "type_name": visit.type_name(case.type),
        "urgency": case.urgency,
        "urgency_words": visit.urgency(case.urgency),
        "grid": grid,
        "code": code,
        "state": case.state,
        "state_words": visit.say(f"case.{case.state}"),
        "organisation": organisation_name(visit, case),
        "assisting": [visit.either(one.name_zh, one.name_en) for one in case.assisting],
        "escalated": _tier(visit, case.escalated_to),
        "request": visit.say("case.request", action=visit.say(f"action.{request.action}")) if request else "",
        "request_reason": exit_reason(visit, request.reason) if request else "",
        "request_until": request.until if request else None,
        "waiver": detail.waiver or "",
        "deadlines": _deadlines(visit, case, datetime.now(UTC)),
        "forms": await action_forms(visit, compiled, detail),
        "steps": [case_step(visit, step) for step in reversed(detail.steps)],
    }


def _tier(visit: Visit, code: str | None) -> str:
    tiers = {one.code: visit.either(one.zh, one.en) for one in visit.services.catalogue.source.tiers}
    return tiers.get(code or "", "")


def _refusal(visit: Visit, desk: ReviewDesk | None) -> str:
    """Why a decision that seems near is not his to make; nothing where nobody would expect it to be."""
    if desk is None or desk.refusal is None or desk.refusal.code in ("forbidden", "late_transition"):
        return ""
    return visit.either(desk.refusal.zh, desk.refusal.en)


def _return_reasons(visit: Visit, compiled: CompiledType) -> list[Choice]:
    return [
        Choice(one.code, visit.either(one.zh, one.en))
        for one in visit.services.catalogue.source.return_reasons
        if compiled.kind in one.kinds
    ]


async def _photos(visit: Visit, compiled: CompiledType, view: ItemView, revealed: bool) -> list[Photo]:
    if not view.photos:
        return []
    item_id = view.item.id
    thumbnails = await photo_addresses(visit.services, visit.caller, item_id, thumbnails=True)
    full: dict[str, str] = {}
    if revealed:  # sensitive photos have no lasting address
        found = await photo_addresses(visit.services, visit.caller, item_id, thumbnails=False)
        full = {name: address.url for name, address in found.items()}
    small = {name: address.url for name, address in thumbnails.items()}
    return [_photo(visit, compiled, item_id, i, one, small, full) for i, one in enumerate(view.photos, 1)]


def _photo(
    visit: Visit,
    compiled: CompiledType,
    item_id: UUID,
    number: int,
    photo: PhotoView,
    small: dict[str, str],
    full: dict[str, str],
) -> Photo:
    name = f"{photo.sha256}-{photo.size}"
    role = visit.say(f"role.{photo.role}")
    why = CATALOGUE.get(photo.refusal or "")
    return Photo(
        name=name,
        thumbnail=small.get(name, ""),
        address=full.get(name) or f"/console/items/{item_id}/photos/{name}",
        alt=visit.say("item.photo_alt", type=visit.type_name(compiled.code), role=role, number=number),
        caption=_caption(visit, role, number, photo.taken_at),
        state=photo.state,
        state_words=visit.either(why.zh, why.en) if why else visit.say(f"photo.{photo.state}"),
        flags=[visit.say(f"flag.{flag}") for flag in photo.flags or ()],
    )


def _caption(visit: Visit, role: str, number: int, taken_at: datetime | None) -> str:
    if taken_at is None:
        return visit.say("item.photo", role=role, number=number)
    return visit.say("item.photo_with_time", role=role, number=number, at=clock.shown(visit.language, taken_at))


async def _place(visit: Visit, compiled: CompiledType, item: ItemBody) -> Place:
    grid = await grid_view(visit.services, item.grid) if item.grid else None
    if grid is None:
        return Place(visit.say("queue.no_grid"), "", "", False, None, "", False, "")
    point = point_of(item.fields, compiled.geo_fields)
    sketch = draw(grid.outline, _neighbours(visit, grid), point)
    metres = sketch.bar.metres
    scale = ("sketch.metres", metres) if metres < 1000 else ("sketch.kilometres", metres // 1000)
    return Place(
        grid=grid.name,
        code=grid.code,
        community=visit.either(grid.community_zh, grid.community_en),
        synthetic=grid.synthetic,
        sketch=sketch,
        alt=visit.say("sketch.alt" if sketch.point else "sketch.alt_no_point", grid=grid.name),
        outside=point is not None and sketch.point is None,
        bar_words=visit.say(scale[0], n=scale[1]),
    )


def _neighbours(visit: Visit, grid: GridView) -> list[Any]:
    """The other grids of the same community, so that one sees where in it this grid lies."""
    labels = visit.services.registry.labels.values()
    return [one.outline for one in labels if one.community == grid.community and one.id != grid.id]


def _deadlines(visit: Visit, case: CaseSummary, now: datetime) -> list[Deadline]:
    """The three deadlines in order; those that no longer run are met."""
    running = {
        "accept": case.state in ("reported", "accepted", "sent_back", "reopened"),
        "respond": case.state == "dispatched",
        "handle": case.state in ("reported", "accepted", "sent_back", "reopened", "dispatched", "signed"),
    }
    found: list[Deadline] = []
    for name, due in (("accept", case.accept_by), ("respond", case.respond_by), ("handle", case.handle_by)):
        if due is not None:
            state = "late" if name in case.overdue else "open" if running[name] else "met"
            left = visit.say("case.met") if state == "met" else clock.until(visit.language, due, now)
            found.append(Deadline(visit.say(f"case.{name}_by"), due, left, state))
    return found
