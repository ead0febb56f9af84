"""The photos of an erased item: their bytes go with it, unless another item holds them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from schemas.evidence import PhotoRef
from server.db.database import Database
from server.errors import Problem
from server.services import Services
from server.storage.objects import ObjectMissing, ObjectStore
from server.usecases.appending import append
from server.usecases.erased_photos import sweep
from server.usecases.erasure import erase_item
from server.usecases.evidence import declare, photo_key, read_address, take_in, thumbnail_key
from server.usecases.photo_checks import check_upload
from server.usecases.uploads import create
from tests.builders import CADRE, WORKER, build_city, caller, deliver, enrol, photo, picture
from tests.integration.evidence_scene import until_someone_waits_for_a_lock

AT_ONCE = timedelta(0)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)


async def dwelling(services: Services, *numbers: int) -> UUID:
    """A dwelling with these photos, their bytes still on the phone."""
    return await (await enrol(services, WORKER)).report("0102", photos=[photo(number) for number in numbers])


async def erase(services: Services, item: UUID) -> None:
    await erase_item(services, await caller(services, CADRE), item, "本人申请删除", datetime.now(UTC))


async def objects_of(services: Services, number: int) -> list[bool]:
    """Whether the store has the photo, and its thumbnail."""
    one = photo(number)
    keys = [make(bytes.fromhex(one["sha256"]), one["size"]) for make in (photo_key, thumbnail_key)]
    return [await _exists(services, key) for key in keys]


async def _exists(services: Services, key: str) -> bool:
    try:
        await services.objects.stat(key)
    except ObjectMissing:
        return False
    return True


async def test_what_came_of_an_upload_goes_with_the_item(services: Services, truth: asyncpg.Connection) -> None:
    """Some of the photo has come by appends: its pieces are removed, and the phone's next append is refused."""
    item, data, worker = await dwelling(services, 1), picture(1), await caller(services, WORKER)
    upload = await create(services, worker, PhotoRef(photo(1)["sha256"], len(data)))

    async def body() -> AsyncIterator[bytes]:
        yield data[:50]

    await append(services, worker, upload.id, 0, body())
    assert [one.size for one in await services.objects.older_than("incoming/", LATER, 10)] == [50]
    await erase(services, item)
    assert await services.objects.older_than("incoming/", LATER, 10) == []
    with pytest.raises(Problem, match="upload_ended"):
        await append(services, worker, upload.id, 50, body())
    with pytest.raises(Problem, match="item_erased"):
        await create(services, worker, PhotoRef(photo(1)["sha256"], len(data)))
    assert await truth.fetchval("SELECT count(*) FROM upload WHERE state <> 'done'") == 0


async def test_bytes_thumbnails_and_what_was_known_of_them_go(services: Services, truth: asyncpg.Connection) -> None:
    item = await dwelling(services, 1, 2)
    await deliver(services, WORKER, 1, 2)
    assert await objects_of(services, 1) == await objects_of(services, 2) == [True, True]
    await erase(services, item)
    assert await objects_of(services, 1) == await objects_of(services, 2) == [False, False]
    assert await truth.fetchval("SELECT count(*) FROM evidence_link") == 0
    known = await truth.fetch("SELECT * FROM evidence")
    assert {one["state"] for one in known} == {"declared"}
    assert all(one[name] is None for one in known for name in ("taken_at", "place", "verified_at", "media_type"))
    assert await sweep(services, AT_ONCE) == 2
    assert await sweep(services, AT_ONCE) == 0


async def test_a_photo_that_another_item_holds_stays(services: Services, truth: asyncpg.Connection) -> None:
    first, second = await dwelling(services, 1), await dwelling(services, 1)
    await deliver(services, WORKER, 1)
    await erase(services, first)
    assert await objects_of(services, 1) == [True, True]
    assert await truth.fetchval("SELECT state FROM evidence") == "verified"
    await erase(services, second)
    assert await objects_of(services, 1) == [False, False]


async def test_nobody_gets_an_address_of_it(services: Services) -> None:
    item = await dwelling(services, 1)
    await deliver(services, WORKER, 1)
    await erase(services, item)
    one = photo(1)
    for person in (WORKER, CADRE):
        with pytest.raises(Problem):
            await read_address(services, await caller(services, person), PhotoRef(one["sha256"], one["size"]))


