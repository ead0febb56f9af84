"""A terminal in which `onegrid` is typed, inside the test's own process: quick, and 80 columns wide.

That a process of its own ends with the same status is for test_auth_cli.py; what is killed, or typed at a terminal that
is one, is started as a process by the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from server.cli import run
from tests.builders import Person
from tests.integration.town import COMMUNITY_EAST, Citizen


class Ran(NamedTuple):
    """How a command ended and what it wrote; `written`: the bytes on stdout."""

    status: int
    written: bytes
    err: str

    @property
    def out(self) -> str:
        return self.written.decode()

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.written)


class Terminal:
    """Runs a group of `onegrid …` against a test's server; `typed` is what a person types while it runs."""

    def __init__(self, environ: dict[str, str], group: str = "conflict") -> None:
        self.group = group
        self.environ = os.environ | environ | {"COLUMNS": "80", "ONEGRID_LOG_LEVEL": "error"}

    async def __call__(self, *arguments: str, by: Citizen | Person = COMMUNITY_EAST, typed: str = "") -> Ran:
        return await shell(self.environ, self.group, *arguments, "--as", by.phone, typed=typed)


async def shell(environ: Mapping[str, str], *arguments: str, typed: str = "") -> Ran:
    """`onegrid …` in this environment, without anything of the test's own."""
    return await asyncio.to_thread(_run, environ, list(arguments), typed)


def _run(environ: Mapping[str, str], arguments: list[str], typed: str) -> Ran:
    out, err = _Screen(), _Screen()
    with _surroundings(environ, typed), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(arguments)
    return Ran(status, out.buffer.getvalue(), err.buffer.getvalue().decode())


class _Screen(io.TextIOWrapper):
    """What commands write to, text or bytes."""

    buffer: io.BytesIO

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)


@contextlib.contextmanager
def _surroundings(environ: Mapping[str, str], typed: str) -> Iterator[None]:
    """The environment and the keyboard that a process of its own would have."""
    before, keyboard = dict(os.environ), sys.stdin
    os.environ.clear()
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
