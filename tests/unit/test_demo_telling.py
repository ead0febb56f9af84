"""What the person at the terminal sees of the filling in, and what stands in a log."""

import os
import subprocess
import sys

import pytest

from server.demo.telling import Teller

PROGRAM = """
from server.demo.telling import Teller
teller = Teller()
with teller.shown():
    teller.now("历史 history 0%")
    teller.now("历史 history 50%")
    teller.done("历史 history 100%")
    teller.now("台账 records 100%")
    teller.settle()
    teller.now("收尾 ending")
"""
HEAD = "onegrid: 演示城市 demo city: "
DONE = f"{HEAD}历史 history 100%\n{HEAD}台账 records 100%\n"


def told(stderr: int, **environ: str) -> bytes:
    command = [sys.executable, "-P", "-c", PROGRAM]
    done = subprocess.run(command, stderr=stderr, env=os.environ | environ, check=True)
    return done.stderr or b""


def on_a_terminal(**environ: str) -> str:
    master, slave = os.openpty()
    try:
        told(slave, **environ)
        return os.read(master, 4096).decode().replace("\r\n", "\n")
    finally:
        os.close(slave)
        os.close(master)


def test_a_pipe_gets_a_line_for_each_step_that_is_done() -> None:
    assert told(subprocess.PIPE, TERM="xterm").decode() == DONE


def test_a_terminal_shows_the_step_that_goes_on_in_one_line_and_keeps_the_done_ones() -> None:
    assert on_a_terminal(TERM="xterm").split("\r\x1b[2K") == [
        "",
        f"{HEAD}历史 history 0% ……",
        f"{HEAD}历史 history 50% ……",
        f"{HEAD}历史 history 100%\n",
        f"{HEAD}台账 records 100% ……",
        f"{HEAD}台账 records 100%\n",
        f"{HEAD}收尾 ending ……",
        "",
    ]


def test_a_step_that_a_pipe_was_told_of_in_time_is_not_told_again(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.demo.telling._SECONDS_BETWEEN_LINES", -1.0)
    teller = Teller()
    teller.now("历史 history 100%")
    teller.settle()
    assert capfd.readouterr().err == f"{HEAD}历史 history 100%\n"


def test_a_terminal_that_cannot_erase_is_spared_the_rest() -> None:
    assert on_a_terminal(TERM="dumb") == DONE
