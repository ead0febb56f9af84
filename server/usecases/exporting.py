"""Items of one type as a file, for who may read them: page by page, out of one snapshot, and on record with its reason.

What leaves the house is what was approved: of an item that was changed since, the values of the approved revision.
Personal values are masked unless they are asked for. The file appears, private to its owner, once the audit trail
says who took how many items of what, and why.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from uuid import UUID

from msgspec import Struct, to_builtins

from schemas.forms import CompiledType
from server.db import audit, crosswalk, items, reading
from server.db.database import Connection, Row, Transaction
from server.db.reading import ExportFilter
from server.errors import Problem
from server.masking import mask_all
from server.services import Services
from server.storage.export_files import ExportFile, Format, Line, PrivateFile, open_export
from server.usecases.export_columns import fact_columns, facts_of, field_columns
from server.usecases.reading import grants_of
from server.usecases.reasons import checked_reason
from server.usecases.sealed_items import Vault, group_past
from server.usecases.sessions import Caller
from sync.items import Fields
from sync.merge import fields_at

_PAGE = 500


class ExportWish(Struct, frozen=True, kw_only=True):
    """What is exported how, and why; `reveal`: personal values too."""

    narrowed: ExportFilter
    file_format: Format
    reason: str
    reveal: bool = False


class Exported(Struct, frozen=True, kw_only=True):
    """What an export held."""

    type: str
    division: str | None
    format: str
    items: int
    approved_only: bool
    revealed: bool


async def export_items(services: Services, caller: Caller, wish: ExportWish, path: Path) -> Exported:
    """Write the file; one that stands there is replaced, and where anything fails it stays as it was.

    Raises Problem: reason_needed, forbidden (his role reads no item of this type), parameter_invalid; OSError.
    """
    reason, compiled = checked_reason(wish.reason), _readable_type(services, caller, wish.narrowed.type)
    private = await asyncio.to_thread(PrivateFile, path)
    try:
        file = open_export(wish.file_format, private.beside, fact_columns(), field_columns(compiled))
        exported = _told(wish, await _write(services, caller, wish, compiled, file))
        await services.database.write(lambda tx: _note(tx, caller, wish, reason, exported))
        await asyncio.to_thread(private.publish)
    finally:
        await asyncio.to_thread(private.discard)
    return exported


def _readable_type(services: Services, caller: Caller, code: str) -> CompiledType:
    compiled = services.catalogue.types.get(code)
    if compiled is None:
        raise Problem("parameter_invalid", field="type")
    if caller.revoked or not any(code in grant.types for grant in grants_of(services, caller)):
        raise Problem("forbidden")
    return compiled


def _told(wish: ExportWish, count: int) -> Exported:
    return Exported(
        type=wish.narrowed.type,
        division=wish.narrowed.division,
        format=wish.file_format,
        items=count,
        approved_only=wish.narrowed.approved_only,
        revealed=wish.reveal,
    )


async def _note(tx: Transaction, caller: Caller, wish: ExportWish, reason: str, exported: Exported) -> None:
    begins, ends = wish.narrowed.begins, wish.narrowed.ends
    span = {"from": begins.isoformat() if begins else None, "to": ends.isoformat() if ends else None}
    detail = to_builtins(exported) | span
    await audit.record(
        tx.connection,
        caller.user_id,
        "item.export",
        "item_type",
        exported.type,
        reason,
        detail,
        caller.request_id,
    )


async def _write(services: Services, caller: Caller, wish: ExportWish, compiled: CompiledType, file: ExportFile) -> int:
    """How many items were written. The files' own work is done beside the event loop."""
    count = 0
    try:
        async with services.database.read() as connection:
            async for rows in _pages(connection, services, caller, wish.narrowed):
                lines = await _lines(connection, services, compiled, rows, reveal=wish.reveal)
                await asyncio.to_thread(file.add, lines)
                count += len(lines)
    finally:
        await asyncio.to_thread(file.close)
    return count


async def _pages(
    connection: Connection, services: Services, caller: Caller, narrowed: ExportFilter
) -> AsyncGenerator[list[Row]]:
    grants, after = grants_of(services, caller), None
    while rows := await reading.export_items(connection, grants, narrowed, after, _PAGE):
        yield rows
        after = rows[-1]["id"]


async def _lines(
    connection: Connection, services: Services, compiled: CompiledType, rows: Sequence[Row], *, reveal: bool
) -> list[Line]:
    vault = Vault(services.keyring, services.catalogue)
    secrets = {row["id"]: vault.secret(row) for row in rows}
    earlier = await _approved_earlier(connection, vault, rows, secrets)
    grids = sorted({row["grid_id"] for row in rows if row["grid_id"]})
    legacy = await crosswalk.legacy_codes_of(connection, grids)
    lines: list[Line] = []
    for row in rows:
        fields = earlier.get(row["id"]) or vault.open_item(row, secrets[row["id"]]).fields
        shown = fields if reveal else mask_all(compiled, fields)
        lines.append(Line(facts_of(row, legacy.get(row["grid_id"], []), earlier=row["id"] in earlier), shown))
    return lines


async def _approved_earlier(
    connection: Connection, vault: Vault, rows: Sequence[Row], secrets: dict[UUID, bytes]
) -> dict[UUID, Fields]:
    """The approved values of those items that were changed since."""
    approved = {
        row["id"]: row["approved_version"] for row in rows if row["approved_version"] not in (None, row["version"])
    }
    if not approved:
        return {}
    past = await items.past_of_items(connection, sorted(approved))
    opened = group_past((one["item_id"], vault.open_past(one, secrets[one["item_id"]])) for one in past)
    found = {item_id: fields_at(opened[item_id], version) for item_id, version in approved.items()}
    return {item_id: {k: v for k, v in fields.items() if v is not None} for item_id, fields in found.items()}
