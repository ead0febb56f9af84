"""Where a person may go: by his roles. What he may do there is decided by the use cases alone."""

from __future__ import annotations

from typing import NamedTuple

from sync.access import OFFICE_TIERS, UNREADING_ROLES
from sync.disputes import SETTLING_ROLES

REVIEWING = frozenset({"grid_chief", "department_handler", *OFFICE_TIERS})
"""Roles that a review may ask for a decision."""

HANDLING = frozenset({"dispatcher", *REVIEWING})
"""Roles that act on cases at a desk."""


LOOKING_AFTER = frozenset({"administrator", "security_administrator", "community", "grid_chief"})
"""Roles that look after people and their devices."""


class Link(NamedTuple):
    """An entry of the navigation; `words` is the key of its name."""

    address: str
    words: str

    def is_here(self, path: str) -> bool:
        """Whether a page belongs to this entry."""
        own = self.address.rstrip("/")
        return path.rstrip("/") == own if self.words == "nav.home" else path.startswith(own)


def links_for(roles: frozenset[str]) -> list[Link]:
    """The entries for somebody with these roles."""
    links = [Link("/console/", "nav.home")]
    if roles & REVIEWING:
        links.append(Link("/console/reviews", "nav.reviews"))
    if roles & HANDLING:
        links.append(Link("/console/cases", "nav.cases"))
    if roles & SETTLING_ROLES:
        links.append(Link("/console/conflicts", "nav.conflicts"))
    if roles - UNREADING_ROLES:
        links.append(Link("/console/search", "nav.search"))
    if roles & LOOKING_AFTER:
        links += [Link("/console/people", "nav.people"), Link("/console/devices", "nav.devices")]
    if roles:
        links.append(Link("/console/registry", "nav.registry"))
    return links
