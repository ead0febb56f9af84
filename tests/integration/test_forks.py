"""A phone restored from its backup becomes a device of its own, unattended; whoever only has a backup becomes seen."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec import json

from server.services import Services
from sync.device import Device
from tests.builders import ADMINISTRATOR, MATE, WORKER, build_city, form, sign_in
from tests.integration.terminal import shell
from tests.phones import FieldPhone, field_phone

NEW = "installation-after-the-restore"


@pytest.fixture
async def phone(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    await build_city(services)
    return await field_phone(services, app_client, WORKER)


class Tokens(NamedTuple):
    """What an app keeps of its device."""

    access: str
    refresh: str
    ticket: str

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    @property
    def backup(self) -> dict[str, str]:
        return {"ticket": self.ticket, "install": FieldPhone.install, "refresh": self.refresh}


async def enrolled(client: httpx.AsyncClient, services: Services, install: str = FieldPhone.install) -> dict[str, Any]:
    """A phone of the worker, enrolled with a code."""
    header = await sign_in(services, ADMINISTRATOR)
    codes = await client.post("/v1/enrol/codes", json={"user": str(WORKER.id)}, headers=header)
    wish = {"code": codes.json()["codes"][0]["code"], "install": install}
    return (await client.post("/v1/enrol", json=wish)).json()


def tokens_of(answer: dict[str, Any]) -> Tokens:
    return Tokens(answer["access"], answer["refresh"], answer["ticket"])


async def write(phone: FieldPhone) -> UUID:
    item = phone.create("0102", form("0102"))
    phone.seal()
    await phone.sync()
    return item


async def fork_by_set(phone: FieldPhone, install: str = NEW, **refused: Any) -> httpx.Response:
    held = phone.device._state.outbox[phone.device._state.last_no]
    wish = {"install": install, "refused": {"no": phone.device._state.last_no, "hash": held.hash} | refused}
    header = {"Authorization": phone.headers["Authorization"]}
    return await phone.client.post("/v1/enrol/fork", json=wish, headers=header)


async def fork_by_backup(client: httpx.AsyncClient, tokens: Tokens, **more: Any) -> httpx.Response:
    wish = {"install": NEW, "backup": tokens.backup | more, "name": "红米", "app": "2.0"}
    return await client.post("/v1/enrol/fork", json=wish)


async def refreshed(client: httpx.AsyncClient, tokens: Tokens) -> Tokens:
    """The next pair, taken into use."""
    answer = (await client.post("/v1/token", json={"grant": "refresh", "refresh": tokens.refresh})).json()
    following = Tokens(answer["access"], answer["refresh"], tokens.ticket)
    await client.get("/v1/catalogue", headers=following.header)
    return following


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def copy_of(phone: FieldPhone) -> FieldPhone:
    """The phone restored from its backup of now, which writes something else under the next number."""
    device = Device.restore(phone.device.snapshot())
    copy = FieldPhone(phone.client, device, phone.device_id, phone.headers["Authorization"][7:], phone.form)
    await write(phone)
    copy.create("0102", form("0102"))
    copy.seal()
    copy.apply(*await copy.send())
    assert copy.device.forked
    return copy


async def test_a_copy_whose_number_was_used_goes_on_under_an_id_of_its_own(
    phone: FieldPhone, services: Services, truth: asyncpg.Connection
) -> None:
    await write(phone)
    copy = await copy_of(phone)
    response = await fork_by_set(copy)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["device"] != str(phone.device_id)
    assert answer["user"] == str(WORKER.id)
    assert answer.keys() == (await enrolled(phone.client, services, "another-phone")).keys()
    row = await truth.fetchrow("SELECT * FROM device WHERE id = $1::uuid", answer["device"])
    assert row is not None
    assert (row["forked_from"], row["user_id"]) == (phone.device_id, WORKER.id)
    since = "SELECT coalesce(drained_at, enrolled_at) FROM device WHERE id = $1"
    assert row["drained_at"] == await truth.fetchval(since, phone.device_id)
    acts = await truth.fetch("SELECT * FROM audit WHERE action = 'device.forked'")
    assert [(act["subject_id"], act["actor_id"]) for act in acts] == [(answer["device"], WORKER.id)]
    assert json.decode(acts[0]["detail"]) == {"from": str(phone.device_id), "by": "set"}
    device = Device.enrolled(UUID(answer["device"]), WORKER.id, services.catalogue.version, 1, ticket=answer["ticket"])
    goes_on = FieldPhone(phone.client, device, UUID(answer["device"]), answer["access"], "json")
    await write(goes_on)
    await write(phone)
    rows = await truth.fetch("SELECT device_id, count(*) FROM revision GROUP BY device_id")
    assert {row["device_id"]: row["count"] for row in rows} == {phone.device_id: 3, goes_on.device_id: 1}


async def test_the_same_request_is_answered_the_same_way_until_its_tokens_are_used(phone: FieldPhone) -> None:
    copy = await copy_of(phone)
    both = await asyncio.gather(fork_by_set(copy), fork_by_set(copy))
    once, again = (one.json() for one in both)
    assert once == again
    assert (await fork_by_set(copy)).json() == once
    used = await phone.client.get("/v1/catalogue", headers=tokens_of(once).header)
    assert used.status_code == 200
    assert refusal(await fork_by_set(copy)) == (409, "fork_spent")
    assert (await fork_by_set(copy, "yet-another-install")).json()["device"] not in (once["device"], copy.device_id)


async def test_a_device_that_is_its_own_is_given_no_other(phone: FieldPhone, services: Services) -> None:
    await write(phone)
    assert refusal(await fork_by_set(phone)) == (409, "fork_unknown")
    copy = await copy_of(phone)
    assert refusal(await fork_by_set(copy, no=1)) == (409, "fork_unknown")
    assert refusal(await fork_by_set(copy, hash="ab" * 32)) == (409, "fork_unknown")
    mate = await field_phone(services, phone.client, MATE)
    copy.headers["Authorization"] = mate.headers["Authorization"]
    assert refusal(await fork_by_set(copy)) == (409, "fork_unknown")


async def test_a_set_of_which_nothing_may_be_kept_is_proof_enough(phone: FieldPhone, truth: asyncpg.Connection) -> None:
    await write(phone)
    copy = await copy_of(phone)
    await truth.execute("UPDATE forked_set SET sealed = NULL, wrapped = NULL")
    assert (await fork_by_set(copy)).status_code == 200


async def test_a_backup_whose_tokens_were_succeeded_goes_on_by_its_ticket(
    phone: FieldPhone, services: Services, truth: asyncpg.Connection
) -> None:
    backup = tokens_of(await enrolled(phone.client, services))
    now = await refreshed(phone.client, await refreshed(phone.client, backup))
    gone = await phone.client.post("/v1/token", json={"grant": "refresh", "refresh": backup.refresh})
    assert refusal(gone) == (401, "token_superseded")
    response = await fork_by_backup(phone.client, backup)
    assert response.status_code == 200, response.text
    assert (await fork_by_backup(phone.client, backup)).json() == response.json()
    row = await truth.fetchrow("SELECT * FROM device WHERE id = $1::uuid", response.json()["device"])
    assert row is not None
    assert (row["name"], row["app"]) == ("红米", "2.0")
    detail = json.decode(await truth.fetchval("SELECT detail FROM audit WHERE action = 'device.forked'"))
    assert detail["by"] == "ticket"
    # The other copy is not disturbed, and the new ticket is good for the new installation alone.
    assert (await phone.client.get("/v1/catalogue", headers=now.header)).status_code == 200
    ticket = response.json()["ticket"]
    for install, code in ((NEW, "device_known"), (FieldPhone.install, "ticket_invalid")):
        answer = await phone.client.post("/v1/enrol", json={"ticket": ticket, "install": install})
        assert answer.json()["code"] == code


async def test_the_token_before_the_current_one_proves_a_copy_only_once_that_one_is_used(
    phone: FieldPhone, services: Services
) -> None:
    backup = tokens_of(await enrolled(phone.client, services))
    assert refusal(await fork_by_backup(phone.client, backup)) == (409, "fork_needless")
    await phone.client.post("/v1/token", json={"grant": "refresh", "refresh": backup.refresh})
    assert refusal(await fork_by_backup(phone.client, backup)) == (409, "fork_needless")
    await refreshed(phone.client, backup)
    assert (await fork_by_backup(phone.client, backup)).status_code == 200


async def test_tokens_whose_generation_nobody_counted_prove_a_copy_too(
    phone: FieldPhone, services: Services, truth: asyncpg.Connection
) -> None:
    backup = tokens_of(await enrolled(phone.client, services))
    now = await refreshed(phone.client, await refreshed(phone.client, backup))
    await truth.execute("UPDATE session SET generation = NULL")
    assert refusal(await fork_by_backup(phone.client, now)) == (409, "fork_needless")
    assert (await fork_by_backup(phone.client, backup)).status_code == 200


async def test_a_backup_proves_nothing_without_its_install_and_a_token_of_that_device(
    phone: FieldPhone, services: Services
) -> None:
    backup = tokens_of(await enrolled(phone.client, services))
    other = tokens_of(await enrolled(phone.client, services, "another-phone"))
    for tokens in (backup, other):
        await refreshed(phone.client, await refreshed(phone.client, tokens))
    wrong = await fork_by_backup(phone.client, backup, refresh=other.refresh)
    assert refusal(wrong) == (401, "token_unknown")
    assert refusal(await fork_by_backup(phone.client, backup, refresh="A" * 48)) == (401, "token_unknown")
    assert (await fork_by_backup(phone.client, backup, install="another-phone")).json()["code"] == "ticket_invalid"
    assert (await fork_by_backup(phone.client, backup, ticket="A" * 100)).json()["code"] == "ticket_invalid"


async def test_neither_and_both_are_refused(phone: FieldPhone, services: Services) -> None:
    copy = await copy_of(phone)
    bare = await phone.client.post("/v1/enrol/fork", json={"install": NEW})
    assert refusal(bare) == (401, "token_missing")
    header = {"Authorization": phone.headers["Authorization"]}
    neither = await phone.client.post("/v1/enrol/fork", json={"install": NEW}, headers=header)
    assert refusal(neither) == (400, "parameter_invalid")
    tokens = tokens_of(await enrolled(phone.client, services))
    refused = {"no": 1, "hash": copy.device._state.outbox[1].hash}
    both = {"install": NEW, "refused": refused, "backup": tokens.backup}
    assert refusal(await phone.client.post("/v1/enrol/fork", json=both)) == (400, "parameter_invalid")
    office = await sign_in(services, ADMINISTRATOR)
    desk = await phone.client.post("/v1/enrol/fork", json={"install": NEW, "refused": refused}, headers=office)
    assert refusal(desk) == (403, "forbidden")


@pytest.mark.parametrize(
    "ended", ["UPDATE device SET revoked_at = now()", f"UPDATE users SET left_at = now() WHERE id = '{WORKER.id}'"]
)
async def test_a_revoked_device_and_whoever_has_left_get_none(
    phone: FieldPhone, services: Services, truth: asyncpg.Connection, ended: str
) -> None:
    copy = await copy_of(phone)
    backup = tokens_of(await enrolled(phone.client, services))
    await refreshed(phone.client, await refreshed(phone.client, backup))
    made = (await fork_by_backup(phone.client, backup)).json()
    await truth.execute(ended)
    before = await truth.fetchval("SELECT count(*) FROM device")
    assert refusal(await fork_by_set(copy)) == (403, "forbidden")
    # Not even what was given already, and not used yet, is given again.
    assert refusal(await fork_by_backup(phone.client, backup)) == (403, "forbidden")
    assert await truth.fetchval("SELECT count(*) FROM device") == before
    assert made["device"]


async def test_one_person_gets_only_so_many_a_day(phone: FieldPhone, truth: asyncpg.Connection) -> None:
    copy = await copy_of(phone)
    for number in range(5):
        assert (await fork_by_set(copy, f"installation-{number}")).status_code == 200
    refused = await fork_by_set(copy, "installation-5")
    assert refusal(refused) == (429, "fork_too_often")
    assert 86_000 < int(refused.headers["Retry-After"]) <= 86_400
    assert (await fork_by_set(copy, "installation-0")).status_code == 200
    await truth.execute("UPDATE device SET enrolled_at = enrolled_at - $1::interval", timedelta(days=1))
    assert (await fork_by_set(copy, "installation-5")).status_code == 200


async def test_lists_show_which_devices_are_copies(phone: FieldPhone, environ: dict[str, str]) -> None:
    copy = await copy_of(phone)
    made = (await fork_by_set(copy)).json()["device"]
    listed = await shell(environ, "device", "list", "--as", ADMINISTRATOR.phone)
    assert "备份副本" in listed.out
    shown = await shell(environ, "device", "show", made, "--as", ADMINISTRATOR.phone)
    assert str(phone.device_id) in shown.out
    told = json.decode((await shell(environ, "device", "list", "--json", "--as", ADMINISTRATOR.phone)).out)
    assert {one["id"]: one["forked_from"] for one in told["devices"]} == {
        made: str(phone.device_id),
        str(phone.device_id): None,
    }
