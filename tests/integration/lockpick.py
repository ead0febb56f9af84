"""Tries everything that a database and its root secret give on everything that is sealed in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import asyncpg

from server.sealing import Keyring, Unsealable, unseal

_PURPOSES = ("phone", "photo place")
_SHORTEST = 28
_WRAPPED = 60


class Column(NamedTuple):
    """A column that holds bytes."""

    table: str
    name: str


async def byte_columns(truth: asyncpg.Connection) -> dict[Column, list[bytes]]:
    """Every value of every column of bytes."""
    rows = await truth.fetch(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'bytea' ORDER BY 1, 2"
    )
    return {Column(*row): await _values(truth, *row) for row in rows}


async def _values(truth: asyncpg.Connection, table: str, column: str) -> list[bytes]:
    rows = await truth.fetch(f'SELECT "{column}" AS value FROM "{table}" WHERE "{column}" IS NOT NULL')
    return [row["value"] for row in rows]


async def owners(truth: asyncpg.Connection) -> list[bytes]:
    """What a sealed value may belong to: an item, a raw set, salvage, a purpose of the installation."""
    items = [row["id"].bytes for row in await truth.fetch("SELECT id FROM item")]
    sets = await truth.fetch(
        "SELECT device_id::text || '/' || epoch || '/' || no AS name FROM change_set "
        "UNION SELECT device_id::text || '/' || epoch || '/' || no FROM forked_set "
        "UNION SELECT 'salvage/' || id FROM quarantine WHERE outcome = 'salvaged'"
    )
    return [*items, *(row["name"].encode() for row in sets), *(purpose.encode() for purpose in _PURPOSES)]


async def open_all(
    truth: asyncpg.Connection, keyring: Keyring, more_keys: Iterable[bytes] = ()
) -> dict[Column, list[bytes]]:
    """All that can be opened, by column: every value is tried as a wrapped key, a bare key and a sealed value.

    `more_keys`: wrapped keys from elsewhere.
    """
    columns = await byte_columns(truth)
    everything = [value for values in columns.values() for value in values]
    named = await owners(truth)
    keys: set[tuple[bytes, bytes]] = set()
    for value in [*(one for one in everything if len(one) == _WRAPPED), *more_keys]:
        keys.update((owner, secret) for owner in named if (secret := _try(keyring.open_key, owner, value)))
    keys.update((owner, value) for owner in named for value in everything if len(value) == 32)
    opened: defaultdict[Column, list[bytes]] = defaultdict(list)
    for column, values in columns.items():
        for value in values:
            opened[column] += _opened(keyring, keys, value)
    return {column: values for column, values in opened.items() if values}


def _opened(keyring: Keyring, keys: Iterable[tuple[bytes, bytes]], value: bytes) -> list[bytes]:
    if len(value) < _SHORTEST:
        return []
    found = [plain for owner, secret in keys if (plain := _try(lambda o, v, s=secret: unseal(s, o, v), owner, value))]
    for purpose in _PURPOSES:
        try:
            found.append(keyring.unseal_for(purpose, value).encode())
        except (Unsealable, UnicodeDecodeError):
            continue
    return found


def _try(open_it: object, owner: bytes, value: bytes) -> bytes | None:
    try:
        return open_it(owner, value)  # type: ignore[operator]
    except Unsealable:
        return None


async def clear_text(truth: asyncpg.Connection) -> str:
    """Every row of every table, as text."""
    tables = await truth.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    texts: list[str] = []
    for table in tables:
        rows = await truth.fetch(f'SELECT t::text FROM "{table["tablename"]}" t')
        texts += [row[0] for row in rows]
    return "\n".join(texts)
