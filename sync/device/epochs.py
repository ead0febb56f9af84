"""When the server was restored, and when this device has become another: which numbers count, and what is sent again.

Numbers go on over a restore. The first that the restored server lacks is the one it expects; what was receipted before
stays so, and everything from there on goes out again, with the bytes that it had.
"""

from __future__ import annotations

from uuid import UUID

from schemas.wire import Change, ExchangeAnswer
from sync.device import comparing, photos, salvage, sealing
from sync.device.state import Edit, SealedSet, State, Told
from sync.framing import Unreadable, decode_change, decode_set, set_form, set_hash

_NULL = (b"null", b"\xc0")


def begin_epoch(state: State, answer: ExchangeAnswer) -> None:
    """Takes the epoch of an answer: nothing that is held goes, and nothing that it says has been pulled."""
    state.epoch, state.safe_no = answer.epoch, answer.safe_no
    state.acknowledged = min(state.acknowledged, answer.expected - 1)
    note_expected(state, answer.expected)
    _reopen(state, answer.expected)
    salvage.begin_epoch(state)
    comparing.begin_epoch(state)


def note_expected(state: State, expected: int) -> None:
    """A server that knows numbers which were never used here knows them from a copy of this device."""
    state.forked = state.forked or expected > state.last_no + 1


def become(state: State, device: UUID, ticket: str | None) -> None:
    """Takes another identity: what has no receipt returns to the draft in order, the sets of the former are set aside.

    What is pulled stays, with its cursors: they are the user's. Numbers of the former device turn negative, so that
    they are nobody else's.
    """
    used = state.last_no + 1
    state.told = [Told(told.no - used, told.index, told.change, told.outcome) for told in state.told]
    for edit in state.edits:
        if edit.outcome is None:
            edit.no, edit.index = None, 0
        elif edit.no is not None:
            edit.no -= used
    state.former += state.outbox.values()
    state.outbox = {}
    state.device, state.ticket = device, ticket
    state.forked = state.refused = False
    state.last_no = state.acknowledged = state.safe_no = 0
    state.awaited = None


def _reopen(state: State, expected: int) -> None:
    """Receipts from `expected` on are not given; sets that are not kept any more become void."""
    for no in range(max(expected, 1), state.last_no + 1):
        sealed = state.outbox.get(no)
        if sealed is None or not sealed.raw:
            sealing.make_void(state, no, "lost")
        elif sealed.receipt is not None:
            sealed.receipt, sealed.hash = None, set_hash(sealed.raw)
            if not sealed.void:
                _lay_over_again(state, sealed)
    # Drafts last: they are sealed after all that has a number.
    state.edits.sort(key=lambda edit: (edit.no is None, edit.no or 0, edit.index))


def _lay_over_again(state: State, sealed: SealedSet) -> None:
    """The edits of a set as they were before its receipt; of erased items none are left.

    Of bytes that nobody can read there is nothing to be laid over: what the worker was told of them still holds.
    """
    try:
        changes = _changes_of(sealed.raw)
    except Unreadable:
        return
    state.told = [told for told in state.told if told.no != sealed.no]
    state.edits = [edit for edit in state.edits if edit.no != sealed.no]
    for index, change in changes.items():
        state.edits.append(Edit(change, _photos_again(state, change), sealed.no, index))


def _changes_of(raw: bytes) -> dict[int, Change]:
    """The changes of a set by their places; raises Unreadable."""
    form, changes = set_form(raw), decode_set(raw).changes
    return {place: decode_change(one, form) for place, one in enumerate(changes) if bytes(one) not in _NULL}


def _photos_again(state: State, change: Change) -> list[str]:
    """The photos of a change that the phone still has: the restored server may know nothing of them."""
    keys = [key for key in photos.listed_photos(change.fields) if key in state.photos]
    for key in keys:
        state.photos[key].state, state.photos[key].wanted = "declared", False
    return keys
