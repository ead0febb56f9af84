"""Where a person may go: by his roles. What he may do there is decided by the use cases alone."""

from __future__ import annotations

from typing import NamedTuple

from sync.access import OFFICE_TIERS

REVIEWING = frozenset({"grid_chief", "department_handler", *OFFICE_TIERS})
"""Roles that a review may ask for a decision."""

HANDLING = frozenset({"dispatcher", *REVIEWING})
"""Roles that act on cases at a desk."""


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
    return links
