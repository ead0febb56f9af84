"""Servers of their own for the tests that speak to one from outside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocol.live import LiveServer, fresh_server


@pytest.fixture
def server(embedded: dict[str, str], template: str) -> Iterator[LiveServer]:
    """A server for one test."""
    with fresh_server(embedded, template) as running:
        yield running


@pytest.fixture(scope="module")
def shared_server(embedded: dict[str, str], template: str) -> Iterator[LiveServer]:
    """A server for the tests of one module, which must not mind each other."""
    with fresh_server(embedded, template) as running:
        yield running
