"""Stores what a change set creates: a new item with all that belongs to it in one statement."""

from __future__ import annotations

from collections.abc import Sequence

from server.db import new_items
from server.db.database import Transaction
from server.db.new_items import NewItem, Origin, Ways
from server.services import Services
from server.usecases.decided_set import DecidedSet
from server.usecases.loading import Loaded
from server.usecases.searching import terms_of
from sync.clocks import skew_seconds
from sync.decisions import Revision
from sync.feed import signed64


async def store_new_items(
    tx: Transaction,
    services: Services,
    loaded: Loaded,
    decided: DecidedSet,
    revisions: Sequence[tuple[int, Revision]],
    ways: Ways,
) -> None:
    """Write items whose only revision is this creation; `revisions`: with their places in the set, `ways`: of each."""
    if not revisions:
        return
    closed = bytearray()
    rows = [
        _row(services, loaded, decided, index, revision, place, closed)
        for (index, revision), place in zip(revisions, ways.places, strict=True)
    ]
    registry = loaded.context.registry.version
    origin = Origin(
        decided.author_id, decided.device_id, decided.epoch, decided.no, decided.catalogue, registry, decided.at
    )
    await new_items.insert_new_items(tx.connection, rows, bytes(closed), ways.alike, origin)


def _row(
    services: Services,
    loaded: Loaded,
    decided: DecidedSet,
    index: int,
    revision: Revision,
    place: int | None,
    closed: bytearray,
) -> NewItem:
    """One item; its bytes are added to `closed`."""
    item, change = revision.after, decided.changes[index]
    capture = change[0].capture if change else None
    key = loaded.new_keys[item.id]
    clear, sealed, revision_sealed = loaded.vault.close_new(item, key, capture)
    compiled, community = services.catalogue.types[item.type], services.registry.community(item.grid_id)
    begins = len(closed) + 1
    sealed_begins = begins + len(key.wrapped)
    revision_begins = sealed_begins + len(sealed)
    closed += key.wrapped + sealed + revision_sealed
    return NewItem(
        item.id,
        item.type,
        item.grid_id,
        item.stream_class,
        item.in_own_stream,
        signed64(item.rev),
        item.urgency,
        clear,
        index,
        "\n".join(sorted(revision.fields)),
        revision.derivation,
        item.captured_at,
        skew_seconds(capture, item.captured_at) if capture else None,
        "\n".join(terms_of(services.keyring, compiled, item.fields, community)),
        place,
        begins,
        sealed_begins,
        revision_begins,
        len(closed) + 1,
    )
