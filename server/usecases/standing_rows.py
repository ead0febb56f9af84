"""Between stored rows and the core's records of submissions and cases; what a person wrote is sealed on the way in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import convert

from schemas.catalogue import Catalogue
from schemas.item_type import ItemType, ReviewStep
from server.db.database import Row
from server.sealing import seal_values, unseal_values
from sync.access import Organisation
from sync.case_state import Asked, CaseState, Held
from sync.feed import signed64, unsigned64
from sync.review import Approval, ReviewState


def seal_text(item_id: UUID, text: str | None, secret: bytes) -> bytes | None:
    """A note that belongs to an item."""
    return seal_values(secret, item_id.bytes, {"text": text} if text else {})


def open_text(item_id: UUID, sealed: bytes | None, secret: bytes) -> str | None:
    """What `seal_text` sealed."""
    return unseal_values(secret, item_id.bytes, sealed).get("text")


def review_state(row: Row, secret: bytes) -> ReviewState:
    """A submission's row as the core's record."""
    item_id, approved = row["item_id"], row["approved_version"]
    return ReviewState(
        state=row["state"],
        version=row["version"],
        rev=unsigned64(row["rev"]),
        level=row["level"],
        steps=convert(row["steps"], tuple[ReviewStep, ...]),
        authors=tuple(row["authors"]),
        approvals=convert(row["approvals"], tuple[Approval, ...]),
        sampled=row["sampled"],
        waits_for_evidence=row["waits_for_evidence"],
        reason=row["reason"],
        note=open_text(item_id, row["note"], secret),
        notes=unseal_values(secret, item_id.bytes, row["notes"]),
        approved=(approved, unsigned64(row["approved_rev"])) if approved else None,
    )


def review_row(item_id: UUID, review: ReviewState, item_type: ItemType, secret: bytes) -> dict[str, Any]:
    """A submission as its row, without what is known of its item alone."""
    approved_version, approved_rev = review.approved or (None, None)
    return {
        "item_id": item_id,
        "version": review.version,
        "rev": signed64(review.rev),
        "state": review.state,
        "level": review.level,
        "steps": review.steps,
        "authors": review.authors,
        "approvals": review.approvals,
        "sampled": review.sampled,
        "waits_for_evidence": review.waits_for_evidence,
        "approved_version": approved_version,
        "approved_rev": None if approved_rev is None else signed64(approved_rev),
        "asked_by": asked_reader(review.step, item_type) if review.step else None,
        "asked_tier": review.step.tier if review.step else None,
    } | review_texts(item_id, review, secret)


def review_texts(item_id: UUID, review: ReviewState, secret: bytes) -> dict[str, Any]:
    """What the last reviewer wrote, as a submission and its steps hold it: reason, note, notes."""
    return {
        "reason": review.reason,
        "note": seal_text(item_id, review.note, secret),
        "notes": seal_values(secret, item_id.bytes, review.notes),
    }


def asked_reader(step: ReviewStep, item_type: ItemType) -> str:
    """Who is asked at a step, a department by its own code."""
    return f"department:{item_type.lead_department}" if step.by == "lead_department" else step.by


def case_state(row: Row, secret: bytes) -> CaseState:
    """A case's row as the core's record."""
    known = {one.id: one for one in convert(row["organisations"], list[Organisation])}
    lead = row["organisation_id"]
    return CaseState(
        state=row["state"],
        urgency=row["urgency"],
        department=row["department"],
        opened_at=row["opened_at"],
        organisation=known[lead] if lead else None,
        assisting=tuple(known[one] for one in row["assisting"]),
        asked=convert(row["asked"], Asked | None),
        held=convert(row["held"], Held | None),
        escalated_to=row["escalated_to"],
        accept_by=row["accept_by"],
        respond_by=row["respond_by"],
        handle_by=row["handle_by"],
        year_flagged=row["year_flagged"],
        dispatched_at=row["dispatched_at"],
        signed_at=row["signed_at"],
        handled_at=row["handled_at"],
        handled_by=row["handled_by"],
        closed_at=row["closed_at"],
        waiver=open_text(row["item_id"], row["waiver"], secret),
    )


def case_row(item_id: UUID, case: CaseState, catalogue: Catalogue, secret: bytes, now: datetime) -> dict[str, Any]:
    """A case as its row."""
    return {
        "item_id": item_id,
        "state": case.state,
        "urgency": case.urgency,
        "urgency_level": urgency_level(catalogue, case.urgency),
        "department": case.department,
        "organisation_id": case.organisation.id if case.organisation else None,
        "assisting": [one.id for one in case.assisting],
        "asked": case.asked,
        "held": case.held,
        "escalated_to": case.escalated_to,
        "accept_by": case.accept_by,
        "respond_by": case.respond_by,
        "handle_by": case.handle_by,
        "year_flagged": case.year_flagged,
        "opened_at": case.opened_at,
        "dispatched_at": case.dispatched_at,
        "signed_at": case.signed_at,
        "handled_at": case.handled_at,
        "handled_by": case.handled_by,
        "closed_at": case.closed_at,
        "waiver": seal_text(item_id, case.waiver, secret),
        "changed_at": now,
    }


def urgency_level(catalogue: Catalogue, urgency: str) -> int:
    """1 is the most urgent."""
    return next(one.level for one in catalogue.urgency_levels if one.code == urgency)
