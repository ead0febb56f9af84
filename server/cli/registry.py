"""`onegrid registry`: the city's grids and their codes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas.grid_code import GridKind
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
from server.cli.registry_changing import apply, plan, resume
from server.cli.registry_past import history, lineage, print_grid_at
from server.cli.registry_tables import Written, print_grid, print_grids, print_report, print_written
from server.services import Services
from server.usecases.registry_export import Export, Format, export_grids
from server.usecases.registry_files import LARGEST_OUTLINES, LARGEST_TABLE
from server.usecases.registry_history import GridAt, show_grid_at
from server.usecases.registry_import import ImportOrder, ImportReport, import_registry
from server.usecases.registry_rows import Files
from server.usecases.registry_views import GridDetail, GridFilter, GridPage, list_grids, show_grid
from sync.access import division_prefix
from sync.registry_outlines import Given

app = typer.Typer(no_args_is_help=True)

_DIVISION = re.compile(r"[0-9]{4,12}")

DivisionOption = Annotated[
    str | None,
    typer.Option("--division", metavar="CODE", help="行政区划编码 / code of a division", show_default=False),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只检查,不写入 / check and tell, write nothing")]


@app.callback()
def registry() -> None:
    """网格编码库 / the registry: grids, their codes and outlines.

    \b
    例 / Examples:
      onegrid registry import grids.csv outlines.geojson --crs cgcs2000 \\
          --as 13800000006 --reason "2024 年度调整 yearly revision" --dry-run
      onegrid registry show 341182001001001 --as 13800000006
      onegrid registry list --division 341182001000 --as 13800000006
      onegrid registry export --format geojson -o grids.geojson --as 13800000006
      onegrid registry plan plan.yaml --as 13800000006 --map plan.svg
      onegrid registry apply plan.yaml --as 13800000006 --reason "2025 年度调整 yearly revision"
      onegrid registry history --as 13800000006
      onegrid registry lineage 341182001001001 --as 13800000006
    """


app.command()(plan)
app.command()(apply)
app.command()(resume)
app.command()(history)
app.command()(lineage)


@app.command()
def show(
    code: Annotated[
        str, typer.Argument(metavar="CODE", help="15 位编码或 16 位印刷编码 / code, or the 16 digits of a plate")
    ],
    as_: AsOption,
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE|VERSION", help="当时的样子 / as it was then", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """查看一个网格 / show one grid, by the code that it bears or once bore.

    \b
    例 / Examples:
      onegrid registry show 341182001001001 --as 13800000006
      onegrid registry show 341182001001001 --at 2024-05-31 --as 13800000006
      onegrid registry show 341182001001001 --at 7 --as 13800000006
    """
    if at is not None:
        _show_at(code.strip(), at.strip(), as_, data, as_json=as_json)
        return

    async def work(services: Services) -> GridDetail:
        return await show_grid(services, await acting_as(services, as_), code.strip())

    detail = with_services(data, work)
    print_json(detail) if as_json else print_grid(detail)


@app.command(name="list")
def list_(
    as_: AsOption,
    division: DivisionOption = None,
    kind: Annotated[
        GridKind | None,
        typer.Option(help="全科、临时、专属 / general, temporary, dedicated", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多行数 / at most so many")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="上一页末尾给出的位置 / where the page before ended", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出网格 / list current grids in the order of codes.

    \b
    例 / Example:
      onegrid registry list --division 341182001000 --kind dedicated --as 13800000006
    """
    narrowed = GridFilter(_prefix(division), kind)

    async def work(services: Services) -> GridPage:
        return await list_grids(services, await acting_as(services, as_), narrowed, limit=limit, cursor=cursor)

    page = with_services(data, work)
    print_json(page) if as_json else print_grids(page)


