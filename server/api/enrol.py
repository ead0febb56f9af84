"""Enrolment of devices."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from schemas.accounts import Codes, CodesRequest, Enrolled, EnrolmentRequest, ForkRequest
from server.api.session_guard import SECURITY, provide_caller, request_id
from server.services import Services
from server.usecases import enrolment, forks
from server.usecases.sessions import Caller


@post("/enrol", status_code=200, tags=["enrolment"], summary="用注册码注册设备 Enrol a device with a code")
async def enrol(
    request: Request[Any, Any, Any], services: NamedDependency[Services], data: JSONBody[EnrolmentRequest]
) -> Enrolled:
    """Enrol a device; the same code and `install` get the same answer until a token of it is first used."""
    return await enrolment.enrol(services, data, request_id(request))


@post(
    "/enrol/fork",
    status_code=200,
    security=[*SECURITY, {}],
    tags=["enrolment"],
    summary="从备份恢复的手机另立设备 A device of its own for a phone restored from a backup",
)
async def fork(
    request: Request[Any, Any, Any], services: NamedDependency[Services], data: JSONBody[ForkRequest]
) -> Enrolled:
    """By the access token and a set answered `forked`, or without a token by what is left of the device in the backup.

    Until a token of the answer is first used, the same `install` is answered the same way.
    """
    caller = await provide_caller(request, services) if data.backup is None else None
    return await forks.fork(services, caller, data, request_id(request))


@post(
    "/enrol/codes",
    status_code=200,
    security=SECURITY,
    tags=["enrolment"],
    summary="发放注册码 Issue enrolment codes",
)
async def issue_codes(
    services: NamedDependency[Services], caller: NamedDependency[Caller], data: JSONBody[CodesRequest]
) -> Codes:
    """Codes for one person of the caller's area or, without `user`, for those of it with the fewest devices."""
    return Codes(await enrolment.issue_codes(services, caller, data))


ROUTER = Router("/v1", route_handlers=[enrol, fork, issue_codes])
