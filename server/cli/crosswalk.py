"""`onegrid crosswalk`: what departments' old grid codes stand for."""

from __future__ import annotations

from datetime import UTC, date, datetime
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
from server.cli.crosswalk_tables import print_meaning, print_report, print_rows
from server.services import Services
from server.usecases.crosswalk import CrosswalkReport, code_meaning, import_crosswalk, list_codes
from server.usecases.registry_files import LARGEST_TABLE
from server.usecases.registry_import import ImportOrder
from sync.clocks import city_day

app = typer.Typer(no_args_is_help=True)

_DAY = "%Y-%m-%d"
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE.csv", help="对照表 / table of codes", exists=True, dir_okay=False)
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只检查,不写入 / check and tell, write nothing")]


@app.callback()
def crosswalk() -> None:
    """旧编码对照 / the crosswalk: which grids a department's old code stands for.

    \b
    各部门的旧网格编码停用后仍可填报,由对照表换算为现行网格。

    Old codes go on being accepted after their last day; the crosswalk translates them into current grids.

    \b
    例 / Examples:
      onegrid crosswalk import legacy_grids.csv --as 13800000006 \\
          --reason "七部门旧码 codes of seven departments" --dry-run
      onegrid crosswalk list --department xiaofang
      onegrid crosswalk show xiaofang XF-0304-006
    """


@app.command(name="import")
def import_(
    file: FileArgument,
    as_: AsOption,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """导入对照表:全部成功或全部不写 / take codes in, all of them or none.

    有任何问题就逐行列出,退出码 1,不写入任何内容;否则发布一个新的编码库版本。文件未列的行保持不变。

    With any fault all are listed, the exit status is 1 and nothing is written; else one new registry version is
    published. Rows that the file leaves out stay as they are.

    \b
    UTF-8 (或 or GB18030), 首行为列名 with a header; # 开头的行不读 / lines
    that begin with # are left out:
      department      部门代码 / code of the department in the catalogue
      legacy_code     旧编码 / the old code
      valid_from, valid_to   起止日(含),止日可空 / first and last day,
                      the last may be empty: 2023-12-31
      community_code  社区 12 位编码 / code of a community, or
      grid_code       网格 15 位编码 / code of a grid; 恰写一个 one of them
      note            说明,可省略;以「retired:」或「停用:」开头表示停用且无后继,
                      「ambiguous:」或「待定:」表示只属所列地点之一
                      begins with 'retired:' for a code without a successor,
                      'ambiguous:' for one that belongs to one of its places

    \b
    例 / Example:
      onegrid crosswalk import legacy_grids.csv --as 13800000006 \\
          --reason "七部门旧码 codes of seven departments"
    """
    why, raw = need_reason(reason), _read(file)

    async def work(services: Services) -> CrosswalkReport:
        order = ImportOrder(actor=await acting_as(services, as_), reason=why, dry_run=dry_run)
        return await import_crosswalk(services, order, raw)

    report = with_services(data, work)
    print_json(report) if as_json else print_report(report)
    if report.faults:
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    """The file, of one that is too large enough to say so."""
    with file.open("rb") as opened:
        return opened.read(LARGEST_TABLE + 1)


@app.command(name="list")
def list_(
    department: Annotated[str | None, typer.Option(help="部门代码 / code of a department", show_default=False)] = None,
    code: Annotated[str | None, typer.Option(help="旧编码 / an old code", show_default=False)] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出对照 / list the rows of the crosswalk.

    \b
    例 / Examples:
      onegrid crosswalk list --department minzheng
      onegrid crosswalk list --code YJ-FS --json
    """
    rows = with_services(data, lambda services: list_codes(services, department, code))
    print_json({"rows": rows}) if as_json else print_rows(rows)


@app.command()
def show(
    department: Annotated[str, typer.Argument(metavar="DEPARTMENT", help="部门代码 / code of the department")],
    code: Annotated[str, typer.Argument(metavar="CODE", help="旧编码 / the old code")],
    at: Annotated[
        datetime | None, typer.Option(formats=[_DAY], help="哪一天,默认今天 / on which day [today]", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """查一个旧编码 / say what one old code stands for.

    \b
    例 / Examples:
      onegrid crosswalk show chengguan CG-LY-A3
      onegrid crosswalk show zhengfawei ZZ3411020021-07 --at 2018-05-01
    """
    day: date = at.date() if at else city_day(datetime.now(UTC))
    meaning = with_services(data, lambda services: code_meaning(services, department, code, day))
    print_json(meaning) if as_json else print_meaning(meaning)
