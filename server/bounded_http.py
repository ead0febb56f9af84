"""HTTP as uvicorn parses it, with bounds on the head of a request and refusals in our own words."""

import asyncio

from msgspec import json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.errors import Problem
from server.problems import MEDIA_TYPE, document

# Request line and header fields together, and how long they may take to arrive.
HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30


class BoundedHttp(HttpToolsProtocol):
    """The parser alone would keep any amount of header for any time; the body is bounded by the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request."""
        super().connection_made(transport)
        self._head_bytes = 0
        self._head_completed = False
        self._start_clock()

    def _start_clock(self) -> None:
        self._clock: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete; where one completed, the next has hardly begun."""
        self._head_completed = False
        super().data_received(data)
        waiting = self._clock is not None and not self._head_completed
        self._head_bytes = self._head_bytes + len(data) if waiting else 0
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request's head begins."""
        self._stop_clock()
        self._start_clock()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """What follows is the body."""
        self._head_completed = True
        self._stop_clock()
        super().on_headers_complete()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, or too large a head, as every refusal is written."""
        body = json.encode(document(Problem("body_malformed"), "zh"))
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()
