"""What grids and divisions are called on pages: kinds, tiers, days, addresses."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from server.console import clock
from server.console.visit import Visit
from server.usecases.registry_views import DivisionName

KINDS = {
    "general": "registry.kind_general",
    "temporary": "registry.kind_temporary",
    "dedicated": "registry.kind_dedicated",
}
TIERS = {
    "city": "registry.tier_city",
    "county": "registry.tier_county",
    "street": "registry.tier_street",
    "community": "registry.tier_community",
}


def named(visit: Visit, one: DivisionName) -> str:
    """A division in the reader's language."""
    return visit.either(one.name_zh, one.name_en)


def kind_words(visit: Visit, kind: str) -> str:
    """A kind of grid."""
    return visit.say(KINDS[kind])


def validity(visit: Visit, begin: date | None, end: date | None) -> str:
    """From which day until which a grid is one."""
    first, last = (clock.day(visit.language, one) if one else "" for one in (begin, end))
    if first and last:
        return visit.say("registry.from_until", begin=first, end=last)
    if first:
        return visit.say("registry.from", day=first)
    return visit.say("registry.until", day=last) if last else visit.say("registry.always")


def division_address(code: str, **more: str | None) -> str:
    """The registry's page of a division."""
    return _address("/console/registry", {"division": code, **more})


def map_address(code: str, **more: str | None) -> str:
    """The map of a division."""
    return _address("/console/registry/map", {"division": code, **more})


def grid_address(code: str) -> str:
    """The page of a grid."""
    return f"/console/registry/grids/{code}"


def _address(path: str, query: dict[str, str | None]) -> str:
    written = urlencode({key: value for key, value in query.items() if value})
    return f"{path}?{written}" if written else path
