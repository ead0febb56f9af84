"""Loads, under locks and with one statement a table, what a change set is decided by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from schemas.forms import CompiledCatalogue
from schemas.wire import Change
from server.db import items
from server.db.database import Row, Transaction
from server.sealing import ItemKey
from server.services import Services
from server.usecases.former_grids import former_grids
from server.usecases.linked import Linked, load_linked
from server.usecases.referring import references_from, referrers_of
from server.usecases.sealed_items import Vault, group_past
from server.usecases.stepping import load_cases
from sync.access import Assignment
from sync.decisions import OpenConflict, Reference, SetContext
from sync.items import ItemState, Past

_CITY_TIME = ZoneInfo("Asia/Shanghai")


class Loaded(Struct, frozen=True):
    """The context of a set, and what storing it needs beside: new keys, and open conflicts as stored."""

    services: Services
    context: SetContext
    vault: Vault
    new_keys: dict[UUID, ItemKey]
    conflicts: dict[UUID, Row]


async def load_context(
    tx: Transaction,
    services: Services,
    *,
    author_id: UUID,
    assignments: Sequence[Assignment],
    device_id: UUID,
    set_name: str,
    written_registry: int,
    now: datetime,
    changes: Sequence[Change],
) -> Loaded:
    """Lock the items and references that the changes name, and read what is known of them.

    `assignments`: all that the author has or had.
    """
    registry = services.registry
    tx.places_by(registry.version)
    vault = Vault(services.keyring, services.catalogue)
    named = list(dict.fromkeys(change.item for change in changes))
    locked = await items.lock_items(tx.connection, named, wholly=_need_whole_locks(changes, services.catalogue))
    erased = frozenset(row["id"] for row in locked if row["erased_at"])
    rows = [row for row in locked if row["id"] not in erased]
    secrets = {row["id"]: vault.secret(row) for row in rows}
    states = {row["id"]: vault.open_item(row, secrets[row["id"]]) for row in rows}
    known = {row["id"] for row in locked}
    new_keys = vault.new_keys([item_id for item_id in named if item_id not in known] if known else named)
    references = await _references(tx, services.catalogue, changes, states, locked)
    linked = await load_linked(tx, states, references)
    erased |= linked.erased
    rows += linked.rows
    secrets |= {row["id"]: vault.secret(row) for row in linked.rows}
    states |= {row["id"]: vault.open_item(row, secrets[row["id"]]) for row in linked.rows}
    references |= linked.references
    lease = timedelta(days=services.settings.offline_lease_days)
    places = {item_id: one.grid_id for item_id, one in (*references.items(), *states.items())}
    former = await former_grids(
        tx.connection, registry, places, assignments, written=written_registry, oldest=now - lease
    )
    deleted = [change.item for change in changes if change.op == "delete"]
    open_rows = await items.open_conflicts_of_items(tx.connection, list(states)) if states else []
    context = SetContext(
        catalogue=services.catalogue,
        registry=registry,
        author_id=author_id,
        device_id=device_id,
        assignments=assignments,
        now=now,
        today=now.astimezone(_CITY_TIME).date(),
        items=states,
        past=await _past(tx, vault, changes, states, secrets, linked),
        secrets=secrets | {item_id: key.secret for item_id, key in new_keys.items()},
        references=references
        | {item_id: replace(references[item_id], former=former[item_id]) for item_id in references.keys() & former},
        open_conflicts=_by_item(open_rows),
        set_name=set_name,
        written_registry=written_registry,
        erased=erased,
        cases=await load_cases(tx.connection, services, linked.followed(changes), states, secrets),
        referrers=await referrers_of(tx.connection, services.keyring, deleted),
        lease=lease,
        links=linked.links,
        former=former,
    )
    conflicts = {row["id"]: row for row in open_rows}
    return Loaded(services, context, vault, new_keys, conflicts)


def _need_whole_locks(changes: Sequence[Change], catalogue: CompiledCatalogue) -> bool:
    """A deletion or a change of territory must keep out those who are about to refer to the item."""
    return any(change.op == "delete" or _may_move(change, catalogue) for change in changes)


def _may_move(change: Change, catalogue: CompiledCatalogue) -> bool:
    compiled = catalogue.types.get(change.type)
    if change.op != "update" or compiled is None:
        return False
    return any(source.field in change.fields for source in compiled.type.territory_from)


async def _references(
    tx: Transaction,
    catalogue: CompiledCatalogue,
    changes: Sequence[Change],
    states: dict[UUID, ItemState],
    locked: Sequence[Row],
) -> dict[UUID, Reference]:
    """Items referred to, those of the set included; an edit that moves an item asks for the ones it holds already.

    What the set itself names is locked already, or not there yet.
    """
    named: set[UUID] = set()
    for change in changes:
        compiled = catalogue.types.get(change.type)
        if compiled is not None and compiled.reference_fields:
            held = states[change.item].fields if states and change.item in states else {}
            named |= _ids(compiled.reference_fields, held) | _ids(compiled.reference_fields, change.fields)
    rows = [row for row in locked if row["id"] in named]
    if outside := named.difference(change.item for change in changes):
        rows += await items.share_references(tx.connection, list(outside))
    return await references_from(tx.connection, rows)


def _ids(keys: Any, fields: dict[str, Any]) -> set[UUID]:
    found: set[UUID] = set()
    for key in keys:
        try:
            found.add(UUID(fields[key]))
        except (KeyError, ValueError, TypeError, AttributeError):
            continue  # absent, or no id at all: the form's own check says so
    return found


async def _past(
    tx: Transaction,
    vault: Vault,
    changes: Sequence[Change],
    states: dict[UUID, ItemState],
    secrets: dict[UUID, bytes],
    linked: Linked,
) -> dict[UUID, list[Past]]:
    """The history of items whose base is not their head; for the others the head alone says all that is needed."""
    if not states:
        return {}
    stale = {change.item for change in changes if change.item in states and not _on_head(change, states)}
    stale |= {link.winner for link in linked.links.values()} & states.keys()
    rows = await items.past_of_items(tx.connection, sorted(stale)) if stale else []
    past = group_past((row["item_id"], vault.open_past(row, secrets[row["item_id"]])) for row in rows)
    return {item_id: past.get(item_id) or [_as_past(state)] for item_id, state in states.items()}


def _on_head(change: Change, states: dict[UUID, ItemState]) -> bool:
    state = states[change.item]
    base = change.base
    return base is not None and base.version == state.version and int(base.rev, 16) == state.rev


def _as_past(state: ItemState) -> Past:
    return Past(state.version, state.rev, None, state.fields)


def _by_item(rows: Sequence[Row]) -> dict[UUID, list[OpenConflict]]:
    grouped: dict[UUID, list[OpenConflict]] = {}
    for row in rows:
        fields = frozenset(row["fields"])
        conflict = OpenConflict(row["id"], row["kind"], row["device_id"], fields, row["op"], row["atomic"])
        grouped.setdefault(row["item_id"], []).append(conflict)
    return grouped
