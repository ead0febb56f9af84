"""Exchanges of reference devices with a running application: receipts, streams, conflicts, privacy in storage."""

from __future__ import annotations

import asyncio
import gzip

import pytest
import zstandard
from msgspec.structs import replace

from sync.framing import decode_answer, encode_request
from tests.builders import GRIDS, MATE, NEIGHBOUR, RIDER, WORKER, build_city, form, grid_id
from tests.phones import clock, field_phone

HOUSE = form("0102")
HAZARD = form("0401")


@pytest.fixture(autouse=True)
async def city(services):
    await build_city(services)


@pytest.fixture
async def worker(services, app_client):
    return await field_phone(services, app_client, WORKER)


@pytest.fixture
async def mate(services, app_client):
    return await field_phone(services, app_client, MATE, "msgpack")


async def create_shared(worker, mate, fields=HOUSE, type_code="0102"):
    item = worker.create(type_code, fields)
    worker.seal()
    await worker.sync()
    await mate.sync()
    return item


def outcomes(answers):
    return [one.outcome for answer in answers for receipt in answer.receipts for one in receipt.outcomes]


async def test_what_one_phone_creates_another_of_the_grid_pulls(worker, mate):
    item = await create_shared(worker, mate)
    assert mate.device.visible(item).fields == worker.device.visible(item).fields
    stream = f"grid/{grid_id(GRIDS[0])}"
    assert mate.device.digest(stream) == worker.device.digest(stream) != "0" * 16
    assert worker.device.unsent == 0


async def test_nobody_outside_the_grid_is_given_it(services, app_client, worker, mate):
    neighbour = await field_phone(services, app_client, NEIGHBOUR)
    item = await create_shared(worker, mate)
    await neighbour.sync()
    assert neighbour.device.visible(item) is None


async def test_a_part_time_worker_keeps_what_he_reported(services, app_client):
    rider = await field_phone(services, app_client, RIDER)
    item = rider.create("0401", HAZARD)
    rider.seal()
    await rider.sync()
    assert set(rider.device.memberships()) == {f"own/{RIDER.id}"}
    assert rider.device.visible(item).version == 1


async def test_a_lost_answer_is_answered_again_and_has_one_effect(worker, truth):
    worker.create("0102", HOUSE)
    worker.seal()
    await worker.send()
    answers = await worker.sync()
    assert outcomes(answers) == ["applied"]
    assert await truth.fetchval("SELECT count(*) FROM item") == 1
    assert await truth.fetchval("SELECT count(*) FROM revision") == 1


async def test_an_edit_that_is_sent_again_is_not_decided_again_over_what_others_wrote_since(worker, mate, truth):
    item = await create_shared(worker, mate)
    worker.edit(item, rooms_let=2)
    worker.seal()
    _, lost = await worker.send()
    await mate.sync()
    mate.edit(item, rooms_let=3)
    mate.seal()
    assert outcomes(await mate.sync()) == ["applied"]
    answers = await worker.sync()
    assert answers[0].receipts == decode_answer(lost.content, "json").receipts
    assert await truth.fetchval("SELECT count(*) FROM revision") == 3
    assert await truth.fetchval("SELECT count(*) FROM conflict") == 0
    assert worker.device.visible(item).fields["rooms_let"] == 3


async def test_a_set_delivered_twice_at_once_has_one_effect(worker, truth):
    worker.create("0102", HOUSE)
    worker.seal()
    answers = await asyncio.gather(*(worker.send() for _ in range(4)))
    receipts = {tuple(map(str, decode_answer(response.content, "json").receipts)) for _, response in answers}
    assert len(receipts) == 1
    assert await truth.fetchval("SELECT count(*) FROM revision") == 1
    assert await truth.fetchval("SELECT last_no FROM counter") == 1


async def test_disjoint_edits_merge_and_both_phones_agree(worker, mate):
    item = await create_shared(worker, mate)
    worker.edit(item, rooms_let=2)
    mate.edit(item, gas_cylinder=True)
    for phone in (worker, mate):
        phone.seal()
    assert outcomes(await worker.sync()) == ["applied"]
    assert outcomes(await mate.sync()) == ["merged"]
    await worker.sync()
    assert worker.device.visible(item).fields == mate.device.visible(item).fields
    assert worker.device.visible(item).fields["rooms_let"] == 2
    assert worker.device.visible(item).fields["gas_cylinder"] is True


async def test_an_overlap_parks_keeps_both_values_and_shows_it_to_its_author(worker, mate, truth):
    item = await create_shared(worker, mate)
    worker.edit(item, address="明珠路 2 号")
    mate.edit(item, address="明珠路 3 号")
    for phone in (worker, mate):
        phone.seal()
    await worker.sync()
    assert outcomes(await mate.sync()) == ["parked"]
    (parked,) = mate.device.parked()
    assert (parked.item, parked.fields) == (item, {"address": "明珠路 3 号"})
    assert worker.device.parked() == []
    assert await truth.fetchval("SELECT count(*) FROM conflict WHERE state = 'open'") == 1
    await worker.sync()
    assert worker.device.visible(item).fields["address"] == "明珠路 2 号"


async def test_a_deleted_record_leaves_every_phone(worker, mate):
    item = await create_shared(worker, mate)
    worker.device.delete_item(item, worker.capture())
    worker.seal()
    await worker.sync()
    await mate.sync()
    assert mate.device.visible(item) is None
    stream = f"grid/{grid_id(GRIDS[0])}"
    assert mate.device.digest(stream) == "0" * 16


