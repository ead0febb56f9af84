"""Cases: queues, one case, acting on it, and the offices to choose from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from schemas.offices import CaseAction, CaseDetail, CasesPage, OrganisationsAnswer
from server.api.items import NO_STORE
from server.api.pages import Cursor, Division, Limit, TypeCode
from server.api.session_guard import SECURITY
from server.db.cases import CaseFilter
from server.services import Services
from server.usecases import cases, reading
from server.usecases.sessions import Caller
from sync.case_table import CaseStatus


@get("/cases", summary="案件列表 Cases")
async def list_cases(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    case: Annotated[CaseStatus | None, QueryParameter(description="案件状态 State")] = None,
    overdue: Annotated[bool, QueryParameter(description="只看超期 Only overdue ones")] = False,
    mine: Annotated[
        bool, QueryParameter(description="只看本单位承办或协办 Only those your offices hold or assist")
    ] = False,
    type: TypeCode = None,
    division: Division = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> CasesPage:
    """The most urgent first, then the oldest; without what was filled into the forms."""
    narrowed = CaseFilter(
        state=case,
        type=type,
        division=reading.area(division),
        offices=cases.own_offices(caller.assignments) if mine else None,
        overdue_at=datetime.now(UTC) if overdue else None,
    )
    return await cases.list_cases(services, caller, narrowed, cursor, limit)


@get("/cases/{item_id:uuid}", summary="一件案件 A case")
async def read_case(
    services: NamedDependency[Services], caller: NamedDependency[Caller], item_id: FromPath[UUID]
) -> Response[CaseDetail]:
    """Its state, deadlines and steps, and what the caller may do now."""
    return Response(await cases.case_detail(services, caller, item_id), headers=NO_STORE)


@post("/cases/{item_id:uuid}", status_code=200, summary="办理案件 Act on a case")
async def act(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    item_id: FromPath[UUID],
    data: JSONBody[CaseAction],
) -> Response[CaseDetail]:
    """Accept, dispatch, sign, handle, verify, close and the ways out; `from` names the state that the action leaves."""
    return Response(await cases.act(services, caller, item_id, data), headers=NO_STORE)


@get("/organisations", summary="可选单位 Offices to choose from")
async def list_organisations(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    department: Annotated[
        str | None, QueryParameter(pattern="^[a-z_]{1,40}$", description="部门代码 Code of a department")
    ] = None,
) -> OrganisationsAnswer:
    """The offices in the caller's area and above it."""
    return OrganisationsAnswer(await cases.organisations(services, caller, department))


ROUTER = Router(
    "/v1",
    route_handlers=[list_cases, read_case, act, list_organisations],
    tags=["case"],
    security=SECURITY,
)
