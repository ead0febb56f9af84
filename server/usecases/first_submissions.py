"""New items become submissions, and events cases: what `submission` does for all, without looking for what cannot be.

Of a set of new items most go the same way: what is decided alike is decided once, and sent to the database once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.forms import CompiledType
from schemas.item_type import ItemType, ReviewStep
from server.db import new_items
from server.db.database import Transaction
from server.db.new_items import Photo, Ways
from server.services import Services
from server.usecases.sealed_items import photos_of
from server.usecases.standing_rows import asked_reader
from server.usecases.standings import Standing, bare_standing, direct_offices, steps_to
from sync.access import Organisation
from sync.authority import Held
from sync.case_state import CaseState
from sync.cases import open_case
from sync.duties import review_steps
from sync.items import ItemState
from sync.review import Submission, is_sampled, submit
from sync.rules import Ruling, apply_rules, ruled_by_urgency_alone

_NO_CASE: dict[str, Any] = {}
_ANYBODY = UUID(int=0)


async def first_ways(
    tx: Transaction, services: Services, created: Sequence[ItemState], known: Set[Photo], author: Held, now: datetime
) -> Ways:
    """How items of one author go on that were created just now; those without a grid wait.

    `known`: those of their photos that were known before. `author`: what he is assigned to now.
    """
    placed = [item for item in created if item.grid_id is not None]
    sorting = _Sorting(services, await _verified_photos(tx, services, placed, known))
    places = [sorting.place(item) if item.grid_id is not None else None for item in created]
    standings = [_standing(services, item, way) for way, (_, item) in sorting.first.items()]
    offices = await direct_offices(tx.connection, services, standings)
    taking = _Taking(services, author, now)
    alike = [
        taking.columns(one, offices.get(one.item.id), sampled=way.sampled)
        for one, way in zip(standings, sorting.first, strict=True)
    ]
    return Ways(places, alike)


class _Way(Struct, frozen=True, gc=False):
    """All that tells how new items of one author go on; those that are equal in it go on alike."""

    type: str
    grid_id: UUID | None
    urgency: str
    ruling: Ruling
    sampled: bool
    report_verified: int
    close_verified: int


class _Sorting:
    """The ways that the new items of one set go, in the order in which they are first met."""

    def __init__(self, services: Services, verified: Mapping[UUID, Mapping[str, int]]) -> None:
        self.first: dict[_Way, tuple[int, ItemState]] = {}
        """Of each way its place among all ways, from 1 on, and the first item."""
        self._types = services.catalogue.types
        self._verified = verified
        self._rulings: dict[tuple[str, str], Ruling] = {}

    def place(self, item: ItemState) -> int:
        """The place of an item's way."""
        return self.first.setdefault(self._way(item), (len(self.first) + 1, item))[0]

    def _way(self, item: ItemState) -> _Way:
        item_type = self._types[item.type].type
        ruling = self._ruling(item, item_type)
        sampled = ruling.review == "sample" and is_sampled(item.id, item.version, item_type.sample_rate)
        report = close = 0
        if self._verified and (counts := self._verified.get(item.id)):
            report, close = counts["report"], counts["close"]
        return _Way(item.type, item.grid_id, item.urgency, ruling, sampled, report, close)

    def _ruling(self, item: ItemState, item_type: ItemType) -> Ruling:
        ruling = self._rulings.get((item.type, item.urgency))
        if ruling is None:
            ruling = apply_rules(item_type, item.fields, item.urgency)
            if ruled_by_urgency_alone(item_type):
                self._rulings[item.type, item.urgency] = ruling
        return ruling


async def _verified_photos(
    tx: Transaction, services: Services, created: Sequence[ItemState], known: Set[Photo]
) -> dict[UUID, Counter[str]]:
    """How many of an item's photos were verified before, by role; of most items none was."""
    verified = await new_items.verified_among(tx.connection, known)
    counts: dict[UUID, Counter[str]] = {}
    if verified:
        for item in created:
            for photo, role in _photos(services, item):
                if photo in verified:
                    counts.setdefault(item.id, Counter())[role] += 1
    return counts


def _photos(services: Services, item: ItemState) -> list[tuple[Photo, str]]:
    listed = photos_of(item, services.catalogue.types[item.type].photo_field)
    return [((photo["sha256"], photo["size"]), photo["role"]) for photo in listed]


def _standing(services: Services, item: ItemState, way: _Way) -> Standing:
    bare = bare_standing(services, item, b"", None, way.ruling)
    return replace(bare, report_verified=way.report_verified, close_verified=way.close_verified)


class _Taking:
    """The submissions of one set, by one author at one instant."""

    def __init__(self, services: Services, author: Held, now: datetime) -> None:
        self._services = services
        self._author = author
        self._now = now
        self._departments = {one.code: one for one in services.catalogue.source.departments}
        self._levels = {one.code: one.level for one in services.catalogue.source.urgency_levels}
        self._cases: dict[Any, dict[str, Any]] = {}

    def columns(self, standing: Standing, office: Organisation | None, *, sampled: bool) -> dict[str, Any]:
        """The submission of a new item and its case, without what is the item's alone."""
        review = self._review(standing, sampled)
        case = self._case(standing, office, approved=review["state"] == "approved")
        return {"urgency_level": self._levels[standing.item.urgency], **review, **case}

    def _review(self, standing: Standing, sampled: bool) -> dict[str, Any]:
        compiled, ruling, authors = standing.compiled, standing.ruling, [self._author.near(standing.item.grid_id)]
        steps = review_steps(ruling.review_by, authors, standing.facts, compiled.type, self._departments)
        return _review_columns(compiled, ruling, steps, standing.evidence_verified(), sampled)

    def _case(self, standing: Standing, office: Organisation | None, *, approved: bool) -> dict[str, Any]:
        if standing.compiled.kind == "record":
            return _NO_CASE
        photos = standing.report_verified, standing.close_verified
        alike = standing.item.type, standing.ruling, approved, photos, office
        if alike not in self._cases:
            circumstances = replace(standing.circumstances(self._services, self._now), review_approved=approved)
            opened = open_case(standing.ruling, circumstances, office)
            self._cases[alike] = _case_columns(opened, self._levels) if opened else _NO_CASE
        return self._cases[alike]


@lru_cache(maxsize=1_000)
def _review_columns(
    compiled: CompiledType, ruling: Ruling, steps: tuple[ReviewStep, ...], evidence_verified: bool, sampled: bool
) -> dict[str, Any]:
    """Of whom and of which revision the submission is, these columns do not tell."""
    submission = Submission(version=1, rev=0, author=_ANYBODY, evidence_verified=evidence_verified, sampled=sampled)
    review = submit(ruling, submission, steps)
    asked = review.step
    return {
        "state": review.state,
        "level": review.level,
        "steps": review.steps,
        "sampled": review.sampled,
        "waits_for_evidence": review.waits_for_evidence,
        "asked_by": asked_reader(asked, compiled.type) if asked else None,
        "asked_tier": asked.tier if asked else None,
    }


def _case_columns(case: CaseState, levels: Mapping[str, int]) -> dict[str, Any]:
    return {
        "case_state": case.state,
        "case_urgency": case.urgency,
        "case_level": levels[case.urgency],
        "department": case.department,
        "organisation_id": case.organisation.id if case.organisation else None,
        "accept_by": case.accept_by,
        "respond_by": case.respond_by,
        "handle_by": case.handle_by,
        "year_flagged": case.year_flagged,
        "dispatched_at": case.dispatched_at,
        "closed_at": case.closed_at,
        "case_steps": list(steps_to(case.state)),
    }
