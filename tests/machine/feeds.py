"""I3, I4 and I6 at rest: the feeds say what the items say, and every phone holds what a fresh one pulls."""

from __future__ import annotations

from functools import reduce
from hashlib import sha256
from operator import xor
from struct import pack
from typing import Any
from uuid import UUID

from tests.machine.books import holds
from tests.machine.city import City
from tests.machine.handset import Handset
from tests.machine.hearing import sync

Members = dict[UUID, tuple[int, int, int]]
"""By object (version, rev as the database has it, touch)."""

# The streams of an item, by what its row says.
_ITEMS = """
SELECT 'own/' || author_id AS key, id, version, rev, touch FROM item
WHERE NOT deleted AND (in_own_stream OR stream_class = 'author' OR grid_id IS NULL)
UNION ALL
SELECT CASE stream_class WHEN 'grid_restricted' THEN 'restricted/' ELSE 'grid/' END || grid_id, id, version, rev, touch
FROM item WHERE NOT deleted AND stream_class <> 'author' AND grid_id IS NOT NULL
"""
_NOTICES = "SELECT 'own/' || user_id AS key, id, version FROM notice WHERE open"
_FEED = """
SELECT s.key, f.object_id, f.kind, f.position, f.version, f.rev, f.touch, f.hash
FROM feed f JOIN stream s ON s.id = f.stream_id WHERE f.present
"""


async def the_feed_says_what_the_items_say(city: City) -> None:
    """Every item is in exactly the streams that its row names, at its present revision and touch."""
    wanted = {(row["key"], row["id"]): (row["version"], row["rev"], row["touch"]) for row in await city.rows(_ITEMS)}
    notices = {(row["key"], row["id"]) for row in await city.rows(_NOTICES)}
    rows = await city.rows(_FEED)
    there = {(r["key"], r["object_id"]): (r["version"], r["rev"], r["touch"]) for r in rows if r["kind"] == "item"}
    wrong = {at for at in wanted.keys() | there.keys() if wanted.get(at) != there.get(at)}
    holds("I3", not wrong, "the feed holds what the items say", sorted(map(str, wrong))[:3])
    told = {(row["key"], row["object_id"]) for row in rows if row["kind"] != "item"}
    holds(
        "I4",
        told == notices,
        "an open notice is in its own reader's stream alone",
        sorted(map(str, told ^ notices))[:3],
    )


async def streams_add_up(city: City) -> None:
    """Hashes by the formula of the protocol, digests, and positions that are nobody else's."""
    digests: dict[str, int] = {}
    for row in await city.rows(_FEED):
        hashed = _hash(row["object_id"], row["version"], row["rev"], row["touch"])
        holds("I6", hashed == row["hash"] % 2**64, "an entry's hash is the protocol's", row["key"], row["object_id"])
        digests[row["key"]] = digests.get(row["key"], 0) ^ hashed
    for row in await city.rows("SELECT key, head, digest, id FROM stream"):
        holds("I6", digests.get(row["key"], 0) == row["digest"] % 2**64, "a digest is that of its entries", row["key"])
    beyond = await city.rows("SELECT s.key FROM feed f JOIN stream s ON s.id = f.stream_id WHERE f.position > s.head")
    holds("I3", not beyond, "no position is beyond its stream's head", beyond)


def _hash(object_id: UUID, version: int, rev: int, touch: int) -> int:
    packed = object_id.bytes + pack(">QQQ", version, rev % 2**64, touch)
    return int.from_bytes(sha256(packed).digest()[:8], "big")


async def phones_agree_with_the_server(city: City) -> None:
    """Each stream that a phone may have has the server's digest, and there is no other stream on it."""
    for phone in _readers(city):
        scope = city.scope(phone)
        held = set(phone.device.memberships())
        holds("I4", held == scope, "a phone at rest holds the streams of its scope", phone.number, held ^ scope)
        for key, members in phone.device.memberships().items():
            hashes = [_hash(one, m.version, int(m.rev, 16), m.touch) for one, m in members.items()]
            same = reduce(xor, hashes, 0) == await city.digest(key) == int(phone.device.digest(key), 16)
            holds("I6", same, "a phone at rest has the server's digest", phone.number, key)
        await _nothing_is_new(city, phone)


async def _nothing_is_new(city: City, phone: Handset) -> None:
    if phone.device.mark is not None:
        headers = {"Authorization": phone.headers["Authorization"]}
        answer = await city.house.client.get("/v1/exchange", params={"mark": phone.device.mark}, headers=headers)
        holds("I3", answer.status_code == 204, "at rest nothing is new", phone.number, answer.text)


async def phones_hold_what_a_fresh_pull_gives(city: City) -> None:
    """The same memberships, the same bodies, the same notices."""
    fresh: dict[UUID, Any] = {}
    for phone in _readers(city):
        if phone.person.id not in fresh:
            fresh[phone.person.id] = await _fresh(city, phone)
        _compare(phone, fresh[phone.person.id])


async def _fresh(city: City, phone: Handset) -> Handset:
    """Another phone of the same person, which has pulled all there is."""
    other = await city.give_phone(phone.person)
    city.phones.remove(other)
    await sync(city, other)
    return other


def _compare(phone: Handset, fresh: Handset) -> None:
    ours, theirs = phone.device.memberships(), fresh.device.memberships()
    differing = [key for key in theirs if ours.get(key) != theirs[key]]
    holds("I3", not differing, "a phone holds the memberships that a fresh pull gives", phone.number, differing)
    for members in theirs.values():
        for one in members:
            differing = _differing(phone.state.items.get(one), fresh.state.items.get(one))
            holds("I3", not differing, "a phone holds the bodies that a fresh pull gives", phone.number, one, differing)
            differing = _differing(phone.state.notices.get(one), fresh.state.notices.get(one))
            what = "a phone holds the notices that a fresh pull gives"
            holds("I3", not differing, what, phone.number, one, differing, str(members[one]))


def _differing(ours: Any, theirs: Any) -> dict[str, tuple[Any, Any]]:
    """What differs between two bodies."""
    if ours is None or theirs is None:
        return {} if ours is theirs else {"body": (ours, theirs)}
    # A grid's new code comes with the map: that it bears another one is no change of its items.
    both = {name: (getattr(ours, name), getattr(theirs, name)) for name in ours.__struct_fields__ if name != "code"}
    return {name: (one, other) for name, (one, other) in both.items() if one != other}


def _readers(city: City) -> list[Handset]:
    """Phones that are given anything at all."""
    return [one for one in city.phones if city.scope(one)]
