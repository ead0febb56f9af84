"""What happened to the items of a community, in memory, each step by the functions that the server itself decides with.

    push -> decide_set -> take_submission;  decide -> sync.review.decide -> reviewed;  act -> carried_out

Nothing is refused here: what the server would refuse is a mistake of whoever tells the history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from schemas.offices import CaseAction
from schemas.wire import Base, Change
from server.demo.history.moments import CITY_TIME
from server.demo.history.staff import Staff
from server.sealing import ItemKey
from server.services import Services
from server.usecases.cases import carried_out
from server.usecases.decided_set import DecidedSet
from server.usecases.loading import Loaded
from server.usecases.reviews import reviewed
from server.usecases.sealed_items import Vault, photos_of
from server.usecases.sessions import Caller
from server.usecases.standings import Moved, Standing, bare_standing, returned_notice
from server.usecases.storing import revision_row
from server.usecases.submission import take_submission
from sync.access import ItemFacts, Organisation
from sync.case_state import CaseState
from sync.decide import decide_set
from sync.decisions import Reference, Revision, SetContext
from sync.feed import to_hex
from sync.items import ItemState, Past
from sync.refusal import Refusal
from sync.review import Decision, Reviewer, ReviewState, decide

# What a phone names its sets by; the history came over no phone, and says so in its revisions.
_NO_DEVICE = UUID(int=0)
_NOWHERE = {"device_id": None, "epoch": None, "set_no": None, "set_index": None, "reason": None}
_DONE = {"approve": "approved", "return": "returned"}


class ImpossibleStepError(Exception):
    """The history tells of a step that the server would not have taken; names a code, never a value."""


class Life:
    """An item from its first revision on, with what its tables hold beside the head.

    `loaded`: with what its last revision was decided. `stirred_at`: when its entries last moved.
    """

    def __init__(self, key: ItemKey, loaded: Loaded, standing: Standing, at: datetime) -> None:
        self.key = key
        self.loaded = loaded
        self.standing = standing
        self.stirred_at = self.reviewed_at = self.case_at = at
        self.reopened_at: datetime | None = None
        self.notices: dict[UUID, tuple[dict[str, Any], datetime]] = {}
        """To-dos by id, and when their entries last moved."""
        self.revisions: list[dict[str, Any]] = []
        self.review_steps: list[dict[str, Any]] = []
        self.case_steps: list[dict[str, Any]] = []
        self.photos: dict[tuple[str, int, str], tuple[datetime, int | None]] = {}
        """By hash, size and role: when it was linked, and by which version."""

    @property
    def item(self) -> ItemState:
        """Its head."""
        return self.standing.item

    @property
    def id(self) -> UUID:
        """The id of the item."""
        return self.standing.item.id

    @property
    def facts(self) -> ItemFacts:
        """What access to it depends on."""
        return self.standing.facts

    @property
    def case(self) -> CaseState:
        """Its case; only of an event."""
        assert self.standing.case is not None
        return self.standing.case

    @property
    def review(self) -> ReviewState:
        """Its submission."""
        assert self.standing.review is not None
        return self.standing.review


class Chronicle:
    """All lives of a community, by id."""

    def __init__(self, services: Services, staff: Staff) -> None:
        self.lives: dict[UUID, Life] = {}
        self.vault = Vault(services.keyring, services.catalogue)
        self.services = services
        self.staff = staff

    def push(self, author: Caller, changes: Sequence[tuple[Change, datetime]], at: datetime) -> list[Life]:
        """A change set as a phone of the author sent it: every change is applied. Returns the lives it touched."""
        loaded = self._load(author, [change for change, _ in changes], at)
        decided = DecidedSet(
            device_id=_NO_DEVICE,
            author_id=author.user_id,
            epoch="",
            no=0,
            catalogue=self.services.catalogue.version,
            at=at,
            changes=changes,
            decisions=decide_set(changes, loaded.context),
        )
        touched: list[Life] = []
        for index, decision in enumerate(decided.decisions):
            if decision.revision is None:
                raise ImpossibleStepError(f"{changes[index][0].type} {decision.outcome} {decision.code}")
            life = self._revise(loaded, decision.revision, at)
            life.revisions.append(_NOWHERE | revision_row(loaded, decided, index, decision.revision))
            self._submit(life, author.user_id, at)
            touched.append(life)
        return touched

    def _load(self, author: Caller, changes: Sequence[Change], at: datetime) -> Loaded:
        """What a set is decided by, as it would be loaded: the newest revision is all that an edit builds upon."""
        known = {change.item: self.lives[change.item] for change in changes if change.item in self.lives}
        new = [change.item for change in changes if change.item not in known]
        new_keys = {item_id: self.services.keyring.new_key(item_id.bytes) for item_id in new}
        states = {item_id: life.item for item_id, life in known.items()}
        context = SetContext(
            catalogue=self.services.catalogue,
            registry=self.services.registry,
            author_id=author.user_id,
            device_id=_NO_DEVICE,
            assignments=author.assignments,
            now=at,
            today=at.astimezone(CITY_TIME).date(),
            items=states,
            past={one.id: [Past(one.version, one.rev, None, one.fields)] for one in states.values()},
            secrets={item_id: life.key.secret for item_id, life in known.items()}
            | {item_id: key.secret for item_id, key in new_keys.items()},
            references=self._references(changes),
            open_conflicts={},
            set_name="",
            written_registry=self.services.registry.version,
        )
        return Loaded(self.services, context, self.vault, new_keys, {})

    def _references(self, changes: Sequence[Change]) -> dict[UUID, Reference]:
        found: dict[UUID, Reference] = {}
        for change in changes:
            for key in self.services.catalogue.types[change.type].reference_fields:
                target = self.lives.get(UUID(change.fields[key])) if key in change.fields else None
                if target is not None:
                    found[target.id] = Reference(target.item.type, target.item.grid_id)
        return found

    def _revise(self, loaded: Loaded, revision: Revision, at: datetime) -> Life:
        """The new head and its photos; of those that were there already nothing changes."""
        item = revision.after
        life = self.lives.get(item.id)
        bare = bare_standing(self.services, item, loaded.context.secrets[item.id], life.standing.case if life else None)
        if life is None:
            life = self.lives[item.id] = Life(loaded.new_keys[item.id], loaded, bare, at)
        else:
            before = life.standing
            life.loaded = loaded
            life.standing = replace(
                bare, review=before.review, answers=before.answers, submitted_at=before.submitted_at
            )
        for photo in photos_of(item, bare.compiled.photo_field):
            version = item.version if photo["role"] == "report" else None
            life.photos.setdefault((photo["sha256"], photo["size"], photo["role"]), (at, version))
        return life

    def _submit(self, life: Life, author_id: UUID, at: datetime) -> None:
        before = life.standing = self._informed(life)
        if before.review is not None and before.review.state == "returned":
            self._notify(life, at, is_open=False)
        self._absorb(life, take_submission(self.services, before, author_id, self.staff.assignments, at), at)
        life.stirred_at = at

    def base(self, life: Life) -> Base:
        """The head as a phone names it that edits it."""
        return Base(life.item.version, to_hex(life.item.rev))

    def decide(self, life: Life, reviewer: Caller, decision: Decision, at: datetime) -> None:
        """A reviewer decides about the revision that waits for him."""
        review = life.review
        outcome = decide(
            review,
            decision,
            Reviewer(reviewer.user_id, reviewer.assignments),
            life.facts,
            life.standing.compiled.type,
            self.services.catalogue.source.return_reasons,
        )
        if isinstance(outcome, Refusal):
            raise ImpossibleStepError(f"{life.item.type} {decision.action} {outcome.code}")
        done = _DONE[decision.action]
        self._absorb(life, reviewed(self.services, self._informed(life), outcome, done, reviewer.user_id, at), at)
        if done == "returned":
            self._notify(life, at, is_open=True)
        self._touch(life, at)

    def act(
        self, life: Life, who: Caller, action: CaseAction, at: datetime, organisation: Organisation | None = None
    ) -> None:
        """Somebody acts on the case. Raises Problem where he may not."""
        for photo in action.photos:
            life.photos.setdefault((photo.sha256, photo.size, "close"), (at, None))
        life.standing = self._informed(life)
        self._absorb(life, carried_out(self.services, who, life.standing, action, organisation, at), at)
        self._touch(life, at)

    def _informed(self, life: Life) -> Standing:
        """The standing with what is found beside the item: its photos, all verified, and the offices around it."""
        standing = life.standing
        direct = standing.compiled.type.dispatch_by == "direct" and standing.ruling.dispatch
        counts = Counter(
            role
            for (_, _, role), (linked_at, _) in life.photos.items()
            if role == "report" or life.reopened_at is None or linked_at > life.reopened_at
        )
        return replace(
            standing,
            report_verified=counts["report"],
            close_verified=counts["close"],
            nearest=self.staff.nearest(standing.ruling.department, standing.facts.grid_code) if direct else None,
        )

    def _absorb(self, life: Life, move: Moved, at: datetime) -> None:
        before, after = move.before, move.after
        if after.review != before.review:
            life.reviewed_at = at
        case = after.case
        if case is not None and case != before.case:
            life.case_at = at
            lead = (case.organisation,) if case.organisation else ()
            after = replace(after, facts=replace(after.facts, holders=(*lead, *case.assisting)))
            if case.state == "reopened" and (before.case is None or before.case.state != "reopened"):
                life.reopened_at = at
        life.standing = after
        life.review_steps += move.review_steps
        life.case_steps += move.case_steps

    def _notify(self, life: Life, at: datetime, *, is_open: bool) -> None:
        """The to-do of whoever is to correct the item, opened or closed; nobody else has one for it."""
        row = returned_notice(life.standing, at, is_open=is_open)
        known, _ = life.notices.get(row["id"], (None, at))
        if known is not None:
            row |= {"version": known["version"] + 1, "created_at": known["created_at"]}
        elif not is_open:
            raise ImpossibleStepError("a to-do closes that was never opened")
        life.notices[row["id"]] = {"version": 1, "conflict_id": None} | row, at

    def _touch(self, life: Life, at: datetime) -> None:
        item = replace(life.item, touch=life.item.touch + 1)
        life.standing = replace(life.standing, item=item)
        life.stirred_at = at
