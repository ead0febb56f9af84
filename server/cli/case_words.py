"""What states of cases, deadlines and roles are called in a terminal, and how times are typed and shown there."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import typer

from server.cli.context import catalogue_in_use
from server.usecases.case_orders import STEP_WORDS

STATES = {
    "reported": "已上报",
    "accepted": "已立案",
    "not_accepted": "不予立案",
    "dispatched": "已派遣",
    "signed": "已签收",
    "handled": "已处置",
    "verified": "已核实",
    "closed": "已结案",
    "sent_back": "已回退",
    "on_hold": "已挂账",
    "reopened": "重新立案",
    "void": "已作废",
}
DEADLINES = {"accept": "立案派遣 accept", "respond": "签收 respond", "handle": "处置 handle"}
ID_SHOWN = 18
"""So many characters of an id are shown; they will do to name it."""

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_BY_ITSELF = {"report": "上报", "undo": "撤销离线操作"}
_WAITED_FOR = {
    "evidence_not_verified": "照片核验后自动办理 taken by itself once its photos were verified",
    "review_pending": "审核通过后自动办理 taken by itself once the review had approved",
}
_MOMENTS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")


def state_words(state: str | None) -> str:
    """A state of a case in both languages."""
    return f"{STATES[state]} {state}" if state else "—"


def step_words(action: str) -> str:
    """A step in both languages; some are taken by nobody."""
    return f"{STEP_WORDS.get(action) or _BY_ITSELF.get(action, '')} {action}".strip()


def waited_words(code: str | None) -> str:
    """What a step waited for that was taken by itself, by the code of what it lacked; empty where there is none."""
    return _WAITED_FOR.get(code or "", "")


def role_words(code: str) -> str:
    """A role in Chinese, with its code; the server itself is one."""
    known = {role.code: role.zh for role in catalogue_in_use().source.roles}
    return f"{known.get(code, '系统')} {code}"


def urgency_words(code: str) -> str:
    """An urgency in both languages."""
    return next(f"{one.zh} {one.en}" for one in catalogue_in_use().source.urgency_levels if one.code == code)


def type_words(code: str) -> str:
    """An item type by its code and names."""
    compiled = catalogue_in_use().types.get(code)
    return f"{code} {compiled.type.name_zh} {compiled.type.name_en}" if compiled else code


def local(moment: datetime) -> str:
    """A moment in the city's time, to the minute."""
    return moment.astimezone(_CITY_TIME).strftime("%Y-%m-%d %H:%M")


def read_moment(text: str | None, hint: str) -> datetime | None:
    """A day or minute of the city's time, in UTC. Raises BadParameter."""
    if text is None:
        return None
    for form in _MOMENTS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=_CITY_TIME).astimezone(UTC)
        except ValueError:
            continue
    message = "请写如 2026-03-05 或 2026-03-05 18:00(北京时间)/ write such a day or minute, in Beijing time"
    raise typer.BadParameter(message, param_hint=hint)
