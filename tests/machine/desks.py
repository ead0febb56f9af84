"""What offices do meanwhile: posts, conflicts, reviews, cases, and phones that are to be given up."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from server.errors import Problem
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.devices import revoke_device
from server.usecases.directives import wipe_device
from server.usecases.leaving import leave, unassign
from server.usecases.orders import Order
from server.usecases.people import PostWish, assign
from server.usecases.quarantine_release import ReleaseOrder, release
from sync.resolve import Choice
from tests.builders import (
    CENTRE,
    CHIEF,
    DISPATCHER,
    FIREMAN,
    STREET_CADRE,
    WEST_CHIEF,
    Person,
    sign_in,
)
from tests.machine.books import holds
from tests.machine.city import City
from tests.machine.handset import Handset
from tests.machine.hearing import hear, send
from tests.machine.rules import rule, senders, tell, writers
from tests.machine.writing import edit

_REASON = "机器核实"
_SETTLERS = (STREET_CADRE, CENTRE)
_REVIEWERS = (CHIEF, WEST_CHIEF, STREET_CADRE, CENTRE)
_NEXT: dict[str, tuple[str, Person, dict[str, Any]]] = {
    "reported": ("accept", DISPATCHER, {}),
    "accepted": ("dispatch", DISPATCHER, {"department": "xiaofang"}),
    "dispatched": ("sign", FIREMAN, {}),
    "signed": ("handle", FIREMAN, {}),
    "verified": ("close", DISPATCHER, {}),
}


# Posts -----------------------------------------------------------------------------------------------------


@rule(3)
async def gain_grid(city: City, chance: Random) -> bool:
    """A worker gets another grid; its stream is his from then on."""
    able = [one for one in _in_office(city) if len(city.told.posts[one.id]) < 3]
    if not able:
        return False
    person = chance.choice(able)
    posts = city.told.posts[person.id]
    free = [plot for plot in city.land.in_order if (person.role, plot.id) not in posts]
    if not free:
        return False
    plot = chance.choice(free)
    wish = PostWish(role=person.role, grid=plot.code)
    await assign(city.services, await city.administrator(), str(person.id), wish, _REASON)
    posts.add((person.role, plot.id))
    city.acted("user.assigned", person.id, None)
    tell(city, f"{person.phone} {plot.code}")
    return True


@rule(3)
async def lose_grid(city: City, chance: Random) -> bool:
    """A worker loses a grid, whatever he has not sent of it yet."""
    able = [one for one in _in_office(city) if len(city.told.posts[one.id]) > 1]
    if not able:
        return False
    person = chance.choice(able)
    rows = await city.rows(
        "SELECT a.id, a.grid_id FROM assignment a JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL "
        "WHERE a.user_id = $1 AND (a.valid_to IS NULL OR a.valid_to > now()) ORDER BY l.code",
        person.id,
    )
    if not rows:
        return False
    row = chance.choice(rows)
    await _while_writing(city, person, row["grid_id"])
    await unassign(city.services, await city.administrator(), str(person.id), row["id"], _REASON)
    city.told.posts[person.id].remove((person.role, row["grid_id"]))
    city.acted("user.unassigned", person.id, None)
    tell(city, f"{person.phone} {city.land.plots[row['grid_id']].code}")
    for phone in [one for one in senders(city) if one.person.id == person.id and not one.outdated]:
        if hear(city, phone, await send(city, phone)).wiped:
            city.phones.remove(phone)
    return True


async def _while_writing(city: City, person: Person, grid: UUID) -> None:
    """An edit that is in the draft when its item goes out of sight."""
    for phone in [one for one in writers(city) if one.person.id == person.id]:
        inside = {item for item, body in phone.state.items.items() if body.grid == grid}
        there = [one for one in phone.device.items() if one.id in inside and one.type == "0102"]
        if there:
            edit(city, phone, there[-1], "owner_name")


def _in_office(city: City) -> list[Person]:
    """Workers and chiefs who have not left."""
    known = [city.people[one] for one in sorted(city.people) if one not in city.told.left]
    return [one for one in known if one.role in ("grid_worker", "grid_chief")]


@rule(0.9)
async def worker_leaves(city: City, chance: Random) -> bool:
    """Somebody leaves, with what he has not sent; somebody else comes."""
    able = [one for one in _in_office(city) if one.role == "grid_worker"]
    if not able:
        return False
    person = chance.choice(able)
    grids = city.grids_of(person)
    await leave(city.services, await city.administrator(), str(person.id), _REASON)
    city.told.left.add(person.id)
    city.told.posts[person.id] = set()
    city.acted("user.left", person.id, None)
    await city.give_phone(await city.hire(person, grids))
    tell(city, person.phone)
    return True


# Phones ----------------------------------------------------------------------------------------------------


@rule(0.7)
async def revoke(city: City, chance: Random) -> bool:
    """A phone is lost; whoever found it goes on sending."""
    able = [one for one in await _known(city) if one.device_id not in city.told.revoked]
    if not able:
        return False
    phone = chance.choice(able)
    await revoke_device(city.services, await city.administrator(), phone.device_id, _REASON)
    city.told.revoked.add(phone.device_id)
    city.acted("device.revoked", phone.device_id, None)
    await city.give_phone(phone.person)
    tell(city, phone.number)
    return True


@rule(0.6)
async def wipe(city: City, chance: Random) -> bool:
    """A phone is to erase what it holds, after it has sent what it has not."""
    able = [one for one in await _known(city) if not one.device.wiping]
    if not able:
        return False
    phone = chance.choice(able)
    try:
        await wipe_device(city.services, await city.administrator(), phone.device_id, _REASON)
    except Problem as problem:
        holds("I13", problem.code == "directive_open", "a wipe is refused only while one is open", problem.code)
        return False
    if phone.device_id not in city.told.revoked:
        city.told.revoked.add(phone.device_id)
        city.acted("device.revoked", phone.device_id, None)
        await city.give_phone(phone.person)
    city.acted("device.directed", phone.device_id, None)
    tell(city, phone.number)
    return True


async def _known(city: City) -> list[Handset]:
    """Phones that the database has heard of, of people who work in the administrator's division at present."""
    known = {row["id"] for row in await city.rows("SELECT id FROM device")}
    return [one for one in city.phones if one.device_id in known and city.told.posts.get(one.person.id)]


