"""Steps of cases that come in change sets: what decides them, and their effects, which are those of `cases.act`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from schemas.wire import Change
from server.db import cases, evidence, feed
from server.db.database import Connection, Transaction
from server.services import Services
from server.usecases.decided_set import DecidedSet
from server.usecases.sealed_items import head
from server.usecases.standings import Moved, Standing, case_step, find_standings, load_standings, store_moves
from sync.case_photos import CasePhotos, Photo, photos_named
from sync.decisions import CaseFacts, Move
from sync.items import ItemState


async def load_cases(
    connection: Connection,
    services: Services,
    changes: Sequence[Change],
    states: Mapping[UUID, ItemState],
    secrets: Mapping[UUID, bytes],
) -> dict[UUID, CaseFacts]:
    """The cases of the items, locked by the caller, of which these changes take steps.

    The photos that the set names are locked too: one that is being verified at this moment is waited for, and none is
    forgotten before the set has tied it to its item.
    """
    stepped = sorted({one.item for one in changes if one.op == "transition" and one.item in states})
    if not stepped:
        return {}
    photos = await _photos(connection, stepped, _named(services, changes))
    opened = [(states[item_id], secrets[item_id]) for item_id in stepped]
    found = await load_standings(connection, services, opened)
    return {
        one.item.id: CaseFacts(
            case=one.case,
            review_approved=one.review is not None and one.review.state == "approved",
            photos=photos[one.item.id],
        )
        for one in found
        if one.case is not None
    }


def _named(services: Services, changes: Sequence[Change]) -> set[Photo]:
    types = services.catalogue.types
    fields = [(types[one.type].photo_field, one.fields) for one in changes if one.type in types]
    return {photo for key, values in fields if key in values for photo in photos_named(values[key])}


async def _photos(connection: Connection, item_ids: Sequence[UUID], named: set[Photo]) -> dict[UUID, CasePhotos]:
    """By item; its own photos change their states under its lock alone."""
    shared = await cases.share_verified(connection, named)
    verified = {item_id: set(shared) for item_id in item_ids}
    tied, present = ({item_id: set[Photo]() for item_id in item_ids} for _ in range(2))
    for row in await evidence.states_of_items(connection, item_ids):
        photo = row["sha256"], row["size"]
        if row["state"] == "verified":
            verified[row["item_id"]].add(photo)
        if row["role"] == "close":
            tied[row["item_id"]].add(photo)
    for row in await cases.verified_photos(connection, item_ids):
        if row["role"] == "close":
            present[row["item_id"]].add((row["sha256"].hex(), row["size"]))
    return {
        one: CasePhotos(frozenset(verified[one]), frozenset(tied[one]), frozenset(present[one])) for one in item_ids
    }


async def take_steps(tx: Transaction, services: Services, decided: DecidedSet) -> dict[UUID, ItemState]:
    """Store the steps that a set takes; returns the items that this touched, as they are now.

    The items are locked and stored, and the caller moves their entries. Before the submissions, which look at the case.
    """
    moves: dict[UUID, list[Move]] = {}
    for one in decided.decisions:
        if one.move is not None and one.item_id is not None:
            moves.setdefault(one.item_id, []).append(one.move)
    return await store_steps(tx, services, moves, decided.author_id, decided.at) if moves else {}


async def store_steps(
    tx: Transaction, services: Services, moves: Mapping[UUID, Sequence[Move]], actor_id: UUID, now: datetime
) -> dict[UUID, ItemState]:
    """The case, its steps and the touch of each item; `moves`: by item in their order."""
    standings = await find_standings(tx.connection, services, sorted(moves))
    await store_moves(tx, services, [_moved(one, moves[one.item.id], actor_id, now) for one in standings], now)
    return {row["id"]: head(row, {}) for row in await feed.touch_items(tx.connection, sorted(moves))}


def _moved(standing: Standing, moves: Sequence[Move], actor_id: UUID, now: datetime) -> Moved:
    steps = [
        case_step(
            replace(standing, case=move.after),
            move.action,
            (move.before.state, move.after.state),
            now,
            actor_id=actor_id,
            note=move.note,
            detail={"linked": True} if move.carried else None,
        )
        for move in moves
    ]
    return Moved(standing, replace(standing, case=moves[-1].after), (), steps)
