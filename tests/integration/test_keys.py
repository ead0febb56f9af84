"""The root secret and the rotation of the master key that wraps it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import secrets
import signal
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from server.db import people
from server.db.installation import master_keys, read_root
from server.db.people import NewAssignment, NewUser
from server.embedded.connection import connection
from server.embedded.folder import DataFolder
from server.embedded.words import StartError
from server.errors import Problem
from server.prepare import prepare
from server.sealing import Keyring, MasterKey, Unsealable
from server.services import Services, open_services
from server.settings import Settings
from server.usecases.keys import Rotated, master_key_in_use, rotate_master_key
from tests.builders import ADMINISTRATOR, CITY, WORKER, Person, build_city, caller, enrol
from tests.integration.terminal import shell
from tests.integration.up_process import WHOLE, eventually, running_up

pytestmark = pytest.mark.long

GUARD = Person("security_administrator", "13900000031", division=CITY)
NEW = b"n" * 32
NO_BACKUPS = Path("/nonexistent")


async def hire(services: Services) -> None:
    """Put the security administrator into the city."""
    user = NewUser(
        id=GUARD.id,
        name="安全管理员",
        phone_index=services.keyring.index("phone", GUARD.phone),
        phone_sealed=services.keyring.seal_for("phone", GUARD.phone),
    )
    since = datetime.now(UTC) - timedelta(days=1)
    post = NewAssignment(user_id=GUARD.id, role=GUARD.role, division=CITY, valid_from=since)

    async def work(tx: Any) -> None:
        await people.insert_users(tx.connection, [user])
        await people.insert_assignments(tx.connection, [post])

    await services.database.write(work)


@pytest.fixture
async def city(services: Services) -> Services:
    await build_city(services)
    await hire(services)
    return services


async def rotate(services: Services, new: bytes = NEW, folder: Path = NO_BACKUPS) -> Rotated:
    return await rotate_master_key(services, await caller(services, GUARD), lambda: new, "每年更换", folder)


async def everything(truth: asyncpg.Connection) -> dict[str, list[str]]:
    """Every row of every table but the two that a rotation writes to."""
    tables = await truth.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = sorted({row["tablename"] for row in tables} - {"installation", "audit"})
    return {
        name: [str(row) for row in await truth.fetch(f'SELECT t::text FROM "{name}" t ORDER BY 1')] for name in names
    }


async def test_a_rotation_rewraps_the_root_and_writes_nothing_else(city: Services, truth: asyncpg.Connection) -> None:
    phone = await enrol(city, WORKER)
    item = await phone.report("0103", manager="王小明")
    before, row = await everything(truth), await truth.fetchrow("SELECT * FROM installation")
    await rotate(city)
    assert await everything(truth) == before
    after = await truth.fetchrow("SELECT * FROM installation")
    assert after["root_wrapped"] != row["root_wrapped"]
    assert MasterKey(NEW).open_root(after["root_wrapped"]) == city.keyring.root
    with pytest.raises(Unsealable):
        MasterKey(city.settings.master_key).open_root(after["root_wrapped"])
    # The running server goes on with the root that it holds.
    await phone.correct(item, manager="王大明")
    async with open_services(replace(city.settings, master_key=NEW)) as again:
        assert again.keyring == city.keyring


async def test_after_a_rotation_the_old_key_is_told_to_be_wrong(city: Services) -> None:
    await rotate(city)
    with pytest.raises(StartError, match="ONEGRID_MASTER_KEY"):
        async with open_services(city.settings):
            pytest.fail("opened with a retired key")
    for keys in ({"master_key": NEW}, {"master_key_next": NEW}):
        async with open_services(replace(city.settings, **keys)) as again:
            assert again.keyring == city.keyring


async def test_who_rotates_and_why_is_audited_and_no_key_is_told(city: Services, truth: asyncpg.Connection) -> None:
    await rotate(city)
    act = await truth.fetchrow("SELECT * FROM audit WHERE action = 'master_key.rotated'")
    assert (act["actor_id"], act["reason"], act["subject_kind"]) == (GUARD.id, "每年更换", "installation")
    told = str(dict(act))
    for secret in (NEW, city.settings.master_key, city.keyring.root):
        assert secret.hex() not in told
        assert b64encode(secret).decode() not in told
    assert act["subject_id"] == MasterKey(NEW).fingerprint()


async def test_only_a_security_administrator_rotates(city: Services, truth: asyncpg.Connection) -> None:
    for person in (ADMINISTRATOR, WORKER):
        drawn: list[bytes] = []
        who = await caller(city, person)
        with pytest.raises(Problem, match="forbidden"):
            await rotate_master_key(city, who, lambda: drawn.append(NEW) or NEW, "想换", NO_BACKUPS)  # noqa: B023
        assert drawn == []
    with pytest.raises(Problem, match="reason_needed"):
        await rotate_master_key(city, await caller(city, GUARD), lambda: NEW, "  ", NO_BACKUPS)
    row = await truth.fetchrow("SELECT master_key_check FROM installation")
    assert row["master_key_check"] == MasterKey(city.settings.master_key).check_value()


async def test_a_rotation_by_a_key_that_is_no_longer_in_use_is_refused(city: Services) -> None:
    await rotate(city)
    with pytest.raises(Problem, match="master_key_changed"):
        await rotate(city, b"o" * 32)


async def test_two_rotations_at_once_leave_one_key(city: Services, truth: asyncpg.Connection) -> None:
    keys = [bytes([number]) * 32 for number in range(4)]
    done = await asyncio.gather(*(rotate(city, key) for key in keys), return_exceptions=True)
    (winner,) = [key for key, one in zip(keys, done, strict=True) if isinstance(one, Rotated)]
    assert {one.code for one in done if isinstance(one, Problem)} <= {"backup_running", "master_key_changed"}
    check = await truth.fetchval("SELECT master_key_check FROM installation")
    assert check == MasterKey(winner).check_value()


async def test_the_age_is_counted_from_the_rotation(city: Services, truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE installation SET master_key_since = now() - interval '400 days'")
    assert (await master_key_in_use(city)).days == 400
    await rotate(city)
    found = await master_key_in_use(replace_key(city, NEW))
    assert (found.days, found.fingerprint, found.unfinished) == (0, MasterKey(NEW).fingerprint(), False)


def replace_key(services: Services, key: bytes) -> Services:
    """The same services in a process that was started with another key."""
    return dataclasses.replace(services, settings=replace(services.settings, master_key=key))


async def test_an_installation_from_before_keeps_its_key_as_its_root(
    settings_of_test: Settings, truth: asyncpg.Connection
) -> None:
    """As a database of the released version is: a check value and no root."""
    key = settings_of_test.master_key
    check = Keyring(key).index("x", "y")
    await truth.execute("INSERT INTO installation (master_key_check) VALUES ($1)", MasterKey(key).check_value())
    await asyncio.to_thread(prepare, settings_of_test)
    wrapped = await truth.fetchval("SELECT root_wrapped FROM installation")
    assert MasterKey(key).open_root(wrapped) == key
    async with open_services(settings_of_test) as opened:
        assert opened.keyring.root == key
        assert opened.keyring.index("x", "y") == check
    assert await truth.fetchval("SELECT root_wrapped FROM installation") == wrapped


async def test_a_new_installation_draws_its_root(settings_of_test: Settings, truth: asyncpg.Connection) -> None:
    await asyncio.to_thread(prepare, settings_of_test)
    found = await read_root(truth, master_keys(settings_of_test))
    assert found is not None
    assert found.secret != settings_of_test.master_key
    assert len(found.secret) == 32


async def test_an_altered_root_is_told_in_one_sentence(settings_of_test: Settings, truth: asyncpg.Connection) -> None:
    await asyncio.to_thread(prepare, settings_of_test)
    await truth.execute(
        "UPDATE installation SET root_wrapped = set_byte(root_wrapped, 20, 255 - get_byte(root_wrapped, 20))"
    )
    with pytest.raises(StartError, match="damaged"):
        async with open_services(settings_of_test):
            pytest.fail("opened with an altered root")


# The data folder -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, embedded: dict[str, str]) -> DataFolder:
    """A folder with keys, whose database is this test's."""
    made = DataFolder(tmp_path)
    made.keys()
    return made


