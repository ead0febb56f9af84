"""Backups: what is in them and what is not, the proof that they restore, and what phones may let go of afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
import zstandard
from msgspec import json
from msgspec.structs import replace

from server.db import backups, installation
from server.errors import Problem
from server.sealing import MasterKey
from server.services import Services
from server.storage.backup_files import BackupFolder, NoBackup, whole_backups
from server.storage.key_file import About, KeyFile, KeyFileWriter, KeysUnreadable, OtherMasterKey, key_file
from server.usecases.backing_up import BackupWish, Made, back_up
from server.usecases.erasure import erase_item
from server.usecases.telling import Teller
from tests.builders import CADRE, caller
from tests.databases import drop_database
from tests.integration.erasing_scene import HAZARD_MARKS, RESIDENT_MARKS, Scene, open_scene
from tests.integration.test_backup_rules import run
from tests.integration.test_keys import NEW, hire, rotate

pytestmark = pytest.mark.long

ABOUT = About(at=datetime(2026, 1, 1, tzinfo=UTC), epoch="first")


@pytest.fixture
async def scene(services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> Scene:
    return await open_scene(services, app_client, truth)


async def make(services: Services, folder: Path, **wish: Any) -> Made:
    return await back_up(services, BackupWish(folder=folder, **wish), Teller())


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def names(folder: Path) -> list[str]:
    return [path.name for path in files(folder)]


def opened(services: Services, made: Made) -> KeyFile:
    path = key_file(Path(made.path).parent, made.epoch)
    return KeyFile(path, installation.master_keys(services.settings))


async def test_a_backup_is_proved_and_only_then_phones_may_let_go(scene: Scene, tmp_path: Path) -> None:
    numbers = "SELECT device_id, last_no, safe_no FROM counter ORDER BY device_id"
    before = await scene.truth.fetch(numbers)
    assert all(row["safe_no"] == 0 < row["last_no"] for row in before)
    made = await make(scene.services, tmp_path)
    assert (made.proof, made.devices) == ("restored", len(before))
    after = await scene.truth.fetch(numbers)
    assert [row["safe_no"] for row in after] == [row["last_no"] for row in before]
    acts = await scene.truth.fetch("SELECT detail FROM audit WHERE action = 'backup.made'")
    assert len(acts) == 1
    leftover = "SELECT count(*) FROM pg_database WHERE datname LIKE 'onegrid_proof%'"
    assert await scene.truth.fetchval(leftover) == 0


async def test_what_comes_after_the_snapshot_is_not_safe(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that is decided while the backup is made is in no backup yet."""
    read = backups.read_held

    async def then_push(connection: asyncpg.Connection) -> backups.Held:
        held = await read(connection)
        await scene.worker.report("0102")
        return held

    monkeypatch.setattr(backups, "read_held", then_push)
    made = await make(scene.services, tmp_path)
    row = await scene.truth.fetchrow(
        "SELECT last_no, safe_no FROM counter WHERE device_id = $1", scene.worker.device_id
    )
    assert row is not None
    assert row["safe_no"] == row["last_no"] - 1
    manifest = BackupFolder(Path(made.path)).manifest()
    assert manifest.tables["item"] == await scene.truth.fetchval("SELECT count(*) FROM item") - 1


