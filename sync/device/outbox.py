"""The outbox: a draft of edits, sealed sets with their numbers, receipts, and what was refused."""

from __future__ import annotations

from schemas.wire import Change, ChangeOutcome, ChangeSet, Receipt
from sync import framing
from sync.device import photos
from sync.device.state import Edit, SealedSet, State, Told

SHOWN_BY_PULL = ("applied", "merged", "rebased")


def add_edit(state: State, change: Change) -> None:
    """Puts one change into the draft."""
    state.edits.append(Edit(change, photos.keep_photos(state, change)))


def seal(state: State, nonce: str, form: framing.Form) -> int | None:
    """Makes the draft into the next numbered set, once and for all; None for an empty draft."""
    draft = [edit for edit in state.edits if edit.no is None]
    if not draft:
        return None
    state.last_no += 1
    raw = _encode(state, draft, nonce, form)
    state.outbox[state.last_no] = SealedSet(state.last_no, raw, framing.set_hash(raw), state.epoch)
    for index, edit in enumerate(draft):
        edit.no, edit.index = state.last_no, index
    return state.last_no


def sets_to_send(state: State, max_sets: int, max_bytes: int) -> list[SealedSet]:
    """The sets after the acknowledged number, in order; always at least one if there is any."""
    chosen: list[SealedSet] = []
    room = max_bytes
    for no in range(state.acknowledged + 1, state.last_no + 1):
        sealed = state.outbox[no]
        room -= len(sealed.raw)
        if chosen and (room < 0 or len(chosen) >= max_sets):
            break
        chosen.append(sealed)
    return [] if state.forked else chosen


def take_receipt(state: State, receipt: Receipt, serial: int) -> bool:
    """Stores a receipt; False for one that is stored already or speaks of other bytes."""
    sealed = state.outbox.get(receipt.no)
    if sealed is None or sealed.receipt is not None or sealed.hash != receipt.hash:
        return False
    if receipt.status == "forked":
        state.forked = True
        return False
    sealed.receipt = receipt
    for edit in [edit for edit in unsent(state) if edit.no == receipt.no]:
        _settle(state, edit, _outcome(receipt, edit), serial)
    _acknowledge(state)
    return True


def drop_shown(state: State, complete: int | None) -> None:
    """Takes away the edits that the pulled state shows.

    `complete` is the serial of a request whose answer left nothing to pull: it shows each edit receipted
    before. An item that left the scope before it was ever pulled stays visible by its edits while one is unsent.
    """
    needed = {edit.change.item for edit in unsent(state)} - state.items.keys()
    state.edits = [edit for edit in state.edits if edit.change.item in needed or not _is_shown(state, edit, complete)]


def forget_safe(state: State, safe_no: int) -> None:
    """Lets go of receipted sets that the server holds in a verified backup."""
    state.safe_no = max(state.safe_no, safe_no)
    for no in [no for no in state.outbox if no <= min(state.safe_no, state.acknowledged)]:
        del state.outbox[no]


def begin_epoch(state: State, epoch: str) -> None:
    """Numbers start again: what has no receipt returns to the draft, in order; the old sets are set aside."""
    state.former += state.outbox.values()
    state.outbox, state.epoch = {}, epoch
    state.last_no = state.acknowledged = state.safe_no = 0
    for edit in state.edits:
        if edit.outcome is None:
            edit.no, edit.index = None, 0


def unsent(state: State) -> list[Edit]:
    """The edits without a receipt."""
    return [edit for edit in state.edits if edit.outcome is None]


def _encode(state: State, draft: list[Edit], nonce: str, form: framing.Form) -> bytes:
    change_set = ChangeSet(
        no=state.last_no,
        device=state.device,
        holder=state.user,
        author=state.user,
        catalogue=state.catalogue,
        registry=state.registry,
        nonce=nonce,
        changes=[framing.encode_change(edit.change, form) for edit in draft],
        epoch=state.epoch,
    )
    return framing.encode_set(change_set, form)


def _outcome(receipt: Receipt, edit: Edit) -> ChangeOutcome:
    """A set that was rejected or quarantined as a whole says the same of each of its changes."""
    if receipt.status == "rejected" or receipt.status == "quarantined":
        item = str(edit.change.item)
        return ChangeOutcome(item, receipt.status, code=receipt.code, zh=receipt.zh, en=receipt.en)
    return receipt.outcomes[edit.index]


def _settle(state: State, edit: Edit, outcome: ChangeOutcome, serial: int) -> None:
    if outcome.outcome in SHOWN_BY_PULL:
        edit.outcome, edit.receipted_at = outcome, serial
    else:
        state.edits.remove(edit)
        state.told.append(Told(edit.no or 0, edit.index, edit.change, outcome))
    if outcome.outcome == "rejected":
        photos.abandon_photos(state, edit.photos)
    else:
        photos.want_photos(state, edit.photos)


def _acknowledge(state: State) -> None:
    while (sealed := state.outbox.get(state.acknowledged + 1)) and sealed.receipt is not None:
        state.acknowledged += 1


def _is_shown(state: State, edit: Edit, complete: int | None) -> bool:
    if edit.outcome is None:
        return False
    if complete is not None and edit.receipted_at < complete:
        return True
    pulled, version = state.items.get(edit.change.item), edit.outcome.version
    return pulled is not None and version is not None and pulled.version >= version


def overlaid(fields: dict[str, object], change: Change) -> dict[str, object]:
    """The fields with one change laid over them; null clears a field."""
    merged = {**fields, **change.fields}
    return {name: value for name, value in merged.items() if value is not None}
