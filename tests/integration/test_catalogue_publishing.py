"""A published catalogue counts everywhere: at once here, in other processes, on phones, for apps of former versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from schemas.catalogue import document
from schemas.wire import ChangeOutcome, ExchangeAnswer, Receipt
from server.db import catalogues
from server.embedded.words import StartError
from server.errors import Problem
from server.services import Services, open_services
from server.settings import Settings
from server.usecases.doctor_contents import check_catalogue
from server.usecases.publishing_catalogue import document_of, publish_catalogue, try_publishing
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    DISPATCHER,
    MATE,
    NEIGHBOUR,
    WORKER,
    Person,
    caller,
    enrol,
    form,
    photo,
    sign_in,
)
from tests.integration.catalogue_scene import (
    PUBLISHER,
    Document,
    build,
    edition,
    field_of,
    publish,
    type_of,
    without_field,
    written,
)
from tests.integration.live_scene import Process, process, until_answered_from_memory
from tests.integration.office import desk
from tests.phones import FieldPhone, field_phone

pytestmark = pytest.mark.long

PUBLISHED = "SELECT count(*) FROM catalogue"
ACTS = "SELECT count(*) FROM audit WHERE action = 'catalogue.published'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def city(services: Services) -> Services:
    await build(services)
    return services


def narrowed(version: str) -> Document:
    """A facility has no owner any more, and is never stopped."""
    raw = without_field(edition(version), "0105", "owner_unit")
    state = field_of(raw, "0105", "state")
    state["options"] = [one for one in state["options"] if one["value"] != "stopped"]
    return raw


async def exchange(phone: FieldPhone) -> ExchangeAnswer:
    """One exchange of all that is sealed; the device keeps the versions it has."""
    versions = phone.device._state.catalogue, phone.device._state.registry
    answer, _ = phone.apply(*await phone.send())
    phone.device.adopt(*versions)
    return answer


async def app_of(services: Services, client: httpx.AsyncClient, person: Person, version: str) -> FieldPhone:
    phone = await field_phone(services, client, person)
    phone.device.adopt(version, 1)
    return phone


async def write(phone: FieldPhone, fields: dict[str, Any]) -> tuple[UUID, Receipt]:
    item = phone.create("0105", form("0105") | fields)
    phone.seal()
    (receipt,) = (await exchange(phone)).receipts
    return item, receipt


def only(receipt: Receipt) -> ChangeOutcome:
    (outcome,) = receipt.outcomes
    return outcome


async def clear_of(truth: asyncpg.Connection, item: UUID) -> dict[str, Any]:
    return json.loads(await truth.fetchval("SELECT clear FROM item WHERE id = $1", item))


async def until_waiting(services: Services, transactions: int) -> None:
    """Until so many wait for a lock; asked by itself, for within a transaction the first answer would stand."""
    async with asyncio.timeout(20):
        while await services.database.pool.fetchval(WAITING) < transactions:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# Publishing ------------------------------------------------------------------------------------------------


async def test_it_counts_at_once_and_is_served_byte_for_byte(
    city: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await field_phone(city, app_client, WORKER)
    before = await app_client.get("/v1/catalogue", headers=phone.headers)
    assert (before.content, before.headers["catalogue-version"]) == (document(), "2024.2")
    # Not `publish`: this process has not heard of it yet.
    told = await publish_catalogue(city, await caller(city, PUBLISHER), written(narrowed("2025.1")), "年度目录")
    assert told.published
    after = await app_client.get("/v1/catalogue", headers=phone.headers | {"If-None-Match": before.headers["etag"]})
    assert (after.status_code, after.content) == (200, written(narrowed("2025.1")))
    assert after.headers["catalogue-version"] == "2025.1"
    again = await app_client.get("/v1/catalogue", headers=phone.headers | {"If-None-Match": after.headers["etag"]})
    assert again.status_code == 304
    rows = await truth.fetch("SELECT version, published_by IS NOT NULL FROM catalogue ORDER BY place")
    assert [tuple(row) for row in rows] == [("2024.1", False), ("2024.2", False), ("2025.1", True)]
    assert await document_of(city, "2024.1") == document("2024.1")


async def test_the_act_is_in_the_trail(city: Services, truth: asyncpg.Connection) -> None:
    told = await publish(city, narrowed("2025.1"))
    act = await truth.fetchrow("SELECT * FROM audit WHERE action = 'catalogue.published'")
    assert act is not None
    assert (act["actor_id"], act["subject_kind"], act["subject_id"]) == (PUBLISHER.id, "catalogue", "2025.1")
    assert act["reason"] == "年度目录"
    assert json.loads(act["detail"]) == {
        "before": "2024.2",
        "differences": len(told.differences),
        "breaking": 2,
        "sha256": sha256(written(narrowed("2025.1"))).hexdigest(),
    }


async def test_a_dry_run_tells_whom_it_touches_and_writes_nothing(
    city: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await enrol(city, WORKER)
    await phone.report("0105", photos=[photo(1)])
    await phone.report("0105", photos=[photo(2)])
    await phone.report("0102")
    await exchange(await app_of(city, app_client, MATE, "2024.1"))
    raw = narrowed("2025.1")
    type_of(raw, "0105")["lead_department"] = "xiaofang"
    before = await truth.fetchval("SELECT count(*) FROM audit")
    told = await try_publishing(city, await caller(city, PUBLISHER), written(raw))
    assert (told.published, told.version, told.before, told.faults) == (False, "2025.1", "2024.2", [])
    assert {(one.field, one.effect) for one in told.differences if one.field} == {
        ("owner_unit", "kept"),
        ("state", "kept"),
    }
    assert told.touched is not None
    assert (told.touched.types, told.touched.items) == (["0105"], 2)
    assert (told.touched.phones, told.touched.behind) == (2, 0)
    both = {type_of(edition("2025.1"), "0105")["lead_department"], "xiaofang"}
    both |= set(type_of(raw, "0105")["assist_departments"])
    assert told.touched.offices == await truth.fetchval(
        "SELECT count(*) FROM organisation WHERE department = ANY ($1)", list(both)
    )
    assert (await truth.fetchval(PUBLISHED), await truth.fetchval("SELECT count(*) FROM audit")) == (0, before)
    await publish(city, edition("2025.1"))
    later = await try_publishing(city, await caller(city, PUBLISHER), written(edition("2025.2")))
    assert later.touched is not None
    assert later.touched.behind == 1


async def test_every_fault_is_named_and_nothing_is_written(city: Services, truth: asyncpg.Connection) -> None:
    by = await caller(city, PUBLISHER)
    faulty = edition("2025.1")
    type_of(faulty, "0105")["lead_department"] = "nobody"
    type_of(faulty, "0301")["calendar"] = "never"
    told = await publish_catalogue(city, by, written(faulty), "年度目录")
    assert {one.code for one in told.faults} == {"catalogue_faulty"}
    assert len(told.faults) == 2
    assert all(one.place and one.zh and one.en for one in told.faults)
    unfit = edition("2023.1")
    unfit["return_reasons"] = [one for one in unfit["return_reasons"] if one["code"] != "other"]
    told = await publish_catalogue(city, by, written(unfit), "年度目录")
    assert {one.code for one in told.faults} == {"catalogue_version_older", "catalogue_code_removed"}
    assert not told.published
    assert [one.code for one in (await publish_catalogue(city, by, b"{", "年度目录")).faults] == ["catalogue_faulty"]
    assert (await truth.fetchval(PUBLISHED), await truth.fetchval(ACTS)) == (0, 0)


@pytest.mark.parametrize("person", [ADMINISTRATOR, CADRE, WORKER], ids=lambda one: one.role)
async def test_only_the_citys_own_may_publish(city: Services, truth: asyncpg.Connection, person: Person) -> None:
    by = await caller(city, person)
    for attempt in (
        try_publishing(city, by, written(edition("2025.1"))),
        publish_catalogue(city, by, written(edition("2025.1")), "年度目录"),
    ):
        with pytest.raises(Problem) as refused:
            await attempt
        assert refused.value.code == "forbidden"
    with pytest.raises(Problem) as refused:
        await publish_catalogue(city, await caller(city, PUBLISHER), written(edition("2025.1")), "  ")
    assert refused.value.code == "reason_needed"
    assert await truth.fetchval(PUBLISHED) == 0


async def test_of_two_that_publish_one_version_at_once_one_does(city: Services, truth: asyncpg.Connection) -> None:
    by = await caller(city, PUBLISHER)
    async with truth.transaction():
        # Both have begun before either may write.
        await truth.execute("LOCK TABLE catalogue IN SHARE ROW EXCLUSIVE MODE")
        publishing = [publish_catalogue(city, by, written(edition("2025.1")), "同时") for _ in range(2)]
        tasks = [asyncio.create_task(one) for one in publishing]
        await until_waiting(city, 2)
    both = await asyncio.gather(*tasks)
    assert sorted(one.published for one in both) == [False, True]
    assert [fault.code for one in both for fault in one.faults] == ["catalogue_version_taken"]
    assert await truth.fetchval(ACTS) == 1


async def test_the_former_content_comes_back_under_a_new_version(
    city: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await publish(city, narrowed("2025.1"))
    await publish(city, edition("2025.2"))
    item, receipt = await write(
        await app_of(city, app_client, WORKER, "2025.2"),
        {"state": "stopped", "owner_unit": "自来水公司", "photos": [photo(1)]},
    )
    assert only(receipt).outcome == "applied", receipt
    assert (await clear_of(truth, item))["state"] == "stopped"


# Stored items and apps of former versions --------------------------------------------------------------------


async def test_the_two_versions_before_it_are_read_and_older_ones_kept(
    city: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    said = {"state": "stopped", "owner_unit": "自来水公司", "photos": [photo(1)]}
    await publish(city, edition("2025.1"))
    await publish(city, narrowed("2025.2"))
    for person, version in ((WORKER, "2024.2"), (MATE, "2025.1")):
        phone = await app_of(city, app_client, person, version)
        item, receipt = await write(phone, said)
        assert only(receipt).outcome == "applied", receipt
        assert not {"state", "owner_unit"} & (await clear_of(truth, item)).keys()
        await phone.sync()
        seen = phone.device.visible(item)
        assert seen is not None
        kept = f"state__{version.replace('.', '_')}"
        assert (seen.fields[kept], seen.fields["owner_unit"]) == ("stopped", "自来水公司")
    old = await app_of(city, app_client, NEIGHBOUR, "2024.1")
    _, receipt = await write(old, said)
    assert (receipt.status, receipt.code) == ("quarantined", "catalogue_too_old")
    answer = await exchange(old)
    assert (answer.withheld, answer.streams, answer.catalogue) == ("catalogue_too_old", [], "2025.2")
    _, receipt = await write(await app_of(city, app_client, NEIGHBOUR, "2025.3"), said)
    assert (receipt.status, receipt.code) == ("quarantined", "catalogue_unknown")


async def test_an_item_that_holds_what_the_form_takes_no_more_is_shown_and_edited(
    city: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await enrol(city, WORKER)
    item = await phone.report("0105", state="stopped", owner_unit="自来水公司", photos=[photo(1)])
    await publish(city, narrowed("2025.1"))
    mate = await field_phone(city, app_client, MATE)
    mate.device.adopt("2025.1", 1)
    await mate.sync()
    mate.edit(item, name="西门水塔")
    mate.seal()
    (receipt,) = (await exchange(mate)).receipts
    assert only(receipt).outcome == "applied", receipt
    held = await clear_of(truth, item)
    assert (held["name"], held["state"]) == ("西门水塔", "stopped")
    mate.edit(item, state="stopped", name="东门水塔")
    mate.seal()
    (receipt,) = (await exchange(mate)).receipts
    assert only(receipt).outcome == "rejected"
    shown = await app_client.get(f"/v1/items/{item}", headers=await sign_in(city, CADRE))
    assert shown.json()["item"]["fields"]["state"] == "stopped"


async def test_a_case_keeps_the_deadlines_it_was_given(
    city: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    given = "SELECT extract(epoch FROM handle_by - opened_at)::int / 3600 FROM cases WHERE item_id = $1"
    phone = await enrol(city, WORKER)
    before = await phone.report("0401", urgency="urgent", photos=[photo(1)])
    raw = edition("2025.1")
    type_of(raw, "0401")["handle_hours"]["urgent"] = 6
    await publish(city, raw)
    at = await desk(city, app_client, DISPATCHER)
    await at.act(before, "accept", "reported")
    await at.act(before, "dispatch", "accepted", department="xiaofang")
    phone.services = await city.at_present()
    after = await phone.report("0401", urgency="urgent", photos=[photo(2)])
    assert (await truth.fetchval(given, before), await truth.fetchval(given, after)) == (24, 6)


async def test_a_set_that_is_being_decided_is_decided_by_one_catalogue(
    city: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await field_phone(city, app_client, WORKER)
    await write(phone, {"photos": [photo(2)]})
    item = phone.create("0105", form("0105") | {"owner_unit": "自来水公司", "photos": [photo(1)]})
    phone.seal()
    async with truth.transaction():
        await truth.execute("SELECT 1 FROM counter WHERE device_id = $1 FOR UPDATE", phone.device_id)
        exchanging = asyncio.create_task(phone.send())
        await until_waiting(city, 1)
        await publish(city, narrowed("2025.1"))
    answer, _ = phone.apply(*await exchanging)
    # A publication counts for what comes after it: under the new one it would be kept, and so sealed.
    assert only(answer.receipts[0]).outcome == "applied"
    assert (await clear_of(truth, item))["owner_unit"] == "自来水公司"
    assert answer.catalogue == "2024.2"


# Processes and phones ----------------------------------------------------------------------------------------


@pytest.fixture
async def here(settings_of_test: Settings) -> AsyncIterator[Process]:
    async with process(settings_of_test) as one:
        await one.services.objects.ensure_bucket()
        await build(one.services)
        yield one


async def test_a_mark_of_before_is_no_longer_answered_and_the_phone_is_told_once(
    here: Process, settings_of_test: Settings
) -> None:
    async with process(settings_of_test) as other:
        phone = await field_phone(other.services, other.client, WORKER)
        phone.create("0102", form("0102"))
        phone.seal()
        mark = (await phone.sync())[-1].mark
        await until_answered_from_memory(other, phone, mark)
        await publish(here.services, narrowed("2025.1"))
        async with asyncio.timeout(10):
            while (await other.poll(phone, mark)).status_code == 204:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        answer = await exchange(phone)
        assert (answer.catalogue, answer.withheld) == ("2025.1", None)
        assert answer.mark not in (None, mark)
        # An app that goes on with its former version has been told, and is left in peace.
        await until_answered_from_memory(other, phone, answer.mark)
        assert (await other.poll(phone, mark)).status_code == 200


async def test_another_process_reads_sets_of_a_version_that_it_has_not_seen_yet(
    here: Process, settings_of_test: Settings, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(settings_of_test) as other:
        # By itself it would not look again.
        monkeypatch.setattr("server.services._CATALOGUE_SECONDS", float("inf"))
        phone = await field_phone(other.services, other.client, WORKER)
        raw = edition("2025.1")
        field_of(raw, "0105", "state")["options"].append({"value": "rusty", "zh": "锈蚀", "en": "Rusty"})
        await publish(here.services, raw)
        phone.device.adopt("2025.1", 1)
        item, receipt = await write(phone, {"state": "rusty", "photos": [photo(1)]})
        assert only(receipt).outcome == "applied", receipt
        assert (await clear_of(truth, item))["state"] == "rusty"


async def test_a_process_takes_it_within_the_time_that_is_promised(here: Process, settings_of_test: Settings) -> None:
    async with process(settings_of_test) as other:
        await publish(here.services, edition("2025.1"))
        header = await sign_in(here.services, CADRE)
        holder = other.services.catalogue_holder
        assert (await other.client.get("/v1/items", headers=header)).status_code == 200
        held = [await holder.published()]
        async with asyncio.timeout(10):
            while held[-1] is None:
                await asyncio.sleep(0.05)
                held.append(await holder.published())
        assert held[-1].version == "2025.1"


async def test_a_catalogue_that_this_program_cannot_read(
    city: Services, settings_of_test: Settings, truth: asyncpg.Connection
) -> None:
    await publish(city, edition("2025.1"))
    newer = edition("2025.2") | {"schema_version": 3}
    await catalogues.add(truth, "2025.2", written(newer), None, None)  # pyright: ignore[reportArgumentType]
    # Whoever runs goes on by the one before; whoever would start does not.
    assert (await city.at_present(at_once=True)).catalogue.version == "2025.1"
    with pytest.raises(StartError, match="upgrade"):
        async with open_services(settings_of_test):
            pass


async def test_the_doctor_judges_the_published_one(city: Services) -> None:
    raw = edition("2025.1")
    raw["public_holidays"]["years"] = {}
    await publish(city, raw)
    found = await check_catalogue(await city.at_present())
    assert (found.state, "year" in found.facts) == ("warning", True)