@app.command()
def export(
    as_: AsOption,
    format_: Annotated[Format, typer.Option("--format", help="表格或边界 / table, or outlines")],
    division: DivisionOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="写入此文件 / to this file [stdout]", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """导出网格 / write the current grids to a file.

    csv 与 geojson 两个文件合起来可再导入(--crs wgs84);geojson 可用 QGIS 打开。

    The csv and the geojson together can be imported again (--crs wgs84); QGIS opens the geojson. A spreadsheet has to
    read the column code as text, or it rounds the codes.

    \b
    例 / Examples:
      onegrid registry export --format geojson -o grids.geojson --as 13800000006
      onegrid registry export --format csv --division 341182001000 -o grids.csv \\
          --as 13800000006
    """
    if as_json and output is None:
        raise typer.BadParameter("--json 须与 -o 同用 / goes with -o only", param_hint="--json")
    prefix = _prefix(division)

    async def work(services: Services) -> Export:
        return await export_grids(services, await acting_as(services, as_), prefix, format_)

    made = with_services(data, work)
    if output is None:
        sys.stdout.buffer.write(made.body)
        return
    _write(output, made.body)
    told = Written(file=str(output), format=format_, grids=made.grids, version=made.version)
    print_json(told) if as_json else print_written(told)


@app.command(name="import")
def import_(
    grids: Annotated[
        Path, typer.Argument(metavar="GRIDS.csv", help="网格表 / table of grids", exists=True, dir_okay=False)
    ],
    outlines: Annotated[
        Path,
        typer.Argument(
            metavar="OUTLINES.geojson",
            help="边界,按属性 code 对应 / outlines by property code",
            exists=True,
            dir_okay=False,
        ),
    ],
    as_: AsOption,
    reason: ReasonOption,
    crs: Annotated[
        Given | None,
        typer.Option(help="边界的坐标系;文件自带 crs 时可省略 / of the outlines, unless the file says it"),
    ] = None,
    divisions: Annotated[
        Path | None, typer.Option(help="区划表 / table of divisions", show_default=False, exists=True, dir_okay=False)
    ] = None,
    division_outlines: Annotated[
        Path | None,
        typer.Option(
            help="区划边界,可不给 / outlines of divisions, if there are any",
            show_default=False,
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """导入网格:全部成功或全部不写 / take grids in, all of them or none.

    先检查每一行与每条边界;有任何问题就逐行列出,退出码 1,不写入任何内容。
    没有问题则发布一个新的编码库版本。文件未列的网格保持不变。

    Every row and outline is checked first. With any fault all are listed, the exit status is 1 and nothing is written;
    else one new registry version is published. Grids that the file leaves out stay as they are.

    \b
    网格表 GRIDS.csv, UTF-8 (或 or GB18030), 首行为列名 with a header:
      code         15 位编码,或 16 位印刷编码 / 15 digits, or 16 as printed
      name         名称 / name
    以下各列可省略;省略即保持原值 / may be left out, which keeps what is there:
      community    社区编码,须为 code 前 12 位 / first 12 digits of the code
      compounds    小区,分号分隔 / names between semicolons
      micro_grids  微网格 / 01:东片;02:西片
      valid_from, valid_to   起止日(含)/ first and last day, 2024-05-31
      synthetic    非实测边界 / made up, not surveyed: yes, no
    导出的其余列不读 / other columns of an export are not read:
      printed, kind, community_zh, community_en, legacy_codes

    \b
    区划表 --divisions: code, name_zh; 可省略 optional: parent, name_en,
    host_county (功能区所在县 / county in which a statistical zone lies),
    synthetic. 新区划会加入,已有的改名 / new ones are added, others renamed.

    \b
    例 / Example:
      onegrid registry import grids.csv outlines.geojson --crs gcj02 \\
          --as 13800000006 --reason "2024 年度调整 yearly revision" --dry-run
    """
    why = need_reason(reason)
    files = Files(
        grids=_read(grids, LARGEST_TABLE),
        outlines=_read(outlines, LARGEST_OUTLINES),
        crs=crs,
        divisions=_read(divisions, LARGEST_TABLE) if divisions else None,
        division_outlines=_read(division_outlines, LARGEST_OUTLINES) if division_outlines else None,
    )

    with progress(quiet=as_json) as teller:

        async def work(services: Services) -> ImportReport:
            order = ImportOrder(actor=await acting_as(services, as_), reason=why, dry_run=dry_run)
            return await import_registry(services, order, files, teller)

        report = with_services(data, work)
    print_json(report) if as_json else print_report(report)
    if report.faults:
        raise typer.Exit(1)


def _show_at(code: str, at: str, as_: str, data: Path | None, *, as_json: bool) -> None:
    async def work(services: Services) -> GridAt:
        return await show_grid_at(services, await acting_as(services, as_), code, at)

    grid = with_services(data, work)
    print_json(grid) if as_json else print_grid_at(grid)


def _prefix(division: str | None) -> str:
    """What the codes of a division's grids begin with; every code begins with nothing."""
    if division is None:
        return ""
    if not _DIVISION.fullmatch(division):
        raise typer.BadParameter("请写 4 至 12 位编码 / give a code of 4 to 12 digits", param_hint="--division")
    return division_prefix(division) if len(division) == 12 else division


def _write(path: Path, body: bytes) -> None:
    try:
        path.write_bytes(body)
    except OSError as error:
        raise typer.BadParameter(
            f"无法写入({error.strerror}) / cannot be written ({error.strerror})", param_hint="-o"
        ) from None


def _read(path: Path, most: int) -> bytes:
    """The bytes of a file, of one that is too large only enough to tell."""
    with path.open("rb") as file:
        return file.read(most + 1)
