"""Restoring: what comes back, what must not, what is done again, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from schemas.catalogue import document
from server.cli import run
from server.embedded.services import running
from server.errors import Problem
from server.prepare import prepare
from server.services import Services, open_services
from server.settings import Settings
from server.storage.backup_files import BackupFolder
from server.storage.key_file import key_file
from server.usecases.adopting import adopt_photos
from server.usecases.audit_checking import verify_trail
from server.usecases.audit_sealing import seal_trail
from server.usecases.backing_up import BackupWish, Made, back_up
from server.usecases.erasure import erase_item
from server.usecases.photo_checks import check_upload
from server.usecases.publishing_catalogue import publish_catalogue
from server.usecases.reading import item_view
from server.usecases.restoring import Restored, RestoreWish, check_backup, restore, settle_witness
from server.usecases.telling import Teller
from server.usecases.witness import face_witness
from tests.builders import CADRE, WORKER, Phone, add_people, build_city, caller, create, deliver, enrol, photo
from tests.databases import drop_database
from tests.integration.catalogue_scene import PUBLISHER
from tests.integration.erasing_scene import RESIDENT_MARKS, Scene, open_scene, raw_set, send
from tests.integration.lockpick import clear_text, open_all

pytestmark = pytest.mark.long


@pytest.fixture
async def scene(services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> Scene:
    return await open_scene(services, app_client, truth)


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[str]:
    """An empty database on the same server."""
    name = f"{urlsplit(database_url).path[1:]}_restored"
    connection = await asyncpg.connect(database_url)
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    await drop_database(connection, name)
    await connection.close()


async def make(services: Services, folder: Path) -> Made:
    return await back_up(services, BackupWish(folder=folder), Teller())


async def bring_back(services: Services, made: Made, into: str, replaces: str | None = None) -> Restored:
    wish = RestoreWish(backup=Path(made.path), keys=None, reason="演练", into=into, replaces=replaces)
    return await restore(services.settings, wish, Teller())


@asynccontextmanager
async def restored_services(services: Services, url: str) -> AsyncIterator[tuple[Services, asyncpg.Connection]]:
    async with open_services(replace(services.settings, database_url=url)) as other:
        connection = await asyncpg.connect(url)
        yield other, connection
        await connection.close()


async def erase(services: Services, item: Any) -> None:
    await erase_item(services, await caller(services, CADRE), item, "本人申请删除", datetime.now(UTC))


async def test_what_was_there_comes_back_in_a_new_epoch(scene: Scene, elsewhere: str, tmp_path: Path) -> None:
    reader = await caller(scene.services, CADRE)
    before = await item_view(scene.services, reader, scene.resident)
    made = await make(scene.services, tmp_path)
    restored = await bring_back(scene.services, made, elsewhere)
    async with restored_services(scene.services, elsewhere) as (other, truth):
        assert await item_view(other, await caller(other, CADRE), scene.resident) == before
        epochs = [row["id"] for row in await truth.fetch("SELECT id FROM epoch ORDER BY seq")]
        assert epochs == [made.epoch, restored.epoch]
        act = await truth.fetchrow("SELECT reason, detail FROM audit WHERE action = 'epoch.begun'")
        assert act is not None
        assert act["reason"] == "演练"
        assert json.loads(act["detail"])["backup"] == Path(made.path).name
    assert (restored.erased, restored.closed, restored.missing_photos) == (0, 0, 0)


async def test_a_published_catalogue_comes_back(scene: Scene, elsewhere: str, tmp_path: Path) -> None:
    raw = json.loads(document()) | {"catalogue_version": "2025.1"}
    written = json.dumps(raw, ensure_ascii=False).encode()
    await scene.services.database.write(lambda tx: add_people(tx, scene.services, [PUBLISHER]))
    by = await caller(scene.services, PUBLISHER)
    assert (await publish_catalogue(scene.services, by, written, "年度目录")).published
    await bring_back(scene.services, await make(scene.services, tmp_path), elsewhere)
    async with restored_services(scene.services, elsewhere) as (other, _):
        assert (other.catalogue.version, other.catalogue.document) == ("2025.1", written)
        assert other.catalogue.accepted == {"2024.1", "2024.2", "2025.1"}


async def test_numbers_go_on_and_what_the_backup_held_is_answered_as_before(
    scene: Scene, elsewhere: str, tmp_path: Path
) -> None:
    phone = scene.worker
    held = phone.encode((create("0102"),), phone.no + 1)
    first = await send(phone, held)
    made = await make(scene.services, tmp_path)
    await phone.report("0102")
    restored = await bring_back(scene.services, made, elsewhere)
    async with restored_services(scene.services, elsewhere) as (other, _):
        again = Phone(other, WORKER, phone.device_id, restored.epoch)
        assert await send(again, held, phone.no - 1) == first
        again.no = phone.no - 1
        assert (await again.push(create("0102"))).no == phone.no


async def test_what_was_erased_after_the_backup_does_not_come_back(
    scene: Scene, elsewhere: str, tmp_path: Path
) -> None:
    """The key file is newer than the backup that is restored, and the old database is gone."""
    made = await make(scene.services, tmp_path)
    await erase(scene.services, scene.resident)
    await make(scene.services, tmp_path)
    restored = await bring_back(scene.services, made, elsewhere)
    assert restored.erased == 1
    assert restored.closed > 0
    async with restored_services(scene.services, elsewhere) as (other, truth):
        opened = await open_all(truth, other.keyring)
        texts = [text for values in opened.values() for text in values]
        assert not any(mark.encode() in text for mark in RESIDENT_MARKS for text in texts)
        text = await clear_text(truth)
        assert not any(mark in text for mark in RESIDENT_MARKS)
        assert await truth.fetchval("SELECT erased_at IS NOT NULL FROM item WHERE id = $1", scene.resident)
        assert await truth.fetchval("SELECT erased_at IS NULL FROM item WHERE id = $1", scene.dwelling)


async def test_the_replaced_database_tells_what_no_key_file_can(scene: Scene, elsewhere: str, tmp_path: Path) -> None:
    made = await make(scene.services, tmp_path)
    await erase(scene.services, scene.resident)
    await scene.truth.execute("UPDATE device SET revoked_at = now() WHERE id = $1", scene.mate.device_id)
    restored = await bring_back(scene.services, made, elsewhere, scene.services.settings.database_url)
    assert (restored.learnt, restored.erased, restored.revoked) == (True, 1, 1)
    async with restored_services(scene.services, elsewhere) as (_, truth):
        revoked = [row["id"] for row in await truth.fetch("SELECT id FROM device WHERE revoked_at IS NOT NULL")]
        assert revoked == [scene.mate.device_id]


async def test_photos_that_the_store_lost_are_counted(scene: Scene, elsewhere: str, tmp_path: Path) -> None:
    await scene.worker.report("0401", photos=[photo(77)])
    await deliver(scene.services, WORKER, 77)
    made = await make(scene.services, tmp_path)
    keys: list[str] = []
    await scene.services.objects.each(lambda found: keys.append(found.key))
    await scene.services.objects.delete(next(key for key in keys if key.startswith("evidence/")))
    restored = await bring_back(scene.services, made, elsewhere)
    assert (restored.photos, restored.missing_photos) == (2, 1)


async def test_photos_that_lie_in_the_store_are_taken_in_again(scene: Scene, elsewhere: str, tmp_path: Path) -> None:
    """The report and its photo came after the backup; the phone sends the set again, and has the photo no more."""
    made = await make(scene.services, tmp_path)
    raw = raw_set(scene.worker, scene.worker.no + 1, [create("0401", photos=[photo(78)])])
    await send(scene.worker, raw)
    await deliver(scene.services, WORKER, 78)
    restored = await bring_back(scene.services, made, elsewhere)
    async with restored_services(scene.services, elsewhere) as (other, truth):
        phone = Phone(other, WORKER, scene.worker.device_id, restored.epoch)
        assert (await send(phone, raw, scene.worker.no)).outcomes[0].outcome == "applied"
        state = "SELECT state FROM evidence WHERE sha256 = $1"
        sha256 = bytes.fromhex(photo(78)["sha256"])
        assert await truth.fetchval(state, sha256) == "declared"
        assert await adopt_photos(other) == 1
        assert await adopt_photos(other) == 0
        upload = await truth.fetchval("SELECT id FROM upload WHERE sha256 = $1", sha256)
        await check_upload(other, upload)
        assert await truth.fetchval(state, sha256) == "verified"


async def test_the_witness_knows_the_restored_database(scene: Scene, elsewhere: str, tmp_path: Path) -> None:
    """Its next start begins no further epoch; the old database would be told that it has been replaced."""
    services = scene.services
    made = await make(services, tmp_path)
    await bring_back(services, made, elsewhere)
    assert await settle_witness(replace(services.settings, database_url=elsewhere))
    async with restored_services(services, elsewhere) as (other, _):
        assert await face_witness(other.database, other.objects, other.keyring) is None
    assert await face_witness(services.database, services.objects, services.keyring) == "epoch_unknown"


async def test_the_audit_trail_goes_on_and_says_what_was_lost(scene: Scene, elsewhere: str, tmp_path: Path) -> None:
    await seal_trail(scene.services)
    made = await make(scene.services, tmp_path)
    await erase(scene.services, scene.resident)
    await seal_trail(scene.services)
    await bring_back(scene.services, made, elsewhere)
    async with restored_services(scene.services, elsewhere) as (restored, _):
        await seal_trail(restored)
        found = await verify_trail(restored, Teller())
    assert found.breaks == []
    assert found.waiting == 0
    (lost,) = found.lost
    assert lost.begins <= lost.ends


async def test_a_database_that_holds_something_is_not_written_to(services: Services, tmp_path: Path) -> None:
    made = await make(services, tmp_path)
    with pytest.raises(Problem) as refused:
        await bring_back(services, made, services.settings.database_url)
    assert refused.value.code == "restore_target_used"


async def refusal(settings: Settings, made: Made, keys: Path | None = None) -> str:
    with pytest.raises(Problem) as refused:
        await asyncio.to_thread(check_backup, settings, Path(made.path), keys)
    return refused.value.code


async def test_what_cannot_be_restored_is_refused_before_anything_is_written(
    services: Services, tmp_path: Path
) -> None:
    made = await make(services, tmp_path)
    older = tmp_path / "older"
    older.write_bytes(key_file(tmp_path, made.epoch).read_bytes())
    newer = await make(services, tmp_path)
    check_backup(services.settings, Path(newer.path), None)
    assert await refusal(services.settings, newer, older) == "backup_keys_unusable"
    assert await refusal(services.settings, newer, tmp_path / "nothing") == "backup_keys_unusable"
    assert await refusal(replace(services.settings, master_key=b"x" * 32), newer) == "backup_other_key"
    folder = BackupFolder(Path(newer.path))
    manifest = folder.manifest()
    folder.finish(replace(manifest, schema="9999"))
    assert await refusal(services.settings, newer) == "backup_newer"
    (folder.path / "manifest.json").unlink()
    assert await refusal(services.settings, newer) == "backup_unusable"


def ask(*arguments: str) -> int:
    return run(list(arguments))


async def test_an_external_database_is_filled_at_the_command_line(
    services: Services,
    environ: dict[str, str],
    elsewhere: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = await make(services, tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    why = ("restore", made.path, "--reason", "演练", "--json")
    capfd.readouterr()
    assert await asyncio.to_thread(ask, *why) == 1
    assert "--database-url" in capfd.readouterr().err
    assert await asyncio.to_thread(ask, *why, "--database-url", elsewhere) == 0
    done = json.loads(capfd.readouterr().out)
    assert (done["kept"], done["witness"], done["restored"]["learnt"]) == (None, True, False)
    assert await asyncio.to_thread(_prepare, environ | {"ONEGRID_DATABASE_URL": elsewhere}) is None
    assert await asyncio.to_thread(ask, *why, "--database-url", elsewhere) == 1
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "restore_target_used"


async def test_a_stopped_servers_database_is_replaced_and_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command line on a data folder, from backup to the next start."""
    data = tmp_path / "data"

    with running(data) as environ:
        await asyncio.to_thread(_prepare, environ)
        async with open_services(Settings.from_env(environ)) as services:
            await build_city(services)
            phone = await enrol(services, WORKER)
            kept = await phone.report("0102")
        capfd.readouterr()
        assert await asyncio.to_thread(ask, "backup", "--data", str(data), "--json") == 0
        backup = json.loads(capfd.readouterr().out)["path"]
        assert Path(backup).parent == data / "backups"
        async with open_services(Settings.from_env(environ)) as services:
            phone.services = services
            lost = await phone.report("0102")
        why = ("--data", str(data), "--reason", "演练")
        assert await asyncio.to_thread(ask, "restore", backup, *why) == 1
        assert "onegrid" in capfd.readouterr().err
    assert await asyncio.to_thread(ask, "restore", backup, *why, "--dry-run") == 0
    capfd.readouterr()
    assert await asyncio.to_thread(ask, "restore", backup, *why, "--json") == 0
    done = json.loads(capfd.readouterr().out)
    assert (done["witness"], done["restored"]["learnt"]) == (True, True)
    with running(data) as environ:
        assert await asyncio.to_thread(_prepare, environ) is None
        url = environ["ONEGRID_DATABASE_URL"]
        assert await _items(url) == {kept}
        assert await _items(urlunsplit(urlsplit(url)._replace(path=f"/{done['kept']}"))) == {kept, lost}


def _prepare(environ: dict[str, str]) -> str | None:
    return prepare(Settings.from_env(environ)).epoch


async def _items(url: str) -> set[Any]:
    connection = await asyncpg.connect(url)
    try:
        return {row["id"] for row in await connection.fetch("SELECT id FROM item")}
    finally:
        await connection.close()
