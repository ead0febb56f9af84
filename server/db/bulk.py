"""Many new rows at once, by COPY: for a city that is filled in, not for one that is at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from server.db.database import Connection
from server.db.named import sql

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "item_key": ("item_id", "wrapped"),
    "item": (
        *("id", "type", "grid_id", "stream_class", "author_id", "in_own_stream", "version", "rev", "touch", "deleted"),
        *("urgency", "clear", "sealed", "captured_at", "received_at", "updated_at"),
    ),
    "revision": (
        *("item_id", "version", "rev", "op", "author_id", "device_id", "epoch", "set_no", "set_index", "base_version"),
        *("fields", "clear", "sealed", "grid_id", "derivation", "reason", "catalogue", "registry", "captured_at"),
        "received_at",
    ),
    "evidence_link": ("item_id", "sha256", "size", "role", "version", "flags", "linked_at"),
    "review": (
        *("item_id", "version", "rev", "state", "level", "steps", "authors", "answers", "approvals", "sampled"),
        *("waits_for_evidence", "reason", "note", "notes", "approved_version", "approved_rev", "asked_by"),
        *("asked_tier", "urgency_level", "submitted_at", "changed_at"),
    ),
    "review_step": ("item_id", "seq", "version", "action", "level", "actor_id", "reason", "note", "notes", "at"),
    "cases": (
        *("item_id", "state", "urgency", "urgency_level", "department", "organisation_id", "assisting", "asked"),
        *("held", "escalated_to", "accept_by", "respond_by", "handle_by", "year_flagged", "opened_at", "reopened_at"),
        *("dispatched_at", "signed_at", "handled_at", "handled_by", "closed_at", "waiver", "changed_at"),
    ),
    "case_step": (
        *("item_id", "seq", "action", "from_state", "to_state", "actor_id", "organisation_id", "reason", "note"),
        *("detail", "at"),
    ),
    "notice": ("id", "user_id", "kind", "code", "item_id", "conflict_id", "version", "open", "created_at"),
    "feed": (
        *("stream_id", "object_id", "kind", "position", "present", "absent_since", "version", "rev", "touch", "hash"),
    ),
    "item_search": ("item_id", "terms"),
}
"""Tables in an order in which each refers only to those before it, with the columns that are given."""


async def begin_streams(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Streams that are not there yet, as rows of key, head, digest; returns their ids by key."""
    made = await connection.fetch(sql("begin_streams"), rows)
    return {row["key"]: row["id"] for row in made}


async def copy_rows(connection: Connection, tables: Mapping[str, Iterable[dict[str, Any]]]) -> None:
    """Rows of several tables, with every column of `COLUMNS`."""
    for table, columns in COLUMNS.items():
        values = itemgetter(*columns)
        await connection.copy_records_to_table(table, records=map(values, tables[table]), columns=columns)


async def analyze(connection: Connection) -> None:
    """Let the planner know what there is now; not inside a transaction that others wait for."""
    await connection.execute(sql("analyze_bulk"))
