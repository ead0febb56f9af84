"""Takes the case of an event through its steps, each by somebody who may do so, at given times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from schemas.evidence import PhotoRef
from schemas.offices import CaseAction
from server.demo.history.chronicle import Life
from server.demo.history.ground import Ground
from server.usecases.sessions import Caller
from sync.access import Organisation, may_hold
from sync.case_state import photo_needs

_REASONS = {
    "decline": ("na_below_standard", "na_out_of_scope", "na_duplicate", "na_not_found"),
    "send_back": ("sb_wrong_department", "sb_wrong_area", "sb_insufficient"),
    "extend": ("ex_weather", "ex_materials", "ex_coordination", "ex_party_absent"),
    "hold": ("oh_funding", "oh_planning", "oh_ownership", "oh_history"),
    "void": ("vo_mistake", "vo_merged"),
}
_NOTES = {
    "handle": ("已整改到位。", "现场处置完毕,已告知当事人。", "已清理并加强巡查。", "已维修,恢复正常使用。"),
    "redo": ("现场仍有残留,请继续处置。", "照片与现场不符,请重新处理。"),
    "reopen": ("问题反弹,重新立案。", "群众反映未彻底解决。"),
    "escalate": ("超期未办结,督促尽快处置。",),
    "send_back": ("经核实不属本单位职责,请改派。",),
    "hold": ("需列入年度计划统筹解决。",),
}
_EXTENDED_BY = timedelta(days=5)


class NobodyError(LookupError):
    """Nobody in the city may take this step, so the case stays where it is."""


def take(ground: Ground, life: Life, step: str, at: datetime) -> None:
    """One step. Raises NobodyError where the city has nobody for it."""
    _STEPS[step](ground, life, at)


def _approve(ground: Ground, life: Life, at: datetime) -> None:
    if not ground.decide(life, at):
        raise NobodyError("review")


def _return(ground: Ground, life: Life, at: datetime) -> None:
    if not ground.decide(life, at, returning=True):
        raise NobodyError("review")


def _by(role: str, action: str) -> Callable[[Ground, Life, datetime], None]:
    def step(ground: Ground, life: Life, at: datetime) -> None:
        _act(ground, life, at, _someone(ground, life, role), action)

    return step


def _dispatch(ground: Ground, life: Life, at: datetime) -> None:
    office = ground.staff.nearest(life.case.department, life.facts.grid_code)
    if office is None:
        raise NobodyError(life.case.department)
    who = _someone(ground, life, "dispatcher")
    _act(ground, life, at, who, "dispatch", office, department=office.department)


def _attach(ground: Ground, life: Life, at: datetime) -> None:
    item_type, held = life.standing.compiled.type, life.case.organisation
    fitting = [one for one in item_type.assist_departments if may_hold(item_type, one)]
    offices = [ground.staff.nearest(one, life.facts.grid_code) for one in fitting]
    office = next((one for one in offices if one is not None and one != held), None)
    if office is None:
        raise NobodyError("attach")
    who = _someone(ground, life, "dispatcher")
    _act(ground, life, at, who, "attach", office, department=office.department)


def _verify(ground: Ground, life: Life, at: datetime) -> None:
    """Whoever of the team reads the form looks at the place again, and shows that it is in order."""
    item_type = life.standing.compiled.type
    needed = photo_needs(item_type, life.case.urgency, life.standing.ruling.fixed_on_site).close
    taken = [ground.album.choose(ground.rng, at) for _ in range(needed)]
    team = ground.staff.acting("grid_worker", life.facts, item_type)
    who = ground.rng.choice(team or [_someone(ground, life, "grid_chief")])
    photos = [PhotoRef(one.sha256, one.size) for one in taken]
    _act(ground, life, at, who, "verify", photos=photos)


def _close(ground: Ground, life: Life, at: datetime) -> None:
    role = "grid_chief" if life.case.state == "verified" and ground.rng.random() < 0.5 else "dispatcher"
    _act(ground, life, at, _someone(ground, life, role), "close")


def _ask_extension(ground: Ground, life: Life, at: datetime) -> None:
    until = max(life.case.handle_by or at, at) + _EXTENDED_BY
    _act(ground, life, at, _someone(ground, life, "department_handler"), "extend", until=until)


def _grant(action: str, role: str) -> Callable[[Ground, Life, datetime], None]:
    """The office that a request needs approves it."""

    def step(ground: Ground, life: Life, at: datetime) -> None:
        asked = life.case.asked
        who = _someone(ground, life, role, besides=asked.by if asked else None)
        _act(ground, life, at, who, "approve", request=action)

    return step


def _someone(ground: Ground, life: Life, role: str, besides: UUID | None = None) -> Caller:
    """One of the nearest who may act in this role; nobody approves what he asked for."""
    able = [one for one in ground.staff.acting(role, life.facts, life.standing.compiled.type) if one.user_id != besides]
    if not able:
        raise NobodyError(role)
    return ground.rng.choice(able[:2])


def _act(
    ground: Ground,
    life: Life,
    at: datetime,
    who: Caller,
    action: str,
    office: Organisation | None = None,
    *,
    department: str | None = None,
    until: datetime | None = None,
    request: str | None = None,
    photos: Sequence[PhotoRef] = (),
) -> None:
    given: dict[str, Any] = {"department": department, "until": until, "request": request, "photos": list(photos)}
    if action in _REASONS:
        given["reason"] = ground.rng.choice(_REASONS[action])
    if action in _NOTES:
        given["note"] = ground.rng.choice(_NOTES[action])
    ground.chronicle.act(life, who, CaseAction(action, life.case.state, **given), at, office)


_STEPS: dict[str, Callable[[Ground, Life, datetime], None]] = {
    "approve": _approve,
    "return": _return,
    "accept": _by("dispatcher", "accept"),
    "decline": _by("dispatcher", "decline"),
    "dispatch": _dispatch,
    "attach": _attach,
    "sign": _by("department_handler", "sign"),
    "handle": _by("department_handler", "handle"),
    "verify": _verify,
    "redo": _by("grid_chief", "redo"),
    "close": _close,
    "ask_send_back": _by("department_handler", "send_back"),
    "grant_send_back": _grant("send_back", "dispatcher"),
    "ask_extension": _ask_extension,
    "grant_extension": _grant("extend", "street"),
    "ask_hold": _by("department_handler", "hold"),
    "grant_hold": _grant("hold", "county_centre"),
    "resume": _by("department_handler", "resume"),
    "ask_void": _by("dispatcher", "void"),
    "grant_void": _grant("void", "county_centre"),
    "reopen": _by("grid_chief", "reopen"),
    "escalate": _by("street", "escalate"),
}
