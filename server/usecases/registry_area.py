"""Who may publish which part of the registry, and who may look at all of it."""

from __future__ import annotations

from collections.abc import Collection

from server.errors import Problem
from server.services import Services
from server.usecases.enrolment import DEVICE_ROLES
from server.usecases.sessions import Caller
from sync.access import division_prefix

PUBLISHERS = ("county_centre", "city_centre", "administrator")


def publishing_prefixes(services: Services, caller: Caller) -> tuple[str, ...]:
    """Prefixes of the divisions whose grids this person publishes. Raises Problem: forbidden."""
    held = [one for one in caller.assignments if one.role in PUBLISHERS and one.division is not None]
    if caller.revoked or not held:
        _refuse(services, PUBLISHERS, "发布网格编码库", "Publishing the registry")
    return tuple(sorted({division_prefix(one.division) for one in held if one.division is not None}))


def check_reader(services: Services, caller: Caller) -> None:
    """Raise Problem `forbidden` unless the person works at an office: grids and their codes are no secret there."""
    roles = [role.code for role in services.catalogue.source.roles if role.code not in DEVICE_ROLES]
    if caller.revoked or not caller.roles.intersection(roles):
        _refuse(services, roles, "查看全部网格", "Looking at all grids")


def _refuse(services: Services, roles: Collection[str], act_zh: str, act_en: str) -> None:
    named = [role for role in services.catalogue.source.roles if role.code in roles]
    raise Problem(
        "forbidden",
        detail_zh=f"{act_zh}须有以下角色之一:{'、'.join(role.zh for role in named)};请由有此角色的人处理。",
        detail_en=f"{act_en} needs one of these roles: {', '.join(role.en for role in named)}; "
        "ask someone who has one.",
    )
