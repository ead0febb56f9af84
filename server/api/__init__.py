"""The HTTP API. Every router is listed here and nowhere else."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler

from server.api import (
    cases,
    catalogue,
    dictionary,
    enrol,
    errors,
    events,
    evidence,
    exchange,
    health,
    items,
    metrics,
    registry,
    reviews,
    token,
    uploads,
)

ROUTES: list[ControllerRouterHandler] = [
    enrol.ROUTER,
    token.ROUTER,
    catalogue.ROUTER,
    registry.ROUTER,
    exchange.ROUTER,
    dictionary.dictionary,
    events.ROUTER,
    evidence.ROUTER,
    uploads.ROUTER,
    items.ROUTER,
    reviews.ROUTER,
    cases.ROUTER,
    health.live,
    health.ready,
    metrics.metrics,
    errors.error,
]
