"""Files that are handed in for the registry, as tables and as outlines by code. Only their form is judged here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, NoReturn, get_args

import msgspec
from msgspec import Struct

from server.errors import Problem
from sync.registry_faults import Fault, fault
from sync.registry_outlines import Given

LARGEST_TABLE: Final = 8 * 1024 * 1024
"""Bytes of a table: some twenty times the whole city."""
LARGEST_OUTLINES: Final = 64 * 1024 * 1024
"""Bytes of a file of outlines: the whole city with two hundred vertices a grid takes a third of it."""
MOST_ROWS: Final = 20_000

_BOM: Final = b"\xef\xbb\xbf"
_CRS_NAMES: Final[dict[str, Given]] = {
    "crs84": "wgs84",
    "4326": "wgs84",
    "wgs84": "wgs84",
    "4490": "cgcs2000",
    "cgcs2000": "cgcs2000",
    "gcj02": "gcj02",
    "bd09": "bd09",
}
"""The last part of the name in a `crs` member, without hyphens."""


class Columns(NamedTuple):
    """The columns that a table must have, may have, and may have without their being read."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    unread: tuple[str, ...] = ()


class Line(NamedTuple):
    """A row of a table as a spreadsheet counts it, and its cells by column; a column that is not there has none."""

    row: int
    cells: dict[str, str]


class Table(NamedTuple):
    """The rows of a table that have as many cells as it has columns, the faults of the others, and its encoding."""

    lines: list[Line]
    faults: list[Fault]
    encoding: str


class Drawing(NamedTuple):
    """The geometries of a file by the text of their code, and the coordinate system of all."""

    crs: Given
    geometries: dict[str, list[Any]]


class _Feature(Struct, frozen=True):
    properties: dict[str, Any] | None = None
    geometry: Any = None


class _Collection(Struct, frozen=True, tag_field="type", tag="FeatureCollection"):
    features: list[_Feature]
    crs: dict[str, Any] | None = None


def read_table(raw: bytes, columns: Columns, file: str) -> Table:
    """A CSV table in UTF-8, with or without a byte order mark, or in GB 18030. Raises Problem: import_unreadable.

    What is no UTF-8 is taken for GB 18030, which spreadsheets here write; that is a guess, so the encoding is told.
    """
    text, encoding = _decoded(raw, file)
    records = list(_records(text, file))
    header = [name.strip() for name in records[0]] if records else []
    _check_header(header, columns, file)
    lines: list[Line] = []
    faults: list[Fault] = []
    for row, record in enumerate(records[1:], 2):
        if not any(cell.strip() for cell in record):
            continue
        if len(record) == len(header):
            lines.append(Line(row, dict(zip(header, record, strict=True))))
        else:
            faults.append(fault("row_cells", row, record[0]))
    return Table(lines, faults, encoding)


def read_drawing(raw: bytes, crs: Given | None, file: str) -> Drawing:
    """A GeoJSON FeatureCollection whose features have a property `code`. Raises Problem: import_unreadable.

    `crs`: what the person says; the file's own `crs` member does as well, but one of them has to say it. A coordinate
    system taken for another moves every border by half a kilometre, so nothing is assumed.
    """
    if len(raw) > LARGEST_OUTLINES:
        _too_large(LARGEST_OUTLINES, file)
    try:
        collection = msgspec.json.decode(raw.removeprefix(_BOM), type=_Collection)
    except msgspec.MsgspecError:
        _refuse(
            file,
            "不是有效的 GeoJSON FeatureCollection,请重新导出。",
            "It is no valid GeoJSON FeatureCollection: export it again.",
        )
    geometries: dict[str, list[Any]] = {}
    for feature in collection.features:
        geometries.setdefault(_code_of(feature, file), []).append(feature.geometry)
    return Drawing(_agreed(crs, collection.crs, file), geometries)