def settings_of(folder: DataFolder, environ: dict[str, str]) -> Settings:
    """As a server process of the folder finds them."""
    return Settings.from_env({**environ, "ONEGRID_MASTER_KEY": ""} | folder.keys().master())


async def starts(folder: DataFolder, environ: dict[str, str]) -> bytes:
    """Start as `onegrid up` does, and give the root."""
    if (await asyncio.to_thread(prepare, settings_of(folder, environ))).rotated:
        folder.adopt_next_key()
    async with open_services(settings_of(folder, environ)) as services:
        return services.keyring.root


async def test_wherever_a_rotation_is_cut_off_the_folder_starts_again(
    folder: DataFolder, environ: dict[str, str]
) -> None:
    root, first = await starts(folder, environ), folder.keys().master_key
    async with open_services(settings_of(folder, environ)) as services:
        await build_city(services)
        await hire(services)
        # Cut off before the new key is whole on disk: the file beside is never read.
        (folder.path / "keys.json.new").write_bytes(b'{"master_key": "half')
        assert await starts(folder, environ) == root
        # After the key is on disk, before the commit.
        new = folder.draw_next_key()
        assert await starts(folder, environ) == root
        assert (folder.keys().master_key, folder.keys().master_key_next) == (first, new)
        # Again, as the person does who sees that it did not end: the same key is used, none is lost.
        assert folder.draw_next_key() == new
        await rotate(services, new)
    # After the commit, before the key is the only one: a server starts, and finishes it.
    async with open_services(settings_of(folder, environ)) as services:
        assert services.keyring.root == root
    assert await starts(folder, environ) == root
    assert (folder.keys().master_key, folder.keys().master_key_next) == (new, None)
    # After that.
    assert await starts(folder, environ) == root


