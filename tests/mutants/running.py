"""Runs tests in a copy of the project, and reads from their report where and by which assertion they failed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

SECONDS = 600
"""How long the tests of one mutant may take."""

_SECONDS_TO_STOP = 60
_FRAME = re.compile(r"^(tests/\S+\.py):(\d+): in \S+\n    (.*)$", re.MULTILINE)
_SAID = re.compile(r"^E   (.*)$", re.MULTILINE)


class Frame(NamedTuple):
    """A place in tests/ that a failure went through: path:line, and the line."""

    at: str
    statement: str


class Failure(NamedTuple):
    """A test that turned red: the way to where it failed, outermost first, and what that said."""

    test: str
    frames: list[Frame]
    said: str


class Ran(NamedTuple):
    """What came of a run. `trouble`: why there is no report of its tests, in a sentence."""

    failures: list[Failure]
    passed: list[str]
    trouble: str | None = None


def run_tests(root: Path, tests: Sequence[str]) -> Ran:
    """Run these tests with this interpreter, importing everything from the copy."""
    report = root / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "-m", ""]
    output = _run([*command, f"--junitxml={report}", *tests], root)
    if output is None:
        return Ran([], [], f"Its tests had not ended after {SECONDS} s.")
    ran = _read(report) if report.is_file() else Ran([], [])
    if not ran.failures and not ran.passed:
        return Ran([], [], f"No test could be run: {output.strip()[-300:]}")
    return ran


def _run(command: Sequence[str], root: Path) -> str | None:
    """What it printed; None if it had to be stopped, which is done so that it can stop what it started."""
    environ = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            return process.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
    return None


def _read(report: Path) -> Ran:
    failures: dict[str, Failure] = {}
    cases: list[str] = []
    # The report was written by our own tests.
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        test = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        cases.append(test)
        for kind in ("failure", "error"):
            for found in case.findall(kind):
                failures.setdefault(test, _failure(test, found.text or ""))
    return Ran(list(failures.values()), [test for test in cases if test not in failures])


def _failure(test: str, told: str) -> Failure:
    frames = [Frame(f"{path}:{line}", statement.strip()) for path, line, statement in _FRAME.findall(told)]
    said = _SAID.search(told)
    return Failure(test, frames or [Frame("nowhere in tests", "")], said[1].strip() if said else "")
