"""Decides a change set: values in, decisions out.

`decide_set` takes the changes in order; each sees what the earlier ones of the set did. The server loads what the
context names under locks, calls this, and stores the result in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas.forms import CompiledType, Fault
from schemas.wire import Change, Outcome
from sync.access import ItemFacts, Operation, assignments_at, device_streams, write_refusal
from sync.decisions import Conflict, Decision, OpenConflict, Reference, Revision, SetContext
from sync.items import Fields, ItemState, Past, class_stream, revision_rev, without_nulls
from sync.merge import Merged, Overlap, base_is_known, changed_by_others, fields_at, merge_fields
from sync.placing import place
from sync.rules import apply_rules, photos_needed

PhotoRole = Literal["report", "close"]


class _Refused(Exception):
    def __init__(self, outcome: Outcome, code: str, fault: Fault | None = None) -> None:
        super().__init__(code)
        self.outcome: Outcome = outcome
        self.code = code
        self.fault = fault


class _Edit(Struct, frozen=True):
    """An update being decided: `base` are the fields as its author saw them, `changed` what others changed since."""

    index: int
    change: Change
    state: ItemState
    compiled: CompiledType
    captured_at: datetime
    incoming: Fields
    base_version: int
    base: Fields
    changed: set[str]

    def merge(self, fields: Fields) -> Merged:
        """Merge some of its fields into the head."""
        return merge_fields(
            fields,
            server=self.state.fields,
            base=self.base,
            changed=self.changed,
            policy_of=self.compiled.merge_policy,
            longest=lambda key: self.compiled.fields[key].max_length,
        )

    def whole_overlap(self) -> dict[str, Overlap]:
        """Every field of it as one to be settled; a deleted item has no value of its own."""
        current = {} if self.state.deleted else self.state.fields
        return {key: Overlap(self.base.get(key), current.get(key), value) for key, value in self.incoming.items()}


def decide_set(changes: Sequence[tuple[Change, datetime] | str], context: SetContext) -> list[Decision]:
    """Decide each change in order.

    A change comes with its estimated capture time; one that could not be decoded comes as its error code. The result
    has one decision for each, in the same order.
    """
    working = _Working(context)
    return [working.decide(index, one) for index, one in enumerate(changes)]


class _Working:
    """The context plus what the set has done so far."""

    def __init__(self, context: SetContext) -> None:
        self.context = context
        self.items = dict(context.items)
        self.past = {item: list(past) for item, past in context.past.items()}
        self.references = dict(context.references)
        self.open_conflicts = {item: list(held) for item, held in context.open_conflicts.items()}
        self.streams = frozenset(device_streams(context.author_id, assignments_at(context.assignments, context.now)))

    def decide(self, index: int, one: tuple[Change, datetime] | str) -> Decision:
        if isinstance(one, str):
            return Decision(None, "rejected", code=one)
        change, captured_at = one
        try:
            decision = self._decide(index, change, captured_at)
        except _Refused as refused:
            return Decision(change.item, refused.outcome, code=refused.code, fault=refused.fault)
        if decision.revision is not None:
            self._remember(decision.revision)
        if decision.conflict is not None:
            self._remember_conflict(change.item, decision.conflict)
        return decision

    def _decide(self, index: int, change: Change, captured_at: datetime) -> Decision:
        compiled = self.context.catalogue.types.get(change.type)
        if compiled is None:
            raise _Refused("rejected", "type_unknown")
        if change.op == "create":
            return self._create(change, compiled, captured_at)
        state = self.items.get(change.item)
        if state is None:
            raise _Refused("quarantined", "item_unknown")
        if state.type != change.type:
            raise _Refused("rejected", "type_mismatch")
        self._permit(compiled, change.op, state.author_id, state.grid_id, captured_at)
        if change.op == "delete":
            return self._delete(index, change, state, captured_at)
        return self._update(index, change, state, compiled, captured_at)

    # Creating ----------------------------------------------------------------------------------------------

    def _create(self, change: Change, compiled: CompiledType, captured_at: datetime) -> Decision:
        fields = without_nulls(compiled.normalise(change.fields))
        self._check(compiled.check_whole(fields, self.context.today))
        if (existing := self.items.get(change.item)) is not None:
            return self._create_again(existing, change, fields)
        ruling = apply_rules(compiled.type, fields, change.urgency)
        self._check_photos(compiled, fields, ruling.urgency, ruling.fixed_on_site)
        self._check_references(compiled, fields)
        grid_id, derivation = place(change, compiled, fields, self._reference_grid, self.context.registry)
        if grid_id is None:
            raise _Refused("quarantined", "territory_unresolved")
        self._permit(compiled, "create", self.context.author_id, grid_id, captured_at)
        stream_class = compiled.stream
        blank = ItemState(
            id=change.item,
            type=change.type,
            grid_id=grid_id,
            stream_class=stream_class,
            author_id=self.context.author_id,
            in_own_stream=class_stream(stream_class, grid_id) not in self.streams,
            version=1,
            rev=0,
            touch=0,
            deleted=False,
            urgency=ruling.urgency,
            fields=fields,
            captured_at=captured_at,
            received_at=self.context.now,
            updated_at=self.context.now,
        )
        revision = Revision("create", None, self._signed(blank), fields, None, captured_at, derivation)
        return Decision(change.item, "applied", revision=revision)

    def _create_again(self, existing: ItemState, change: Change, fields: Fields) -> Decision:
        """The same thing pushed by a phone that was restored from its backup is no second thing."""
        same = existing.type == change.type and existing.fields == fields
        if same and existing.author_id == self.context.author_id:
            return Decision(change.item, "applied", current=existing)
        raise _Refused("quarantined", "item_exists")

    # Updating ----------------------------------------------------------------------------------------------

    def _update(
        self, index: int, change: Change, state: ItemState, compiled: CompiledType, captured_at: datetime
    ) -> Decision:
        edit = self._read_edit(index, change, state, compiled, captured_at)
        rest, joined, joined_fields = self._join(state, edit.incoming)
        if state.deleted and not joined:
            return self._park_whole(edit, "update_delete")
        merged = edit.merge(rest)
        revision = None
        if merged.applied or not (merged.overlaps or joined or edit.changed):
            try:
                revision = self._revise(edit, merged)
            except _Refused as refused:
                if refused.fault is None or not edit.changed:
                    raise
                # Each side is valid alone and the two together are not: a person decides about the whole edit.
                return self._park_whole(edit, "update_update")
        parked = (
            self._conflict(index, "update_update", state, merged.overlaps, edit.base_version)
            if merged.overlaps
            else None
        )
        return Decision(
            state.id,
            "parked" if parked or joined else "merged" if edit.changed else "applied",
            revision=revision,
            conflict=parked,
            joined=joined,
            joined_fields=joined_fields,
            current=state,
        )

    def _read_edit(
        self, index: int, change: Change, state: ItemState, compiled: CompiledType, captured_at: datetime
    ) -> _Edit:
        incoming = compiled.normalise(change.fields)
        self._check(compiled.check_change(incoming))
        self._check_references(compiled, without_nulls(incoming))
        past = self.past[state.id]
        base_version = self._base_version(change, past)
        return _Edit(
            index=index,
            change=change,
            state=state,
            compiled=compiled,
            captured_at=captured_at,
            incoming=incoming,
            base_version=base_version,
            base=fields_at(past, base_version),
            changed=changed_by_others(past, base_version, self.context.device_id),
        )

    def _base_version(self, change: Change, past: Sequence[Past]) -> int:
        """The version an edit was written against; a device may leave it out only for what it created itself."""
        if change.base is not None:
            if base_is_known(past, change.base.version, int(change.base.rev, 16)):
                return change.base.version
        elif past and past[0].device_id == self.context.device_id:
            return past[0].version
        raise _Refused("quarantined", "base_unknown")

    def _join(self, state: ItemState, incoming: Fields) -> tuple[Fields, UUID | None, Fields]:
        """Take out the fields whose earlier edit by this device is still parked: (the rest, conflict, taken out)."""
        for conflict in self.open_conflicts.get(state.id, ()):
            keys = incoming.keys() if state.deleted else incoming.keys() & conflict.fields
            if conflict.device_id == self.context.device_id and keys:
                taken = {key: incoming[key] for key in keys}
                rest = {key: value for key, value in incoming.items() if key not in taken}
                return rest, conflict.id, taken
        return incoming, None, {}

    def _revise(self, edit: _Edit, merged: Merged) -> Revision:
        state, compiled = edit.state, edit.compiled
        fields = without_nulls(state.fields | merged.applied)
        self._check(compiled.check_whole(fields, self.context.today))
        ruling = apply_rules(compiled.type, fields, edit.change.urgency or state.urgency)
        grid_id, derivation = self._place_again(edit.change, state, compiled, merged.applied, fields)
        if grid_id != state.grid_id:
            self._permit(compiled, "update", state.author_id, grid_id, edit.captured_at)
        after = msgspec.structs.replace(
            state,
            version=state.version + 1,
            fields=fields,
            urgency=ruling.urgency,
            grid_id=grid_id,
            in_own_stream=state.in_own_stream or (compiled.kind == "event" and grid_id != state.grid_id),
            updated_at=self.context.now,
        )
        signed = self._signed(after)
        return Revision("update", state, signed, merged.applied, edit.base_version, edit.captured_at, derivation)

    def _place_again(
        self, change: Change, state: ItemState, compiled: CompiledType, applied: Fields, fields: Fields
    ) -> tuple[UUID | None, dict[str, Any] | None]:
        """Only an edit of what the territory is told from can move an item; what decides nothing leaves it."""
        told_from = {source.field for source in compiled.type.territory_from if source.field}
        if not told_from & applied.keys():
            return state.grid_id, None
        grid_id, derivation = place(change, compiled, fields, self._reference_grid, self.context.registry)
        return (grid_id, derivation) if grid_id else (state.grid_id, None)

    # Deleting ----------------------------------------------------------------------------------------------

    def _delete(self, index: int, change: Change, state: ItemState, captured_at: datetime) -> Decision:
        past = self.past[state.id]
        base_version = self._base_version(change, past)
        if state.deleted:
            return Decision(state.id, "applied", current=state)
        changed = changed_by_others(past, base_version, self.context.device_id)
        if changed:
            base = fields_at(past, base_version)
            overlaps = {key: Overlap(base.get(key), state.fields.get(key), None) for key in sorted(changed)}
            conflict = self._conflict(index, "delete_update", state, overlaps, base_version)
            return Decision(state.id, "parked", conflict=conflict, current=state)
        after = msgspec.structs.replace(state, version=state.version + 1, deleted=True, updated_at=self.context.now)
        revision = Revision("delete", state, self._signed(after), {}, base_version, captured_at)
        return Decision(state.id, "applied", revision=revision)

    # Shared -----------------------------------------------------------------------------------------

    def _conflict(
        self, index: int, kind: str, state: ItemState, overlaps: dict[str, Overlap], base_version: int
    ) -> Conflict:
        return Conflict(self.context.id_of(index, "conflict"), kind, overlaps, base_version, state.version)

    def _park_whole(self, edit: _Edit, kind: str) -> Decision:
        conflict = self._conflict(edit.index, kind, edit.state, edit.whole_overlap(), edit.base_version)
        return Decision(edit.state.id, "parked", conflict=conflict, current=edit.state)

    def _check(self, faults: Sequence[Fault]) -> None:
        if faults:
            raise _Refused("rejected", faults[0].code, faults[0])

    def _check_photos(self, compiled: CompiledType, fields: Fields, urgency: str, fixed_on_site: bool) -> None:
        """What was fixed on the spot needs its photos from after at once; of others they are asked at closing."""
        photos = fields.get(compiled.photo_field, []) if compiled.photo_field else []
        roles: tuple[PhotoRole, ...] = ("report", "close") if fixed_on_site else ("report",)
        for role in roles:
            given = sum(photo["role"] == role for photo in photos)
            if given < photos_needed(compiled.type, urgency, fixed_on_site, role):
                raise _Refused("rejected", "photos_needed")

    def _check_references(self, compiled: CompiledType, fields: Fields) -> None:
        for key, types in compiled.reference_fields.items():
            if key in fields:
                target = self.references.get(UUID(fields[key]))
                if target is None or target.type not in types:
                    raise _Refused("quarantined", "reference_unknown")

    def _reference_grid(self, item_id: str) -> UUID | None:
        target = self.references.get(UUID(item_id))
        return target.grid_id if target else None

    def _permit(
        self,
        compiled: CompiledType,
        operation: Operation,
        author_id: UUID,
        grid_id: UUID | None,
        captured_at: datetime,
    ) -> None:
        """Write authority is judged by the assignments at the capture, never by those at the receipt."""
        code = write_refusal(
            self.context.author_id,
            assignments_at(self.context.assignments, captured_at),
            ItemFacts(
                type=compiled.code,
                grid_id=grid_id,
                grid_code=self.context.registry.code(grid_id) or "",
                author_id=author_id,
            ),
            compiled.type,
            operation,
        )
        if code is not None:
            raise _Refused("rejected" if code == "delete_not_allowed" else "quarantined", code)

    def _signed(self, item: ItemState) -> ItemState:
        return msgspec.structs.replace(item, rev=revision_rev(self.context.secrets[item.id], item))

    def _remember(self, revision: Revision) -> None:
        after = revision.after
        self.items[after.id] = after
        self.past.setdefault(after.id, []).append(
            Past(after.version, after.rev, self.context.device_id, revision.fields)
        )
        self.references[after.id] = Reference(after.type, after.grid_id)

    def _remember_conflict(self, item_id: UUID, conflict: Conflict) -> None:
        held = OpenConflict(conflict.id, conflict.kind, self.context.device_id, frozenset(conflict.overlaps))
        self.open_conflicts.setdefault(item_id, []).append(held)
