"""The ceiling: what the same bodies cost without anything that OneGrid is about.

A route of the same framework, under the same server configuration and with the same number of processes, on the same
PostgreSQL. It decodes the same change sets and upserts one table, or answers a pull by keyset and opens the same sealed
values. No sign-in, no history, no conflicts, no territory, no streams.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Semaphore
from threading import Thread
from typing import Any

import asyncpg
import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get, post
from msgspec import Raw, Struct

from schemas.forms import packaged
from schemas.wire import (
    Bits64,
    Change,
    ChangeSet,
    Cursor,
    Entry,
    EntryItem,
    ExchangeAnswer,
    PackedExchangeRequest,
    StreamPage,
)
from server.bench.exchange import table
from server.compression import CompressAnswers
from server.db.database import Row, prepare_connection
from server.embedded.words import StartError
from server.sealing import Keyring, unseal_values
from server.settings import Settings
from server.worker import config, spare_what_stays
from sync.feed import to_hex, unsigned64
from sync.framing import encode_answer, encode_entry, set_hash
from sync.packing import packed

HOST = "127.0.0.1"


class _WholeSet(ChangeSet, frozen=True):
    """A change set whose changes are read with it."""

    changes: list[Change]  # pyright: ignore[reportIncompatibleVariableOverride]


_REQUEST = msgspec.msgpack.Decoder(PackedExchangeRequest)
_SET = msgspec.msgpack.Decoder(_WholeSet)
_UPSERT = table.upsert(table.BY_CEILING)
_MOST_ROWS = 1_000
_REV = to_hex(1)
_SECONDS_TO_SERVE = 30


class _Outcome(Struct, frozen=True):
    """As much of a `ChangeOutcome` as there is to say of a record that was taken."""

    item: str
    outcome: str
    version: int
    rev: str


class _Receipt(Struct, frozen=True):
    """A `Receipt` of such outcomes."""

    no: int
    hash: str
    status: str
    outcomes: list[_Outcome]


class Place(Struct, frozen=True):
    """What a process of the ceiling works with."""

    url: str
    root: bytes
    settings: Settings


@post("/exchange", status_code=200)
async def exchange(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Takes the sets that there are; without any, answers what is after the cursors."""
    state = request.app.state
    header = _REQUEST.decode(await request.body())
    receipts: Any = [await _take(state.pool, header.first + place, raw) for place, raw in enumerate(header.sets)]
    pages: list[StreamPage] = []
    if not header.sets:
        pages = await _pull(state.pool, state.keyring, header, state.page_bytes)
    now, expected = datetime.now(UTC), header.first + len(header.sets)
    more = any(page.more for page in pages)
    answer = ExchangeAnswer("ceiling", now, expected, 0, header.catalogue, 1, receipts, streams=pages, more=more)
    return Response(encode_answer(answer, "msgpack"), media_type="application/msgpack")


@get("/poll")
async def poll(request: Request[Any, Any, Any], mark: int, streams: str) -> Response[None]:
    """204 where the last positions of these streams add up to the mark."""
    async with request.app.state.pool.acquire() as connection:
        held = await table.heads(connection, streams.split(","))
    return Response(None, status_code=204 if held == mark else 200)


async def _take(pool: Any, no: int, raw: bytes) -> _Receipt:
    made = _SET.decode(raw)
    rows = table.rows_of(made.changes, made.author)
    async with pool.acquire() as connection:
        await connection.execute(_UPSERT, rows)  # one statement, and so one transaction
    return _Receipt(no, set_hash(raw), "decided", [_Outcome(str(one.item), "applied", 1, _REV) for one in made.changes])


async def _pull(pool: Any, keyring: Keyring, header: PackedExchangeRequest, page_bytes: int) -> list[StreamPage]:
    after = {key: cursor.position for key, cursor in header.cursors.items()}
    async with pool.acquire() as connection:
        rows = await table.read_after(connection, after, _MOST_ROWS)
    left, taken = page_bytes, dict[str, list[Row]]()
    entries: dict[str, list[Raw]] = {}
    for row in rows:
        if left <= 0:
            break
        encoded = encode_entry(_entry(keyring, row), "msgpack")
        left -= len(encoded)
        entries.setdefault(row["stream"], []).append(encoded)
        taken.setdefault(row["stream"], []).append(row)
    cut = sum(map(len, taken.values())) < len(rows) or len(rows) >= _MOST_ROWS
    return [_page(key, entries[key], taken[key][-1]["position"], cut) for key in entries]


def _page(key: str, entries: Sequence[Raw], position: int, cut: bool) -> StreamPage:
    ready: Any = entries
    return StreamPage(key, ready, Cursor(position, 0), more=cut)


def _entry(keyring: Keyring, row: Row) -> Entry:
    owner, rev = row["id"].bytes, Bits64(to_hex(unsigned64(row["rev"])))
    fields = row["clear"]
    if row["sealed"]:
        fields = fields | unseal_values(keyring.open_key(owner, row["wrapped"]), owner, row["sealed"])
    told = EntryItem(
        type=row["type"],
        grid=None,
        code=None,
        author=row["author_id"],
        urgency=row["urgency"],
        fields=packed(packaged().types[row["type"]], fields),
        received_at=row["received_at"],
    )
    return Entry(row["position"], "item", row["id"], row["version"], rev, 0, item=told)


def create_app(place: Place) -> Litestar:
    """The application."""
    app = Litestar(
        route_handlers=[exchange, poll],
        lifespan=[_open(place)],
        logging_config=None,
        openapi_config=None,
        request_max_body_size=place.settings.max_body_bytes,
    )
    app.asgi_handler = CompressAnswers(app.asgi_handler)
    return app


def _open(place: Place) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        size = place.settings.db_pool_size
        # Its connections are only ever used alike, so nothing needs to be reset between two uses.
        async with asyncpg.create_pool(
            place.url, min_size=1, max_size=size, init=prepare_connection, reset=_as_it_is
        ) as pool:
            app.state.pool, app.state.keyring = pool, Keyring(place.root)
            app.state.page_bytes = place.settings.pull_page_bytes
            yield

    return lifespan


async def _as_it_is(_: Any) -> None:
    pass


class _Announcing(uvicorn.Server):
    """Counts itself as ready once it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: Semaphore) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, with the garbage collected as the product has it, then say so."""
        await super().startup(sockets=sockets)
        spare_what_stays()
        self._ready.release()


@contextmanager
def serving(place: Place, workers: int) -> Generator[int]:
    """The ceiling on a port of its own, in as many processes as the product has. Raises StartError."""
    spawning = multiprocessing.get_context("spawn")
    ready = spawning.Semaphore(0)
    with socket.create_server((HOST, 0), backlog=2048) as listener:
        crew = [spawning.Process(target=_serve, args=(place, listener, ready), daemon=True) for _ in range(workers)]
        try:
            for one in crew:
                one.start()
            if not all(ready.acquire(timeout=_SECONDS_TO_SERVE) for _ in crew):
                raise StartError("对照服务无法启动", "the ceiling does not start")
            yield listener.getsockname()[1]
        finally:
            for one in crew:
                one.terminate()
            for one in crew:
                one.join(timeout=10)


def _serve(place: Place, listener: socket.socket, ready: Semaphore) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    _Announcing(config(create_app(place), place.settings), ready).run(sockets=[listener])


def _end_with_parent() -> None:
    """A bench that was killed leaves no server behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
