"""What devices are asked to do themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection
from server.db.named import sql

DirectiveKind = Literal["wipe", "update_app"]


class OpenDirective(NamedTuple):
    """One that its device has not carried out, as far as it has said."""

    id: UUID
    kind: DirectiveKind


class DirectiveRecord(Struct, frozen=True, kw_only=True):
    """A directive with who asked for it and why; `done_at`: when its device said that it was done."""

    id: UUID
    kind: DirectiveKind
    reason: str
    created_by: UUID
    created_by_name: str
    created_at: datetime
    done_at: datetime | None


async def directives_of(connection: Connection, device_id: UUID) -> list[DirectiveRecord]:
    """All that the device was ever asked, the newest first."""
    return [DirectiveRecord(**dict(row)) for row in await connection.fetch(sql("directives_of_device"), device_id)]


async def insert_directive(
    connection: Connection, directive_id: UUID, device_id: UUID, kind: DirectiveKind, reason: str, created_by: UUID
) -> bool:
    """Ask a device for something; False where the same is asked of it already."""
    given = (directive_id, device_id, kind, reason, created_by)
    return await connection.fetchval(sql("insert_directive"), *given) is not None


async def finish_directives(connection: Connection, device_id: UUID, directive_ids: Sequence[UUID]) -> list[UUID]:
    """Note that these are done, as far as they are this device's and were not; returns which those were."""
    rows = await connection.fetch(sql("finish_directives"), device_id, directive_ids)
    return [row["id"] for row in rows]
