"""What Prometheus reads."""

from __future__ import annotations

from litestar import Response, get

from server.metrics import CONTENT_TYPE, exposition


@get(
    "/metrics", tags=["operation"], summary="指标 Metrics for Prometheus", media_type="text/plain", sync_to_thread=False
)
def metrics() -> Response[bytes]:
    """Counters and latencies in Prometheus' text format; no personal data."""
    return Response(exposition(), headers={"Content-Type": CONTENT_TYPE})