async def test_a_backup_that_cannot_be_proved_is_not_taken(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = backups.read_held

    async def one_more(connection: asyncpg.Connection) -> backups.Held:
        held = await read(connection)
        held.tables["item"] += 1
        return held

    monkeypatch.setattr(backups, "read_held", one_more)
    with pytest.raises(Problem) as refused:
        await make(scene.services, tmp_path)
    assert refused.value.code == "backup_unproved"
    assert names(tmp_path) == []
    assert await scene.truth.fetchval("SELECT max(safe_no) FROM counter") == 0


async def test_where_no_database_may_be_made_it_is_read_again_and_phones_keep_all(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = asyncpg.Connection.execute

    async def refuse(self: asyncpg.Connection, query: str, *args: Any, **more: Any) -> str:
        if query.startswith("CREATE DATABASE"):
            raise asyncpg.InsufficientPrivilegeError("permission denied to create database")
        return await execute(self, query, *args, **more)

    monkeypatch.setattr(asyncpg.Connection, "execute", refuse)
    made = await make(scene.services, tmp_path)
    assert (made.proof, made.devices) == ("read", 0)
    assert await scene.truth.fetchval("SELECT max(safe_no) FROM counter") == 0


async def test_no_file_of_a_backup_opens_anything_without_the_master_key(scene: Scene, tmp_path: Path) -> None:
    made = await make(scene.services, tmp_path)
    wrapped = await scene.truth.fetch(
        "SELECT wrapped FROM item_key UNION ALL SELECT wrapped FROM change_set WHERE wrapped IS NOT NULL "
        "UNION ALL SELECT wrapped FROM forked_set WHERE wrapped IS NOT NULL "
        "UNION ALL SELECT root_wrapped FROM installation"
    )
    secrets = [row["wrapped"] for row in wrapped]
    marks = [mark.encode() for mark in (*RESIDENT_MARKS, *HAZARD_MARKS)]
    await run("pg_restore", f"--file={tmp_path / 'plain.sql'}", str(Path(made.path) / "database.dump"))
    plain = (tmp_path / "plain.sql").read_bytes()
    assert b"COPY public.item " in plain
    assert not any(one in plain or one.hex().encode() in plain for one in (*secrets, *marks))
    for file in [*files(Path(made.path)), key_file(tmp_path, made.epoch)]:
        content = plain_bytes(file)
        assert not any(one in content or one.hex().encode() in content for one in (*secrets, *marks)), file.name
        assert file.stat().st_mode & 0o077 == 0, file.name
    text = b"".join(data for _, data in opened(scene.services, made).frames())
    assert all(secret in text for secret in secrets)


def plain_bytes(file: Path) -> bytes:
    """A file of a backup, unpacked."""
    content = file.read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(content) if file.suffix == ".zst" else content


async def test_an_erased_items_key_is_gone_from_the_next_key_file(scene: Scene, tmp_path: Path) -> None:
    key = await scene.truth.fetchval("SELECT wrapped FROM item_key WHERE item_id = $1", scene.resident)
    first = await make(scene.services, tmp_path)
    assert any(key in data for _, data in opened(scene.services, first).frames())
    await erase_item(
        scene.services, await caller(scene.services, CADRE), scene.resident, "本人申请删除", datetime.now(UTC)
    )
    second = await make(scene.services, tmp_path)
    assert not any(key in data for _, data in opened(scene.services, second).frames())
    assert [name for name in names(tmp_path) if name.startswith("keys-")] == [f"keys-{first.epoch}.onegrid"]


async def test_key_files_of_former_epochs_lose_what_is_erased_and_go_with_their_backups(
    scene: Scene, tmp_path: Path
) -> None:
    key = await scene.truth.fetchval("SELECT wrapped FROM item_key WHERE item_id = $1", scene.resident)
    other = await scene.truth.fetchval("SELECT wrapped FROM item_key WHERE item_id = $1", scene.dwelling)
    first = await make(scene.services, tmp_path)
    await scene.truth.execute("INSERT INTO epoch (id, reason) VALUES ('second', 'restored')")
    await erase_item(
        scene.services, await caller(scene.services, CADRE), scene.resident, "本人申请删除", datetime.now(UTC)
    )
    second = await make(scene.services, tmp_path)
    former = b"".join(data for _, data in opened(scene.services, first).frames())
    assert key not in former
    assert other in former
    assert second.epoch == "second"
    await make(scene.services, tmp_path, keep=1)
    assert [name for name in names(tmp_path) if name.startswith("keys-")] == ["keys-second.onegrid"]


async def test_a_rotation_puts_the_key_files_of_every_epoch_under_the_new_key(scene: Scene, tmp_path: Path) -> None:
    await hire(scene.services)
    key = await scene.truth.fetchval("SELECT wrapped FROM item_key WHERE item_id = $1", scene.resident)
    other = await scene.truth.fetchval("SELECT wrapped FROM item_key WHERE item_id = $1", scene.dwelling)
    first = await make(scene.services, tmp_path)
    await scene.truth.execute("INSERT INTO epoch (id, reason) VALUES ('second', 'restored')")
    second = await make(scene.services, tmp_path)
    await erase_item(
        scene.services, await caller(scene.services, CADRE), scene.resident, "本人申请删除", datetime.now(UTC)
    )
    before = [KeyFile(key_file(tmp_path, made.epoch), [old_key(scene.services)]).about for made in (first, second)]
    await rotate(scene.services, folder=tmp_path)
    for made, about in zip((first, second), before, strict=True):
        file = KeyFile(key_file(tmp_path, made.epoch), [MasterKey(NEW)])
        assert file.about == about
        held = b"".join(data for _, data in file.frames())
        assert other in held
        assert key not in held
        with pytest.raises(OtherMasterKey):
            KeyFile(key_file(tmp_path, made.epoch), [old_key(scene.services)])


async def test_who_no_longer_knows_the_key_in_use_touches_no_key_file(scene: Scene, tmp_path: Path) -> None:
    await hire(scene.services)
    made = await make(scene.services, tmp_path)
    await rotate(scene.services, folder=tmp_path)
    with pytest.raises(Problem, match="master_key_changed"):
        await rotate(scene.services, b"o" * 32, folder=tmp_path)
    assert KeyFile(key_file(tmp_path, made.epoch), [MasterKey(NEW)]).about.epoch == made.epoch


async def test_a_key_file_that_nobody_can_open_is_named_and_left(scene: Scene, tmp_path: Path) -> None:
    await hire(scene.services)
    await make(scene.services, tmp_path)
    writer = KeyFileWriter(tmp_path, MasterKey(b"x" * 32), ABOUT)
    writer.finish()
    writer.publish()
    content = key_file(tmp_path, ABOUT.epoch).read_bytes()
    assert (await rotate(scene.services, folder=tmp_path)).unopened == [f"keys-{ABOUT.epoch}.onegrid"]
    assert key_file(tmp_path, ABOUT.epoch).read_bytes() == content


async def test_nothing_is_rotated_while_a_backup_is_made(scene: Scene, tmp_path: Path) -> None:
    await hire(scene.services)
    async with backups.alone(scene.services.settings.database_url):
        with pytest.raises(Problem, match="backup_running"):
            await rotate(scene.services, folder=tmp_path)
    root = await scene.truth.fetchval("SELECT master_key_check FROM installation")
    assert root == old_key(scene.services).check_value()


def old_key(services: Services) -> MasterKey:
    return MasterKey(services.settings.master_key)


async def test_only_so_many_are_kept_and_the_newest_first(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await make(services, tmp_path / "a", keep=2)]
    for _ in range(2):
        made.append(await make(services, tmp_path / "a", keep=2))
    assert made[-1].pruned == [Path(made[0].path).name]
    assert [str(one.path) for one in whole_backups(tmp_path / "a")] == [made[2].path, made[1].path]


async def test_a_changed_byte_is_found(services: Services, tmp_path: Path) -> None:
    made = await make(services, tmp_path)
    folder = BackupFolder(Path(made.path))
    folder.check(folder.manifest())
    content = bytearray(folder.dump.read_bytes())
    content[len(content) // 2] ^= 1
    folder.dump.write_bytes(content)
    with pytest.raises(NoBackup, match=r"database\.dump"):
        folder.check(folder.manifest())


async def test_two_backups_at_once_are_one(services: Services, tmp_path: Path) -> None:
    async with backups.alone(services.settings.database_url):
        with pytest.raises(Problem) as refused:
            await make(services, tmp_path)
    assert refused.value.code == "backup_running"


async def test_the_manifest_says_what_there_is(scene: Scene, tmp_path: Path) -> None:
    made = await make(scene.services, tmp_path)
    manifest = json.decode((Path(made.path) / "manifest.json").read_bytes())
    assert manifest["tables"]["item"] == await scene.truth.fetchval("SELECT count(*) FROM item")
    assert manifest["schema"] == installation.head_revision()
    assert manifest["objects"] == made.objects > 0
    assert {one["name"] for one in manifest["parts"]} >= {"database.dump", "change_set.copy.zst", "objects.jsonl.zst"}


def written(folder: Path, master: MasterKey) -> Path:
    writer = KeyFileWriter(folder, master, ABOUT)
    for number in range(3):
        writer.add("keys", bytes([number]) * 100)
    writer.finish()
    writer.publish()
    return key_file(folder, ABOUT.epoch)


def test_a_key_file_that_was_cut_or_changed_is_not_read(tmp_path: Path) -> None:
    master = MasterKey(b"m" * 32)
    path = written(tmp_path, master)
    whole = path.read_bytes()
    assert [data[0] for _, data in KeyFile(path, [master]).frames()] == [0, 1, 2]
    first = whole.index(b"\n") + 1
    second = first + 4 + int.from_bytes(whole[first : first + 4])
    for damaged in (
        whole[:-10],
        whole[:second],
        whole[:first],
        whole[:-1] + bytes([whole[-1] ^ 1]),
        b"",
        b"other 1 2\n",
    ):
        path.write_bytes(damaged)
        with pytest.raises(KeysUnreadable):
            list(KeyFile(path, [master]).frames())
    with pytest.raises(OtherMasterKey):
        KeyFile(written(tmp_path, master), [MasterKey(b"o" * 32)])


async def test_keys_under_another_master_key_are_told(services: Services, tmp_path: Path) -> None:
    made = await make(services, tmp_path)
    settings = replace(services.settings, master_key=b"x" * 32)
    with pytest.raises(OtherMasterKey):
        KeyFile(key_file(tmp_path, made.epoch), installation.master_keys(settings))


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[str]:
    """An empty database on the same server."""
    name = f"{urlsplit(database_url).path[1:]}_proof"
    connection = await asyncpg.connect(database_url)
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    await drop_database(connection, name)
    await connection.close()


async def test_a_database_may_be_given_for_the_proof_and_is_empty_again(
    services: Services, tmp_path: Path, elsewhere: str
) -> None:
    for _ in range(2):
        assert (await make(services, tmp_path, verify_into=elsewhere)).proof == "restored"
    other = await asyncpg.connect(elsewhere)
    assert await backups.tables_of(other) == []
    await other.execute("CREATE TABLE somebodys (id integer)")
    with pytest.raises(Problem) as refused:
        await make(services, tmp_path, verify_into=elsewhere)
    assert refused.value.code == "restore_target_used"
    assert await backups.tables_of(other) == ["somebodys"]
    await other.close()
