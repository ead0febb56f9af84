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
from sync.decisions import Before, OpenConflict, Reference, SetContext
from sync.items import ItemState, Past

_CITY_TIME = ZoneInfo("Asia/Shanghai")


class Loaded(Struct, frozen=True):
    """The context of a set, and what storing it needs beside: new keys, and open conflicts as stored."""

    services: Services
    context: SetContext
    vault: Vault
    new_keys: dict[UUID, ItemKey]
    conflicts: dict[UUID, Row]


class Asked(Struct, frozen=True):
    """What is to be decided: the changes of one set, who wrote them on which phone, and when it is.

    `assignments`: all that the author has or had; `written_registry`: the registry version that the set names.
    """

    changes: Sequence[Change]
    author_id: UUID
    assignments: Sequence[Assignment]
    device_id: UUID
    set_name: str
    written_registry: int
    now: datetime


async def load_context(tx: Transaction, services: Services, asked: Asked) -> Loaded:
    """Lock the items and references that the changes name, and read what is known of them."""
    loading = _Loading(tx, services, asked)
    await loading.lock()
    open_rows = await loading.open_conflicts()
    context = await loading.context(_by_item(open_rows))
    return Loaded(services, context, loading.vault, loading.new_keys, {row["id"]: row for row in open_rows})


class _Loading:
    """What is known so far of the items of one set: keys and heads, and what they refer to.

    `erased`: those of which nothing is left.
    """

    def __init__(self, tx: Transaction, services: Services, asked: Asked) -> None:
        self.vault = Vault(services.keyring, services.catalogue)
        self.new_keys: dict[UUID, ItemKey] = {}
        self._tx, self._services, self._asked = tx, services, asked
        self._registry = services.registry
        self._lease = timedelta(days=services.settings.offline_lease_days)
        self._states: dict[UUID, ItemState] = {}
        self._secrets: dict[UUID, bytes] = {}
        self._erased: set[UUID] = set()
        self._references: dict[UUID, Reference] = {}
        self._linked = Linked()

    async def lock(self) -> None:
        """Lock the items, then what they refer to, then those that they were linked with."""
        tx, catalogue, changes = self._tx, self._services.catalogue, self._asked.changes
        tx.places_by(self._registry.version)
        named = list(dict.fromkeys(change.item for change in changes))
        locked = await items.lock_items(tx.connection, named, wholly=_need_whole_locks(changes, catalogue))
        self._open(locked)
        known = {row["id"] for row in locked}
        self.new_keys = self.vault.new_keys([item_id for item_id in named if item_id not in known] if known else named)
        self._references = await _references(tx, catalogue, changes, self._states, locked)
        self._linked = await load_linked(tx, self._states, self._references)
        self._open(self._linked.rows)
        self._erased |= self._linked.erased
        self._references |= self._linked.references

    def _open(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row["erased_at"]:
                self._erased.add(row["id"])
            else:
                secret = self._secrets[row["id"]] = self.vault.secret(row)
                self._states[row["id"]] = self.vault.open_item(row, secret)

    async def open_conflicts(self) -> list[Row]:
        """What a person has to settle about these items."""
        return await items.open_conflicts_of_items(self._tx.connection, list(self._states)) if self._states else []

    async def context(self, conflicts: dict[UUID, list[OpenConflict]]) -> SetContext:
        """All that the set is decided by."""
        asked, services, connection = self._asked, self._services, self._tx.connection
        former = await self._former()
        told = {key: replace(self._references[key], former=former[key]) for key in self._references.keys() & former}
        deleted = [change.item for change in asked.changes if change.op == "delete"]
        followed = self._linked.followed(asked.changes)
        return SetContext(
            catalogue=services.catalogue,
            registry=self._registry,
            author_id=asked.author_id,
            device_id=asked.device_id,
            assignments=asked.assignments,
            now=asked.now,
            today=asked.now.astimezone(_CITY_TIME).date(),
            items=self._states,
            past=await _past(self._tx, self.vault, asked.changes, self._states, self._secrets, self._linked),
            secrets=self._secrets | {item_id: key.secret for item_id, key in self.new_keys.items()},
            references=self._references | told,
            open_conflicts=conflicts,
            set_name=asked.set_name,
            written_registry=asked.written_registry,
            erased=frozenset(self._erased),
            cases=await load_cases(connection, services, followed, self._states, self._secrets),
            referrers=await referrers_of(connection, services.keyring, deleted),
            lease=self._lease,
            links=self._linked.links,
            former=former,
        )

    async def _former(self) -> dict[UUID, tuple[Before, ...]]:
        """Where items and references lay before, as far as the author may plead it."""
        asked, oldest = self._asked, self._asked.now - self._lease
        places = {item_id: one.grid_id for item_id, one in (*self._references.items(), *self._states.items())}
        mine, written = asked.assignments, asked.written_registry
        return await former_grids(self._tx.connection, self._registry, places, mine, written=written, oldest=oldest)


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
