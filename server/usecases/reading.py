"""What a person may read, and reading it: lists without values, one item with everything that happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from schemas.offices import (
    CaseStepView,
    ItemsPage,
    ItemSummary,
    ItemView,
    PhotoView,
    ReviewStepView,
    RevisionView,
)
from schemas.wire import ItemBody
from server.db import audit, evidence, reading
from server.db.database import Connection, Row, Transaction
from server.db.reading import ItemFilter
from server.errors import Problem
from server.masking import mask_all
from server.sealing import unseal_values
from server.services import Services
from server.usecases.aliases import winner_in_sight
from server.usecases.bodies import item_bodies
from server.usecases.paging import ListPlace, from_cursor, to_cursor
from server.usecases.sessions import Caller
from server.usecases.standing_rows import open_text
from sync.access import Grant, division_prefix, reading_grants
from sync.feed import to_hex, unsigned64


def grants_of(services: Services, caller: Caller) -> tuple[Grant, ...]:
    """What the caller may read now, as data."""
    types = (compiled.type for compiled in services.catalogue.types.values())
    return reading_grants(caller.user_id, caller.assignments, types)


async def readable(connection: Connection, services: Services, caller: Caller, item_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these items that the caller may read now; a deleted item is nobody's to read."""
    return await reading.readable_items(connection, item_ids, grants_of(services, caller)) if item_ids else set()


def area(division: str | None) -> str | None:
    """The prefix of grid codes that a 12-digit division code asks for."""
    return division_prefix(division) if division else None


async def list_items(
    services: Services, caller: Caller, narrowed: ItemFilter, cursor: str | None, limit: int
) -> ItemsPage:
    """A page of what the caller may read, the newest first. Raises Problem `parameter_invalid` for a wrong cursor."""
    place = from_cursor(cursor, ListPlace)
    async with services.database.read() as connection:
        rows = await reading.list_items(
            connection, grants_of(services, caller), narrowed, place.item_id if place else None, limit + 1
        )
    last = ListPlace(rows[limit - 1]["id"]) if len(rows) > limit else None
    return ItemsPage([summary_of(row) for row in rows[:limit]], to_cursor(last))


def summary_of(row: Row) -> ItemSummary:
    """An item in a list, from a row of `list_items` or `search_items`."""
    return ItemSummary(
        id=row["id"],
        type=row["type"],
        urgency=row["urgency"],
        grid=row["grid_id"],
        code=row["code"],
        author=row["author_id"],
        author_name=row["author_name"],
        version=row["version"],
        received_at=row["received_at"],
        updated_at=row["updated_at"],
        review=row["review_state"],
        case=row["case_state"],
    )


async def winner_of(services: Services, caller: Caller, item_id: UUID) -> UUID | None:
    """The item to which a loser belongs, for who may read both; None for anybody else, and for what is no loser."""
    async with services.database.read() as connection:
        return await winner_in_sight(connection, item_id, grants_of(services, caller))


async def item_view(services: Services, caller: Caller, item_id: UUID) -> ItemView:
    """One item with its history; of a loser its winner. Raises Problem `not_found`, also where he may not read it.

    Where it shows personal values the reading is written to the audit trail.
    """
    return await services.database.write(lambda tx: _item_view(tx, services, caller, item_id))


async def masked_item(services: Services, caller: Caller, item_id: UUID) -> ItemView:
    """The same with its marked values masked, in its history too."""
    return _masked(services, await item_view(services, caller, item_id))


def _masked(services: Services, view: ItemView) -> ItemView:
    compiled = services.catalogue.types[view.item.type]
    item = replace(view.item, fields=mask_all(compiled, view.item.fields))
    history = [replace(one, fields=mask_all(compiled, one.fields)) for one in view.history]
    return replace(view, item=item, history=history)


async def _item_view(tx: Transaction, services: Services, caller: Caller, item_id: UUID) -> ItemView:
    connection, asked = tx.connection, item_id
    winner = await winner_in_sight(connection, asked, grants_of(services, caller))
    item_id = winner or asked
    if not await readable(connection, services, caller, [item_id]):
        raise Problem("not_found")
    bodies = await item_bodies(connection, services, [item_id])
    await note_reading(tx, services, caller, bodies.values())
    (head,) = await reading.items_with_keys(connection, [item_id])
    secret = services.keyring.open_key(item_id.bytes, head["wrapped"])
    body = bodies[item_id]
    history = [_revision(row, item_id, secret) for row in await reading.history_of_item(connection, item_id)]
    photos = await evidence.photos_of_items(connection, [item_id])
    return ItemView(
        item=body,
        author_name=(await reading.names_of_users(connection, [body.author])).get(body.author),
        history=history,
        review_steps=[review_step_view(row, secret) for row in await reading.review_steps_of_item(connection, item_id)],
        case_steps=[case_step_view(row, secret) for row in await reading.case_steps_of_item(connection, item_id)],
        photos=[photo_view(row) for row in photos],
        alias=asked if winner else None,
    )


async def note_reading(tx: Transaction, services: Services, caller: Caller, bodies: Iterable[ItemBody]) -> None:
    """Write to the audit trail which items' personal values somebody was shown."""
    shown = [body for body in bodies if body.fields.keys() & services.catalogue.types[body.type].marked]
    acts = [
        audit.Act(
            actor_id=caller.user_id,
            action="item.read",
            subject_kind="item",
            subject_id=str(body.id),
            request_id=caller.request_id,
        )
        for body in shown
    ]
    if acts:
        await audit.record_all(tx.connection, acts)


def _revision(row: Row, item_id: UUID, secret: bytes) -> RevisionView:
    marked: dict[str, Any] = unseal_values(secret, item_id.bytes, row["sealed"]).get("fields", {})
    return RevisionView(
        version=row["version"],
        rev=to_hex(unsigned64(row["rev"])),
        op=row["op"],
        author=row["author_id"],
        author_name=row["author_name"],
        device=row["device_id"],
        code=row["code"],
        fields=row["clear"] | marked,
        reason=row["reason"],
        captured_at=row["captured_at"],
        received_at=row["received_at"],
        skew=row["skew"],
    )


def review_step_view(row: Row, secret: bytes) -> ReviewStepView:
    """A step of a review for who may read its item."""
    return ReviewStepView(
        at=row["at"],
        action=row["action"],
        version=row["version"],
        level=row["level"],
        actor=row["actor_id"],
        actor_name=row["actor_name"],
        reason=row["reason"],
        note=open_text(row["item_id"], row["note"], secret),
        notes=unseal_values(secret, row["item_id"].bytes, row["notes"]),
    )


def case_step_view(row: Row, secret: bytes | None) -> CaseStepView:
    """A step of a case; without the item's key its note stays closed."""
    return CaseStepView(
        at=row["at"],
        action=row["action"],
        from_state=row["from_state"],
        to_state=row["to_state"],
        actor=row["actor_id"],
        actor_name=row["actor_name"],
        organisation=row["organisation_id"],
        organisation_zh=row["organisation_zh"],
        organisation_en=row["organisation_en"],
        reason=row["reason"],
        note=open_text(row["item_id"], row["note"], secret) if secret else None,
        detail=row["detail"],
    )


def photo_view(row: Row) -> PhotoView:
    """A photo with what a reviewer is told of it."""
    return PhotoView(
        sha256=row["sha256"].hex(),
        size=row["size"],
        role=row["role"],
        state=row["state"],
        refusal=row["refusal"],
        flags=row["flags"],
        media_type=row["media_type"],
        width=row["width"],
        height=row["height"],
        taken_at=row["taken_at"],
    )
