"""Duplicates that are made one, what phones still write of the one that went, and such links taken back."""

from __future__ import annotations

from random import Random
from uuid import UUID

from sync.device import VisibleItem
from sync.resolve import Choice
from tests.machine.city import City
from tests.machine.desks import settle
from tests.machine.handset import Handset
from tests.machine.rules import rule, tell, writers
from tests.machine.writing import create, edit, home, maybe_seal

_FIELDS = ("address", "owner_name", "owner_phone")
_TWINS = """
SELECT c.id, c.item_id AS loser, h.item_id AS winner
FROM conflict c JOIN unique_hint h ON h.claim = c.hint JOIN item i ON i.id = c.item_id JOIN item w ON w.id = h.item_id
WHERE c.kind = 'duplicate' AND c.state = 'open' AND c.group_id IS NULL AND w.id <> i.id AND NOT i.deleted
    AND NOT w.deleted AND w.grid_id IS NOT NULL
ORDER BY c.opened_at, c.set_no, c.set_index, c.id
"""


@rule(5)
async def link(city: City, chance: Random) -> bool:
    """A duplicate is made one with the item that was there; some that somebody has in his hand come first."""
    rows = await city.rows(_TWINS)
    if not rows:
        return False
    in_hand = {one.id for phone in writers(city) if not phone.online for one in phone.device.items()}
    row = chance.choice([one for one in rows if one["loser"] in in_hand] or rows)
    done = await settle(city, row["id"], Choice("link", link=row["winner"]))
    if done:
        city.told.links[row["loser"]] = row["winner"]
        city.told.linked.setdefault(row["loser"], set()).add(row["winner"])
    tell(city, f"{row['loser']} with {row['winner']} {done}")
    return done


@rule(5)
async def undo_link(city: City, chance: Random) -> bool:
    """Two that were made one are two again, unless the winner has taken edits over."""
    rows = await city.rows(
        "SELECT id, item_id FROM conflict WHERE take = 'link' AND state = 'resolved' "
        "ORDER BY resolved_at, set_no, set_index, id"
    )
    if not rows:
        return False
    row = chance.choice(rows)
    done = await settle(city, row["id"], None)
    if done:
        del city.told.links[row["item_id"]]
    tell(city, f"{row['item_id']} {done}")
    return done


@rule(9)
async def edit_loser(city: City, chance: Random) -> bool:
    """What went when two were made one, on a phone that does not know it yet."""
    phone, item = _in_hand(city, chance)
    if phone is None or item is None:
        return False
    edit(city, phone, item, chance.choice(_FIELDS))
    maybe_seal(phone, chance)
    tell(city, f"{item.id} on {phone.number}")
    return True


@rule(6)
async def delete_loser(city: City, chance: Random) -> bool:
    phone, item = _in_hand(city, chance)
    if phone is None or item is None:
        return False
    phone.device.delete_item(item.id, phone.here(chance))
    city.write(phone, "delete", item.id, {"": None})
    phone.seal(chance)
    tell(city, f"{item.id} on {phone.number}")
    return True


@rule(6)
async def refer_to_loser(city: City, chance: Random) -> bool:
    """A resident of a house that is another one by now."""
    phone, item = _in_hand(city, chance)
    if phone is None or item is None:
        return False
    create(city, phone, "0101", home(phone, chance), dwelling=str(item.id))
    phone.seal(chance)
    tell(city, f"{item.id} on {phone.number}")
    return True


def _in_hand(city: City, chance: Random) -> tuple[Handset | None, VisibleItem | None]:
    """A loser that somebody still sees, and his phone."""
    losers: set[UUID] = set(city.told.links)
    able = [(phone, one) for phone in writers(city) for one in phone.device.items() if one.id in losers]
    able = [(phone, one) for phone, one in able if one.type == "0102"]
    return chance.choice(able) if able else (None, None)