# Conflicts -------------------------------------------------------------------------------------------------


@rule(6)
async def resolve(city: City, chance: Random) -> bool:
    """Settle a conflict: the server's side, the other, by field, or the grid."""
    rows = await city.rows(
        "SELECT id, kind, op, fields FROM conflict WHERE state = 'open' ORDER BY opened_at, set_no, set_index, id"
    )
    if not rows:
        return False
    row = chance.choice(rows)
    choice = _choice(city, row, chance)
    done = await settle(city, row["id"], choice)
    tell(city, f"{row['kind']} {choice.take} {done}")
    return done


def _choice(city: City, row: Any, chance: Random) -> Choice:
    if row["kind"] in ("code", "territory") and chance.random() < 0.8:
        return Choice("grid", grid=chance.choice(city.land.in_order).code)
    if row["kind"] == "update_update" and chance.random() < 0.5:
        return Choice("merge", sides={name: chance.choice(("server", "incoming")) for name in row["fields"]})
    return Choice(chance.choice(("server", "incoming")))


@rule(3)
async def undo(city: City, chance: Random) -> bool:
    """Take a settlement back."""
    rows = await city.rows(
        "SELECT id FROM conflict WHERE state = 'resolved' AND resolved_by IS NOT NULL AND take <> 'link' "
        "ORDER BY resolved_at DESC, set_no, set_index, id LIMIT 10"
    )
    if not rows:
        return False
    conflict = chance.choice(rows)["id"]
    done = await settle(city, conflict, None)
    tell(city, f"{conflict} {done}")
    return done


