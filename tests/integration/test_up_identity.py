"""`onegrid up` as root, as an ordinary user, and as a root that may not make user namespaces."""

import os
import pwd
import sys
from pathlib import Path

import asyncpg
import pytest

from server.embedded import launch
from server.embedded.connection import connection
from tests.integration.up_process import TINY, left_running, running_up, used

_CONFINED = [sys.executable, "-P", "-m", "tests.integration.without_namespaces"]


def as_user(uid: int, command: list[str]) -> list[str]:
    """The same command by somebody who is not root, whoever runs the test, and whose files are the tester's."""
    launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), "9"]
    return [*launcher, f"namespace:{uid}", str(Path.cwd()), *command]


def as_ordinary_user(command: list[str]) -> list[str]:
    """A user with a name."""
    return as_user(next(user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0), command)


async def committed(data: Path) -> list[str]:
    database = await asyncpg.connect(connection(data)["ONEGRID_DATABASE_URL"])
    await database.execute("CREATE TABLE IF NOT EXISTS runs (who text)")
    await database.execute("INSERT INTO runs VALUES (current_user)")
    rows = await database.fetch("SELECT who FROM runs")
    await database.close()
    return [row["who"] for row in rows]


def owners(data: Path) -> set[int]:
    return {path.stat().st_uid for path in data.rglob("*")}


async def test_an_ordinary_user_runs_it(tmp_path: Path) -> None:
    with running_up(tmp_path / "data", command=as_ordinary_user(TINY)) as up:
        assert await committed(tmp_path / "data") == ["onegrid"]
        assert up.stop()[0] == 0
    assert owners(tmp_path / "data") == {os.geteuid()}
    assert left_running(tmp_path / "data") == []


async def test_a_user_without_a_name_runs_it(tmp_path: Path) -> None:
    nameless = next(uid for uid in range(40_000, 50_000) if uid not in {user.pw_uid for user in pwd.getpwall()})
    with running_up(tmp_path / "data", command=as_user(nameless, TINY)):
        assert await committed(tmp_path / "data") == ["onegrid"]
    assert owners(tmp_path / "data") == {os.geteuid()}


if os.geteuid() == 0:

    def test_a_folder_of_another_user_is_left_alone(tmp_path: Path) -> None:
        used(tmp_path / "data")
        os.chown(tmp_path / "data" / "keys.json", 12345, 12345)
        with pytest.raises(AssertionError, match="was made by another user"), running_up(tmp_path / "data"):
            pass

    async def test_files_of_root_stay_those_of_root(tmp_path: Path) -> None:
        with running_up(tmp_path / "data"):
            assert await committed(tmp_path / "data") == ["onegrid"]
        assert owners(tmp_path / "data") == {0}

    async def test_root_without_namespaces_lends_the_database_another_user(tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        data = closed / "data"
        with running_up(data, command=[*_CONFINED, *TINY]) as up:
            assert await committed(data) == ["onegrid"]
            assert os.stat(f"/proc/{up.tree()['postgres']}").st_uid != 0
        assert left_running(data) == []
        assert owners(data) == {0, pwd.getpwnam("nobody").pw_uid}
        with running_up(data):
            assert await committed(data) == ["onegrid"] * 2
        assert owners(data) == {0}


async def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with (
        pytest.raises(AssertionError, match="cannot be written"),
        running_up(closed / "data", command=as_ordinary_user(TINY)),
    ):
        pass