def join_key(code: str) -> str:
    """What a row and a feature of one grid have in common, whether or not either has the check digit."""
    return code[:15] if len(code) == 16 and code.isdigit() else code


def _decoded(raw: bytes, file: str) -> tuple[str, str]:
    if len(raw) > LARGEST_TABLE:
        _too_large(LARGEST_TABLE, file)
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.removeprefix(_BOM).decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    _refuse(
        file,
        "编码既非 UTF-8 也非 GB18030;请在表格软件中另存为「CSV UTF-8」后再导入。",
        "It is neither UTF-8 nor GB 18030: save it as 'CSV UTF-8' in your spreadsheet and import that.",
    )


def _records(text: str, file: str) -> Iterator[list[str]]:
    try:
        for count, record in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True)):
            if count > MOST_ROWS:
                _refuse(file, f"超过 {MOST_ROWS} 行,请拆分。", f"It has over {MOST_ROWS} rows: split it.")
            yield record
    except csv.Error as error:
        _refuse(
            file,
            "不是有效的 CSV,请检查引号,重新导出。",
            f"It is no valid CSV ({error}): check the quotes, or export it again.",
        )


def _check_header(header: Sequence[str], columns: Columns, file: str) -> None:
    lacking = [name for name in columns.required if name not in header]
    known = {*columns.required, *columns.optional, *columns.unread}
    strange = [name[:40] for name in header if name not in known]
    if not lacking and not strange and len(set(header)) == len(header):
        return
    listed = ",".join((*columns.required, *columns.optional))
    missing, unknown = ",".join(lacking) or "-", ",".join(strange) or "-"
    _refuse(
        file,
        f"表头不符。缺少:{missing};不认识:{unknown}。每列只写一次,可用的列:{listed}",
        f"The header is not right. Lacking: {missing}; not known: {unknown}. Write each column once: {listed}",
    )


def _code_of(feature: _Feature, file: str) -> str:
    """Programs that draw maps like to write codes as numbers."""
    match (feature.properties or {}).get("code"):
        case str() as code:
            return join_key(code.strip())
        case int() as number:
            return join_key(str(number))
        case float() as number if number.is_integer():
            return join_key(str(int(number)))
        case _:
            _refuse(
                file,
                "有要素没有属性 code,请补上网格编码。",
                "A feature has no property 'code': give it the code of its grid.",
            )


def _agreed(said: Given | None, member: dict[str, Any] | None, file: str) -> Given:
    named = _named(member, file) if member else None
    if said and named and said != named:
        _refuse(
            file,
            f"--crs 为 {said},文件自称 {named},请核实。",
            f"--crs says {said}, the file itself {named}: find out which it is.",
        )
    crs = said or named
    if crs is None:
        known = "|".join(get_args(Given))
        _refuse(
            file,
            f"未说明坐标系,请加 --crs {known}(差错会使边界偏移约 500 米)。",
            f"It does not say its coordinate system: add --crs {known}. A wrong one moves borders by 500 metres.",
        )
    return crs


def _named(member: dict[str, Any], file: str) -> Given:
    match member.get("properties"):
        case {"name": str() as name} if (short := name.rpartition(":")[2].lower().replace("-", "")) in _CRS_NAMES:
            return _CRS_NAMES[short]
        case _:
            pass
    _refuse(
        file,
        "文件的坐标系不受支持,请转为 WGS-84(EPSG:4326)或 CGCS2000(EPSG:4490)经纬度。",
        "Its coordinate system is not supported: convert it to degrees of WGS-84 (EPSG:4326) or CGCS2000 (EPSG:4490).",
    )


def _too_large(most: int, file: str) -> NoReturn:
    size = most // 1024 // 1024
    _refuse(file, f"文件超过 {size} MB,请拆分或简化。", f"It is over {size} MB: split or simplify it.")


def _refuse(file: str, zh: str, en: str) -> NoReturn:
    raise Problem("import_unreadable", field=file, detail_zh=zh, detail_en=en)
