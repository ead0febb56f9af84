"""The registry as it was: its versions, a grid at a day or a version, and what grids came from and became."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct, convert

from schemas.accounts import MicroGridView
from schemas.grid_code import GridCodeError, GridKind, micro_grid_code
from server.db import registry, registry_history
from server.db.database import Connection, Row
from server.errors import Problem
from server.services import Services
from server.usecases.registry_area import check_reader
from server.usecases.sessions import Caller
from sync.grid_index import Rings
from sync.lineage import Step
from sync.registry_changes.tree import Kin, lines_of
from sync.registry_checks import read_code

_CITY_TIME: Final = ZoneInfo("Asia/Shanghai")
_LONGEST_VERSION: Final = 9


class MoveState(Struct, frozen=True, kw_only=True):
    """How far the items of a version have followed; without `finished_at` they still do."""

    total: int
    looked: int
    moved: int
    unplaced: int
    finished_at: datetime | None


class VersionView(Struct, frozen=True, kw_only=True):
    """A registry version. `labels_begun` and `labels_ended` count grids, a changed one in both; `steps` by kind."""

    version: int
    published_at: datetime
    published_by: str | None
    reason: str
    labels_begun: int
    labels_ended: int
    divisions: int
    steps: dict[str, int]
    items: MoveState | None


class GridAt(Struct, frozen=True, kw_only=True):
    """A grid as it was at a registry version. `today`: the codes of the grids that it is now; none once retired."""

    version: int
    id: UUID
    code: str
    name: str
    kind: GridKind
    community: str
    compounds: list[str]
    micro_grids: list[MicroGridView]
    valid_from: date | None
    valid_to: date | None
    synthetic: bool
    from_version: int
    to_version: int | None
    outline: Rings
    today: list[str]


class StepView(Struct, frozen=True):
    """What happened at a registry version."""

    version: int
    kind: str


class KinView(Struct, frozen=True, kw_only=True):
    """A grid in a tree of lineage, by its last code and name.

    `codes`: all that it bore, the oldest first. `changed`: what happened to it without ending it; `by`: what leads to
    the grids in `kin`.
    """

    id: UUID
    code: str
    name: str
    codes: list[str]
    from_version: int
    to_version: int | None
    changed: list[StepView]
    by: StepView | None
    kin: list[KinView]


class LineageView(Struct, frozen=True):
    """What a grid came from, and what came of it; it is the root of both."""

    came_from: KinView
    became: KinView


async def list_versions(services: Services, caller: Caller, *, before: int | None, limit: int) -> list[VersionView]:
    """Registry versions, the newest first. Raises Problem: forbidden."""
    check_reader(services, caller)
    async with services.database.read() as connection:
        rows = await registry_history.versions(connection, before, limit)
    return convert([dict(row) for row in rows], list[VersionView])


async def show_grid_at(services: Services, caller: Caller, text: str, at: str) -> GridAt:
    """The grid of a code as it was at a version, or at the end of a day in the city's time.

    Raises Problem: forbidden, parameter_invalid (fields code, at), not_found.
    """
    check_reader(services, caller)
    code = _code(text)
    async with services.database.read() as connection:
        version = await _version(connection, at)
        row = await registry_history.label_at(connection, code, version)
        if row is None:
            raise await _not_there(connection, code, version)
        loaded = await registry.load_registry(connection)
    micro_grids = [
        MicroGridView(micro_grid_code(row["code"], one["serial"]), one["name"]) for one in row["micro_grids"]
    ]
    now = loaded.lineage.carry(row["grid_id"], version).grids
    today = [found for one in now if (found := loaded.code(one))]
    values: dict[str, Any] = dict(row) | {"micro_grids": micro_grids, "today": today}
    return convert(values | {"version": version, "id": row["grid_id"]}, GridAt)


async def show_lineage(services: Services, caller: Caller, text: str) -> LineageView:
    """What the grid of a code came from and became. Raises Problem: forbidden, parameter_invalid, not_found."""
    check_reader(services, caller)
    code = _code(text)
    async with services.database.read() as connection:
        grid_id = await registry_history.grid_of_code(connection, code)
        if grid_id is None:
            raise Problem("not_found", field="code")
        lines = lines_of(grid_id, await registry_history.all_steps(connection))
        named = {one.grid_id for tree in (lines.up, lines.down) for one in _every(tree)}
        labels: dict[UUID, list[Row]] = {}
        for row in await registry_history.labels_of_grids(connection, sorted(named)):
            labels.setdefault(row["grid_id"], []).append(row)
    return LineageView(_view(lines.up, labels), _view(lines.down, labels))


def _code(text: str) -> str:
    try:
        return read_code(text).code
    except GridCodeError as error:
        raise Problem("parameter_invalid", field="code", detail_zh=error.zh, detail_en=error.en) from None


async def _version(connection: Connection, at: str) -> int:
    """The number as it stands, or the version of a day; of one that is yet to come the newest."""
    if at.isascii() and at.isdigit() and len(at) <= _LONGEST_VERSION:
        return int(at)
    try:
        day = date.fromisoformat(at) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Problem(
            "parameter_invalid",
            field="at",
            detail_zh="请写编码库版本号,或 2024-05-31 形式的日期。",
            detail_en="Write the number of a registry version, or a day as 2024-05-31.",
        ) from None
    midnight = datetime.combine(day, time(), _CITY_TIME).astimezone(UTC)
    return await registry_history.version_at(connection, midnight) or 0


async def _not_there(connection: Connection, code: str, version: int) -> Problem:
    """The code was never given, or its grid had not begun or had ended."""
    grid_id = await registry_history.grid_of_code(connection, code)
    if grid_id is None:
        return Problem("not_found", field="code")
    labels = await registry_history.labels_of_grids(connection, [grid_id])
    first, last = labels[0]["from_version"], labels[-1]["to_version"]
    return Problem(
        "not_found",
        field="at",
        detail_zh=f"版本 {version} 中没有该网格:它自版本 {first} 起" + (f",至版本 {last} 止。" if last else "。"),
        detail_en=f"There was no such grid at version {version}: it began with version {first}"
        + (f" and ended with version {last}." if last else "."),
    )


def _every(kin: Kin) -> Iterator[Kin]:
    yield kin
    for one in kin.kin:
        yield from _every(one)


def _view(kin: Kin, labels: dict[UUID, list[Row]]) -> KinView:
    own = labels[kin.grid_id]
    return KinView(
        id=kin.grid_id,
        code=own[-1]["code"],
        name=own[-1]["name"],
        codes=list(dict.fromkeys(row["code"] for row in own)),
        from_version=own[0]["from_version"],
        to_version=own[-1]["to_version"],
        changed=[_step(one) for one in kin.changed],
        by=_step(kin.by) if kin.by else None,
        kin=[_view(one, labels) for one in kin.kin],
    )


def _step(step: Step) -> StepView:
    return StepView(step.version, step.kind)
