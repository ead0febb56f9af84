"""Two lives of one database: it is put back silently, both are written to, and nothing that anybody holds is lost.

backup -> A writes 51 to 57, another phone one item, C pulls all -> the copy takes the database's place
-> B writes until versions are the same numbers with other content -> A, which has lost the bytes of 53 and rotated
its tokens since, comes back with 58, and C with what only it still holds
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec import json

from schemas.wire import ExchangeAnswer
from server.app import create_app
from server.prepare import prepare
from server.sealing import unseal
from server.services import Services
from server.settings import Settings
from server.usecases.salvage import open_salvaged
from server.usecases.sessions import Pair
from server.usecases.witness import face_witness
from sync.device import Applied
from sync.feed import to_hex, unsigned64
from sync.framing import decode_answer
from tests.builders import CHIEF, GRIDS, MATE, WORKER, build_city, form, grid_id
from tests.databases import copying, drop_database
from tests.integration.lockpick import clear_text
from tests.phones import FieldPhone, field_phone

pytestmark = pytest.mark.long

STREAM = f"grid/{grid_id(GRIDS[0])}"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Services, httpx.AsyncClient]]:
    """The application for as long as the block runs, and a client that reaches it."""
    app = create_app(settings)
    async with app.lifespan():
        services: Services = app.state.services
        await services.objects.ensure_bucket()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://onegrid.test") as client:
            yield services, client


def apply(phone: FieldPhone, serial: int, response: httpx.Response) -> tuple[ExchangeAnswer, Applied]:
    """Take an answer in; after a restore streams are repaired."""
    assert response.status_code == 200, response.text
    answer = decode_answer(response.content, phone.form)
    return answer, phone.device.apply_answer(serial, answer)


async def sync(phone: FieldPhone, client: httpx.AsyncClient) -> list[ExchangeAnswer]:
    """Exchange until nothing is left; a token that is not known is refreshed, as an app does."""
    phone.client = client
    answers: list[ExchangeAnswer] = []
    for _ in range(40):
        serial, response = await phone.send()
        answer, applied = apply(phone, serial, response)
        answers.append(answer)
        if not applied.again:
            return answers
    raise AssertionError("it never came to rest")


async def write(phone: FieldPhone, values: list[str], item: UUID | None = None) -> list[UUID]:
    """A set for each value: new records, or edits of one; unsent yet."""
    items: list[UUID] = []
    for value in values:
        if item is None:
            items.append(phone.create("0102", form("0102") | {"address": value}))
        else:
            phone.edit(item, address=value)
        phone.seal()
    return items


async def put_back(admin: asyncpg.Connection, name: str, copied: str) -> None:
    """The copy takes the database's place, and nobody is told."""
    await admin.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}_lost"')
    await admin.execute(f'ALTER DATABASE "{copied}" RENAME TO "{name}"')


async def values_that_stand(truth: asyncpg.Connection, services: Services) -> bytes:
    """All that can be read of items, history, conflicts and salvage; raw sets do not count, for nobody looks there."""
    rows = await truth.fetch(
        "SELECT k.item_id, k.wrapped, s.sealed FROM item_key k JOIN (SELECT id AS item_id, sealed FROM item "
        "UNION ALL SELECT item_id, sealed FROM revision UNION ALL SELECT item_id, sealed FROM conflict) s "
        "USING (item_id) WHERE s.sealed IS NOT NULL"
    )
    values = [unseal(services.keyring.open_key(one.bytes, key), one.bytes, sealed) for one, key, sealed in rows]
    for row in await truth.fetch("SELECT id FROM quarantine WHERE outcome = 'salvaged'"):
        values.append(await open_salvaged(truth, services.keyring, row["id"]) or b"")
    return b"\n".join([*values, (await clear_text(truth)).encode()])


