"""Base, server and incoming side by side: what was taken out and what was put in, in colour and without it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

from rich.table import Table
from rich.text import Text

from schemas.item_type import Field
from server.cli.conflict_words import time_words
from server.cli.field_values import describe_value, printable
from server.usecases.conflict_views import Detail, Sides, Written

_GONE, _SERVER, _INCOMING, _TAKEN_OUT = "bold red", "bold yellow", "bold cyan", "red strike"


def three_ways(detail: Detail, fields: Mapping[str, Field]) -> Table:
    """A line a field in conflict; each column says who wrote it, on which device, and when by estimate."""
    table = Table(expand=True, show_lines=True, header_style="bold")
    table.add_column("栏目\nfield", ratio=3, overflow="fold")
    table.add_column(_head("原值 base", detail.base), ratio=4, overflow="fold")
    table.add_column(_head("服务器 server", detail.server), ratio=4, overflow="fold")
    table.add_column(_head("离线 incoming", detail.incoming), ratio=4, overflow="fold")
    for sides in detail.fields:
        table.add_row(Text(f"{sides.zh}\n{sides.en}\n{sides.key}"), *_values(detail, sides, fields.get(sides.key)))
    return table


def _head(title: str, written: Written | None) -> Text:
    if written is None:
        return Text(title)
    version = f"v{written.version} " if written.version else ""
    named = f"{version}{printable(written.author)}"
    lines = (title, named, printable(written.device), time_words(written.captured_at))
    return Text("\n".join(line for line in lines if line))


def _values(detail: Detail, sides: Sides, field: Field | None) -> tuple[Text, Text, Text]:
    base, server, incoming = (describe_value(field, value) for value in (sides.base, sides.server, sides.incoming))
    cells = [
        _base(base, [words for words, changed in _changed(sides, server, incoming) if changed], masked=sides.masked),
        _side(base, server, _SERVER, changed=sides.server_changed, masked=sides.masked),
        _side(base, incoming, _INCOMING, changed=sides.incoming_changed, masked=sides.masked),
    ]
    gone = Text("删除 deleted", style=_GONE)
    if sides.moved_on:
        cells[1].append("\n又有改动 moved on", style="italic")
    if detail.op == "delete" or detail.conflict.kind == "delete_update":
        cells[2] = gone
    if detail.item_deleted:
        cells[1] = Text.assemble(gone, "\n", cells[1])
    if detail.base_unknown:
        cells[0] = Text("未知 unknown", style="dim")
    return cells[0], cells[1], cells[2]


def _changed(sides: Sides, server: str, incoming: str) -> tuple[tuple[str, bool], tuple[str, bool]]:
    return (server, sides.server_changed), (incoming, sides.incoming_changed)


def _base(base: str, others: list[str], *, masked: bool) -> Text:
    """What either side took out is struck through; of masked values nobody can tell."""
    text = Text(base, style="dim")
    for other in [] if masked else others:
        for tag, begin, end, _, _ in SequenceMatcher(None, base, other, autojunk=False).get_opcodes():
            if tag in ("delete", "replace"):
                text.stylize(_TAKEN_OUT, begin, end)
    return text


def _side(base: str, words: str, colour: str, *, changed: bool, masked: bool) -> Text:
    """The mark says without colour what the colour says: this side differs from the base, and where."""
    if not changed:
        return Text(words)
    if masked:
        return Text(f"* {words}", style=colour)
    text = Text(f"* {words}")
    text.stylize(colour, 0, 1)
    for tag, _, _, begin, end in SequenceMatcher(None, base, words, autojunk=False).get_opcodes():
        if tag in ("insert", "replace"):
            text.stylize(colour, begin + 2, end + 2)
    return text
