"""The permission matrix: route x role x inside and outside (tests/matrix)."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest
from litestar import Litestar

from server.db import named
from tests.matrix.page import page
from tests.matrix.walk import unbound, walk

pytestmark = pytest.mark.long

PERMISSIONS = Path(__file__).parents[2] / "docs" / "permissions.md"
_WAYS = {"few": "", "few asked for": "near", "many": "near|narrowed"}
"""How lists are read (docs/adr/0037), and which candidates must count as many for it."""


@pytest.fixture(params=_WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whatever lists are read by, though nobody here reaches thousands of items."""
    for name in ("candidates", "many"):
        lowered = re.sub(rf"(FROM (?:{_WAYS[request.param]})\) [<>]=?) 2000", r"\1 0", named.sql(name))
        assert (lowered == named.sql(name)) is (request.param == "few")
        monkeypatch.setitem(named._STATEMENTS, name, lowered)
    return request.param


async def test_every_route_is_bound_and_every_binding_has_a_route(app: Litestar) -> None:
    assert unbound(app) == (set(), set())


async def test_every_answer_holds_what_its_reader_may_see_and_nothing_else(
    app: Litestar, truth: asyncpg.Connection, way: str
) -> None:
    report = await walk(app, truth)
    print(report.summary)
    assert not report.failures, "\n".join(report.failures)
    assert PERMISSIONS.read_text() == page(report), "python -m tests.matrix > docs/permissions.md"
