"""Items that have another grid since the registry changed, as they are stored: one statement a table.

A move is a revision of its own, by nobody, with the reason of the registry version and its derivation, so that phones
learn of it as of any other. It changes no field, so an edit that was written before it merges, and what was approved
stays so.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from msgspec import to_builtins
from msgspec.structs import replace

from server.db import items, registry_moves, searching
from server.db.database import Row, Transaction
from server.services import Services
from server.usecases.erasure import NOBODY
from server.usecases.feeding import FeedWrite, writes_for_item, writes_for_notices
from server.usecases.registry_following import Subject
from server.usecases.registry_moves import Moving
from server.usecases.registry_reports import Counts
from server.usecases.sealed_items import Vault, head
from server.usecases.searching import terms_of
from server.usecases.standings import parked_notice
from sync.derivation import Derivation, Hop, Written
from sync.feed import signed64
from sync.items import ItemState, revision_rev
from sync.lineage import Step
from sync.placing import UnsettledCode
from sync.registry import Registry
from sync.registry_changes.succession import Verdict, place_of_deleted

_SOURCES: Final = {"point": "point", "reference": "reference", "capture": "capture", "successor": "claimed"}


class MovedItems:
    """Locked items of one batch, and what is to be written about them."""

    def __init__(self, services: Services, moving: Moving, at: datetime) -> None:
        self.counts: Counts = Counter()
        self._services = services
        self._moving = moving
        self._registry: Registry = moving.registry
        self._vault = Vault(services.keyring, services.catalogue)
        self._at = at
        self._pairs: list[tuple[ItemState, ItemState]] = []
        self._revisions: list[dict[str, Any]] = []
        self._conflicts: list[dict[str, Any]] = []
        self._terms: list[dict[str, Any]] = []

    def open(self, row: Row) -> Subject:
        """An item with all of its fields, for its rev is made over them."""
        secret = self._vault.secret(row)
        return Subject(row, secret, self._vault.open_fields(row, secret))

    def take(self, subject: Subject, verdict: Verdict) -> None:
        """Note what becomes of an item; a deleted one goes along, and stays where no grid takes its place."""
        before = head(subject.row, subject.fields)
        assert before.grid_id is not None
        grid_id = verdict.grid_id
        if before.deleted:
            successors = self._moving.successors.get(before.grid_id, ())
            grid_id = place_of_deleted(before.grid_id, verdict, successors)
        self._note_terms(before, grid_id)
        if grid_id == before.grid_id:
            return
        after = self._moved(before, grid_id, subject.secret)
        self._pairs.append((before, after))
        self._revisions.append(self._revision_row(before, after, verdict))
        if before.deleted:
            return
        self.counts[before.grid_id, grid_id, before.type] += 1
        if grid_id is None:
            self._conflicts.append(self._conflict_row(before, after))

    async def store(self, tx: Transaction) -> list[FeedWrite]:
        """Write all of it; returns the entries, for streams are locked last."""
        connection = tx.connection
        await registry_moves.move_items(connection, [_head_row(*pair) for pair in self._pairs])
        await items.insert_revisions(connection, self._revisions)
        await searching.upsert_terms(connection, self._terms)
        await items.insert_conflicts(connection, self._conflicts)
        notices = [
            parked_notice(row["id"], row["item_id"], row["author_id"], self._at, is_open=True)
            for row in self._conflicts
        ]
        told = writes_for_notices(await items.upsert_notices(connection, notices))
        return [*told, *(write for pair in self._pairs for write in writes_for_item(*pair))]

    def _moved(self, before: ItemState, grid_id: UUID | None, secret: bytes) -> ItemState:
        """An event stays with its author wherever it goes, as after any other move."""
        kind = self._services.catalogue.types[before.type].kind
        after = replace(
            before,
            version=before.version + 1,
            grid_id=grid_id,
            in_own_stream=before.in_own_stream or kind == "event",
            updated_at=self._at,
        )
        return replace(after, rev=revision_rev(secret, after))

    def _note_terms(self, before: ItemState, grid_id: UUID | None) -> None:
        """Items are found by their community too."""
        former = self._moving.former[before.grid_id] if before.grid_id else None
        community = self._registry.community(grid_id)
        if before.deleted or (former and former.community == community):
            return
        compiled = self._services.catalogue.types[before.type]
        terms = terms_of(self._services.keyring, compiled, before.fields, community)
        self._terms.append({"item_id": before.id, "terms": terms})

    def _revision_row(self, before: ItemState, after: ItemState, verdict: Verdict) -> dict[str, Any]:
        return {
            "item_id": after.id,
            "version": after.version,
            "rev": signed64(after.rev),
            "op": "move",
            "author_id": NOBODY,
            "base_version": before.version,
            "fields": [],
            "clear": {},
            "grid_id": after.grid_id,
            "derivation": self._derivation(before, after, verdict),
            "reason": self._moving.reason,
            "catalogue": self._services.catalogue.version,
            "registry": self._moving.version,
            "captured_at": self._at,
            "received_at": self._at,
        }

    def _derivation(self, before: ItemState, after: ItemState, verdict: Verdict) -> dict[str, Any]:
        """As of any other placement, with the grid that it comes from."""
        assert before.grid_id is not None
        steps = [step for step in self._moving.steps if before.grid_id in step.predecessors]
        successors = self._moving.successors.get(before.grid_id, (before.grid_id,))
        several = len(successors) > 1
        code = self._registry.code(after.grid_id)
        told = Derivation(
            registry=self._moving.version,
            source=_SOURCES.get(verdict.source),
            code=code,
            written=Written(self._moving.former[before.grid_id].code, self._moving.version - 1, _answer(successors)),
            path=tuple(self._hop(step, code) for step in steps),
            candidates=tuple(self._moving.code(one) for one in successors) if several else (),
        )
        return to_builtins(told) | {"from": str(before.grid_id)}

    def _hop(self, step: Step, taker: str | None) -> Hop:
        """What left a grid that was redrawn lay on ground that another one has since."""
        former, code = self._moving.former, self._moving.code
        after = (taker,) if step.kind == "redraw" and taker else tuple(code(one) for one in step.successors)
        return Hop(step.version, step.kind, tuple(former[one].code for one in step.predecessors), after)

    def _conflict_row(self, before: ItemState, after: ItemState) -> dict[str, Any]:
        """No successor has it: a person names the grid, meanwhile its author keeps it."""
        assert before.grid_id is not None
        code = self._moving.former[before.grid_id].code
        successors = self._moving.successors.get(before.grid_id, ())
        claim = UnsettledCode(
            code=code, fault="ambiguous" if successors else "retired", candidates=successors, counties=(code[:6],)
        )
        return {
            "id": uuid4(),
            "kind": "territory",
            "op": "update",
            "item_id": after.id,
            "author_id": after.author_id,
            "fields": [],
            "base_version": before.version,
            "server_version": after.version,
            "clear": {},
            "claim": claim,
            "captured_at": self._at,
            "opened_at": self._at,
        }


def _answer(successors: tuple[UUID, ...]) -> Any:
    return "retired" if not successors else "one" if len(successors) == 1 else "several"


def _head_row(before: ItemState, after: ItemState) -> dict[str, Any]:
    return {
        "id": after.id,
        "grid_id": after.grid_id,
        "in_own_stream": after.in_own_stream,
        "version": after.version,
        "rev": signed64(after.rev),
        "old_rev": signed64(before.rev),
        "updated_at": after.updated_at,
    }
