"""Unified diffs, read and applied to texts without any program: the smallest part of `patch` that mutants need.

A hunk is found by its lines and not by its number, so a patch outlives edits elsewhere in the file. Where its lines are
gone, or stand in several places and none of them is the one it names, it is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_HEAD = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class StaleError(Exception):
    """A patch that does not fit the text it was made for, with the reason in a sentence."""


class Hunk(NamedTuple):
    """Lines that are replaced by others, from line `start` on, counted from 1."""

    start: int
    before: list[str]
    after: list[str]


Patch = Mapping[str, Sequence[Hunk]]
"""The hunks of each file, by its path from the root."""


def read(text: str) -> Patch:
    """The patch that a unified diff tells; raises StaleError for a text that is none."""
    patch: dict[str, list[Hunk]] = {}
    path, lines = "", iter(text.splitlines())
    for line in lines:
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
        elif (head := _HEAD.match(line)) is not None:
            patch.setdefault(path, []).append(_hunk(head, lines))
    if not patch:
        raise StaleError("It is no unified diff.")
    return patch


def _hunk(head: re.Match[str], lines: Iterator[str]) -> Hunk:
    """As many lines as its head says; for what a line begins with may look like the head of a file."""
    start, old, new = (1 if count is None else int(count) for count in head.groups())
    hunk = Hunk(start, [], [])
    while len(hunk.before) < old or len(hunk.after) < new:
        line = next(lines, None)
        if line is None:
            raise StaleError("It ends in the middle of a hunk.")
        if not line.startswith("+"):
            hunk.before.append(line[1:])
        if not line.startswith("-"):
            hunk.after.append(line[1:])
    return hunk


def patched(root: Path, patch: Patch) -> Iterator[tuple[Path, str]]:
    """Each file of the patch with its new text; nothing is written. Raises StaleError."""
    for path, hunks in patch.items():
        file = root / path
        if not file.is_file():
            raise StaleError(f"{path} is not there any more.")
        yield file, _replaced(path, file.read_text("utf-8"), hunks)


def _replaced(path: str, text: str, hunks: Sequence[Hunk]) -> str:
    lines, moved = text.split("\n"), 0
    for hunk in hunks:
        place = _find(path, lines, hunk, hunk.start - 1 + moved)
        lines[place : place + len(hunk.before)] = hunk.after
        moved += len(hunk.after) - len(hunk.before)
    return "\n".join(lines)


def _find(path: str, lines: Sequence[str], hunk: Hunk, expected: int) -> int:
    size = len(hunk.before)
    places = [place for place in range(len(lines) - size + 1) if lines[place : place + size] == hunk.before]
    if expected in places:
        return expected
    if len(places) == 1:
        return places[0]
    found = "nowhere" if not places else f"in {len(places)} places"
    raise StaleError(f"The lines that it changes near line {hunk.start} of {path} stand {found}.")
