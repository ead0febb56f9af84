"""A file of grids is taken into the registry: all of it as one version, or nothing and the reasons.

    read the files -> what stands (one snapshot) -> check and compare (pure) -> lock, compare the version, store, audit

The checks take seconds for a whole city, so they are made before the lock; whoever published in between is noticed by
the version, and the import is refused as a whole.
"""

from __future__ import annotations

from msgspec import Struct

from server.db import audit, registry, registry_publish
from server.db.database import Connection, Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.reasons import checked_reason
from server.usecases.registry_area import publishing_prefixes
from server.usecases.registry_plan import Plan, Standing, make_plan
from server.usecases.registry_rows import Files, read_rows
from server.usecases.sessions import Caller
from server.usecases.telling import Teller
from sync.registry_faults import Fault


class ImportOrder(Struct, frozen=True, kw_only=True):
    """Who imports, and why; `dry_run`: only say what would be."""

    actor: Caller
    reason: str
    dry_run: bool = False


class ImportReport(Struct, frozen=True, kw_only=True):
    """What an import did, or would do; with `faults` it did nothing.

    `version`: the registry version that was published, None for none. `unchanged`: rows that say what stands already;
    `left_out`: current grids of the importer's divisions that the file does not name, which stay as they are.
    `encodings`: of the tables; what is no UTF-8 was read as GB 18030.
    """

    rows: int
    new: int
    changed: int
    unchanged: int
    left_out: int
    new_divisions: int
    changed_divisions: int
    encodings: list[str]
    faults: list[Fault]
    version: int | None
    dry_run: bool


async def import_registry(services: Services, order: ImportOrder, files: Files, teller: Teller) -> ImportReport:
    """Take grids and divisions in.

    Raises Problem: forbidden, reason_needed, parameter_invalid, import_unreadable for a file that cannot be read at
    all, registry_moved if another version was published meanwhile. What is wrong with rows stands in the report.
    """
    prefixes = publishing_prefixes(services, order.actor)
    reason = checked_reason(order.reason)
    teller.phase("读取文件", "Reading the files")
    rows = read_rows(files)
    async with services.database.read() as connection:
        standing = await _load(connection)
    teller.phase("检查", "Checking")
    plan = make_plan(rows, standing, prefixes)
    version = None
    if not (plan.faults or plan.empty or order.dry_run):
        teller.phase("写入", "Writing")
        version = await services.database.write(lambda tx: _publish(tx, order.actor, reason, plan, standing.version))
    return ImportReport(
        rows=len(rows.grids),
        new=len(plan.grids.new),
        changed=len(plan.grids.changed),
        unchanged=plan.grids.unchanged,
        left_out=plan.left_out,
        new_divisions=len(plan.divisions.new),
        changed_divisions=len(plan.divisions.changed),
        encodings=rows.encodings,
        faults=plan.faults,
        version=version,
        dry_run=order.dry_run,
    )


async def _load(connection: Connection) -> Standing:
    return Standing(
        await registry.current_version(connection),
        await registry_publish.current_grids(connection),
        await registry_publish.codes_given_up(connection),
        await registry_publish.whole_divisions(connection),
    )


async def _publish(tx: Transaction, actor: Caller, reason: str, plan: Plan, seen: int) -> int:
    if await registry_publish.lock_registry(tx.connection) != seen:
        raise Problem("registry_moved")
    version = seen + 1
    await registry_publish.publish_version(tx.connection, version, reason, actor.user_id)
    await registry.insert_divisions(tx.connection, plan.divisions.new)
    await registry_publish.change_divisions(tx.connection, version, plan.divisions.changed)
    await registry.insert_grids(tx.connection, version, plan.grids.new)
    await registry_publish.relabel(tx.connection, version, plan.grids.changed)
    await audit.record(
        tx.connection,
        actor.user_id,
        "registry.imported",
        "registry",
        str(version),
        reason,
        {"new": len(plan.grids.new), "changed": len(plan.grids.changed), "divisions": _count(plan)},
        actor.request_id,
    )
    return version


def _count(plan: Plan) -> int:
    return len(plan.divisions.new) + len(plan.divisions.changed)
