"""`onegrid registry history` and `lineage`: what was published, and what grids came from and became."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.cli.field_values import printable
from server.cli.registry_change_tables import KINDS
from server.services import Services
from server.usecases.registry_history import (
    GridAt,
    KinView,
    LineageView,
    VersionView,
    list_versions,
    show_lineage,
)

_CITY_TIME = ZoneInfo("Asia/Shanghai")

CodeArgument = Annotated[
    str, typer.Argument(metavar="CODE", help="15 位编码或 16 位印刷编码 / code, or the 16 digits of a plate")
]


def history(
    as_: AsOption,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多行数 / at most so many")] = 20,
    before: Annotated[
        int | None, typer.Option(metavar="VERSION", help="只列更早的版本 / only earlier ones", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """编码库的各个版本 / the versions of the registry, the newest first.

    \b
    例 / Example:
      onegrid registry history --as 13800000006
    """

    async def work(services: Services) -> list[VersionView]:
        return await list_versions(services, await acting_as(services, as_), before=before, limit=limit)

    versions = with_services(data, work)
    print_json(versions) if as_json else print_history(versions)


def lineage(code: CodeArgument, as_: AsOption, as_json: JsonOption = False, data: DataOption = None) -> None:
    """一个网格的沿革 / what a grid came from, and what came of it.

    \b
    例 / Example:
      onegrid registry lineage 341182001001001 --as 13800000006
    """

    async def work(services: Services) -> LineageView:
        return await show_lineage(services, await acting_as(services, as_), code.strip())

    view = with_services(data, work)
    print_json(view) if as_json else print_lineage(view)


def print_history(versions: list[VersionView]) -> None:
    """A line a version."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("版本\nversion", no_wrap=True, justify="right")
    table.add_column("发布\npublished", no_wrap=True)
    table.add_column("发布人\nby", ratio=2, overflow="fold")
    table.add_column("变动\nchanges", ratio=4, overflow="fold")
    table.add_column("原因\nreason", ratio=4, overflow="fold")
    for one in versions:
        day = one.published_at.astimezone(_CITY_TIME).strftime("%Y-%m-%d")
        by, reason = Text(printable(one.published_by or "—")), Text(printable(one.reason))
        table.add_row(str(one.version), day, by, "\n".join(_changes(one)), reason)
    Console().print(table)


def print_lineage(view: LineageView) -> None:
    """Two trees, one under the other."""
    console = Console()
    for title, kin in (("由来 came from", view.came_from), ("去向 became", view.became)):
        tree = Tree(Text(title, style="bold"))
        _grow(tree, kin)
        console.print(tree)


def print_grid_at(grid: GridAt) -> None:
    """A grid as it was."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    until = f"– {grid.to_version}" if grid.to_version else "–"
    lines = [
        ("编码库版本 registry version", str(grid.version)),
        ("编码 code", grid.code),
        ("名称 name", grid.name),
        ("社区 community", grid.community),
        ("小区 compounds", "、".join(grid.compounds) or "—"),
        ("微网格 micro-grids", "\n".join(f"{one.code} {one.name}" for one in grid.micro_grids) or "—"),
        ("版本 versions", f"{grid.from_version} {until}"),
        ("如今 today", "\n".join(grid.today) or "已停用 retired"),
        ("编号 id", str(grid.id)),
    ]
    for name, value in lines:
        table.add_row(Text(name, style="dim"), Text(printable(value)))
    Console().print(table)


def _changes(one: VersionView) -> list[str]:
    told = [f"{KINDS[kind]} {count}" for kind, count in sorted(one.steps.items())]
    if not told:
        told = [f"网格 grids +{one.labels_begun} −{one.labels_ended}"]
    if one.divisions:
        told.append(f"区划 divisions {one.divisions}")
    if one.items is not None:
        done = "" if one.items.finished_at else f" ({one.items.looked}/{one.items.total} 进行中 under way)"
        told.append(f"台账 items {one.items.moved + one.items.unplaced}{done}")
    return told


def _grow(tree: Tree, kin: KinView) -> None:
    span = f"{kin.from_version}–{kin.to_version or ''}"
    words = [f"{kin.code} {printable(kin.name)} ({span})"]
    if len(kin.codes) > 1:
        words.append("编码 codes: " + " → ".join(kin.codes))
    words += [f"{KINDS[one.kind]} @{one.version}" for one in kin.changed]
    branch = tree.add(Text("\n".join(words)))
    if kin.by is not None:
        branch = branch.add(Text(f"{KINDS[kin.by.kind]} @{kin.by.version}", style="dim"))
    for one in kin.kin:
        _grow(branch, one)
