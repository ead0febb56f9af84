"""`onegrid evidence`: whose photos are listed and shown, which phones owe some, and looking at photos again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from schemas.evidence import PhotoRef
from server.services import Services
from server.usecases.appending import append
from server.usecases.evidence import declare, photo_key, take_in
from server.usecases.photo_checks import check_upload
from server.usecases.uploads import create as create_upload
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CHIEF,
    DISPATCHER,
    EAST,
    FIREMAN,
    GRIDS,
    WEST,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    Person,
    create,
    deliver,
    enrol,
    photo,
    picture,
)
from tests.integration.office import desk
from tests.integration.terminal import Ran, Terminal
from tests.integration.test_case_cli import width
from tests.unit.pictures import jpeg

pytestmark = pytest.mark.long

PLACE = (117.913127, 32.706213)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
def onegrid(environ: dict[str, str]) -> Terminal:
    return Terminal(environ, "evidence")


async def a_hazard(services: Services, *photos: dict[str, Any], person: Person = WORKER) -> UUID:
    change = create("0401", grid=person.grids[0], urgency="urgent", photos=list(photos))
    receipt = await (await enrol(services, person)).push(change)
    assert [one.outcome for one in receipt.outcomes] == ["applied"]
    return change.item


def named(data: bytes) -> dict[str, Any]:
    """A photo as a form names it."""
    return {"sha256": sha256(data).hexdigest(), "size": len(data), "role": "report"}


async def arrived(services: Services, person: Person, data: bytes, *, instead: bytes | None = None) -> UUID:
    """The bytes of a photo sent by somebody's phone, and not checked yet."""
    sender = await builders.caller(services, person)
    told = named(data)
    (declared,) = await declare(services, sender, [PhotoRef(told["sha256"], told["size"])])
    assert declared.upload is not None
    async with httpx.AsyncClient() as client:
        (await client.put(declared.upload.url, content=instead or data)).raise_for_status()
    await take_in(services, sender, [declared.upload.id])
    return declared.upload.id


async def listed(onegrid: Terminal, *more: str, by: Person = CHIEF) -> list[str]:
    ran = await onegrid("list", *more, "--json", by=by)
    assert ran.status == 0, ran.err
    return [one["sha256"] for one in ran.document["photos"]]


def error_of(ran: Ran) -> str:
    assert ran.status == 1, ran.out
    return ran.document["error"]["code"]


def sha(number: int) -> str:
    return photo(number)["sha256"]


async def known_since(truth: asyncpg.Connection, number: int, days: int) -> None:
    """Its items hold a photo for so long already."""
    statement = "UPDATE evidence_link SET linked_at = now() - make_interval(days => $2) WHERE sha256 = $1"
    await truth.execute(statement, bytes.fromhex(sha(number)), days)


# Looking ---------------------------------------------------------------------------------------------------


