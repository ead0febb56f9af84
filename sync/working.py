"""The context of a set plus what the set has done so far, and the checks that every kind of change shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from schemas.forms import CompiledType, Fault
from schemas.wire import Change
from sync.access import ItemFacts, Operation, Organisation, WriteRefusal, grid_streams
from sync.authority import Authority, Held
from sync.deciding import Edit, Refused, Turn
from sync.decisions import (
    Before,
    Conflict,
    Decision,
    HeldPlace,
    OpenConflict,
    Reference,
    Revision,
    SetContext,
    Waiting,
    grid_at,
)
from sync.items import Fields, ItemState, Past, referred, revision_rev
from sync.merge import Overlap
from sync.placing import Fixes, Placement, Writing, place
from sync.territory import Sighting

Targets = dict[str, Reference | None]
"""By reference field that is filled in, the item that it names; None where nothing is known of it."""


class Working:
    """What each change of a set finds. `group`: all of the set is parked together, under this id.

    `oldest`: what was captured earlier is too old.
    """

    def __init__(
        self, context: SetContext, sighting: Sighting, deleting: frozenset[UUID], group: UUID | None = None
    ) -> None:
        self.context = context
        self.sighting = sighting
        self.group = group
        self.authority = Authority(context.assignments)
        self.oldest = context.now - context.lease
        self.items = dict(context.items)
        self.references = dict(context.references)
        self.referrers = dict(context.referrers)
        self.cases = dict(context.cases)
        self.open_conflicts = {item: list(held) for item, held in context.open_conflicts.items()}
        self._read: dict[str, set[UUID]] = {"grid": set(), "grid_restricted": set()}
        for stream_class, grid_id in grid_streams(self.authority.at(context.now).assignments):
            self._read[stream_class].add(grid_id)
        self._deleting = deleting
        self._revisions: dict[UUID, list[Revision]] = {}
        self._permitted: set[tuple[Held, str, Operation, UUID | None, UUID | None, UUID | None, int]] = set()
        self._former = dict(context.former)
        # Where nothing was published within the lease, every change is judged by the same version.
        self._only_version = context.registry.only_since(self.oldest)

    # What the set has done -----------------------------------------------------------------------------------

    def remember(self, decision: Decision) -> None:
        """Let the later changes of the set see this one."""
        if (revision := decision.revision) is not None:
            self._remember_revision(revision)
        if (conflict := decision.conflict) is not None and decision.item_id is not None:
            self._remember_conflict(decision.item_id, conflict)
        if (move := decision.move) is not None and decision.item_id is not None:
            facts = self.cases[decision.item_id]
            self.cases[decision.item_id] = msgspec.structs.replace(facts, case=move.after)

    def _remember_revision(self, revision: Revision) -> None:
        after = revision.after
        self.items[after.id] = after
        if revision.derivation and (then := revision.derivation.get("from")):
            moved = Before(self.context.registry.version, after.version, UUID(then))
            self._former[after.id] = (*self._former.get(after.id, ()), moved)
        self._revisions.setdefault(after.id, []).append(revision)
        if after.type in self.context.catalogue.referred:
            known = self.references.get(after.id) if after.grid_id is None else None
            waiting = known.waiting if known else None
            former = self._former.get(after.id, ()) if self._former else ()
            self.references[after.id] = Reference(after.type, after.grid_id, after.deleted, waiting, former)
        if self._deleting:
            self._remember_referring(revision.before, after)

    def _remember_referring(self, before: ItemState | None, after: ItemState) -> None:
        """Who refers to what is only asked of the items that the set deletes."""
        former = self._targets_of(before) if before is not None else set[UUID]()
        targets = self._targets_of(after)
        for target in former - targets:
            self.referrers[target] = self.referrers.get(target, frozenset()) - {after.id}
        for target in targets - former:
            self.referrers[target] = self.referrers.get(target, frozenset()) | {after.id}

    def _targets_of(self, item: ItemState) -> set[UUID]:
        """The items that an item refers to, itself left out; a deleted one refers to nothing."""
        keys = () if item.deleted else self.context.catalogue.types[item.type].reference_fields
        return {referred(item.fields[key]) for key in keys if key in item.fields} - {item.id}

    def past_of(self, item_id: UUID) -> list[Past]:
        """An item's earlier revisions, those of this set included."""
        own = self._revisions.get(item_id, ())
        device_id = self.context.device_id
        return [
            *self.context.past.get(item_id, ()),
            *[Past(one.after.version, one.after.rev, device_id, one.fields) for one in own],
        ]

    def _remember_conflict(self, item_id: UUID, conflict: Conflict) -> None:
        held = OpenConflict(
            conflict.id,
            conflict.kind,
            self.context.device_id,
            frozenset(conflict.overlaps),
            conflict.op,
            self.group is not None,
        )
        self.open_conflicts.setdefault(item_id, []).append(held)
        if held.holds_item and conflict.claim is not None:
            place = HeldPlace(candidates=conflict.claim.candidates, counties=conflict.claim.counties)
            waiting = Waiting(conflict.group or conflict.id, place)
            if (known := self.references.get(item_id)) is not None:
                self.references[item_id] = msgspec.structs.replace(known, waiting=waiting)

    def holding(self, item_id: UUID) -> OpenConflict | None:
        """The open conflict about the item itself, which nobody but its author sees until it is settled."""
        return next((one for one in self.open_conflicts.get(item_id, ()) if one.holds_item), None)

    def end(self, item_id: UUID, conflict: OpenConflict) -> UUID:
        """Note that this conflict is open no longer."""
        self.open_conflicts[item_id].remove(conflict)
        return conflict.id

    # Parking -------------------------------------------------------------------------------------------------

    def conflict(
        self, turn: Turn, kind: str, state: ItemState, overlaps: dict[str, Overlap], base_version: int | None
    ) -> Conflict:
        """A conflict about a change of an item that is there; without a base nobody knows what its author saw."""
        return Conflict(
            id=self.context.id_of(turn.index, "conflict"),
            kind=kind,
            op=turn.change.op,
            overlaps=overlaps,
            base_version=base_version,
            server_version=state.version,
            base_unknown=base_version is None,
            group=self.group,
        )

    def park(self, edit: Edit, kind: str) -> Decision:
        """An edit of which nothing is applied."""
        conflict = self.conflict(edit.turn, kind, edit.state, edit.overlap(edit.incoming), edit.base_version)
        return Decision(edit.state.id, "parked", conflict=conflict, current=edit.state)

    # Checks --------------------------------------------------------------------------------------------------

    def check(self, faults: Sequence[Fault]) -> None:
        """Raises Refused for the first fault of a form."""
        if faults:
            raise Refused("rejected", faults[0].code, faults[0])

    def targets(self, compiled: CompiledType, fields: Fields) -> Targets:
        """What the reference fields that are filled in name; None where nothing is known under an id."""
        if not compiled.reference_fields:
            return {}
        return {
            key: self.references.get(referred(value))
            for key in compiled.reference_fields
            if (value := fields.get(key)) is not None
        }

    def place(self, turn: Turn, change: Change, fixes: Fixes, targets: Targets) -> Placement:
        """The grid, by the sources of the type."""
        compiled, context = turn.compiled, self.context
        target = targets.get(compiled.belongs_to_field)
        reference_grid, known = target.grid_id if target else None, self.known(turn.captured_at)
        then = (grid_at(target.former, known) or reference_grid) if target else None
        writing = Writing(turn.captured_at, context.written_registry, known, then)
        return place(change, compiled, fixes, reference_grid, context.registry, writing, self.sighting)

    # Authority -----------------------------------------------------------------------------------------------

    def known(self, captured_at: datetime) -> int:
        """The registry version by which the ground of a change is judged that was captured at that time."""
        if self._only_version is not None:
            return self._only_version
        return self.context.registry.known(self.context.written_registry, captured_at, self.oldest)

    def permit_on(self, turn: Turn, operation: Operation, state: ItemState) -> None:
        """Whether its author may do this to an item that is there, where it lies now or where it lay for him."""
        self.permit(turn, operation, state.author_id, state.grid_id, self.grid_then(turn, state))

    def grid_then(self, turn: Turn, state: ItemState) -> UUID | None:
        """The grid in which the author of a change saw an item, where the registry took it elsewhere since."""
        base, known = turn.change.base, self.known(turn.captured_at)
        return grid_at(self._former.get(state.id, ()), known, base.version if base else None)

    def permit(
        self, turn: Turn, operation: Operation, author_id: UUID, grid_id: UUID | None, then: UUID | None = None
    ) -> None:
        """Write authority is judged by the assignments at the capture, never by those at the receipt.

        `then`: the grid of the item as the registry stood that its author worked by, where that may differ.
        """
        held, known = self.authority.at(turn.captured_at), self.known(turn.captured_at)
        # Mostly what he writes is his own; then his id need not be hashed.
        other = None if author_id is self.context.author_id else author_id
        asked = held, turn.compiled.code, operation, other, grid_id, then, known
        if asked not in self._permitted:
            self._judge(turn, held, operation, author_id, grid_id, then)
            self._permitted.add(asked)

    def _judge(
        self, turn: Turn, held: Held, operation: Operation, author_id: UUID, grid_id: UUID | None, then: UUID | None
    ) -> None:
        def refusal(place: ItemFacts) -> WriteRefusal | None:
            return held.refusal(self.context.author_id, place, turn.compiled.type, operation)

        code = refusal(_facts(turn, author_id, grid_id, self.context.registry.code(grid_id)))
        if code is None:
            return
        if code == "out_of_scope" and any(refusal(one) is None for one in self.places(turn, author_id, grid_id, then)):
            return
        if code == "delete_not_allowed":
            raise Refused("rejected", code)
        if not self.context.released:
            raise Refused("quarantined", code)

    def places(
        self,
        turn: Turn,
        author_id: UUID,
        grid_id: UUID | None,
        then: UUID | None,
        holders: tuple[Organisation, ...] = (),
    ) -> Iterator[ItemFacts]:
        """Where an item lies for who may write it: now, and by the registry that the author of a change worked by.

        Who worked in a grid when he wrote may write in what has come of it since, and on the ground that it had, within
        the offline lease. A grid that went to another community lay in the former one for him.
        """
        for one, code in self._lying(turn, grid_id, then):
            yield _facts(turn, author_id, one, code, holders)

    def _lying(self, turn: Turn, grid_id: UUID | None, then: UUID | None) -> Iterator[tuple[UUID | None, str | None]]:
        """The grids of `places`, each with its code; the present one mostly decides, so it comes first."""
        registry = self.context.registry
        yield grid_id, registry.code(grid_id)
        lineage, known, written_in = registry.lineage, self.known(turn.captured_at), then or grid_id
        if written_in is not None:
            for one in (written_in, *lineage.predecessors(written_in)):
                yield one, lineage.code_at(one, known)
        if grid_id is not None and then is not None:
            for one in lineage.predecessors(grid_id):
                yield one, lineage.code_at(one, known)

    def reads(self, stream_class: str, grid_id: UUID) -> bool:
        """Whether a stream of a grid is on its author's phone."""
        return grid_id in self._read["grid_restricted" if stream_class == "grid_restricted" else "grid"]

    def signed(self, item: ItemState) -> ItemState:
        """The item with its rev."""
        return msgspec.structs.replace(item, rev=revision_rev(self.context.secrets[item.id], item))


def _facts(
    turn: Turn, author_id: UUID, grid_id: UUID | None, code: str | None, holders: tuple[Organisation, ...] = ()
) -> ItemFacts:
    return ItemFacts(
        type=turn.compiled.code, grid_id=grid_id, grid_code=code or "", author_id=author_id, holders=holders
    )


def dead_among(compiled: CompiledType, targets: Targets) -> set[str]:
    """The fields that name a deleted item; raises Refused for what names none, or one of a wrong type."""
    dead: set[str] = set()
    for key, target in targets.items():
        if target is None or target.type not in compiled.reference_fields[key]:
            raise Refused("quarantined", "reference_unknown")
        if target.deleted:
            dead.add(key)
    return dead


def waiting_for(compiled: CompiledType, targets: Targets) -> Waiting | None:
    """What the item waits in that the grid is to be told from, if that is held itself."""
    target = targets.get(compiled.belongs_to_field)
    return target.waiting if target and not target.deleted else None
