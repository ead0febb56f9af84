"""Items as offices read them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from schemas.offices import ItemsPage, ItemView
from server.api.pages import Cursor, Division, Limit, TypeCode
from server.api.session_guard import SECURITY
from server.db.reading import ItemFilter
from server.services import Services
from server.usecases import reading
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


@get("/{item_id:uuid}", summary="一件事项及其经过 An item and what happened to it")
async def read_item(
    services: NamedDependency[Services], caller: NamedDependency[Caller], item_id: FromPath[UUID]
) -> Response[ItemView]:
    """Its fields, revisions, photos, and the steps of its review and case; reading personal values is audited."""
    return Response(await reading.item_view(services, caller, item_id), headers=NO_STORE)


ROUTER = Router("/v1/items", route_handlers=[list_items, read_item], tags=["items"], security=SECURITY)
