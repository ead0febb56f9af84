"""Plans for the mini city of `tests.builders`, and what became of its items."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from server.services import Services
from server.usecases.registry_applying import ApplyOrder, apply_plan
from server.usecases.registry_drafting import PlanFiles
from server.usecases.registry_planning import Planned, plan_changes
from server.usecases.registry_reports import ApplyReport, PlanReport
from server.usecases.telling import Teller
from tests.builders import ADMINISTRATOR, EAST, GRIDS, Person, caller

SOUTH, NORTH = 32.7, 32.71
FIRST, SECOND = f"{EAST}011", f"{EAST}012"


def strip(west: float, east: float) -> dict[str, Any]:
    """The ground between two meridians, counted in grids from the west of the city."""
    left, right = round(117.9 + west * 0.01, 7), round(117.9 + east * 0.01, 7)
    ring = [[left, SOUTH], [right, SOUTH], [right, NORTH], [left, NORTH], [left, SOUTH]]
    return {"type": "Polygon", "coordinates": [ring]}


def spot(place: float) -> dict[str, Any]:
    """A point in the middle of the city's strip, counted like `strip`."""
    return {"lon": round(117.9 + place * 0.01, 6), "lat": 32.705, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}


def plan_files(*operations: dict[str, Any], registry: int = 1, **outlines: dict[str, Any]) -> PlanFiles:
    """A plan as files; JSON is YAML. `outlines` by serials in the east community, `s011`, or whole codes, `c3411…`."""
    plan = {"registry": str(registry), "crs": "wgs84", "operations": list(operations)}
    features = [
        {"type": "Feature", "properties": {"code": EAST + name[1:] if name[0] == "s" else name[1:]}, "geometry": shape}
        for name, shape in outlines.items()
    ]
    drawing = {"type": "FeatureCollection", "features": features}
    return PlanFiles(json.dumps(plan).encode(), json.dumps(drawing).encode() if features else None)


def split_of_first(**more: Any) -> PlanFiles:
    """The first grid is halved: what lies west goes to the first half."""
    into = [{"code": FIRST, "name": "西半"} | more, {"code": SECOND, "name": "东半"}]
    return plan_files({"split": GRIDS[0], "into": into}, s011=strip(0, 0.5), s012=strip(0.5, 1))


async def plan(services: Services, files: PlanFiles, *, by: Person = ADMINISTRATOR) -> PlanReport:
    return (await planned(services, files, by=by)).report


async def planned(services: Services, files: PlanFiles, *, by: Person = ADMINISTRATOR) -> Planned:
    return await plan_changes(services, await caller(services, by), files, datetime.now(UTC), Teller())


async def apply(services: Services, files: PlanFiles, *, by: Person = ADMINISTRATOR) -> ApplyReport:
    order = ApplyOrder(actor=await caller(services, by), reason="年度调整", now=datetime.now(UTC))
    return await apply_plan(services, order, files, Teller())


async def code_of(truth: asyncpg.Connection, item_id: UUID) -> str | None:
    """The code of the current grid of an item."""
    return await truth.fetchval(
        "SELECT l.code FROM item i JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL WHERE i.id = $1",
        item_id,
    )
