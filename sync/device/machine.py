"""The reference device: what an app must do between its worker, its store and the server, as a pure state
machine.

It does no I/O and knows no time and no chance: clocks, ids and nonces are passed in, requests and answers
are handed out and taken back. An answer that is lost is simply never applied. Words used here: the *pulled
layer* is what the streams told; *edits* are laid over it until the pulled layer shows them; the *draft* is
the edits not yet sealed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from schemas.wire import (
    Base,
    Capture,
    Change,
    Clock,
    EvidenceState,
    ExchangeAnswer,
    ExchangeRequest,
    FeedKind,
    NoticeBody,
    Operation,
)
from sync import feed
from sync.device import outbox, photos, pulled
from sync.device.state import Edit, Held, OwnPhoto, State, StreamState, Told
from sync.device.views import Applied, NotVisibleError, Outgoing, VisibleItem
from sync.framing import Form


class Device:
    """One enrolled phone. `catalogue` and `registry` are the versions that its forms and grids are of."""

    def __init__(self, state: State) -> None:
        self._state = state

    @classmethod
    def enrolled(
        cls, device: UUID, user: UUID, catalogue: str, registry: int, epoch: str | None = None, app: str = ""
    ) -> Device:
        """A device that has just been enrolled and holds nothing."""
        return cls(State(device, user, catalogue, registry, epoch, app))

    def snapshot(self) -> bytes:
        """Everything the device remembers, as bytes; write them before a request is sent."""
        return msgspec.msgpack.encode(self._state)

    @classmethod
    def restore(cls, snapshot: bytes) -> Device:
        """The device of a snapshot; `msgspec.DecodeError` for other bytes."""
        return cls(msgspec.msgpack.decode(snapshot, type=State))

    # Writing ---------------------------------------------------------------------------------------------

    def create_item(
        self,
        item: UUID,
        item_type: str,
        capture: Capture,
        fields: dict[str, Any],
        grid: str | None = None,
        urgency: Any = None,
    ) -> None:
        """Puts a new item into the draft; `item` is a fresh UUIDv7, `grid` the code of the claimed grid."""
        outbox.add_edit(self._state, Change("create", item, item_type, capture, None, grid, urgency, fields))

    def edit_item(
        self,
        item: UUID,
        capture: Capture,
        fields: dict[str, Any],
        grid: str | None = None,
        urgency: Any = None,
    ) -> None:
        """Puts an edit into the draft; `fields` holds only what changes, None clears a field."""
        self._edit("update", item, capture, fields, grid, urgency)

    def delete_item(self, item: UUID, capture: Capture) -> None:
        """Puts a deletion into the draft."""
        self._edit("delete", item, capture, {}, None, None)

    def seal_set(self, nonce: str, form: Form = "json") -> int | None:
        """Makes the draft into the next numbered set and returns its number; None if the draft is empty.

        `nonce`: 16 random bytes as 22 URL-safe base64 characters. A MessagePack set travels only in such a
        body.
        """
        return outbox.seal(self._state, nonce, form)

    def adopt(self, catalogue: str, registry: int) -> None:
        """The app has loaded these versions; sets sealed from now on are of them."""
        self._state.catalogue, self._state.registry = catalogue, registry

    def dismiss(self, no: int, index: int) -> None:
        """The worker has put a message away."""
        self._state.told = [told for told in self._state.told if (told.no, told.index) != (no, index)]

    # Exchanging ------------------------------------------------------------------------------------------

    def next_request(
        self, clock: Clock, max_sets: int = 50, max_bytes: int = 500_000, answer_bytes: int | None = None
    ) -> Outgoing:
        """The next request, with at most so many sets and bytes of sets, yet at least one if any is unsent.

        From now on only the answer to this request may change the pulled layer.
        """
        state = self._state
        state.serial += 1
        state.awaited = state.serial
        sets = outbox.sets_to_send(state, max_sets, max_bytes)
        request = ExchangeRequest(
            device=state.device,
            clock=clock,
            catalogue=state.catalogue,
            registry=state.registry,
            epoch=state.epoch,
            app=state.app,
            cursors={key: stream.cursor for key, stream in state.streams.items()},
            first=sets[0].no if sets else state.acknowledged + 1,
            acknowledged=state.acknowledged,
            unsent=len(outbox.unsent(state)),
            max_bytes=answer_bytes,
        )
        return Outgoing(state.serial, request, [sealed.raw for sealed in sets])

    def apply_answer(self, serial: int, answer: ExchangeAnswer) -> Applied:
        """Takes the answer to the request of that serial.

        Whatever is repeated, late or out of order does no harm: only the answer to the last request moves
        the pulled layer, once; all others give their receipts.
        """
        state = self._state
        if serial != state.awaited:
            return Applied(stale=True, receipts=self._take_receipts(answer, state.serial))
        state.awaited = None
        if state.epoch not in (None, answer.epoch):
            self._begin_epoch(answer.epoch)
            return Applied(new_epoch=True, again=True)
        state.epoch = answer.epoch
        receipts = self._take_receipts(answer, serial - 1)
        outbox.forget_safe(state, answer.safe_no)
        return self._pull(serial, answer, receipts)

    def note_photos(self, states: Iterable[EvidenceState]) -> list[str]:
        """Takes over how far photos have come; returns the keys of those whose bytes the phone may delete."""
        photos.note_states(self._state, states)
        return self._tidy(set())

    # Reading ---------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> str | None:
        """The epoch of the numbers and cursors."""
        return self._state.epoch

    @property
    def mark(self) -> str | None:
        """The mark to ask `GET /v1/exchange` with; None when an exchange is due anyway."""
        return None if self.unsent else self._state.mark

    @property
    def unsent(self) -> int:
        """How many changes have no receipt yet."""
        return len(outbox.unsent(self._state))

    @property
    def acknowledged(self) -> int:
        """The number up to which all receipts are stored here."""
        return self._state.acknowledged

    @property
    def repairs(self) -> int:
        """How often a stream was filled anew because its digest disagreed."""
        return self._state.repairs

    @property
    def forked(self) -> bool:
        """Whether this device's numbers were used by another copy of it; it sends no more sets."""
        return self._state.forked

    def visible(self, item: UUID) -> VisibleItem | None:
        """The item as the worker sees it; None if there is none or it was deleted here."""
        return self._overlay(item, [edit for edit in self._state.edits if edit.change.item == item])

    def items(self) -> list[VisibleItem]:
        """All items as the worker sees them, in the order of their ids."""
        edits: dict[UUID, list[Edit]] = {}
        for edit in self._state.edits:
            edits.setdefault(edit.change.item, []).append(edit)
        seen = (self._overlay(item, edits.get(item, [])) for item in sorted({*self._state.items, *edits}))
        return [item for item in seen if item is not None]

    def memberships(self) -> dict[str, dict[UUID, Held]]:
        """What each stream holds, by stream key and object id."""
        return {key: dict(stream.members) for key, stream in self._state.streams.items()}

    def digest(self, stream: str) -> str:
        """The digest of a stream as it travels; of an unknown stream that of an empty one."""
        return feed.to_hex(pulled.stream_digest(self._state.streams.get(stream, StreamState())))

    def todos(self) -> list[NoticeBody]:
        """What the worker is asked to do."""
        return self._notices("todo")

    def parked(self) -> list[NoticeBody]:
        """The worker's own changes that wait for a person's decision."""
        return self._notices("parked")

    def told(self) -> list[Told]:
        """The changes that were not applied, with the reason, until they are dismissed."""
        return list(self._state.told)

    def photo_states(self) -> dict[str, OwnPhoto]:
        """The photos that this phone still keeps, by `sha256-size`."""
        return dict(self._state.photos)

    def photos_to_send(self) -> list[OwnPhoto]:
        """The photos that the server knows of and has no good bytes for."""
        return [own for own in self._state.photos.values() if own.wanted and own.state not in photos.SENT]

    # Inside ----------------------------------------------------------------------------------------------

    def _edit(
        self,
        op: Operation,
        item: UUID,
        capture: Capture,
        fields: dict[str, Any],
        grid: str | None,
        urgency: Any,
    ) -> None:
        seen, body = self.visible(item), self._state.items.get(item)
        if seen is None:
            raise NotVisibleError(str(item))
        base = Base(body.version, body.rev) if body else None
        outbox.add_edit(self._state, Change(op, item, seen.type, capture, base, grid, urgency, fields))

    def _overlay(self, item: UUID, edits: list[Edit]) -> VisibleItem | None:
        seen = self._pulled_item(item)
        for edit in edits:
            change = edit.change
            if change.op == "delete":
                return None
            if change.op == "create" and seen is None:
                seen = VisibleItem(item, change.type, 0, change.grid, change.urgency, {}, False)
            if seen is not None:
                seen = _laid_over(seen, edit)
        return seen

    def _pulled_item(self, item: UUID) -> VisibleItem | None:
        body = self._state.items.get(item)
        if body is None:
            return None
        return VisibleItem(
            id=body.id,
            type=body.type,
            version=body.version,
            code=body.code,
            urgency=body.urgency,
            fields=body.fields,
            unsent=False,
            received_at=body.received_at,
            review=body.review,
            case=body.case,
            evidence=body.evidence,
        )

    def _notices(self, kind: FeedKind) -> list[NoticeBody]:
        return [body for _, body in sorted(self._state.notices.items()) if body.kind == kind]

    def _take_receipts(self, answer: ExchangeAnswer, serial: int) -> int:
        return sum(outbox.take_receipt(self._state, receipt, serial) for receipt in answer.receipts)

    def _begin_epoch(self, epoch: str) -> None:
        state = self._state
        outbox.begin_epoch(state, epoch)
        dropped = {one for key in list(state.streams) for one in pulled.drop_stream(state, key)}
        state.mark = None
        self._tidy(dropped)

    def _pull(self, serial: int, answer: ExchangeAnswer, receipts: int) -> Applied:
        state = self._state
        dropped = {one for key in answer.lost for one in pulled.drop_stream(state, key)}
        for key in answer.gained:
            state.streams.setdefault(key, StreamState())
        for page in answer.streams:
            dropped |= pulled.apply_page(state, page)
            self._note_evidence(page.entries)
        repaired = self._repair(answer)
        complete = not answer.more and not repaired
        state.mark = answer.mark if complete else None
        outbox.drop_shown(state, serial if complete else None)
        released = self._tidy(dropped)
        return Applied(
            receipts=receipts,
            entries=sum(len(page.entries) for page in answer.streams),
            gained=answer.gained,
            lost=answer.lost,
            repaired=repaired,
            released=released,
            again=not complete or bool(outbox.sets_to_send(state, 1, 0)),
            directives=answer.directives,
        )

    def _note_evidence(self, entries: Iterable[Any]) -> None:
        for entry in entries:
            if entry.item is not None:
                # "declared" tells readers nothing of the way the bytes take; answers to this phone's own requests do.
                told = [seen for seen in entry.item.evidence if seen.state != "declared"]
                photos.note_states(self._state, told)

    def _repair(self, answer: ExchangeAnswer) -> list[str]:
        """Streams whose digest disagrees begin again."""
        wrong = [p.stream for p in answer.streams if not pulled.agrees(self._state.streams[p.stream], p)]
        for key in wrong:
            pulled.begin_refill(self._state.streams[key])
        self._state.repairs += len(wrong)
        return wrong

    def _tidy(self, dropped: set[UUID]) -> list[str]:
        """Deletes what no stream holds and nothing unsent needs; returns the keys of photos let go."""
        state = self._state
        needed = {edit.change.item for edit in outbox.unsent(state)} | photos.items_with_unsent(state)
        pulled.sweep(state, dropped, needed)
        return photos.release_photos(state)


def _laid_over(seen: VisibleItem, edit: Edit) -> VisibleItem:
    change = edit.change
    return msgspec.structs.replace(
        seen,
        code=change.grid or seen.code,
        urgency=change.urgency or seen.urgency,
        fields=outbox.overlaid(seen.fields, change),
        unsent=seen.unsent or edit.outcome is None,
    )
