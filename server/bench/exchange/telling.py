"""The bench's words for people: how far it has come on stderr, the table on stdout."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from server.bench.exchange.figures import MARKS, ExchangeFigures, Figure


def progress(said: str) -> None:
    """One line about how far it has come."""
    sys.stderr.write(f"onegrid bench: {said}\n")
    sys.stderr.flush()


def show(figures: ExchangeFigures) -> None:
    """The figures as a table, each beside its bar and its aim; then the machine."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("指标 figure")
    for heading in ("数值 value", "单位 unit", "对照 ceiling", "比值 ratio", "底线 bar", "目标 aim"):
        table.add_column(heading, justify="left" if heading.startswith("单位") else "right")
    for one in figures.figures:
        table.add_row(*_row(one))
    machine = figures.machine
    console = Console()
    console.print(table)
    console.print(
        f"{machine.cpu} x {machine.cores}, {machine.memory_mb:,} MB, {machine.os}, Python {machine.python}, "
        f"PostgreSQL {machine.postgresql}, {machine.date}",
        style="dim",
        highlight=False,
    )


def _row(one: Figure) -> list[str]:
    ceiling = "" if one.ceiling is None else f"{one.ceiling:,g}"
    ratio = "" if one.ratio is None else f"{one.ratio:.3f}"
    return [one.name, f"{one.value:,g}", one.unit, ceiling, ratio, _mark(one, "bar"), _mark(one, "aim")]


def _mark(one: Figure, wanted: str) -> str:
    mark = MARKS.get(one.name)
    reached = one.reaches("bar" if wanted == "bar" else "aim")
    if mark is None or reached is None:
        return ""
    limit = mark.bar if wanted == "bar" else mark.aim
    return f"[{'green' if reached else 'red'}]{limit:,g} {'✓' if reached else '✗'}[/]"
