"""Asks of many items at once which grid they belong to since the registry changed: for a plan, and when it is carried
out.

The values that tell it may be sealed: they are opened here in memory, and only the grid leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec import convert
from msgspec.structs import replace

from schemas.wire import Capture
from server.db import registry_moves
from server.db.database import Connection, Row
from server.sealing import unseal_values
from server.services import Services
from server.usecases.sealed_items import Vault
from sync.items import Fields
from sync.registry_changes.succession import (
    Clues,
    Referred,
    Succession,
    Verdict,
    grid_reference,
    own_position,
    place_of_deleted,
    told_by,
)
from sync.territory import Fix


class Subject(NamedTuple):
    """An item to be followed: its row with `id`, `type` and `grid_id`, its key, and its fields.

    Of a plan only those fields need to be there that its type tells the grid from.
    """

    row: Row
    secret: bytes
    fields: Fields


class Follower:
    """Follows the items of one registry version into their new grids."""

    def __init__(self, services: Services, succession: Succession, version: int) -> None:
        self.succession = succession
        self._types = services.catalogue.types
        self._vault = Vault(services.keyring, services.catalogue)
        self._version = version
        self._told_by = {code for compiled in self._types.values() for code in told_by(compiled)}
        self._planned: dict[UUID, Referred] = {}

    def subject(self, row: Row) -> Subject:
        """An item by its row, opened only if something that tells its grid is sealed."""
        compiled, secret = self._types[row["type"]], self._vault.secret(row)
        sealed = any(key in compiled.marked for key in compiled.territory.values())
        return Subject(row, secret, self._vault.open_fields(row, secret) if sealed else row["clear"])

    async def follow(self, connection: Connection, subjects: Sequence[Subject]) -> list[Verdict]:
        """The grid of each, in their order."""
        clues = await self._clues(connection, subjects)
        verdicts = [self.succession.follow(one) for one in clues]
        left = [at for at, one in enumerate(verdicts) if one.grid_id is None and "capture" in clues[at].sources]
        captures = await self._captures(connection, [subjects[at] for at in left])
        for at, fix in zip(left, captures, strict=True):
            if fix is not None:
                (ground,) = self.succession.ground([fix])
                verdicts[at] = self.succession.follow(replace(clues[at], capture=ground))
        return verdicts

    def plan(self, subjects: Sequence[Subject], verdicts: Sequence[Verdict]) -> None:
        """Let what refers to these items see where they would be."""
        for one, verdict in zip(subjects, verdicts, strict=True):
            if one.row["type"] in self._told_by:
                self._planned[one.row["id"]] = self._referred_to(one.row, verdict)

    def _referred_to(self, row: Row, verdict: Verdict) -> Referred:
        former: UUID = row["grid_id"]
        if row["deleted"]:
            return Referred(place_of_deleted(former, verdict, self.succession.successors(former)))
        return Referred(verdict.grid_id, former if verdict.grid_id != former else None)

    async def _clues(self, connection: Connection, subjects: Sequence[Subject]) -> list[Clues]:
        compiled = [self._types[one.row["type"]] for one in subjects]
        fixes = [own_position(kind, one.fields) for kind, one in zip(compiled, subjects, strict=True)]
        known = iter(self.succession.ground([fix for fix in fixes if fix is not None]))
        named = [grid_reference(kind, one.fields) for kind, one in zip(compiled, subjects, strict=True)]
        referred = await self._referred(connection, {item_id for item_id in named if item_id is not None})
        return [
            Clues(
                grid_id=one.row["grid_id"],
                sources=tuple(kind.territory),
                point=next(known) if fix is not None else None,
                reference=referred.get(item_id) if item_id is not None else None,
            )
            for one, kind, fix, item_id in zip(subjects, compiled, fixes, named, strict=True)
        ]

    async def _referred(self, connection: Connection, item_ids: set[UUID]) -> dict[UUID, Referred]:
        known = {item_id: self._planned[item_id] for item_id in item_ids & self._planned.keys()}
        missing = sorted(item_ids - known.keys())
        if missing:
            for row in await registry_moves.referred_grids(connection, missing, self._version):
                known[row["id"]] = Referred(row["grid_id"], row["taken_from"])
        return known

    async def _captures(self, connection: Connection, subjects: Sequence[Subject]) -> list[Fix | None]:
        """Where the author of each stood when he created it."""
        if not subjects:
            return []
        rows = await registry_moves.first_revisions(connection, [one.row["id"] for one in subjects])
        sealed = {row["item_id"]: row["sealed"] for row in rows}
        return [_position(one, sealed.get(one.row["id"])) for one in subjects]


def _position(subject: Subject, sealed: bytes | None) -> Fix | None:
    values = unseal_values(subject.secret, subject.row["id"].bytes, sealed)
    capture = convert(values["capture"], Capture) if values.get("capture") else None
    place = capture.position if capture else None
    return Fix(place.lon, place.lat, place.crs, place.accuracy) if place else None
