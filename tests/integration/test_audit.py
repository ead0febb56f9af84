"""The audit trail: only ever added to, linked, sealed and checked; whatever is done to it past the program is named."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from schemas.auditing import AuditRow, BreakKind
from server.cli.audit_tables import WORDS
from server.db import audit
from server.db.audit_links import TrailFilter, every_link
from server.db.epochs import current
from server.db.quarantine import QuarantineFilter
from server.errors import Problem
from server.services import Services
from server.usecases.audit_checking import Verified, verify_trail
from server.usecases.audit_checkpoints import checkpoint_key
from server.usecases.audit_export import export_trail
from server.usecases.audit_file import verify_file
from server.usecases.audit_sealing import seal_trail
from server.usecases.epochs import begin_epoch
from server.usecases.erasure import erase_item
from server.usecases.quarantine_release import ReleaseOrder, release
from server.usecases.quarantine_views import list_held
from server.usecases.receipts import prune
from server.usecases.telling import Teller
from sync.audit_chain import link_hash, row_hash
from tests.builders import ADMINISTRATOR, AUDITOR, CADRE, GRIDS, WORKER, build_city, caller, create, enrol
from tests.integration.terminal import shell

TABLES = ("audit", "audit_link", "audit_seal", "audit_checkpoint")
DAMAGED = (*TABLES, "change_set", "revision")


@pytest.fixture
async def trail(services: Services) -> Services:
    """Three chains with nine rows under three seals, a phone's with two sets under two more, and a checkpoint."""
    await build_city(services)
    for round_ in range(3):
        await act(services, ADMINISTRATOR.id, "user", f"{round_}")
        await act(services, CADRE.id, "item", f"{round_}")
        await act(services, None, "city", f"{round_}")
        assert await seal_trail(services) == 3
    phone = await enrol(services, WORKER)
    for _ in range(2):
        await phone.push(create("0103"), create("0103", grid=GRIDS[1]))
        assert await seal_trail(services) == 1
    return services


async def act(services: Services, actor: Any, kind: str, subject: str, reason: str = "=原因") -> None:
    await services.database.write(
        lambda tx: audit.record(tx.connection, actor, f"{kind}.done", kind, subject, reason, {"b": 1.0, "a": [None]})
    )


async def verify(services: Services) -> Verified:
    return await verify_trail(services, Teller())


async def named(services: Services) -> set[BreakKind]:
    return {one.kind for one in (await verify(services)).breaks}


