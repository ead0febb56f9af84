"""Salvage: what a device still holds of items and the database does not is kept once, sealed, and changes nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from msgspec import Raw, json, msgpack, to_builtins

from schemas.wire import Clock, ExchangeRequest, ItemBody
from server.services import Services
from server.usecases.erasure import erase_item
from server.usecases.salvage import list_salvaged, open_salvaged
from sync.framing import encode_request
from tests.builders import CADRE, GRIDS, MATE, WORKER, Phone, build_city, caller, enrol, form, grid_id
from tests.integration.lockpick import clear_text
from tests.phones import FieldPhone, field_phone

MARK = "赵留存"


@pytest.fixture
async def phones(services: Services, app_client: httpx.AsyncClient) -> tuple[FieldPhone, FieldPhone]:
    await build_city(services)
    return (
        await field_phone(services, app_client, WORKER),
        await field_phone(services, app_client, MATE, "msgpack"),
    )


def body(item: UUID | None = None, version: int = 3, rev: str = "00000000000000aa", **more: Any) -> dict[str, Any]:
    """An item as a phone pulled it in a life that is lost."""
    known = ItemBody(
        id=item or uuid4(),
        type="0101",
        version=version,
        rev=rev,
        touch=0,
        grid=grid_id(GRIDS[0]),
        code=GRIDS[0],
        author=WORKER.id,
        urgency="normal",
        fields={"name": MARK},
        received_at=datetime.now(UTC),
    )
    return to_builtins(known) | more


async def bring(phone: FieldPhone, *bodies: dict[str, Any] | bytes) -> httpx.Response:
    encode = json.encode if phone.form == "json" else msgpack.encode
    frames = [Raw(one if isinstance(one, bytes) else encode(one)) for one in bodies]
    request = ExchangeRequest(
        device=phone.device_id,
        clock=Clock(datetime.now(UTC), 1, "boot"),
        catalogue="2024.2",
        registry=1,
        salvage=frames,
    )
    response = await phone.client.post(
        "/v1/exchange", content=encode_request(request, [], phone.form), headers=phone.headers
    )
    assert response.status_code == 200, response.text
    return response


async def kept(truth: asyncpg.Connection) -> list[Any]:
    return await truth.fetch("SELECT * FROM quarantine WHERE outcome = 'salvaged' ORDER BY received_at, id")


async def test_one_row_however_many_phones_bring_it(
    services: Services, phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection
) -> None:
    first, second = phones
    lost = body()
    await asyncio.gather(bring(first, lost), bring(first, lost), bring(second, lost, lost))
    (row,) = await kept(truth)
    assert (row["item_id"], row["item_version"], row["item_rev"]) == (UUID(lost["id"]), 3, 0xAA)
    assert (row["author_id"], row["state"], row["code"]) == (WORKER.id, "held", "item_salvaged")
    (listed,) = await list_salvaged(services, None, 10)
    raw = await open_salvaged(truth, services.keyring, listed["id"])
    assert raw is not None
    decode = json.decode if raw[:1] == b"{" else msgpack.decode
    assert decode(raw)["fields"] == {"name": MARK}


async def test_each_revision_is_kept_and_nothing_is_changed(
    phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection
) -> None:
    item = uuid4()
    await bring(phones[0], body(item), body(item, version=4), body(item, rev="ffffffffffffffff"))
    assert [row["item_rev"] for row in await kept(truth)].count(-1) == 1
    assert len(await kept(truth)) == 3
    assert await truth.fetchval("SELECT count(*) FROM item") == 0


async def test_what_the_history_tells_is_not_kept(
    phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection
) -> None:
    phone = phones[0]
    item = phone.create("0102", form("0102"))
    phone.seal()
    await phone.sync()
    held = phone.device.visible(item)
    assert held is not None
    rev = await truth.fetchval("SELECT rev FROM revision WHERE item_id = $1", item)
    await bring(phone, body(item, version=1, rev=f"{rev % 2**64:016x}"))
    assert await kept(truth) == []
    await bring(phone, body(item, version=1, rev=f"{(rev + 1) % 2**64:016x}"))
    assert len(await kept(truth)) == 1


@pytest.mark.parametrize("raw", [b'{"id": "nonsense"}', b"[1, 2]", b"17", b'{"id":"\\u0000"}'])
async def test_what_cannot_be_read_is_kept_all_the_same(
    services: Services, phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection, raw: bytes
) -> None:
    await bring(phones[0], raw)
    await bring(phones[0], raw)
    (row,) = await kept(truth)
    assert (row["item_id"], row["code"]) == (None, "salvage_unreadable")
    assert await open_salvaged(truth, services.keyring, row["id"]) == raw


async def test_a_revoked_phones_is_kept_too(phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE device SET revoked_at = now() WHERE id = $1", phones[0].device_id)
    await bring(phones[0], body())
    assert len(await kept(truth)) == 1


async def test_no_clear_column_has_a_value_of_it(
    phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection
) -> None:
    await bring(phones[0], body())
    await bring(phones[1], msgpack.encode([MARK]))
    text = await clear_text(truth)
    assert MARK not in text
    assert MARK.encode().hex() not in text


async def resident(phone: Phone) -> UUID:
    dwelling = await phone.report("0102")
    return await phone.report("0101", name="赵一", dwelling=str(dwelling))


async def test_erasing_an_item_destroys_its_salvage_and_no_more_is_taken(
    services: Services, phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection
) -> None:
    item = await resident(await enrol(services, WORKER))
    unreadable = json.encode({"id": str(item), "broken": True})
    await bring(phones[0], body(item), body(), unreadable, b'{"id": 1}')
    assert len(await kept(truth)) == 4
    await erase_item(services, await caller(services, CADRE), item, "本人申请删除", datetime.now(UTC))
    states = {str(row["item_id"]): (row["state"], row["sealed"], row["wrapped"]) for row in await kept(truth)}
    assert states[str(item)] == ("discarded", None, None)
    held = await truth.fetch("SELECT item_id FROM quarantine WHERE outcome = 'salvaged' AND state = 'held'")
    assert len(held) == 2
    await bring(phones[0], body(item, version=9), unreadable)
    assert await truth.fetchval("SELECT count(*) FROM quarantine WHERE state = 'held'") == 2


async def test_it_is_kept_before_the_answer_and_whatever_epoch_the_phone_names(
    phones: tuple[FieldPhone, FieldPhone], truth: asyncpg.Connection
) -> None:
    """The phone forgets an item once it is answered."""
    phone = phones[0]
    request = ExchangeRequest(
        device=phone.device_id,
        clock=Clock(datetime.now(UTC), 1, "boot"),
        catalogue="2024.2",
        registry=1,
        epoch="former",
        salvage=[Raw(json.encode(body()))],
    )
    content = encode_request(request, [], "json")
    response = await phone.client.post("/v1/exchange", content=content, headers=phone.headers)
    assert response.status_code == 200
    assert len(await kept(truth)) == 1
