"""Between stored rows and the core's records: what the catalogue marks is sealed going in, opened coming out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from schemas.forms import CompiledCatalogue
from schemas.wire import Capture
from server.db.database import Row
from server.sealing import ItemKey, Keyring, Sealer, encode_values, unseal_values
from sync.feed import unsigned64
from sync.items import Fields, ItemState, Past
from sync.merge import Overlap

_NOTHING: Fields = {}


class _Closing(Struct, gc=False, eq=False):
    """An item's key made ready, and the last values that were closed with it: what may be kept clear, the rest encoded.

    A new item's head and its first revision hold the very same values.
    """

    sealer: Sealer
    owner: bytes
    values: Fields | None
    clear: Fields
    marked: bytes


class Vault:
    """Opens and closes the values of items with their keys."""

    def __init__(self, keyring: Keyring, catalogue: CompiledCatalogue) -> None:
        """Use this keyring and the marks of this catalogue."""
        self.keyring = keyring
        self._catalogue = catalogue
        self._closing: dict[bytes, _Closing] = {}

    def new_keys(self, item_ids: Collection[UUID]) -> dict[UUID, ItemKey]:
        """A key for each new item."""
        owners = [item_id.bytes for item_id in item_ids]
        keys = self.keyring.new_keys(owners)
        for key, owner in zip(keys, owners, strict=True):
            self._closing[key.secret] = _Closing(key, owner, None, _NOTHING, b"")
        return dict(zip(item_ids, keys, strict=True))

    def secret(self, row: Row) -> bytes:
        """The key of a row that has `id` and `wrapped`."""
        return self.keyring.open_key(row["id"].bytes, row["wrapped"])

    def open_item(self, row: Row, secret: bytes) -> ItemState:
        """The head of an item with all its fields."""
        return head(row, self.open_fields(row, secret))

    def open_fields(self, row: Row, secret: bytes) -> Fields:
        """The values of an item's head."""
        return row["clear"] | unseal_values(secret, row["id"].bytes, row["sealed"])

    def open_past(self, row: Row, secret: bytes) -> Past:
        """One revision with the values it set."""
        sealed = unseal_values(secret, row["item_id"].bytes, row["sealed"])
        fields = row["clear"] | sealed.get("fields", {})
        return Past(row["version"], unsigned64(row["rev"]), row["device_id"], fields)

    def close_fields(self, item: ItemState, secret: bytes) -> tuple[Fields, bytes | None]:
        """An item's fields as its row holds them: (clear, sealed)."""
        closing = self._closing.get(secret) or self._opened(secret, item)
        if closing.values is not item.fields:
            self._split(closing, item.type, item.fields)
        return closing.clear, closing.sealer.seal(closing.owner, closing.marked) if closing.marked else None

    def close_revision(
        self, item: ItemState, fields: Fields, capture: Capture | None, secret: bytes
    ) -> tuple[Fields, bytes | None]:
        """A revision's changed fields and capture; where a worker stood is sealed like any personal value."""
        closing = self._closing.get(secret) or self._opened(secret, item)
        if closing.values is not fields:
            self._split(closing, item.type, fields)
        sealed: dict[str, Any] = {"fields": Raw(closing.marked)} if closing.marked else {}
        if capture is not None:
            sealed["capture"] = capture
        return closing.clear, closing.sealer.seal(closing.owner, encode_values(sealed)) if sealed else None

    def close_overlaps(
        self, item: ItemState, overlaps: dict[str, Overlap], secret: bytes
    ) -> tuple[Fields, bytes | None]:
        """A conflict's values by field, each as {base, server, incoming}."""
        values = {key: msgspec.structs.asdict(overlap) for key, overlap in overlaps.items()}
        closing = _Closing(Sealer.of(secret), item.id.bytes, None, _NOTHING, b"")
        self._split(closing, item.type, values)
        return closing.clear, closing.sealer.seal(closing.owner, closing.marked) if closing.marked else None

    def open_overlaps(self, row: Row, item_id: UUID, secret: bytes) -> dict[str, Overlap]:
        """What `close_overlaps` stored."""
        values = row["clear"] | unseal_values(secret, item_id.bytes, row["sealed"])
        return {key: Overlap(**value) for key, value in values.items()}

    def open_notes(self, item_id: UUID, sealed: bytes | None, secret: bytes) -> dict[str, str]:
        """A reviewer's notes by field."""
        return unseal_values(secret, item_id.bytes, sealed)

    def _opened(self, secret: bytes, item: ItemState) -> _Closing:
        closing = self._closing[secret] = _Closing(Sealer.of(secret), item.id.bytes, None, _NOTHING, b"")
        return closing

    def _split(self, closing: _Closing, type_code: str, values: Fields) -> None:
        marked = self._catalogue.types[type_code].marked
        clear = {} if marked.issuperset(values) else {key: values[key] for key in values if key not in marked}
        kept = {key: values[key] for key in values if key in marked} if clear else values
        closing.values, closing.clear, closing.marked = values, clear, encode_values(kept) if kept else b""


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
