"""The doctor on a real installation: well, and with one thing after the other broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import asyncpg
import msgspec
import pytest

from server.db import audit
from server.db.installation import head_revision
from server.services import Services
from server.storage.objects import ObjectStore
from server.usecases.audit_checkpoints import checkpoint_key
from server.usecases.audit_sealing import seal_trail
from server.usecases.doctor import examine
from server.usecases.telling import Teller
from server.usecases.witness import face_witness, witness_key
from tests.builders import GRIDS, WORKER, Person, add_people, build_city, enrol
from tests.integration.terminal import shell
from tests.integration.test_audit import by_force

HEAD = head_revision()
GUARD = Person("security_administrator", "13900000090", division="341100000000")


@pytest.fixture
async def house(services: Services, truth: asyncpg.Connection) -> Services:
    """A city with a report, whose job process has just run and whose backup was proved."""
    await build_city(services)
    await services.database.write(lambda tx: add_people(tx, services, [GUARD]))
    await (await enrol(services, WORKER)).report("0103")
    await services.database.write(
        lambda tx: audit.record(tx.connection, None, "backup.made", "backup", "x", None, {"proof": "restored"})
    )
    await truth.execute(
        "INSERT INTO pgqueuer_schedules (expression, entrypoint, last_run) VALUES ('* * * * *', 'x', now())"
    )
    await seal_trail(services)
    await face_witness(services.database, services.objects, services.keyring)
    return services


async def found(services: Services, folder: Path) -> dict[str, str]:
    """The checks that are not well, and how they are."""
    examined = await examine(services, folder, Teller())
    for one in examined.findings:
        assert (one.state == "ok") == (one.do_zh is None) == (one.do_en is None)
    return {one.check: one.state for one in examined.findings if one.state != "ok"}


async def test_grids_past_their_last_day_are_named(house: Services, truth: asyncpg.Connection, tmp_path: Path) -> None:
    today = "(now() AT TIME ZONE 'Asia/Shanghai')::date"
    await truth.execute(f"UPDATE grid_label SET valid_to = {today} WHERE code = $1", GRIDS[1])
    assert "registry" not in await found(house, tmp_path)
    await truth.execute(f"UPDATE grid_label SET valid_to = {today} - 1 WHERE code = $1", GRIDS[1])
    examined = await examine(house, tmp_path, Teller())
    (one,) = [one for one in examined.findings if one.check == "registry"]
    assert (one.state, one.facts["over"]) == ("warning", [GRIDS[1]])


async def test_a_house_in_order_is_well_and_nothing_is_left_of_looking(house: Services, tmp_path: Path) -> None:
    assert await found(house, tmp_path) in ({}, {"catalogue": "warning"})
    keys: list[str] = []
    await house.objects.each(lambda one: keys.append(one.key))
    assert not [key for key in keys if key.startswith("doctor/")]


BROKEN = {
    "schema": ("UPDATE alembic_version SET version_num = '-'", f"UPDATE alembic_version SET version_num = '{HEAD}'"),
    "jobs": (
        "UPDATE pgqueuer_schedules SET last_run = now() - interval '1 hour'",
        "UPDATE pgqueuer_schedules SET last_run = now()",
    ),
    "streams": (
        "UPDATE stream SET digest = digest # 1 WHERE head > 0",
        "UPDATE stream SET digest = digest # 1 WHERE head > 0",
    ),
    "keys": (
        "UPDATE item SET sealed = sealed || 'x'::bytea WHERE sealed IS NOT NULL",
        "UPDATE item SET sealed = substring(sealed FOR length(sealed) - 1) WHERE sealed IS NOT NULL",
    ),
    "references": (
        "INSERT INTO item_search (item_id, terms) VALUES ('00000000-0000-0000-0000-000000000000', '{}')",
        "DELETE FROM item_search WHERE item_id = '00000000-0000-0000-0000-000000000000'",
    ),
    "backups": (
        "UPDATE audit SET action = 'other' WHERE action = 'backup.made'",
        "UPDATE audit SET action = 'backup.made' WHERE action = 'other'",
    ),
    "audit": (
        "INSERT INTO audit (at, action, subject_kind, subject_id) VALUES (now() - interval '2 hours', 'y', 'y', 'y')",
        "DELETE FROM audit WHERE action = 'y'",
    ),
    "devices": (
        "UPDATE device SET enrolled_at = now() - interval '20 days'",
        "UPDATE device SET enrolled_at = now()",
    ),
    "people": (
        "UPDATE assignment SET role = 'former' WHERE role = 'auditor'",
        "UPDATE assignment SET role = 'auditor' WHERE role = 'former'",
    ),
    "waiting": (
        "INSERT INTO quarantine (id, device_id, epoch, set_no, outcome, code, received_at)"
        " SELECT gen_random_uuid(), d.id, e.id, 99, 'rejected', 'x', now() - interval '40 days' FROM device d, epoch e",
        "DELETE FROM quarantine",
    ),
}


async def test_each_thing_that_is_broken_is_named(house: Services, truth: asyncpg.Connection, tmp_path: Path) -> None:
    before = await found(house, tmp_path)
    for check, (broken, mended) in BROKEN.items():
        async with by_force(truth) as force:
            await force.execute(broken)
        told = await found(house, tmp_path)
        assert told.pop(check, "ok") != "ok", check
        assert {**before, **told} == before, check
        async with by_force(truth) as force:
            await force.execute(mended)
    assert await found(house, tmp_path) == before


async def test_a_store_that_is_away_is_named(house: Services, tmp_path: Path) -> None:
    away = msgspec.structs.replace(house.settings, s3_endpoint="http://127.0.0.1:9", s3_public_endpoint="")
    told = await found(replace(house, settings=away, objects=ObjectStore.from_settings(away)), tmp_path)
    assert told["object_store"] == "fault"
    assert told["audit"] == "fault"
    assert told["witness"] == "warning"


async def test_an_address_that_phones_cannot_reach_is_named(house: Services, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(house.settings, s3_public_endpoint="http://127.0.0.1:9")
    lost = replace(house, settings=settings, objects=ObjectStore.from_settings(settings))
    assert (await found(lost, tmp_path))["public_endpoint"] == "warning"


async def test_a_witness_or_checkpoint_that_is_not_ours_is_named(house: Services, tmp_path: Path) -> None:
    async with house.database.read() as connection:
        epoch = await connection.fetchval("SELECT id FROM epoch ORDER BY seq DESC LIMIT 1")
    for key, check in ((witness_key(house.keyring), "witness"), (checkpoint_key(house.keyring, epoch), "audit")):
        kept = await house.objects.read(key, 100_000)
        await house.objects.write(key, b"{}", "application/json")
        assert (await found(house, tmp_path))[check] == "fault"
        await house.objects.write(key, kept, "application/json")


async def test_the_command(house: Services, environ: dict[str, str], truth: asyncpg.Connection, tmp_path: Path) -> None:
    well = await shell(environ, "doctor", "--json", "--data", str(tmp_path))
    assert well.status == 0, well.out
    assert json.loads(well.out)["state"] in ("ok", "warning")
    await truth.execute("UPDATE pgqueuer_schedules SET last_run = now() - interval '1 hour'")
    ill = await shell(environ, "doctor", "--data", str(tmp_path))
    assert ill.status == 1
    assert "✗ jobs: 后台任务没有运行" in ill.out
    assert "→" in ill.out
    closed = environ | {"ONEGRID_MASTER_KEY": "A" * 43 + "="}
    unopened = await shell(closed, "doctor", "--json")
    assert unopened.status == 1
    (only,) = json.loads(unopened.out)["findings"]
    assert (only["check"], only["state"]) == ("installation", "fault")


NOT_HERE = "http://127.0.0.1:9"
ILL: dict[str, tuple[dict[str, str], str, str, str, str]] = {
    "database down": (
        {"ONEGRID_DATABASE_URL": "postgresql://onegrid:x@127.0.0.1:9/onegrid"},
        "SELECT", "installation", "请确认 PostgreSQL 在运行", "see that PostgreSQL runs",
    ),
    "object store down": (
        {"ONEGRID_S3_ENDPOINT": NOT_HERE, "ONEGRID_S3_PUBLIC_ENDPOINT": NOT_HERE},
        "SELECT", "object_store", "确认对象存储在运行", "See that the object store runs",
    ),
    "object store of other keys": (
        {"ONEGRID_S3_SECRET_KEY": "another-secret-key"},
        "SELECT", "object_store", "检查 ONEGRID_S3_ACCESS_KEY", "Check ONEGRID_S3_ACCESS_KEY",
    ),
    "another bucket": (
        {"ONEGRID_S3_BUCKET": "no-such-bucket"},
        "SELECT", "object_store", "检查 ONEGRID_S3_BUCKET", "Check ONEGRID_S3_BUCKET",
    ),
    "wrong master key": (
        {"ONEGRID_MASTER_KEY": "A" * 43 + "="},
        "SELECT", "installation", "请换回此数据库所用的主密钥", "set the key that it is used with",
    ),
    "schema behind": (
        {},
        "DROP TABLE catalogue; UPDATE alembic_version SET version_num = '0014'",
        "installation", "再运行 onegrid up", "then run onegrid up",
    ),
    "schema ahead": (
        {},
        "UPDATE alembic_version SET version_num = '9999'",
        "schema", "安装该更新版本", "Install that later version",
    ),
    "restore cut off": (
        {},
        "CREATE TABLE onegrid_restore_unfinished ()",
        "schema", "再次运行 onegrid restore", "Run onegrid restore again",
    ),
    "keys not restored": (
        {},
        "DELETE FROM installation",
        "installation", "请运行 onegrid restore", "run onegrid restore",
    ),
    "backup too old": (
        {},
        "UPDATE audit SET at = now() - interval '9 days' WHERE action = 'backup.made'",
        "backups", "现在就运行 onegrid backup", "Run onegrid backup now",
    ),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("ill", ILL)
async def test_what_an_administrator_may_meet_is_told_with_what_to_do_next(
    house: Services, environ: dict[str, str], truth: asyncpg.Connection, tmp_path: Path, ill: str
) -> None:
    changed, statement, check, todo_zh, todo_en = ILL[ill]
    async with by_force(truth) as force:
        await force.execute(statement)
    told = await shell(environ | changed, "doctor", "--json", "--data", str(tmp_path))
    assert told.status == 1
    (found,) = [one for one in told.document["findings"] if one["check"] == check]
    assert found["state"] == "fault"
    assert todo_zh in found["zh"] + found["do_zh"]
    assert todo_en in found["en"] + found["do_en"]
