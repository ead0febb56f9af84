"""Where items stand between report and closed case: loaded, moved on and stored for many at once.

Whoever moves a standing holds the lock of its item; reviews and cases have no locks of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct

from schemas.forms import CompiledType
from server.db import cases, items, places, reading, reviews
from server.db.database import Connection, Transaction
from server.services import Services
from server.usecases.sealed_items import Vault, photos_of
from server.usecases.standing_rows import (
    case_row,
    case_state,
    review_row,
    review_state,
    review_texts,
    seal_text,
    urgency_level,
)
from sync.access import ItemFacts, Organisation
from sync.case_state import CaseState, Circumstances
from sync.items import ItemState
from sync.review import ReviewState
from sync.routing import ladder, nearest
from sync.rules import Ruling, apply_rules, photos_there

# What the server does by itself with a reported case, by the state it ends in.
_BY_ITSELF = {
    "reported": (),
    "dispatched": (("accept", "accepted"), ("dispatch", "dispatched")),
    "closed": (("close", "closed"),),
}


class Standing(Struct, frozen=True, kw_only=True):
    """An item, its submission and its case, and what decides how they go on.

    `answers`: whose to-do a return becomes. `report_verified`, `close_verified`: verified photos by role. `nearest`:
    the organisation that a case of direct dispatch goes to.
    """

    item: ItemState
    secret: bytes
    compiled: CompiledType
    ruling: Ruling
    facts: ItemFacts
    review: ReviewState | None = None
    answers: UUID | None = None
    submitted_at: datetime | None = None
    case: CaseState | None = None
    report_verified: int = 0
    close_verified: int = 0
    nearest: Organisation | None = None

    def evidence_verified(self) -> bool:
        """Whether no photo is lacking that approval needs."""
        return photos_there(self.compiled.type, self.ruling, self.report_verified, self.close_verified)

    def circumstances(self, services: Services, now: datetime) -> Circumstances:
        """What the world says to its case now."""
        return Circumstances(
            item_type=self.compiled.type,
            catalogue=services.catalogue.source,
            now=now,
            review_approved=self.review is not None and self.review.state == "approved",
            report_verified=self.report_verified,
            close_verified=self.close_verified,
        )


class Moved(Struct, frozen=True):
    """A standing before and after, and the steps that lie between; steps as `review_step` and `case_step` make them."""

    before: Standing
    after: Standing
    review_steps: Sequence[dict[str, Any]] = ()
    case_steps: Sequence[dict[str, Any]] = ()


async def lock_standings(tx: Transaction, services: Services, item_ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """Lock these items in the order of their ids and load their standings; what is deleted has none."""
    await items.lock_items(tx.connection, sorted(set(item_ids)))
    standings = await find_standings(tx.connection, services, list(item_ids))
    return {one.item.id: one for one in standings}


async def find_standings(connection: Connection, services: Services, item_ids: Sequence[UUID]) -> list[Standing]:
    """The standings of these items as the connection sees them, by id; without those that are deleted."""
    vault = Vault(services.keyring, services.catalogue)
    rows = await reading.items_with_keys(connection, item_ids)
    opened = [(row, vault.secret(row)) for row in rows]
    return await load_standings(
        connection, services, [(vault.open_item(row, secret), secret) for row, secret in opened]
    )


async def load_standings(
    connection: Connection, services: Services, opened: Sequence[tuple[ItemState, bytes]]
) -> list[Standing]:
    """The standings of these items, given with their keys, in the same order."""
    ids = [item.id for item, _ in opened]
    known = {row["item_id"]: row for row in await reviews.reviews_of_items(connection, ids)}
    on_case = {row["item_id"]: row for row in await cases.cases_of_items(connection, ids)}
    verified = await _verified(connection, services, [item for item, _ in opened])
    held = {item.id: case_state(on_case[item.id], secret) for item, secret in opened if item.id in on_case}
    bare = [bare_standing(services, item, secret, held.get(item.id)) for item, secret in opened]
    offices = await direct_offices(connection, services, bare)
    return [
        Standing(
            item=one.item,
            secret=one.secret,
            compiled=one.compiled,
            ruling=one.ruling,
            facts=one.facts,
            case=one.case,
            review=review_state(known[one.item.id], one.secret) if one.item.id in known else None,
            answers=known[one.item.id]["answers"] if one.item.id in known else None,
            submitted_at=known[one.item.id]["submitted_at"] if one.item.id in known else None,
            report_verified=verified.get((one.item.id, "report"), 0),
            close_verified=verified.get((one.item.id, "close"), 0),
            nearest=offices.get(one.item.id),
        )
        for one in bare
    ]


def bare_standing(
    services: Services, item: ItemState, secret: bytes, case: CaseState | None, ruling: Ruling | None = None
) -> Standing:
    """What an item and its case alone say, without its submission, its photos and the offices around it.

    `ruling`: where it is known already.
    """
    compiled = services.catalogue.types[item.type]
    lead = (case.organisation,) if case and case.organisation else ()
    return Standing(
        item=item,
        secret=secret,
        compiled=compiled,
        ruling=ruling or apply_rules(compiled.type, item.fields, item.urgency),
        facts=ItemFacts(
            type=item.type,
            grid_id=item.grid_id,
            grid_code=services.registry.code(item.grid_id) or "",
            author_id=item.author_id,
            holders=(*lead, *case.assisting) if case else (),
        ),
        case=case,
    )


async def _verified(
    connection: Connection, services: Services, heads: Sequence[ItemState]
) -> dict[tuple[UUID, str], int]:
    """How many verified photos of each role an item has; of the report, only those its form still names."""
    named = {item.id: _named(services, item) for item in heads}
    counts: dict[tuple[UUID, str], int] = {}
    for row in await cases.verified_photos(connection, list(named)):
        item_id, role = row["item_id"], row["role"]
        if role == "close" or (row["sha256"].hex(), row["size"]) in named[item_id]:
            counts[item_id, role] = counts.get((item_id, role), 0) + 1
    return counts


def _named(services: Services, item: ItemState) -> set[tuple[str, int]]:
    photos = photos_of(item, services.catalogue.types[item.type].photo_field)
    return {(photo["sha256"], photo["size"]) for photo in photos if photo["role"] == "report"}


async def direct_offices(
    connection: Connection, services: Services, standings: Iterable[Standing]
) -> dict[UUID, Organisation | None]:
    """By item the nearest organisation, which its case goes to by itself, where its type is sent past the desk."""
    direct = [one for one in standings if one.compiled.type.dispatch_by == "direct" and one.ruling.dispatch]
    if not direct:
        return {}
    communities = {one.item.id: services.registry.community(one.item.grid_id) for one in direct}
    departments = sorted({one.ruling.department for one in direct})
    tree, known = await cases.offices_above(connection, departments, sorted({*filter(None, communities.values())}))
    return {
        one.item.id: nearest(known, one.ruling.department, ladder(communities[one.item.id], tree)) for one in direct
    }


async def ladders_above(
    connection: Connection, services: Services, heads: Sequence[ItemState]
) -> dict[UUID, tuple[str, ...]]:
    """By item the divisions that its grid lies in, the nearest first; see `sync.routing.ladder`."""
    communities = {one.id: services.registry.community(one.grid_id) for one in heads}
    tree = await places.tree_above(connection, sorted({code for code in communities.values() if code}))
    return {item_id: ladder(code, tree) for item_id, code in communities.items()}


def merged_moves(moves: Iterable[Moved]) -> list[Moved]:
    """One move an item, from before its first to after its last, with all steps in between."""
    merged: dict[UUID, Moved] = {}
    for move in moves:
        first = merged.get(move.after.item.id)
        if first is not None:
            review_steps, case_steps = [*first.review_steps, *move.review_steps], [*first.case_steps, *move.case_steps]
            move = Moved(first.before, move.after, review_steps, case_steps)
        merged[move.after.item.id] = move
    return list(merged.values())


async def store_moves(tx: Transaction, services: Services, moves: Sequence[Moved], now: datetime) -> None:
    """Write what changed, one statement a table; the caller moves the items' entries."""
    catalogue = services.catalogue.source
    changed = [
        submission_row(services, one.after, one.after.review, now)
        for one in moves
        if one.after.review is not None and one.after.review != one.before.review
    ]
    await reviews.upsert_reviews(tx.connection, changed)
    await reviews.insert_review_steps(tx.connection, [step for one in moves for step in one.review_steps])
    rows = [
        case_row(one.after.item.id, one.after.case, catalogue, one.after.secret, now)
        for one in moves
        if one.after.case is not None and one.after.case != one.before.case
    ]
    await cases.upsert_cases(tx.connection, rows)
    await cases.insert_case_steps(tx.connection, [step for one in moves for step in one.case_steps])


