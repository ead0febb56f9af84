"""What is known of the items that a change refers to, and of those that refer to what it deletes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import convert

from server.db import hints
from server.db.database import Connection, Row
from server.sealing import Keyring
from sync.decisions import HeldPlace, Reference, Waiting
from sync.items import id_text


async def references_from(connection: Connection, rows: Sequence[Row]) -> dict[UUID, Reference]:
    """Items that are referred to, from their rows (id, type, grid_id, deleted); held ones with what they wait in."""
    unplaced = [row["id"] for row in rows if row["grid_id"] is None and not row["deleted"]]
    waiting = await _waiting(connection, unplaced) if unplaced else {}
    return {row["id"]: Reference(row["type"], row["grid_id"], row["deleted"], waiting.get(row["id"])) for row in rows}


async def referrers_of(
    connection: Connection, keyring: Keyring, item_ids: Sequence[UUID]
) -> dict[UUID, frozenset[UUID]]:
    """By item the live items that refer to it; whoever deletes them has locked them wholly before he asks."""
    if not item_ids:
        return {}
    targets = {item_id: reference_target(keyring, item_id) for item_id in item_ids}
    found = await hints.referrers(connection, list(targets.values()))
    return {item_id: found.get(target, frozenset()) - {item_id} for item_id, target in targets.items()}


def reference_target(keyring: Keyring, item_id: UUID) -> bytes:
    """What an item is called where others refer to it: a reference may be a marked value."""
    return keyring.index("reference", id_text(item_id))


async def _waiting(connection: Connection, item_ids: Sequence[UUID]) -> dict[UUID, Waiting]:
    rows = await hints.holding_conflicts(connection, item_ids)
    return {row["item_id"]: Waiting(row["group_id"], _place(row["claim"])) for row in rows}


def _place(claim: dict[str, object]) -> HeldPlace:
    """Of a code too only what says who may settle it."""
    known = {key: claim[key] for key in ("candidates", "counties") if key in claim}
    return convert(known, HeldPlace)
