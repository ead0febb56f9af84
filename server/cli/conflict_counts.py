"""What `onegrid conflict stats` shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.conflict_words import KINDS, TAKES, age_words
from server.usecases.conflict_counts import Count, Counts

_BAR = 24


def print_counts(counts: Counts, now: datetime) -> None:
    """A table for each thing that is counted by, with a bar for its share."""
    console = Console()
    if counts.oldest is None:
        console.print("没有冲突 / No conflicts.")
        return
    console.print(
        f"共 {counts.total} 个,最早的已等 {age_words(now - counts.oldest)} / {counts.total} in all, the oldest"
    )
    for title, words, lines in (
        ("种类 kind", KINDS, counts.kinds),
        ("事项 item type", {}, counts.types),
        ("社区 community", {}, counts.divisions),
        ("已等 age", {}, counts.ages),
        ("处理方式 taken", TAKES, counts.takes),
    ):
        if lines:
            console.print(_table(title, words, lines, counts.total))


def _table(title: str, words: dict[str, str], lines: Sequence[Count], total: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column(title, ratio=1, overflow="fold")
    table.add_column("", justify="right", no_wrap=True, min_width=6)
    table.add_column("", no_wrap=True, width=_BAR)
    for one in lines:
        named = words.get(one.code) or f"{one.zh} {one.en} {one.code}".strip()
        bar = "█" * max(1, round(_BAR * one.count / total))
        table.add_row(Text(named), str(one.count), Text(bar, style="cyan"))
    return table
