"""The terms that an item is found by, as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.forms import CompiledType
from server.db import searching as rows
from server.db.database import Transaction
from server.sealing import Keyring
from server.services import Services
from sync import searching
from sync.items import ItemState

_PURPOSE = "search"
_TAG = "# "
"""No pair of characters has a blank."""


def terms_of(
    keyring: Keyring, compiled_type: CompiledType, fields: Mapping[str, Any], community: str | None
) -> list[str]:
    """What an item with these fields is found by: pairs of its clear text, blind indexes of its marked values.

    `community` is the 12-digit code of the community that its grid lies in, None for an item without a grid.
    """
    plan = searching.plan_of(compiled_type)
    terms = keyring.tags(_PURPOSE, searching.facts(plan, fields, community), _TAG)
    if plan.clear:
        terms += sorted(searching.clear_pairs(plan, fields))
    return terms


async def store_terms(tx: Transaction, services: Services, heads: Sequence[ItemState]) -> None:
    """What these new heads of items are found by; a deleted one is found no more."""
    await rows.upsert_terms(tx.connection, [_row(services, item) for item in heads])


def _row(services: Services, item: ItemState) -> dict[str, Any]:
    if item.deleted:
        return {"item_id": item.id, "terms": None}
    community = services.registry.community(item.grid_id)
    terms = terms_of(services.keyring, services.catalogue.types[item.type], item.fields, community)
    return {"item_id": item.id, "terms": terms}


def tag(keyring: Keyring, fact: str) -> str:
    """The blind index of a fact, which tells nothing to whoever has not the key."""
    return keyring.tags(_PURPOSE, [fact], _TAG)[0]
