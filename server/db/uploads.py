"""Uploads as tus resources: how far each has come, and the pieces that hold what came.

An upload is a row {id, sha256, size, object_key, pieces, tail, received, state, expires_at, expired, photo_state}.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from server.db.database import Connection, Row
from server.db.evidence import incoming_objects
from server.db.named import sql


async def own_upload(connection: Connection, upload_id: UUID, user_id: UUID) -> Row | None:
    """This user's upload as it stands; None where it is somebody else's or nobody's."""
    return await connection.fetchrow(sql("own_upload"), upload_id, user_id)


async def own_upload_of_photo(connection: Connection, sha256: bytes, size: int, user_id: UUID) -> UUID | None:
    """This user's open upload of a photo, else his latest one."""
    return await connection.fetchval(sql("own_upload_of_photo"), sha256, size, user_id)


async def insert_needless_upload(
    connection: Connection, upload_id: UUID, sha256: bytes, size: int, user_id: UUID, device_id: UUID | None, key: str
) -> None:
    """An upload of a photo that is here already; it is done."""
    await connection.execute(sql("insert_needless_upload"), upload_id, sha256, size, user_id, device_id, key)


async def keep_upload_open(connection: Connection, upload_id: UUID, expires_at: datetime) -> None:
    """Let it be resumed until then at least."""
    await connection.execute(sql("keep_upload_open"), upload_id, expires_at)


async def grow_upload(
    connection: Connection,
    upload_id: UUID,
    before: Sequence[str],
    pieces: Sequence[str],
    *,
    tail: int,
    received: int,
    expires_at: datetime,
) -> bool:
    """Put `pieces` in the place of `before`; False if somebody else was faster, or the upload has ended."""
    grown = await connection.fetchval(
        sql("grow_upload"), upload_id, list(before), list(pieces), tail, received, expires_at
    )
    return grown is not None


async def restart_upload(connection: Connection, upload_id: UUID, before: Sequence[str]) -> None:
    """Forget all pieces, unless they are others by now."""
    await connection.execute(sql("restart_upload"), upload_id, list(before))


async def let_uploads_end(connection: Connection, at: datetime) -> None:
    """Have every open upload expire then, unless something comes of it before."""
    await connection.execute(sql("let_uploads_end"), at)


async def end_open_upload(connection: Connection, upload_id: UUID) -> list[str]:
    """Close an upload that is not complete, and return the keys of its objects; none if it was not open."""
    return incoming_objects(await connection.fetch(sql("end_open_upload"), upload_id))
