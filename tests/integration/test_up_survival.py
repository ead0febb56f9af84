"""`onegrid up` under violence: parts are killed, the supervisor is killed, everything is killed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from server.embedded.connection import connection
from server.embedded.ports import accepts
from tests.integration.up_process import Up, descendants, eventually, left_running, lives, running_up, used

pytestmark = pytest.mark.long

LIVES_ONCE = """
import os, pathlib, signal
lived = pathlib.Path(os.environ["ONEGRID_DATA"], "lived")
if lived.exists():
    raise SystemExit(3)
lived.touch()
signal.pause()
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One server for all the tests that kill a part of it."""
    with running_up(used(tmp_path_factory.mktemp("survival") / "data")) as running:
        yield running


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize("part", ["postgres", "rclone", "server", "jobs"])
async def test_a_part_that_is_killed_comes_back(up: Up, part: str) -> None:
    before = up.tree()
    os.kill(before[part], signal.SIGKILL)
    assert eventually(lambda: up.tree().get(part, before[part]) != before[part])
    found = connection(up.data)
    database = await connected(found["ONEGRID_DATABASE_URL"])
    await database.close()
    assert eventually(lambda: accepts("127.0.0.1", port_of(found["ONEGRID_S3_ENDPOINT"])))
    assert {name: pid for name, pid in up.tree().items() if name != part} == {
        name: pid for name, pid in before.items() if name != part
    }


async def test_what_a_killed_database_committed_is_there_again(up: Up) -> None:
    url = connection(up.data)["ONEGRID_DATABASE_URL"]
    database = await connected(url)
    await database.execute("CREATE TABLE committed AS SELECT 1 AS one")
    before = up.tree()["postgres"]
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: up.tree().get("postgres", before) != before)
    database = await connected(url)
    assert await database.fetchval("SELECT one FROM committed") == 1
    await database.close()


async def connected(url: str) -> asyncpg.Connection:
    """A connection to a database that may still be on its way back."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncpg.connect(url)
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.02)


def test_orphans_of_a_killed_part_are_collected(up: Up) -> None:
    before = up.tree()["postgres"]
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: up.tree().get("postgres", before) != before)

    def zombies() -> list[int]:
        return [pid for pid in descendants(up.process.pid) if psutil.Process(pid).status() == "zombie"]

    assert eventually(lambda: not zombies())


def test_everything_ends_with_a_killed_supervisor(tmp_path: Path) -> None:
    data = used(tmp_path / "data")
    with running_up(data) as up:
        everything = descendants(up.process.pid)
        assert len(everything) >= 4
        up.process.kill()
        assert eventually(lambda: not any(map(lives, everything)), seconds=10)
        assert left_running(data) == []
    with running_up(data) as again:
        assert again.tree()["postgres"]


def test_the_next_server_waits_for_what_a_killed_one_left(tmp_path: Path) -> None:
    data = used(tmp_path / "data")
    with running_up(data) as up:
        postgres = up.tree()["postgres"]
        os.kill(postgres, signal.SIGSTOP)
        up.process.kill()
        up.process.wait()
        following = Up(data)
        assert not eventually(lambda: following.process.poll() is not None, seconds=1)
        os.kill(postgres, signal.SIGCONT)
        assert following.wait_until_ready()
        assert following.stop()[0] == 0


async def test_a_power_cut_loses_nothing(tmp_path: Path) -> None:
    data = used(tmp_path / "data")
    with running_up(data) as up:
        database = await asyncpg.connect(connection(data)["ONEGRID_DATABASE_URL"])
        await database.execute("CREATE TABLE committed AS SELECT 1 AS one")
        half_written = data / "objects" / "onegrid" / ".rclone_temp_put_1"
        half_written.write_bytes(b"half")
        # Stopped, the supervisor can neither restart what dies nor, by dying, let the rest end in order.
        up.process.send_signal(signal.SIGSTOP)
        for pid in descendants(up.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        up.process.kill()
        up.process.wait()
    assert (data / "postgres" / "postmaster.pid").exists()
    # The number of the dead database may by then be that of a living stranger.
    (data / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{data / 'postgres'}\n")
    with running_up(data):
        database = await connected(connection(data)["ONEGRID_DATABASE_URL"])
        assert await database.fetchval("SELECT one FROM committed") == 1
        await database.close()
        assert not half_written.exists()


def test_a_part_that_keeps_dying_ends_it_with_a_sentence(tmp_path: Path) -> None:
    data = used(tmp_path / "data")
    with running_up(data, TINY_JOBS=LIVES_ONCE) as up:
        os.kill(up.tree()["jobs"], signal.SIGKILL)
        code, _, err = up.ended()
    assert code == 1
    assert "jobs keeps ending (exit 3: see above)" in err
    assert err.count("restarting in") == 4
    assert left_running(data) == []
