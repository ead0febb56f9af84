"""The conflicts that a change set opens, extends and ends; their authors see each as parked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from server.db import conflicts, items
from server.db.conflicts import Closing
from server.db.database import Row, Transaction
from server.usecases.awaited_steps import take_after_revisions
from server.usecases.claiming import Doubt, duplicate_conflict, duplicate_notice
from server.usecases.decided_set import DecidedSet
from server.usecases.feeding import FeedWrite, writes_for_notices
from server.usecases.loading import Loaded
from server.usecases.standing_rows import seal_text
from server.usecases.standings import parked_notice
from sync.decisions import Decision
from sync.items import ItemState
from sync.merge import Overlap


async def store_conflicts(
    tx: Transaction, loaded: Loaded, decided: DecidedSet, doubts: Sequence[Doubt]
) -> tuple[list[FeedWrite], dict[int, UUID]]:
    """Write them, with those of `doubts` about duplicates.

    Returns the entries of the notices, and by place in the set the conflicts about duplicates.
    """
    parked = _Parked(loaded, decided)
    for index, decision in enumerate(decided.decisions):
        parked.take(index, decision)
    about_twins: dict[int, UUID] = {}
    for doubt in doubts:
        index = _last_of(decided, doubt.item.id)
        about_twins[index] = parked.doubt(index, doubt)
    writes = writes_for_notices(await parked.store(tx))
    ended = await take_after_revisions(tx, loaded.services, parked.awaiting(), decided.at)
    closed = {one.object_id for one in ended}
    return [*(one for one in writes if one.object_id not in closed), *ended], about_twins


class _Parked:
    """What is to be written, by the id of the conflict."""

    def __init__(self, loaded: Loaded, decided: DecidedSet) -> None:
        self._loaded = loaded
        self._decided = decided
        self._opened: dict[UUID, dict[str, Any]] = {}
        self._joined: dict[UUID, dict[str, Any]] = {}
        self._notices: dict[UUID, dict[str, Any]] = {}
        self._ended: dict[UUID, tuple[str, ItemState]] = {}

    def take(self, index: int, decision: Decision) -> None:
        """What one decision, that on change `index`, opens, extends and ends."""
        if decision.conflict is not None:
            row = _conflict_row(self._loaded, self._decided, index)
            self._opened[row["id"]] = row
            self._notice(row["item_id"], row["id"])
        if decision.joined is not None and decision.item_id is not None:
            self._join(decision, decision.joined, decision.item_id)
        if decision.placed is not None:
            self._end(decision.placed, "placed", decision)
        if decision.withdrawn is not None:
            self._end(decision.withdrawn, "withdrawn", decision)

    def doubt(self, index: int, doubt: Doubt) -> UUID:
        """The conflict about a duplicate."""
        decided = self._decided
        change, conflict_id = decided.changes[index], self._loaded.context.id_of(index, "duplicate")
        captured_at = change[1] if change else decided.at
        row = duplicate_conflict(doubt, conflict_id, decided.author_id, captured_at, decided.at)
        self._opened[conflict_id] = decided.place(index) | row
        self._notices[conflict_id] = duplicate_notice(
            conflict_id, doubt.item.id, decided.author_id, decided.at, is_open=True
        )
        return conflict_id

    def awaiting(self) -> list[UUID]:
        """The items that the set revised and of whose cases a step waits, be it one of the set itself.

        Only now is it known which of the photos that it names are verified: storing their ties waited for a photo that
        was being verified at that moment.
        """
        rows = (*self._opened.values(), *self._loaded.conflicts.values())
        waiting = {row["item_id"] for row in rows if row["kind"] == "late_transition"}
        revised = (one.revision.after.id for one in self._decided.decisions if one.revision is not None)
        return sorted(waiting.intersection(revised)) if waiting else []

    async def store(self, tx: Transaction) -> list[Row]:
        """Write all of it; returns the notices."""
        await items.insert_conflicts(tx.connection, list(self._opened.values()))
        await items.rewrite_conflicts(tx.connection, list(self._joined.values()))
        for conflict_id, (take, item) in sorted(self._ended.items()):
            closing = Closing(at=self._decided.at, by=None, take=take, version=item.version, reason=None)
            await conflicts.close_conflict(tx.connection, conflict_id, closing)
        return await items.upsert_notices(tx.connection, list(self._notices.values()))

    def _join(self, decision: Decision, conflict_id: UUID, item_id: UUID) -> None:
        row = self._opened.get(conflict_id) or self._joined.get(conflict_id) or self._loaded.conflicts[conflict_id]
        extended = _joined_row(self._loaded, row, decision)
        if conflict_id in self._opened:
            self._opened[conflict_id] |= extended
        else:
            self._joined[conflict_id] = self._joined.get(conflict_id, {}) | extended
        self._notice(item_id, conflict_id)

    def _end(self, conflict_id: UUID, take: str, decision: Decision) -> None:
        """It ends by itself: an edit told the grid, or its author took the item back. Nobody settled it."""
        if decision.revision is not None:
            self._ended[conflict_id] = take, decision.revision.after
            self._notice(decision.revision.after.id, conflict_id, is_open=False)

    def _notice(self, item_id: UUID, conflict_id: UUID, *, is_open: bool = True) -> None:
        at, user_id = self._decided.at, self._decided.author_id
        self._notices[conflict_id] = parked_notice(conflict_id, item_id, user_id, at, is_open=is_open)


def _last_of(decided: DecidedSet, item_id: UUID) -> int:
    return max(
        index
        for index, one in enumerate(decided.decisions)
        if one.revision is not None and one.revision.after.id == item_id
    )


def _conflict_row(loaded: Loaded, decided: DecidedSet, index: int) -> dict[str, Any]:
    decision, change = decided.decisions[index], decided.changes[index]
    assert decision.conflict is not None
    assert decision.current is not None
    assert change is not None
    conflict, item = decision.conflict, decision.current
    secret, step = loaded.context.secrets[item.id], conflict.step
    clear, sealed = loaded.vault.close_overlaps(item, conflict.overlaps, secret)
    return decided.place(index) | {
        "id": conflict.id,
        "kind": conflict.kind,
        "op": conflict.op,
        "item_id": item.id,
        "author_id": decided.author_id,
        "fields": sorted(conflict.overlaps),
        "base_version": conflict.base_version,
        "base_unknown": conflict.base_unknown,
        "server_version": conflict.server_version,
        "clear": clear,
        "sealed": sealed,
        "claim": conflict.claim,
        "group_id": conflict.group,
        "step": replace(step, note=None) if step else None,
        "note": seal_text(item.id, step.note, secret) if step else None,
        "linked_from": conflict.linked_from,
        "captured_at": change[1],
        "opened_at": decided.at,
    }


def _joined_row(loaded: Loaded, row: Row | dict[str, Any], decision: Decision) -> dict[str, Any]:
    """The conflict with the later edit's values as the incoming side."""
    assert decision.current is not None
    item, secret = decision.current, loaded.context.secrets[decision.current.id]
    overlaps = loaded.vault.open_overlaps(row, item.id, secret)
    for key, value in decision.joined_fields.items():
        known = overlaps.get(key) or Overlap(item.fields.get(key), None, None)
        overlaps[key] = Overlap(known.base, known.server, value)
    clear, sealed = loaded.vault.close_overlaps(item, overlaps, secret)
    values = {"fields": sorted(overlaps), "clear": clear, "sealed": sealed}
    return {"id": decision.joined, **values, **({"linked_from": decision.carried} if decision.carried else {})}
