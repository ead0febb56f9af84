"""What a list is narrowed to, as its address says it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlencode

from server.console.visit import Visit
from server.db.reading import ItemFilter
from server.usecases.places import places_of
from server.usecases.reading import area


class Choice(NamedTuple):
    """An option of a filter."""

    value: str
    words: str


class Filters(NamedTuple):
    """The filter of a list and what it may be set to; `types` are grouped by category."""

    base: str
    type: str
    division: str
    cursor: str | None
    types: list[tuple[str, list[Choice]]]
    divisions: list[Choice]

    @property
    def items(self) -> ItemFilter:
        """The filter as the use cases take it."""
        return ItemFilter(type=self.type or None, division=area(self.division))

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.type or self.division)

    def address(self, **more: str | None) -> str:
        """The list with this filter, and more parameters."""
        query = {"type": self.type, "division": self.division, **more}
        written = urlencode({key: value for key, value in query.items() if value})
        return f"{self.base}?{written}" if written else self.base


async def read_filters(visit: Visit, base: str) -> Filters:
    """The filter of this request; what cannot be one is left out."""
    asked = visit.request.query_params
    places = await places_of(visit.services, visit.caller)
    divisions = [Choice(one.code, visit.either(one.name_zh, one.name_en)) for one in places if one.tier == "community"]
    catalogue = visit.services.catalogue
    return Filters(
        base=base,
        type=asked["type"] if asked.get("type") in catalogue.types else "",
        division=asked["division"] if re.fullmatch("[0-9]{12}", asked.get("division", "")) else "",
        cursor=asked.get("cursor"),
        types=[
            (
                visit.either(one.name_zh, one.name_en),
                [Choice(item.code, visit.type_name(item.code)) for item in one.items],
            )
            for one in catalogue.source.categories
        ],
        divisions=divisions if len(divisions) > 1 else [],
    )
