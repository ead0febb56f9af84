"""`onegrid bench`: what the server's own parts cost on this machine, and what the exchange takes and gives."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.bench import rebase, sealing, territory
from server.bench.exchange import run, telling
from server.bench.exchange.course import CeilingTooLow, Wish
from server.bench.exchange.evening import MINUTES
from server.bench.exchange.pushing import Void
from server.bench.figures import Figures
from server.cli.context import JsonOption, print_json

app = typer.Typer(no_args_is_help=True)

RoundsOption = Annotated[int, typer.Option(min=1, max=99, help="轮数,取中位数 / rounds, of which the median is told")]


@app.callback()
def bench() -> None:
    """测量 / what the server's own parts cost on this machine.

    \b
    例 / Example:
      onegrid bench sealing --json
      onegrid bench exchange --only push_c8 --rounds 3
    """


@app.command(name="sealing")
def sealing_(
    records: Annotated[int, typer.Option(min=1, max=1000, help="每个变更集的记录数 / records in a change set")] = 20,
    sets: Annotated[int, typer.Option(min=1, max=5000, help="变更集数 / change sets in a round")] = 200,
    rounds: RoundsOption = 9,
    as_json: JsonOption = False,
) -> None:
    """封存一条新的人口记录需要多少计算时间 / the computing time of sealing a new resident's record.

    新密钥及其包裹、封存现值、封存首个版本、查找用的盲索引,与手机上行时所做的完全相同。
    不需要数据库,不写入任何内容。

    A new key and its wrapping, the sealed head, the sealed first revision and the blind indexes to find it by, exactly
    as a push makes them, on made-up residents. Needs no database and writes nothing.

    \b
    例 / Example:
      onegrid bench sealing --records 1 --json
    """
    answer(sealing.measure(sealing.Load(change_sets=sets, records=records, rounds=rounds)), as_json=as_json)


@app.command(name="territory")
def territory_(
    grids: Annotated[int, typer.Option(min=1, max=200_000, help="网格数 / grids")] = 2088,
    corners: Annotated[int, typer.Option(min=4, max=400, help="每个网格的边界点数 / corners of a grid")] = 20,
    points: Annotated[int, typer.Option(min=1, max=1_000_000, help="点数 / points")] = 20_000,
    rounds: RoundsOption = 7,
    as_json: JsonOption = False,
) -> None:
    """判断一个点属于哪个网格需要多少计算时间 / the computing time of telling the grid of a point.

    单点查询与成批查询,精度不超过 15 米,网格为合成。不需要数据库,不写入任何内容。

    One by one and in batches, with accuracies up to 15 m, on synthetic grids. Needs no database and writes nothing.

    \b
    例 / Example:
      onegrid bench territory --grids 100000
    """
    answer(territory.measure(territory.Load(grids, corners, points, rounds=rounds)), as_json=as_json)


@app.command(name="rebase")
def rebase_(
    grids: Annotated[int, typer.Option(min=4, max=200_000, help="网格数 / grids")] = 2088,
    changes: Annotated[int, typer.Option(min=1, max=1_000_000, help="变更数 / changes")] = 20_000,
    rounds: RoundsOption = 7,
    as_json: JsonOption = False,
) -> None:
    """把依旧编码填报的变更归入现行网格需要多少计算时间 / the computing time of carrying a change to today's registry.

    含判断所在网格与生成留存的推导;网格与沿革(拆分、合并、改号)均为合成。不需要数据库,不写入任何内容。

    Looking up its point and making what is stored of it included, on synthetic grids that were split, merged and
    renumbered. Needs no database and writes nothing.

    \b
    例 / Example:
      onegrid bench rebase --grids 100000
    """
    answer(rebase.measure(territory.Load(grids, points=changes, rounds=rounds)), as_json=as_json)


@app.command(name="exchange")
def exchange_(
    rounds: Annotated[int, typer.Option(min=1, max=99, help="轮数,取中位数 / rounds, of which the median is told")] = 5,
    workers: Annotated[int, typer.Option(min=1, max=64, help="被测服务器进程数 / server processes")] = 2,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="只测这些指标,可重复 / only this figure; repeat")
    ] = None,
    sets: Annotated[
        int, typer.Option(min=1, max=1000, help="每轮每台手机的变更集数 / change sets of a phone in a round")
    ] = 10,
    evening_minutes: Annotated[
        float, typer.Option(min=0.05, max=60, help="晚高峰的时长 / within how many minutes all phones come home")
    ] = MINUTES,
    as_json: JsonOption = False,
) -> None:
    """上行与下行的速度、字节数,与同一次运行中的对照相比 / how fast and in how few bytes phones push and pull.

    在临时文件夹中自带启动数据库、对象存储与服务器,结束时全部清除;只用本机回环地址。对照是同样的框架、进程数与数据库上
    什么都不管的一张表,每轮与被测者交替。每个回执都会核对。各指标的含义见 docs/benchmark.md。

    Starts a database, an object store and a server of its own in a temporary folder, on the loopback alone, and leaves
    nothing behind. The ceiling is one table on the same database, under the same framework with as many processes, and
    takes turns with the product. Every receipt is checked. What each figure means is in docs/benchmark.md.

    Exit 1 and no figures where the ceiling is too far from the bare database, or where anything was not as it should
    be.

    \b
    例 / Example:
      onegrid bench exchange
      onegrid bench exchange --only push_c8 --rounds 3 --json
    """
    if unknown := sorted(set(only or ()) - set(run.NAMES)):
        known = ", ".join(run.NAMES)
        raise typer.BadParameter(f"没有 / there is no {', '.join(unknown)}: {known}", param_hint="--only")
    wish = Wish(frozenset(only or ()), rounds, workers, sets, minutes=evening_minutes)
    # What was started is stopped on either signal.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        figures = asyncio.run(run.measure(wish, telling.progress))
    except (CeilingTooLow, Void) as refused:
        typer.echo(f"onegrid: {refused}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(figures)
    else:
        telling.show(figures)


def answer(figures: Figures, *, as_json: bool) -> None:
    """The figures as one JSON document, or as a table."""
    if as_json:
        print_json(figures)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("名称 name")
    table.add_column("数值 value", justify="right")
    table.add_column("单位 unit")
    for one in figures.figures:
        table.add_row(one.name, f"{one.value:g}", one.unit)
    Console().print(table)
