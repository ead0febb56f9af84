"""What may stand between the phones and the server. The honest wire changes nothing; `sabotage` has others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from schemas.wire import ExchangeAnswer
from server.simulate.clock import PhoneClock
from sync.device import Device, Outgoing


class Station(Protocol):
    """A phone as one who holds the wire sees it."""

    device: Device
    device_id: UUID
    clock: PhoneClock

    async def deliver(self, outgoing: Outgoing) -> ExchangeAnswer:
        """Send a request in this phone's name, and read what the server answers, past all tampering."""
        ...


class Tamper:
    """The honest wire."""

    def begin_day(self, *, last: bool) -> None:
        """A simulated day begins; `last`: no other one comes after it."""

    def on_way(self, device: UUID, outgoing: Outgoing) -> Outgoing:
        """What the server gets of a request."""
        return outgoing

    def on_return(self, device: UUID, outgoing: Outgoing, answer: ExchangeAnswer) -> ExchangeAnswer:
        """What the phone gets of the answer."""
        return answer

    async def after_work(self, stations: Sequence[Station]) -> None:
        """All phones have sent and pulled everything; they will pull once more."""

    @property
    def done(self) -> str:
        """What was done, for the person at the terminal; empty for nothing."""
        return ""
