"""Photos drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.case_words import ID_SHOWN, local, type_words
from server.cli.conflict_words import age_words
from server.cli.field_values import EMPTY, printable
from server.errors import CATALOGUE
from server.masking import HIDDEN
from server.usecases.photo_rechecks import Found, Recheck
from server.usecases.photo_views import OwingPage, OwingPhone, PhotoDetail, PhotoLine, PhotosPage, WayInView

_STATES = {
    "declared": "等待上传 declared",
    "uploading": "正在上传 uploading",
    "stored": "等待核验 stored",
    "verified": "已核验 verified",
    "refused": "不合格 refused",
}
_ROLES = {"report": "上报 report", "close": "处置后 close"}
_WAITS = {"approval": "审核在等 approval waits", "closing": "结案在等 closing waits"}
_FLAGS = {
    "no_exif": "照片没有拍摄时间和位置 tells no time and place",
    "exif_time_differs": "拍摄时间与上报不符 taken at another time",
    "exif_place_differs": "拍摄位置与上报不符 taken at another place",
}
_UPLOADS = {"open": "等手机送来 waits for the phone", "stored": "等待核验 waits for its check"}
_FOUND: dict[Found, str] = {
    "would_check": "将核对 would be looked at",
    "verified": "已核验 verified",
    "refused": "不合格 refused",
    "waiting": "未能核验,后台任务继续 not decided, the job tries on",
    "intact": "完好 intact",
    "missing": "对象存储中缺失 missing from the store",
    "differs": "与核验时不符 not what was verified",
    "unavailable": "对象存储无应答 the store does not answer",
}
_SHA_SHOWN = 12


def print_photos(page: PhotosPage, now: datetime) -> None:
    """A line a photo and item, the longest known first."""
    console = Console()
    if not page.photos:
        console.print("没有照片 / No photos.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("照片\nphoto", no_wrap=True, min_width=_SHA_SHOWN)
    table.add_column("状态\nstate", ratio=1, overflow="fold")
    table.add_column("事项,网格\nitem, grid", no_wrap=True, min_width=ID_SHOWN)
    table.add_column("填报\nby", ratio=1, overflow="fold")
    table.add_column("已登记\nknown", no_wrap=True, justify="right", min_width=6)
    for one in page.photos:
        table.add_row(*_cells(one, now))
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --after {page.next}", soft_wrap=True)


def _cells(one: PhotoLine, now: datetime) -> tuple[Text, ...]:
    state = [_STATES[one.state], *([_WAITS[one.waits]] if one.waits else [])]
    by = [type_words(one.type), printable(one.author_name or EMPTY)]
    return (
        Text(f"{one.sha256[:_SHA_SHOWN]}\n{_ROLES[one.role]}"),
        Text("\n".join(state)),
        Text(f"{str(one.item)[:ID_SHOWN]}\n{one.code or EMPTY}"),
        Text("\n".join(by)),
        Text(age_words(now - one.linked_at)),
    )


def print_photo(detail: PhotoDetail, now: datetime) -> None:
    """What its bytes told, the items that hold it, and how they are coming."""
    console = Console()
    for line in (*_described(detail), *map(_held, detail.items), *(_upload(one, now) for one in detail.uploads)):
        console.print(Text(line), soft_wrap=True)
    if detail.place == HIDDEN:
        console.print(Text("拍摄位置已遮盖 / the place is masked: --reveal --reason …", style="italic"))


def _described(detail: PhotoDetail) -> list[str]:
    lines = [f"照片 photo {detail.sha256}", f"{_STATES[detail.state]}, {detail.size} 字节 bytes"]
    lines.append(f"登记 declared: {local(detail.declared_at)}")
    if detail.refusal is not None:
        words = CATALOGUE[detail.refusal]
        lines.append(f"{words.zh} / {words.en}")
    if detail.verified_at is not None:
        lines.append(f"核验 verified: {local(detail.verified_at)}")
        lines.append(f"{detail.media_type}, {detail.width} × {detail.height}")
        taken = local(detail.taken_at) if detail.taken_at else EMPTY
        lines.append(f"拍摄时间 taken: {taken}, 位置 at: {_place(detail.place)}")
    return lines


def _place(place: tuple[float, float] | str | None) -> str:
    if place is None or isinstance(place, str):
        return place or EMPTY
    return f"{place[0]:.6f}, {place[1]:.6f} (wgs84)"


def _held(one: PhotoLine) -> str:
    lines = [f"事项 item {one.item} ({type_words(one.type)}), {_ROLES[one.role]}, 网格 grid {one.code or EMPTY}"]
    if one.waits:
        lines.append(f"   {_WAITS[one.waits]}")
    if one.state == "verified":
        found = [_FLAGS[flag] for flag in one.flags or []]
        compared = "未比对 not compared yet" if one.flags is None else "相符 as it was reported"
        lines.append(f"   {'; '.join(found) or compared}")
    return "\n".join(lines)


def _upload(one: WayInView, now: datetime) -> str:
    due = "现在 now" if one.check_after <= now else local(one.check_after)
    tried = f"已试 tried {one.checks}, 下次 next {due}"
    came = f", 已到 came {one.received} 字节 bytes" if one.received else ""
    return f"上传 upload {local(one.created_at)}: {_UPLOADS[one.state]}{came}; {tried}"


def print_owing(page: OwingPage, now: datetime) -> None:
    """A line a phone, the longest in debt first."""
    console = Console()
    if not page.phones:
        console.print("没有手机欠照片 / No phone owes photos.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("设备\ndevice", no_wrap=True, min_width=13)
    table.add_column("持有人\nholder", ratio=1, overflow="fold")
    table.add_column("照片,事项\nphotos, items", no_wrap=True, justify="right", min_width=13)
    table.add_column("欠了\nfor", no_wrap=True, justify="right", min_width=5)
    table.add_column("最近同步\nlast exchange", no_wrap=True, min_width=16)
    for one in page.phones:
        table.add_row(*_owing(one, now))
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --after {page.next}", soft_wrap=True)


def _owing(one: OwingPhone, now: datetime) -> tuple[Text, ...]:
    refused = f"\n不合格 refused {one.refused}" if one.refused else ""
    gone = "\n已离岗 left" if one.left else "\n已停用 revoked" if one.revoked else ""
    unsent = f"\n未传 unsent {one.unsent}" if one.unsent else ""
    return (
        Text(f"{str(one.device)[:13]}{gone}"),
        Text(f"{printable(one.holder_name)}\n{one.phone}"),
        Text(f"{one.photos}, {one.items}{refused}"),
        Text(age_words(now - one.since)),
        Text(f"{local(one.last_exchange_at) if one.last_exchange_at else EMPTY}{unsent}"),
    )


def print_recheck(done: Recheck) -> None:
    """What was found of each."""
    console = Console()
    if not done.photos:
        console.print("没有这样的照片 / No such photos.")
    for one in done.photos:
        why = f": {CATALOGUE[one.refusal].zh} {CATALOGUE[one.refusal].en}" if one.refusal else ""
        console.print(Text(f"{one.sha256[:_SHA_SHOWN]}  {_FOUND[one.found]}{why}"), soft_wrap=True)
    if done.more:
        console.print("还有更多,请再运行 / there are more: run it again")