async def test_a_phone_that_has_it_still_to_send_is_told_so(services: Services, truth: asyncpg.Connection) -> None:
    await erase(services, await dwelling(services, 1))
    sender, one = await caller(services, WORKER), photo(1)
    wish = [PhotoRef(one["sha256"], one["size"])]
    (declared,) = await declare(services, sender, wish)
    assert (declared.state, declared.upload, declared.code) == ("refused", None, "item_erased")
    assert declared.zh
    assert await truth.fetchval("SELECT count(*) FROM upload WHERE state = 'open'") == 0
    # Where another item names the very same photo, it is that one's.
    await dwelling(services, 1)
    (declared,) = await declare(services, sender, wish)
    assert declared.upload is not None


async def test_what_could_not_be_removed_at_once_is_by_the_sweep(services: Services, truth: asyncpg.Connection) -> None:
    """As where the process dies after the commit: the store is out of reach just then."""
    item = await dwelling(services, 1)
    await deliver(services, WORKER, 1)
    lost = ObjectStore.from_settings(replace(services.settings, s3_endpoint="http://127.0.0.1:9"))
    await erase(dataclasses.replace(services, objects=lost), item)
    lost.close()
    assert await objects_of(services, 1) == [True, True]
    assert await truth.fetchval("SELECT count(*) FROM erased_photo") == 1
    assert await sweep(services) == 0
    await sweep(services, AT_ONCE)
    assert await objects_of(services, 1) == [False, False]
    assert await sweep(services, AT_ONCE) == 0


async def test_a_photo_that_came_again_for_another_item_is_left_alone(
    services: Services, truth: asyncpg.Connection
) -> None:
    first = await dwelling(services, 1)
    await deliver(services, WORKER, 1)
    await erase(services, first)
    await dwelling(services, 1)
    await deliver(services, WORKER, 1)
    await sweep(services, AT_ONCE)
    assert await objects_of(services, 1) == [True, True]
    assert await truth.fetchval("SELECT state FROM evidence") == "verified"
    assert await truth.fetchval("SELECT count(*) FROM erased_photo") == 0


async def test_while_its_bytes_are_on_their_way_for_another_item_the_sweep_waits(
    services: Services, truth: asyncpg.Connection
) -> None:
    await erase(services, await dwelling(services, 1))
    await dwelling(services, 1)
    sender, one = await caller(services, WORKER), photo(1)
    (declared,) = await declare(services, sender, [PhotoRef(one["sha256"], one["size"])])
    await sweep(services, AT_ONCE)
    assert await truth.fetchval("SELECT removed FROM erased_photo") is False
    assert declared.upload is not None
    await _put(services, declared.upload.id, declared.upload.url)
    await check_upload(services, declared.upload.id)
    await sweep(services, AT_ONCE)
    assert await objects_of(services, 1) == [True, True]


async def _put(services: Services, upload: UUID, url: str) -> None:
    async with httpx.AsyncClient() as client:
        (await client.put(url, content=picture(1))).raise_for_status()
    await take_in(services, await caller(services, WORKER), [upload])


async def test_a_check_that_runs_while_the_item_is_erased_brings_nothing_back(
    services: Services, database: Database, truth: asyncpg.Connection
) -> None:
    """The erasing waits for the item first, then the check does, its objects written already."""
    item, one = await dwelling(services, 1), photo(1)
    sender = await caller(services, WORKER)
    (declared,) = await declare(services, sender, [PhotoRef(one["sha256"], one["size"])])
    assert declared.upload is not None
    await _put(services, declared.upload.id, declared.upload.url)
    async with database.pool.acquire() as holder, holder.transaction():
        await holder.execute("SELECT FROM item WHERE id = $1 FOR UPDATE", item)
        erasing = asyncio.create_task(erase(services, item))
        await until_someone_waits_for_a_lock(truth)
        checking = asyncio.create_task(check_upload(services, declared.upload.id))
        await until_someone_waits_for_a_lock(truth, 2)
        assert await objects_of(services, 1) == [True, True]
    await asyncio.gather(erasing, checking)
    assert await truth.fetchval("SELECT state FROM evidence") == "declared"
    await sweep(services, AT_ONCE)
    assert await objects_of(services, 1) == [False, False]
