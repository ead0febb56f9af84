"""`onegrid registry plan` and `apply`: grids are split, merged, renumbered, redrawn, moved and retired."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from server.cli.context import (
    AsOption,
    DataOption,
    JsonOption,
    ReasonOption,
    acting_as,
    need_reason,
    print_json,
    with_services,
)
from server.cli.progress import progress
from server.cli.registry_change_tables import print_applied, print_plan
from server.cli.registry_picture import picture_of
from server.services import Services
from server.usecases.registry_applying import ApplyOrder, apply_plan, resume_moving
from server.usecases.registry_change_file import read_plan
from server.usecases.registry_drafting import PlanFiles
from server.usecases.registry_files import LARGEST_OUTLINES, LARGEST_TABLE
from server.usecases.registry_planning import Planned, plan_changes
from server.usecases.registry_reports import ApplyReport

PlanArgument = Annotated[
    Path, typer.Argument(metavar="PLAN.yaml", help="调整计划 / the plan", exists=True, dir_okay=False)
]


def plan(
    file: PlanArgument,
    as_: AsOption,
    map_: Annotated[
        Path | None, typer.Option("--map", metavar="FILE.svg", help="画成地图 / draw it", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """推演一份网格调整计划,不写入 / say what a plan would do; nothing is written.

    列出将转移的台账(按网格与事项)、没有后继网格可容的台账、任职去向、版本落后或
    尚有未传修改的手机、将重传的数据量、预计的冲突,以及计划本身的全部问题。
    有任何问题则退出码 1。计划的写法见 docs/registry-changes.md。

    It tells the items that move by grid and type, those that no successor contains, where people go on, phones with an
    older registry or unsent edits, bytes that will be sent again, conflicts to expect, and everything that is wrong
    with the plan itself, with which the exit status is 1. How a plan is written: docs/registry-changes.md.

    \b
    例 / Example:
      onegrid registry plan plan.yaml --as 13800000006 --map plan.svg
    """
    files = _files(file)

    with progress(quiet=as_json) as teller:

        async def work(services: Services) -> Planned:
            return await plan_changes(services, await acting_as(services, as_), files, datetime.now(UTC), teller)

        planned = with_services(data, work)
    drawn = map_ is not None and _draw(planned, map_)
    print_json(planned.report) if as_json else print_plan(planned.report, map_ if drawn else None)
    if planned.report.faults:
        raise typer.Exit(1)


def apply(
    file: PlanArgument,
    as_: AsOption,
    reason: ReasonOption,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """执行一份网格调整计划 / carry a plan out.

    全部操作一次发布为一个编码库版本,随后逐批转移台账,期间全市照常同步。
    中途被终止也无妨:后台任务会接着做完,也可用 registry resume 接着看。
    最后将实际结果与推演对照。计划所依据的版本已变,则整份拒绝。

    All operations are published as one registry version; then the items are moved batch by batch, while the city goes
    on syncing. Where this is killed, the server's job goes on with it, and so does registry resume. At the end what
    became of it is held against what was foretold. A plan for another version than the current one is refused whole.

    \b
    例 / Example:
      onegrid registry apply plan.yaml --as 13800000006 --reason "2025 年度调整 yearly revision"
    """
    why, files = need_reason(reason), _files(file)

    with progress(quiet=as_json) as teller:

        async def work(services: Services) -> ApplyReport:
            order = ApplyOrder(actor=await acting_as(services, as_), reason=why, now=datetime.now(UTC))
            return await apply_plan(services, order, files, teller)

        report = with_services(data, work)
    print_json(report) if as_json else print_applied(report)
    if report.faults:
        raise typer.Exit(1)


def resume(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="编码库版本 / registry version", min=1)],
    as_: AsOption,
    reason: ReasonOption,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """接着转移某一版本的台账 / go on with moving the items of a version, and compare.

    \b
    例 / Example:
      onegrid registry resume 8 --as 13800000006 --reason "断电后继续 after a power cut"
    """
    why = need_reason(reason)

    with progress(quiet=as_json) as teller:

        async def work(services: Services) -> ApplyReport:
            order = ApplyOrder(actor=await acting_as(services, as_), reason=why, now=datetime.now(UTC))
            return await resume_moving(services, order, version, teller)

        report = with_services(data, work)
    print_json(report) if as_json else print_applied(report)


def _files(file: Path) -> PlanFiles:
    """The plan, and the outlines that it names, which lie beside it."""
    raw = _read(file, LARGEST_TABLE)
    named = read_plan(raw).outlines
    if named is None:
        return PlanFiles(raw)
    beside = file.parent / named
    if not beside.is_file():
        raise typer.BadParameter(f"找不到边界文件 / no such file of outlines: {named}", param_hint="PLAN.yaml")
    return PlanFiles(raw, _read(beside, LARGEST_OUTLINES))


def _read(path: Path, most: int) -> bytes:
    """The bytes of a file, of one that is too large only enough to tell."""
    with path.open("rb") as file:
        return file.read(most + 1)


def _draw(planned: Planned, path: Path) -> bool:
    """Whether there was anything to draw."""
    picture = picture_of(planned)
    if picture is None:
        return False
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(
            f"无法写入({error.strerror}) / cannot be written ({error.strerror})", param_hint="--map"
        ) from None
    return True
