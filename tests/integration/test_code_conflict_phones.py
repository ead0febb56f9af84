"""Parked for want of a grid, as phones and people at a terminal see it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from schemas.wire import Capture, Fix, LegacyCode
from server.cli import run
from server.services import Services
from tests.builders import CHIEF, GRIDS, MATE, STREET_CADRE, WORKER, Person, form, grid_id
from tests.integration.crosswalk_scene import FAR, SEVERAL, STREET_WIDE, Scene
from tests.integration.terminal import shell
from tests.integration.test_conflicts import assert_streams_add_up
from tests.phones import FieldPhone, field_phone

pytestmark = pytest.mark.long

FORM = form("0102") | {"location": FAR}
STREET = LegacyCode("yingji", STREET_WIDE)
WHY = ("--reason", "按门牌核对")


@pytest.fixture
async def scene(services: Services, truth: asyncpg.Connection) -> AsyncIterator[Scene]:
    yield await Scene.open(services, truth)
    await assert_streams_add_up(truth)


def report(phone: FieldPhone, legacy: LegacyCode = STREET) -> UUID:
    """A dwelling far from every grid, known by a legacy code alone, in a set of its own."""
    near = phone.capture()
    far = Capture(near.wall, near.mono, near.boot, Fix(FAR["lon"], FAR["lat"], "wgs84", 5.0))
    item = UUID(int=near.mono)
    phone.device.create_item(item, "0102", far, FORM, legacy=legacy)
    phone.seal()
    return item


@pytest.mark.parametrize("kind", ["json", "msgpack"])
async def test_it_stays_in_sight_on_its_authors_phone_and_nobody_elses(
    scene: Scene, app_client: httpx.AsyncClient, kind: Any
) -> None:
    phone = await field_phone(scene.services, app_client, WORKER, kind)
    others = [await field_phone(scene.services, app_client, person) for person in (MATE, CHIEF)]
    item = report(phone)
    _, lost = await phone.send()
    assert lost.status_code == 200, "and never arrives"
    assert phone.device.visible(item) is not None
    answers = await phone.sync()
    (outcome,) = [one for answer in answers for receipt in answer.receipts for one in receipt.outcomes]
    assert (outcome.outcome, outcome.version) == ("parked", 1)
    seen = phone.device.visible(item)
    assert seen is not None
    assert (seen.version, seen.code, seen.fields["address"]) == (1, None, FORM["address"])
    (parked,) = phone.device.parked()
    assert (parked.item, parked.id, parked.reason) == (item, outcome.conflict, "ambiguous")
    assert phone.device.told() == []
    for other in others:
        serial, told = await other.send()
        assert str(item) not in told.text
        other.apply(serial, told)
        assert other.device.visible(item) is None


async def test_it_is_in_sight_before_it_was_pulled_and_takes_further_edits(
    scene: Scene, app_client: httpx.AsyncClient
) -> None:
    """The first answer is cut so short that it brings the receipt and not yet the item."""
    phone = await field_phone(scene.services, app_client, WORKER)
    report(phone)
    item = report(phone)
    phone.apply(*await phone.send(answer_bytes=1_000))
    assert phone.device.visible(item) is not None
    phone.edit(item, rooms_let=4)
    phone.seal()
    await phone.sync()
    seen = phone.device.visible(item)
    assert seen is not None
    assert (seen.version, seen.fields["rooms_let"]) == (2, 4)


async def test_once_settled_it_comes_to_the_team_and_is_parked_no_more(
    scene: Scene, app_client: httpx.AsyncClient
) -> None:
    author, mate = [await field_phone(scene.services, app_client, person) for person in (WORKER, MATE)]
    item = report(author)
    await author.sync()
    await mate.sync()
    (parked,) = author.device.parked()
    await scene.settle(parked.id, STREET_CADRE, GRIDS[0])
    for phone in (author, mate):
        await phone.sync()
        seen = phone.device.visible(item)
        assert seen is not None
        assert (seen.code, seen.version) == (GRIDS[0], 2)
    assert author.device.parked() == []
    assert item not in author.device.memberships()[f"own/{WORKER.id}"]
    assert item in author.device.memberships()[f"grid/{grid_id(GRIDS[0])}"]
    await scene.undo(parked.id, STREET_CADRE)
    for phone in (author, mate):
        await phone.sync()
    assert mate.device.visible(item) is None
    assert author.device.visible(item) is not None
    assert [one.item for one in author.device.parked()] == [item]
    await scene.settle(parked.id, STREET_CADRE, GRIDS[2])
    for phone in (author, mate):
        await phone.sync()
        assert phone.device.visible(item) is None, "it is in a grid that neither of them works in"


# At a terminal ---------------------------------------------------------------------------------------------


async def onegrid(environ: dict[str, str], *arguments: str, by: Person = STREET_CADRE) -> tuple[int, str]:
    """Exit status and stdout of the command in 80 columns."""
    ran = await shell(environ | {"COLUMNS": "80"}, "conflict", *arguments, "--as", by.phone)
    return ran.status, ran.out


async def test_the_command_line_lists_shows_settles_and_takes_back(
    scene: Scene, app_client: httpx.AsyncClient, environ: dict[str, str]
) -> None:
    phone = await field_phone(scene.services, app_client, WORKER)
    report(phone)
    await phone.sync()
    begin = str(phone.device.parked()[0].id)[:8]
    listed, shown = [await onegrid(environ, *words) for words in (("list", "--kind", "code"), ("show", begin))]
    assert (listed[0], begin in listed[1]) == (0, True)
    assert shown[0] == 0
    for told in (STREET_WIDE, "部门旧码", *GRIDS, "东社区", "--grid CODE"):
        assert told in shown[1], told
    assert FORM["address"] not in shown[1]
    revealed = await onegrid(environ, "show", begin, "--reveal", *WHY, "--json")
    claim = json.loads(revealed[1])["claim"]
    assert FORM["address"] in str(claim["content"])
    assert all(one["metres"] > 100_000 for one in claim["candidates"])
    settled = await onegrid(environ, "resolve", begin, "--grid", GRIDS[1], *WHY, "--json")
    assert (settled[0], json.loads(settled[1])["grid"]) == (0, GRIDS[1])
    after = await onegrid(environ, "show", begin)
    assert "指定网格 grid" in after[1]
    undone = await onegrid(environ, "undo", begin, *WHY)
    assert (undone[0], "重新打开 open again" in undone[1]) == (0, True)
    again = await onegrid(environ, "resolve", begin, "--take", "grid", "--grid", GRIDS[2], *WHY)
    assert (again[0], GRIDS[2] in again[1]) == (0, True)


async def test_a_side_settles_no_code_and_a_grid_nothing_else(
    scene: Scene, app_client: httpx.AsyncClient, environ: dict[str, str]
) -> None:
    phone = await field_phone(scene.services, app_client, WORKER)
    report(phone, LegacyCode("chengguan", SEVERAL))
    await phone.sync()
    begin = str(phone.device.parked()[0].id)
    refused = await onegrid(environ, "resolve", begin, "--take", "server", *WHY, "--json")
    assert (refused[0], json.loads(refused[1])["error"]["code"]) == (1, "resolution_invalid")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--take", "grid"],
        ["--take", "server", "--grid", GRIDS[0]],
        ["--grid", "12345"],
        ["--grid", GRIDS[0], "--field", "name=server"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conflict", "resolve", "1a2b3c", *arguments, *WHY, "--as", STREET_CADRE.phone]) == 2
    assert capsys.readouterr().out == ""
