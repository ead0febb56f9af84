"""Working out anew what items are found by, refer to and claim: for those stored before, or after the rules changed."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from msgspec import Struct

from server.db import audit, searching
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.claiming import fill_claims
from server.usecases.reasons import checked_reason
from server.usecases.sealed_items import Vault
from server.usecases.searching import store_terms
from server.usecases.sessions import Caller

ROLE = "administrator"
_BATCH = 500


class Indexed(Struct, frozen=True):
    """How many items were looked at."""

    items: int
    missing_only: bool


async def index_items(services: Services, caller: Caller, reason: str, *, missing_only: bool) -> Indexed:
    """Batch by batch, each in a transaction of its own; it may be interrupted and run again.

    No value is shown to anybody. Raises Problem: reason_needed, forbidden.
    """
    told = checked_reason(reason)
    if ROLE not in caller.roles or caller.revoked:
        raise Problem("forbidden")
    count, after = 0, None
    while True:
        done = await services.database.write(partial(_batch, services=services, after=after, missing_only=missing_only))
        count += len(done)
        if len(done) < _BATCH:
            break
        after = done[-1]
    indexed = Indexed(count, missing_only)
    await services.database.write(
        lambda tx: audit.record(
            tx.connection,
            caller.user_id,
            "item.index",
            "item",
            "-",
            told,
            {"items": count, "missing_only": missing_only},
            caller.request_id,
        )
    )
    return indexed


async def _batch(tx: Transaction, services: Services, after: UUID | None, *, missing_only: bool) -> list[UUID]:
    vault = Vault(services.keyring, services.catalogue)
    rows = await searching.items_to_index(tx.connection, after, _BATCH, missing_only=missing_only)
    heads = [vault.open_item(row, vault.secret(row)) for row in rows]
    await store_terms(tx, services, heads)
    await fill_claims(tx, services, heads)
    return [row["id"] for row in rows]
