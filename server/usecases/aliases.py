"""The id of a loser leads to its winner, for whoever may read both: nobody learns of a twin outside his area."""

from __future__ import annotations

from uuid import UUID

from server.db import links, reading
from server.db.database import Connection
from server.db.reading import Grants


async def winner_in_sight(connection: Connection, item_id: UUID, grants: Grants) -> UUID | None:
    """The item at the end of a loser's way; None for what is no loser, or where the grants do not reach both."""
    found = await links.winners_of(connection, [item_id])
    if not found:
        return None
    winner, _ = found[item_id]
    near = await reading.items_within(connection, [item_id], grants)
    return winner if near and await reading.readable_items(connection, [winner], grants) else None
