"""What a plan of registry changes would make of grids, items, people and phones.

    read the files -> what stands (one snapshot) -> check (pure) -> follow every item (pure, in pages) -> tell

Nothing is written, and nobody is kept waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from server.db import registry_moves
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.registry_area import publishing_prefixes
from server.usecases.registry_drafting import (
    Draft,
    PlanFiles,
    draft_plan,
    read_papers,
    succession_of,
    touched_grids,
)
from server.usecases.registry_following import Follower
from server.usecases.registry_reports import Counts, Forecast, GridChange, PlanReport, followed
from server.usecases.registry_workforce import Workforce, load_workforce
from server.usecases.sessions import Caller
from server.usecases.telling import Teller
from sync.registry_changes.changes import Changed
from sync.registry_changes.succession import ranks

_PAGE: Final = 2_000
_MOST_UNPLACED: Final = 50
_ENVELOPE: Final = 400
"""Bytes of an entry beside what its form says: ids, times, review and case."""
_ABSENCE: Final = 100


class Planned(NamedTuple):
    """A plan, what it would make of the registry, and what is told of it."""

    draft: Draft
    changed: Changed
    report: PlanReport


class _Flow(NamedTuple):
    """What becomes of items; `sizes`: bytes that each reader of a stream is sent; `unplaced`: the first of these."""

    counts: Counts
    looked: int
    sizes: Counter[str]
    unplaced: list[UUID]


async def plan_changes(services: Services, actor: Caller, files: PlanFiles, now: datetime, teller: Teller) -> Planned:
    """Say what a plan would do. Raises Problem: forbidden, import_unreadable."""
    prefixes = publishing_prefixes(services, actor)
    teller.phase("读取文件", "Reading the files")
    papers = read_papers(files)
    async with services.database.read() as connection:
        teller.phase("检查", "Checking")
        draft = await draft_plan(connection, services, papers, prefixes)
        if draft.faults:
            report = PlanReport(registry=draft.standing.version, faults=draft.faults)
            return Planned(draft, Changed([], [], [], []), report)
        changed = draft.changed()
        return Planned(draft, changed, await _tell(connection, services, draft, changed, now, teller))


async def _tell(
    connection: Connection, services: Services, draft: Draft, changed: Changed, now: datetime, teller: Teller
) -> PlanReport:
    touched = touched_grids(changed, draft.standing)
    flow = await _flow(connection, services, draft, changed, teller)
    # Of a grid that goes on the new code is told where things go, and of one that ends its only one.
    codes = {label.id: label.code for label in (*draft.standing.grids.values(), *changed.labels)}
    workforce = await load_workforce(connection, changed, draft.teams(changed), touched, now)
    open_ = await registry_moves.count_open_conflicts(connection, touched)
    return PlanReport(
        registry=draft.standing.version,
        faults=[],
        changes=_grid_changes(draft, changed),
        uncovered=draft.uncovered,
        items=followed(flow.counts, flow.looked, codes),
        unplaced_items=flow.unplaced,
        posts=workforce.posts(codes),
        unstaffed=workforce.unstaffed(changed),
        behind=workforce.behind(draft.standing.version),
        bytes=_bytes(flow, workforce),
        conflicts=Forecast(unplaced=_unplaced(flow), already_open=open_, unsent=workforce.unsent),
    )


def _unplaced(flow: _Flow) -> int:
    return sum(number for (_, to, _), number in flow.counts.items() if to is None)


def _bytes(flow: _Flow, workforce: Workforce) -> int:
    """A user's own stream is taken to have one reader."""
    readers = workforce.readers()
    return sum(size * (1 if key.startswith("own/") else readers[key]) for key, size in flow.sizes.items())


async def _flow(connection: Connection, services: Services, draft: Draft, changed: Changed, teller: Teller) -> _Flow:
    """Follow every item, in the very order in which they will be moved."""
    touched = touched_grids(changed, draft.standing)
    flow = _Flow(Counter(), await registry_moves.count_items(connection, touched), Counter(), [])
    follower = Follower(services, succession_of(changed, draft.standing), draft.standing.version + 1)
    teller.phase("推算台账去向", "Following the items", flow.looked)
    for types in ranks(services.catalogue):
        for grid_id in touched:
            after: UUID | None = None
            while rows := await registry_moves.rows_to_follow(connection, grid_id, types, after, _PAGE):
                await _take(connection, follower, rows, flow, teller)
                after = rows[-1]["id"]
    return flow


async def _take(connection: Connection, follower: Follower, rows: Sequence[Row], flow: _Flow, teller: Teller) -> None:
    subjects = [follower.subject(row) for row in rows]
    verdicts = await follower.follow(connection, subjects)
    follower.plan(subjects, verdicts)
    for row, verdict in zip(rows, verdicts, strict=True):
        teller.step()
        if row["deleted"] or verdict.grid_id == row["grid_id"]:
            continue
        flow.counts[row["grid_id"], verdict.grid_id, row["type"]] += 1
        _weigh(row, verdict.grid_id, flow)
        if verdict.grid_id is None and len(flow.unplaced) < _MOST_UNPLACED:
            flow.unplaced.append(row["id"])


def _weigh(row: Row, grid_id: UUID | None, flow: _Flow) -> None:
    """An absence where it was, the entry where it comes; the wire form is about as long as what is stored."""
    if row["stream_class"] == "author":
        return
    stream = "restricted" if row["stream_class"] == "grid_restricted" else "grid"
    flow.sizes[f"{stream}/{row['grid_id']}"] += _ABSENCE
    flow.sizes[f"{stream}/{grid_id}" if grid_id else f"own/{row['author_id']}"] += _ENVELOPE + row["size"]


def _grid_changes(draft: Draft, changed: Changed) -> list[GridChange]:
    before = {label.id: label.code for label in draft.standing.grids.values()}
    after = {label.id: label.code for label in changed.labels}
    return [
        GridChange(
            kind=step.kind,
            before=[before[one] for one in step.predecessors],
            after=[after[one] for one in step.successors],
        )
        for step in changed.steps
    ]
