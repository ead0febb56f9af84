"""What a page about one item needs beside the item: its grid, its photos, revealing it, and what may be decided."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import Struct

from schemas.accounts import GridView
from schemas.evidence import PhotoAddress
from schemas.offices import ItemView
from schemas.wire import ItemBody
from server.db import audit, evidence, registry, reviews
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.bodies import item_bodies
from server.usecases.evidence import photo_name, sign_addresses
from server.usecases.reading import item_view, readable
from server.usecases.reasons import checked_reason
from server.usecases.registry import view_of
from server.usecases.sessions import Caller
from server.usecases.standings import Standing, lock_standings
from sync.feed import to_hex
from sync.refusal import Refusal
from sync.review import Decision, Reviewer, ReviewState, decide, undo


async def grid_view(services: Services, grid_id: UUID) -> GridView | None:
    """A current grid with its community and outline; None once it is no longer current."""
    async with services.database.read() as connection:
        rows = await registry.grids_of_area(connection, [grid_id], [])
    return view_of(rows[0]) if rows else None


async def revealed_item(services: Services, caller: Caller, item_id: UUID, reason: str | None) -> ItemView:
    """One item for somebody who asked to see every value, of a loser its winner; who and why is on record before that.

    Raises Problem: reason_needed, parameter_invalid, not_found.
    """
    told = checked_reason(reason)
    view = await item_view(services, caller, item_id)
    marked = services.catalogue.types[view.item.type].marked
    detail = {"fields": sorted(view.item.fields.keys() & marked)}
    await services.database.write(
        lambda tx: audit.record(
            tx.connection, caller.user_id, "item.reveal", "item", str(view.item.id), told, detail, caller.request_id
        )
    )
    return view


async def photo_addresses(
    services: Services, caller: Caller, item_id: UUID, *, thumbnails: bool, only: str | None = None
) -> dict[str, PhotoAddress]:
    """Short-lived addresses of an item's verified photos by `photo_name`, or of the one that is named; each is noted.

    Raises Problem `not_found` where the caller may not read the item.
    """
    work = partial(
        _photo_addresses, services=services, caller=caller, item_id=item_id, thumbnails=thumbnails, only=only
    )
    return await services.database.write(work)


async def _photo_addresses(
    tx: Transaction, services: Services, caller: Caller, item_id: UUID, thumbnails: bool, only: str | None
) -> dict[str, PhotoAddress]:
    if not await readable(tx.connection, services, caller, [item_id]):
        raise Problem("not_found")
    rows = await evidence.photos_of_items(tx.connection, [item_id])
    verified = {photo_name(row["sha256"], row["size"]): row for row in rows if row["state"] == "verified"}
    shown = {name: row for name, row in verified.items() if only in (None, name)}
    addresses = await sign_addresses(tx, services, caller, list(shown.values()), [item_id], thumbnails=thumbnails)
    return dict(zip(shown, addresses, strict=True))


class ReviewDesk(Struct, frozen=True, kw_only=True):
    """What a person may do now about the submission of an item.

    `version` and `rev` name the revision under review. `refusal`: why he may not approve, or may not decide at all.
    """

    state: str
    version: int
    rev: str
    level: int
    checks: bool
    may_return: bool
    may_approve: bool
    may_undo: bool
    refusal: Refusal | None


async def review_desk(services: Services, caller: Caller, item_id: UUID) -> ReviewDesk | None:
    """The submission of an item; None where it has none, or is not the caller's to read."""
    return await services.database.write(lambda tx: _review_desk(tx, services, caller, item_id))


async def _review_desk(tx: Transaction, services: Services, caller: Caller, item_id: UUID) -> ReviewDesk | None:
    if not await readable(tx.connection, services, caller, [item_id]):
        return None
    standing = (await lock_standings(tx, services, [item_id])).get(item_id)
    review = standing.review if standing else None
    if standing is None or review is None:
        return None
    built_upon = bool(await reviews.built_upon(tx.connection, [item_id]))
    outcome = _attempt(services, caller, standing, review)
    refusal = outcome if isinstance(outcome, Refusal) else None
    return ReviewDesk(
        state=review.state,
        version=review.version,
        rev=to_hex(review.rev),
        level=review.step.level if review.step else review.level,
        checks=review.state == "approved" and review.step is not None,
        may_return=refusal is None or refusal.code in _STILL_RETURNABLE,
        may_approve=refusal is None,
        may_undo=not isinstance(undo(review, caller.user_id, review.revision, built_upon), Refusal),
        refusal=refusal,
    )


_STILL_RETURNABLE = ("evidence_not_verified", "same_reviewer")


def _attempt(services: Services, caller: Caller, standing: Standing, review: ReviewState) -> ReviewState | Refusal:
    """The machine itself is asked, so that a page offers nothing that it would refuse."""
    return decide(
        review,
        Decision(action="approve", revision=review.revision),
        Reviewer(caller.user_id, caller.assignments),
        standing.facts,
        standing.compiled.type,
        services.catalogue.source.return_reasons,
    )


class Brief(Struct, frozen=True):
    """What a list says of an item: `fields` are those that nobody marked as personal or sensitive."""

    type: str
    grid: UUID | None
    fields: dict[str, Any]


async def briefs(services: Services, caller: Caller, item_ids: Sequence[UUID]) -> dict[UUID, Brief]:
    """Those of these items that the caller may read, in brief."""
    async with services.database.read() as connection:
        mine = await readable(connection, services, caller, item_ids)
        bodies = await item_bodies(connection, services, sorted(mine))
    return {item_id: _brief(services, body) for item_id, body in bodies.items()}


def _brief(services: Services, body: ItemBody) -> Brief:
    marked = services.catalogue.types[body.type].marked
    return Brief(body.type, body.grid, {key: value for key, value in body.fields.items() if key not in marked})
