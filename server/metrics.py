"""What Prometheus reads. Names and labels never hold a value that a person entered.

With several worker processes the supervisor sets PROMETHEUS_MULTIPROC_DIR to an empty folder before they start, and
any worker then answers for all of them.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry()

REQUESTS = Counter("onegrid_requests_total", "HTTP requests answered", ["method", "route", "status"], registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "onegrid_request_seconds",
    "Seconds from the head of a request to the end of its answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=REGISTRY,
)
CHANGE_SETS = Counter(
    "onegrid_change_sets_total", "Change sets received, by the status of their receipt", ["status"], registry=REGISTRY
)
CHANGES = Counter("onegrid_changes_total", "Changes decided, by outcome", ["outcome"], registry=REGISTRY)
RECEIPTS_REPLAYED = Counter(
    "onegrid_receipts_replayed_total", "Change sets that were answered with their stored receipt", registry=REGISTRY
)
EPOCHS = Counter(
    "onegrid_epochs_total", "Epochs that began because the database had gone back", ["cause"], registry=REGISTRY
)
PULLED_ENTRIES = Counter("onegrid_pulled_entries_total", "Feed entries sent to devices", registry=REGISTRY)
AUTH_FAILURES = Counter(
    "onegrid_auth_failures_total", "Requests refused for who sent them", ["code"], registry=REGISTRY
)
POLLS_FROM_MEMORY = Counter(
    "onegrid_polls_from_memory_total", "Polls answered with nothing new without the database", registry=REGISTRY
)
MEMORY_LOST = Counter(
    "onegrid_memory_lost_total", "Times that a process forgot everything for want of its connection", registry=REGISTRY
)
EVENT_STREAMS = Gauge(
    "onegrid_event_streams", "Event streams that are open", registry=REGISTRY, multiprocess_mode="livesum"
)
COMPACTED = Counter("onegrid_compacted_absences_total", "Absences removed from feeds", registry=REGISTRY)
PRUNED = Counter("onegrid_pruned_receipts_total", "Receipts cut down after they were acknowledged", registry=REGISTRY)
EVIDENCE = Counter("onegrid_evidence_total", "Photos that reached a state", ["state"], registry=REGISTRY)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition() -> bytes:
    """Everything counted so far, in Prometheus' text format; of all workers where they share a folder."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    shared = CollectorRegistry()
    MultiProcessCollector(shared)
    return generate_latest(shared)
