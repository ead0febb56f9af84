"""`onegrid up --demo`: fills an empty folder, plays the day, and tells about it."""

import signal
from pathlib import Path

import pytest
from msgspec import json

from tests.integration.up_process import Up, eventually, left_running, running_up, used

pytestmark = pytest.mark.long

FILL = """
import os, pathlib
data = pathlib.Path(os.environ["ONEGRID_DATA"])
(data / "filled").write_text((data / "filled").read_text() + "x" if (data / "filled").exists() else "x")
(data / "demo.json").write_text('{"logins": [{"role": "county", "phone": "13900000001", "password": "pw"}]}')
"""
HANGS = """
import os, pathlib, signal
pathlib.Path(os.environ["ONEGRID_DATA"], "filling").touch()
signal.pause()
"""
DAY = "print('40 phones', flush=True)"


def test_once_plays_the_day_and_ends_with_its_verdict(tmp_path: Path) -> None:
    data = tmp_path / "data"
    up = Up(data, "--demo", "--once", TINY_FILL=FILL, TINY_DAY=DAY)
    address = up.wait_until_ready()
    code, out, err = up.ended()
    assert code == 0, err
    table, console, _, login = out.splitlines()
    assert table == "40 phones"
    assert f"{address}/console/" in console
    assert login.split() == ["county", "13900000001", "pw"]
    assert left_running(data) == []

    again = Up(data, "--demo", "--once", TINY_FILL=FILL, TINY_DAY="raise SystemExit(1)")
    moved = again.wait_until_ready()
    assert json.decode((data / "demo.json").read_bytes())["base_url"] == moved
    assert again.ended()[0] == 1
    assert (data / "filled").read_text() == "x"


def test_it_goes_on_serving_after_the_day(tmp_path: Path) -> None:
    with running_up(tmp_path / "data", "--demo", TINY_FILL=FILL, TINY_DAY=DAY) as up:
        assert up.process.stdout is not None
        while "county" not in up.process.stdout.readline().decode():
            assert up.process.poll() is None
        assert "server" in up.tree()


def test_a_folder_with_other_data_is_not_touched(tmp_path: Path) -> None:
    data = used(tmp_path / "data")
    code, _, err = Up(data, "--demo", TINY_FILL=FILL).ended()
    assert code == 1
    assert "the demo needs an empty one" in err
    assert not (data / "demo.json").exists()


def test_a_city_half_filled_is_begun_anew(tmp_path: Path) -> None:
    data = tmp_path / "data"
    up = Up(data, "--demo", TINY_FILL=HANGS)
    assert eventually(lambda: (data / "filling").exists())
    up.process.send_signal(signal.SIGKILL)
    up.ended()
    assert eventually(lambda: not left_running(data), seconds=10)
    with running_up(data, "--demo", TINY_FILL=FILL, TINY_DAY=DAY):
        assert (data / "demo.json").exists()
