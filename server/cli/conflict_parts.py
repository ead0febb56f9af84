"""What the kinds of conflict show in a terminal beside the values of both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from schemas.item_type import Field
from server.cli.claim_tables import content_table
from server.cli.field_values import printable
from server.usecases.conflict_kinds import StepView
from server.usecases.conflict_views import Detail


def kind_parts(detail: Detail, fields: Mapping[str, Field]) -> Iterator[Text | Table]:
    """The step that waits, the other items that it is about, what goes with it, and what a held item says."""
    if detail.base_unknown:
        yield Text("所依据的版本不明,无原值可比 / nobody knows which revision it was written against\n")
    if detail.linked_from is not None:
        yield Text(f"作者写的是已并入的事项 / its author wrote of what was linked: {detail.linked_from}\n")
    if detail.step is not None:
        yield _step(detail.step)
    if detail.related.items or detail.related.others:
        yield _related(detail)
    if detail.together:
        yield Text(f"与另外 {detail.together} 项一并处理 / settled together with {detail.together} more\n")
    if detail.content:
        yield content_table(detail.content, fields)


def _step(step: StepView) -> Text:
    lines = [f"操作 step: {step.action_zh} {step.action}, 原状态 from {step.leaves}, 送达时 found {step.found}"]
    lines.append(f"现状态 now: {step.now or '—'}")
    if step.why_zh:
        lines.append(f"{step.why_zh} / {step.why_en}")
    if step.awaited:
        lines.append("到位后自动办理,无须处理 / taken by itself once that is there; nobody need settle it")
    if step.note is not None:
        lines.append(f"说明 note: {printable(step.note)}")
    return Text("\n".join(lines) + "\n")


def _related(detail: Detail) -> Text:
    words = "可能与之重复 may be the same as" if detail.conflict.kind == "duplicate" else "引用它的 referring to it"
    ids = [str(one) for one in detail.related.items]
    hidden = ["另有您无权查看的事项 others that you may not see"] if detail.related.others else []
    return Text(f"{words}: {', '.join([*ids, *hidden])}\n")
