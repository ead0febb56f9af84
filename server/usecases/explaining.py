"""Why an item lies in the grid where it lies: the stored derivations of its revisions, in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert
from msgspec.structs import replace

from server.db import conflicts, lineage, reading
from server.db.conflicts import ConflictFilter
from server.db.database import Connection, Row
from server.errors import Problem
from server.services import Services
from server.usecases.aliases import winner_in_sight
from server.usecases.reading import grants_of, readable
from server.usecases.sessions import Caller
from sync.derivation import Derivation
from sync.derivation_words import Names, Words, explain
from sync.disputes import settling_grants
from sync.registry import Registry

_OF_OTHERS = frozenset({"link", "linked", "repointed"})
"""What a derivation says of other items: nothing about the grid, and its reader may not know them."""


class ExplainedRevision(Struct, frozen=True, kw_only=True):
    """A revision that told the item's grid, or could not: the sentence for it, and the derivation as it is stored."""

    version: int
    op: str
    at: datetime
    grid: UUID | None
    zh: str
    en: str
    derivation: dict[str, Any]


class Explained(Struct, frozen=True, kw_only=True):
    """Where an item lies, and how that came about, oldest first.

    `code`: of its grid, now. `conflict`: the one in which it waits for its grid. `alias`: the id that was asked for, of
    an item that was linked into this one.
    """

    item: UUID
    type: str
    grid: UUID | None
    code: str | None
    conflict: UUID | None
    revisions: list[ExplainedRevision]
    alias: UUID | None = None


async def explain_item(services: Services, caller: Caller, item_id: UUID) -> Explained:
    """For who may read the item, or settle the conflict about its grid; of a loser its winner.

    Raises Problem `not_found` for anybody else.
    """
    await services.registry_holder.refresh()
    asked = item_id
    async with services.database.read() as connection:
        winner = await winner_in_sight(connection, asked, grants_of(services, caller))
        item_id = winner or asked
        conflict = await lineage.grid_conflict_of_item(connection, item_id)
        if not await _may_know(connection, services, caller, item_id, conflict):
            raise Problem("not_found")
        (head,) = await reading.items_with_keys(connection, [item_id])
        rows = await lineage.derivations_of_item(connection, item_id)
    names = _names(services)
    return Explained(
        item=item_id,
        type=head["type"],
        grid=head["grid_id"],
        code=services.registry.code(head["grid_id"]),
        conflict=conflict,
        revisions=[_explained(row, services.registry, names) for row in rows],
        alias=asked if winner else None,
    )


async def _may_know(
    connection: Connection, services: Services, caller: Caller, item_id: UUID, conflict: UUID | None
) -> bool:
    if await readable(connection, services, caller, [item_id]):
        return True
    if conflict is None or caller.revoked:
        return False
    grants = settling_grants(caller.assignments, [compiled.type for compiled in services.catalogue.types.values()])
    return bool(await conflicts.select_conflicts(connection, grants, ConflictFilter(least=conflict, most=conflict), 1))


def _explained(row: Row, registry: Registry, names: Names) -> ExplainedRevision:
    told = convert(row["derivation"], Derivation)
    if told.code is None and row["grid_id"] is not None:
        told = replace(told, code=registry.lineage.code_at(row["grid_id"], row["registry"]))
    words = explain(told, names)
    return ExplainedRevision(
        version=row["version"],
        op=row["op"],
        at=row["received_at"],
        grid=row["grid_id"],
        zh=words.zh,
        en=words.en,
        derivation={key: value for key, value in row["derivation"].items() if key not in _OF_OTHERS},
    )


def _names(services: Services) -> Names:
    registry = services.registry
    departments = {one.code: Words(one.name_zh, one.name_en) for one in services.catalogue.source.departments}

    def code_of(grid: str) -> str | None:
        return registry.lineage.code_at(UUID(grid), registry.version)

    def department(code: str) -> Words:
        return departments.get(code, Words(code, code))

    return Names(code_of, department)
