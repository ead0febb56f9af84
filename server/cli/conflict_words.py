"""What kinds of conflict and settlements are called in a terminal, and how times and ages are written there."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

KINDS = {
    "update_update": "改/改 update/update",
    "update_delete": "改/删 update/delete",
    "delete_update": "删/改 delete/update",
    "code": "网格编码 grid code",
    "territory": "网格去向 territory",
    "referenced": "引用 reference",
    "duplicate": "重复 duplicate",
    "late_transition": "案件操作 late step",
    "group": "整组 whole set",
}
TAKES = {
    "server": "服务器 server",
    "incoming": "离线 incoming",
    "merge": "合并 merge",
    "grid": "指定网格 grid",
    "link": "合为一项 link",
    "placed": "由位置确定 placed by an edit",
    "withdrawn": "采集人已删除 withdrawn",
    "released": "不再重复 no duplicate any more",
    "erased": "已清除 erased",
    "taken": "照片或审核到位后自动办理 taken by itself, its photos or approval being there",
    "reached": "案件已到该状态 the case was there already",
}
ID_SHOWN = 8
"""So many digits of an id are shown; they will do to name it."""

_CITY_TIME = ZoneInfo("Asia/Shanghai")


def time_words(moment: datetime) -> str:
    """A moment in the city's time, to the minute."""
    return moment.astimezone(_CITY_TIME).strftime("%Y-%m-%d %H:%M")


def age_words(age: timedelta) -> str:
    """An age as `--older-than` takes it, rounded down."""
    hours = int(age.total_seconds() // 3600)
    return f"{hours // 24}d" if hours >= 24 else f"{hours}h" if hours else f"{int(age.total_seconds() // 60)}m"
