"""What became of the events: nearly all are closed, the others stand in every state that a case can have."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

WEIGHTS: Final = {
    "0201": 90,
    "0202": 60,
    "0203": 20,
    "0204": 5,
    "0301": 110,
    "0302": 90,
    "0401": 75,
    "0402": 40,
    "0403": 20,
    "0404": 10,
    "0405": 30,
    "0501": 35,
    "0502": 25,
    "0503": 12,
    "0504": 5,
    "0601": 130,
    "0602": 90,
    "0603": 12,
    "0604": 40,
    "0701": 15,
    "0702": 60,
    "0703": 4,
    "0704": 45,
    "0801": 3,
    "0802": 30,
}
"""Of a thousand events, so many are of each type."""

_DESK: Final = ("0401", "0604", "0405", "0601", "0402", "0602", "0802", "0403")
_ONE: Final = ("0202", "0405", "0802", "0502")
_TWO: Final = ("0501", "0704", "0701", "0503")
_LONG: Final = ("0403", "0603", "0604", "0405", "0502")


Reviews = Literal["none", "first", "all", "returned"]


class Ending(Struct, frozen=True, kw_only=True):
    """How far an event that is not closed has come.

    `steps`: what was done after its `reviews`, as `walk` knows it. `hours`: how long ago it was reported, from and to.
    `urgency`: the one that is claimed, where it matters.
    """

    name: str
    types: tuple[str, ...]
    hours: tuple[float, float]
    reviews: Reviews = "all"
    steps: tuple[str, ...] = ()
    urgency: str | None = None


_SENT: Final = ("accept", "dispatch")
_SIGNED: Final = (*_SENT, "sign")
_DONE: Final = (*_SIGNED, "handle", "verify", "close")

ENDINGS: Final = (
    Ending(name="waits for a review", types=_ONE, hours=(0.3, 9.0), reviews="none", urgency="normal"),
    Ending(name="signed", types=_DESK, hours=(3.0, 18.0), steps=_SIGNED),
    Ending(name="on hold", types=_LONG, hours=(160.0, 600.0), steps=(*_SIGNED, "ask_hold", "grant_hold")),
    Ending(name="waits for the second review", types=_TWO, hours=(2.0, 20.0), reviews="first", urgency="normal"),
    Ending(name="handled", types=_DESK, hours=(6.0, 30.0), steps=(*_SIGNED, "handle")),
    Ending(name="handling is overdue", types=_DESK, hours=(180.0, 420.0), steps=(*_SIGNED, "escalate")),
    Ending(name="accepted", types=_DESK, hours=(0.5, 5.0), steps=("accept",)),
    Ending(name="not accepted", types=_DESK, hours=(20.0, 600.0), steps=("decline",)),
    Ending(name="dispatched", types=_DESK, hours=(1.0, 10.0), steps=_SENT),
    Ending(name="sent back", types=_DESK, hours=(5.0, 30.0), steps=(*_SENT, "ask_send_back", "grant_send_back")),
    Ending(name="verified", types=_DESK, hours=(8.0, 40.0), steps=(*_SIGNED, "handle", "verify")),
    Ending(name="reopened", types=_DESK, hours=(60.0, 500.0), steps=(*_DONE, "reopen")),
    Ending(name="void", types=_DESK, hours=(30.0, 600.0), steps=("accept", "ask_void", "grant_void")),
    Ending(name="waits at the desk", types=_DESK, hours=(0.3, 3.5), urgency="normal"),
    Ending(name="returned", types=_ONE, hours=(4.0, 40.0), reviews="returned", urgency="normal"),
    Ending(name="response is overdue", types=_DESK, hours=(120.0, 300.0), steps=_SENT),
    Ending(name="asks for an extension", types=_LONG, hours=(20.0, 60.0), steps=(*_SIGNED, "ask_extension")),
    Ending(name="extended", types=_LONG, hours=(40.0, 160.0), steps=(*_SIGNED, "ask_extension", "grant_extension")),
    Ending(name="asks for a hold", types=_LONG, hours=(30.0, 120.0), steps=(*_SIGNED, "ask_hold")),
    Ending(name="handled by several", types=_LONG, hours=(10.0, 40.0), steps=(*_SENT, "attach", "sign")),
    Ending(name="asks for a void", types=_DESK, hours=(5.0, 30.0), steps=("accept", "ask_void")),
)


def ending_of(number: int, one_open_in: int) -> Ending | None:
    """How event `number` of the city stands; None for one that is closed."""
    turn, place = divmod(number, one_open_in)
    return ENDINGS[turn % len(ENDINGS)] if place == one_open_in // 2 else None
