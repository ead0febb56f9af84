"""The part of the registry that a caller works with."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import convert, json

from schemas.accounts import GridView, MicroGridView, RegistryView
from schemas.grid_code import micro_grid_code, printed
from server.db import registry
from server.services import Services
from server.usecases.sessions import Caller
from sync.access import Assignment, division_prefix


class RegistryAnswer(NamedTuple):
    """The encoded `RegistryView` and the entity tag of its bytes."""

    body: bytes
    etag: str


class Scope(NamedTuple):
    """Grids that are named, and divisions of which every grid belongs to it."""

    grid_ids: list[UUID]
    prefixes: list[str]


def scope_of(assignments: Iterable[Assignment]) -> Scope:
    """The territory of a person: grids he is assigned to, divisions whose office he belongs to."""
    held = tuple(assignments)
    grid_ids = {one.grid_id for one in held if one.grid_id is not None}
    divisions = {one.division for one in held if one.grid_id is None and one.division is not None}
    return Scope(sorted(grid_ids), sorted(division_prefix(division) for division in divisions))


async def registry_of(services: Services, caller: Caller, since: int | None = None) -> RegistryAnswer:
    """The current grids of the caller's territory; with `since`, those that changed after that registry version.

    A version that is not known here, as after a restore, is answered with all of them.
    """
    scope = scope_of(caller.assignments)
    async with services.database.read() as connection:
        version = await registry.current_version(connection)
        known = since if since is not None and since <= version else None
        grids = await registry.grids_of_area(connection, *scope, known or 0)
        ids = await registry.scope_of_area(connection, *scope)
    body = json.encode(RegistryView(version, known, ids, [view_of(grid) for grid in grids]))
    return RegistryAnswer(body, f'"{sha256(body).hexdigest()[:32]}"')


def view_of(grid: dict[str, Any]) -> GridView:
    """A row of `grids_of_area` as it is sent."""
    micro_grids = [
        MicroGridView(micro_grid_code(grid["code"], one["serial"]), one["name"]) for one in grid["micro_grids"]
    ]
    return convert(grid | {"printed": printed(grid["code"]), "micro_grids": micro_grids}, GridView)
