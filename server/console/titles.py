"""What items are called where others speak of them: by their type and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from server.console.values import summary
from server.console.visit import Visit
from server.usecases.item_page import Brief, briefs


class Title(NamedTuple):
    """An item by its type, a summary that may be empty, and its grid."""

    type: str
    summary: str
    grid: str
    code: str

    def __str__(self) -> str:
        return " · ".join(part for part in (self.type, self.summary) if part)


async def titles(visit: Visit, item_ids: Iterable[UUID]) -> dict[UUID, Title]:
    """The titles of those of these items that the reader may see."""
    found = await briefs(visit.services, visit.caller, sorted(set(item_ids)))
    return {item_id: _title(visit, brief) for item_id, brief in found.items()}


async def title(visit: Visit, item_id: UUID) -> str:
    """The title of one item; empty where it is not his to see."""
    found = await titles(visit, [item_id])
    return str(found.get(item_id, ""))


def _title(visit: Visit, brief: Brief) -> Title:
    compiled = visit.services.catalogue.types[brief.type]
    grid, code = visit.grid_words(brief.grid)
    return Title(visit.type_name(brief.type), summary(visit.language, compiled, brief.fields), grid, code)
