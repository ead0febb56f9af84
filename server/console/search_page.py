"""Finding items. What is looked for travels in the body of a form: addresses are written to logs and histories."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from msgspec.structs import replace

from schemas.searching import Hit, HitsPage, SearchWish
from server.console.filters import Choice, Filters, read_filters
from server.console.visit import Visit
from server.errors import Problem
from server.usecases.item_search import search_items
from server.usecases.places import places_of

PAGE_LENGTH = 25
_BY = ("text", "name", "phone", "national_id", "surname", "plate")


class Line(NamedTuple):
    """An item that was found."""

    id: UUID
    type: str
    title: str
    grid: str
    code: str
    urgency: str
    urgency_words: str
    received_at: datetime


class Asked(NamedTuple):
    """What the form holds."""

    by: str = "text"
    value: str = ""


@get("/search")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The form."""
    return _page(visit, await _filters(visit), Asked())


@post("/search", status_code=200)
async def find(visit: NamedDependency[Visit], form: NamedDependency[FormMultiDict]) -> Response[str]:
    """The form with what was found; where it cannot be looked for the page says why and keeps what was written."""
    filters = await _filters(visit)
    communities = [one.value for one in filters.divisions]
    chosen = _known(form, "division", communities)
    asked = Asked(_known(form, "by", _BY) or "text", str(form.get("value", "")).strip())
    if asked.by == "surname" and len(communities) == 1:
        chosen = communities[0]
    filters = filters._replace(type=_known(form, "type", visit.services.catalogue.types), division=chosen)
    try:
        page = await search_items(visit.services, visit.caller, _wish(asked, filters, str(form.get("cursor", ""))))
    except Problem as problem:
        why = visit.say("search.failed", why=visit.either(problem.zh, problem.en))
        return _page(visit, filters, asked, status=problem.status, problem=why)
    return _page(visit, filters, asked, page)


async def _filters(visit: Visit) -> Filters:
    """With every community of the reader, be it the only one: a surname is looked for in one."""
    places = await places_of(visit.services, visit.caller)
    communities = [
        Choice(one.code, visit.either(one.name_zh, one.name_en)) for one in places if one.tier == "community"
    ]
    return (await read_filters(visit, "/console/search"))._replace(type="", division="", divisions=communities)


def _known(form: FormMultiDict, key: str, known: Container[str]) -> str:
    value = str(form.get(key, ""))
    return value if value in known else ""


def _wish(asked: Asked, filters: Filters, cursor: str) -> SearchWish:
    wish = SearchWish(
        type=filters.type or None, division=filters.division or None, cursor=cursor or None, limit=PAGE_LENGTH
    )
    return replace(wish, **{asked.by: asked.value})


def _page(
    visit: Visit,
    filters: Filters,
    asked: Asked,
    found: HitsPage | None = None,
    *,
    status: int = 200,
    problem: str = "",
) -> Response[str]:
    return visit.page(
        "search.html",
        status=status,
        asked=asked,
        choices=[Choice(one, visit.say(f"search.by.{one}")) for one in _BY],
        filters=filters,
        lines=[_line(visit, one) for one in found.hits] if found else None,
        next=found.next if found else None,
        problem=problem,
    )


def _line(visit: Visit, hit: Hit) -> Line:
    grid, code = visit.grid_words(hit.item.grid)
    return Line(
        id=hit.item.id,
        type=visit.type_name(hit.item.type),
        title=hit.title,
        grid=grid,
        code=code,
        urgency=hit.item.urgency,
        urgency_words=visit.urgency(hit.item.urgency),
        received_at=hit.item.received_at,
    )
