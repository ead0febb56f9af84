"""Which versions of the catalogue are still in use, and whether what they write is taken."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from schemas.forms import CompiledCatalogue
from schemas.previous import version_order
from server.db import catalogue_usage
from server.services import Services

Standing = Literal["current", "accepted", "kept", "unknown"]
"""Whether change sets of a version are taken: as they are, read as of today, or not any more; or it is no version."""


class VersionUsage(Struct, frozen=True, kw_only=True):
    """A version, the devices in use that last said it (None: those that said none), and the changes written by it."""

    version: str | None
    standing: Standing
    devices: int
    last_exchange: datetime | None
    changes: int
    last_change: datetime | None


class CatalogueUsage(Struct, frozen=True, kw_only=True):
    """All versions, the newest first; `held`: sets that wait because their version is not read."""

    current: str
    versions: list[VersionUsage]
    held: int


async def read_usage(services: Services) -> CatalogueUsage:
    """As it is now; the whole history is counted."""
    async with services.database.read() as connection:
        devices = {row["catalogue"]: row for row in await catalogue_usage.devices_by_catalogue(connection)}
        changes = {row["catalogue"]: row for row in await catalogue_usage.revisions_by_catalogue(connection)}
        held = await catalogue_usage.held_by_catalogue(connection)
    catalogue = services.catalogue
    known = {*devices, *changes, *catalogue.accepted}
    versions = [
        VersionUsage(
            version=version,
            standing=_standing(catalogue, version),
            devices=devices[version]["devices"] if version in devices else 0,
            last_exchange=devices[version]["last"] if version in devices else None,
            changes=changes[version]["changes"] if version in changes else 0,
            last_change=changes[version]["last"] if version in changes else None,
        )
        for version in sorted(known, key=lambda one: version_order(one or "") or (0, 0), reverse=True)
    ]
    return CatalogueUsage(current=catalogue.version, versions=versions, held=held)


def _standing(catalogue: CompiledCatalogue, version: str | None) -> Standing:
    if version == catalogue.version:
        return "current"
    if version in catalogue.accepted:
        return "accepted"
    return "kept" if version in catalogue.passages else "unknown"
