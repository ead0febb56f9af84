"""A terminal in which `onegrid` is typed, inside the test's own process: quick, and 80 columns wide."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from server.cli import run
from tests.builders import Person
from tests.integration.town import COMMUNITY_EAST, Citizen


class Ran(NamedTuple):
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Terminal:
    """Runs a group of `onegrid …` against a test's server; `typed` is what a person types while it runs."""

    def __init__(self, environ: dict[str, str], group: str = "conflict") -> None:
        self.group = group
        self.environ = os.environ | environ | {"COLUMNS": "80", "ONEGRID_LOG_LEVEL": "error"}

    async def __call__(self, *arguments: str, by: Citizen | Person = COMMUNITY_EAST, typed: str = "") -> Ran:
        return await asyncio.to_thread(self._run, [self.group, *arguments, "--as", by.phone], typed)

    def _run(self, arguments: list[str], typed: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with (
            _surroundings(self.environ, typed),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = run(arguments)
        return Ran(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _surroundings(environ: dict[str, str], typed: str) -> Iterator[None]:
    """The environment and the keyboard that a process of its own would have."""
    before, keyboard = dict(os.environ), sys.stdin
    os.environ.update(environ)
    sys.stdin = io.StringIO(typed)
    try:
        yield
    finally:
        sys.stdin = keyboard
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def onegrid(environ: dict[str, str]) -> Terminal:
    """The fixture of whoever imports it."""
    return Terminal(environ)
