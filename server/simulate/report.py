"""What a run is reported as: one JSON document, or a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table

from schemas.forms import packaged
from server.simulate.check import Finding
from server.simulate.faults import FAULTS

_SHOWN = 8


class Figures(Struct, frozen=True, kw_only=True):
    """The figures of a run.

    `by_item_type`: changes by item type; `overlaps`: pairs of changes that met unseen; `plan`: the same for the same
    plan of work; `faults`: how often each fault that was asked for happened.
    """

    devices: int
    change_sets: int
    changes: int
    by_item_type: dict[str, int]
    items: int
    photos_verified: int
    answers_lost: int
    receipts_replayed: int
    overlaps: int
    merged: int
    parked: int
    rejected: int
    lost: int
    duplicated: int
    diverged: int
    seconds: float
    seed: int
    plan: str
    faults: dict[str, int]


class Outcome(Struct, frozen=True):
    """A run: its figures, what was found, the phones that got stuck, how it was checked, and seconds by phase.

    `missed`: faults that were asked for and never happened, although there were phones enough.
    """

    figures: Figures
    findings: Sequence[Finding]
    stuck: Sequence[str]
    by_sql: bool
    phases: dict[str, float]
    missed: Sequence[str] = ()

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or diverged, every phone sent everything, and every fault happened."""
        return not self.findings and not self.stuck and not self.missed


_LABELS = {
    "devices": ("手机", "phones"),
    "change_sets": ("变更集", "change sets"),
    "changes": ("变更", "changes"),
    "items": ("事项", "items"),
    "photos_verified": ("已核验照片", "photos verified"),
    "answers_lost": ("提交后丢失的应答", "answers lost after the commit"),
    "receipts_replayed": ("重放的回执", "receipts replayed"),
    "overlaps": ("互不知情的重叠修改", "overlapping changes"),
    "merged": ("自动合并", "merged"),
    "parked": ("待人裁决", "parked"),
    "rejected": ("被拒绝", "rejected"),
    "lost": ("丢失", "lost"),
    "duplicated": ("重复", "duplicated"),
    "diverged": ("不一致", "diverged"),
    "seconds": ("用时（秒）", "seconds"),
    "seed": ("种子", "seed"),
    "plan": ("计划", "plan"),
}


def print_tables(outcome: Outcome, console: Console) -> None:
    """The figures, then the changes by item type."""
    figures = structs.asdict(outcome.figures)
    table = Table(title="模拟 / simulation", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for key, (zh, en) in _LABELS.items():
        bad = key in ("lost", "duplicated", "diverged") and figures[key]
        shown = str(figures[key]) if key in ("seed", "plan") else f"{figures[key]:,}"
        table.add_row(f"{zh} {en}", shown, style="red" if bad else "")
    console.print(table)
    console.print(_types_table(outcome.figures.by_item_type))
    if outcome.figures.faults:
        console.print(_faults_table(outcome.figures.faults))


def print_findings(outcome: Outcome, console: Console) -> None:
    """What was found, by ids and never by values: the first few of each kind."""
    counts = Counter(finding.what for finding in outcome.findings)
    for what, count in counts.items():
        zh, en = _LABELS[what]
        console.print(f"{zh} {en}: {count}", highlight=False)
        for finding in [one for one in outcome.findings if one.what == what][:_SHOWN]:
            console.print(f"  {finding.about}: {finding.why}", markup=False, highlight=False, soft_wrap=True)
    for one in outcome.stuck[:_SHOWN]:
        console.print(f"手机未能发送完毕 / a phone got stuck: {one}", markup=False, highlight=False, soft_wrap=True)
    if outcome.missed:
        named = ", ".join(outcome.missed)
        console.print(
            f"要求的故障一次也没有发生 / faults that were asked for and never happened: {named}",
            highlight=False,
            soft_wrap=True,
        )
    looked = ("直接查询数据库", "direct SQL") if outcome.by_sql else ("重新全量下行", "fresh full pulls")
    console.print(f"核对方式 / checked by: {looked[0]} / {looked[1]}", highlight=False)


def _faults_table(struck: dict[str, int]) -> Table:
    table = Table(title="故障 / faults", title_justify="left")
    table.add_column("名称 name", no_wrap=True)
    table.add_column("说明 what", overflow="fold")
    table.add_column("次数 times", justify="right")
    for name, times in struck.items():
        table.add_row(name, f"{FAULTS[name].zh} / {FAULTS[name].en}", f"{times:,}")
    return table


def _types_table(by_type: dict[str, int]) -> Table:
    table = Table(title="各事项的变更数 / changes by item type", title_justify="left")
    for heading in ("事项", "名称", "Name"):
        table.add_column(heading)
    table.add_column("变更 changes", justify="right")
    for code, form in packaged().types.items():
        item_type = form.type
        table.add_row(code, item_type.name_zh, item_type.name_en, f"{by_type.get(code, 0):,}")
    return table
