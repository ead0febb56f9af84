"""I1, I2, I5, I10, I12 and I13 at rest: receipts, sets and acts as the present life of the database knows them."""

from __future__ import annotations

from collections import Counter
from hashlib import md5
from itertools import pairwise
from typing import Any
from uuid import UUID

from msgspec.json import decode

from schemas.wire import Receipt
from tests.builders import TYPES
from tests.machine.books import holds
from tests.machine.city import City


async def receipts_are_there(city: City) -> None:
    """Every receipt that was ever given in this life stands in the database, and every phone's too."""
    rows = await city.rows("SELECT device_id, no, encode(hash, 'hex') AS hash FROM change_set")
    stored = {(row["device_id"], row["no"]): row["hash"] for row in rows}
    rows = await city.rows("SELECT device_id, no, encode(hash, 'hex') AS hash FROM forked_set")
    forked = {tuple(row.values()) for row in rows}
    for device, no, hashed in city.told.receipts:
        known = stored.get((device, no)) == hashed or (device, no, hashed) in forked
        holds("I1", known, "what has a receipt is in the database", device, no)
    for phone in city.phones:
        for no, sealed in phone.state.outbox.items():
            if sealed.receipt is not None and sealed.raw:
                known = stored.get((phone.device_id, no)) == sealed.hash
                holds("I1", known, "what a phone has a receipt for is in the database", phone.number, no)


async def sets_have_one_effect_in_order(city: City) -> None:
    """Numbers without a gap, each used once, over all epochs; revisions of one device in the order of its sets."""
    numbers: dict[Any, list[int]] = {}
    for row in await city.rows("SELECT device_id, no FROM change_set ORDER BY device_id, no"):
        numbers.setdefault(row["device_id"], []).append(row["no"])
    for device, used in numbers.items():
        holds("I10", used == list(range(1, len(used) + 1)), "numbers have no gap and no double", device, used[-5:])
    effects = Counter(
        tuple(row.values())
        for row in await city.rows("SELECT device_id, set_no, set_index FROM revision WHERE set_no IS NOT NULL")
    )
    twice = [one for one, times in effects.items() if times > 1]
    holds("I2", not twice, "a change has one effect", twice[:3])
    rows = await city.rows(
        "SELECT item_id, device_id, set_no, set_index FROM revision WHERE set_no IS NOT NULL AND device_id IS NOT NULL "
        # What a person released comes when he released it.
        "AND NOT coalesce(derivation ? 'released', false) "
        "ORDER BY item_id, device_id, version"
    )
    for one, other in pairwise(rows):
        if (one["item_id"], one["device_id"]) == (other["item_id"], other["device_id"]):
            ordered = (one["set_no"], one["set_index"]) < (other["set_no"], other["set_index"])
            holds("I10", ordered, "a device's changes are taken in its order", one["item_id"], one["device_id"])


async def conflicts_are_there(city: City) -> None:
    """Every conflict that a receipt names, about the item of the change or one that it was made one with."""
    rows = await city.rows("SELECT id, item_id, linked_from FROM conflict")
    known = {row["id"]: (row["item_id"], row["linked_from"]) for row in rows}
    for said in city.told.receipts.values():
        for one in decode(said, type=Receipt).outcomes:
            if one.conflict is None or one.item is None:
                continue
            item = UUID(one.item)
            about, named = known.get(one.conflict, (None, None))
            linked = about in city.told.ever_stood_for(item) and named == item
            holds("I5", about == item or linked, "a change that is parked waits in its conflict", one, about, named)


async def no_step_waits_for_what_is_there(city: City) -> None:
    """A step that nobody but its author has to do with is taken once its photos are verified, and then the review."""
    rows = await city.rows(
        "SELECT c.id, c.step ->> 'code' AS code, i.type, s.urgency, r.state AS review, "
        "  count(DISTINCT (l.sha256, l.size)) FILTER (WHERE l.role = 'report') AS before, "
        "  count(DISTINCT (l.sha256, l.size)) FILTER (WHERE l.role = 'close') AS after "
        "FROM conflict c JOIN item i ON i.id = c.item_id JOIN cases s ON s.item_id = c.item_id "
        "LEFT JOIN review r ON r.item_id = c.item_id "
        "LEFT JOIN (evidence_link l JOIN evidence e USING (sha256, size)) ON l.item_id = c.item_id "
        "  AND e.state = 'verified' AND (l.role = 'report' OR s.reopened_at IS NULL OR l.linked_at > s.reopened_at) "
        "  AND (l.role = 'close' OR i.clear -> 'photos' @> jsonb_build_array(jsonb_build_object( "
        "    'sha256', encode(l.sha256, 'hex')))) "
        "WHERE c.state = 'open' AND c.kind = 'late_transition' AND c.version = 1 AND c.fields = '{}' "
        "  AND c.group_id IS NULL AND NOT i.deleted AND i.grid_id IS NOT NULL AND s.state = c.step ->> 'leaves' "
        "  AND (c.step ->> 'since')::timestamptz "
        "    = greatest(s.opened_at, s.dispatched_at, s.signed_at, s.handled_at) "
        "GROUP BY c.id, i.id, s.item_id, r.item_id"
    )
    for row in rows:
        photos = TYPES[row["type"]].photo
        at_once = photos.report_min_by_urgency.get(row["urgency"], photos.report_min)
        report = max(at_once, photos.follow_min if photos.may_follow else 0)
        verified = row["before"] >= report and row["after"] >= photos.close_min
        there = {"evidence_not_verified": verified, "review_pending": verified and row["review"] == "approved"}
        holds("I5", not there.get(row["code"], False), "no step waits for what is there", row["id"], row["code"])


