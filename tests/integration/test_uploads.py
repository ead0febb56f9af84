"""`/v1/uploads`, tus 1.0.0: creating, appending, asking, giving up; the bytes end in a verified photo, nowhere else."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar

from server.app import create_app
from server.errors import Problem
from server.services import Services
from server.settings import Settings
from server.storage.photos import MAX_BYTES
from server.usecases.appending import PIECE_BYTES, SMALL_BYTES, BodyCut, append
from server.usecases.epochs import UPLOADS_END_AFTER, begin_epoch
from server.usecases.evidence import declare
from server.usecases.photo_checks import check_upload, discard_abandoned, find_work
from server.usecases.sessions import begin_session
from tests.integration.evidence_scene import caller, put, ref, reported, state_of, verified, way_in
from tests.integration.town import WORKER_EAST, WORKER_WEST, Citizen
from tests.integration.uploads_scene import (
    APPEND,
    Uploader,
    announced,
    code_of,
    id_of,
    incoming,
    noisy,
    pieces_of,
    summed,
)
from tests.unit.pictures import jpeg

pytestmark = pytest.mark.usefixtures("small_town")

HOUR = timedelta(hours=1)


@pytest.fixture
async def worker(app_client: httpx.AsyncClient, services: Services, small_town: None) -> Uploader:
    return Uploader(app_client, await signed_in(services, WORKER_EAST))


async def signed_in(services: Services, who: Citizen) -> dict[str, str]:
    """The header of a session that began without a password."""
    pair = await services.database.write(lambda tx: begin_session(tx, services, uuid4(), "user", who.id))
    return {"Authorization": f"Bearer {pair.access}"}


async def expire(truth: asyncpg.Connection, path: str) -> None:
    moment = datetime.now(UTC) - HOUR
    await truth.execute("UPDATE upload SET expires_at = $2, check_after = $2 WHERE id = $1", id_of(path), moment)


async def test_a_photo_in_appends_ends_verified(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(1)

    path = await worker.begin(data)
    assert await state_of(truth, data) == ("uploading", None)
    await worker.send(path, data, 1000)
    assert await state_of(truth, data) == ("stored", None)
    assert await worker.offset(path) == len(data)
    await check_upload(services, id_of(path))

    assert await state_of(truth, data) == ("verified", None)
    assert await incoming(services) == {}
    assert await worker.offset(path) == len(data)


async def test_it_goes_on_from_every_byte(worker: Uploader, services: Services, truth: asyncpg.Connection) -> None:
    """Appends of all sizes, through the sizes at which pieces are laid anew and held no longer."""
    data, dice, at = noisy(2), Random(2), 0
    path = await worker.begin(data)
    sizes = [1, 1, SMALL_BYTES - 2, 1, SMALL_BYTES, SMALL_BYTES - 1, 1]
    while at < len(data):
        size = sizes.pop(0) if sizes else dice.randrange(1, 40_000)
        answer = await worker.append(path, at, data[at : at + size])
        at = min(at + size, len(data))
        assert (answer.status_code, await worker.offset(path)) == (204, at)
    await check_upload(services, id_of(path))

    assert await state_of(truth, data) == ("verified", None)


async def test_many_small_appends_make_few_objects(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = noisy(3)
    path = await worker.begin(data)
    for at in range(50):
        await worker.append(path, at, data[at : at + 1])
    assert len(await pieces_of(truth, path)) == 1

    await worker.send(path, data[:-1], 5000)

    assert len(await pieces_of(truth, path)) <= len(data) // SMALL_BYTES + 1
    assert sum((await incoming(services)).values()) == len(data) - 1
    assert len(await incoming(services)) == len(await pieces_of(truth, path))


async def test_a_way_in_of_a_declaration_is_filled_by_appends(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(4)
    way = await way_in(services, data)

    await worker.send(f"/v1/uploads/{way.id}", data, 2000)
    answer = await reported(services, [way.id])
    await check_upload(services, way.id)

    assert [(one.state, one.code) for one in answer.photos] == [("stored", None)]
    assert await state_of(truth, data) == ("verified", None)


async def test_what_was_put_whole_needs_no_append(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(5)
    way = await way_in(services, data)
    await worker.append(f"/v1/uploads/{way.id}", 0, data[:700])
    assert await put(way.url, data) == 200
    await reported(services, [way.id])

    assert await worker.offset(f"/v1/uploads/{way.id}") == len(data)
    assert code_of(await worker.append(f"/v1/uploads/{way.id}", 700, data[700:])) == (409, "upload_offset_differs")
    await check_upload(services, way.id)
    assert await state_of(truth, data) == ("verified", None)
    assert await incoming(services) == {}


async def test_a_declaration_does_not_shorten_what_may_be_resumed(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(6)
    path = await worker.begin(data)
    before = await truth.fetchval("SELECT expires_at FROM upload")

    assert (await way_in(services, data)).id == id_of(path)

    assert await truth.fetchval("SELECT expires_at FROM upload") == before
    assert before > datetime.now(UTC) + 160 * HOUR


@pytest.mark.parametrize("offset", [0, 499, 501, 10_000])
async def test_another_offset_is_refused_and_nothing_changes(worker: Uploader, services: Services, offset: int) -> None:
    data = jpeg(7)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:500])
    before = await incoming(services)

    assert code_of(await worker.append(path, offset, data[500:600])) == (409, "upload_offset_differs")

    assert (await worker.offset(path), await incoming(services)) == (500, before)


async def test_of_two_appends_at_once_one_counts(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    """Both have been let in and have laid their piece down before either is committed."""
    data = noisy(8, (100, 100))
    path = await worker.begin(data)
    await worker.append(path, 0, data[:10])
    both_in, waiting = asyncio.Event(), [0]

    async def body(end: int) -> AsyncIterator[bytes]:
        waiting[0] += 1
        if waiting[0] == 2:
            both_in.set()
        await both_in.wait()
        yield data[10:end]

    ends = (1000, 3000)
    outcomes = await asyncio.gather(
        *(append(services, caller(), id_of(path), 10, body(end)) for end in ends), return_exceptions=True
    )

    refused = [one.code for one in outcomes if isinstance(one, Problem)]
    (winner,) = [end for end, one in zip(ends, outcomes, strict=True) if not isinstance(one, BaseException)]
    assert refused == ["upload_offset_differs"]
    assert await worker.offset(path) == winner
    assert sum((await incoming(services)).values()) == winner
    await worker.send(path, data, 9000)
    await check_upload(services, id_of(path))
    assert await state_of(truth, data) == ("verified", None)


@pytest.mark.parametrize("cut", [1, SMALL_BYTES, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 300_000])
async def test_what_came_before_a_cut_is_kept(
    worker: Uploader, services: Services, truth: asyncpg.Connection, cut: int
) -> None:
    data = noisy(36)
    path = await worker.begin(data)

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, cut, 60_000):
            yield data[at : min(at + 60_000, cut)]
        raise BodyCut

    with pytest.raises(BodyCut):
        await append(services, caller(), id_of(path), 0, body())

    assert await worker.offset(path) == cut
    await worker.send(path, data, 90_000)
    await check_upload(services, id_of(path))
    assert await state_of(truth, data) == ("verified", None)
    assert await incoming(services) == {}


async def test_a_client_that_is_gone_leaves_what_it_sent(worker: Uploader, app: Litestar) -> None:
    data = jpeg(37)
    path = await worker.begin(data)
    came = iter(
        [
            {"type": "http.request", "body": data[:400], "more_body": True},
            {"type": "http.request", "body": data[400:700], "more_body": True},
        ]
    )

    async def receive() -> Any:
        return next(came, {"type": "http.disconnect"})

    async def send(_: Any) -> None:
        """Nobody is there to hear it."""

    fields = worker.headers | APPEND | {"Upload-Offset": "0", "Content-Length": str(len(data))}
    scope: Any = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PATCH", "scheme": "http"},
        **{"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {}},
        **{"headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()]},
        **{"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)},
    }
    await app(scope, receive, send)

    assert await worker.offset(path) == 700


async def test_servers_take_turns(
    worker: Uploader, services: Services, settings_of_test: Settings, truth: asyncpg.Connection
) -> None:
    """Two applications that share the database and the store, and nothing else."""
    data = noisy(9)
    path = await worker.begin(data)
    other = create_app(settings_of_test)
    async with (
        other.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=other), base_url="http://other.test") as client,
    ):
        turns = itertools.cycle([worker, Uploader(client, worker.headers)])
        for at in range(0, len(data), 7000):
            answer = await next(turns).append(path, at, data[at : at + 7000])
            assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(min(at + 7000, len(data))))
            assert await next(turns).offset(path) == await next(turns).offset(path)
        await check_upload(other.state.services, id_of(path))

    assert await state_of(truth, data) == ("verified", None)
    assert await incoming(services) == {}


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_checksum_is_held_against_what_came(worker: Uploader, services: Services, algorithm: str) -> None:
    data = jpeg(10)
    path = await worker.begin(data)

    right = await worker.append(path, 0, data[:100], **summed(data[:100], algorithm))
    damaged = await worker.append(path, 100, b"?" + data[101:200], **summed(data[100:200], algorithm))

    assert (right.status_code, code_of(damaged)) == (204, (460, "upload_checksum_differs"))
    assert await worker.offset(path) == 100
    assert sum((await incoming(services)).values()) == 100


async def test_a_damaged_append_of_many_pieces_leaves_none(worker: Uploader, services: Services) -> None:
    data = noisy(11, (500, 400))
    path = await worker.begin(data)

    async def trickling() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]

    answer = await worker.client.request(
        "PATCH",
        path,
        content=trickling(),
        headers=worker.headers | APPEND | {"Upload-Offset": "0"} | summed(data[1:]),
    )

    assert code_of(answer) == (460, "upload_checksum_differs")
    assert (await worker.offset(path), await incoming(services)) == (0, {})


@pytest.mark.parametrize("given", ["md5 AAAA", "sha1", "sha1 ???", "sha256", "SHA1 AAAA", ""])
async def test_a_checksum_that_is_none_is_refused(worker: Uploader, given: str) -> None:
    data = jpeg(12)
    path = await worker.begin(data)
    answer = await worker.append(path, 0, data, **{"Upload-Checksum": given})
    assert code_of(answer) == (400, "upload_checksum_unknown")
    assert await worker.offset(path) == 0


async def test_an_upload_expires_and_its_pieces_go(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(13)
    path = await worker.begin(data)
    answer = await worker.append(path, 0, data[:900])
    told = parsedate_to_datetime(answer.headers["Upload-Expires"])
    assert told == (await truth.fetchval("SELECT expires_at FROM upload")).replace(microsecond=0)
    assert told > datetime.now(UTC) + 167 * HOUR

    await expire(truth, path)
    assert code_of(await worker.ask("GET", path)) == (410, "upload_ended")
    assert code_of(await worker.append(path, 900, data[900:])) == (410, "upload_ended")
    await check_upload(services, id_of(path))

    assert await state_of(truth, data) == ("declared", None)
    assert await incoming(services) == {}
    assert await worker.begin(data) != path


async def test_an_append_that_comes_to_its_end_after_the_expiry_counts_nothing(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(14)
    path = await worker.begin(data)

    async def body() -> AsyncIterator[bytes]:
        yield data[:500]
        await expire(truth, path)
        await check_upload(services, id_of(path))

    with pytest.raises(Problem, match="upload_offset_differs"):
        await append(services, caller(), id_of(path), 0, body())
    assert await incoming(services) == {}


async def test_giving_up_removes_what_came(worker: Uploader, services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(15)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:900])

    assert (await worker.ask("DELETE", path)).status_code == 204

    assert await state_of(truth, data) == ("declared", None)
    assert await incoming(services) == {}
    assert code_of(await worker.ask("GET", path)) == (410, "upload_ended")
    assert code_of(await worker.ask("DELETE", path)) == (410, "upload_ended")
    again = await worker.begin(data)
    assert again != path
    assert await worker.offset(again) == 0


async def test_evidence_is_not_taken_back(worker: Uploader, services: Services, truth: asyncpg.Connection) -> None:
    data = jpeg(16)
    path = await worker.begin(data)
    await worker.append(path, 0, data)
    assert code_of(await worker.ask("DELETE", path)) == (409, "upload_complete")
    await check_upload(services, id_of(path))
    assert code_of(await worker.ask("DELETE", path)) == (409, "upload_complete")
    assert await state_of(truth, data) == ("verified", None)


async def test_anothers_upload_is_as_none(worker: Uploader, app_client: httpx.AsyncClient, services: Services) -> None:
    data = jpeg(17)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:900])
    other = Uploader(app_client, await signed_in(services, WORKER_WEST))
    nobodys = "/v1/uploads/019b0000-0000-7000-8000-000000000001"

    for one in (path, nobodys):
        assert code_of(await other.ask("GET", one)) == (404, "not_found")
        assert code_of(await other.append(one, 900, data[900:])) == (404, "not_found")
        assert code_of(await other.ask("DELETE", one)) == (404, "not_found")
    assert await other.begin(data) != path
    assert await worker.offset(path) == 900


async def test_more_than_the_length_is_refused(worker: Uploader, services: Services) -> None:
    data = jpeg(18)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:900])

    assert code_of(await worker.append(path, 900, data[900:] + b"!")) == (413, "upload_exceeds_length")

    assert await worker.offset(path) == 900
    await worker.send(path, data, 9000)
    assert code_of(await worker.append(path, len(data), b"!")) == (413, "upload_exceeds_length")
    assert (await worker.append(path, len(data), b"")).status_code == 204


async def test_a_body_that_does_not_tell_its_length_is_held_to_the_photos(worker: Uploader) -> None:
    data = jpeg(41)
    path = await worker.begin(data)

    async def trickling() -> AsyncIterator[bytes]:
        yield data
        yield b"!"

    headers = worker.headers | APPEND | {"Upload-Offset": "0"}
    answer = await worker.client.request("PATCH", path, content=trickling(), headers=headers)

    assert code_of(answer) == (413, "upload_exceeds_length")
    assert await worker.offset(path) == 0


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (str(MAX_BYTES + 1), (413, "upload_too_large")),
        ("0", (400, "parameter_invalid")),
        ("-1", (400, "parameter_invalid")),
        ("many", (400, "parameter_invalid")),
        (str(2**53), (400, "parameter_invalid")),
    ],
)
async def test_a_length_that_no_photo_has_is_refused(worker: Uploader, length: str, expected: tuple[int, str]) -> None:
    headers = announced(jpeg(19)) | {"Upload-Length": length}
    assert code_of(await worker.ask("POST", "/v1/uploads", **headers)) == expected


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "sha256",
        "sha256 ",
        "sha256 ????",
        f"sha256 {b64encode(b'ab').decode()}",
        f"sha256 {b64encode(b'AB' * 32).decode()}",
        f"sha256 {b64encode(bytes(32)).decode()}",
        f"sha1 {b64encode(b'ab' * 32).decode()}",
    ],
)
async def test_metadata_without_a_hash_is_refused(worker: Uploader, metadata: str) -> None:
    answer = await worker.ask("POST", "/v1/uploads", **{"Upload-Length": "5", "Upload-Metadata": metadata})
    assert (code_of(answer), answer.json()["field"]) == ((400, "parameter_invalid"), "Upload-Metadata")


async def test_other_metadata_is_passed_over(worker: Uploader, truth: asyncpg.Connection) -> None:
    data = jpeg(20)
    named = announced(data)
    given = f"filename {b64encode('张三家.jpg'.encode()).decode()}, {named['Upload-Metadata']},is_confidential"
    answer = await worker.ask("POST", "/v1/uploads", **named | {"Upload-Metadata": given})

    assert answer.status_code == 201, answer.text
    told = await worker.ask("HEAD", answer.headers["Location"])
    assert told.headers["Upload-Metadata"] == named["Upload-Metadata"]
    assert told.headers["Upload-Length"] == str(len(data))


async def test_creating_again_finds_what_came(worker: Uploader, truth: asyncpg.Connection) -> None:
    data = jpeg(21)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:900])

    again = await worker.create(data)
    along = await worker.create(data, data)

    assert [one.headers["Location"] for one in (again, along)] == [path, path]
    assert [one.headers["Upload-Offset"] for one in (again, along)] == ["900", "900"]
    assert await truth.fetchval("SELECT count(*) FROM upload") == 1


async def test_bytes_may_come_with_the_creation(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    some, whole = jpeg(22), jpeg(23)

    first = await worker.create(some, some[:300], **summed(some[:300]))
    second = await worker.create(whole, whole)

    assert (first.status_code, first.headers["Upload-Offset"], first.content) == (201, "300", b"")
    assert (second.status_code, second.headers["Upload-Offset"]) == (201, str(len(whole)))
    assert "Upload-Expires" not in second.headers
    await check_upload(services, id_of(second.headers["Location"]))
    assert await state_of(truth, whole) == ("verified", None)


async def test_a_photo_that_is_here_is_complete_at_its_creation(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(24)
    await verified(services, data, WORKER_WEST)

    answers = [await worker.create(data) for _ in range(3)]

    assert {one.headers["Upload-Offset"] for one in answers} == {str(len(data))}
    (path,) = {one.headers["Location"] for one in answers}
    assert await worker.offset(path) == len(data)
    assert await truth.fetchval("SELECT count(*) FROM upload WHERE user_id = $1", WORKER_EAST.id) == 1
    assert not await truth.fetchval("SELECT bool_or(proved) FROM upload WHERE user_id = $1", WORKER_EAST.id)
    assert await find_work(services) == 0


async def test_what_another_brings_first_completes_the_upload(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(25)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:900])

    await verified(services, data, WORKER_WEST)

    assert await incoming(services) == {}
    assert await worker.offset(path) == len(data)
    assert code_of(await worker.append(path, 900, data[900:])) == (409, "upload_offset_differs")


async def test_other_bytes_under_a_photos_name_are_refused_and_asked_for_again(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(26)
    path = await worker.begin(data)
    await worker.append(path, 0, bytes(reversed(data)))
    await check_upload(services, id_of(path))

    assert await state_of(truth, data) == ("refused", "photo_hash_differs")
    assert await incoming(services) == {}
    assert code_of(await worker.ask("GET", path)) == (410, "upload_ended")
    again = await worker.begin(data)
    await worker.append(again, 0, data)
    await check_upload(services, id_of(again))
    assert await state_of(truth, data) == ("verified", None)


async def test_an_upload_whose_last_piece_is_gone_begins_again(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    """As after a restore: the database is older than the store, and names a piece that was laid anew since."""
    data = jpeg(27)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:900])
    for key in await incoming(services):
        await services.objects.delete(key)

    assert code_of(await worker.append(path, 900, data[900:])) == (409, "upload_offset_differs")

    assert await worker.offset(path) == 0
    await worker.send(path, data, 3000)
    await check_upload(services, id_of(path))
    assert await state_of(truth, data) == ("verified", None)


async def test_an_upload_whose_pieces_are_gone_when_it_is_checked_is_asked_for_again(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(38)
    path = await worker.begin(data)
    await worker.append(path, 0, data)
    for key in await incoming(services):
        await services.objects.delete(key)

    await check_upload(services, id_of(path))

    assert await state_of(truth, data) == ("refused", "upload_missing")
    assert await worker.offset(await worker.begin(data)) == 0


async def test_in_a_new_epoch_an_upload_to_which_nothing_comes_ends_soon(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    """In the life that was lost its photo may have arrived, so that its phone has it no more."""
    going, left = await worker.begin(jpeg(42)), await worker.begin(jpeg(43))
    await services.database.write(lambda tx: begin_epoch(tx, "restored"))
    await worker.append(going, 0, jpeg(42)[:10])

    soon = datetime.now(UTC) + UPLOADS_END_AFTER
    ends = {str(row["id"]): row for row in await truth.fetch("SELECT id, expires_at, check_after FROM upload")}

    assert max(ends[str(id_of(left))][name] for name in ("expires_at", "check_after")) <= soon
    assert ends[str(id_of(going))]["expires_at"] > soon + 160 * HOUR


async def test_pieces_that_nobody_needs_are_swept_and_no_others(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    data = jpeg(28)
    path = await worker.begin(data)
    await worker.append(path, 0, data[:900])
    needed = set(await incoming(services))
    # A server was killed between its object and its commit; another one's append was given up long ago.
    await services.objects.write(f"incoming/{id_of(path)}.900-00000000", b"left", "application/octet-stream")
    await services.objects.write("incoming/019b0000-0000-7000-8000-000000000001.0-0", b"x", "application/octet-stream")

    assert await discard_abandoned(services, timedelta(seconds=-60)) == 2

    assert set(await incoming(services)) == needed
    await worker.send(path, data, 9000)
    await check_upload(services, id_of(path))
    assert await state_of(truth, data) == ("verified", None)


async def test_old_pieces_that_are_needed_hide_no_others(
    worker: Uploader, services: Services, truth: asyncpg.Connection
) -> None:
    """However many photos are under way for days: the sweep looks at a bounded number of objects, but not at so few."""
    path = await worker.begin(jpeg(40))
    names = [f"{at}-0" for at in range(201)]
    await truth.execute("UPDATE upload SET pieces = $1", names)
    keys = [f"incoming/{id_of(path)}.{name}" for name in names]
    await asyncio.gather(*(services.objects.write(key, b"x", "application/octet-stream") for key in keys))
    await services.objects.write("incoming/zzz", b"left", "application/octet-stream")

    assert await discard_abandoned(services, timedelta(seconds=-60)) == 1
    assert set(await incoming(services)) == set(keys)


async def test_an_erased_photo_takes_no_upload(worker: Uploader, truth: asyncpg.Connection) -> None:
    data = jpeg(29)
    photo = ref(data)
    await truth.execute("INSERT INTO evidence (sha256, size) VALUES (decode($1, 'hex'), $2)", photo.sha256, photo.size)
    await truth.execute(
        "INSERT INTO erased_photo (sha256, size) VALUES (decode($1, 'hex'), $2)", photo.sha256, photo.size
    )
    assert code_of(await worker.create(data)) == (409, "item_erased")


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        ("UPDATE users SET left_at = now()", [201, 204, 204, 204]),
        ("UPDATE device SET revoked_at = now()", [403, 403, 403, 403]),
    ],
    ids=["its holder has left", "revoked"],
)
async def test_the_phone_of_who_has_left_may_go_on_and_a_revoked_one_not(
    app_client: httpx.AsyncClient,
    services: Services,
    truth: asyncpg.Connection,
    change: str,
    statuses: list[int],
) -> None:
    device = uuid4()
    await truth.execute("INSERT INTO device (id, user_id) VALUES ($1, $2)", device, WORKER_EAST.id)
    pair = await services.database.write(
        lambda tx: begin_session(tx, services, device, "device", WORKER_EAST.id, device)
    )
    phone = Uploader(app_client, {"Authorization": f"Bearer {pair.access}"})
    data = jpeg(39)
    path = await phone.begin(data)
    await truth.execute(change)

    answers = [
        await phone.create(data),
        await phone.append(path, 0, data[:9]),
        await phone.ask("HEAD", path),
        await phone.ask("DELETE", path),
    ]

    assert [one.status_code for one in answers] == statuses


# What tus asks of every request ------------------------------------------------------------------------------


async def test_everybody_may_ask_what_the_server_can_do(app_client: httpx.AsyncClient) -> None:
    for path in ("/v1/uploads", "/v1/uploads/019b0000-0000-7000-8000-000000000001"):
        answer = await app_client.options(path)
        assert answer.status_code == 204
        assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Tus-Max-Size"] == str(MAX_BYTES)
        assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,expiration,checksum,termination"
        assert "sha1" in answer.headers["Tus-Checksum-Algorithm"].split(",")


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", ""])
async def test_another_version_is_refused_with_those_there_are(worker: Uploader, version: str | None) -> None:
    data = jpeg(30)
    path = await worker.begin(data)
    del worker.headers["Tus-Resumable"]
    given = {} if version is None else {"Tus-Resumable": version}

    answers = [
        await worker.create(data, **given),
        await worker.ask("GET", path, **given),
        await worker.append(path, 0, data, **given),
        await worker.ask("DELETE", path, **given),
    ]

    assert {code_of(one) for one in answers} == {(412, "tus_version_unknown")}
    assert {one.headers["Tus-Version"] for one in answers} == {"1.0.0"}
    assert await worker.ask("HEAD", path, **{"Tus-Resumable": "1.0.0"})


async def test_every_answer_names_the_version(worker: Uploader) -> None:
    data = jpeg(31)
    path = await worker.begin(data)
    answers = [
        await worker.create(data),
        await worker.ask("HEAD", path),
        await worker.append(path, 0, data[:5]),
        await worker.append(path, 0, data[:5]),
        await worker.ask("GET", "/v1/uploads/019b0000-0000-7000-8000-000000000001"),
        await worker.ask("GET", "/v1/uploads/none"),
        await worker.ask("PUT", path),
        await worker.ask("DELETE", path),
    ]
    assert [one.status_code for one in answers] == [201, 204, 204, 409, 404, 404, 405, 204]
    assert {one.headers["Tus-Resumable"] for one in answers} == {"1.0.0"}
    elsewhere = await worker.ask("GET", "/v1/evidence/none")
    assert "Tus-Resumable" not in elsewhere.headers


async def test_post_may_stand_for_every_method(worker: Uploader) -> None:
    data = jpeg(32)
    path = await worker.begin(data)

    async def said(method: str, content: bytes | None = None, **headers: str) -> httpx.Response:
        return await worker.ask("POST", path, content, **{"X-HTTP-Method-Override": method}, **headers)

    answers = [
        await said("PATCH", data[:70], **{"Upload-Offset": "0"}, **APPEND),
        await said("HEAD"),
        await said("OPTIONS"),
        await said("DELETE"),
        await said("HEAD"),
        await said("TRACE"),
    ]

    assert [one.status_code for one in answers] == [204, 204, 204, 204, 410, 405]
    assert [one.headers.get("Upload-Offset") for one in answers[:2]] == ["70", "70"]
    assert answers[4].json()["code"] == "upload_ended", "what came is no HEAD, so the answer has a body"


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/json", "", None])
async def test_an_append_of_another_type_is_refused(worker: Uploader, kind: str | None) -> None:
    data = jpeg(33)
    path = await worker.begin(data)
    headers = {"Upload-Offset": "0"} | ({} if kind is None else {"Content-Type": kind})
    answer = await worker.ask("PATCH", path, data, **headers)
    assert code_of(answer) == (415, "encoding_unknown")
    assert await worker.offset(path) == 0


@pytest.mark.parametrize("offset", [None, "-1", "x", "", str(2**53)])
async def test_an_offset_that_is_none_is_refused(worker: Uploader, offset: str | None) -> None:
    path = await worker.begin(jpeg(34))
    headers = APPEND | ({} if offset is None else {"Upload-Offset": offset})
    answer = await worker.ask("PATCH", path, b"1", **headers)
    assert (code_of(answer), answer.json()["field"]) == ((400, "parameter_invalid"), "Upload-Offset")


async def test_declaring_tells_that_appends_are_under_way(worker: Uploader, services: Services) -> None:
    data = jpeg(35)
    path = await worker.begin(data)
    (told,) = await declare(services, caller(), [ref(data)])
    assert told.upload is not None
    assert (told.state, told.upload.id) == ("uploading", id_of(path))
