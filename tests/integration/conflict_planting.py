"""Many conflicts at once: dwellings that two people changed, written straight into the tables, with real keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace

from server.db import items
from server.db.database import Transaction
from server.usecases.feeding import write_feed
from server.usecases.sealed_items import Vault
from sync.feed import signed64
from sync.items import ItemState, revision_rev
from sync.merge import Overlap
from tests.integration.conflict_scene import DWELLING, Scene
from tests.integration.town import CHIEF_EAST, WORKER_EAST, grid_id


async def plant(scene: Scene, count: int) -> list[UUID]:
    """So many open conflicts about what a dwelling is used for: the chief says let, the worker self-used. Their ids."""
    return await scene.services.database.write(lambda tx: _plant(tx, scene, count))


async def _plant(tx: Transaction, scene: Scene, count: int) -> list[UUID]:
    vault = Vault(scene.services.keyring, scene.services.catalogue)
    opened_at = datetime.now(UTC) - timedelta(days=1)
    keys = vault.new_keys([uuid4() for _ in range(count)])
    rows: dict[str, list[dict[str, Any]]] = {"keys": [], "heads": [], "revisions": [], "conflicts": []}
    heads: list[ItemState] = []
    for place, (item_id, key) in enumerate(keys.items()):
        first = _item(item_id, place, opened_at)
        second = replace(first, version=2, fields=first.fields | {"use": "rented"})
        states = [replace(one, rev=revision_rev(key.secret, one)) for one in (first, second)]
        heads.append(states[1])
        rows["keys"].append({"item_id": item_id, "wrapped": key.wrapped})
        rows["heads"].append(_head(vault, states[1], key.secret))
        changes = ((states[0], states[0].fields, WORKER_EAST.id), (states[1], {"use": "rented"}, CHIEF_EAST.id))
        rows["revisions"] += [_revision(scene, vault, *change, key.secret) for change in changes]
        rows["conflicts"].append(_conflict(vault, states[1], opened_at + timedelta(milliseconds=place), key.secret))
    await items.insert_item_keys(tx.connection, rows["keys"])
    await items.insert_items(tx.connection, rows["heads"])
    await items.insert_revisions(tx.connection, rows["revisions"])
    await items.insert_conflicts(tx.connection, rows["conflicts"])
    await write_feed(tx, [], heads)
    return [row["id"] for row in rows["conflicts"]]


def _item(item_id: UUID, place: int, at: datetime) -> ItemState:
    own = {"unit_no": f"P-{place}", "address": "种植路 1 号", "use": "owner"}
    return ItemState(
        id=item_id, type="0102", grid_id=grid_id(str(WORKER_EAST.grid)), stream_class="grid", author_id=WORKER_EAST.id,
        in_own_stream=False, version=1, rev=0, touch=0, deleted=False, urgency="normal", fields=DWELLING | own,
        captured_at=at, received_at=at, updated_at=at,
    )  # fmt: skip


def _head(vault: Vault, item: ItemState, secret: bytes) -> dict[str, Any]:
    clear, sealed = vault.close_fields(item, secret)
    return {
        "id": item.id, "type": item.type, "grid_id": item.grid_id, "stream_class": item.stream_class,
        "author_id": item.author_id, "in_own_stream": item.in_own_stream, "version": item.version,
        "rev": signed64(item.rev), "touch": item.touch, "deleted": item.deleted, "urgency": item.urgency,
        "clear": clear, "sealed": sealed, "captured_at": item.captured_at, "received_at": item.received_at,
        "updated_at": item.updated_at,
    }  # fmt: skip


def _revision(
    scene: Scene, vault: Vault, item: ItemState, fields: dict[str, Any], author: UUID, secret: bytes
) -> dict[str, Any]:
    clear, sealed = vault.close_revision(item, fields, None, secret)
    return {
        "item_id": item.id, "version": item.version, "rev": signed64(item.rev),
        "op": "create" if item.version == 1 else "update", "author_id": author, "base_version": item.version - 1,
        "fields": sorted(fields), "clear": clear, "sealed": sealed, "grid_id": item.grid_id,
        "catalogue": scene.services.catalogue.version, "registry": 1, "captured_at": item.captured_at,
        "received_at": item.received_at,
    }  # fmt: skip


def _conflict(vault: Vault, item: ItemState, opened_at: datetime, secret: bytes) -> dict[str, Any]:
    clear, sealed = vault.close_overlaps(item, {"use": Overlap("owner", "rented", "vacant")}, secret)
    return {
        "id": uuid4(), "kind": "update_update", "op": "update", "item_id": item.id, "author_id": WORKER_EAST.id,
        "fields": ["use"], "base_version": 1, "server_version": 2, "clear": clear, "sealed": sealed,
        "captured_at": opened_at, "opened_at": opened_at,
    }  # fmt: skip
