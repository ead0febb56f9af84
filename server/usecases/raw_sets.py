"""The bytes of change sets as they are kept: sealed, each under a key of its own, and what of erased items they held.

A set that is about an erased item loses its key. Where it holds something else that stands nowhere else (a change in
quarantine), that alone is sealed anew, under another key.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, NamedTuple
from uuid import UUID

from server.db import erasure
from server.db.database import Connection, Row
from server.sealing import Keyring, Unsealable, seal, unseal
from sync.erasing import items_named, without


class Cut(NamedTuple):
    """How many raw sets lost what they held of items, and what was marked in the quarantine for it."""

    change_sets: int
    forked_sets: int
    quarantined: int


def sealed_set(keyring: Keyring, name: str, raw: bytes | None) -> dict[str, bytes | None]:
    """The columns of a raw set: its bytes under a fresh key, or neither."""
    if raw is None:
        return {"sealed": None, "wrapped": None}
    key = keyring.new_key(name.encode())
    return {"sealed": seal(key.secret, name.encode(), raw), "wrapped": key.wrapped}


async def keepable(connection: Connection, raw: bytes, wanted: Set[int] | None = None) -> bytes | None:
    """What of an arriving set may be kept: nothing of what is about erased items.

    Where there is such, of the rest only the places `wanted` (None: all) are kept.
    """
    erased = await erasure.erased_among(connection, sorted(items_named(raw)))
    return without(raw, erased, wanted) if erased else raw


async def cut_items_out(connection: Connection, keyring: Keyring, item_ids: Set[UUID]) -> Cut:
    """Take these items, which are erased and locked, out of every raw set there is."""
    ids = sorted(item_ids)
    sets = {_name(row): _cut(keyring, row, item_ids) for row in await erasure.sets_about(connection, ids)}
    async for row in erasure.sets_about_unknown(connection):
        if _name(row) not in sets and _is_about(keyring, row, item_ids):
            sets[_name(row)] = _cut(keyring, row, item_ids)
    forks = [
        _cut(keyring, row, item_ids)
        async for row in erasure.forked_sets(connection)
        if _is_about(keyring, row, item_ids)
    ]
    rows = list(sets.values())
    await erasure.reseal_sets(connection, rows, forks)
    return Cut(len(rows), len(forks), await erasure.discard_quarantine(connection, ids, rows, forks))


def _cut(keyring: Keyring, row: Row, item_ids: Set[UUID]) -> dict[str, Any]:
    """The row as it is to be: with what is left in it, under another key."""
    left = None
    if row["whole"] or row["places"]:
        raw = _open(keyring, row)
        left = raw and without(raw, item_ids, None if row["whole"] else set(row["places"]))
    key = {name: row[name] for name in ("device_id", "epoch", "no", "hash")}
    return key | sealed_set(keyring, _name(row), left)


def _is_about(keyring: Keyring, row: Row, item_ids: Set[UUID]) -> bool:
    raw = _open(keyring, row)
    return raw is not None and not items_named(raw).isdisjoint(item_ids)


def _open(keyring: Keyring, row: Row) -> bytes | None:
    """None for what nobody can open."""
    owner = _name(row).encode()
    try:
        return unseal(keyring.open_key(owner, row["wrapped"]), owner, row["sealed"])
    except Unsealable:
        return None


def _name(row: Row) -> str:
    return f"{row['device_id']}/{row['epoch']}/{row['no']}"
