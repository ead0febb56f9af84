"""Answers that a server could give, made of made-up forms alone: what the shared dictionary is trained on.

No database and no server: equal seeds give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from schemas.forms import packaged
from schemas.wire import (
    Bits64,
    CaseView,
    Cursor,
    Entry,
    EntryItem,
    ExchangeAnswer,
    PhotoState,
    Receipt,
    ReviewView,
    StreamPage,
)
from schemas.wire import ChangeOutcome as Outcome
from server.made_up.forms import Scene, claimed_urgency, make_fields, missing_references
from server.made_up.photos import Photo
from sync.feed import to_hex
from sync.framing import Form, encode_answer
from sync.packing import packed

_AT = datetime(2024, 6, 1, 8, tzinfo=UTC)
_CASE_STATES = ("reported", "accepted", "dispatched", "handled", "closed")


class Teller:
    """Makes answers: every item type in turn, in grids that change."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self._types = sorted(packaged().types)
        self._at = 0

    def answers(self, count: int, entries: int, form: Form) -> Iterator[bytes]:
        """So many answers of so many entries each, encoded."""
        for _ in range(count):
            yield encode_answer(self.answer(entries, form), form)

    def answer(self, entries: int, form: Form) -> ExchangeAnswer:
        """One answer with receipts and one stream."""
        rng, grid = self._rng, self._id()
        code = f"3411{rng.randrange(10**8):08}{rng.randrange(1, 40):03}"
        made = [self._entry(grid, code, place, form) for place in range(1, entries + 1)]
        page = StreamPage(f"grid/{grid}", made, Cursor(entries, 0), digest=Bits64(self._hex()))
        outcomes = [Outcome(str(one.id), "applied", version=1, rev=self._hex()) for one in made[:3]]
        return ExchangeAnswer(
            epoch="k3c0Wl1pQzXa",
            now=_AT + timedelta(seconds=rng.randrange(10**6)),
            expected=rng.randrange(500),
            safe_no=0,
            catalogue=packaged().version,
            registry=1,
            receipts=[Receipt(1, self._hex() * 4, "decided", outcomes)],
            streams=[page],
            mark=f"{rng.getrandbits(160):027x}"[:27],
        )

    def _entry(self, grid: UUID, code: str, position: int, form: Form) -> Entry:
        rng = self._rng
        kind, fields = self._form()
        compiled, version = packaged().types[kind], rng.choice((1, 1, 2))
        told = EntryItem(
            type=kind,
            grid=grid,
            code=code,
            author=self._id(),
            urgency=claimed_urgency(kind, rng),
            fields=packed(compiled, fields) if form == "msgpack" else fields,
            received_at=_AT + timedelta(microseconds=rng.randrange(10**12)),
            review=self._review(version),
            case=self._case() if compiled.kind == "event" else None,
            photos=self._photos(fields.get(compiled.photo_field or "", [])),
        )
        return Entry(position, "item", self._id(), version, Bits64(self._hex()), 1, item=told)

    def _form(self) -> tuple[str, dict[str, Any]]:
        self._at += 1
        kind, rng = self._types[self._at % len(self._types)], self._rng
        ring = ((117.5, 32.2), (117.6, 32.2), (117.6, 32.3), (117.5, 32.3), (117.5, 32.2))
        items: dict[str, list[str]] = {}
        scene = Scene(_AT, (ring,), items, camera=_no_camera)
        for options in missing_references(kind, scene):
            items[options[0]] = [str(self._id())]
        return kind, make_fields(kind, rng, scene)

    def _review(self, version: int) -> ReviewView:
        return ReviewView(self._rng.choice(("pending", "approved")), level=1, version=version)

    def _case(self) -> CaseView:
        state, at = self._rng.choice(_CASE_STATES), _AT + timedelta(seconds=self._rng.randrange(10**6))
        return CaseView(state, accept_by=at, handle_by=at + timedelta(days=3))

    def _photos(self, listed: list[Any]) -> list[PhotoState]:
        """Half of the reports have photos that were looked at already."""
        return ["verified"] * len(listed) if self._rng.random() < 0.5 else []

    def _id(self) -> UUID:
        return UUID(int=(self._rng.getrandbits(76) | 0x018FD_1000_0000_7000 << 64) & ((1 << 128) - 1))

    def _hex(self) -> str:
        return to_hex(self._rng.getrandbits(64))


def _no_camera(rng: Random, _: str, __: datetime, ___: tuple[float, float]) -> Photo:
    return Photo(f"{rng.getrandbits(256):064x}", rng.randint(20_000, 200_000), b"")
