"""The bodies that devices and offices are shown: items and notices as all their readers see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from schemas.wire import CaseView, EvidenceState, ItemBody, NoticeBody, ReviewView
from server.db import feed
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.sealed_items import Vault
from server.usecases.standing_rows import open_text
from sync.evidence import shown_state
from sync.feed import to_hex


async def item_bodies(connection: Connection, services: Services, item_ids: Sequence[UUID]) -> dict[UUID, ItemBody]:
    """Items by id, values opened; whoever calls has decided that they may be read."""
    vault = Vault(services.keyring, services.catalogue)
    rows = await feed.bodies_of_items(connection, item_ids) if item_ids else []
    return {row["id"]: _item_body(services, vault, row) for row in rows}


def _item_body(services: Services, vault: Vault, row: Row) -> ItemBody:
    secret = vault.secret(row)
    item = vault.open_item(row, secret)
    return ItemBody(
        id=item.id,
        type=item.type,
        version=item.version,
        rev=to_hex(item.rev),
        touch=item.touch,
        grid=item.grid_id,
        code=services.registry.code(item.grid_id),
        author=item.author_id,
        urgency=item.urgency,
        fields=item.fields,
        received_at=item.received_at,
        review=_review(vault, row, secret),
        case=_case(row),
        evidence=[_photo(photo) for photo in row["photos"] or ()],
    )


def _photo(photo: dict[str, Any]) -> EvidenceState:
    return EvidenceState(photo["sha256"], photo["size"], photo["role"], shown_state(photo["state"]))


def _review(vault: Vault, row: Row, secret: bytes) -> ReviewView | None:
    if row["review_state"] is None:
        return None
    return ReviewView(
        state=row["review_state"],
        level=row["review_level"],
        version=row["review_version"],
        reason=row["review_reason"],
        note=open_text(row["id"], row["review_note"], secret),
        notes=vault.open_notes(row["id"], row["review_notes"], secret),
    )


def _case(row: Row) -> CaseView | None:
    if row["case_state"] is None:
        return None
    return CaseView(
        state=row["case_state"],
        organisation=row["organisation_id"],
        accept_by=row["accept_by"],
        respond_by=row["respond_by"],
        handle_by=row["handle_by"],
    )


async def notice_bodies(
    connection: Connection, services: Services, notice_ids: Sequence[UUID]
) -> dict[UUID, NoticeBody]:
    """To-dos, parked changes and notices by id."""
    vault = Vault(services.keyring, services.catalogue)
    rows = await feed.bodies_of_notices(connection, notice_ids) if notice_ids else []
    return {row["id"]: _notice_body(vault, row) for row in rows}


def _notice_body(vault: Vault, row: Row) -> NoticeBody:
    secret = vault.keyring.open_key(row["item_id"].bytes, row["wrapped"])
    parked = vault.open_overlaps(row, row["item_id"], secret) if row["kind"] == "parked" else {}
    return NoticeBody(
        id=row["id"],
        kind=row["kind"],
        item=row["item_id"],
        code=row["code"],
        version=row["version"],
        fields={key: overlap.incoming for key, overlap in parked.items()},
        notes=vault.open_notes(row["item_id"], row["notes"], secret),
        note=open_text(row["item_id"], row["note"], secret),
        reason=row["reason"],
    )