def submission_row(services: Services, standing: Standing, review: ReviewState, now: datetime) -> dict[str, Any]:
    """A standing's submission as its row; `now`: when it changed."""
    return review_row(standing.item.id, review, standing.compiled.type, standing.secret) | {
        "answers": standing.answers,
        "urgency_level": urgency_level(services.catalogue.source, standing.item.urgency),
        "submitted_at": standing.submitted_at,
        "changed_at": now,
    }


def review_step(
    standing: Standing, review: ReviewState, action: str, actor_id: UUID | None, level: int, now: datetime
) -> dict[str, Any]:
    """One step of a review; its reason and notes are those of the submission as it now stands."""
    return review_texts(standing.item.id, review, standing.secret) | {
        "item_id": standing.item.id,
        "version": review.version,
        "action": action,
        "level": level,
        "actor_id": actor_id,
        "at": now,
    }


def case_step(
    standing: Standing,
    action: str,
    states: tuple[str | None, str],
    now: datetime,
    *,
    actor_id: UUID | None = None,
    reason: str | None = None,
    note: str | None = None,
    detail: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One step of a case from a state to a state, with the organisation that then holds it."""
    holder = standing.case.organisation if standing.case else None
    return {
        "item_id": standing.item.id,
        "action": action,
        "from_state": states[0],
        "to_state": states[1],
        "actor_id": actor_id,
        "organisation_id": holder.id if holder else None,
        "reason": reason,
        "note": seal_text(standing.item.id, note, standing.secret),
        "detail": detail or {},
        "at": now,
    }


def steps_by_itself(before: CaseState | None, after: Standing, now: datetime) -> Iterator[dict[str, Any]]:
    """What the server did with a case by itself, from the state it found it in."""
    state = before.state if before else None
    if after.case is not None and after.case.state != state:
        for action, from_state, to_state in steps_to(after.case.state, state):
            yield case_step(after, action, (from_state, to_state), now)


def steps_to(ends_in: str, state: str | None = None) -> Iterator[tuple[str, str | None, str]]:
    """The steps (action, from, to) that the server takes by itself with a case until it ends in a state."""
    if state != "reported":
        yield "report", state, "reported"
    state = "reported"
    for action, to_state in _BY_ITSELF[ends_in]:
        yield action, state, to_state
        state = to_state


def returned_notice(standing: Standing, now: datetime, *, is_open: bool) -> dict[str, Any]:
    """The to-do that a return is to whoever is to correct the item."""
    return {
        "id": uuid5(standing.item.id, f"returned {standing.answers}"),
        "user_id": standing.answers,
        "kind": "todo",
        "code": "returned",
        "item_id": standing.item.id,
        "open": is_open,
        "created_at": now,
    }


def parked_notice(conflict_id: UUID, item_id: UUID, user_id: UUID, at: datetime, *, is_open: bool) -> dict[str, Any]:
    """The author's phone shows a change as parked for as long as the conflict is open."""
    return {
        "id": conflict_id,
        "user_id": user_id,
        "kind": "parked",
        "code": "parked",
        "item_id": item_id,
        "conflict_id": conflict_id,
        "open": is_open,
        "created_at": at,
    }
