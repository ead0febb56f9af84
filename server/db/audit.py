"""The audit trail: who did what to whom, when and why. Rows are only ever added."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct, to_builtins

from server.db.database import Connection
from server.db.named import sql


class Act(Struct, frozen=True, kw_only=True):
    """One administrative act. Neither `reason` nor `detail` may hold a personal value of an item."""

    actor_id: UUID | None
    action: str
    subject_kind: str
    subject_id: str
    reason: str | None = None
    detail: dict[str, Any] = {}
    request_id: str | None = None


async def record(
    connection: Connection,
    actor_id: UUID | None,
    action: str,
    subject_kind: str,
    subject_id: str,
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Add one row, in the transaction of the act itself."""
    act = Act(
        actor_id=actor_id,
        action=action,
        subject_kind=subject_kind,
        subject_id=subject_id,
        reason=reason,
        detail=detail or {},
        request_id=request_id,
    )
    await record_all(connection, [act])


async def record_all(connection: Connection, acts: Sequence[Act]) -> None:
    """Add a row for each act in one statement."""
    await connection.execute(sql("insert_audit"), to_builtins(acts))
