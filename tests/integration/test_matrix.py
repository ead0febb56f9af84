"""The permission matrix: route x role x inside and outside (tests/matrix)."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from litestar import Litestar

from tests.matrix.page import page
from tests.matrix.walk import unbound, walk

pytestmark = pytest.mark.long

PERMISSIONS = Path(__file__).parents[2] / "docs" / "permissions.md"


async def test_every_route_is_bound_and_every_binding_has_a_route(app: Litestar) -> None:
    assert unbound(app) == (set(), set())


async def test_every_answer_holds_what_its_reader_may_see_and_nothing_else(
    app: Litestar, truth: asyncpg.Connection
) -> None:
    report = await walk(app, truth)
    print(report.summary)
    assert not report.failures, "\n".join(report.failures)
    assert PERMISSIONS.read_text() == page(report), "python -m tests.matrix > docs/permissions.md"