async def test_nothing_is_lost_or_silently_overwritten(
    settings_of_test: Settings, embedded: dict[str, str], database_url: str
) -> None:
    name = urlsplit(database_url).path[1:]
    copied = f"{name}_copy"
    admin = await asyncpg.connect(embedded["ONEGRID_DATABASE_URL"])
    await asyncio.to_thread(prepare, settings_of_test)

    async with serving(settings_of_test) as (services, client):
        await build_city(services)
        a, b, c = [await field_phone(services, client, one) for one in (WORKER, MATE, CHIEF)]
        forgotten = await field_phone(services, client, MATE)
        shared, other = await write(a, ["共有 1", "共有 2"])
        await write(a, [f"早先 {number}" for number in range(3, 51)])
        for phone in (a, b, c, forgotten):
            await sync(phone, client)
        assert a.device.acknowledged == 50
    await _copy(admin, name, copied)

    async with serving(settings_of_test) as (services, client):
        await _rotate(services, client, a)
        await write(a, ["甲 51"], other)
        await write(a, ["甲 52", "甲 53"], shared)
        (gone,) = await write(forgotten, ["只有丙还有"])
        await write(a, [f"甲 {number}" for number in (54, 55, 56, 57)])
        await sync(a, client)
        await sync(forgotten, client)
        await sync(c, client)
        assert a.device.acknowledged == 57
        seen = c.device.visible(gone)
        assert seen is not None
        versions = [await _version(database_url, one) for one in (shared, other)]
        assert await face_witness(services.database, services.objects, services.keyring) is None
    await put_back(admin, name, copied)

    assert (await asyncio.to_thread(prepare, settings_of_test)).epoch == "other_database"
    assert (await asyncio.to_thread(prepare, settings_of_test)).epoch is None
    async with serving(settings_of_test) as (services, client):
        others: list[str] = []
        for item, version in zip((shared, other), versions, strict=True):
            while await _version(database_url, item) < version:
                others.append(f"乙 {len(others) + 1}")
                await write(b, others[-1:], item)
                await sync(b, client)
        a.device.lose_bytes(53)
        await write(a, ["甲 58"], shared)
        assert (await _post(a, client)).status_code == 401
        await _rotate(services, client, a, generation=2)
        answers = await sync(a, client)
        for phone in (c, b, a, c, b):
            await sync(phone, client)

        truth = await asyncpg.connect(database_url)
        statuses = {receipt.no: receipt.status for answer in answers for receipt in answer.receipts}
        assert set(statuses) == set(range(51, 59))
        assert {no for no, status in statuses.items() if status == "void"} == {53}
        standing = await values_that_stand(truth, services)
        # 52 met the conflict that 58 has joined since, by the same hand: the newest of them is what is decided about.
        written = [*(f"甲 {no}" for no in (51, 54, 55, 56, 57, 58)), *others]
        assert [value for value in written if value.encode() not in standing] == []

        for item, value in ((shared, others[1]), (other, others[-1])):
            current = a.device.visible(item)
            assert current is not None
            assert current.fields["address"] == value, "nobody's base was taken for what it is not"
            parked = await truth.fetch("SELECT author_id FROM conflict WHERE item_id = $1 AND state = 'open'", item)
            assert [row["author_id"] for row in parked] == [WORKER.id]

        salvaged = await truth.fetch("SELECT item_id FROM quarantine WHERE outcome = 'salvaged' AND state = 'held'")
        assert gone in {row["item_id"] for row in salvaged}
        assert await truth.fetchval("SELECT count(*) FROM item WHERE id = $1", gone) == 0
        assert "只有丙还有".encode() in standing
        assert c.device.visible(gone) is None

        digest = to_hex(unsigned64(await truth.fetchval("SELECT digest FROM stream WHERE key = $1", STREAM)))
        assert [phone.device.digest(STREAM) for phone in (a, b, c)] == [digest] * 3
        assert await truth.fetchval("SELECT count(*) FROM epoch") == 2
        assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'change_set.void'") == 1
        assert await truth.fetchval("SELECT count(*) FROM device") == 4, "nobody was enrolled anew"
        assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'device.returned'") == 0
        await truth.close()
    await drop_database(admin, f"{name}_lost")
    await admin.close()


async def _post(phone: FieldPhone, client: httpx.AsyncClient) -> httpx.Response:
    phone.client = client
    return (await phone.send())[1]


async def _rotate(services: Services, client: httpx.AsyncClient, phone: FieldPhone, generation: int = 1) -> None:
    """The app shows its newest refresh token; the access token of the pair it gets is its new one."""
    token = Pair.of(services.keyring, phone.device_id, generation).refresh
    response = await client.post("/v1/token", json={"grant": "refresh", "refresh": token})
    assert response.status_code == 200, response.text
    phone.headers["Authorization"] = f"Bearer {json.decode(response.content)['access']}"
    # A pair counts once it is used; until then the one before it gives it again.
    assert (await _post(phone, client)).status_code == 200


async def _version(url: str, item: UUID) -> int:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT version FROM item WHERE id = $1", item)
    finally:
        await connection.close()


async def _copy(admin: asyncpg.Connection, name: str, copied: str) -> None:
    """What a backup of the database would hold; nobody is connected."""
    await admin.execute(copying(name, copied))
