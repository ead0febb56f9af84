"""Legacy codes: a file of them becomes a registry version, or nothing and the reasons; and what one stands for.

read the file -> lock the registry -> check every row -> compare with what stands -> store, audit
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from server.db import audit, crosswalk, registry_publish
from server.db.crosswalk import LegacyRow
from server.db.database import Connection, Row, Transaction
from server.services import Services
from server.usecases.crosswalk_rows import CodeTable, Known, identity, place_codes, read_codes
from server.usecases.reasons import checked_reason
from server.usecases.registry_area import publishing_prefixes
from server.usecases.registry_import import ImportOrder
from sync.crosswalk import Answer, Sense, plain_code
from sync.registry_faults import Fault


class CrosswalkReport(Struct, frozen=True, kw_only=True):
    """What an import did, or would do; with `faults` it did nothing.

    `left_out`: rows of the registry that the file does not name, which stay. `version`: the registry version that was
    published, None for none. `encoding`: of the file; what is no UTF-8 was read as GB 18030.
    """

    rows: int
    new: int
    changed: int
    unchanged: int
    left_out: int
    encoding: str
    faults: list[Fault]
    version: int | None
    dry_run: bool


class CodeRow(Struct, frozen=True, kw_only=True):
    """A row of the crosswalk; `place`: the code of a community or of a grid, None once that grid is retired."""

    department: str
    legacy_code: str
    valid_from: date
    valid_to: date | None
    sense: Sense
    place: str | None
    place_zh: str | None
    place_en: str
    note: str


class GridName(Struct, frozen=True):
    """A current grid by its code, its name and its community."""

    id: UUID
    code: str
    name: str
    community: str


class CodeMeaning(Struct, frozen=True, kw_only=True):
    """What a legacy code stands for on a day; `grids` as in `sync.crosswalk.Reading`."""

    department: str
    legacy_code: str
    day: date
    answer: Answer
    grids: list[GridName]
    rows: list[CodeRow]


class _Plan(NamedTuple):
    ended: list[int]
    added: list[LegacyRow]
    changed: int
    unchanged: int
    left_out: int


async def import_crosswalk(services: Services, order: ImportOrder, raw: bytes) -> CrosswalkReport:
    """Take legacy codes in, for places that the actor publishes.

    Raises Problem: forbidden, reason_needed, parameter_invalid, import_unreadable for what cannot be read at all.
    """
    prefixes = publishing_prefixes(services, order.actor)
    reason = checked_reason(order.reason)
    table = read_codes(raw)
    return await services.database.write(lambda tx: _import(tx, services, order, reason, table, prefixes))


async def _import(
    tx: Transaction,
    services: Services,
    order: ImportOrder,
    reason: str,
    table: CodeTable,
    prefixes: tuple[str, ...],
) -> CrosswalkReport:
    newest = await registry_publish.lock_registry(tx.connection)
    rows, faults = place_codes(table.lines, await _known(tx.connection, services, table, prefixes))
    faults = sorted([*table.faults, *faults], key=lambda one: one.row or 0)
    plan = _compare(rows, await crosswalk.list_crosswalk(tx.connection))
    version = None
    if plan.added and not (faults or order.dry_run):
        version = newest + 1
        await registry_publish.publish_version(tx.connection, version, reason, order.actor.user_id)
        await crosswalk.write_crosswalk(tx.connection, version, plan.ended, plan.added)
        await _record(tx, order, reason, version, plan)
    return CrosswalkReport(
        rows=len(rows) + len(table.faults),
        new=len(plan.added) - plan.changed,
        changed=plan.changed,
        unchanged=plan.unchanged,
        left_out=plan.left_out,
        encoding=table.encoding,
        faults=faults,
        version=version,
        dry_run=order.dry_run,
    )


async def _known(connection: Connection, services: Services, table: CodeTable, prefixes: tuple[str, ...]) -> Known:
    communities = sorted({line.place for line in table.lines if not line.is_grid})
    grids = sorted({line.place for line in table.lines if line.is_grid})
    return Known(
        frozenset(one.code for one in services.catalogue.source.departments),
        await crosswalk.communities_among(connection, communities),
        await crosswalk.current_grids_by_code(connection, grids),
        prefixes,
    )


def _compare(rows: Sequence[LegacyRow], standing: Sequence[Row]) -> _Plan:
    held = {identity(_as_row(one)): one for one in standing}
    ended: list[int] = []
    added: list[LegacyRow] = []
    changed = unchanged = 0
    for row in {identity(one): one for one in rows}.values():
        old = held.pop(identity(row), None)
        if old is not None and _as_row(old) == row:
            unchanged += 1
            continue
        added.append(row)
        if old is not None:
            ended.append(old["id"])
            changed += 1
    return _Plan(ended, added, changed, unchanged, len(held))


def _as_row(row: Row) -> LegacyRow:
    return LegacyRow(**{name: row[name] for name in LegacyRow.__struct_fields__})


async def _record(tx: Transaction, order: ImportOrder, reason: str, version: int, plan: _Plan) -> None:
    counts = {"new": len(plan.added) - plan.changed, "changed": plan.changed}
    subject = ("registry", str(version))
    actor = order.actor
    await audit.record(tx.connection, actor.user_id, "crosswalk.imported", *subject, reason, counts, actor.request_id)


async def list_codes(services: Services, department: str | None, legacy_code: str | None) -> list[CodeRow]:
    """The rows of the newest registry version, of one department or one code where that is asked."""
    async with services.database.read() as connection:
        rows = await crosswalk.list_crosswalk(connection, department, plain_code(legacy_code) if legacy_code else None)
    return [CodeRow(**{name: row[name] for name in CodeRow.__struct_fields__}) for row in rows]


async def code_meaning(services: Services, department: str, legacy_code: str, day: date) -> CodeMeaning:
    """What a code of a department stands for on a day, and the rows that say it."""
    registry = services.registry
    reading = registry.crosswalk.read(department, legacy_code, day)
    labels = [registry.labels[grid_id] for grid_id in reading.grids]
    return CodeMeaning(
        department=department,
        legacy_code=plain_code(legacy_code),
        day=day,
        answer=reading.answer,
        grids=[GridName(label.id, label.code, label.name, label.community) for label in labels],
        rows=await list_codes(services, department, legacy_code),
    )
