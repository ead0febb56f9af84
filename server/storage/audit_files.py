"""Exported audit trails as files: JSON Lines or CSV, both of the same lines, so that both are checked alike.

The digest is SHA-256 over every line but the last, as deterministic JSON with a line break after each. In CSV, a text
that a spreadsheet program could take for a formula gets an apostrophe in front, and so does one that begins with an
apostrophe and one that is empty: reading takes it off again, and nothing at all is nothing.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from schemas.auditing import AuditLine

TrailFormat = Literal["jsonl", "csv"]

_ROW = ("id", "at", "actor_id", "action", "subject_kind", "subject_id", "reason", "detail", "request_id")
_LINE = ("kind", "chain", "seq", "row_hash", "previous", "hash", "about", "digest", "public_key", "signature")
_COLUMNS = ("kind", "chain", "seq", *_ROW, *_LINE[3:])
_JSON = frozenset({"detail", "about"})
_NUMBERS = frozenset({"seq", "id"})
_MARKED = tuple("'=+-@\t\r\n＝＋－＠")

_encode = msgspec.json.Encoder(order="deterministic").encode


class NoTrail(Exception):
    """The file is no exported trail, or cannot be read as one."""


class TrailWriter:
    """Writes lines to a file that exists and is private to this process's user."""

    def __init__(self, path: Path, file_format: TrailFormat) -> None:
        csv_wanted = file_format == "csv"
        self._file = path.open("w", encoding="utf-8-sig" if csv_wanted else "utf-8", newline="")
        self._table = csv.writer(self._file) if csv_wanted else None
        self._hash = hashlib.sha256()
        if self._table is not None:
            self._table.writerow(_COLUMNS)

    def add(self, lines: Sequence[AuditLine]) -> None:
        """Write these lines, which count for the digest."""
        for line in lines:
            written = _encode(line) + b"\n"
            self._hash.update(written)
            self._write(line, written)

    def digest(self) -> bytes:
        """Over all lines so far."""
        return self._hash.digest()

    def end(self, line: AuditLine) -> None:
        """Write the last line, which does not."""
        self._write(line, _encode(line) + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, line: AuditLine, written: bytes) -> None:
        if self._table is None:
            self._file.write(written.decode())
        else:
            self._table.writerow(_cells(line))


def read_trail(path: Path) -> Iterator[tuple[AuditLine, bytes]]:
    """Every line of an exported trail, and its bytes as they count for the digest. Raises NoTrail, OSError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            start = file.read(1)
            file.seek(0)
            lines = _read_json(file) if start == "{" else _read_csv(file)
            for line in lines:
                yield line, _encode(line) + b"\n"
    except (msgspec.MsgspecError, ValueError, csv.Error) as error:
        raise NoTrail from error


def _read_json(file: Any) -> Iterator[AuditLine]:
    for text in file:
        yield msgspec.json.decode(text, type=AuditLine)


def _read_csv(file: Any) -> Iterator[AuditLine]:
    table = csv.DictReader(file)
    if tuple(table.fieldnames or ()) != _COLUMNS:
        raise NoTrail
    for cells in table:
        values = {name: _value(name, cell) for name, cell in cells.items() if cell}
        row = {name: values.pop(name, None) for name in _ROW}
        values["row"] = row if row["id"] is not None else None
        yield msgspec.convert(values, AuditLine, str_keys=True)


def _cells(line: AuditLine) -> list[str]:
    told = {name: getattr(line, name) for name in _LINE}
    row = {name: getattr(line.row, name) for name in _ROW} if line.row else {}
    return [_cell(name, (told | row).get(name)) for name in _COLUMNS]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _JSON:
        text = _encode(value).decode()
    else:
        text = value if isinstance(value, str) else _encode(value).decode().strip('"')
    return f"'{text}" if not text or text.startswith(_MARKED) else text


def _value(name: str, cell: str) -> Any:
    text = cell.removeprefix("'")
    if name in _JSON:
        return msgspec.json.decode(text)
    return int(text) if name in _NUMBERS else text
