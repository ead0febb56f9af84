"""The code of an item without a grid, as whoever is to tell the grid sees it; and fields as conflicts show them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from msgspec import Struct

from schemas.forms import CompiledType
from server.db import crosswalk
from server.db.database import Connection
from server.masking import HIDDEN, mask
from server.services import Services
from server.usecases.conflict_access import Opened
from sync.crosswalk import metres_to
from sync.items import Fields
from sync.placing import PlaceFault, UnsettledCode
from sync.territory import Fix

FAULT_WORDS: dict[PlaceFault, tuple[str, str]] = {
    "unknown": ("查无此编码", "no such code is known"),
    "retired": ("编码已停用,没有后继网格", "the code was retired and no grid took its place"),
    "ambiguous": ("编码对应多个网格,位置不足以判定", "the code stands for several grids, and no position tells which"),
    "border": ("位置距网格边界太近,不足以判定", "the position is too near the border of grids to tell"),
    "untold": ("没有可据以判定的内容", "nothing that was written tells it"),
}
"""Why a code decides nothing, or without one nothing else does, zh and en."""

_STEP_M = 10
"""Distances are told in such steps: enough to compare grids by."""


class Label(Struct, frozen=True):
    """A field by its key and its words."""

    key: str
    zh: str
    en: str


class Candidate(Struct, frozen=True, kw_only=True):
    """A current grid that the code may stand for.

    `metres`: how far the item's own point is from it, 0 inside; None without a point, or while that is masked.
    """

    grid: UUID
    code: str
    name: str
    community: str
    community_zh: str
    community_en: str
    metres: int | None


class Content(Struct, frozen=True, kw_only=True):
    """A field of the item; `masked`: its value is not shown in full."""

    key: str
    zh: str
    en: str
    value: Any
    masked: bool


class ClaimView(Struct, frozen=True, kw_only=True):
    """The code that was given for the grid, a department's or (without one) a unified code, and what helps to judge it.

    `code` is empty where none was given. `content`: what the item says, for an address often tells where it lies.
    """

    department: str | None
    department_zh: str | None
    department_en: str | None
    code: str
    fault: PlaceFault
    fault_zh: str
    fault_en: str
    candidates: list[Candidate]
    content: list[Content]


async def view_claim(
    connection: Connection, services: Services, opened: Opened, fields: Fields, *, reveal: bool
) -> ClaimView:
    """The claim of a conflict of the kinds `code` and `territory`, beside the item's present fields."""
    assert isinstance(opened.claim, UnsettledCode)
    claim, compiled = opened.claim, opened.compiled
    zh, en = FAULT_WORDS[claim.fault]
    names = {one.code: (one.name_zh, one.name_en) for one in services.catalogue.source.departments}
    department_zh, department_en = names.get(claim.department or "", (None, None))
    return ClaimView(
        department=claim.department,
        department_zh=department_zh,
        department_en=department_en,
        code=claim.code,
        fault=claim.fault,
        fault_zh=zh,
        fault_en=en,
        candidates=await _candidates(connection, services, claim, _point(compiled, fields, reveal=reveal)),
        content=contents(compiled, fields, reveal=reveal),
    )


def contents(compiled: CompiledType, fields: Fields, *, reveal: bool) -> list[Content]:
    """What an item says, in the order of its form."""
    return [_content(compiled, key, fields[key], reveal=reveal) for key in in_form_order(compiled, fields)]


async def _candidates(
    connection: Connection, services: Services, claim: UnsettledCode, point: Fix | None
) -> list[Candidate]:
    """The grids of today: what was a candidate when the conflict opened may have been split or merged since."""
    today = [grid_id for one in claim.candidates for grid_id in services.registry.lineage.carry(one, 0).grids]
    rows = await crosswalk.candidate_grids(connection, list(dict.fromkeys(today)))
    return [
        Candidate(
            grid=row["grid_id"],
            code=row["code"],
            name=row["name"],
            community=row["community"],
            community_zh=row["community_zh"],
            community_en=row["community_en"],
            metres=_STEP_M * round(metres_to(row["outline"], point) / _STEP_M) if point else None,
        )
        for row in rows
    ]


def _point(compiled: CompiledType, fields: Fields, *, reveal: bool) -> Fix | None:
    """The item's own point, unless it is marked and not to be revealed: distances would give it away."""
    key = next((one.field for one in compiled.type.territory_from if one.source == "point"), None)
    value = fields.get(key or "")
    if value is None or (key in compiled.marked and not reveal):
        return None
    return Fix(value["lon"], value["lat"], value["crs"], value["accuracy"])


def _content(compiled: CompiledType, key: str, value: Any, *, reveal: bool) -> Content:
    named = label(compiled, key)
    masked = not reveal and is_marked(compiled, key)
    return Content(key=key, zh=named.zh, en=named.en, value=shown(compiled, key, value, reveal=reveal), masked=masked)


def label(compiled: CompiledType, key: str) -> Label:
    """A field's words; one that the form no longer has is called by its key."""
    field = compiled.fields.get(key)
    return Label(key, field.label_zh, field.label_en) if field else Label(key, key, key)


def is_marked(compiled: CompiledType, key: str) -> bool:
    """Whether a field is personal or sensitive; one that the form no longer has may have been."""
    return key not in compiled.fields or key in compiled.marked


def shown(compiled: CompiledType, key: str, value: Any, *, reveal: bool) -> Any:
    """A value as it is shown: in full to who asked to see it, else masked where it is marked."""
    field = compiled.fields.get(key)
    if reveal:
        return value
    return mask(field, value) if field else HIDDEN


def in_form_order(compiled: CompiledType, keys: Collection[str]) -> list[str]:
    """Keys in the order of the form, then those that it no longer has."""
    known = [key for key in compiled.fields if key in keys]
    return known + sorted(set(keys) - set(known))
