"""The object store's client against a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec.structs import replace

from server.settings import Settings
from server.storage.objects import ObjectMissing, ObjectStore, ObjectTooLarge, StoreUnavailable


@pytest.fixture
async def store(settings_of_test: Settings) -> AsyncIterator[ObjectStore]:
    opened = ObjectStore.from_settings(settings_of_test)
    await opened.ensure_bucket()
    yield opened
    opened.close()


async def test_what_is_written_is_read(store: ObjectStore) -> None:
    await store.write("evidence/a", b"first", "image/png")
    await store.write("evidence/a", b"second", "image/png")

    assert await store.read("evidence/a", 6) == b"second"
    assert await store.stat("evidence/a") == 6
    await store.delete("evidence/a")
    await store.delete("evidence/a")
    with pytest.raises(ObjectMissing):
        await store.stat("evidence/a")
    with pytest.raises(ObjectMissing):
        await store.read("evidence/a", 6)


async def test_no_more_is_read_than_asked_for(store: ObjectStore) -> None:
    await store.write("incoming/large", bytes(500_000), "application/octet-stream")

    with pytest.raises(ObjectTooLarge):
        await store.read("incoming/large", 499_999)
    assert len(await store.read("incoming/large", 500_000)) == 500_000


async def test_the_bucket_is_made_once_by_however_many(settings_of_test: Settings) -> None:
    stores = [ObjectStore.from_settings(settings_of_test) for _ in range(4)]

    with pytest.raises(StoreUnavailable):
        await stores[0].health()
    await asyncio.gather(*(store.ensure_bucket() for store in stores))
    await asyncio.gather(*(store.health() for store in stores))
    for store in stores:
        store.close()


async def test_only_what_is_old_enough_is_listed(store: ObjectStore) -> None:
    for name in "abc":
        await store.write(f"incoming/{name}", b"x", "image/png")
    await store.write("evidence/d", b"x", "image/png")
    now = datetime.now(UTC)

    assert await store.older_than("incoming/", now - timedelta(hours=1), 10) == []
    found = await store.older_than("incoming/", now + timedelta(hours=1), 2)
    assert len(found) == 2
    assert {entry.key for entry in found} < {"incoming/a", "incoming/b", "incoming/c"}


async def test_addresses_are_signed_for_the_phones_endpoint(settings_of_test: Settings) -> None:
    store = ObjectStore.from_settings(replace(settings_of_test, s3_public_endpoint="https://photos.example:8443"))

    url = urlsplit(store.presign_put("incoming/x", timedelta(minutes=30)))

    assert (url.scheme, url.netloc) == ("https", "photos.example:8443")
    assert url.path == f"/{settings_of_test.s3_bucket}/incoming/x"
    assert parse_qs(url.query)["X-Amz-Expires"] == ["1800"]
    store.close()


async def test_an_address_serves_one_object_and_one_method(store: ObjectStore) -> None:
    await store.write("evidence/a", b"photo", "image/png")
    url = store.presign_get("evidence/a", timedelta(minutes=1), "image/png")

    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, b"photo")
        assert (await client.put(url, content=b"other")).status_code in (400, 403)
        assert (await client.get(url.replace("evidence/a", "evidence/b"))).status_code in (400, 403)
        assert (await client.get(url.partition("?")[0])).status_code in (400, 403)
    assert await store.read("evidence/a", 10) == b"photo"


async def test_a_store_that_does_not_answer_is_told_from_a_missing_object(settings_of_test: Settings) -> None:
    store = ObjectStore.from_settings(replace(settings_of_test, s3_endpoint="http://127.0.0.1:9"))

    with pytest.raises(StoreUnavailable):
        await store.read("evidence/a", 10)
    store.close()


@pytest.mark.parametrize("endpoint", ["s3.example", "https://s3.example/path", "ftp://s3.example", ""])
def test_an_endpoint_that_cannot_be_one_is_refused(settings_of_test: Settings, endpoint: str) -> None:
    with pytest.raises(ValueError, match="http"):
        ObjectStore.from_settings(replace(settings_of_test, s3_endpoint=endpoint))