async def notices_are_of_what_is_open(city: City) -> None:
    """Each ends with what it is about, and none is lacking; what asks for nothing is its reader's to put away."""
    wrong = await city.rows(
        "SELECT n.id, n.code, n.open FROM notice n JOIN item i ON i.id = n.item_id "
        "LEFT JOIN conflict c ON c.id = n.conflict_id LEFT JOIN review r ON r.item_id = n.item_id "
        "WHERE n.code <> 'released' AND n.open <> CASE n.code "
        "  WHEN 'returned' THEN r.state = 'returned' AND r.answers = n.user_id AND NOT i.deleted "
        "  ELSE c.state = 'open' AND c.author_id = n.user_id AND (c.kind = 'duplicate') = (n.code = 'duplicate') END"
    )
    holds("I3", not wrong, "a notice is open while what it is about is", *[dict(one) for one in wrong[:3]])
    lacking = await city.rows(
        "SELECT c.id, c.kind FROM conflict c WHERE c.state = 'open' "
        "AND NOT EXISTS (SELECT FROM notice n WHERE n.id = c.id AND n.open) "
        "UNION ALL SELECT r.item_id, 'returned' FROM review r JOIN item i ON i.id = r.item_id "
        "WHERE r.state = 'returned' AND NOT i.deleted AND NOT EXISTS "
        "  (SELECT FROM notice n WHERE n.item_id = r.item_id AND n.code = 'returned' AND n.open)"
    )
    holds("I3", not lacking, "what waits for somebody is told to him", *[dict(one) for one in lacking[:3]])
    for phone in city.phones:
        left = phone.state.put_away if city.scope(phone) else {}
        holds("I6", not left, "what was put away is gone once the phone has exchanged", phone.number, left)


async def links_are_those_that_were_made(city: City) -> None:
    """Each item that was made one with another, and none whose link was taken back."""
    rows = await city.rows("SELECT loser, winner FROM item_link")
    found = {row["loser"]: row["winner"] for row in rows}
    holds("I5", found == city.told.links, "the links are those that were made", found.items() ^ city.told.links.items())


async def acts_are_audited(city: City) -> None:
    """Each act has its row, as often as it was done, and no row ever changes or goes."""
    rows = await city.rows("SELECT id, action, subject_id, actor_id, reason, t::text AS whole FROM audit t ORDER BY id")
    found = Counter((row["action"], row["subject_id"]) for row in rows)
    found.update(Counter(("epoch.begun", "") for row in rows if row["action"] == "epoch.begun"))
    wanted = Counter((act.action, act.subject) for act in city.told.acts)
    missing = [act for act, times in wanted.items() if found[act] < times]
    holds("I13", not missing, "every act is in the audit trail", missing[:3])
    by = {(row["action"], row["subject_id"], row["actor_id"]) for row in rows}
    nobody = [act for act in city.told.acts if act.actor and tuple(act) not in by]
    holds("I13", not nobody, "the audit trail names who acted", nobody[:3])
    mute = [row["action"] for row in rows if row["action"].startswith("conflict.") and not row["reason"]]
    holds("I13", not mute, "the audit trail says why", mute[:3])
    last, seen = city.audit_seen
    before = _sum(row["whole"] for row in rows if row["id"] <= last)
    holds("I13", not last or before == seen, "the audit trail is only added to")
    city.audit_seen = (rows[-1]["id"], _sum(row["whole"] for row in rows)) if rows else (0, "")


def _sum(texts: Any) -> str:
    return md5("\n".join(texts).encode(), usedforsecurity=False).hexdigest()


async def epochs_are_told(city: City) -> None:
    """One for each restore and one for the beginning."""
    number = await city.house.truth.fetchval("SELECT count(*) FROM epoch")
    holds("I12", number == city.told.epochs, "an epoch for each life", number, city.told.epochs)
