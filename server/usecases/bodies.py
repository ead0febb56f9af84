"""The bodies that devices and offices are shown: items and notices as all their readers see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from schemas.wire import CaseView, EntryItem, EvidenceState, ItemBody, NoticeBody, PhotoState, ReviewView
from server.db import evidence, feed
from server.db.database import Connection, Row
from server.sealing import unseal_values
from server.services import Services
from server.usecases.sealed_items import Vault
from server.usecases.standing_rows import open_text
from sync.evidence import shown_state
from sync.feed import to_hex, unsigned64
from sync.framing import Form
from sync.packing import packed


async def item_bodies(connection: Connection, services: Services, item_ids: Sequence[UUID]) -> dict[UUID, ItemBody]:
    """Items by id, values opened; whoever calls has decided that they may be read."""
    rows = await feed.bodies_of_items(connection, item_ids) if item_ids else []
    photos: dict[UUID, list[EvidenceState]] = {}
    for row in await evidence.states_of_items(connection, item_ids) if item_ids else []:
        photos.setdefault(row["item_id"], []).append(_photo(row))
    teller = ItemTeller(services, "json")
    return {row["id"]: _item_body(teller, row, photos.get(row["id"], [])) for row in rows}


def _item_body(teller: ItemTeller, row: Row, photos: list[EvidenceState]) -> ItemBody:
    item_id, version, rev, touch, *columns = row.values()
    told = teller.tell(item_id, columns)
    return ItemBody(
        id=item_id,
        type=told.type,
        version=version,
        rev=to_hex(unsigned64(rev)),
        touch=touch,
        grid=told.grid,
        code=told.code,
        author=told.author,
        urgency=told.urgency,
        fields=told.fields,
        received_at=told.received_at,
        review=told.review,
        case=told.case,
        evidence=photos,
    )


class ItemTeller:
    """Tells items as entries in one form do; whoever calls has decided that they may be read."""

    def __init__(self, services: Services, form: Form) -> None:
        """Use the catalogue and the registry of now."""
        self._keyring = services.keyring
        self._types = services.catalogue.types
        self._code = services.registry.code
        self._packs = form == "msgpack"

    def tell(self, item_id: UUID, columns: Sequence[Any]) -> EntryItem:
        """An item from the columns that `told_item` has from `type` on: to look each up by its name takes longer."""
        code, grid_id, author_id, urgency, clear, sealed, received_at, wrapped, photos, *standing = columns
        compiled, fields = self._types[code], feed.values(clear)
        if sealed is not None:
            fields.update(unseal_values(self._keyring.open_key(item_id.bytes, wrapped), item_id.bytes, sealed))
        listed = fields.get(compiled.photo_field or "", ()) if photos else ()
        states, others = _told_photos(photos, listed) if photos else ([], [])
        return EntryItem(
            type=code,
            urgency=urgency,
            fields=packed(compiled, fields) if self._packs else fields,
            received_at=feed.moment(received_at),
            grid=grid_id,
            code=self._code(grid_id),
            author=author_id,
            case=_case(*standing[:5]),
            review=self._review(item_id, wrapped, *standing[5:]),
            photos=states,
            evidence=others,
        )

    def _review(
        self,
        item_id: UUID,
        wrapped: bytes,
        state: Any,
        level: int,
        version: int,
        reason: str | None,
        note: bytes | None,
        notes: bytes | None,
    ) -> ReviewView | None:
        if state is None:
            return None
        if note is None and notes is None:
            return ReviewView(state, level, version, reason)
        secret = self._keyring.open_key(item_id.bytes, wrapped)
        opened = unseal_values(secret, item_id.bytes, notes)
        return ReviewView(state, level, version, reason, open_text(item_id, note, secret), opened)


def _case(
    state: str | None,
    organisation: UUID | None,
    accept_by: bytes | None,
    respond_by: bytes | None,
    handle_by: bytes | None,
) -> CaseView | None:
    if state is None:
        return None
    return CaseView(state, organisation, feed.moment(accept_by), feed.moment(respond_by), feed.moment(handle_by))


def _told_photos(
    rows: Sequence[dict[str, Any]], listed: Sequence[dict[str, Any]]
) -> tuple[list[PhotoState], list[EvidenceState]]:
    """The states of the photos that the form lists, unless all are `declared`; and the photos it does not list."""
    told = {(one.sha256, one.size, one.role): one for one in map(_photo, rows)}
    found = [told.pop((one["sha256"], one["size"], one["role"]), None) for one in listed]
    states: list[PhotoState] = [one.state if one else "declared" for one in found]
    return states if {*states} - {"declared"} else [], sorted(told.values(), key=_photo_order)


def _photo_order(photo: EvidenceState) -> tuple[bool, str, int]:
    return photo.role != "report", photo.sha256, photo.size


def _photo(photo: Row) -> EvidenceState:
    return EvidenceState(photo["sha256"], photo["size"], photo["role"], shown_state(photo["state"]))


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
