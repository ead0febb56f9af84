"""Between stored rows and the core's records: what the catalogue marks is sealed going in, opened coming out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from schemas.forms import CompiledCatalogue
from schemas.wire import Capture
from server.db.database import Row
from server.sealing import ItemKey, Keyring, seal_values, unseal_values
from sync.feed import unsigned64
from sync.items import Fields, ItemState, Past
from sync.merge import Overlap


class Vault:
    """Opens and closes the values of items with their keys."""

    def __init__(self, keyring: Keyring, catalogue: CompiledCatalogue) -> None:
        """Use this master key and the marks of this catalogue."""
        self.keyring = keyring
        self._catalogue = catalogue

    def new_key(self, item_id: UUID) -> ItemKey:
        """A key for a new item."""
        return self.keyring.new_key(item_id.bytes)

    def secret(self, row: Row) -> bytes:
        """The key of a row that has `id` and `wrapped`."""
        return self.keyring.open_key(row["id"].bytes, row["wrapped"])

    def open_item(self, row: Row, secret: bytes) -> ItemState:
        """The head of an item with all its fields."""
        return head(row, row["clear"] | unseal_values(secret, row["id"].bytes, row["sealed"]))

    def open_past(self, row: Row, secret: bytes) -> Past:
        """One revision with the values it set."""
        sealed = unseal_values(secret, row["item_id"].bytes, row["sealed"])
        fields = row["clear"] | sealed.get("fields", {})
        return Past(row["version"], unsigned64(row["rev"]), row["device_id"], fields)

    def close_fields(self, item: ItemState, secret: bytes) -> tuple[Fields, bytes | None]:
        """An item's fields as its row holds them: (clear, sealed)."""
        clear, marked = self._split(item.type, item.fields)
        return clear, seal_values(secret, item.id.bytes, marked)

    def close_revision(
        self, item: ItemState, fields: Fields, capture: Capture | None, secret: bytes
    ) -> tuple[Fields, bytes | None]:
        """A revision's changed fields and capture; where a worker stood is sealed like any personal value."""
        clear, marked = self._split(item.type, fields)
        sealed: Fields = {"fields": marked} if marked else {}
        if capture is not None:
            sealed["capture"] = msgspec.to_builtins(capture)
        return clear, seal_values(secret, item.id.bytes, sealed)

    def close_overlaps(
        self, item: ItemState, overlaps: dict[str, Overlap], secret: bytes
    ) -> tuple[Fields, bytes | None]:
        """A conflict's values by field, each as {base, server, incoming}."""
        values = {key: msgspec.structs.asdict(overlap) for key, overlap in overlaps.items()}
        clear, marked = self._split(item.type, values)
        return clear, seal_values(secret, item.id.bytes, marked)

    def open_overlaps(self, row: Row, item_id: UUID, secret: bytes) -> dict[str, Overlap]:
        """What `close_overlaps` stored."""
        values = row["clear"] | unseal_values(secret, item_id.bytes, row["sealed"])
        return {key: Overlap(**value) for key, value in values.items()}

    def open_notes(self, item_id: UUID, sealed: bytes | None, secret: bytes) -> dict[str, str]:
        """A reviewer's notes by field."""
        return unseal_values(secret, item_id.bytes, sealed)

    def _split(self, type_code: str, values: Fields) -> tuple[Fields, Fields]:
        marked = self._catalogue.types[type_code].marked
        clear = {key: value for key, value in values.items() if key not in marked}
        return clear, {key: value for key, value in values.items() if key in marked}


def head(row: Row, fields: Fields) -> ItemState:
    """An item's row as the core's record."""
    return ItemState(
        id=row["id"],
        type=row["type"],
        grid_id=row["grid_id"],
        stream_class=row["stream_class"],
        author_id=row["author_id"],
        in_own_stream=row["in_own_stream"],
        version=row["version"],
        rev=unsigned64(row["rev"]),
        touch=row["touch"],
        deleted=row["deleted"],
        urgency=row["urgency"],
        fields=fields,
        captured_at=row["captured_at"],
        received_at=row["received_at"],
        updated_at=row["updated_at"],
    )


def group_past(pasts: Iterable[tuple[UUID, Past]]) -> dict[UUID, list[Past]]:
    """Revisions by item, in the order given."""
    grouped: dict[UUID, list[Past]] = {}
    for item_id, past in pasts:
        grouped.setdefault(item_id, []).append(past)
    return grouped


def photos_of(item: ItemState, photo_field: str | None) -> list[dict[str, Any]]:
    """The photos that an item's form names: {sha256, size, role}."""
    return item.fields.get(photo_field, []) if photo_field else []
