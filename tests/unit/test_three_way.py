"""What differs from the base is marked and coloured where it differs, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.text import Text

from server.cli.three_way import three_ways
from server.usecases.conflict_kinds import Related
from server.usecases.conflict_views import Detail, Line, Sides, Written

AT = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)
SOME = UUID(int=7)


def cells(base: Any, server: Any, incoming: Any, **more: Any) -> list[Text]:
    """The three values of one field, as they are drawn."""
    sides = Sides(
        key="name", zh="姓名", en="Name", base=base, server=server, incoming=incoming, server_changed=server != base,
        incoming_changed=incoming != base, moved_on=False, masked=more.pop("masked", False),
    )  # fmt: skip
    table = three_ways(detail(sides, **more), {})
    return [next(iter(column.cells)) for column in table.columns[1:]]  # type: ignore[misc]


def detail(sides: Sides, **more: Any) -> Detail:
    line = Line(
        id=SOME, kind=more.pop("kind", "update_update"), state="open", item=SOME, type="0101", type_zh="", type_en="",
        grid=None, fields=[], author="作者", device="手机", captured_at=AT, opened_at=AT,
    )  # fmt: skip
    given: dict[str, Any] = {"op": "update", "base_unknown": False, "item_deleted": False} | more
    return Detail(
        conflict=line, reason_zh="", reason_en="", item_version=3, fields=[sides],
        base=Written("甲", "甲的手机", AT, 1), server=Written("乙", "", AT, 2), incoming=Written("丙", "丙的手机", AT),
        settled=None, related=Related([], False), together=0, **given,
    )  # fmt: skip


def styled(text: Text, style: str) -> str:
    """The characters that have a style."""
    return "".join(text.plain[one.start : one.end] for one in text.spans if one.style == style)


def test_what_each_side_put_in_and_took_out_is_coloured() -> None:
    base, server, incoming = cells("张三", "张三丰", "张山")
    assert (server.plain, incoming.plain) == ("* 张三丰", "* 张山")
    assert styled(server, "bold yellow") == "*丰"
    assert styled(incoming, "bold cyan") == "*山"
    assert styled(base, "red strike") == "三"


def test_a_side_that_stayed_is_left_alone() -> None:
    _, server, _ = cells("张三", "张三", "张山")
    assert (server.plain, server.spans) == ("张三", [])


def test_masked_values_are_not_compared() -> None:
    base, server, _ = cells("张*", "李*", "张*", masked=True)
    assert (base.spans, server.plain, server.spans) == ([], "* 李*", [])


def test_deletions_and_unknown_bases_are_said() -> None:
    assert cells("a", "b", None, op="delete")[2].plain == "删除 deleted"
    assert cells("a", "a", "b", item_deleted=True)[1].plain == "删除 deleted\na"
    assert cells(None, "a", "b", base_unknown=True)[0].plain == "未知 unknown"


def test_each_column_says_who_wrote_it_where_and_when() -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(three_ways(detail(Sides(
            key="name", zh="姓名", en="Name", base="a", server="b", incoming="c", server_changed=True,
            incoming_changed=True, moved_on=True, masked=False,
        )), {}))  # fmt: skip
    for words in ("v1 甲", "甲的手机", "v2 乙", "丙的手机", "2026-11-26 10:30", "又有改动 moved on"):
        assert words in captured.get()
