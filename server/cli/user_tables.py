"""People drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.context import catalogue_in_use
from server.cli.field_values import printable
from server.usecases.credentials import NewPassword
from server.usecases.leaving import Ended
from server.usecases.people import Appointed
from server.usecases.people_import import Imported
from server.usecases.people_views import PeoplePage, PersonDetail, PersonView, PostView

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_STATES = {"now": "在任 now", "coming": "未到任 coming", "ended": "已结束 ended"}
_ROWS_TOLD = 100


def print_appointed(done: Appointed) -> None:
    """Who it is, and the number of the new assignment."""
    number = "" if done.assignment is None else f"; 任职 assignment {done.assignment}"
    Console().print(f"已完成 / done: 用户 user {done.user}{number}", highlight=False, soft_wrap=True)


def print_ended(done: Ended) -> None:
    """What has ended, and what it leaves behind."""
    verb = "将会 / would be" if done.dry_run else "已完成 / done"
    numbers = ", ".join(map(str, done.assignments)) or "无 none"
    lines = [f"{verb}: 用户 user {done.user}", f"结束任职 / ended assignments: {numbers}"]
    if done.sessions:
        lines.append(f"结束登录 / ended sign-ins: {done.sessions}")
    if done.handed_on:
        lines.append(f"转交同网格人员修改 / returned items handed on: {done.handed_on}")
    if done.unsent:
        lines.append(f"手机中尚有未上传的变更 / changes still on the phone: {done.unsent}")
    if done.without_chief:
        lines.append(f"现无网格长的网格 / grids without a chief: {', '.join(done.without_chief)}")
    Console().print("\n".join(lines), highlight=False, soft_wrap=True)


def print_password(done: NewPassword) -> None:
    """The password, once."""
    lines = [f"新密码 / new password: {done.password}", "只显示这一次 / it is shown this once"]
    if done.sessions:
        lines.append(f"结束登录 / ended sign-ins: {done.sessions}")
    Console().print(Text("\n".join(lines)), soft_wrap=True)


def print_unlocked(user: UUID) -> None:
    """Who may try again."""
    Console().print(f"已解锁 / unlocked: {user}", highlight=False, soft_wrap=True)


def print_people(page: PeoplePage) -> None:
    """A line a person, by name."""
    if not page.people:
        Console().print("没有人员 / Nobody.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编号\nid", no_wrap=True, min_width=8)
    table.add_column("姓名\nname", ratio=2, overflow="fold")
    table.add_column("手机\nphone", no_wrap=True, min_width=11)
    table.add_column("任职\nposts", ratio=5, overflow="fold")
    table.add_column("设备\ndevices", no_wrap=True, justify="right")
    for person in page.people:
        posts = Text("\n".join(_post(one) + _standing(one) for one in person.posts) or "—")
        table.add_row(str(person.id)[:8], Text(printable(person.name)), person.phone, posts, str(person.devices))
    console = Console()
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --cursor {page.next}", soft_wrap=True, highlight=False)


def print_person(detail: PersonDetail) -> None:
    """Who it is, then all assignments ever and the devices."""
    console, person = Console(), detail.person
    console.print(Text(printable("\n".join(_heading(person)))), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for heading, ratio in (
        ("任职\nassignment", 1),
        ("岗位\npost", 4),
        ("自\nfrom", 2),
        ("至\nuntil", 2),
        ("状态\nstate", 2),
    ):
        table.add_column(heading, ratio=ratio, overflow="fold")
    for one in person.posts:
        table.add_row(str(one.assignment), _post(one), _time(one.valid_from), _time(one.valid_to), _STATES[one.state])
    console.print(table)
    for device in detail.devices:
        state = "已停用 revoked" if device.revoked_at else f"未上传 unsent {device.unsent}"
        name = printable(f"{device.name} {device.platform} {device.app}")
        console.print(
            Text(f"设备 device {device.id} {name}; {_time(device.last_exchange_at)}; {state}"), soft_wrap=True
        )


def print_imported(done: Imported) -> None:
    """What came of the list, or every line that is wrong."""
    console = Console()
    if done.bad:
        console.print(_bad_rows(done))
        rest = len(done.bad) - _ROWS_TOLD
        if rest > 0:
            console.print(f"另有 {rest} 行,见 --json / and {rest} more, see --json")
        console.print(f"{len(done.bad)} 行有误,未写入任何内容 / {len(done.bad)} bad lines, nothing was written")
        return
    verb = "将会导入 / would be taken in" if done.dry_run else "已导入 / taken in"
    console.print(
        f"{verb}: {done.rows} 行 lines, 新人员 new people {done.new_people}, 已有 known {done.known_people}, "
        f"任职 assignments {done.assignments}",
        highlight=False,
        soft_wrap=True,
    )


def _bad_rows(done: Imported) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("行\nline", no_wrap=True, justify="right")
    table.add_column("列\ncolumn", no_wrap=True)
    table.add_column("问题\nfault", ratio=1, overflow="fold")
    for one in done.bad[:_ROWS_TOLD]:
        table.add_row(str(one.row), one.field or "", Text(f"{one.zh}\n{one.en} ({one.code})"))
    return table


def _heading(person: PersonView) -> list[str]:
    lines = [f"{person.name}  {person.phone}", f"用户 user {person.id}"]
    if person.left_at:
        lines.append(f"离岗 left {_time(person.left_at)}")
    if person.locked_until:
        lines.append(f"锁定至 locked until {_time(person.locked_until)}")
    if person.has_password:
        lines.append("有密码 has a password")
    return lines


def _post(one: PostView) -> str:
    names = {role.code: f"{role.zh} {role.code}" for role in catalogue_in_use().source.roles}
    place = one.grid or one.division or "—"
    return " ".join(part for part in (names.get(one.role, one.role), place, one.department) if part)


def _standing(one: PostView) -> str:
    return "" if one.state == "now" else f" ({_STATES[one.state]})"


def _time(moment: datetime | None) -> str:
    return moment.astimezone(_CITY_TIME).strftime("%Y-%m-%d %H:%M") if moment else "—"
