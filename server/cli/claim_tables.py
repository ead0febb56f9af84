"""The code of an item without a grid, drawn for a terminal: what was given, which grids it may mean, what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from schemas.item_type import Field
from server.cli.field_values import EMPTY, describe_value, printable
from server.usecases.claim_views import Candidate, ClaimView, Content


def claim_parts(claim: ClaimView, fields: Mapping[str, Field]) -> Iterator[Text | Table]:
    """What was given, the candidates, and the item's content."""
    yield _given(claim)
    if claim.candidates:
        yield candidates_table(claim.candidates)
    yield content_table(claim.content, fields)


def candidates_table(candidates: list[Candidate]) -> Table:
    """A line a grid, in the order of codes."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("可能的网格\ncandidate", no_wrap=True)
    table.add_column("名称\nname", overflow="fold")
    table.add_column("社区\ncommunity", overflow="fold")
    table.add_column("距事项位置\nfrom the point", no_wrap=True, justify="right")
    for one in candidates:
        metres = EMPTY if one.metres is None else f"{one.metres} m"
        place = f"{one.community_zh} {one.community_en}".strip()
        table.add_row(one.code, Text(printable(one.name)), Text(printable(place)), metres)
    return table


def _given(claim: ClaimView) -> Text:
    if not claim.code:
        return Text(f"未写编码 no code was given: {claim.fault_zh} / {claim.fault_en}\n")
    whose = f"{claim.department_zh or claim.department} {claim.department_en or ''}".strip()
    kind = f"部门旧码 legacy code, {whose}" if claim.department else "统一网格编码 unified code"
    return Text(f"{printable(claim.code)} ({kind}): {claim.fault_zh} / {claim.fault_en}\n")


def content_table(content: list[Content], fields: Mapping[str, Field]) -> Table:
    """What an item says, a line a field."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("栏目\nfield", overflow="fold")
    table.add_column("内容\nvalue", overflow="fold")
    for one in content:
        field = fields.get(one.key)
        table.add_row(Text(f"{one.zh} {one.en}"), Text(describe_value(field, one.value)))
    return table
