"""Of a change set that names items which were linked with others, the items to which it belongs.

Only what is deleted can be a loser, so that a set which names nothing deleted asks nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.wire import Change
from server.db import items, links
from server.db.database import Row, Transaction
from server.usecases.referring import references_from
from sync.decisions import Link, Reference
from sync.items import ItemState


class Linked(Struct, frozen=True):
    """Links by loser; the rows of winners that the set changes, locked; winners that it refers to.

    `erased`: losers whose winner was erased, so that nothing is left of them either.
    """

    links: Mapping[UUID, Link] = {}
    rows: Sequence[Row] = ()
    references: dict[UUID, Reference] = {}
    erased: frozenset[UUID] = frozenset()

    def followed(self, changes: Sequence[Change]) -> Sequence[Change]:
        """The changes by the items to which they belong."""
        if not self.links:
            return changes
        return [replace(one, item=self.links[one.item].winner) if one.item in self.links else one for one in changes]


_NONE = Linked()


async def load_linked(
    tx: Transaction, states: Mapping[UUID, ItemState], references: Mapping[UUID, Reference]
) -> Linked:
    """Follow the links of what a set names (`states`, locked) and refers to.

    A winner is locked after its loser, whatever their ids: two sets that wait for each other by that are retried.
    """
    gone = [item_id for item_id, state in states.items() if state.deleted]
    gone += [item_id for item_id, target in references.items() if target.deleted and item_id not in states]
    found = await links.winners_of(tx.connection, gone) if gone else {}
    if not found:
        return _NONE
    named = sorted({winner for loser, (winner, _) in found.items() if loser in states and winner not in states})
    rows = await items.lock_items(tx.connection, named, wholly=True)
    erased = {row["id"] for row in rows if row["erased_at"]}
    others = sorted({winner for winner, _ in found.values()} - erased)
    shared = await items.share_references(tx.connection, others)
    kept = {loser: Link(*way) for loser, way in found.items() if way[0] not in erased}
    return Linked(
        links=kept,
        rows=[row for row in rows if row["id"] not in erased],
        references=await references_from(tx.connection, shared),
        erased=frozenset(found.keys() - kept.keys()),
    )
