"""Publishing a catalogue: a document becomes the one that everything is decided by from then on.

    check it alone -> compare it with those before it -> count what it touches -> write, with the act

All of it happens behind one lock, which only another publisher waits for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas.catalogue import CURRENT, document
from schemas.forms import CatalogueFaulty, CompiledCatalogue, compile_catalogue
from schemas.previous import PREVIOUS, PreviousCatalogue
from server.db import audit, catalogue_usage, catalogues
from server.db.database import Connection, Transaction
from server.errors import CATALOGUE, Problem
from server.services import Services
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.access import tier_of
from sync.catalogue_diff import Difference, Version, breaking, differences
from sync.catalogue_publishing import hindrances

ROLES = frozenset({"administrator", "city_centre"})
"""Of the whole city: an administrator of a county decides for his county alone."""


class PublicationFault(Struct, frozen=True):
    """One thing that stands against a document, and where in it."""

    code: str
    place: str
    zh: str
    en: str


class Touched(Struct, frozen=True, kw_only=True):
    """Whom a publication touches.

    `types`: the item types that differ; `items`: how many there are of them; `offices`: organisations of their
    departments. `phones`: devices in use, which all learn of it; `behind`: those whose version is not taken any more.
    """

    types: list[str]
    items: int
    offices: int
    phones: int
    behind: int


class Publication(Struct, frozen=True, kw_only=True):
    """What a document changes against the current one, and whether it was published."""

    published: bool
    version: str | None
    before: str
    faults: list[PublicationFault]
    breaking: int = 0
    differences: list[Difference] = []
    touched: Touched | None = None


class _Compared(NamedTuple):
    """A sound document beside the current one."""

    compiled: CompiledCatalogue
    before: Version
    after: Version
    found: list[Difference]


async def try_publishing(services: Services, actor: Caller, written: bytes) -> Publication:
    """What publishing this would do; nothing is written. Raises Problem: forbidden."""
    _admit(actor)
    async with services.database.read() as connection:
        told, _ = await _weigh(connection, written)
    return told


async def publish_catalogue(services: Services, actor: Caller, written: bytes, reason: str) -> Publication:
    """Make this document the current catalogue, if nothing stands against it.

    Raises Problem: forbidden, reason_needed, parameter_invalid.
    """
    _admit(actor)
    why = checked_reason(reason)
    return await services.database.write(lambda tx: _publish(tx, actor, written, why))


async def document_of(services: Services, version: str) -> bytes | None:
    """The document of a version that was published here."""
    async with services.database.read() as connection:
        return await catalogues.document_of(connection, version)


def _admit(actor: Caller) -> None:
    held = (one for one in actor.assignments if one.role in ROLES and one.division)
    if actor.revoked or not any(tier_of(one.division or "") == "city" for one in held):
        raise Problem("forbidden")


async def _publish(tx: Transaction, actor: Caller, written: bytes, reason: str) -> Publication:
    await catalogues.lock_catalogues(tx.connection)
    told, compared = await _weigh(tx.connection, written)
    if compared is None or told.faults:
        return told
    if await catalogues.current_version(tx.connection) is None:
        for version in reversed((CURRENT, *PREVIOUS)):
            await catalogues.add(tx.connection, version, document(version), None, None)
    await catalogues.add(tx.connection, compared.after.name, written, actor.user_id, reason)
    await _record(tx, actor.user_id, compared, written, reason)
    return msgspec.structs.replace(told, published=True)


async def _record(tx: Transaction, by: UUID, compared: _Compared, written: bytes, reason: str) -> None:
    detail = {
        "before": compared.before.name,
        "differences": len(compared.found),
        "breaking": len(breaking(compared.found)),
        "sha256": hashlib.sha256(written).hexdigest(),
    }
    await audit.record(tx.connection, by, "catalogue.published", "catalogue", compared.after.name, reason, detail)


async def _weigh(connection: Connection, written: bytes) -> tuple[Publication, _Compared | None]:
    past = await catalogues.documents(connection) or [document(version) for version in (CURRENT, *PREVIOUS)]
    before = Version.of(past[0])
    try:
        compared = _compared(before, written, past)
    except CatalogueFaulty as faulty:
        faults = [PublicationFault("catalogue_faulty", one.path, one.zh, one.en) for one in faulty.faults]
        return Publication(published=False, version=None, before=before.name, faults=faults), None
    told = Publication(
        published=False,
        version=compared.after.name,
        before=before.name,
        faults=_faults(past, compared.after),
        breaking=len(breaking(compared.found)),
        differences=compared.found,
        touched=await _touched(connection, compared),
    )
    return told, compared


def _compared(before: Version, written: bytes, past: Sequence[bytes]) -> _Compared:
    """Raises CatalogueFaulty with every fault of the document."""
    compiled = compile_catalogue(written, [msgspec.json.decode(one, type=PreviousCatalogue) for one in past])
    after = Version.of(written)
    return _Compared(compiled, before, after, differences(before, after))


def _faults(past: Sequence[bytes], after: Version) -> list[PublicationFault]:
    found = hindrances([Version.of(one) for one in past], after)
    return [PublicationFault(one.code, one.place, CATALOGUE[one.code].zh, CATALOGUE[one.code].en) for one in found]


async def _touched(connection: Connection, compared: _Compared) -> Touched:
    types = sorted({one.type for one in compared.found if one.type})
    items = [one for version in (compared.before, compared.after) for one in version.items().values()]
    led = [one for one in items if one["code"] in types]
    departments = {name for one in led for name in (one["lead_department"], *one["assist_departments"])}
    devices = {row["catalogue"]: row["devices"] for row in await catalogue_usage.devices_by_catalogue(connection)}
    return Touched(
        types=types,
        items=await catalogues.count_items(connection, types),
        offices=await catalogues.count_offices(connection, departments),
        phones=sum(devices.values()),
        behind=sum(devices[one] for one in devices if one and one not in compared.compiled.accepted),
    )
