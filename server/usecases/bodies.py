"""The bodies that devices and offices are shown: items and notices as all their readers see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from schemas.wire import CaseView, EntryItem, EvidenceState, ItemBody, NoticeBody, PhotoState, ReviewView
from server.db import evidence, feed
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.sealed_items import Vault
from server.usecases.standing_rows import open_text
from sync.evidence import shown_state
from sync.feed import to_hex, unsigned64
from sync.framing import Form
from sync.packing import packed


class _Opened(NamedTuple):
    """The values of an item, and its key where anything was sealed."""

    fields: dict[str, Any]
    secret: bytes


async def item_bodies(connection: Connection, services: Services, item_ids: Sequence[UUID]) -> dict[UUID, ItemBody]:
    """Items by id, values opened; whoever calls has decided that they may be read."""
    vault = Vault(services.keyring, services.catalogue)
    rows = await feed.bodies_of_items(connection, item_ids) if item_ids else []
    photos: dict[UUID, list[EvidenceState]] = {}
    for row in await evidence.states_of_items(connection, item_ids) if item_ids else []:
        photos.setdefault(row["item_id"], []).append(_photo(row))
    return {row["id"]: _item_body(services, vault, row, photos.get(row["id"], [])) for row in rows}


def _item_body(services: Services, vault: Vault, row: Row, photos: list[EvidenceState]) -> ItemBody:
    opened = _opened(vault, row)
    return ItemBody(
        id=row["id"],
        type=row["type"],
        version=row["version"],
        rev=to_hex(unsigned64(row["rev"])),
        touch=row["touch"],
        grid=row["grid_id"],
        code=services.registry.code(row["grid_id"]),
        author=row["author_id"],
        urgency=row["urgency"],
        fields=opened.fields,
        received_at=row["received_at"],
        review=_review(vault, row, opened.secret),
        case=_case(row),
        evidence=photos,
    )


async def entry_items(
    connection: Connection, services: Services, item_ids: Sequence[UUID], form: Form
) -> dict[UUID, EntryItem]:
    """The same as entries tell it, with the fields as they travel in that form."""
    vault = Vault(services.keyring, services.catalogue)
    rows = await feed.bodies_of_items(connection, item_ids) if item_ids else []
    return {row["id"]: _entry_item(services, vault, row, form) for row in rows}


def _entry_item(services: Services, vault: Vault, row: Row, form: Form) -> EntryItem:
    opened, compiled = _opened(vault, row), services.catalogue.types[row["type"]]
    states, others = _told_photos(row["photos"] or (), opened.fields.get(compiled.photo_field or "", ()))
    return EntryItem(
        type=row["type"],
        urgency=row["urgency"],
        fields=packed(compiled, opened.fields) if form == "msgpack" else opened.fields,
        received_at=row["received_at"],
        grid=row["grid_id"],
        code=services.registry.code(row["grid_id"]),
        author=row["author_id"],
        case=_case(row),
        review=_review(vault, row, opened.secret),
        photos=states,
        evidence=others,
    )


def _told_photos(
    rows: Sequence[dict[str, Any]], listed: Sequence[dict[str, Any]]
) -> tuple[list[PhotoState], list[EvidenceState]]:
    """The states of the photos that the form lists, unless all are `declared`; and the photos it does not list."""
    if not rows:
        return [], []
    told = {(one.sha256, one.size, one.role): one for one in map(_photo, rows)}
    found = [told.pop((one["sha256"], one["size"], one["role"]), None) for one in listed]
    states: list[PhotoState] = [one.state if one else "declared" for one in found]
    return states if {*states} - {"declared"} else [], list(told.values())


def _opened(vault: Vault, row: Row) -> _Opened:
    if row["sealed"] is None and row["review_note"] is None and row["review_notes"] is None:
        return _Opened(row["clear"], b"")
    secret = vault.secret(row)
    return _Opened(vault.open_fields(row, secret), secret)


def _photo(photo: Row) -> EvidenceState:
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
