"""Requests and answers. An answer that is lost is never applied, and any that is repeated or late does no harm."""

from __future__ import annotations

from uuid import UUID

import msgspec

from schemas.wire import Clock, ExchangeAnswer, ExchangeRequest, StreamPage
from sync.device import comparing, directives, epochs, erased, notices, outbox, photos, pulled, salvage
from sync.device.state import State, StreamState
from sync.device.views import Applied, Outgoing
from sync.framing import Form


def next_request(
    state: State, clock: Clock, *, max_sets: int, max_bytes: int, answer_bytes: int | None, form: Form
) -> Outgoing:
    """The next request; from now on only its answer may change the pulled layer."""
    state.serial += 1
    state.awaited = state.serial
    done = directives.carry(state)
    sets = outbox.sets_to_send(state, max_sets, max_bytes)
    is_last = state.forked or state.acknowledged + len(sets) == state.last_no
    request = ExchangeRequest(
        device=state.device,
        clock=clock,
        catalogue=state.catalogue,
        registry=state.registry,
        epoch=state.epoch,
        app=state.app,
        cursors={key: stream.cursor for key, stream in state.streams.items() if stream.cursor is not None},
        first=sets[0].no if sets else state.acknowledged + 1,
        acknowledged=state.acknowledged,
        unsent=len(outbox.unsent(state)),
        max_bytes=answer_bytes,
        repairs=comparing.questions(state, is_last=is_last),
        salvage=salvage.carry(state, form),
        done=done,
        put_away=notices.carry(state),
    )
    return Outgoing(state.serial, request, [sealed.raw for sealed in sets])


def apply_answer(state: State, serial: int, answer: ExchangeAnswer) -> Applied:
    """Takes an answer: all of it if it answers the last request, else its receipts if they are of this epoch.

    A server that lacks a set which it gave a receipt for was restored, whatever epoch it names.
    """
    if state.wiped:
        return Applied(stale=True)
    is_new_epoch = state.epoch not in (None, answer.epoch)
    is_stale = serial != state.awaited
    if is_new_epoch and is_stale:
        return Applied(stale=True)
    if not is_new_epoch:
        # Also from a late answer: its receipts are of this epoch, and the next answer may be of another.
        state.epoch = answer.epoch
    if is_stale:
        return Applied(stale=True, receipts=_take_receipts(state, answer, state.serial))
    state.awaited = None
    if is_new_epoch or answer.expected <= state.acknowledged:
        epochs.begin_epoch(state, answer)
        return Applied(new_epoch=True, again=True)
    receipts = _take_receipts(state, answer, serial - 1)
    new = directives.take(state, answer.directives)
    if _take_standing(state, answer, serial):
        return Applied(receipts=receipts, wiped=True, released=list(state.photos))
    applied = Applied(again=_has_more_to_send(state))
    if answer.withheld is None:
        applied = _pull(state, serial, answer)
    return msgspec.structs.replace(applied, receipts=receipts, directives=new)


def tidy(state: State, dropped: set[UUID]) -> list[str]:
    """Deletes what no stream holds and nothing unsent needs; returns the keys of photos let go."""
    needed = {edit.change.item for edit in outbox.unsent(state)} | photos.items_with_unsent(state)
    pulled.sweep(state, dropped, needed)
    notices.forget_ended(state)
    return photos.release_photos(state)


def _take_receipts(state: State, answer: ExchangeAnswer, serial: int) -> int:
    return sum(outbox.take_receipt(state, receipt, serial) for receipt in answer.receipts)


def _take_standing(state: State, answer: ExchangeAnswer, serial: int) -> bool:
    """What the answer says of this device's numbers and of what its request carried; whether the device is wiped."""
    epochs.note_expected(state, answer.expected)
    outbox.replace_lost(state, answer.expected, serial)
    outbox.forget_safe(state, answer.safe_no)
    salvage.arrived(state)
    state.withheld, state.mark = answer.withheld, None
    return directives.arrived(state)


def _pull(state: State, serial: int, answer: ExchangeAnswer) -> Applied:
    # What is held of a lost stream may be in one that is still being filled: it stays in sight until all are whole.
    lost = [] if answer.more else answer.lost
    dropped = {one for key in lost for one in pulled.drop_stream(state, key)}
    for key in answer.gained:
        state.streams.setdefault(key, StreamState())
    entries = 0
    for page in answer.streams:
        dropped |= comparing.take_page(state, page)
        entries += _note_entries(state, page)
    repaired = [page.stream for page in answer.streams if comparing.disagrees(state, page)]
    pending = any(comparing.is_pending(state.streams[page.stream]) for page in answer.streams)
    complete = not answer.more and not pending
    state.mark = answer.mark if complete else None
    outbox.drop_shown(state, serial if complete else None)
    released = tidy(state, dropped)
    return Applied(
        entries=entries,
        gained=answer.gained,
        lost=lost,
        repaired=repaired,
        released=released,
        again=not complete or _has_more_to_send(state),
    )


def _note_entries(state: State, page: StreamPage) -> int:
    """What entries say besides what is pulled; how many there were."""
    entries = [*page.entries, *(page.repaired.entries if page.repaired else ())]
    for entry in entries:
        if entry.item is not None:
            # "declared" tells readers nothing of the way the bytes take; answers to this phone's own requests do.
            seen = photos.told_states(entry.item)
            photos.note_states(state, [one for one in seen if one.state != "declared"])
    erased.forget(state, {entry.id for entry in entries if entry.erased})
    return len(entries)


def _has_more_to_send(state: State) -> bool:
    return bool(outbox.sets_to_send(state, 1, 0) or state.salvage or directives.has_more_to_tell(state))
