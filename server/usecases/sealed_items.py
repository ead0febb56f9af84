"""Between stored rows and the core's records: what the catalogue marks is sealed going in, opened coming out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from schemas.forms import CompiledCatalogue
from schemas.wire import Capture
from server.db.database import Row
from server.sealing import ItemKey, Keyring, Sealer, encode_values, unseal_values
from sync.feed import unsigned64
from sync.items import Fields, ItemState, Past
from sync.merge import Overlap


class Vault:
    """Opens and closes the values of items with their keys."""

    def __init__(self, keyring: Keyring, catalogue: CompiledCatalogue) -> None:
        """Use this keyring and the marks of this catalogue."""
        self.keyring = keyring
        self._catalogue = catalogue
        self._ready: dict[bytes, Sealer] = {}

    def new_keys(self, item_ids: Collection[UUID]) -> dict[UUID, ItemKey]:
        """A key for each new item."""
        keys = self.keyring.new_keys([item_id.bytes for item_id in item_ids])
        self._ready.update((key.secret, key) for key in keys)
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

    def close_new(self, item: ItemState, key: ItemKey, capture: Capture | None) -> tuple[Fields, bytes, bytes]:
        """The fields of a new item as its row and its first revision hold them: (clear, sealed, sealed with capture).

        Bytes are empty where nothing is to be sealed.
        """
        clear, marked = self._split(item.type, item.fields)
        owner, captured = item.id.bytes, _with_capture(marked, capture)
        return clear, key.seal(owner, marked) if marked else b"", key.seal(owner, captured) if captured else b""

    def close_fields(self, item: ItemState, secret: bytes) -> tuple[Fields, bytes | None]:
        """An item's fields as its row holds them: (clear, sealed)."""
        clear, marked = self._split(item.type, item.fields)
        return clear, self._sealer(secret).seal(item.id.bytes, marked) if marked else None

    def close_revision(
        self, item: ItemState, fields: Fields, capture: Capture | None, secret: bytes
    ) -> tuple[Fields, bytes | None]:
        """A revision's changed fields and capture; where a worker stood is sealed like any personal value."""
        clear, marked = self._split(item.type, fields)
        captured = _with_capture(marked, capture)
        return clear, self._sealer(secret).seal(item.id.bytes, captured) if captured else None

    def close_overlaps(
        self, item: ItemState, overlaps: dict[str, Overlap], secret: bytes
    ) -> tuple[Fields, bytes | None]:
        """A conflict's values by field, each as {base, server, incoming}."""
        values = {key: msgspec.structs.asdict(overlap) for key, overlap in overlaps.items()}
        clear, marked = self._split(item.type, values)
        return clear, self._sealer(secret).seal(item.id.bytes, marked) if marked else None

    def open_overlaps(self, row: Row, item_id: UUID, secret: bytes) -> dict[str, Overlap]:
        """What `close_overlaps` stored."""
        values = row["clear"] | unseal_values(secret, item_id.bytes, row["sealed"])
        return {key: Overlap(**value) for key, value in values.items()}

    def open_notes(self, item_id: UUID, sealed: bytes | None, secret: bytes) -> dict[str, str]:
        """A reviewer's notes by field."""
        return unseal_values(secret, item_id.bytes, sealed)

    def _sealer(self, secret: bytes) -> Sealer:
        """The key made ready, once for all that is closed with it."""
        sealer = self._ready.get(secret)
        if sealer is None:
            sealer = self._ready[secret] = Sealer.of(secret)
        return sealer

    def _split(self, type_code: str, values: Fields) -> tuple[Fields, bytes]:
        """The values that may be kept clear, and the marked ones encoded, empty where there are none."""
        marked = self._catalogue.types[type_code].marked
        clear: Fields = {}
        kept: Fields = {}
        for key, value in values.items():
            if key in marked:
                kept[key] = value
            else:
                clear[key] = value
        return clear, encode_values(kept) if kept else b""


def _with_capture(marked: bytes, capture: Capture | None) -> bytes:
    """What of a revision is sealed, encoded: its marked values and where it was written."""
    sealed: dict[str, Any] = {"fields": Raw(marked)} if marked else {}
    if capture is not None:
        sealed["capture"] = capture
    return encode_values(sealed) if sealed else b""


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
