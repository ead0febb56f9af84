"""The HTTP API. Every router is listed here and nowhere else."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler

from server.api import catalogue, enrol, errors, evidence, exchange, health, metrics, registry, token

ROUTES: list[ControllerRouterHandler] = [
    enrol.ROUTER,
    token.ROUTER,
    catalogue.ROUTER,
    registry.ROUTER,
    exchange.ROUTER,
    evidence.ROUTER,
    health.live,
    health.ready,
    metrics.metrics,
    errors.error,
]
