"""Stores what a change set creates: a new item's key, head, first revision and search terms in one statement."""

from __future__ import annotations

from collections.abc import Sequence

from server.db import new_items
from server.db.database import Transaction
from server.db.new_items import Closed, NewItem, Origin
from server.services import Services
from server.usecases.decided_set import DecidedSet
from server.usecases.loading import Loaded
from server.usecases.searching import terms_of
from sync.clocks import skew_seconds
from sync.decisions import Revision
from sync.feed import signed64


async def store_new_items(
    tx: Transaction, services: Services, loaded: Loaded, decided: DecidedSet, revisions: Sequence[tuple[int, Revision]]
) -> None:
    """Write items whose only revision is this creation; `revisions`: with their places in the set."""
    if not revisions:
        return
    made = [_row(services, loaded, decided, index, revision) for index, revision in revisions]
    rows, closed = zip(*made, strict=True)
    registry = loaded.context.registry.version
    origin = Origin(
        decided.author_id, decided.device_id, decided.epoch, decided.no, decided.catalogue, registry, decided.at
    )
    await new_items.insert_new_items(tx.connection, rows, closed, origin)


def _row(
    services: Services, loaded: Loaded, decided: DecidedSet, index: int, revision: Revision
) -> tuple[NewItem, Closed]:
    item, change = revision.after, decided.changes[index]
    capture = change[0].capture if change else None
    secret = loaded.context.secrets[item.id]
    clear, sealed = loaded.vault.close_fields(item, secret)
    _, revision_sealed = loaded.vault.close_revision(item, item.fields, capture, secret)
    compiled, community = services.catalogue.types[item.type], services.registry.community(item.grid_id)
    row = NewItem(
        id=item.id,
        type=item.type,
        grid_id=item.grid_id,
        stream_class=item.stream_class,
        in_own_stream=item.in_own_stream,
        rev=signed64(item.rev),
        urgency=item.urgency,
        clear=clear,
        set_index=index,
        fields="\n".join(sorted(revision.fields)),
        derivation=revision.derivation,
        captured_at=item.captured_at,
        skew=skew_seconds(capture, item.captured_at) if capture else None,
        terms="\n".join(terms_of(services.keyring, compiled, item.fields, community)),
    )
    return row, Closed(loaded.new_keys[item.id].wrapped, sealed, revision_sealed)
