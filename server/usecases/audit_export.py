"""Exporting the audit trail as a file that can be checked without the installation: rows, the links between them, a
signature over all of it. For auditors, with a reason, and on the trail itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, to_builtins

from schemas.auditing import AuditLine
from server.db import audit, audit_links, epochs
from server.db.audit_links import TrailFilter
from server.db.database import Connection, Row, Transaction
from server.errors import Problem
from server.services import Services
from server.storage.audit_files import TrailFormat, TrailWriter
from server.storage.export_files import PrivateFile
from server.storage.objects import StoreUnavailable
from server.usecases.audit_checkpoints import PURPOSE
from server.usecases.audit_sealing import seal_trail
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.audit_chain import START

_ROLE = "auditor"
_AT_A_TIME = 1000


class TrailExported(Struct, frozen=True, kw_only=True):
    """What the file holds: rows that were asked for, links that stand for others, and the key that checks it."""

    rows: int
    links: int
    format: TrailFormat
    public_key: str


async def export_trail(
    services: Services, caller: Caller, wish: TrailFilter, reason: str, path: Path, file_format: TrailFormat
) -> TrailExported:
    """Write the file; it appears whole, readable by its owner alone, once the trail says who took it and why.

    What is not sealed yet is sealed before. Raises Problem: forbidden, reason_needed, not_ready; OSError.
    """
    why = checked_reason(reason)
    if caller.revoked or _ROLE not in caller.roles:
        raise Problem("forbidden")
    try:
        await seal_trail(services)
    except StoreUnavailable as error:
        raise Problem("not_ready") from error
    private = await asyncio.to_thread(PrivateFile, path)
    try:
        exported = await _write(services, caller, wish, TrailWriter(private.beside, file_format), file_format)
        await services.database.write(lambda tx: _note(tx, caller, wish, why, exported))
        await asyncio.to_thread(private.publish)
    finally:
        await asyncio.to_thread(private.discard)
    return exported


async def _write(
    services: Services, caller: Caller, wish: TrailFilter, file: TrailWriter, file_format: TrailFormat
) -> TrailExported:
    rows = links = 0
    key = services.keyring.public_key(PURPOSE).hex()
    try:
        async with services.database.read() as connection:
            await asyncio.to_thread(file.add, [await _about(connection, caller, wish)])
            async for lines in _parts(connection, wish):
                await asyncio.to_thread(file.add, lines)
                rows += sum(one.kind == "row" for one in lines)
                links += sum(one.kind == "link" for one in lines)
        digest = file.digest()
        signature = services.keyring.sign(PURPOSE, digest).hex()
        file.end(AuditLine(kind="end", digest=digest.hex(), public_key=key, signature=signature))
    finally:
        await asyncio.to_thread(file.close)
    return TrailExported(rows=rows, links=links, format=file_format, public_key=key)


async def _about(connection: Connection, caller: Caller, wish: TrailFilter) -> AuditLine:
    epoch = await epochs.current(connection)
    told = {"at": datetime.now(UTC), "by": caller.user_id, "epoch": epoch.id, "asked": wish}
    return AuditLine(kind="about", about=to_builtins(told))


async def _parts(connection: Connection, wish: TrailFilter) -> AsyncGenerator[list[AuditLine]]:
    part: list[AuditLine] = []
    async for row in audit_links.exported(connection, wish):
        part.append(_line(row))
        if len(part) == _AT_A_TIME:
            yield part
            part = []
    yield part


def _line(row: Row) -> AuditLine:
    asked = row["id"] is not None
    return AuditLine(
        kind="row" if asked else "link",
        chain=row["chain"],
        seq=row["seq"],
        row=audit_links.row_of(row) if asked else None,
        row_hash=row["row_hash"].hex(),
        previous=(row["previous"] or START).hex(),
        hash=row["hash"].hex(),
    )


async def _note(tx: Transaction, caller: Caller, wish: TrailFilter, reason: str, exported: TrailExported) -> None:
    detail = {"asked": to_builtins(wish), "rows": exported.rows, "format": exported.format}
    await audit.record(
        tx.connection, caller.user_id, "audit.exported", "audit", "trail", reason, detail, caller.request_id
    )
