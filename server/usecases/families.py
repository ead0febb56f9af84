"""Items that persons found to be one thing: the winner and all of its losers, over any number of links."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from server.db import items, links
from server.db.database import Row, Transaction


class Families(Struct, frozen=True):
    """Items with all that are one with them, locked wholly. `members`: by item the ids of all that are one with it."""

    members: dict[UUID, set[UUID]]
    rows: dict[UUID, Row]

    def rows_of(self, item_id: UUID) -> list[Row]:
        """The rows of an item's family that are not erased, in the order of ids."""
        members = (self.rows[one] for one in sorted(self.members[item_id]))
        return [row for row in members if row["erased_at"] is None]


async def lock_families(tx: Transaction, item_ids: Sequence[UUID]) -> Families:
    """Lock items and look again at who is one with them; whoever links or parts locks both, so then nobody else is."""
    rows: dict[UUID, Row] = {}
    asked: set[UUID] = set()
    while True:
        members = await links.families_of(tx.connection, item_ids)
        missing = set[UUID]().union(*members.values()) - asked
        if not missing:
            return Families(members, rows)
        for row in await items.lock_items(tx.connection, sorted(missing), wholly=True):
            rows[row["id"]] = row
        asked |= missing
