"""Apps of the two previous catalogue versions work on; older ones are heard, kept and told to update."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar
from msgspec import json

from schemas.wire import ChangeOutcome, ExchangeAnswer, Receipt
from server.db.reading import ExportFilter
from server.services import Services
from server.usecases.exporting import ExportWish, export_items
from tests.builders import CADRE, CHIEF, MATE, WORKER, build_city, caller, form, photo, point, sign_in
from tests.old_catalogues import OLDER, OLDEST, catalogue_of_three
from tests.phones import FieldPhone, field_phone

TOWER: dict[str, Any] = {
    "title": "东门水塔",
    "kind": "tower",
    "keeper": "王芳看管",
    "colour": "灰白相间",
    "owner_unit": "自来水公司" * 30,
    "location": point(),
}
KEPT = {"facility_type__2023_2", "keeper", "colour", "owner_unit__2023_2"}


@pytest.fixture
async def services(app: Litestar) -> Services:
    """The services with two previous versions."""
    app.state.services = replace(app.state.services, catalogue=catalogue_of_three())
    await build_city(app.state.services)
    return app.state.services


@pytest.fixture
async def old_phone(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    phone = await field_phone(services, app_client, WORKER)
    phone.device.adopt(OLDEST, 1)
    return phone


async def exchange(phone: FieldPhone) -> ExchangeAnswer:
    """One exchange of all that is sealed; the device keeps the versions it has."""
    state = phone.device._state
    versions = state.catalogue, state.registry
    answer, _ = phone.apply(*await phone.send())
    phone.device.adopt(*versions)
    return answer


async def write(phone: FieldPhone, code: str, fields: dict[str, Any], **more: Any) -> tuple[UUID, Receipt]:
    item = phone.create(code, fields, **more)
    phone.seal()
    (receipt,) = (await exchange(phone)).receipts
    return item, receipt


def only(receipt: Receipt) -> ChangeOutcome:
    (outcome,) = receipt.outcomes
    return outcome


async def row_of(truth: asyncpg.Connection, item: UUID) -> dict[str, Any]:
    row = await truth.fetchrow("SELECT * FROM item WHERE id = $1", item)
    assert row is not None
    return dict(row)


async def test_what_the_form_of_today_does_not_know_is_kept_and_sealed(
    old_phone: FieldPhone, truth: asyncpg.Connection
) -> None:
    item, receipt = await write(old_phone, "0105", TOWER)
    assert only(receipt).outcome == "applied", receipt
    row = await row_of(truth, item)
    assert json.decode(row["clear"]).keys() == {"name", "location"}
    assert await truth.fetchval("SELECT catalogue FROM revision WHERE item_id = $1", item) == OLDEST
    for table in ("item", "revision", "item_search", "change_set", "feed"):
        dump = str([tuple(one.values()) for one in await truth.fetch(f"SELECT t::text FROM {table} t")])
        assert not any(word in dump for word in ("王芳", "灰白", "自来水", "tower")), table


async def test_it_comes_back_on_phones_in_the_history_and_in_exports(
    services: Services, app_client: httpx.AsyncClient, old_phone: FieldPhone, tmp_path: Path
) -> None:
    item, _ = await write(old_phone, "0105", TOWER)
    mate = await field_phone(services, app_client, MATE)
    await mate.sync()
    seen = mate.device.visible(item)
    assert seen is not None
    assert seen.fields.keys() == {"name", "location"} | KEPT
    assert seen.fields["keeper"] == TOWER["keeper"]
    assert seen.fields["owner_unit__2023_2"] == TOWER["owner_unit"]
    header = await sign_in(services, CHIEF)
    revealed = await app_client.post(f"/v1/items/{item}/reveal", json={"reason": "核对"}, headers=header)
    (past,) = revealed.json()["history"]
    assert past["fields"] == seen.fields
    assert "王芳" not in (await app_client.get(f"/v1/items/{item}", headers=header)).text
    narrowed = ExportFilter(type="0105", approved_only=False)
    wish = ExportWish(narrowed=narrowed, file_format="csv", reason="核对", reveal=True)
    await export_items(services, await caller(services, CADRE), wish, tmp_path / "out.csv")
    (line,) = csv.DictReader((tmp_path / "out.csv").read_text("utf-8-sig").splitlines())
    assert line["看管人(2023.2 版) Keeper (2023.2)"] == "王芳看管"
    assert "水塔 Water tower" in line["类别(2023.2 版) Kind (2023.2)"]


async def test_edits_of_kept_fields_merge_like_any_other(
    services: Services, app_client: httpx.AsyncClient, old_phone: FieldPhone
) -> None:
    item, _ = await write(old_phone, "0105", TOWER)
    mate = await field_phone(services, app_client, MATE)
    await mate.sync()
    mate.edit(item, name="西门水塔", facility_type="building", state="ok", photos=[photo(1)])
    mate.seal()
    answer, _ = mate.apply(*await mate.send())
    assert only(answer.receipts[0]).outcome == "applied", answer.receipts
    old_phone.edit(item, keeper="李强看管", owner_unit="市政")
    old_phone.seal()
    assert only((await exchange(old_phone)).receipts[0]).outcome == "merged"
    await mate.sync()
    seen = mate.device.visible(item)
    assert seen is not None
    wanted = {"name": "西门水塔", "state": "ok", "keeper": "李强看管", "owner_unit": "市政"}
    assert seen.fields.items() >= wanted.items()


async def test_today_the_same_is_asked_of_apps_of_today(services: Services, app_client: httpx.AsyncClient) -> None:
    phone = await field_phone(services, app_client, WORKER)
    fields = {"name": "东门水塔", "location": point()}
    _, receipt = await write(phone, "0105", fields)
    assert (only(receipt).outcome, only(receipt).code) == ("rejected", "field_required")


async def test_an_app_of_the_last_version_reports_as_it_always_did(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await field_phone(services, app_client, WORKER)
    phone.device.adopt(OLDER, 1)
    # Its form asked for no photo from afterwards; the case waits for one as every case does.
    item, receipt = await write(phone, "0401", form("0401") | {"fixed_on_site": True, "photos": [photo(1), photo(2)]})
    assert only(receipt).outcome == "applied", receipt
    assert await truth.fetchval("SELECT state FROM cases WHERE item_id = $1", item) != "closed"
    answer = await exchange(phone)
    assert answer.withheld is None


@pytest.mark.parametrize(
    ("version", "code"), [("2023.1", "catalogue_too_old"), ("2024.3", "catalogue_unknown"), ("", "catalogue_unknown")]
)
async def test_others_are_kept_whole_and_nothing_is_withheld_for_ever(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection, version: str, code: str
) -> None:
    mate = await field_phone(services, app_client, MATE)
    shared, _ = await write(mate, "0105", form("0105"))
    phone = await field_phone(services, app_client, WORKER)
    phone.device.adopt(version, 1)
    _, receipt = await write(phone, "0105", TOWER)
    assert (receipt.status, receipt.code, receipt.outcomes) == ("quarantined", code, [])
    assert receipt.zh
    assert await truth.fetchval("SELECT code FROM quarantine WHERE device_id = $1", phone.device_id) == code
    answer = await exchange(phone)
    assert (answer.withheld, answer.streams, answer.gained, answer.more, answer.mark) == (code, [], [], False, None)
    assert answer.expected == 2
    assert phone.device.unsent == 0
    phone.device.adopt(services.catalogue.version, 1)
    await phone.sync()
    assert phone.device.visible(shared) is not None


async def test_what_was_held_before_stays_while_the_pull_is_withheld(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    phone = await field_phone(services, app_client, WORKER)
    item, _ = await write(phone, "0105", form("0105"))
    await phone.sync()
    held = phone.device.memberships()
    phone.device.adopt("2023.1", 1)
    answer = await exchange(phone)
    assert answer.lost == []
    assert phone.device.memberships() == held
    assert phone.device.visible(item) is not None
