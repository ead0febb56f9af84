"""Whose quarantine somebody looks after, and how what it holds is opened.

System and security administrators see what is held of whom and why, and no values; who settles conflicts in an area
also sees and releases what is about the items that he may settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from schemas.wire import Base, Capture, Change, ChangeSet, ItemBody
from server.db import push, quarantine
from server.db.database import Connection, Row
from server.db.quarantine import QuarantineFilter, QuarantineSight
from server.errors import Problem
from server.sealing import Keyring, Unsealable, unseal
from server.services import Services
from server.usecases.salvage import open_salvaged
from server.usecases.sessions import Caller
from sync.access import Grant, ItemFacts, division_prefix, reaches
from sync.decide import Undecoded
from sync.disputes import SETTLING_ROLES
from sync.framing import Unreadable, decode_change, decode_set, set_form
from sync.upcasting import upcast, version_refusal

_KEEPERS = SETTLING_ROLES | {"administrator"}


class Content(Struct, frozen=True):
    """What a row holds: who wrote it by which catalogue and registry, and its changes by their places.

    A change that is unreadable says why. `raw`: the bytes of the set or body. `refused`: why this catalogue
    is not read any more; then nothing was upcast.
    """

    raw: bytes
    author_id: UUID
    catalogue: str
    registry: int
    refused: str | None
    changes: list[tuple[int, Change | Undecoded]]


def sight_of(caller: Caller) -> QuarantineSight:
    """Whose rows somebody sees. Raises Problem: forbidden."""
    if not caller.revoked and "security_administrator" in caller.roles:
        return QuarantineSight(True)
    held = [one for one in caller.assignments if one.role in _KEEPERS and not caller.revoked]
    if not held:
        raise Problem("forbidden")
    return QuarantineSight(False, tuple(sorted({division_prefix(one.division) for one in held if one.division})))


async def find_row(connection: Connection, caller: Caller, ids: tuple[UUID, UUID]) -> Row:
    """The one row in sight with an id in this range. Raises Problem: forbidden, not_found, parameter_invalid."""
    rows = await quarantine.select(connection, sight_of(caller), QuarantineFilter(ids=ids), 2)
    if not rows:
        raise Problem("not_found")
    if len(rows) > 1:
        raise Problem(
            "parameter_invalid",
            detail_zh="隔离区中有多项以此开头,请多写几位编号。",
            detail_en="Several things in the quarantine begin so; write more digits of the id.",
        )
    return rows[0]


async def open_row(connection: Connection, services: Services, row: Row) -> Content:
    """What a row holds. Raises Problem: quarantine_gone, and the code of what cannot be read at all."""
    raw = await raw_bytes(connection, services.keyring, row)
    if raw is None:
        raise Problem("quarantine_gone")
    return _salvaged(services, raw) if row["outcome"] == "salvaged" else _of_set(services, row, raw)


async def raw_bytes(connection: Connection, keyring: Keyring, row: Row) -> bytes | None:
    """The bytes that a row holds: of its whole set, or of a salvaged body; None where they are gone."""
    if row["outcome"] == "salvaged":
        return await open_salvaged(connection, keyring, row["id"])
    stored = await stored_bytes(connection, row)
    if stored is None or stored["wrapped"] is None:
        return None
    owner = set_name(row).encode()
    try:
        return unseal(keyring.open_key(owner, stored["wrapped"]), owner, stored["sealed"])
    except Unsealable:
        return None


async def stored_bytes(connection: Connection, row: Row) -> Row | None:
    """hash, sealed, wrapped of the set that a row is about."""
    place = (row["device_id"], row["epoch"], row["set_no"])
    if row["outcome"] != "forked":
        return await quarantine.bytes_of_set(connection, *place)
    forks = await quarantine.bytes_of_forks(connection, *place)
    return next((one for one in forks if _fork_id(row, one) == row["id"]), None)


def _fork_id(row: Row, fork: Row) -> UUID:
    return uuid5(row["device_id"], f"{set_name(row)} forked {fork['hash'].hex()}")


def set_name(row: Row) -> str:
    """What the set is called wherever it is kept."""
    return f"{row['device_id']}/{row['epoch']}/{row['set_no']}"


def _of_set(services: Services, row: Row, raw: bytes) -> Content:
    try:
        change_set = decode_set(raw)
    except Unreadable as unreadable:
        raise Problem(unreadable.code) from None
    refused = version_refusal(change_set.catalogue, services.catalogue)
    wanted = range(len(change_set.changes)) if row["set_index"] is None else (row["set_index"],)
    changes = [(place, _change(services, change_set, place, raw, refused)) for place in wanted]
    return Content(raw, change_set.author, change_set.catalogue, change_set.registry, refused, changes)


def _change(
    services: Services, change_set: ChangeSet, place: int, raw: bytes, refused: str | None
) -> Change | Undecoded:
    try:
        change = decode_change(change_set.changes[place], set_form(raw))
    except Unreadable as unreadable:
        return Undecoded(unreadable.code, unreadable.where)
    return change if refused else upcast(change, change_set.catalogue, services.catalogue)


def _salvaged(services: Services, raw: bytes) -> Content:
    """A body as the change that brings it: against a base that nobody knows any more."""
    decode = msgspec.json.decode if set_form(raw) == "json" else msgspec.msgpack.decode
    try:
        body = decode(raw, type=ItemBody)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError):
        raise Problem("salvage_unreadable") from None
    code = services.registry.code(body.grid) if body.grid else None
    change = Change(
        op="create",
        item=body.id,
        type=body.type,
        capture=Capture(body.received_at, 0, "salvage"),
        base=Base(body.version, body.rev),
        grid=code or body.code,
        urgency=body.urgency if body.urgency in ("critical", "urgent", "normal") else None,
        fields=body.fields,
    )
    return Content(raw, body.author, services.catalogue.version, services.registry.version, None, [(0, change)])


async def facts_of(
    connection: Connection, services: Services, content: Content, changes: Sequence[Change]
) -> dict[UUID, ItemFacts]:
    """Where the items of these changes lie, by id: as they are; else where they say; else where their author works."""
    known = await quarantine.places_of_items(connection, sorted({one.item for one in changes}))
    posts = await push.assignments_ever(connection, content.author_id)
    homes = (services.registry.code(one.grid_id) or one.division for one in posts)
    home = next((division_prefix(code[:12]) for code in homes if code), "")
    found: dict[UUID, ItemFacts] = {}
    for change in changes:
        row = known.get(change.item)
        claimed = services.registry.by_code.get(change.grid or "")
        grid_id = row["grid_id"] if row else claimed
        found[change.item] = ItemFacts(
            type=row["type"] if row else change.type,
            grid_id=grid_id,
            grid_code=services.registry.code(grid_id) or home,
            author_id=row["author_id"] if row else content.author_id,
        )
    return found


def is_reached(grants: Sequence[Grant], facts: ItemFacts) -> bool:
    """Whether one of these grants opens an item."""
    return any(facts.type in grant.types and reaches(grant.reach, facts) for grant in grants)
