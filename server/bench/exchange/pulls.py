"""What phones pull: everything, ten changes, nothing; beside a ceiling that holds the same items."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from msgspec import Struct

from schemas.forms import packaged
from schemas.wire import Cursor
from server.bench.exchange import table
from server.bench.exchange.crew import Crew, Span, pushing, rate
from server.bench.exchange.editing import Editor
from server.bench.exchange.house import House
from server.bench.exchange.pushing import CEILING, PRODUCT, Void, once
from server.bench.exchange.reading import WITH_DICTIONARY, Pulled, Reader, ceiling_poll, check_unchanged, light
from server.bench.exchange.town import Phone, enrol
from server.bench.exchange.wire import Answer
from server.db.database import prepare_connection

GRIDS = 3
READERS = 2
_RECORDS = 100
_LINKS, _POLLS = 8, 250
_HELD = """
SELECT i.id, s.key, f.position, i.type, i.author_id, i.version, i.rev, i.urgency, i.clear, i.sealed, k.wrapped,
    i.captured_at, i.received_at
FROM stream s JOIN feed f ON f.stream_id = s.id JOIN item i ON i.id = f.object_id JOIN item_key k ON k.item_id = i.id
WHERE s.key = ANY($1::text[]) AND f.present
"""


class Stocked(Struct, frozen=True):
    """A few grids with items in them, two phones that read all of them, and one that edits."""

    readers: list[Phone]
    reader: Reader
    editor: Editor
    entries: int

    @property
    def grid_stream(self) -> str:
        """The stream of the first grid."""
        return next(key for key in self.reader.cursors if key.startswith("grid/"))

    def zero(self) -> dict[str, Cursor]:
        """The reader's streams from the beginning, as the ceiling must be told them."""
        return dict.fromkeys(self.reader.cursors, Cursor())


async def stock(house: House, items: int, first_grid: int, grids_count: int = GRIDS) -> Stocked:
    """Have phones push so many items into a few grids, and one read them. Raises Void."""
    grids = tuple(range(first_grid, first_grid + grids_count))
    writers = await enrol(house.services, "grid_chief", [(one,) for one in grids])
    sets = -(-items // (grids_count * _RECORDS))
    with pushing(writers, f"stock {first_grid}", _RECORDS, 2) as crew:
        await asyncio.to_thread(crew.do, "warm", house.port)
        await asyncio.to_thread(crew.do, "make", max(0, sets - 1), 0)
        await asyncio.to_thread(crew.do, "push", house.port)
    readers = await enrol(house.services, "grid_worker", [grids] * READERS)
    chief = (await enrol(house.services, "grid_chief", [grids]))[0]
    reader, editor = Reader(readers[0]), Editor(chief, "edits")
    pulled = await reader.pull(house.port)
    await editor.look(house.port, _shared_kinds())
    return Stocked(readers, reader, editor, pulled.entries)


async def fill_ceiling(house: House, stocked: Stocked) -> None:
    """Give the ceiling what the reader holds."""
    async with house.services.database.read() as connection:
        rows = await connection.fetch(_HELD, list(stocked.reader.cursors))
    held: list[Any] = [tuple(row.values()) for row in rows]
    connection = await asyncpg.connect(house.ceiling_url)
    try:
        await prepare_connection(connection)
        await table.fill(connection, held)
    finally:
        await connection.close()


def full_pull(house: House, crew: Crew, stocked: Stocked) -> tuple[float, float, float]:
    """Records a second of the product and of the ceiling, and the product's bytes a record. Raises Void."""
    product = crew.do("pull", house.port, PRODUCT, {})
    ceiling = crew.do("pull", house.ceiling_port, CEILING, stocked.zero())
    for _, pulled in (*product, *ceiling):
        if pulled.entries != stocked.entries:
            raise Void(f"a full pull brought {pulled.entries} records of {stocked.entries}")
    given = sum(one.body_bytes for _, one in product), sum(one.entries for _, one in product)
    return _rate(product), _rate(ceiling), given[0] / given[1]


def polls(house: House, crew: Crew, stocked: Stocked, mark: int) -> tuple[float, float]:
    """Polls a second of the product and of the ceiling, nothing being new. Raises Void."""
    product: list[Span] = crew.do("poll", house.port, stocked.reader.poll(), _LINKS, _POLLS)
    asked = ceiling_poll(list(stocked.reader.cursors), mark)
    ceiling: list[Span] = crew.do("poll", house.ceiling_port, asked, _LINKS, _POLLS)
    return rate(product), rate(ceiling)


async def ceiling_mark(house: House, stocked: Stocked) -> int:
    """The mark at which the ceiling has nothing new."""
    connection = await asyncpg.connect(house.ceiling_url)
    try:
        return await table.heads(connection, list(stocked.reader.cursors))
    finally:
        await connection.close()


async def one_poll(house: House, stocked: Stocked) -> int:
    """Bytes both ways, heads and all, of asking whether there is anything new. Raises Void."""
    request = stocked.reader.poll()
    return len(request) + check_unchanged(await once(house.port, request)).wire


async def ten_changes(house: House, stocked: Stocked) -> tuple[int, int]:
    """Ten items change; bytes of the answer's body in zstd, and with the shared dictionary. Raises Void."""
    reader = stocked.reader
    await reader.pull(house.port)
    await stocked.editor.edit(house.port, 10)
    plain = await once(house.port, reader.request())
    with_dictionary = await once(house.port, reader.request(PRODUCT, *WITH_DICTIONARY))
    for answer, coding in ((plain, b"zstd"), (with_dictionary, b"dcz")):
        _check_ten(answer, coding)
    return len(plain.body), len(with_dictionary.body)


def _check_ten(answer: Answer, coding: bytes) -> None:
    found = light(answer).entries
    if found != 10 or answer.headers.get(b"content-encoding") != coding:
        raise Void(f"{found} changes came in {answer.headers.get(b'content-encoding')!r}, not 10 in {coding!r}")


def _rate(said: list[tuple[Span, Pulled]]) -> float:
    return rate([span for span, _ in said])


def _shared_kinds() -> frozenset[str]:
    """Types that a grid's workers and its chief both see."""
    return frozenset(code for code, one in packaged().types.items() if one.type.stream == "grid")
