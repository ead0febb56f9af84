"""Looks at a city by direct SQL, with its root secret: the truth beside every path that serves phones."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from schemas.forms import packaged
from schemas.wire import Change
from server.db import inspect, installation
from server.db.database import Connection, Database, Row
from server.embedded.connection import local_settings
from server.embedded.words import StartError
from server.sealing import Keyring, Unsealable, unseal
from server.settings import SettingsError
from server.simulate.ledger import Key, Ledger, Written
from server.simulate.truth import Entry, Head, Held, Holding, Revision, Truth
from server.usecases.sealed_items import Vault, head
from sync.access import Assignment, device_streams
from sync.feed import to_hex, unsigned64
from sync.framing import Unreadable, decode_change, decode_set, set_form, set_hash
from sync.items import ItemState, stream_keys

_NO_SECRET = bytes(32)


class Beginning(NamedTuple):
    """The epoch in which a run takes place, and the database's time when it began."""

    epoch: str
    at: datetime


class SqlView:
    """A city's database and the key to what is sealed in it."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._vault = Vault(keyring, packaged())

    async def begin(self) -> Beginning:
        """Note the moment from which on everything must be in the ledger."""
        async with self._database.read() as connection:
            return Beginning(*await inspect.epoch_and_time(connection))

    async def look(
        self, ledger: Ledger, devices: Mapping[UUID, UUID], began: Beginning
    ) -> tuple[Truth, dict[UUID, Holding]]:
        """What the database holds of the ledger, and what each device should hold, as of one instant.

        `devices`: whose each device is.
        """
        async with self._database.read() as connection:
            held = await inspect.assignments(connection, set(devices.values()))
            scopes = _scopes(set(devices.values()), held)
            grids = {row["grid_id"] for row in held if row["grid_id"] is not None}
            rows = await inspect.items(connection, ledger.by_item, grids, scopes)
            secrets = {row["id"]: self._secret(row) for row in rows}
            states = {row["id"]: self._state(row, secrets[row["id"]]) for row in rows}
            truth = await self._truth(connection, ledger, states, secrets, began, scopes)
            wanted = await _holdings(connection, scopes, states.values())
        return truth, {device: wanted[user] for device, user in devices.items()}

    async def _truth(
        self,
        connection: Connection,
        ledger: Ledger,
        states: Mapping[UUID, ItemState],
        secrets: Mapping[UUID, bytes],
        began: Beginning,
        authors: Iterable[UUID],
    ) -> Truth:
        fresh = {state.id for state in states.values() if state.received_at >= began.at and state.author_id in authors}
        named = [one for one in states if one in ledger.by_item or one in fresh]
        truth = Truth()
        truth.heads = {one: Head(states[one].version, states[one].deleted, states[one].fields) for one in named}
        for row in await inspect.revisions(connection, named):
            truth.revisions[row["item_id"]].append(self._revision(row, secrets[row["item_id"]]))
        for row in await inspect.conflicts(connection, named):
            truth.conflicts[row["item_id"]].append(self._held(row, secrets[row["item_id"]]))
        truth.strangers = [one for one in fresh if one not in ledger.by_item and not _is_of_others(one, truth, ledger)]
        await self._add_sets(connection, ledger, truth, began.epoch)
        return truth

    # What cannot be opened is shown without its sealed values, so that it is missed like anything that is gone.

    def _secret(self, row: Row) -> bytes:
        try:
            return self._vault.secret(row)
        except Unsealable:
            return _NO_SECRET

    def _state(self, row: Row, secret: bytes) -> ItemState:
        try:
            return self._vault.open_item(row, secret)
        except Unsealable:
            return head(row, row["clear"])

    def _revision(self, row: Row, secret: bytes) -> Revision:
        try:
            fields = self._vault.open_past(dict(row) | {"rev": 0}, secret).fields
        except Unsealable:
            fields = row["clear"]
        return Revision(row["version"], row["op"], fields, row["device_id"], row["set_no"], row["set_index"])

    def _held(self, row: Row, secret: bytes) -> Held:
        try:
            overlaps = self._vault.open_overlaps(row, row["item_id"], secret)
            incoming = {key: overlap.incoming for key, overlap in overlaps.items()}
        except Unsealable:
            incoming = {}
        return Held(row["device_id"], row["set_no"], row["set_index"], incoming)

    async def _add_sets(self, connection: Connection, ledger: Ledger, truth: Truth, epoch: str) -> None:
        """A change counts as held in quarantine only where its bytes are found in the set that was kept."""
        devices = set(ledger.last_no)
        kept: set[Key] = set()
        for row in await inspect.raw_sets(connection, devices, epoch):
            kept.update(self._changes(row, truth, ledger))
        for row in await inspect.quarantine(connection, devices, epoch):
            key = (row["device_id"], row["set_no"], -1 if row["set_index"] is None else row["set_index"])
            if key in kept:
                truth.quarantine[key] += 1
        for row in await inspect.forked_sets(connection, devices, epoch):
            truth.refused.add((row["device_id"], row["no"], row["hash"].hex()))
        truth.alone = [row["item_id"] for row in await inspect.lonely_duplicates(connection, ledger.by_item)]
        sets = await inspect.sets(connection, devices, epoch)
        truth.void = {(row["device_id"], row["no"]) for row in sets if row["status"] == "void"}
        truth.extra_sets = [
            (row["device_id"], row["no"]) for row in sets if row["no"] > ledger.last_no[row["device_id"]]
        ]

    def _changes(self, row: Row, truth: Truth, ledger: Ledger) -> Iterable[Key]:
        """The changes that stand in the bytes of a set as they were written, and -1 for the set if all of them do.

        Bytes that nobody can read are noted by their hash.
        """
        device, no = row["device_id"], row["no"]
        raw = self._raw(row)
        try:
            form, changes = set_form(raw), decode_set(raw).changes if raw else []
            keys = {(device, no, index): decode_change(change, form) for index, change in enumerate(changes)}
        except Unreadable:
            truth.unreadable[device, no] = set_hash(raw)
            return
        sound = [key for key, change in keys.items() if _is_as_written(change, ledger.by_key.get(key))]
        yield from sound
        if raw and len(sound) == len(keys):
            yield device, no, -1

    def _raw(self, row: Row) -> bytes:
        """The bytes of a set; none where they cannot be opened."""
        name = f"{row['device_id']}/{row['epoch']}/{row['no']}".encode()
        try:
            return unseal(self._vault.keyring.open_key(name, row["wrapped"]), name, row["sealed"])
        except Unsealable:
            return b""


@asynccontextmanager
async def open_view(folder: Path, epoch: str) -> AsyncGenerator[SqlView | None]:
    """The database of a data folder; None where there is none, or it is not the one with this epoch."""
    try:
        settings = local_settings(os.environ, folder)
        database = await Database.connect(settings.database_url, size=2)
    except (StartError, SettingsError, OSError, TimeoutError, asyncpg.PostgresError, ValueError):
        yield None
        return
    try:
        async with database.read() as connection:
            root = await installation.read_root(connection, installation.master_keys(settings))
        view = SqlView(database, Keyring(root.secret)) if root else None
        yield view if view and (await view.begin()).epoch == epoch else None
    finally:
        await database.close()


def _is_as_written(change: Change, written: Written | None) -> bool:
    """Whether a change that was kept is the one in the ledger, value by value."""
    if written is None or (change.item, change.op) != (written.item, written.op):
        return False
    return packaged().types[change.type].normalise(change.fields) == written.fields


def _is_of_others(item: UUID, truth: Truth, ledger: Ledger) -> bool:
    """Made by a phone that is no part of the run: the same worker may have another one."""
    makers = [one.device for one in truth.revisions[item] if one.op == "create"]
    return bool(makers) and all(maker is not None and maker not in ledger.last_no for maker in makers)


def _scopes(users: Iterable[UUID], held: Iterable[Row]) -> dict[UUID, list[str]]:
    by_user: defaultdict[UUID, list[Assignment]] = defaultdict(list)
    for row in held:
        values = {key: value for key, value in dict(row).items() if key != "user_id"}
        by_user[row["user_id"]].append(Assignment(**values))
    return {user: device_streams(user, by_user[user]) for user in users}


async def _holdings(
    connection: Connection, scopes: Mapping[UUID, list[str]], states: Iterable[ItemState]
) -> dict[UUID, Holding]:
    """Per user what his streams hold, told from the items themselves and not from the feeds."""
    streams: defaultdict[str, dict[UUID, Entry]] = defaultdict(dict)
    bodies: dict[UUID, dict[str, Any]] = {}
    for state in states:
        bodies[state.id] = state.fields
        for key in stream_keys(state):
            streams[key][state.id] = (state.version, state.rev, state.touch)
    items = {key: set(entries) for key, entries in streams.items()}
    for row in await inspect.notices(connection, scopes):
        streams[f"own/{row['user_id']}"][row["id"]] = (row["version"], 0, 0)
    keys = sorted({key for scope in scopes.values() for key in scope})
    digests = await inspect.digests(connection, keys)
    return {
        user: Holding(
            {key: streams[key] for key in scope},
            {one: bodies[one] for key in scope for one in items.get(key, ())},
            {key: to_hex(unsigned64(digests.get(key, 0))) for key in scope},
        )
        for user, scope in scopes.items()
    }
