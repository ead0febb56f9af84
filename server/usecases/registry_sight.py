"""Which part of the registry somebody may look at, and where in it he begins."""

from __future__ import annotations

from server.db.registry_browsing import Territory
from server.errors import Problem
from server.services import Services
from server.usecases.enrolment import DEVICE_ROLES
from server.usecases.registry import scope_of
from server.usecases.sessions import Caller
from sync.access import division_prefix

EVERYTHING = Territory((), ("",))
_CITY = "341100000000"
_LENGTHS = (12, 9, 6, 4)


def territory_of(services: Services, caller: Caller) -> Territory:
    """All of it for offices and grid chiefs, who have to do with other grids; for others their own territory.

    Raises Problem: forbidden for who has no post.
    """
    wide = {role.code for role in services.catalogue.source.roles} - set(DEVICE_ROLES) | {"grid_chief"}
    if caller.revoked or not caller.assignments:
        raise Problem("forbidden")
    return EVERYTHING if caller.roles & wide else Territory(*scope_of(caller.assignments))


def own_division(caller: Caller) -> str:
    """The 12-digit code of the smallest division that holds all of a person's posts."""
    held = [division_prefix(one.division) for one in caller.assignments if one.division]
    for digits in _LENGTHS:
        above = {one[:digits] for one in held}
        if len(above) == 1 and len(min(above)) == digits:
            return min(above).ljust(12, "0")
    return _CITY
