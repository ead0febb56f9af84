"""Restoring what another version of the program backed up, and restoring again after a restore that was cut off."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace as with_parts
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from server.db import backups, epochs
from server.db.backup_rules import LEFT_OUT
from server.db.backups import connect, tables_of
from server.db.conflicts import ConflictFilter
from server.db.database import Database
from server.db.installation import head_revision
from server.db.migrate import upgrade
from server.errors import Problem
from server.prepare import PrepareError, prepare
from server.services import Services, open_services
from server.storage import backup_files, pg_tools
from server.storage.backup_files import BackupFolder, Manifest
from server.usecases.backing_up import BackupWish, back_up
from server.usecases.backup_keys import write_keys
from server.usecases.conflict_views import list_conflicts
from server.usecases.doctor import examine
from server.usecases.reading import item_view
from server.usecases.restoring import RestoreWish, restore, settle_witness
from server.usecases.telling import Teller
from tests.builders import CADRE, WORKER, caller, form
from tests.databases import drop_database
from tests.integration.erasing_scene import Scene, open_scene
from tests.integration.test_two_timelines import serving, sync
from tests.phones import FieldPhone, field_phone

pytestmark = pytest.mark.long

FORMER = "0014"
"""Since then first steps have no rows any more, catalogues are stored, and lists have their indexes."""


@pytest.fixture
async def scene(services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> Scene:
    return await open_scene(services, app_client, truth)


@pytest.fixture
async def phone(scene: Scene, app_client: httpx.AsyncClient) -> FieldPhone:
    """A phone that holds what the worker reads."""
    phone = await field_phone(scene.services, app_client, WORKER)
    await phone.sync()
    return phone


@asynccontextmanager
async def another(url: str, name: str) -> AsyncGenerator[str]:
    """An empty database on the same server."""
    name = f"{urlsplit(url).path[1:]}_{name}"
    admin = await asyncpg.connect(url)
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    await drop_database(admin, name)
    await admin.close()


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[str]:
    async with another(database_url, "restored") as url:
        yield url


@pytest.fixture
async def former(database_url: str, phone: FieldPhone, tmp_path: Path) -> AsyncIterator[str]:
    """What the scene is, as a program with the former schema would have stored it."""
    async with another(database_url, "shape") as shape, another(database_url, "former") as url:
        await asyncio.to_thread(upgrade, shape, FORMER)
        dump = tmp_path / "shape.dump"
        async with _open(shape) as source, source.transaction(isolation="repeatable_read", readonly=True):
            await pg_tools.dump(shape, str(await source.fetchval("SELECT pg_export_snapshot()")), [], dump)
        await pg_tools.restore(url, "pre-data", dump)
        async with _open(database_url) as now, _open(url) as then:
            for table in await tables_of(then):
                await _carry(now, then, table)
            await then.execute("INSERT INTO alembic_version VALUES ($1)", FORMER)
        await pg_tools.restore(url, "post-data", dump)
        yield url


@asynccontextmanager
async def _open(url: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await connect(url)
    yield connection
    await connection.close()


_TOLD_BY = {"review_step": "review_steps", "case_step": "case_steps"}
"""First steps that are told by a view today and had rows then."""


async def _carry(now: asyncpg.Connection, then: asyncpg.Connection, table: str) -> None:
    """The rows of a table in the columns that it had, and its counting where it went on."""
    if table == "alembic_version":
        return
    columns = await then.fetch(
        "SELECT attname AS name, attidentity <> '' AS counted FROM pg_attribute "
        "WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        table,
    )
    names = ", ".join(f'"{row["name"]}"' for row in columns)
    rows: list[bytes] = []

    async def take(part: bytes) -> None:
        rows.append(part)

    await now.copy_from_query(f'SELECT {names} FROM "{_TOLD_BY.get(table, table)}"', output=take, format="binary")

    async def give() -> AsyncIterator[bytes]:
        for part in rows:
            yield part

    await then.copy_to_table(table, source=give(), columns=[row["name"] for row in columns], format="binary")
    for row in columns:
        if row["counted"]:
            await then.execute(
                f'SELECT setval(pg_get_serial_sequence($1, $2), greatest(1, max("{row["name"]}"))) FROM "{table}"',
                table,
                row["name"],
            )


@asynccontextmanager
async def services_on(services: Services, url: str) -> AsyncGenerator[Services]:
    """The services, on a database that this program would not open as it is."""
    database = await Database.connect(url, size=2)
    yield with_parts(services, settings=replace(services.settings, database_url=url), database=database)
    await database.close()


async def bring_back(services: Services, made: Path, into: str) -> str:
    wish = RestoreWish(backup=made, keys=None, reason="演练", into=into)
    return (await restore(services.settings, wish, Teller())).epoch


async def backed_up(services: Services, folder: Path) -> Path:
    """A backup as that program made it; what it proved of it, today's program proves of today's schema alone."""
    draft = backup_files.begin(folder, datetime.now(UTC))
    async with backups.snapshot(services.settings.database_url) as connection:
        held, epoch = await backups.read_held(connection), await epochs.current(connection)
        left_out = [rule.table for rule in LEFT_OUT]
        await pg_tools.dump(services.settings.database_url, held.snapshot, left_out, draft.dump)
        for table, columns in held.apart.items():
            await backup_files.write_table(draft.table(table), backups.copy_out(connection, table, columns))
    manifest = Manifest(
        format=backup_files.FORMAT,
        program="0.0.9",
        at=datetime.now(UTC),
        postgres=held.postgres,
        schema=held.schema,
        epoch=epoch.id,
        epoch_seq=epoch.seq,
        tables=held.tables,
        apart=held.apart,
        objects=0,
        object_bytes=0,
        parts=draft.parts(),
    )
    (await write_keys(services, folder)).publish()
    return draft.finish(manifest).path


async def test_a_backup_of_an_older_program_comes_back_as_it_is_today(
    scene: Scene, phone: FieldPhone, former: str, elsewhere: str, tmp_path: Path
) -> None:
    async with services_on(scene.services, former) as then:
        backup = await backed_up(then, tmp_path / "backups")
    assert BackupFolder(backup).manifest().schema == FORMER
    before = await standing(scene.services, scene)
    lost = phone.create("0102", form("0102"))
    phone.seal()
    await phone.sync()
    await bring_back(scene.services, backup, elsewhere)
    settings = replace(scene.services.settings, database_url=elsewhere)
    async with (
        serving(settings) as (other, client),
        _open(elsewhere) as truth,
    ):
        assert await truth.fetchval("SELECT version_num FROM alembic_version") == head_revision()
        assert await standing(other, scene) == before
        faults = [one for one in (await examine(other, tmp_path, Teller())).findings if one.state == "fault"]
        assert {one.check for one in faults} <= _NOT_OF_THE_RESTORE
        await sync(phone, client)
        assert phone.device.unsent == 0
        assert await truth.fetchval("SELECT count(*) FROM item WHERE id = $1", lost) == 1
        fresh = await field_phone(other, client, WORKER)
        await fresh.sync()
        assert {item.id: item for item in phone.device.items()} == {item.id: item for item in fresh.device.items()}


_NOT_OF_THE_RESTORE = {"jobs", "witness"}
"""No job process runs here, and the witness is told by the command."""


async def standing(services: Services, scene: Scene) -> list[Any]:
    """Items as they open, conflicts as they are listed, numbers of phones, and rows that are as they were."""
    reader = await caller(services, CADRE)
    told: list[Any] = [
        await item_view(services, reader, item) for item in (scene.dwelling, scene.resident, scene.hazard)
    ]
    told.append([one.id for one in (await list_conflicts(services, reader, ConflictFilter(), limit=50)).conflicts])
    assert told[-1]
    async with _open(services.settings.database_url) as truth:
        return [*told, *[[tuple(row) for row in await truth.fetch(query)] for query in _THE_SAME]]


_THE_SAME = (
    "SELECT device_id, last_no FROM counter JOIN epoch e ON e.id = epoch WHERE e.seq = 1 ORDER BY device_id",
    "SELECT * FROM conflict ORDER BY id",
    "SELECT * FROM quarantine ORDER BY id",
    "SELECT * FROM review_steps ORDER BY item_id, seq",
    "SELECT * FROM case_steps ORDER BY item_id, seq",
)


async def test_a_backup_of_a_newer_program_says_which_one_is_needed(
    scene: Scene, elsewhere: str, tmp_path: Path
) -> None:
    made = await back_up(scene.services, BackupWish(folder=tmp_path), Teller())
    folder = BackupFolder(Path(made.path))
    folder.finish(replace(folder.manifest(), schema="9999", program="7.1.3"))
    with pytest.raises(Problem) as refused:
        await bring_back(scene.services, folder.path, elsewhere)
    assert refused.value.code == "backup_newer"
    for said in (refused.value.zh, refused.value.en):
        assert "onegrid 7.1.3" in said
        assert head_revision() in said
    async with _open(elsewhere) as truth:
        assert await tables_of(truth) == []


@pytest.mark.parametrize(
    "phase", ["bringing the schema up, loading the keys", "erasing what was erased since", "looking for the photos"]
)
async def test_a_restore_that_was_cut_off_serves_nobody_and_is_done_again(
    scene: Scene, elsewhere: str, environ: dict[str, str], tmp_path: Path, phase: str
) -> None:
    made = await back_up(scene.services, BackupWish(folder=tmp_path), Teller())
    command = (sys.executable, "-m", "tests.integration.dying_restore", made.path, elsewhere, phase)
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | environ)
    assert await process.wait() == -signal.SIGKILL
    settings = replace(scene.services.settings, database_url=elsewhere)
    with pytest.raises(PrepareError, match="onegrid restore"):
        await asyncio.to_thread(prepare, settings)
    epoch = await bring_back(scene.services, Path(made.path), elsewhere)
    assert await settle_witness(settings)
    assert (await asyncio.to_thread(prepare, settings)).epoch is None
    async with open_services(settings) as other, _open(elsewhere) as truth:
        assert [row["id"] for row in await truth.fetch("SELECT id FROM epoch ORDER BY seq")] == [made.epoch, epoch]
        reader = await caller(scene.services, CADRE)
        assert await item_view(other, reader, scene.resident) == await item_view(scene.services, reader, scene.resident)
