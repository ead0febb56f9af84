"""Devices drawn for a terminal of 80 columns or more, and enrolment codes as something to scan or to type."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import segno
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.accounts import NewCode
from server.cli.context import catalogue_in_use
from server.cli.field_values import printable
from server.db.directives import DirectiveRecord
from server.db.directory import Post
from server.usecases.devices import DeviceDetail, DevicesPage, DeviceView
from server.usecases.enrolment import enrolment_link, in_groups

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_ID_SHOWN = 8
_STATES = {"enrolled": "在用 enrolled", "revoked": "已停用 revoked", "left": "持有人已离岗 holder has left"}

_WIPES = {"asked": "待清除\nto wipe", "done": "已清除\nwiped"}
_POSTS = {"now": "", "coming": " (未到任 to begin)", "ended": " (已结束 ended)"}
_KINDS = {"wipe": "清除数据 wipe", "update_app": "更新应用 update the app"}


def print_devices(page: DevicesPage, now: datetime) -> None:
    """A line a device, by the names of the holders."""
    if not page.devices:
        Console().print("没有设备 / No devices.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编号\nid", no_wrap=True, min_width=_ID_SHOWN)
    table.add_column("持有人\nholder", ratio=3, overflow="fold")
    table.add_column("岗位\npost", ratio=5, overflow="fold")
    table.add_column("上次同步\nlast sync", no_wrap=True, min_width=9)
    table.add_column("未传\nunsent", no_wrap=True, justify="right")
    table.add_column("应用\napp", ratio=2, overflow="fold")
    table.add_column("状态\nstate", no_wrap=True, min_width=8)
    for one in page.devices:
        table.add_row(*_cells(one, now))
    console = Console()
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --cursor {page.next}", soft_wrap=True, highlight=False)


def print_device(detail: DeviceDetail) -> None:
    """Everything that is known of one device."""
    one = detail.device
    lines = [
        f"设备 device {one.id}",
        f"持有人 holder: {one.holder_name} {one.phone} ({one.holder})",
        *(f"岗位 post: {post}" for post in _posts(one)),
        f"机型 model: {one.name or '—'} {one.platform}",
        f"应用 app: {one.app or '—'}",
        f"注册 enrolled: {_time(one.enrolled_at)}",
        f"上次同步 last sync: {_time(one.last_exchange_at) if one.last_exchange_at else '从未 never'}",
        f"未上传 unsent: {one.unsent}",
        f"状态 state: {_STATES[one.state]}",
    ]
    if one.revoked_at:
        lines.append(f"停用 revoked: {_time(one.revoked_at)} {one.revoked_by_name or ''}")
    if one.replaces:
        lines.append(f"替换了 replaces: {one.replaces}")
    if one.forked_from:
        lines.append(f"由备份恢复,原设备 restored from a backup of: {one.forked_from}")
    if one.replaced_by:
        lines.append(f"被替换为 replaced by: {one.replaced_by}")
    _say([*lines, *map(_directive, detail.directives)])


def print_revoked(detail: DeviceDetail) -> None:
    """What is revoked, what that means, and how to go on."""
    one = detail.device
    lines = [f"已停用 / revoked: {one.id} {one.holder_name}"]
    if one.unsent:
        lines.append(
            f"手机中尚有未上传的变更,之后上传的进入隔离区 / unsent changes, which go to quarantine: {one.unsent}"
        )
    lines.append("停用不能撤销;如要继续使用,请重新注册 / This is for good; to go on using it, enrol it again:")
    lines.append(f"onegrid device enrol --user {one.holder} --as … --reason …")
    _say(lines)


def print_directed(detail: DeviceDetail) -> None:
    """What the device is asked to do, and when it will know."""
    asked = detail.directives[0]
    lines = [f"已下达 / asked: {_KINDS[asked.kind]} {detail.device.id} {detail.device.holder_name}"]
    if asked.kind == "wipe" and detail.device.unsent:
        lines.append(
            f"手机先上传未传的变更,进入隔离区 / it first sends to the quarantine what is unsent: {detail.device.unsent}"
        )
    lines.append("手机下次同步时执行,完成后回报 / It is told at its next exchange, and says when it has done it:")
    lines.append(f"onegrid device show {detail.device.id} --as …")
    _say(lines)


def print_code(code: NewCode, address: str) -> None:
    """A code to scan, with what to type by hand."""
    segno.make(enrolment_link(code.code, address)).terminal(sys.stdout, compact=True)
    ends = code.expires_at.astimezone().isoformat(timespec="minutes")
    sys.stdout.write(f"服务器 / server: {address}\n注册码 / code:   {in_groups(code.code)}\n有效至 / until:  {ends}\n")


def _directive(asked: DirectiveRecord) -> str:
    done = f"已完成 done {_time(asked.done_at)}" if asked.done_at else "未完成 not done yet"
    return f"指令 directive: {_KINDS[asked.kind]} {_time(asked.created_at)} {asked.created_by_name} — {done}"


def _cells(one: DeviceView, now: datetime) -> tuple[str | Text, ...]:
    return (
        Text(str(one.id)[:_ID_SHOWN], style="dim" if one.revoked_at else "bold"),
        Text(printable(f"{one.holder_name}\n{one.phone}")),
        Text(printable("\n".join(_posts(one)) or "—")),
        Text(_ago(now - one.last_exchange_at) if one.last_exchange_at else "从未\nnever"),
        str(one.unsent),
        Text(printable(f"{one.app}\n{one.name}")),
        "\n".join(filter(None, _standing(one))),
    )


def _standing(one: DeviceView) -> tuple[str | None, ...]:
    copied = "备份副本\ncopy" if one.forked_from else None
    return _STATES[one.state].replace(" ", "\n", 1), one.wipe and _WIPES[one.wipe], copied


def _posts(one: DeviceView) -> list[str]:
    return [f"{_roles().get(post.role, post.role)} {_place(post)}".strip() for post in one.posts]


def _place(post: Post) -> str:
    return f"{post.grid or post.division or ''}{_POSTS[post.state]}"


def _roles() -> dict[str, str]:
    return {role.code: role.zh for role in catalogue_in_use().source.roles}


def _ago(age: timedelta) -> str:
    hours = int(age.total_seconds()) // 3600
    if hours < 1:
        return "1 小时内\n< 1 h"
    return f"{hours} 小时前\n{hours} h ago" if hours < 48 else f"{hours // 24} 天前\n{hours // 24} d ago"


def _time(at: datetime) -> str:
    return at.astimezone(_CITY_TIME).strftime("%Y-%m-%d %H:%M")


def _say(lines: list[str]) -> None:
    Console().print(Text(printable("\n".join(lines))), soft_wrap=True)