@asynccontextmanager
async def by_force(truth: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """What somebody does who may do anything to the database."""
    for table in TABLES:
        await truth.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield truth
    for table in TABLES:
        await truth.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def test_a_trail_that_nobody_touched_is_whole(trail: Services) -> None:
    found = await verify(trail)
    assert (found.rows, found.chains, found.seals, found.waiting) == (11, 4, 5, 0)
    assert (found.breaks, found.lost, found.more) == ([], [], 0)
    await act(trail, ADMINISTRATOR.id, "user", "4")
    assert (await verify(trail)).waiting == 1


async def test_rows_are_only_ever_added(trail: Services, truth: asyncpg.Connection) -> None:
    columns = {"audit": "reason", "audit_link": "hash", "audit_seal": "hash", "audit_checkpoint": "epoch"}
    for statement in ("DELETE FROM {}", "TRUNCATE {}", "UPDATE {0} SET {1} = {1}"):
        for table in TABLES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await truth.execute(statement.format(table, columns[table]))
            assert await truth.fetchval(f"SELECT count(*) FROM {table}")


MIDDLE = "(SELECT audit_id FROM audit_link WHERE chain = 'system' AND seq = 2)"
DAMAGE: dict[str, tuple[str, set[BreakKind]]] = {
    "altered": (f"UPDATE audit SET reason = 'another' WHERE id = {MIDDLE}", {"row_altered"}),
    "given to another": (f"UPDATE audit SET actor_id = gen_random_uuid() WHERE id = {MIDDLE}", {"row_altered"}),
    "removed": (f"DELETE FROM audit WHERE id = {MIDDLE}", {"row_removed"}),
    "removed with its link": (
        f"WITH l AS (DELETE FROM audit_link WHERE audit_id = {MIDDLE} RETURNING audit_id)"
        " DELETE FROM audit WHERE id = (SELECT audit_id FROM l)",
        {"link_removed"},
    ),
    "put in": (
        "INSERT INTO audit (at, action, subject_kind, subject_id) VALUES (now() - interval '1 hour', 'x', 'x', 'x')",
        {"row_inserted"},
    ),
    "a set's author changed": (
        "UPDATE revision SET author_id = gen_random_uuid() WHERE device_id IS NOT NULL",
        {"set_altered"},
    ),
    "a set's bytes exchanged": ("UPDATE change_set SET hash = sha256(hash) WHERE no = 1", {"set_altered"}),
    "a revision removed": ("DELETE FROM revision WHERE device_id IS NOT NULL AND set_no = 1", {"set_altered"}),
    "a set removed": ("DELETE FROM change_set WHERE no = 1", {"set_removed"}),
    "a set put in": (
        "INSERT INTO change_set SELECT device_id, epoch, 99, hash, sealed, wrapped, size, receipt,"
        " now() - interval '1 hour' FROM change_set WHERE no = 1",
        {"set_inserted"},
    ),
    "changed places": (
        "UPDATE audit_link l SET row_hash = o.row_hash, audit_id = -o.audit_id FROM audit_link o"
        " WHERE o.chain = l.chain AND l.chain = 'system' AND l.seq + o.seq = 3;"
        " UPDATE audit_link SET audit_id = -audit_id WHERE audit_id < 0",
        {"link_altered"},
    ),
    "a link altered": (f"UPDATE audit_link SET hash = row_hash WHERE audit_id = {MIDDLE}", {"link_altered"}),
    "the last link cut off": ("DELETE FROM audit_link WHERE chain = 'system' AND seq = 3", {"link_removed"}),
    "a seal altered": ("UPDATE audit_seal SET sealed_at = now() WHERE no = 2", {"seal_altered"}),
    "a seal removed": ("DELETE FROM audit_seal WHERE no = 2", {"seal_removed", "link_inserted"}),
    "the end cut off": (
        "WITH l AS (DELETE FROM audit_link WHERE seal_no = 5 RETURNING audit_id),"
        " s AS (DELETE FROM audit_seal WHERE no = 5)"
        " DELETE FROM audit WHERE id IN (SELECT audit_id FROM l)",
        {"tail_cut"},
    ),
}


async def test_damage_is_named(trail: Services, truth: asyncpg.Connection) -> None:
    async with by_force(truth) as force:
        for table in DAMAGED:
            await force.execute(f"CREATE TABLE whole_{table} AS TABLE {table}")
        for how, (statement, expected) in DAMAGE.items():
            await force.execute(statement)
            assert expected <= await named(trail), how
            for table in DAMAGED:
                await force.execute(f"TRUNCATE {table}")
                await force.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE whole_{table}")
            assert await named(trail) == set()


async def test_a_link_that_was_forged_is_named(trail: Services, truth: asyncpg.Connection) -> None:
    """Even one whose hashes are right: its seal did not hold it."""
    await act(trail, None, "city", "4")
    await seal_trail(trail)
    async with by_force(truth) as force:
        await force.execute(
            "UPDATE audit_link SET seal_no = 5, place = 2 WHERE seal_no = 6; DELETE FROM audit_seal WHERE no = 6"
        )
    assert {"link_inserted", "tail_cut"} <= await named(trail)


async def test_a_row_rewritten_together_with_its_link_is_named(trail: Services, truth: asyncpg.Connection) -> None:
    """The last of a chain, so that no later link tells: its seal does."""
    async with by_force(truth) as force:
        await force.execute(
            "UPDATE audit SET reason = 'x' WHERE id = (SELECT max(id) FROM audit WHERE actor_id IS NULL)"
        )
    async with trail.database.read() as connection:
        found = [one async for one in every_link(connection) if one.link.chain == "system"]
    (before, last) = found[-2:]
    assert isinstance(last.row, AuditRow)
    over = row_hash(last.row)
    forged = link_hash(before.link.hash, "system", last.link.seq, over)
    async with by_force(truth) as force:
        statement = "UPDATE audit_link SET row_hash = $1, hash = $2 WHERE chain = 'system' AND seq = $3"
        await force.execute(statement, over, forged, last.link.seq)
    assert await named(trail) == {"link_altered"}


async def test_a_row_that_gives_an_earlier_time_is_named_although_it_was_sealed(
    trail: Services, truth: asyncpg.Connection
) -> None:
    forged = (
        "INSERT INTO audit (at, action, subject_kind, subject_id) VALUES (now() - interval '2 hours', 'x', 'x', 'x')"
    )
    async with by_force(truth) as force:
        await force.execute("UPDATE audit SET at = at - interval '1 day'")
        await force.execute("UPDATE audit_seal SET sealed_at = sealed_at - interval '30 minutes'")
        await force.execute(forged)
    assert await seal_trail(trail) == 1
    late = [one.audit_id for one in (await verify(trail)).breaks if one.kind == "row_late"]
    assert await truth.fetchval("SELECT max(id) FROM audit") in late


async def test_a_job_that_stands_still_is_named(services: Services, truth: asyncpg.Connection) -> None:
    await act(services, None, "device", "1")
    async with by_force(truth) as force:
        await force.execute("UPDATE audit SET at = now() - interval '1 hour'")
    assert await named(services) == {"sealing_behind"}


async def test_rows_that_commit_late_are_linked_by_a_later_run(trail: Services, truth: asyncpg.Connection) -> None:
    late = truth.transaction()
    await late.start()
    await truth.execute("INSERT INTO audit (action, subject_kind, subject_id) VALUES ('late', 'x', 'x')")
    await act(trail, None, "x", "y")
    assert await seal_trail(trail) == 1
    await late.commit()
    assert await seal_trail(trail) == 1
    assert (await verify(trail)).breaks == []


async def test_the_nightly_run_finds_what_was_long_in_coming(trail: Services, truth: asyncpg.Connection) -> None:
    async with by_force(truth) as force:
        await force.execute("UPDATE audit_seal SET sealed_at = sealed_at - interval '2 days' WHERE no < 5")
        await force.execute("DELETE FROM audit_link WHERE audit_id = (SELECT min(id) FROM audit)")
    assert await seal_trail(trail) == 0
    assert await seal_trail(trail, whole=True) == 1


async def key_of(services: Services) -> str:
    async with services.database.read() as connection:
        return checkpoint_key(services.keyring, (await current(connection)).id)


async def test_a_missing_checkpoint_is_named_and_noted(trail: Services, truth: asyncpg.Connection) -> None:
    await trail.objects.delete(await key_of(trail))
    assert await named(trail) == {"checkpoint_missing"}
    await act(trail, None, "x", "y")
    await seal_trail(trail)
    assert await truth.fetchval("SELECT detail->>'how' FROM audit WHERE action = 'audit.checkpoint_wrong'") == "missing"
    assert await named(trail) == set()


async def test_a_checkpoint_that_is_behind_is_named(services: Services, truth: asyncpg.Connection) -> None:
    await act(services, None, "x", "y")
    await seal_trail(services)
    await services.objects.delete(await key_of(services))
    async with by_force(truth) as force:
        await force.execute("DELETE FROM audit_checkpoint; UPDATE audit_seal SET sealed_at = now() - interval '1 hour'")
    assert "checkpoint_behind" in await named(services)


async def test_an_altered_checkpoint_stays_named(trail: Services) -> None:
    key = await key_of(trail)
    altered = (await trail.objects.read(key, 10_000)).replace(b'"seal":5', b'"seal":4')
    await trail.objects.write(key, altered, "application/json")
    assert await named(trail) == {"checkpoint_altered"}
    await act(trail, None, "x", "y")
    await seal_trail(trail)
    assert await named(trail) == {"checkpoint_altered"}


async def test_an_end_that_was_cut_off_stays_named_after_the_next_seals(
    trail: Services, truth: asyncpg.Connection
) -> None:
    async with by_force(truth) as force:
        await force.execute(DAMAGE["the end cut off"][0])
    for _ in range(2):
        await act(trail, None, "x", "y")
        await seal_trail(trail)
    assert "checkpoint_differs" in await named(trail)


async def test_chains_go_on_in_another_epoch_and_what_was_lost_is_told(
    trail: Services, truth: asyncpg.Connection
) -> None:
    """A restore takes the last seal away, and its epoch says why."""
    async with trail.database.read() as connection:
        former = (await current(connection)).id
    async with by_force(truth) as force:
        await force.execute(DAMAGE["the end cut off"][0])
    await trail.database.write(lambda tx: begin_epoch(tx, "restored"))
    await seal_trail(trail)
    found = await verify(trail)
    assert found.breaks == []
    assert [(one.epoch, one.begins, one.ends) for one in found.lost] == [(former, 5, 5)]


# Change sets -----------------------------------------------------------------------------------------------


async def test_what_may_happen_to_a_set_later_breaks_no_chain(trail: Services, truth: asyncpg.Connection) -> None:
    """Its receipt is cut down, an item of it erased, a change of it released from the quarantine."""
    (held, *_) = (await list_held(trail, await caller(trail, CADRE), QuarantineFilter(), None, 9)).held
    order = ReleaseOrder(actor=await caller(trail, CADRE), reason="补报", now=datetime.now(UTC))
    assert (await release(trail, order, (held.id, held.id))).released
    item = await truth.fetchval("SELECT item_id FROM revision WHERE set_no = 2 AND set_index = 0")
    await erase_item(trail, await caller(trail, CADRE), item, "本人申请", datetime.now(UTC))
    await truth.execute("UPDATE counter SET acknowledged = last_no")
    await prune(trail)
    await seal_trail(trail)
    found = await verify(trail)
    assert found.breaks == []
    assert found.rows > 11


# Files -----------------------------------------------------------------------------------------------------


async def export(trail: Services, path: Path, file_format: Any = "jsonl", **wish: Any) -> Path:
    auditor = await caller(trail, AUDITOR)
    await export_trail(trail, auditor, TrailFilter(**wish), "核查", path, file_format)
    return path


async def test_an_exported_trail_is_checked_by_itself(trail: Services, tmp_path: Path) -> None:
    for file_format, rows in (("jsonl", 9), ("csv", 10)):
        path = await export(trail, tmp_path / file_format, file_format)
        assert path.stat().st_mode & 0o777 == 0o600
        found = verify_file(path)
        assert (found.rows, found.links, found.breaks) == (rows, 0, [])
        assert found.public_key == (await verify(trail)).public_key


async def test_rows_that_were_not_asked_for_are_hashes_alone(
    trail: Services, truth: asyncpg.Connection, tmp_path: Path
) -> None:
    await act(trail, CADRE.id, "user", "another kind")
    await act(trail, CADRE.id, "item", "once more")
    found = verify_file(await export(trail, tmp_path / "trail", actor=CADRE.id, action="item"))
    assert (found.rows, found.links, found.breaks) == (4, 1, [])
    assert "another kind" not in (tmp_path / "trail").read_text()
    noted = await truth.fetchrow("SELECT actor_id, reason FROM audit WHERE action = 'audit.exported'")
    assert noted is not None
    assert tuple(noted) == (AUDITOR.id, "核查")
    await act(trail, ADMINISTRATOR.id, "device", str(WORKER.id))
    by_device = verify_file(await export(trail, tmp_path / "device", device=WORKER.id))
    assert (by_device.rows, by_device.chains) == (1, 1)


ALTERED = [
    (r'"reason":"=原因"', '"reason":"其他"', "row_altered"),
    (r'\{"kind":"row".*"seq":2.*\n', "", "link_removed"),
    (r'(\{"kind":"row".*\n)(\{"kind":"row".*\n)', r"\2\1", "link_altered"),
    (r'\{"kind":"end".*\n', "", "file_cut"),
    (r"(?s)(\{.kind.:.about.*?\n).*?(\{.kind.:.end.)", r"\1\2", "file_altered"),
]


async def test_an_altered_file_is_named(trail: Services, tmp_path: Path) -> None:
    path = await export(trail, tmp_path / "trail")
    whole = path.read_text()
    for pattern, by, kind in ALTERED:
        altered = re.sub(pattern, by, whole, count=1)
        assert altered != whole
        path.write_text(altered)
        assert kind in {one.kind for one in verify_file(path).breaks}


async def test_only_an_auditor_exports(trail: Services, tmp_path: Path) -> None:
    administrator = await caller(trail, ADMINISTRATOR)
    with pytest.raises(Problem) as refused:
        await export_trail(trail, administrator, TrailFilter(), "why", tmp_path / "x", "jsonl")
    assert refused.value.code == "forbidden"
    assert not (tmp_path / "x").exists()


def test_what_is_no_trail_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(f"{uuid4()}\n")
    with pytest.raises(Problem) as refused:
        verify_file(tmp_path / "other")
    assert refused.value.code == "trail_unreadable"


def test_every_break_has_words() -> None:
    assert set(WORDS) == set(BreakKind.__args__)


# The command -----------------------------------------------------------------------------------------------


async def test_the_command(trail: Services, environ: dict[str, str], truth: asyncpg.Connection, tmp_path: Path) -> None:
    whole = await shell(environ, "audit", "verify", "--json")
    assert whole.status == 0, whole.err
    assert json.loads(whole.out)["breaks"] == []
    path = str(tmp_path / "trail.csv")
    by = ["--as", AUDITOR.phone, "--reason", "核查"]
    exported = await shell(environ, "audit", "export", "-o", path, "--format", "csv", *by)
    assert exported.status == 0, exported.err
    assert (await shell(environ, "audit", "verify", path)).status == 0
    async with by_force(truth) as force:
        await force.execute(DAMAGE["altered"][0])
    broken = await shell(environ, "audit", "verify")
    assert broken.status == 1
    assert "记录被改动 / a row was altered" in broken.out
