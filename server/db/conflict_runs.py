"""Runs that settle many conflicts alike, and what each of them settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from server.db.database import Connection, Row
from server.db.named import sql


class Run(NamedTuple):
    """A run: conflicts opened from `opened_before` on are no part of it; `resumed`: it was begun earlier."""

    id: UUID
    opened_before: datetime
    resumed: bool


class NewRun(NamedTuple):
    """A run that somebody asks for; the columns of its table."""

    id: UUID
    actor_id: UUID
    asked: dict[str, Any]
    reason: str
    opened_before: datetime
    started_at: datetime


async def begin_run(connection: Connection, new: NewRun) -> Run:
    """This run, or the unfinished one that the same person asked for in the same words."""
    row = await connection.fetchrow(sql("begin_conflict_run"), *new)
    assert row is not None
    return Run(*row.values())


async def finish_run(connection: Connection, run_id: UUID, at: datetime) -> None:
    """Nothing is left of it that it could settle: the same words begin another one."""
    await connection.execute(sql("finish_conflict_run"), run_id, at)


async def runs_between(connection: Connection, least: UUID, most: UUID) -> list[Row]:
    """At most two runs with an id in this range: id, settled."""
    return await connection.fetch(sql("conflict_runs_between"), least, most)


async def count_settled(connection: Connection, run_id: UUID) -> int:
    """How many conflicts it has settled, taken back or not."""
    return int(await connection.fetchval(sql("count_run_lines"), run_id) or 0)


async def note_settled(connection: Connection, run_id: UUID, conflict_ids: Sequence[UUID]) -> None:
    """That the run settled these conflicts, in the transaction that does."""
    await connection.execute(sql("note_settled"), run_id, conflict_ids)


async def note_undone(connection: Connection, run_id: UUID, conflict_ids: Sequence[UUID]) -> None:
    """That these settlements of the run were taken back."""
    await connection.execute(sql("note_undone"), run_id, conflict_ids)


async def settled_version(connection: Connection, run_id: UUID, conflict_id: UUID) -> int | None:
    """The revision by which the run settled a conflict; None where it did not, or that was taken back."""
    return await connection.fetchval(sql("run_line_version"), run_id, conflict_id)


async def settled_lines(connection: Connection, run_id: UUID, before: int | None, limit: int) -> list[Row]:
    """What it settled and nobody has taken back, the last first: conflict_id, place."""
    return await connection.fetch(sql("run_lines"), run_id, before, limit)