async def test_a_moved_record_leaves_an_absence_behind(services, app_client, worker, mate, truth):
    item = await create_shared(worker, mate)
    await truth.execute(
        "INSERT INTO assignment (user_id, role, grid_id, division, valid_from)"
        " SELECT user_id, role, $2, division, valid_from FROM assignment WHERE user_id = $1",
        WORKER.id, grid_id(GRIDS[1]),
    )  # fmt: skip
    worker.edit(item, location=form("0102", GRIDS[1])["location"])
    worker.seal()
    assert outcomes(await worker.sync()) == ["applied"]
    await mate.sync()
    assert mate.device.visible(item) is None
    neighbour = await field_phone(services, app_client, NEIGHBOUR)
    await neighbour.sync()
    assert neighbour.device.visible(item).version == 2


async def test_a_fill_in_small_pages_equals_one_in_a_single_page(services, app_client, worker, mate):
    for number in range(40):
        worker.create("0102", HOUSE | {"unit_no": f"1-{number}"})
    worker.seal()
    await worker.sync()
    small = await field_phone(services, app_client, MATE)
    while True:
        _, applied = small.apply(*await small.send(answer_bytes=2_000))
        if not applied.again:
            break
    await mate.sync()
    assert small.device.memberships() == mate.device.memberships()
    assert small.device.repairs == 0


async def test_nothing_new_is_told_without_a_body(worker, mate, app_client):
    (answer,) = (await worker.sync())[-1:]
    response = await app_client.get("/v1/exchange", params={"mark": answer.mark}, headers=worker.headers)
    assert (response.status_code, response.content) == (204, b"")
    mate.create("0102", HOUSE)
    mate.seal()
    await mate.sync()
    response = await app_client.get("/v1/exchange", params={"mark": answer.mark}, headers=worker.headers)
    assert (response.status_code, response.json()) == (200, {"changed": True})


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_compressed_bodies_and_answers(worker, app_client, encoding):
    for number in range(10):
        worker.create("0102", HOUSE | {"unit_no": str(number)})
    worker.seal()
    outgoing = worker.device.next_request(clock())
    plain = encode_request(outgoing.request, outgoing.sets, "json")
    body = gzip.compress(plain) if encoding == "gzip" else zstandard.ZstdCompressor().compress(plain)
    headers = worker.headers | {"Content-Encoding": encoding, "Accept-Encoding": encoding}
    async with app_client.stream("POST", "/v1/exchange", content=body, headers=headers) as response:
        raw = b"".join([part async for part in response.aiter_raw()])
    assert response.headers["content-encoding"] == encoding
    unpacked = gzip.decompress(raw) if encoding == "gzip" else zstandard.ZstdDecompressor().stream_reader(raw).read()
    assert len(decode_answer(unpacked, "json").receipts[0].outcomes) == 10


async def test_marked_values_are_in_no_clear_column(worker, mate, truth):
    home = await create_shared(worker, mate)
    secret = "欧阳晓静秘密"
    resident = form("0101") | {"name": secret, "dwelling": str(home), "phone": "13912345678"}
    item = worker.create("0101", resident)
    worker.seal()
    assert outcomes(await worker.sync()) == ["applied"]
    await mate.sync()
    for phone, name in ((worker, "欧阳甲秘密"), (mate, "欧阳乙秘密")):
        phone.edit(item, name=name)
        phone.seal()
    await worker.sync()
    assert outcomes(await mate.sync()) == ["parked"]
    assert mate.device.visible(item).fields["name"] == "欧阳甲秘密"
    tables = [r["tablename"] for r in await truth.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    for table in tables:
        for row in await truth.fetch(f'SELECT t::text AS line FROM "{table}" t'):
            assert "欧阳" not in row["line"], table
            assert "13912345678" not in row["line"], table
            assert "欧阳".encode().hex() not in row["line"], table


async def test_a_revoked_phone_is_answered_its_work_is_kept_and_it_is_given_nothing(worker, mate, truth):
    await create_shared(worker, mate)
    worker.create("0102", HOUSE)
    worker.seal()
    await truth.execute("UPDATE device SET revoked_at = now() WHERE id = $1", worker.device_id)
    answer, _ = worker.apply(*await worker.send())
    assert [receipt.status for receipt in answer.receipts] == ["quarantined"]
    assert answer.receipts[0].code == "device_revoked"
    assert (answer.streams, answer.mark) == ([], None)
    assert await truth.fetchval("SELECT count(*) FROM item") == 1
    assert await truth.fetchval("SELECT count(*) FROM quarantine") == 1


async def test_a_number_used_for_other_bytes_is_kept_apart(worker, truth):
    worker.create("0102", HOUSE)
    worker.seal()
    await worker.sync()
    outgoing = worker.device.next_request(clock())
    body = encode_request(replace(outgoing.request, first=1), [b'{"no": 1}'], "json")
    response = await worker.client.post("/v1/exchange", content=body, headers=worker.headers)
    answer = decode_answer(response.content, "json")
    assert [receipt.status for receipt in answer.receipts] == ["forked"]
    assert await truth.fetchval("SELECT count(*) FROM forked_set") == 1
    assert await truth.fetchval("SELECT last_no FROM counter") == 1
