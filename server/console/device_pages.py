"""Devices: finding silent ones, revoking and replacing them, each after a page that says what will happen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath

from schemas.accounts import NewCode
from server.console.device_lines import InUse, in_use
from server.console.flash import Flash
from server.console.posts import PostLine, post_lines
from server.console.qr import draw_qr
from server.console.visit import Visit
from server.errors import Problem
from server.usecases.devices import (
    DeviceDetail,
    DevicesWish,
    DeviceView,
    list_devices,
    replace_device,
    revoke_device,
    show_device,
)
from server.usecases.enrolment import enrolment_link, in_groups

PAGE_LENGTH = 25
SILENCES = (1, 3, 7, 14, 30)
"""Days that the list can be narrowed to."""

_DIRECTIVES = {"wipe": "device.directive.wipe", "update_app": "device.directive.update_app"}
_STATES = {"enrolled": "device.enrolled", "revoked": "device.revoked", "left": "device.left"}


class Wanted(NamedTuple):
    """What the list is narrowed to, as its address says it."""

    silent: int
    unsent: bool
    revoked: bool
    cursor: str | None

    @property
    def narrowed(self) -> bool:
        """Whether a device in use is left out, or others are asked for."""
        return bool(self.silent or self.unsent or self.revoked)

    @property
    def devices(self) -> DevicesWish:
        """As the use cases take it."""
        return DevicesWish(revoked=self.revoked, silent_days=self.silent or None, unsent=self.unsent)

    def address(self, **more: str | None) -> str:
        """The list with this filter, and more parameters."""
        query = {
            "silent": str(self.silent or ""),
            "unsent": "1" if self.unsent else "",
            "revoked": "1" if self.revoked else "",
            **more,
        }
        written = urlencode({key: value for key, value in query.items() if value})
        return f"/console/devices?{written}" if written else "/console/devices"


class Line(NamedTuple):
    """A device in the list, or on its own page."""

    device: DeviceView
    posts: list[PostLine]
    standing: InUse
    state_words: str


@get("/devices")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The list."""
    asked = visit.request.query_params
    silent = asked.get("silent", "")
    wanted = Wanted(
        silent=int(silent) if silent in map(str, SILENCES) else 0,
        unsent=asked.get("unsent") == "1",
        revoked=asked.get("revoked") == "1",
        cursor=asked.get("cursor"),
    )
    page = await list_devices(visit.services, visit.caller, wanted.devices, wanted.cursor, PAGE_LENGTH)
    now = datetime.now(UTC)
    return visit.page(
        "devices.html",
        lines=[_line(visit, one, now) for one in page.devices],
        filters=wanted,
        silences=SILENCES,
        next=wanted.address(cursor=page.next) if page.next else None,
    )


@get("/devices/{device_id:str}")
async def device(visit: NamedDependency[Visit], device_id: FromPath[str]) -> Response[str]:
    """One of them."""
    detail = await show_device(visit.services, visit.caller, _id(device_id))
    line = _line(visit, detail.device, datetime.now(UTC))
    return visit.page("device.html", line=line, detail=detail, kinds=_DIRECTIVES)


@get("/devices/{device_id:str}/{deed:str}")
async def ask(visit: NamedDependency[Visit], device_id: FromPath[str], deed: FromPath[str]) -> Response[str]:
    """What will happen, and the question why; only where the reader may do it now."""
    detail = await show_device(visit.services, visit.caller, _id(device_id))
    if not _may(detail, deed):
        raise Problem("not_found")
    return _question(visit, detail, deed)


@post("/devices/{device_id:str}/{deed:str}", status_code=200)
async def act(
    visit: NamedDependency[Visit],
    form: NamedDependency[FormMultiDict],
    device_id: FromPath[str],
    deed: FromPath[str],
) -> Response[Any]:
    """Do it. What is wrong with the reason is told on the page that asked for it."""
    known, reason = _id(device_id), str(form.get("reason", ""))
    try:
        if deed == "revoke":
            return _revoked(visit, await revoke_device(visit.services, visit.caller, known, reason))
        if deed == "replace":
            return await _replaced(visit, known, await replace_device(visit.services, visit.caller, known, reason))
    except Problem as problem:
        if problem.code == "device_already_revoked":
            return visit.go(f"/console/devices/{known}", Flash("refused", visit.either(problem.zh, problem.en)))
        if problem.field != "reason":
            raise
        detail = await show_device(visit.services, visit.caller, known)
        return _question(visit, detail, deed, problem)
    raise Problem("not_found")


def _may(detail: DeviceDetail, deed: str) -> bool:
    return {"revoke": detail.may_revoke, "replace": detail.may_replace}.get(deed, False)


def _question(visit: Visit, detail: DeviceDetail, deed: str, problem: Problem | None = None) -> Response[str]:
    return visit.page(
        "device_question.html",
        status=problem.status if problem else 200,
        line=_line(visit, detail.device, datetime.now(UTC)),
        deed=deed,
        problem=visit.either(problem.zh, problem.en) if problem else "",
    )


def _revoked(visit: Visit, detail: DeviceDetail) -> Response[Any]:
    words = visit.say("revoke.done", name=detail.device.holder_name)
    return visit.go(f"/console/devices/{detail.device.id}", Flash("done", words))


async def _replaced(visit: Visit, device_id: UUID, code: NewCode) -> Response[str]:
    """The code, this once: it is on no other page and in no address."""
    detail = await show_device(visit.services, visit.caller, device_id)
    address = visit.server_address
    return visit.page(
        "code.html",
        line=_line(visit, detail.device, datetime.now(UTC)),
        code=in_groups(code.code),
        server=address,
        until=code.expires_at,
        picture=draw_qr(enrolment_link(code.code, address)),
    )


def _line(visit: Visit, one: DeviceView, now: datetime) -> Line:
    return Line(one, post_lines(visit, one.posts), in_use(visit, one, now), visit.say(_STATES[one.state]))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem("not_found") from None
