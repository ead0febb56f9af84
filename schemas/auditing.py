"""The audit trail as it is exported and checked."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct


class AuditRow(Struct, frozen=True, kw_only=True):
    """One row of the trail: who did what to whom, when and why."""

    id: int
    at: datetime
    actor_id: UUID | None
    action: str
    subject_kind: str
    subject_id: str
    reason: str | None
    detail: dict[str, Any]
    request_id: str | None


class SetRow(Struct, frozen=True, kw_only=True):
    """A change set that a device sent, by the hash of its bytes, and what became of its changes.

    `changes`: by the receipt item, outcome, code, version and rev, and of the revision that it names rev (signed),
    operation and author. Neither cutting receipts down nor erasing items changes any of this.
    """

    device_id: UUID
    epoch: str
    set_no: int
    set_hash: bytes
    received_at: datetime
    changes: list[Any]


class ChainLink(Struct, frozen=True, kw_only=True):
    """A row's or a set's place in its chain; hashes are 32 bytes. Of `audit_id` and `set_no` one is there."""

    chain: str
    seq: int
    audit_id: int | None = None
    device_id: UUID | None = None
    epoch: str | None = None
    set_no: int | None = None
    row_hash: bytes
    hash: bytes


class AuditLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an exported trail; hashes and signature in hexadecimal.

    `about` comes first and tells what was asked for. A `row` is one of the trail with its link, a `link` stands for a
    row that was not asked for, or a change set, so that the chain goes on. `end` holds the digest of all lines before,
    signed.
    """

    kind: Literal["about", "row", "link", "end"]
    chain: str | None = None
    seq: int | None = None
    row: AuditRow | None = None
    row_hash: str | None = None
    previous: str | None = None
    hash: str | None = None
    about: dict[str, Any] | None = None
    digest: str | None = None
    public_key: str | None = None
    signature: str | None = None


BreakKind = Literal[
    "row_altered",
    "row_removed",
    "row_inserted",
    "row_late",
    "set_altered",
    "set_removed",
    "set_inserted",
    "link_altered",
    "link_removed",
    "link_inserted",
    "seal_altered",
    "seal_removed",
    "tail_cut",
    "sealing_behind",
    "checkpoint_missing",
    "checkpoint_behind",
    "checkpoint_altered",
    "checkpoint_differs",
    "file_altered",
    "file_cut",
]
"""What can be wrong with a trail."""


class Break(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong, and where: the chain, the place in it, the row's id or the set's number, the seal, the
    object's key.
    """

    kind: BreakKind
    chain: str | None = None
    seq: int | None = None
    audit_id: int | None = None
    set_no: int | None = None
    seal: int | None = None
    object: str | None = None
    count: int | None = None
