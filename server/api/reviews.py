"""Reviews: the caller's queue, his decisions, and taking them back."""

from __future__ import annotations

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from schemas.offices import ReviewDecisions, ReviewResults, ReviewsPage, ReviewUndo
from server.api.items import NO_STORE
from server.api.pages import Cursor, Division, Limit, TypeCode
from server.api.session_guard import SECURITY
from server.db.reading import ItemFilter
from server.services import Services
from server.usecases import reading, reviews
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller


@get("/", summary="待我审核 What waits for your review")
async def queue(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    type: TypeCode = None,
    division: Division = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Response[ReviewsPage]:
    """Submissions that the caller may decide now, the most urgent first, then the oldest; own work is left out."""
    narrowed = ItemFilter(type=type, division=reading.area(division))
    return Response(await reviews.queue(services, caller, narrowed, cursor, limit), headers=NO_STORE)


@post("/", status_code=200, summary="通过或退回 Approve or return")
async def decide(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[ReviewDecisions]
) -> ReviewResults:
    """Up to 200 decisions, each with its own result; all that are done are done together.

    A return needs a reason code and becomes a to-do on the author's phone, with the notes.
    """
    return ReviewResults(await reviews.decide_all(services, caller, data.decisions))


@post("/undo", status_code=200, summary="撤销通过 Take approvals back")
async def undo(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[ReviewUndo]
) -> ReviewResults:
    """The caller's own last approvals, while nothing was built on them."""
    reason = checked_reason(data.reason)
    return ReviewResults(await reviews.undo_all(services, caller, data.items, reason))


ROUTER = Router("/v1/reviews", route_handlers=[queue, decide, undo], tags=["review"], security=SECURITY)
