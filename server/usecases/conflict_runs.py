"""Many conflicts settled alike, and a whole run of them taken back.

    begin or go on with the run -> page by page, oldest first -> each conflict in a transaction of its own

What is settled is settled for good, whenever the run is stopped; asking the same again goes on with what is still open.
A conflict that is refused holds up no other one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from server.db import audit, conflict_runs, conflicts
from server.db.conflict_runs import NewRun, Run
from server.db.conflicts import ConflictFilter
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_access import grants_of
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.orders import Order
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.settling import Done
from server.usecases.telling import Teller
from sync.disputes import Choice

_PAGE = 200
_NAMED = 100
_MEANWHILE = frozenset({"conflict_resolved", "conflict_open"})
"""Another one was there first: what was wanted of the conflict is done, or is nobody's to do any more."""


class Wish(Struct, frozen=True, kw_only=True):
    """Which conflicts are to be settled, how, and why. `asked`: the same in the words by which a run is known again."""

    actor: Caller
    wanted: ConflictFilter
    choice: Choice
    reason: str
    asked: dict[str, Any]
    dry_run: bool = False


class Refused(Struct, frozen=True, kw_only=True):
    """Conflicts that could not be settled for the same reason; of many only the first are named."""

    code: str
    field: str | None
    zh: str
    en: str
    count: int
    conflicts: list[UUID]


class RunDone(Struct, frozen=True, kw_only=True):
    """What became of a run, or would: `run` is None in a dry run.

    `done`: conflicts settled, or taken back, by the whole run; `earlier`: of these before it was gone on with.
    `meanwhile`: conflicts that somebody else had settled, or opened again, before their turn came.
    """

    run: UUID | None
    dry_run: bool
    resumed: bool
    done: int
    earlier: int
    meanwhile: int
    refused: list[Refused]


async def resolve_many(services: Services, wish: Wish, tell: Teller) -> RunDone:
    """Settle all open conflicts that are wanted. Raises Problem: forbidden, reason_needed, what ends the whole run."""
    grants_of(services, wish.actor)
    checked_reason(wish.reason)
    run = None if wish.dry_run else await services.database.write(lambda tx: _begin(tx, wish))
    earlier = await _settled_by(services, run) if run and run.resumed else 0
    tally = _Tally()
    wanted = replace(wish.wanted, state="open", opened_before=run.opened_before if run else _end(wish))
    tell.phase("处理", "settling", await _how_many(services, wish, wanted))
    async for conflict_id in _open_conflicts(services, wish, wanted):
        if conflict_id not in tally.seen:
            order = _order(wish.actor, conflict_id, wish.reason, run.id if run else None, dry_run=wish.dry_run)
            await tally.take(conflict_id, lambda order=order: resolve_conflict(services, order, wish.choice))
        tell.step()
    if run is not None:
        async with services.database.single() as connection:
            await conflict_runs.finish_run(connection, run.id, datetime.now(UTC))
    return tally.result(run.id if run else None, wish.dry_run, resumed=bool(run and run.resumed), earlier=earlier)


async def undo_run(
    services: Services, actor: Caller, ids: tuple[UUID, UUID], reason: str, tell: Teller, *, dry_run: bool = False
) -> RunDone:
    """Take back whatever a run settled and nobody has taken back yet, the last first. Raises Problem: not_found, ..."""
    grants_of(services, actor)
    told = checked_reason(reason)
    run_id, settled = await _find_run(services, ids)
    if not dry_run:
        await services.database.write(lambda tx: _record(tx, actor, "conflict.undo_run", run_id, told, {}))
    tally, before = _Tally(), None
    tell.phase("撤销", "undoing", settled)
    while True:
        async with services.database.single() as connection:
            lines = await conflict_runs.settled_lines(connection, run_id, before, _PAGE)
        for line in lines:
            if line["conflict_id"] not in tally.seen:
                order = _order(actor, line["conflict_id"], reason, run_id, dry_run=dry_run)
                await tally.take(line["conflict_id"], lambda order=order: undo_resolution(services, order))
            tell.step()
        if len(lines) < _PAGE:
            return tally.result(run_id, dry_run, resumed=False, earlier=0)
        before = lines[-1]["place"]


