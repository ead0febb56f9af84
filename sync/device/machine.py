"""The reference device: what an app must do between its worker, its store and the server, as a pure state
machine.

It does no I/O and knows no time and no chance: clocks, ids and nonces are passed in, requests and answers
are handed out and taken back. An answer that is lost is simply never applied. Words used here: the *pulled
layer* is what the streams told; *edits* are laid over it until the pulled layer shows them; the *draft* is
the edits not yet sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    LegacyCode,
    NoticeBody,
    Operation,
    Transition,
)
from sync import feed
from sync.device import directives, epochs, exchanging, looking, notices, outbox, photos, pulled, sealing
from sync.device.state import Held, OwnPhoto, State, StreamState, Told
from sync.device.views import Applied, NotVisibleError, Outgoing, VisibleItem
from sync.framing import Form


class Device:
    """One enrolled phone. `catalogue` and `registry` are the versions that its forms and grids are of."""

    def __init__(self, state: State) -> None:
        self._state = state

    @classmethod
    def enrolled(
        cls,
        device: UUID,
        user: UUID,
        catalogue: str,
        registry: int,
        epoch: str | None = None,
        app: str = "",
        ticket: str | None = None,
    ) -> Device:
        """A device that has just been enrolled and holds nothing but the ticket of its enrolment."""
        return cls(State(device, user, catalogue, registry, epoch, app, ticket))

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
        legacy: LegacyCode | None = None,
    ) -> None:
        """Puts a new item into the draft; `item` is a fresh UUIDv7.

        `grid`: the code of the claimed grid; `legacy`: what stands for it on an old list or plate.
        """
        self._write(Change("create", item, item_type, capture, None, grid, urgency, fields, legacy))

    def edit_item(
        self,
        item: UUID,
        capture: Capture,
        fields: dict[str, Any],
        grid: str | None = None,
        urgency: Any = None,
    ) -> None:
        """Puts an edit into the draft; `fields` holds only what changes, None clears a field."""
        self._edit("update", item, capture, fields, grid=grid, urgency=urgency)

    def delete_item(self, item: UUID, capture: Capture) -> None:
        """Puts a deletion into the draft."""
        self._edit("delete", item, capture, {})

    def transition_item(
        self,
        item: UUID,
        capture: Capture,
        action: str,
        leaves: str,
        note: str | None = None,
        fields: dict[str, Any] | None = None,
    ) -> None:
        """Puts a step of the item's case into the draft; `leaves` is the state of the case that the worker saw.

        `fields` come with it, such as photos from after. The case is shown as it was until the server has moved it.
        """
        self._edit("transition", item, capture, fields or {}, transition=Transition(action, leaves, note))

    def seal_set(
        self, nonce: str, form: Form = "json", atomic: bool = False, max_set_bytes: int | None = None
    ) -> int | None:
        """Makes the draft into the next numbered set and returns its number; None if the draft is empty.

        `nonce`: 16 random bytes as 22 URL-safe base64 characters. A MessagePack set travels only in such a body.
        `atomic`: one rejected change rejects them all, one parked change parks them all. A draft beyond
        `max_set_bytes` becomes several sets, of which the last number is returned; an atomic one is not split. What is
        too large on its own is told to the worker.
        """
        return sealing.seal(self._state, nonce, form, atomic=atomic, limit=max_set_bytes)

    def lose_bytes(self, no: int) -> None:
        """The app's store is damaged and has not the bytes of this set any more; its number is sent void."""
        outbox.lose_bytes(self._state, no)

    def adopt(self, catalogue: str, registry: int) -> None:
        """The app has loaded these versions; sets sealed from now on are of them."""
        self._state.catalogue, self._state.registry = catalogue, registry

    def dismiss(self, no: int, index: int) -> None:
        """The worker has put a message away."""
        self._state.told = [told for told in self._state.told if (told.no, told.index) != (no, index)]

    def put_away(self, notice: UUID) -> None:
        """The worker has put a notice away that asks for nothing more; any other stays until what it is about ends."""
        notices.put_away(self._state, notice)

    # Exchanging ------------------------------------------------------------------------------------------

    def next_request(
        self,
        clock: Clock,
        max_sets: int = 50,
        max_bytes: int = 500_000,
        answer_bytes: int | None = None,
        form: Form = "json",
    ) -> Outgoing:
        """The next request, with at most so many sets and bytes of sets, yet at least one if any is unsent.

        `form` is the one that it will travel in. From now on only the answer to this request may change the pulled
        layer.
        """
        return exchanging.next_request(
            self._state, clock, max_sets=max_sets, max_bytes=max_bytes, answer_bytes=answer_bytes, form=form
        )

    def apply_answer(self, serial: int, answer: ExchangeAnswer) -> Applied:
        """Takes the answer to the request of that serial.

        Whatever is repeated, late or out of order does no harm: only the answer to the last request moves
        the pulled layer, once; all others give their receipts.
        """
        applied = exchanging.apply_answer(self._state, serial, answer)
        if applied.wiped:
            self._state = directives.wiped(self._state)
        return applied

    def become(self, device: UUID, ticket: str | None = None) -> None:
        """Goes on as another device of the same user, after a fork: what has no receipt returns to the draft.

        Answers to what was sent before are not used any more.
        """
        epochs.become(self._state, device, ticket)

    def carry_out(self, directive: UUID) -> None:
        """The app has done what `update_app` asked."""
        directives.carry_out(self._state, directive)

    def note_photos(self, states: Iterable[EvidenceState]) -> list[str]:
        """Takes over how far photos have come; returns the keys of those whose bytes the phone may delete."""
        photos.note_states(self._state, states)
        return exchanging.tidy(self._state, set())

    def note_hopeless_photos(self, codes: Mapping[str, str]) -> list[str]:
        """The server said that it can never take these, by `sha256-size` with the code why; the worker takes others.

        They are shown with the code as long as something names them. Returns as `note_photos`.
        """
        photos.note_hopeless(self._state, codes)
        return exchanging.tidy(self._state, set())

    def give_up_photos(self) -> list[str]:
        """The server takes no photos of this device any more (`forbidden`); returns the keys of those it never got."""
        return [*photos.give_up(self._state), *exchanging.tidy(self._state, set())]

    # Reading ---------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> str | None:
        """The epoch of the numbers and cursors."""
        return self._state.epoch

    @property
    def ticket(self) -> str | None:
        """What to enrol with once no refresh token is taken any more; only a server that forgot the device takes it."""
        return self._state.ticket

    @property
    def mark(self) -> str | None:
        """The mark to ask `GET /v1/exchange` with; None when an exchange is due anyway."""
        return None if self.unsent or self._state.put_away else self._state.mark

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
        """How often a stream's digest disagreed where nothing explained it."""
        return self._state.repairs

    @property
    def forked(self) -> bool:
        """Whether this device's numbers were used by another copy of it; it sends no sets until it is another."""
        return self._state.forked

    @property
    def withheld(self) -> str | None:
        """The code of why the server gives no streams, although it takes sets; None when it gives them."""
        return self._state.withheld

    @property
    def wiping(self) -> bool:
        """Whether a wipe is due: the app seals, sends sets and photos, and asks the worker for nothing more."""
        return directives.is_wiping(self._state)

    @property
    def wiped(self) -> bool:
        """Whether the device has drained, said so, and forgotten everything."""
        return self._state.wiped

    def visible(self, item: UUID) -> VisibleItem | None:
        """The item as the worker sees it; None if there is none or it was deleted here."""
        return looking.visible(self._state, item)

    def items(self) -> list[VisibleItem]:
        """All items as the worker sees them, in the order of their ids."""
        return looking.items(self._state)

    def memberships(self) -> dict[str, dict[UUID, Held]]:
        """What each stream holds, by stream key and object id."""
        return {key: dict(stream.members) for key, stream in self._state.streams.items()}

    def digest(self, stream: str) -> str:
        """The digest of a stream as it travels; of an unknown stream that of an empty one."""
        return feed.to_hex(pulled.stream_digest(self._state.streams.get(stream, StreamState())))

    def todos(self) -> list[NoticeBody]:
        """What the worker is asked to do."""
        return notices.of_kind(self._state, "todo")

    def parked(self) -> list[NoticeBody]:
        """The worker's own changes that wait for a person's decision."""
        return notices.of_kind(self._state, "parked")

    def notices(self) -> list[NoticeBody]:
        """What else the worker is told: that something of his was released, or is there twice."""
        return notices.of_kind(self._state, "notice")

    def told(self) -> list[Told]:
        """The changes that were not applied, with the reason, until they are dismissed."""
        return list(self._state.told)

    def photo_states(self) -> dict[str, OwnPhoto]:
        """The photos that this phone still keeps, by `sha256-size`."""
        return dict(self._state.photos)

    def photos_to_send(self) -> list[OwnPhoto]:
        """The photos that the server knows of, has no good bytes for, and can take."""
        return [own for own in photos.unsent(self._state).values() if own.wanted]

    # Inside ----------------------------------------------------------------------------------------------

    def _edit(self, op: Operation, item: UUID, capture: Capture, fields: dict[str, Any], **more: Any) -> None:
        seen, body = self.visible(item), self._state.items.get(item)
        if seen is None:
            raise NotVisibleError(str(item))
        base = Base(body.version, body.rev) if body else None
        self._write(Change(op, item, seen.type, capture, base, fields=fields, **more))

    def _write(self, change: Change) -> None:
        directives.refuse_writing(self._state)
        outbox.add_edit(self._state, change)
