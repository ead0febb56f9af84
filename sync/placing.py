"""Tells the grid of an item from its change, by the sources that the catalogue names for its type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from schemas.forms import CompiledType
from schemas.wire import Change
from sync.items import Fields
from sync.registry import Registry
from sync.territory import Fix, decide_territory


def place(
    change: Change,
    compiled: CompiledType,
    fields: Fields,
    reference_grid: Callable[[str], UUID | None],
    registry: Registry,
) -> tuple[UUID | None, dict[str, Any] | None]:
    """The grid and how it was found, as plain values to be stored; (None, None) if no source decides."""
    field_of = {source.source: source.field for source in compiled.type.territory_from if source.field}
    point = fields.get(field_of.get("point", ""))
    target = fields.get(field_of.get("reference", ""))
    territory = decide_territory(
        [source.source for source in compiled.type.territory_from],
        point=_fix(point) if point else None,
        reference_grid=reference_grid(target) if target else None,
        capture=_capture(change),
        claimed_grid=registry.by_code.get(change.grid or ""),
        index=registry.index,
    )
    if territory.grid_id is None:
        return None, None
    derivation = {
        "registry": registry.version,
        "source": territory.source,
        "disagreeing": [{"source": one.source, "grid": str(one.grid_id)} for one in territory.disagreeing],
    }
    return territory.grid_id, derivation


def _fix(point: dict[str, Any]) -> Fix:
    return Fix(point["lon"], point["lat"], point["crs"], point["accuracy"])


def _capture(change: Change) -> Fix | None:
    position = change.capture.position
    return Fix(position.lon, position.lat, position.crs, position.accuracy) if position else None