async def settle(city: City, conflict: UUID, choice: Choice | None) -> bool:
    """By the street, or by the county where it is not the street's."""
    for person in _SETTLERS:
        order = Order(actor=await city.caller(person), ids=(conflict, conflict), reason=_REASON, now=datetime.now(UTC))
        try:
            if choice is None:
                await undo_resolution(city.services, order)
            else:
                await resolve_conflict(city.services, order, choice)
        except Problem as problem:
            if problem.code in ("not_found", "forbidden"):
                continue
            return False
        city.acted("conflict.undo" if choice is None else "conflict.resolve", conflict, person)
        return True
    return False


# The quarantine --------------------------------------------------------------------------------------------


@rule(4)
async def release_held(city: City, chance: Random) -> bool:
    """Let something go on that was not to be applied as it stood."""
    rows = await city.rows(
        "SELECT id, code FROM quarantine WHERE state = 'held' AND outcome = 'quarantined' "
        "ORDER BY received_at DESC, set_no, set_index, id LIMIT 20"
    )
    if not rows:
        return False
    row = chance.choice(rows)
    for person in _SETTLERS:
        order = ReleaseOrder(actor=await city.caller(person), reason=_REASON, now=datetime.now(UTC))
        try:
            await release(city.services, order, (row["id"], row["id"]))
        except Problem as problem:
            if problem.code in ("not_found", "forbidden"):
                continue
            tell(city, f"{row['id']} {row['code']} {problem.code}")
            return False
        city.acted("quarantine.released", row["id"], person)
        tell(city, f"{row['id']} {row['code']}")
        return True
    return False


# Reviews and cases -----------------------------------------------------------------------------------------


@rule(4)
async def approve(city: City, chance: Random) -> bool:
    return await _review(city, chance, {"decision": "approve"})


@rule(4.5)
async def send_back(city: City, chance: Random) -> bool:
    return await _review(city, chance, {"decision": "return", "reason": "facts_unclear", "note": city.marks.text()})


async def _review(city: City, chance: Random, decision: dict[str, Any]) -> bool:
    header = await sign_in(city.services, chance.choice(_REVIEWERS))
    answer = await city.house.client.get("/v1/reviews", params={"limit": "20"}, headers=header)
    holds("I9", answer.status_code == 200, "the queue of reviews is answered", answer.text[:300])
    waiting = answer.json()["reviews"]
    if not waiting:
        return False
    one = chance.choice(waiting)
    named = {"item": one["item"]["id"], "version": one["item"]["version"], "rev": one["rev"]}
    answer = await city.house.client.post("/v1/reviews", json={"decisions": [named | decision]}, headers=header)
    holds("I9", answer.status_code == 200, "decisions are answered", answer.text[:300])
    tell(city, f"{named['item']} {answer.json()['results'][0]['result']}")
    return answer.json()["results"][0]["result"] == "done"


@rule(7)
async def case_step(city: City, chance: Random) -> bool:
    """The next step at a desk."""
    rows = await city.rows(
        "SELECT c.item_id, c.state FROM cases c JOIN item i ON i.id = c.item_id "
        "WHERE c.state = ANY($1) AND NOT i.deleted AND c.department = 'xiaofang' ORDER BY c.changed_at DESC LIMIT 12",
        list(_NEXT),
    )
    if not rows:
        return False
    row = chance.choice(rows)
    action, person, given = _NEXT[row["state"]]
    header = await sign_in(city.services, person)
    body = {"action": action, "from": row["state"]} | given
    answer = await city.house.client.post(f"/v1/cases/{row['item_id']}", json=body, headers=header)
    tell(city, f"{action} {row['item_id']} {answer.status_code}")
    holds("I9", answer.status_code < 500, "a step of a case is answered", answer.text[:300])
    return answer.status_code == 200
