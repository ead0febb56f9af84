"""`python -m server.worker`: one server process on a socket that it inherits from the supervisor."""

import argparse
import gc
import os
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from server.app import create_app
from server.bounded_http import BoundedHttp
from server.settings import Settings

# What a phone on a slow network may need between two requests of one exchange.
_KEEP_ALIVE_SECONDS = 75
_SECONDS_TO_FINISH = 4
# New objects between two looks for cycles. A set of a hundred items makes some thousands that live until it is stored:
# at Python's own 700, each of them is looked at several times while it is still needed.
_OBJECTS_BETWEEN_LOOKS = 10_000


class Announcing(uvicorn.Server):
    """Writes its process id to the supervisor's pipe once it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: int) -> None:
        super().__init__(config)
        self._ready = ready
        self._when_stopping: set[Callable[[], None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then say so. Every request finds in its state where to say what is to be ended first."""
        self.lifespan.state["when_stopping"] = self._when_stopping
        await super().startup(sockets=sockets)
        spare_what_stays()
        if self.started:
            os.write(self._ready, f"{os.getpid()}\n".encode())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what would go on for ever, then wait for the rest."""
        for end in list(self._when_stopping):
            end()
        await super().shutdown(sockets=sockets)


def spare_what_stays() -> None:
    """What was loaded at the start stays to the end, so the garbage collector need not look at it ever again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)


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
