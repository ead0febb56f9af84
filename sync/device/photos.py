"""The photos whose bytes the phone keeps: known by hash and size, sent after the receipt, gone when safe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from uuid import UUID

from schemas.wire import Change, EntryItem, EvidenceState, PhotoState
from sync.device.state import OwnPhoto, State

SENT = ("stored", "verified")


def photo_key(sha256: str, size: int) -> str:
    """The identity of a photo as one text."""
    return f"{sha256}-{size}"


def listed_photos(fields: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """All photos that a form's lists name, by key."""
    return {photo_key(one["sha256"], one["size"]): (one["sha256"], one["size"]) for one in photos_in(fields)}


def photos_in(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The photos in a form's lists, in their order."""
    for value in fields.values():
        for entry in cast("list[Any]", value) if isinstance(value, list) else []:
            if isinstance(entry, dict) and "sha256" in entry and "size" in entry:
                yield cast("dict[str, Any]", entry)


def told_states(told: EntryItem) -> list[EvidenceState]:
    """A state for each photo of an item as an entry tells it: of those in its form, then of the others."""
    listed = list(photos_in(told.fields))
    states: list[PhotoState] = told.photos or ["declared"] * len(listed)
    photos = zip(listed, states, strict=False)
    return [*(EvidenceState(one["sha256"], one["size"], one["role"], state) for one, state in photos), *told.evidence]


def keep_photos(state: State, change: Change) -> list[str]:
    """Notes the photos that this change brings in; those that the pulled item lists already are not new."""
    pulled = state.items.get(change.item)
    known = listed_photos(pulled.fields) if pulled else {}
    brought = {key: photo for key, photo in listed_photos(change.fields).items() if key not in known}
    for key, (sha256, size) in brought.items():
        own = state.photos.setdefault(key, OwnPhoto(sha256, size, []))
        own.items = [*own.items, change.item] if change.item not in own.items else own.items
    return list(brought)


def want_photos(state: State, keys: Iterable[str]) -> None:
    """The server now knows of these photos and waits for their bytes."""
    for key in keys:
        if own := state.photos.get(key):
            own.wanted = True


def abandon_photos(state: State, keys: Iterable[str]) -> None:
    """Lets go of photos that only a rejected change named."""
    in_use = {key for edit in state.edits for key in edit.photos}
    for key in keys:
        own = state.photos.get(key)
        if own and not own.wanted and key not in in_use:
            del state.photos[key]


def note_states(state: State, states: Iterable[EvidenceState]) -> None:
    """Takes over how far the bytes of own photos have come."""
    for seen in states:
        if own := state.photos.get(photo_key(seen.sha256, seen.size)):
            own.state = seen.state


def note_hopeless(state: State, codes: Mapping[str, str]) -> None:
    """The server can never take these photos, {key: code}: they are not sent, and nothing waits for them."""
    for key, code in codes.items():
        if own := state.photos.get(key):
            own.state, own.hopeless = "refused", code


def unsent(state: State) -> dict[str, OwnPhoto]:
    """The photos whose bytes the server has not got and can take, by key."""
    return {key: own for key, own in state.photos.items() if own.state not in SENT and own.hopeless is None}


def give_up(state: State) -> list[str]:
    """Forgets the photos that are only here, and returns their keys."""
    gone = [key for key, own in state.photos.items() if own.state not in SENT]
    for key in gone:
        del state.photos[key]
    return gone


def release_photos(state: State) -> list[str]:
    """Forgets the photos that need the phone no more, and returns their keys.

    Verified ones; those of erased items; stored ones of items out of sight, for nothing more will be heard of them; and
    those that can never be taken, once nothing in sight names them any more.
    """
    in_sight = set(state.items) | {edit.change.item for edit in state.edits}
    named = _named(state) if any(own.hopeless for own in state.photos.values()) else set[str]()
    done = [
        key
        for key, own in state.photos.items()
        if own.state == "verified"
        or state.erased.issuperset(own.items)
        or (own.state == "stored" and in_sight.isdisjoint(own.items))
        or (own.hopeless is not None and key not in named)
    ]
    for key in done:
        del state.photos[key]
    return done


def items_with_unsent(state: State) -> set[UUID]:
    """The items with photos that are only on this phone."""
    return {item for own in unsent(state).values() for item in own.items} - state.erased


def _named(state: State) -> set[str]:
    """The keys of the photos that pulled items and own edits name."""
    pulled = {key for item in state.items.values() for key in listed_photos(item.fields)}
    return pulled.union(key for edit in state.edits for key in edit.photos)
