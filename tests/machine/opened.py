"""All that the database holds of values, opened with its keys: by item, and of sets that were kept as they came."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from server.sealing import Keyring, unseal, unseal_values
from tests.machine.city import City

_encode = msgspec.json.encode


@dataclass
class Opened:
    """`history`: per item what its revisions set. `conflicts`: per item what its conflicts and notes hold. `kept`: the
    bytes of sets with something in quarantine. `raw`: per set its bytes. `salvaged`: bodies, by item.
    """

    history: dict[UUID, str] = field(default_factory=dict)
    heads: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    folded: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    conflicts: dict[UUID, str] = field(default_factory=dict)
    kept: str = ""
    raw: dict[tuple[UUID, int], bytes] = field(default_factory=dict)
    all_raw: str = ""
    salvaged: str = ""
    deleted: set[UUID] = field(default_factory=set)


async def open_all(city: City) -> Opened:
    """Everything, by plain SQL and the keyring."""
    keyring, opened = city.services.keyring, Opened()
    keys = {row["item_id"]: row["wrapped"] for row in await city.rows("SELECT item_id, wrapped FROM item_key")}
    secrets = {item: keyring.open_key(item.bytes, wrapped) for item, wrapped in keys.items()}
    await _open_items(city, opened, secrets)
    await _open_conflicts(city, opened, secrets)
    await _open_sets(city, opened, keyring)
    return opened


async def _open_items(city: City, opened: Opened, secrets: dict[UUID, bytes]) -> None:
    for row in await city.rows("SELECT id, clear::text, sealed, deleted FROM item"):
        if row["deleted"]:
            opened.deleted.add(row["id"])
        opened.heads[row["id"]] = _values(row["clear"], secrets[row["id"]], row["id"], row["sealed"])
    texts: defaultdict[UUID, list[str]] = defaultdict(list)
    folded: defaultdict[UUID, dict[str, Any]] = defaultdict(dict)
    rows = await city.rows(
        "SELECT item_id, op, clear::text, sealed, derivation #>> '{settlement,after,deleted}' AS ended FROM revision "
        "ORDER BY item_id, version"
    )
    for row in rows:
        item = row["item_id"]
        values = unseal_values(secrets[item], item.bytes, row["sealed"])
        fields = msgspec.json.decode(row["clear"]) | values.get("fields", {})
        texts[item].append(_text(fields))
        folded[item] |= fields
        # Of what a settlement had deleted a phone's deletion changes nothing; taking it back comes after both.
        if row["op"] == "delete" or row["ended"] == "true":
            opened.deleted.add(item)
    opened.history = {item: "\n".join(parts) for item, parts in texts.items()}
    opened.folded = {
        item: {name: value for name, value in fields.items() if value is not None} for item, fields in folded.items()
    }


async def _open_conflicts(city: City, opened: Opened, secrets: dict[UUID, bytes]) -> None:
    texts: defaultdict[UUID, list[str]] = defaultdict(list)
    rows = await city.rows("SELECT item_id, kind, op, clear::text, sealed, note FROM conflict")
    for row in rows:
        item = row["item_id"]
        texts[item].append(_text(_values(row["clear"], secrets[item], item, row["sealed"])))
        texts[item].append(_note(secrets[item], item, row["note"]))
        # Whoever settles a duplicate may have deleted it before.
        if row["op"] == "delete" or row["kind"] == "duplicate":
            opened.deleted.add(item)
    for row in await city.rows("SELECT item_id, note FROM case_step WHERE note IS NOT NULL"):
        texts[row["item_id"]].append(_note(secrets[row["item_id"]], row["item_id"], row["note"]))
    opened.conflicts = {item: "\n".join(parts) for item, parts in texts.items()}


async def _open_sets(city: City, opened: Opened, keyring: Keyring) -> None:
    kept = {
        (row["device_id"], row["set_no"])
        for row in await city.rows("SELECT device_id, set_no FROM quarantine WHERE state = 'held' AND set_no > 0")
    }
    texts: list[str] = []
    every: list[str] = []
    for table in ("change_set", "forked_set"):
        rows = await city.rows(f"SELECT device_id, epoch, no, sealed, wrapped FROM {table} WHERE sealed IS NOT NULL")
        for row in rows:
            name = f"{row['device_id']}/{row['epoch']}/{row['no']}".encode()
            raw = unseal(keyring.open_key(name, row["wrapped"]), name, row["sealed"])
            text = raw.decode("utf-8", "replace")
            every.append(text)
            if table == "change_set":
                opened.raw[row["device_id"], row["no"]] = raw
            if table == "forked_set" or (row["device_id"], row["no"]) in kept:
                texts.append(text)
    for row in await city.rows("SELECT id, sealed, wrapped FROM quarantine WHERE sealed IS NOT NULL"):
        name = f"salvage/{row['id']}".encode()
        body = unseal(keyring.open_key(name, row["wrapped"]), name, row["sealed"])
        opened.salvaged += body.decode("utf-8", "replace") + "\n"
    opened.kept, opened.all_raw = "\n".join(texts), "\n".join(every)


def _values(clear: str, secret: bytes, item: UUID, sealed: bytes | None) -> dict[str, Any]:
    return msgspec.json.decode(clear) | unseal_values(secret, item.bytes, sealed)


def _note(secret: bytes, item: UUID, sealed: bytes | None) -> str:
    return _text(unseal_values(secret, item.bytes, sealed))


def _text(value: Any) -> str:
    return _encode(value).decode()
