"""The columns of an export: what is known about an item, then the fields of its form, in both languages."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from schemas.forms import CompiledType
from schemas.grid_code import printed
from schemas.item_type import Field
from server.db.database import Row
from server.masking import HIDDEN
from server.storage.export_files import Cell, Column

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_FACTS: tuple[tuple[str, str, str], ...] = (
    ("id", "编号", "id"),
    ("grid_code", "网格编码", "grid code"),
    ("printed_code", "印刷编码", "printed code"),
    ("grid_name", "网格", "grid"),
    ("community_zh", "社区", "community"),
    ("community_en", "社区(英文)", "community in English"),
    ("outline_synthetic", "网格边界为推算", "outline is synthetic"),
    ("legacy_codes", "旧编码", "legacy codes"),
    ("urgency", "紧急程度", "urgency"),
    ("review", "审核状态", "review"),
    ("case", "案件状态", "case"),
    ("version", "版本", "version"),
    ("captured_at", "采集时间", "captured at"),
    ("received_at", "接收时间", "received at"),
)


def fact_columns() -> list[Column]:
    """What is known about every item."""
    return [Column(key, zh, en, _plain) for key, zh, en in _FACTS]


def field_columns(compiled: CompiledType) -> list[Column]:
    """The fields of a form in their own order."""
    return [Column(one.key, one.label_zh, one.label_en, partial(_cell, one)) for one in compiled.type.fields]


def facts_of(row: Row, legacy_codes: list[tuple[str, str]], *, earlier: bool) -> dict[str, Any]:
    """What is known about an item of `export_items`; `earlier`: it is told as it was approved, not as it is now."""
    return {
        "id": str(row["id"]),
        "grid_code": row["code"],
        "printed_code": printed(row["code"]) if row["code"] else None,
        "grid_name": row["grid_name"],
        "community_zh": row["community_zh"],
        "community_en": row["community_en"],
        "outline_synthetic": row["synthetic"],
        "legacy_codes": [f"{department} {code}" for department, code in legacy_codes],
        "urgency": row["urgency"],
        "review": row["review_state"],
        "case": row["case_state"],
        "version": row["approved_version"] if earlier else row["version"],
        "captured_at": _city(row["captured_at"]),
        "received_at": _city(row["received_at"]),
    }


def _city(moment: datetime) -> str:
    return moment.astimezone(_CITY_TIME).isoformat(timespec="seconds")


def _plain(value: Any) -> Cell:
    """A value as a cell: lists with commas, yes and no in both languages."""
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, list):
        return "、".join(map(str, value))
    return value


def _cell(field: Field, value: Any) -> Cell:
    if value is None or value == HIDDEN:
        return value
    try:
        return _AS_CELL.get(field.type, lambda _, one: _plain(one))(field, value)
    except (KeyError, TypeError, ValueError):
        return str(value)  # a value from an older form


def _options(field: Field, value: Any) -> str:
    words = {one.value: f"{one.zh} {one.en}" for one in field.options}
    chosen: list[str] = value if isinstance(value, list) else [value]
    return "、".join(words.get(one, one) for one in chosen)


def _point(_: Field, value: Any) -> str:
    return f"{value['lon']:.6f},{value['lat']:.6f} {value['crs']}"


_AS_CELL = {
    "enum": _options,
    "geo_point": _point,
    "photo_list": lambda _, value: len(value),
    "decimal": lambda _, value: float(value),
}
