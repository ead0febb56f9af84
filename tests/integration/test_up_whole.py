"""`onegrid up` as it is delivered: the command line, the real server, the real jobs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from server.settings import FIELDS, variable
from tests.integration.up_process import WHOLE, Up, descendants, left_running, running_up

_IDLE_MEGABYTES = 400
_COLD_SECONDS = 20


def megabytes(pids: list[int]) -> float:
    """Sum of proportional set sizes: memory shared by several processes is counted once."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total / 1024


def test_a_cold_start_is_quick_small_and_ready(tmp_path: Path) -> None:
    data, begun = tmp_path / "data", time.monotonic()
    flags = ["--data", str(data), "--port", "0", "--workers", "2"]
    with running_up(data, *flags, command=WHOLE) as up:
        assert time.monotonic() - begun < _COLD_SECONDS
        assert httpx.get(f"{up.address}/health/ready").status_code == 200
        pids = [up.process.pid, *descendants(up.process.pid)]
        assert len(pids) >= 6
        assert megabytes(pids) < _IDLE_MEGABYTES
        assert up.stop()[0] == 0
    assert left_running(data) == []


@pytest.mark.parametrize("flags", [["--once"], ["--tls-cert", __file__], ["--port", "70000"], ["--nonsense"]])
def test_wrong_usage_is_told_and_exits_2(tmp_path: Path, flags: list[str]) -> None:
    code, out, err = Up(tmp_path / "data", *flags, command=WHOLE).ended()
    assert (code, out) == (2, "")
    assert flags[0] in err
    assert not (tmp_path / "data").exists()


def settings_command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEGRID_")}
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "settings", *arguments],
        env=clean | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_settings_are_listed_without_secrets() -> None:
    secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="
    done = settings_command("--json", ONEGRID_MASTER_KEY=secret, ONEGRID_PORT="9000")
    assert done.returncode == 0, done.stderr
    listed = {one["name"]: one for one in json.loads(done.stdout)["settings"]}
    assert list(listed) == [variable(name) for name in FIELDS]
    assert listed["ONEGRID_PORT"]["value"] == "9000"
    assert listed["ONEGRID_MASTER_KEY"]["value"] == "***"
    assert secret not in done.stdout + settings_command(ONEGRID_MASTER_KEY=secret).stdout


def test_a_setting_that_cannot_be_read_is_told_and_exits_1() -> None:
    done = settings_command(ONEGRID_PORT="eighty")
    assert done.returncode == 1
    assert "ONEGRID_PORT is not valid: write a whole number 0–65535" in done.stderr
    assert "ONEGRID_WORKERS=" in done.stdout
