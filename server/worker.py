"""`python -m server.worker`: one server process on a socket that it inherits from the supervisor."""

import argparse
import asyncio
import os
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.app import create_app
from server.settings import Settings

# Longest request line and header fields together.
_HEAD_BYTES = 64 * 1024
# What a phone on a slow network may need between two requests of one exchange.
_KEEP_ALIVE_SECONDS = 75
_SECONDS_TO_FINISH = 4
_SECONDS_FOR_HEAD = 30


class BoundedHttp(HttpToolsProtocol):
    """The parser keeps any amount of header for any time; this keeps no more than a request needs."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request's head."""
        super().connection_made(transport)
        self._head_bytes = 0
        self._in_head = True
        self._start_clock()

    def _start_clock(self) -> None:
        self._clock = self.loop.call_later(_SECONDS_FOR_HEAD, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request header too large.")

    def on_message_begin(self) -> None:
        """A request's head begins."""
        self._in_head = True
        self._head_bytes = 0
        self._clock.cancel()
        self._start_clock()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """What follows is the body, which the application bounds."""
        self._in_head = False
        self._clock.cancel()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._clock.cancel()
        super().connection_lost(exc)


class Announcing(uvicorn.Server):
    """Writes its process id to the supervisor's pipe once it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: int) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then say so."""
        await super().startup(sockets=sockets)
        if self.started:
            os.write(self._ready, f"{os.getpid()}\n".encode())


def config(app: Any, settings: Settings) -> uvicorn.Config:
    """How HTTP is served: no access log (the application writes its own), limits on heads, a quick end."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
    )


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m server.worker")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket's descriptor")
    parser.add_argument("--ready-fd", type=int, required=True, help="where to write when requests are taken")
    arguments = parser.parse_args()
    settings = Settings.from_env(os.environ)
    server = Announcing(config(create_app(settings), settings), arguments.ready_fd)
    server.run(sockets=[socket.socket(fileno=arguments.fd)])


if __name__ == "__main__":
    main()
