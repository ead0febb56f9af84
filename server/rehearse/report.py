"""What a rehearsal is reported as."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table

_WITHIN: Final = 0.05
_NAMES: Final = {
    "devices": ("手机", "phones"),
    "changes": ("离线修改", "changes written offline"),
    "applied": ("采纳", "applied"),
    "merged": ("合并", "merged"),
    "rebased": ("随沿革归入", "rebased"),
    "parked": ("待人裁定", "parked"),
    "quarantined": ("隔离", "quarantined"),
    "rejected": ("拒绝", "rejected"),
    "lost": ("丢失", "lost"),
    "moves_predicted": ("预计转移的台账", "synced items predicted to move"),
    "moves_actual": ("实际转移的台账", "synced items that moved"),
    "unsent_moves_predicted": ("预计归入新网格的离线新增", "unsent items predicted for new grids"),
    "unsent_moves_actual": ("实际归入新网格的离线新增", "unsent items that came into new grids"),
    "conflicts_predicted": ("预计冲突", "conflicts predicted"),
    "conflicts_actual": ("实际冲突", "conflicts"),
    "push_lock_p999_ms": ("上行等锁 99.9 百分位(毫秒)", "wait of a push for locks, 99.9th percentile, ms"),
    "seconds": ("用时(秒)", "seconds"),
    "seed": ("种子", "seed"),
}


class Figures(Struct, frozen=True, kw_only=True):
    """The figures of a rehearsal. `applied` to `rejected` are outcomes of what was written offline.

    `lost`: changes of which a value is nowhere, or that were never answered, or parked without a reason; told from the
    ledger. `moves_…` are of synced items, `unsent_moves_…` of new ones that were written offline.
    """

    devices: int
    changes: int
    applied: int
    merged: int
    rebased: int
    parked: int
    quarantined: int
    rejected: int
    lost: int
    moves_predicted: int
    moves_actual: int
    unsent_moves_predicted: int
    unsent_moves_actual: int
    conflicts_predicted: int
    conflicts_actual: int
    push_lock_p999_ms: float
    seconds: float
    seed: int

    @property
    def good(self) -> bool:
        """Whether nothing is lost, all work arrived, and predictions hold."""
        arrived = not (self.lost or self.quarantined or self.rejected)
        exact = self.moves_predicted == self.moves_actual
        unsent = is_near(self.unsent_moves_predicted, self.unsent_moves_actual)
        return arrived and exact and unsent and is_near(self.conflicts_predicted, self.conflicts_actual)


def is_near(predicted: int, actual: int) -> bool:
    """Whether a prediction was right within 5 %."""
    return abs(predicted - actual) <= _WITHIN * actual


def print_table(figures: Figures) -> None:
    """A table for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("名称 name")
    table.add_column("数值 value", justify="right")
    for name, value in structs.asdict(figures).items():
        zh, en = _NAMES[name]
        table.add_row(f"{zh} / {en}", f"{value:,}")
    Console().print(table)
