"""The outbox: edits, sealed sets with their numbers, receipts, and what was refused."""

from __future__ import annotations

from schemas.wire import Change, ChangeOutcome, Receipt
from sync.device import erased, photos, sealing
from sync.device.state import Edit, SealedSet, State, Told

SHOWN_BY_PULL = ("applied", "merged", "rebased")


def add_edit(state: State, change: Change) -> None:
    """Puts one change into the draft."""
    state.edits.append(Edit(change, photos.keep_photos(state, change)))


def sets_to_send(state: State, max_sets: int, max_bytes: int) -> list[SealedSet]:
    """The sets after the acknowledged number, in order, before one whose bytes are lost; if there are any, not none.

    Of a device whose numbers another copy seems to have used, the first alone: that it is refused is the proof.
    """
    chosen: list[SealedSet] = []
    room = max_bytes
    for no in range(state.acknowledged + 1, state.last_no + 1):
        sealed = state.outbox[no]
        room -= len(sealed.raw)
        if not sealed.raw or (chosen and (room < 0 or len(chosen) >= max_sets)):
            break
        chosen.append(sealed)
    if state.forked:
        return [] if state.refused else chosen[:1]
    return chosen


def take_receipt(state: State, receipt: Receipt, serial: int) -> bool:
    """Stores a receipt; False for one that is stored already or speaks of other bytes."""
    sealed = state.outbox.get(receipt.no)
    if sealed is None or sealed.receipt is not None or sealed.hash != receipt.hash:
        return False
    if receipt.status == "forked":
        state.forked = state.refused = True
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


def lose_bytes(state: State, no: int) -> None:
    """Notes that the bytes of a set are gone; of a number that is not kept there is nothing to lose."""
    if sealed := state.outbox.get(no):
        sealed.raw = b""


def replace_lost(state: State, expected: int, serial: int) -> None:
    """Settles the sets without receipt whose bytes are lost, once it is known which number the server waits for.

    What it waits for it never got, so the number goes out void. What it has decided before is taken as applied: the
    pulled state tells the rest.
    """
    lost = [one for no, one in sorted(state.outbox.items()) if no > state.acknowledged and not one.raw]
    for sealed in [one for one in lost if one.receipt is None]:
        if sealed.no >= expected:
            sealing.make_void(state, sealed.no, "lost")
            continue
        sealed.receipt = Receipt(sealed.no, sealed.hash, "decided")
        for edit in [edit for edit in unsent(state) if edit.no == sealed.no]:
            _settle(state, edit, ChangeOutcome(str(edit.change.item), "applied"), serial)
    _acknowledge(state)


def forget_safe(state: State, safe_no: int) -> None:
    """Lets go of receipted sets that the server holds in a verified backup."""
    state.safe_no = max(state.safe_no, safe_no)
    for no in [no for no in state.outbox if no <= min(state.safe_no, state.acknowledged)]:
        del state.outbox[no]


def unsent(state: State) -> list[Edit]:
    """The edits without a receipt."""
    return [edit for edit in state.edits if edit.outcome is None]


def _outcome(receipt: Receipt, edit: Edit) -> ChangeOutcome:
    """A set that was rejected or quarantined as a whole says the same of each of its changes."""
    if receipt.status == "rejected" or receipt.status == "quarantined":
        item = str(edit.change.item)
        return ChangeOutcome(item, receipt.status, code=receipt.code, zh=receipt.zh, en=receipt.en)
    return receipt.outcomes[edit.index]


def _settle(state: State, edit: Edit, outcome: ChangeOutcome, serial: int) -> None:
    if outcome.outcome in SHOWN_BY_PULL or _is_taken_in(edit, outcome):
        edit.outcome, edit.receipted_at = outcome, serial
    else:
        state.edits.remove(edit)
        state.told.append(Told(edit.no or 0, edit.index, edit.change, outcome))
    if outcome.outcome == "rejected":
        photos.abandon_photos(state, edit.photos)
    else:
        photos.want_photos(state, edit.photos)


def _is_taken_in(edit: Edit, outcome: ChangeOutcome) -> bool:
    """A parked creation is an item all the same: only its grid waits, which its notice tells."""
    return edit.change.op == "create" and outcome.outcome == "parked"


def _acknowledge(state: State) -> None:
    while (sealed := state.outbox.get(state.acknowledged + 1)) and sealed.receipt is not None:
        state.acknowledged += 1
        if items := erased.erased_by(sealed.receipt):
            erased.forget(state, items)


def _is_shown(state: State, edit: Edit, complete: int | None) -> bool:
    if edit.outcome is None:
        return False
    if complete is not None and edit.receipted_at < complete:
        return True
    pulled, version = state.items.get(edit.outcome.linked or edit.change.item), edit.outcome.version
    return pulled is not None and version is not None and pulled.version >= version
