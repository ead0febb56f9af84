"""Steps of cases that waited in conflicts for photos or the review: taken once these are there, as their authors' own.

find the steps of all items -> decide (`sync.awaited`) -> end their conflicts and notices, audit; the moves are handed
back to be stored with the caller's own, and the entries to move, for streams are locked last

There is no revision, as there is none where such a step is taken at once: nothing that anybody wrote has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert
from msgspec.structs import replace

from server.db import audit, conflicts, items
from server.db.audit import Act
from server.db.database import Row, Transaction
from server.services import Services
from server.usecases.feeding import FeedWrite, writes_for_notices
from server.usecases.standing_rows import open_text
from server.usecases.standings import Moved, Standing, case_step, find_standings, parked_notice, store_moves
from sync.awaited import Parked, in_turn
from sync.decisions import Move, Step

_WHY = {
    "taken": "所待照片或审核已到 / the photos or the approval that it waited for came",
    "reached": "案件已到该状态 / the case was there already",
}
"""What the trail says why a conflict ended, by what was taken."""


class Taken(Struct, frozen=True):
    """How items moved on by steps that waited, to be stored yet, and the entries of the notices that closed."""

    moves: list[Moved]
    writes: list[FeedWrite]


async def take_awaited(tx: Transaction, services: Services, standings: Iterable[Standing], now: datetime) -> Taken:
    """Take what these items' steps waited for no longer; `standings` as they are by now, stored or not.

    The caller holds the items' locks, which whoever settles one of these conflicts takes too.
    """
    on_case = {one.item.id: one for one in standings if one.case is not None and one.item.grid_id is not None}
    rows = await conflicts.parked_steps(tx.connection, list(on_case)) if on_case else []
    return await _take(tx, services, rows, on_case, now)


async def take_after_revisions(
    tx: Transaction, services: Services, item_ids: Sequence[UUID], now: datetime
) -> list[FeedWrite]:
    """The same where a revision of locked items brought what was lacking: by photos that are verified already.

    Its entries are moved for the revision, and its version tells the new state of the case.
    """
    rows = await conflicts.parked_steps(tx.connection, item_ids) if item_ids else []
    if not rows:
        return []
    found = await find_standings(tx.connection, services, sorted({row["item_id"] for row in rows}))
    on_case = {one.item.id: one for one in found if one.case is not None and one.item.grid_id is not None}
    taken = await _take(tx, services, rows, on_case, now)
    await store_moves(tx, services, taken.moves, now)
    return taken.writes


async def _take(
    tx: Transaction, services: Services, rows: Sequence[Row], standings: Mapping[UUID, Standing], now: datetime
) -> Taken:
    parked: dict[UUID, list[Row]] = {}
    for row in rows:
        parked.setdefault(row["item_id"], []).append(row)
    taking = _Taking(services, now)
    for item_id in parked.keys() & standings.keys():
        taking.take(standings[item_id], parked[item_id])
    return Taken(taking.moves, await taking.store(tx))


class _Taking:
    """What became of the steps, until it is stored."""

    def __init__(self, services: Services, now: datetime) -> None:
        self.moves: list[Moved] = []
        self._services = services
        self._now = now
        self._ended: list[dict[str, Any]] = []
        self._restated: list[dict[str, Any]] = []
        self._notices: list[dict[str, Any]] = []
        self._acts: list[Act] = []

    def take(self, standing: Standing, rows: Sequence[Row]) -> None:
        """The steps of one item, in the order in which they came."""
        assert standing.case is not None
        before, steps = standing, list[dict[str, Any]]()
        circumstances = standing.circumstances(self._services, self._now)
        for one, became in in_turn([_parked(row, standing.secret) for row in rows], standing.case, circumstances):
            if isinstance(became, Move):
                standing = replace(standing, case=became.after)
                steps.append(_case_step(standing, one, became, self._now))
                self._end(standing, one, "taken", {"from": became.before.state, "to": became.after.state})
            elif isinstance(became, Step):
                self._restate(standing, one, became)
            elif became == "reached":
                self._end(standing, one, "reached", {})
        if steps:
            self.moves.append(Moved(before, standing, (), steps))

    async def store(self, tx: Transaction) -> list[FeedWrite]:
        """End the conflicts, or say what they wait for now; returns the entries of their notices."""
        await conflicts.end_conflicts(tx.connection, self._ended, self._now)
        await conflicts.restate_steps(tx.connection, self._restated)
        if self._acts:
            await audit.record_all(tx.connection, self._acts)
        return writes_for_notices(await items.upsert_notices(tx.connection, self._notices))

    def _restate(self, standing: Standing, one: Parked, step: Step) -> None:
        self._restated.append({"id": one.conflict, "step": replace(step, note=None)})
        self._notices.append(parked_notice(one.conflict, standing.item.id, one.author_id, self._now, is_open=True))

    def _end(self, standing: Standing, one: Parked, take: str, moved: dict[str, str]) -> None:
        item = standing.item
        self._ended.append({"id": one.conflict, "take": take, "version": item.version})
        self._notices.append(parked_notice(one.conflict, item.id, one.author_id, self._now, is_open=False))
        told = {"item": str(item.id), "version": item.version, "take": take, "author": str(one.author_id)}
        step = {"action": one.step.action, "waited_for": one.step.code, **moved}
        self._acts.append(
            Act(
                actor_id=None,
                action="conflict.resolve",
                subject_kind="conflict",
                subject_id=str(one.conflict),
                reason=_WHY[take],
                detail=told | {"step": step},
            )
        )


def _parked(row: Row, secret: bytes) -> Parked:
    step = replace(convert(row["step"], Step), note=open_text(row["item_id"], row["note"], secret))
    return Parked(row["id"], row["author_id"], step, row["linked_from"] is not None)


def _case_step(standing: Standing, one: Parked, move: Move, now: datetime) -> dict[str, Any]:
    """The step as its author's, with what it waited for and where."""
    told = {"conflict": str(one.conflict), "waited_for": one.step.code}
    return case_step(
        standing,
        move.action,
        (move.before.state, move.after.state),
        now,
        actor_id=one.author_id,
        note=move.note,
        detail=told | ({"linked": True} if move.carried else {}),
    )
