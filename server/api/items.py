"""Items as offices read them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from schemas.offices import ItemsPage, ItemView, RevealWish
from schemas.searching import HitsPage, SearchWish
from server.api.pages import Cursor, Division, Limit, TypeCode
from server.api.session_guard import SECURITY
from server.db.reading import ItemFilter
from server.services import Services
from server.usecases import reading
from server.usecases.item_page import revealed_item
from server.usecases.item_search import search_items
from server.usecases.sessions import Caller
from sync.case_table import CaseStatus

ReviewStatus = Literal["pending", "approved", "returned"]
NO_STORE = {"Cache-Control": "no-store"}
"""Answers with values of items stay in no cache on the way."""


@get("/", summary="可查看的事项 Items that you may read")
async def list_items(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    type: TypeCode = None,
    division: Division = None,
    review: Annotated[ReviewStatus | None, QueryParameter(description="审核状态 State of its review")] = None,
    case: Annotated[CaseStatus | None, QueryParameter(description="案件状态 State of its case")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ItemsPage:
    """Newest first, without what was filled into the forms."""
    narrowed = ItemFilter(type=type, division=reading.area(division), review=review, case=case)
    return await reading.list_items(services, caller, narrowed, cursor, limit)


@get("/search", summary="按文字查找 Items by their text")
async def search_text(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    q: Annotated[str, QueryParameter(max_length=100, description="要查找的文字 Text to look for")],
    type: TypeCode = None,
    division: Division = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response[HitsPage]:
    """Items whose clear text holds every word of `q`, the newest first; personal values are never found like this."""
    wish = SearchWish(text=q, type=type, division=division, cursor=cursor, limit=limit)
    return Response(await search_items(services, caller, wish), headers=NO_STORE)


@post("/search", status_code=200, summary="按个人信息查找 Items by personal values too")
async def search(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[SearchWish]
) -> Response[HitsPage]:
    """By text, identity number, telephone number, name, plate, or a surname within a community.

    Personal values are sent in a body, because addresses are written to logs. That somebody searched by them is
    audited, what he searched for is not.
    """
    return Response(await search_items(services, caller, data), headers=NO_STORE)


@get("/{item_id:uuid}", summary="一件事项及其经过 An item and what happened to it")
async def read_item(
    services: NamedDependency[Services], caller: NamedDependency[Caller], item_id: FromPath[UUID]
) -> Response[ItemView]:
    """Its fields, revisions, photos, and the steps of its review and case; personal values are masked."""
    return Response(await reading.masked_item(services, caller, item_id), headers=NO_STORE)


@post("/{item_id:uuid}/reveal", status_code=200, summary="显示个人信息 The same with every value")
async def reveal_item(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    item_id: FromPath[UUID],
    data: JSONBody[RevealWish],
) -> Response[ItemView]:
    """Nothing is masked; who asked, for which fields and why is audited before they are shown."""
    return Response(await revealed_item(services, caller, item_id, data.reason), headers=NO_STORE)


ROUTER = Router(
    "/v1/items",
    route_handlers=[list_items, search_text, search, read_item, reveal_item],
    tags=["items"],
    security=SECURITY,
)
