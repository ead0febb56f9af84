"""Whom somebody may look up, and on whose devices he may act."""

from __future__ import annotations

from collections.abc import Sequence

from server.db.directory import Sight
from server.services import Services
from server.usecases.enrolment import Area, area_of
from server.usecases.sessions import Caller
from sync.access import Assignment


def sight_of(services: Services, caller: Caller) -> Sight:
    """The people whom the caller may look up. Raises Problem: forbidden.

    A security administrator looks after lost phones wherever they are; an administrator sees everybody who works in his
    division and who worked there last, a community or a grid chief their team.
    """
    if "security_administrator" in caller.roles and not caller.revoked:
        return Sight(everybody=True, idle=True)
    area = area_of(caller)
    if "administrator" not in caller.roles:
        return Sight(False, area.roles, area.grid_ids, area.prefixes)
    every_role = tuple(role.code for role in services.catalogue.source.roles)
    return Sight(False, every_role, area.grid_ids, area.prefixes, idle=True)


def roles_in_sight(services: Services, caller: Caller) -> list[str]:
    """The codes of the roles that people in the caller's sight may have. Raises Problem: forbidden."""
    sight, every_role = sight_of(services, caller), [role.code for role in services.catalogue.source.roles]
    return every_role if sight.everybody else [code for code in every_role if code in sight.roles]


def is_his_alone(sight: Sight, assignments: Sequence[Assignment]) -> bool:
    """Whether all that somebody in sight does is in sight too, so that his device serves nobody else's people."""
    if sight.everybody or (sight.idle and not assignments):
        return True
    return Area(sight.roles, sight.grid_ids, sight.prefixes).holds(assignments)