class _Tally:
    """What became of each conflict so far; `seen`: those that were settled together with an earlier one too."""

    def __init__(self) -> None:
        self.seen: set[UUID] = set()
        self._done = 0
        self._meanwhile = 0
        self._refused: dict[tuple[str, str | None, str, str], list[UUID]] = {}

    async def take(self, conflict_id: UUID, act: Any) -> None:
        """Carry out one act; only what is wrong with this one conflict stays with it."""
        try:
            done: Done = await act()
        except Problem as problem:
            if problem.status >= 500:
                raise
            self._refuse(conflict_id, problem)
        else:
            self.seen |= {conflict_id, *done.together}
            self._done += 1 + len(done.together)

    def _refuse(self, conflict_id: UUID, problem: Problem) -> None:
        if problem.code in _MEANWHILE:
            self._meanwhile += 1
            return
        key = (problem.code, problem.field, problem.zh, problem.en)
        self._refused.setdefault(key, []).append(conflict_id)

    def result(self, run: UUID | None, dry_run: bool, *, resumed: bool, earlier: int) -> RunDone:
        """All of it, the most frequent reason first."""
        refused = [
            Refused(code=code, field=field, zh=zh, en=en, count=len(conflict_ids), conflicts=conflict_ids[:_NAMED])
            for (code, field, zh, en), conflict_ids in self._refused.items()
        ]
        return RunDone(
            run=run,
            dry_run=dry_run,
            resumed=resumed,
            done=self._done + earlier,
            earlier=earlier,
            meanwhile=self._meanwhile,
            refused=sorted(refused, key=lambda one: -one.count),
        )


async def _begin(tx: Transaction, wish: Wish) -> Run:
    actor, reason = wish.actor, wish.reason.strip()
    new = NewRun(uuid4(), actor.user_id, wish.asked, reason, _end(wish), datetime.now(UTC))
    run = await conflict_runs.begin_run(tx.connection, new)
    if not run.resumed:
        await _record(tx, actor, "conflict.run", run.id, reason, {"asked": to_builtins(wish.asked)})
    return run


def _end(wish: Wish) -> datetime:
    """Conflicts that open while it goes on are no part of it."""
    return wish.wanted.opened_before or datetime.now(UTC)


async def _record(
    tx: Transaction, actor: Caller, action: str, run_id: UUID, reason: str, detail: dict[str, Any]
) -> None:
    subject = ("conflict_run", str(run_id))
    await audit.record(tx.connection, actor.user_id, action, *subject, reason, detail, actor.request_id)


async def _settled_by(services: Services, run: Run) -> int:
    async with services.database.single() as connection:
        return await conflict_runs.count_settled(connection, run.id)


async def _how_many(services: Services, wish: Wish, wanted: ConflictFilter) -> int:
    async with services.database.read() as connection:
        grants = grants_of(services, wish.actor)
        return await conflicts.count_all(connection, grants, wanted)


async def _open_conflicts(services: Services, wish: Wish, wanted: ConflictFilter) -> AsyncIterator[UUID]:
    """The ids of the open conflicts that are wanted, oldest first, a page at a time."""
    grants = grants_of(services, wish.actor)
    while True:
        async with services.database.read() as connection:
            rows = await conflicts.select_conflicts(connection, grants, wanted, _PAGE)
        for row in rows:
            yield row["id"]
        if len(rows) < _PAGE:
            return
        wanted = replace(wanted, after=(rows[-1]["opened_at"], rows[-1]["id"]))


async def _find_run(services: Services, ids: tuple[UUID, UUID]) -> tuple[UUID, int]:
    async with services.database.single() as connection:
        rows = await conflict_runs.runs_between(connection, *ids)
    if not rows:
        raise Problem("not_found", field="run")
    if len(rows) > 1:
        raise Problem("parameter_invalid", field="run")
    return rows[0]["id"], rows[0]["settled"]


def _order(actor: Caller, conflict_id: UUID, reason: str, run_id: UUID | None, *, dry_run: bool) -> Order:
    now = datetime.now(UTC)
    return Order(actor=actor, ids=(conflict_id, conflict_id), reason=reason, now=now, dry_run=dry_run, run=run_id)