async def test_only_one_changes_the_keys_of_a_folder_at_a_time(folder: DataFolder) -> None:
    with folder.changing_keys(), pytest.raises(StartError, match="changing the master key"), folder.changing_keys():
        pytest.fail("two at once")
    with folder.changing_keys():
        pass


async def test_the_command_asks_for_the_next_key_where_it_is_a_setting(
    city: Services, environ: dict[str, str], truth: asyncpg.Connection
) -> None:
    arguments = ["key", "rotate", "--as", GUARD.phone, "--reason", "每年更换", "--json"]
    refused = await shell(environ, *arguments)
    assert refused.status == 1
    assert json.loads(refused.out)["error"]["code"] == "next_key_needed"
    new = secrets.token_bytes(32)
    following = environ | {"ONEGRID_MASTER_KEY_NEXT": b64encode(new).decode()}
    done = await shell(following, *arguments)
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["fingerprint"] == MasterKey(new).fingerprint()
    assert document["previous"] == MasterKey(city.settings.master_key).fingerprint()
    # The same again changes nothing more.
    again = json.loads((await shell(following, *arguments)).out)
    assert (again["finished"], again["fingerprint"]) == (True, document["fingerprint"])
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'master_key.rotated'") == 1
    shown = await shell(following, "key", "show")
    assert MasterKey(new).fingerprint() in shown.out
    assert b64encode(new).decode() not in shown.out + done.out + done.err


async def test_a_running_server_outlives_the_rotation_and_the_death_of_its_processes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEGRID_")}
    with running_up(data, "--data", str(data), "--port", "0", command=WHOLE) as up:
        async with open_services(Settings.from_env(connection(data))) as services:
            await build_city(services)
            await hire(services)
        before = DataFolder(data).keys()
        done = await shell(clean, "key", "rotate", "--as", GUARD.phone, "--reason", "每年更换", "--data", str(data))
        assert done.status == 0, done.err
        after = DataFolder(data).keys()
        assert after == replace(before, master_key=after.master_key)
        assert after.master_key != before.master_key
        assert is_ready(up.address)
        old = up.tree()["server"]
        os.kill(old, signal.SIGKILL)
        assert eventually(lambda: up.tree().get("server") not in (None, old))
        assert eventually(lambda: is_ready(up.address))
    with running_up(data, "--data", str(data), "--port", "0", command=WHOLE) as up:
        assert is_ready(up.address)


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready").status_code == 200
    except httpx.HTTPError:
        return False