async def test_photos_are_listed_by_how_long_they_are_known(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    first = await a_hazard(services, photo(1), photo(2))
    await a_hazard(services, photo(3), person=WEST_WORKER)
    await known_since(truth, 2, days=3)
    await known_since(truth, 1, days=1)
    assert await listed(onegrid, by=DISPATCHER) == [sha(2), sha(1), sha(3)]
    assert await listed(onegrid, "--older-than", "2d", by=DISPATCHER) == [sha(2)]
    assert await listed(onegrid, "--division", WEST, by=DISPATCHER) == [sha(3)]
    assert await listed(onegrid, "--item", str(first)[:18], by=DISPATCHER) == [sha(2), sha(1)]
    assert await listed(onegrid, "--type", "0501", by=DISPATCHER) == []
    await deliver(services, WORKER, 1)
    assert await listed(onegrid, by=DISPATCHER) == [sha(2), sha(3)]
    assert await listed(onegrid, "--state", "verified", by=DISPATCHER) == [sha(1)]
    assert await listed(onegrid, "--state", "declared", by=DISPATCHER) == [sha(2), sha(3)]
    page = (await onegrid("list", "--state", "all", "--limit", "2", "--json", by=DISPATCHER)).document
    rest = await listed(onegrid, "--state", "all", "--after", page["next"], by=DISPATCHER)
    assert [one["sha256"] for one in page["photos"]] + rest == [sha(2), sha(1), sha(3)]
    shown = (await onegrid("list", by=DISPATCHER)).out
    assert (sha(2)[:12] in shown, "3d" in shown.split(), width(shown) <= 80) == (True, True, True)


async def test_what_waits_for_a_photo_is_told(
    services: Services, app_client: httpx.AsyncClient, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    item = await a_hazard(services, photo(1))
    await truth.execute("UPDATE review SET waits_for_evidence = true WHERE item_id = $1", item)
    (told,) = (await onegrid("list", "--json", by=CHIEF)).document["photos"]
    assert (told["waits"], told["author_name"], told["code"]) == ("approval", "grid_worker 01", GRIDS[0])
    assert await listed(onegrid, "--waiting", "approval") == [sha(1)]
    assert await listed(onegrid, "--waiting", "closing") == []
    await deliver(services, WORKER, 1)
    assert await listed(onegrid, "--waiting", "approval", "--state", "all") == []
    dispatcher, fireman = [await desk(services, app_client, one) for one in (DISPATCHER, FIREMAN)]
    await dispatcher.act(item, "accept", "reported")
    await dispatcher.act(item, "dispatch", "accepted", department="xiaofang")
    await fireman.act(item, "sign", "dispatched")
    after = {key: photo(2)[key] for key in ("sha256", "size")}
    await fireman.act(item, "handle", "signed", photos=[after])
    closing = ("list", "--waiting", "closing", "--state", "all", "--json")
    (told,) = (await onegrid(*closing, by=CHIEF)).document["photos"]
    assert (told["sha256"], told["role"], told["waits"]) == (sha(2), "close", "closing")
    assert "结案在等 closing waits" in (await onegrid("show", sha(2), by=CHIEF)).out


async def test_who_may_not_read_an_item_sees_none_of_its_photos(services: Services, onegrid: Terminal) -> None:
    """One photo, two items: each chief is told of his own."""
    east = await a_hazard(services, photo(1))
    west = await a_hazard(services, photo(1), person=WEST_WORKER)
    for chief, own, other in ((CHIEF, east, west), (WEST_CHIEF, west, east)):
        for command in (("list",), ("show", sha(1))):
            told = await onegrid(*command, "--json", by=chief)
            assert (str(own) in told.out, str(other) in told.out) == (True, False)
    alone = await a_hazard(services, photo(2))
    for stranger in (WEST_CHIEF, ADMINISTRATOR, FIREMAN):
        assert str(alone) not in (await onegrid("list", "--json", by=stranger)).out
        assert error_of(await onegrid("show", sha(2), "--json", by=stranger)) == "evidence_unknown"
        checked = await onegrid("check", sha(2), "--reason", "试", "--json", by=stranger)
        assert error_of(checked) == "evidence_unknown"


async def test_where_a_photo_was_taken_is_masked_until_somebody_says_why(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    data = jpeg(3, taken="2026:03:05 09:30:00", offset="+08:00", place=PLACE)
    item = await a_hazard(services, named(data))
    await check_upload(services, await arrived(services, WORKER, data))
    begin = named(data)["sha256"][:10]
    masked = (await onegrid("show", begin, "--json", by=CHIEF)).document
    assert (masked["place"], masked["state"], masked["media_type"]) == ("***", "verified", "image/jpeg")
    assert masked["taken_at"] == "2026-03-05T01:30:00Z"
    assert [(one["item"], one["role"], one["flags"]) for one in masked["items"]] == [
        (str(item), "report", ["exif_time_differs", "exif_place_differs"])
    ]
    worded = (await onegrid("show", begin, by=CHIEF)).out
    assert ("2026-03-05 09:30" in worded, "117.9" in worded, "32.7" in worded) == (True, False, False)
    assert (await onegrid("show", begin, "--reveal", by=CHIEF)).status == 2
    reveals = "SELECT actor_id, subject_id, reason FROM audit WHERE action = 'evidence.reveal'"
    assert await truth.fetch(reveals) == []
    told = (await onegrid("show", begin, "--reveal", "--reason", "核对位置", "--json", by=CHIEF)).document
    assert told["place"] == pytest.approx(PLACE, abs=1e-5)
    name = f"{named(data)['sha256']}-{len(data)}"
    assert [tuple(row) for row in await truth.fetch(reveals)] == [(CHIEF.id, name, "核对位置")]


async def test_a_photo_is_named_by_how_its_sha256_begins(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    await a_hazard(services, photo(1))
    twin = bytes.fromhex(sha(1)[:8] + ("0" if sha(1)[8] != "0" else "1") + sha(1)[9:])
    other = {"sha256": twin.hex(), "size": 4_000, "role": "report"}
    await a_hazard(services, other)
    assert (await onegrid("show", sha(1)[:9], "--json", by=CHIEF)).document["sha256"] == sha(1)
    assert error_of(await onegrid("show", sha(1)[:8], "--json", by=CHIEF)) == "parameter_invalid"
    for typed in ("abc", "xyzxyz"):
        assert (await onegrid("show", typed, by=CHIEF)).status == 2


# What is owed ----------------------------------------------------------------------------------------------


async def test_phones_that_owe_photos_are_told_to_who_looks_after_them(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    east = await a_hazard(services, photo(1), photo(2))
    await a_hazard(services, photo(3), person=WEST_WORKER)
    await known_since(truth, 2, days=2)
    ran = await onegrid("owing", "--json", by=ADMINISTRATOR)
    phones = ran.document["phones"]
    assert [(one["holder_name"], one["photos"], one["items"], one["phone"]) for one in phones] == [
        ("grid_worker 01", 2, 1, "139****0001"),
        ("grid_worker 04", 1, 1, "139****0004"),
    ]
    assert not [told for told in (str(east), sha(1), sha(2), WORKER.phone) if told in ran.out]
    old = (await onegrid("owing", "--older-than", "1d", "--json", by=ADMINISTRATOR)).document["phones"]
    assert [one["holder_name"] for one in old] == ["grid_worker 01"]
    page = (await onegrid("owing", "--limit", "1", "--json", by=ADMINISTRATOR)).document
    rest = (await onegrid("owing", "--after", page["next"], "--json", by=ADMINISTRATOR)).document
    assert [one["holder_name"] for one in rest["phones"]] == ["grid_worker 04"]
    mine = (await onegrid("owing", "--json", by=CADRE)).document["phones"]
    assert [one["holder_name"] for one in mine] == ["grid_worker 01"]
    assert error_of(await onegrid("owing", "--json", by=WORKER)) == "forbidden"
    shown = (await onegrid("owing", by=ADMINISTRATOR)).out
    assert ("2, 1" in shown, width(shown) <= 80) == (True, True)
    await deliver(services, WORKER, 1, 2)
    await deliver(services, WEST_WORKER, 3)
    assert (await onegrid("owing", "--json", by=ADMINISTRATOR)).document["phones"] == []


# Looking again ---------------------------------------------------------------------------------------------

CHECKS = "SELECT actor_id, subject_id, reason FROM audit WHERE action = 'evidence.check'"


async def state_of(truth: asyncpg.Connection, data: bytes) -> str:
    return await truth.fetchval("SELECT state FROM evidence WHERE sha256 = $1", sha256(data).digest())


async def test_what_waits_for_its_check_is_checked_now(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    await a_hazard(services, photo(1))
    await arrived(services, WORKER, picture(1))
    # A check that failed puts the next one off.
    await truth.execute("UPDATE upload SET check_after = now() + interval '1 hour'")
    uploads = await truth.fetch("SELECT * FROM upload")
    tried = await onegrid("check", "--reason", "久等", "--dry-run", "--json", by=CHIEF)
    assert [(one["sha256"], one["found"]) for one in tried.document["photos"]] == [(sha(1), "would_check")]
    assert (await state_of(truth, picture(1)), await truth.fetch(CHECKS)) == ("stored", [])
    assert await truth.fetch("SELECT * FROM upload") == uploads
    elsewhere = await onegrid("check", "--division", WEST, "--reason", "久等", "--json", by=DISPATCHER)
    assert (elsewhere.status, elsewhere.document["photos"]) == (0, [])
    done = await onegrid("check", "--division", EAST, "--reason", "久等", "--json", by=CHIEF)
    assert (done.status, [one["found"] for one in done.document["photos"]]) == (0, ["verified"])
    assert await state_of(truth, picture(1)) == "verified"
    name = f"{sha(1)}-{photo(1)['size']}"
    assert [tuple(row) for row in await truth.fetch(CHECKS)] == [(CHIEF.id, name, "久等")]


async def test_how_far_a_resumed_upload_has_come_is_told(services: Services, onegrid: Terminal) -> None:
    one, data = photo(1), picture(1)
    await a_hazard(services, one)
    worker = await builders.caller(services, WORKER)
    upload = await create_upload(services, worker, PhotoRef(one["sha256"], one["size"]))

    async def body() -> AsyncIterator[bytes]:
        yield data[:70]

    await append(services, worker, upload.id, 0, body())
    shown = await onegrid("show", one["sha256"], by=CHIEF)
    told = await onegrid("show", one["sha256"], "--json", by=CHIEF)
    assert "已到 came 70 字节 bytes" in shown.out
    assert [way["received"] for way in told.document["uploads"]] == [70]


async def test_a_photo_that_is_none_is_told_with_its_reason(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    data = picture(1)
    await a_hazard(services, photo(1))
    await arrived(services, WORKER, data, instead=bytes(len(data)))
    done = await onegrid("check", sha(1)[:12], "--reason", "久等", by=CHIEF)
    assert (done.status, "不合格 refused" in done.out) == (1, True)
    assert await state_of(truth, data) == "refused"
    (phone,) = (await onegrid("owing", "--json", by=ADMINISTRATOR)).document["phones"]
    assert (phone["photos"], phone["refused"]) == (1, 1)
    shown = (await onegrid("show", sha(1), by=CHIEF)).out
    assert "不合格 refused" in shown


async def test_what_the_store_holds_of_verified_photos_is_compared(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    await a_hazard(services, photo(1), photo(2), photo(3))
    await deliver(services, WORKER, 1, 2, 3)
    again = ("check", "--state", "verified", "--reason", "抽查", "--json")
    intact = await onegrid(*again, by=CHIEF)
    assert (intact.status, {one["found"] for one in intact.document["photos"]}) == (0, {"intact"})
    data = picture(2)
    await services.objects.delete(photo_key(sha256(picture(1)).digest(), photo(1)["size"]))
    await services.objects.write(photo_key(sha256(data).digest(), len(data)), bytes(len(data)), "image/png")
    found = await onegrid(*again, by=CHIEF)
    assert found.status == 1
    assert {one["sha256"]: one["found"] for one in found.document["photos"]} == {
        sha(1): "missing",
        sha(2): "differs",
        sha(3): "intact",
    }
    assert [await state_of(truth, picture(number)) for number in (1, 2, 3)] == ["verified"] * 3
    assert len(await truth.fetch(CHECKS)) == 6
