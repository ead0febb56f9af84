"""From the draft to numbered sets, whose bytes are made once; and sets whose number is used up without changes."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256

import msgspec

from schemas.wire import ChangeOutcome, ChangeSet, Void
from sync import framing
from sync.device import photos
from sync.device.state import Edit, SealedSet, State, Told

# A void set holds nothing that its hash could tell, and made twice it is to be the same.
_NO_NONCE = "A" * 22
_NONCE_BYTES = 16
# What an array of more changes or a separator adds at most.
_FRAME = 8
_TOLD: dict[Void, tuple[str, str, str]] = {
    "too_large": (
        "set_too_large",
        "这次修改的内容太多,无法发送。请减少文字或照片后重新填写。",
        "This change is too large to be sent. Shorten it, or leave out photos, and write it again.",
    ),
    "lost": (
        "set_lost",
        "手机上的数据损坏,这次修改没有送达。请核对后重新填写。",
        "The phone's memory was damaged and this change may not have arrived. Check it and write it again.",
    ),
}


def seal(state: State, nonce: str, form: framing.Form, *, atomic: bool, limit: int | None) -> int | None:
    """Makes the draft into the next numbered sets, once and for all; the last number, or None for an empty draft.

    A set beyond `limit` bytes is split where that may be done. What is too large on its own is told to the worker,
    and its number sent void, as it may be what a later number leans on.
    """
    draft = [edit for edit in state.edits if edit.no is None]
    encoded = [framing.encode_change(edit.change, form) for edit in draft]
    for place, (first, end) in enumerate(_shares(state, encoded, form, atomic=atomic, limit=limit)):
        changes = encoded[first:end]
        raw = framing.encode_set(_change_set(state, _nonce(nonce, place), changes, atomic=atomic), form)
        _number(state, draft[first:end], SealedSet(state.last_no + 1, raw, framing.set_hash(raw), state.epoch))
        if limit is not None and len(raw) > limit:
            make_void(state, state.last_no, "too_large")
    return state.last_no if draft else None


def make_void(state: State, no: int, why: Void) -> None:
    """Uses a number up without changes; what is still known of its edits is told to the worker, values and all.

    They are not sealed again: what he wrote since would be overwritten by what he wrote before.
    """
    empty = _change_set(state, _NO_NONCE, [], atomic=False)
    raw = framing.encode_set(msgspec.structs.replace(empty, no=no, void=why), "json")
    state.outbox[no] = SealedSet(no, raw, framing.set_hash(raw), state.epoch, void=True)
    code, zh, en = _TOLD[why]
    for edit in [edit for edit in state.edits if edit.no == no]:
        state.edits.remove(edit)
        outcome = ChangeOutcome(str(edit.change.item), "rejected", code=code, zh=zh, en=en)
        state.told.append(Told(no, edit.index, edit.change, outcome))
        photos.abandon_photos(state, edit.photos)


def _shares(
    state: State, encoded: list[msgspec.Raw], form: framing.Form, *, atomic: bool, limit: int | None
) -> Iterator[tuple[int, int]]:
    """Which changes go into one set, as (first, end): as many as fit, in their order."""
    frame = len(framing.encode_set(_change_set(state, _NO_NONCE, [], atomic=atomic), form)) + _FRAME
    first, size = 0, frame
    for place, change in enumerate(encoded):
        size += len(bytes(change)) + 1
        if limit is not None and not atomic and size > limit and place > first:
            yield first, place
            first, size = place, frame + len(bytes(change)) + 1
    if encoded:
        yield first, len(encoded)


def _number(state: State, edits: list[Edit], sealed: SealedSet) -> None:
    state.last_no = sealed.no
    state.outbox[sealed.no] = sealed
    for index, edit in enumerate(edits):
        edit.no, edit.index = sealed.no, index


def _nonce(nonce: str, place: int) -> str:
    """The nonce as it was given, and for each further set another that only its owner could make."""
    if place == 0:
        return nonce
    secret = urlsafe_b64decode(nonce + "==") + place.to_bytes(4, "big")
    return urlsafe_b64encode(sha256(secret).digest()[:_NONCE_BYTES]).rstrip(b"=").decode()


def _change_set(state: State, nonce: str, changes: list[msgspec.Raw], *, atomic: bool) -> ChangeSet:
    return ChangeSet(
        no=state.last_no + 1,
        device=state.device,
        holder=state.user,
        author=state.user,
        catalogue=state.catalogue,
        registry=state.registry,
        nonce=nonce,
        changes=changes,
        epoch=state.epoch,
        atomic=atomic,
    )
