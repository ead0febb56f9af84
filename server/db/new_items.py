"""Items that nobody had before: everything about them in as few statements as can be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection
from server.db.named import sql

Photo = tuple[str, int]
"""A photo's SHA-256 in hexadecimal digits, and its size."""


class Origin(NamedTuple):
    """Where and when a change set came from; what all of its revisions have in common."""

    author_id: UUID
    device_id: UUID
    epoch: str
    set_no: int | None
    catalogue: str
    registry: int
    received_at: datetime


class Ways(NamedTuple):
    """How new items go on: of each its place (from 1 on) in `alike`, the columns of submission and case of one way.

    An item without a place waits. `case_steps` among the columns are lists of [action, from, to].
    """

    places: Sequence[int | None]
    alike: list[dict[str, Any]]


class NewItem(Struct, array_like=True, gc=False):
    """A new item as the statement takes it apart, by place; what it is made of beside bytes.

    `fields` and `terms` are texts of a line each: neither the key of a field nor a term ever holds a line's end. The
    last four say where, among the bytes of all, its wrapped key, the values of its head and of its revision begin
    (from 1 on), and where these end; what is empty is absent.
    """

    id: UUID
    type: str
    grid_id: UUID | None
    stream_class: str
    in_own_stream: bool
    rev: int
    urgency: str
    clear: dict[str, Any]
    set_index: int
    fields: str
    derivation: dict[str, Any] | None
    captured_at: datetime
    skew: int | None
    terms: str
    place: int | None
    wrapped: int
    sealed: int
    revision_sealed: int
    ended: int


async def insert_new_items(
    connection: Connection,
    rows: Sequence[NewItem],
    closed: bytes,
    alike: Sequence[dict[str, Any]],
    origin: Origin,
) -> None:
    """Keys, heads, first revisions, search terms, submissions and cases; `closed`: the bytes of all rows."""
    await connection.execute(sql("insert_new_items"), rows, closed, alike, *origin)


async def verified_among(connection: Connection, photos: Collection[Photo]) -> set[Photo]:
    """Those of these photos that were verified before."""
    asked = [{"sha256": f"\\x{sha256}", "size": size} for sha256, size in sorted(photos)]
    rows = await connection.fetch(sql("verified_among"), asked) if asked else []
    return {(row["sha256"].hex(), row["size"]) for row in rows}
