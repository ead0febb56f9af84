"""Photos from a phone's declaration to the address a reviewer reads, on a real database and a real object store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas.evidence import PhotoRef
from server.db.database import Transaction
from server.errors import CATALOGUE, Problem
from server.services import Services
from server.storage.objects import ObjectMissing
from server.storage.photos import MAX_BYTES
from server.usecases.evidence import declare, photo_key, read_address, thumbnail_key
from server.usecases.photo_checks import check_upload, compare_claims, discard_abandoned, find_work
from tests.integration.evidence_scene import (
    WRITTEN_WHERE,
    caller,
    declared,
    fetch,
    link,
    new_item,
    objects_under,
    put,
    ref,
    reported,
    sent,
    state_of,
    until_someone_waits_for_a_lock,
    verified,
    way_in,
)
from tests.integration.town import (
    ADMINISTRATOR,
    CHIEF_EAST,
    COMMUNITY_EAST,
    HANDLER,
    RIDER,
    WORKER_EAST,
    WORKER_EAST_2,
    WORKER_WEST,
    Citizen,
)
from tests.unit.pictures import encoded, identity, jpeg, picture
from tests.unit.test_photos import tiny_png_of

pytestmark = pytest.mark.usefixtures("small_town")


async def touch_of(truth: asyncpg.Connection, item_id: UUID) -> int:
    return await truth.fetchval("SELECT touch FROM item WHERE id = $1", item_id)


async def flags_of(truth: asyncpg.Connection, item_id: UUID) -> list[str] | None:
    return await truth.fetchval("SELECT flags FROM evidence_link WHERE item_id = $1", item_id)


async def test_a_photo_is_declared_sent_and_verified(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(taken="2026:03:05 09:30:00", place=WRITTEN_WHERE)
    item_id = await new_item(services, data)

    upload = await way_in(services, data)
    assert await state_of(truth, data) == ("uploading", None)
    assert await put(upload.url, data) == 200
    answer = await reported(services, [upload.id])
    assert [(photo.state, photo.code) for photo in answer.photos] == [("stored", None)]
    await check_upload(services, upload.id)

    assert await state_of(truth, data) == ("verified", None)
    row = await truth.fetchrow("SELECT media_type, width, height, taken_at FROM evidence")
    assert row is not None
    assert (row["media_type"], row["width"], row["height"]) == ("image/jpeg", 640, 480)
    assert await flags_of(truth, item_id) == []
    assert await services.objects.read(photo_key(*identity(data)), len(data)) == data
    assert (await services.objects.read(thumbnail_key(*identity(data)), 100_000)).startswith(b"\xff\xd8")
    assert await objects_under(services, "incoming/") == {}
    assert (await declared(services, data)).state == "verified"


async def test_verifying_moves_the_item_in_its_streams_once(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg()
    item_id = await new_item(services, data)
    before = await truth.fetch("SELECT key, head FROM stream ORDER BY key")

    upload_id = await sent(services, data)
    assert await touch_of(truth, item_id) == 0
    await asyncio.gather(*(check_upload(services, upload_id) for _ in range(4)))
    await check_upload(services, upload_id)

    assert await touch_of(truth, item_id) == 1
    after = await truth.fetch("SELECT key, head FROM stream ORDER BY key")
    assert [row["head"] - old["head"] for old, row in zip(before, after, strict=True)] == [1] * len(before)
    assert await truth.fetchval("SELECT bool_and(touch = 1) FROM feed WHERE object_id = $1", item_id)


async def test_two_checks_of_one_upload_at_once_verify_it_once(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(29)
    item_id = await new_item(services, data)
    upload_id = await sent(services, data)
    await truth.execute("BEGIN")
    await truth.execute("SELECT FROM evidence FOR UPDATE")

    async with asyncio.TaskGroup() as both, services.database.pool.acquire() as other:
        for waiting in (1, 2):
            # A slow worker's time has run out when the second one comes.
            await other.execute("UPDATE upload SET check_after = now()")
            both.create_task(check_upload(services, upload_id))
            await until_someone_waits_for_a_lock(other, waiting)
        await truth.execute("COMMIT")

    assert await state_of(truth, data) == ("verified", None)
    assert await touch_of(truth, item_id) == 1


def _damaged() -> bytes:
    data = jpeg(size=(1200, 900))
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_damaged(), "photo_undecodable"),
        (tiny_png_of(20_000, 20_000), "photo_too_many_pixels"),
        (encoded(picture(), "GIF"), "photo_type_unknown"),
        (b"#!/bin/sh\necho not a photo\n", "photo_type_unknown"),
    ],
    ids=["truncated", "bomb", "other type", "script"],
)
async def test_what_is_no_photo_is_refused(
    services: Services, truth: asyncpg.Connection, data: bytes, code: str
) -> None:
    item_id = await new_item(services, data)
    upload_id = await sent(services, data)

    await check_upload(services, upload_id)

    assert await state_of(truth, data) == ("refused", code)
    assert await touch_of(truth, item_id) == 1
    assert await objects_under(services, "") == {}
    (told,) = (await reported(services, [upload_id])).photos
    assert (told.state, told.code, told.en) == ("refused", code, CATALOGUE[code].en)
    (again,) = await declare(services, caller(), [ref(data)])
    assert (again.state, again.code, again.upload) == ("refused", code, None), "the same bytes will be refused again"
    assert await touch_of(truth, item_id) == 1


async def test_other_bytes_under_the_right_name_are_refused_and_asked_for_again(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(1)
    wrong = bytes(reversed(data))
    item_id = await new_item(services, data)

    await check_upload(services, await sent(services, data, instead=wrong))
    assert await state_of(truth, data) == ("refused", "photo_hash_differs")
    assert await touch_of(truth, item_id) == 1

    upload = await way_in(services, data)
    assert await state_of(truth, data) == ("uploading", None)
    assert await touch_of(truth, item_id) == 2
    assert await put(upload.url, data) == 200
    await reported(services, [upload.id])
    await check_upload(services, upload.id)
    assert await state_of(truth, data) == ("verified", None)


async def test_another_photo_of_the_same_size_under_the_right_name_is_refused(
    services: Services, truth: asyncpg.Connection
) -> None:
    """A real photo too: nothing but its hash tells that it is another one."""
    shorter, longer = sorted((jpeg(1), jpeg(2)), key=len)
    data, other = longer, shorter + bytes(len(longer) - len(shorter))
    await new_item(services, data)
    await check_upload(services, await sent(services, data, instead=other))
    assert await state_of(truth, data) == ("refused", "photo_hash_differs")


async def test_what_comes_by_an_old_address_later_changes_nothing(services: Services) -> None:
    data = jpeg(2)
    await new_item(services, data)
    upload = await way_in(services, data)
    assert await put(upload.url, data) == 200
    await reported(services, [upload.id])
    await check_upload(services, upload.id)

    assert await put(upload.url, jpeg(3)) == 200
    answer = await reported(services, [upload.id])
    await find_work(services)
    await check_upload(services, upload.id)

    assert [photo.state for photo in answer.photos] == ["verified"]
    address = await read_address(services, caller(), ref(data))
    assert await fetch(address.url) == data

    assert list(await objects_under(services, "incoming/")) == [f"incoming/{upload.id}"]
    assert await discard_abandoned(services, timedelta(seconds=-60)) == 1
    assert await objects_under(services, "incoming/") == {}


async def test_two_phones_with_one_photo_send_it_once(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(4)
    items = [await new_item(services, data), await new_item(services, data)]
    first = await way_in(services, data, WORKER_EAST)
    second = await way_in(services, data, WORKER_EAST_2)
    assert first.id != second.id

    assert await put(first.url, data) == 200
    await reported(services, [first.id], WORKER_EAST)
    waiting = await declared(services, data, WORKER_EAST_2)
    assert (waiting.state, waiting.upload) == ("stored", None)
    await check_upload(services, first.id)

    answer = await reported(services, [second.id], WORKER_EAST_2)
    assert [(photo.state, photo.code) for photo in answer.photos] == [("verified", None)]
    assert [await touch_of(truth, item_id) for item_id in items] == [1, 1]
    assert len(await objects_under(services, "evidence/")) == 1


async def test_a_false_sender_does_not_spoil_the_photo_for_its_holder(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(5)
    item_id = await new_item(services, data)
    false = await sent(services, data, WORKER_WEST, instead=bytes(reversed(data)))
    assert (await declared(services, data)).upload is None

    await check_upload(services, false)
    assert await state_of(truth, data) == ("refused", "photo_hash_differs")
    assert await touch_of(truth, item_id) == 1, "whoever was told to wait has to hear of it"

    await verified(services, data)
    assert await state_of(truth, data) == ("verified", None)


async def test_a_refusal_leaves_a_photo_that_another_way_has_verified(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(6)
    upload, other = await way_in(services, data), await way_in(services, data, WORKER_WEST)
    assert await put(upload.url, data) == 200
    assert await put(other.url, bytes(reversed(data))) == 200
    await reported(services, [upload.id])
    await reported(services, [other.id], WORKER_WEST)

    await asyncio.gather(check_upload(services, upload.id), check_upload(services, other.id))

    assert await state_of(truth, data) == ("verified", None)


async def test_asking_again_gives_the_same_way_in(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(7)

    assert (await way_in(services, data)).id == (await way_in(services, data)).id
    assert await truth.fetchval("SELECT count(*) FROM upload") == 1


async def test_one_photo_that_did_not_arrive_holds_up_no_other(services: Services) -> None:
    present, absent, short = jpeg(8), jpeg(9), jpeg(10)
    ways = [await way_in(services, data) for data in (present, absent, short)]
    foreign, unknown = await way_in(services, jpeg(11), WORKER_WEST), uuid4()
    assert await put(ways[0].url, present) == 200
    assert await put(ways[2].url, short[:-1]) == 200

    answer = await reported(services, [way.id for way in (*ways, foreign)] + [unknown])

    assert [(photo.state, photo.code) for photo in answer.photos] == [
        ("stored", None),
        ("uploading", "upload_missing"),
        ("uploading", "photo_size_differs"),
    ]
    assert answer.photos[1].zh
    assert answer.unknown == [foreign.id, unknown]
    again = await reported(services, [ways[0].id])
    assert [photo.state for photo in again.photos] == ["stored"]


async def test_a_photo_over_the_limit_is_told_so_and_the_others_are_taken(services: Services) -> None:
    huge = PhotoRef("ab" * 32, MAX_BYTES + 1)

    refused, taken = await declare(services, caller(), [huge, ref(jpeg(12))])

    assert (refused.state, refused.code, refused.upload) == ("refused", "photo_too_large", None)
    assert taken.upload is not None


async def test_a_lost_job_is_found_by_the_sweep(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(13)
    upload_id = await sent(services, data)
    assert await queued(truth) == [f"verify_photo {upload_id}"]
    await truth.execute("DELETE FROM pgqueuer")

    assert await find_work(services) == 1
    assert await find_work(services) == 1

    assert await queued(truth) == [f"verify_photo {upload_id}"]


async def test_a_job_queue_that_does_not_answer_does_not_fail_the_request(
    services: Services, truth: asyncpg.Connection
) -> None:
    await truth.execute("ALTER TABLE pgqueuer RENAME TO out_of_reach")
    upload_id = await sent(services, jpeg(14))

    await truth.execute("ALTER TABLE out_of_reach RENAME TO pgqueuer")
    await find_work(services)
    assert await queued(truth) == [f"verify_photo {upload_id}"]


async def queued(truth: asyncpg.Connection) -> list[str]:
    return [row["dedupe_key"] for row in await truth.fetch("SELECT dedupe_key FROM pgqueuer ORDER BY id")]


async def test_a_check_that_failed_comes_back_ever_more_seldom(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(15)
    upload_id = await sent(services, data)
    waits = []
    async with services.database.pool.acquire() as connection:
        for _ in range(12):
            await connection.execute("UPDATE upload SET check_after = now()")
            await services.database.write(lambda tx: _begin(tx, upload_id))
            wait = await connection.fetchval("SELECT extract(epoch FROM check_after - now()) FROM upload")
            waits.append(round(wait / 10) * 10)

    assert waits == [20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600]
    await check_upload(services, upload_id)
    assert await state_of(truth, data) == ("stored", None), "it is not due"


async def _begin(tx: Transaction, upload_id: UUID) -> None:
    from server.db import evidence

    assert await evidence.begin_check(tx.connection, upload_id)


async def test_an_address_that_expired_takes_nothing_and_is_replaced(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(16)
    url = services.objects.presign_put("incoming/short", timedelta(seconds=1))
    status = 200
    async with asyncio.timeout(20):
        while status == 200:
            status = await put(url, data)
    assert status in (400, 403), "S3 says 403, rclone 400"

    item_id = await new_item(services, data)
    upload = await way_in(services, data)
    await expire(truth)
    assert await find_work(services) == 1
    await check_upload(services, upload.id)

    assert await state_of(truth, data) == ("declared", None)
    assert await touch_of(truth, item_id) == 0
    assert (await way_in(services, data)).id != upload.id


async def test_bytes_that_wait_for_their_check_are_not_discarded(services: Services) -> None:
    upload_id = await sent(services, jpeg(30))

    assert await discard_abandoned(services, timedelta(seconds=-60)) == 0
    assert list(await objects_under(services, "incoming/")) == [f"incoming/{upload_id}"]


async def test_bytes_that_arrived_without_a_word_are_found(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(17)
    upload = await way_in(services, data)
    assert await put(upload.url, data) == 200
    assert await find_work(services) == 0
    await expire(truth)

    assert await find_work(services) == 1
    await check_upload(services, upload.id)

    assert await state_of(truth, data) == ("verified", None)


async def test_an_address_prolonged_during_its_check_stays_open(
    services: Services, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = jpeg(18)
    upload = await way_in(services, data)
    await expire(truth)

    async def asked_meanwhile(*_: object) -> bytes:
        assert (await way_in(services, data)).id == upload.id
        raise ObjectMissing

    monkeypatch.setattr(services.objects, "read", asked_meanwhile)
    await check_upload(services, upload.id)
    monkeypatch.undo()

    assert await put(upload.url, data) == 200
    assert [photo.state for photo in (await reported(services, [upload.id])).photos] == ["stored"]


async def expire(truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE upload SET expires_at = now() - interval '1 s', check_after = now()")


async def test_bytes_that_vanished_after_they_were_reported_are_asked_for_again(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(19)
    await new_item(services, data)
    upload_id = await sent(services, data)
    await services.objects.delete(f"incoming/{upload_id}")

    await check_upload(services, upload_id)

    assert await state_of(truth, data) == ("refused", "upload_missing")
    assert (await declared(services, data)).upload is not None


async def test_a_link_made_while_its_photo_is_verified_is_not_overlooked(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(20)
    item_id = await new_item(services)
    upload_id = await sent(services, data)
    linked, settle = asyncio.Event(), asyncio.Event()

    async def push(tx: Transaction) -> None:
        await link(tx, item_id, [data])
        linked.set()
        await settle.wait()

    async with asyncio.TaskGroup() as both:
        both.create_task(services.database.write(push))
        await linked.wait()
        both.create_task(check_upload(services, upload_id))
        await until_someone_waits_for_a_lock(truth)
        settle.set()

    assert await state_of(truth, data) == ("verified", None)
    assert await touch_of(truth, item_id) == 1


async def test_a_link_that_waits_for_a_verification_sees_its_result(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(21)
    item_id = await new_item(services)
    await sent(services, data)
    await truth.execute("BEGIN")
    await truth.execute("UPDATE evidence SET state = 'verified'")
    seen: list[str] = []

    async def push(tx: Transaction) -> None:
        await link(tx, item_id, [data])
        seen.append(await tx.connection.fetchval("SELECT state FROM evidence"))

    async with asyncio.TaskGroup() as group, services.database.pool.acquire() as other:
        group.create_task(services.database.write(push))
        await until_someone_waits_for_a_lock(other)
        await truth.execute("COMMIT")

    assert seen == ["verified"]


@pytest.mark.parametrize(
    ("claims", "flags"),
    [
        ({}, ["no_exif"]),
        ({"taken": "2026:03:05 20:00:00", "place": WRITTEN_WHERE}, []),
        ({"taken": "2026:03:03 09:30:00", "place": WRITTEN_WHERE}, ["exif_time_differs"]),
        ({"taken": "2026:03:05 09:30:00", "place": (117.93, 32.705)}, ["exif_place_differs"]),
        ({"taken": "2025:03:05 09:30:00", "place": (116.4, 39.9)}, ["exif_time_differs", "exif_place_differs"]),
    ],
)
async def test_the_cameras_claims_are_held_against_the_items(
    services: Services, truth: asyncpg.Connection, claims: dict[str, object], flags: list[str]
) -> None:
    data = jpeg(22, **claims)
    before = await new_item(services, data)
    await verified(services, data)
    after = await new_item(services, data)

    assert await flags_of(truth, before) == flags
    assert await flags_of(truth, after) is None
    await compare_claims(services)
    assert await flags_of(truth, after) == flags


async def test_where_a_camera_stood_is_in_no_clear_column(services: Services, truth: asyncpg.Connection) -> None:
    await verified(services, jpeg(23, place=WRITTEN_WHERE))

    (row,) = await truth.fetch("SELECT to_jsonb(e)::text AS text, place FROM evidence e")
    assert row["place"] is not None
    assert b"117.9" not in row["place"]
    assert "117.9" not in row["text"]


async def test_a_reader_gets_a_short_lived_address_and_leaves_a_trace(
    services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(24)
    item_id = await new_item(services, data)
    await verified(services, data)

    full = await read_address(services, caller(CHIEF_EAST), ref(data))
    small = await read_address(services, caller(CHIEF_EAST), ref(data), thumbnail=True)

    assert await fetch(full.url) == data
    assert len(await fetch(small.url)) < len(data)
    assert (full.media_type, small.media_type) == ("image/jpeg", "image/jpeg")
    assert timedelta(minutes=4) < full.expires_at - datetime.now(UTC) <= timedelta(minutes=5)
    rows = await truth.fetch("SELECT actor_id, subject_id, detail FROM audit WHERE action = 'evidence.read'")
    name = f"{ref(data).sha256}-{len(data)}"
    assert [(row["actor_id"], row["subject_id"]) for row in rows] == [(CHIEF_EAST.id, name)] * 2
    assert str(item_id) in rows[0]["detail"]


async def test_a_stranger_cannot_tell_a_photo_from_none(services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(25)
    await new_item(services, data)
    await verified(services, data)

    for stranger in (WORKER_WEST, WORKER_EAST_2, RIDER, HANDLER, ADMINISTRATOR):
        assert await refusal(services, data, stranger) == "evidence_unknown", stranger.role
        assert await refusal(services, jpeg(26), stranger) == "evidence_unknown"
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'evidence.read'") == 0


async def test_before_any_item_holds_it_only_its_sender_may_read_a_photo(services: Services) -> None:
    data = jpeg(27)
    await declared(services, data, WORKER_WEST)
    await declared(services, data, COMMUNITY_EAST)
    await verified(services, data, WORKER_EAST_2)

    address = await read_address(services, caller(WORKER_EAST_2), ref(data))
    assert await fetch(address.url) == data
    assert await refusal(services, data, WORKER_WEST) == "evidence_unknown", "he only named it"

    await new_item(services, data)
    assert await refusal(services, data, WORKER_EAST_2) == "evidence_unknown", "the item is not his to read"
    assert await fetch((await read_address(services, caller(COMMUNITY_EAST), ref(data))).url) == data


async def test_an_unverified_photo_is_not_shown(services: Services) -> None:
    data = jpeg(28)
    await new_item(services, data)
    await sent(services, data)

    assert await refusal(services, data, CHIEF_EAST) == "evidence_not_verified"
    assert await refusal(services, data, WORKER_WEST) == "evidence_unknown"


async def refusal(services: Services, data: bytes, who: Citizen) -> str:
    with pytest.raises(Problem) as caught:
        await read_address(services, caller(who), ref(data))
    return caught.value.code
