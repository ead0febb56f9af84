"""Settles conflicts, and takes a settlement back.

Both make a new revision, also where the server's values stay, so that every reader of the item learns that a person
decided. A resolution changes only what differs from the item as it is now: where the server's side moved on since the
conflict opened, "server" means its present value. Undoing brings back exactly what the resolution changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas.forms import CompiledType, Fault
from schemas.item_type import ItemType
from schemas.wire import Capture, Change
from sync.access import Assignment, Grant, reading_grants
from sync.decisions import Reference, Revision
from sync.items import Fields, ItemState, Past, revision_rev, without_nulls
from sync.merge import Overlap, fields_at
from sync.placing import place
from sync.refusal import Refusal
from sync.registry import Registry
from sync.rules import apply_rules

SETTLING_ROLES = frozenset({"grid_chief", "community", "street", "county_centre", "city_centre", "department_handler"})
"""The roles that approve by the catalogue: who answers for an area's work settles what two people made of it."""

_NOBODY = UUID(int=0)

Side = Literal["server", "incoming"]
Take = Literal["server", "incoming", "merge"]


class Choice(Struct, frozen=True):
    """What a person decided.

    `server` keeps the item as it is, `incoming` takes the parked edit (or deletion), `merge` decides by field: a side
    for each field in conflict, or a value of his own for any field of the form (None clears it).
    """

    take: Take
    sides: Mapping[str, Side] = {}
    values: Fields = {}


class Dispute(Struct, frozen=True):
    """A conflict as it is stored: its kind and, by field, what both sides made of the base."""

    id: UUID
    kind: str
    overlaps: Mapping[str, Overlap]


class Frame(Struct, frozen=True):
    """What a revision may change of an item beside its fields."""

    deleted: bool
    urgency: str
    grid_id: UUID | None

    @classmethod
    def of(cls, item: ItemState) -> Frame:
        """That of an item."""
        return cls(item.deleted, item.urgency, item.grid_id)


class Settlement(Struct, frozen=True):
    """What the derivation of a `resolve` revision remembers, so that it can be undone."""

    conflict: UUID
    take: Take
    before: Frame
    after: Frame


class Context(Struct, frozen=True):
    """What a settlement is decided by beside the item: its form, the grids, its key, what it refers to, the time."""

    compiled: CompiledType
    registry: Registry
    secret: bytes
    references: Mapping[UUID, Reference]
    now: datetime
    today: date


def settling(assignments: Iterable[Assignment]) -> tuple[Assignment, ...]:
    """Those assignments in whose name a person may settle conflicts."""
    return tuple(held for held in assignments if held.role in SETTLING_ROLES)


def settling_grants(assignments: Iterable[Assignment], item_types: Iterable[ItemType]) -> tuple[Grant, ...]:
    """The items whose conflicts a person may see and settle, as data.

    His role must reach the item by its place or by its case. Having written an item opens it for reading and gives no
    say over what others made of it.
    """
    return reading_grants(_NOBODY, settling(assignments), item_types)


def resolve(dispute: Dispute, item: ItemState, choice: Choice, context: Context) -> Revision | Refusal:
    """The revision that settles a conflict, or why this choice cannot stand."""
    if (refusal := _unfit(dispute, choice)) is not None:
        return refusal
    wanted = _wanted(dispute, item, choice)
    return _revise("resolve", item, wanted, _deleted_after(dispute, item, choice), item.urgency, context)


def settlement_of(dispute: Dispute, take: Take, revision: Revision) -> Settlement:
    """What is to be remembered of a resolution."""
    before = revision.before or revision.after
    return Settlement(dispute.id, take, Frame.of(before), Frame.of(revision.after))


def undo(
    settlement: Settlement, version: int, item: ItemState, past: Sequence[Past], context: Context
) -> Revision | Refusal:
    """The revision that takes back the resolution that made `version`; `past` is the item's whole history."""
    changed = {key for one in past if one.version == version for key in one.fields}
    later = {key for one in past if one.version > version for key in one.fields}
    if changed & later or item.deleted != settlement.after.deleted:
        return _too_late()
    before = fields_at(past, version - 1)
    wanted = {key: before.get(key) for key in sorted(changed)}
    urgency = settlement.before.urgency if item.urgency == settlement.after.urgency else item.urgency
    revision = _revise("undo", item, wanted, settlement.before.deleted, urgency, context)
    return revision if isinstance(revision, Refusal) else _moved_back(revision, settlement, context)


def _moved_back(revision: Revision, settlement: Settlement, context: Context) -> Revision:
    """The grid from before, unless the item was moved again or that grid is no longer current."""
    former, moved_to = settlement.before.grid_id, settlement.after.grid_id
    stayed = revision.before is not None and revision.before.grid_id == moved_to
    if former == moved_to or not stayed or context.registry.code(former) is None:
        return revision
    after = _signed(msgspec.structs.replace(revision.after, grid_id=former), context)
    return msgspec.structs.replace(revision, after=after, derivation={"source": "undo"})


def references_of(compiled: CompiledType, *sources: Mapping[str, Any]) -> set[UUID]:
    """The items that these fields refer to; what is no id is left to the form's own check."""
    named = {fields.get(key) for fields in sources for key in compiled.reference_fields}
    found: set[UUID] = set()
    for value in named:
        try:
            found.add(UUID(value))
        except (ValueError, TypeError, AttributeError):
            continue
    return found


def _unfit(dispute: Dispute, choice: Choice) -> Refusal | None:
    """Why the choice does not answer the conflict: every field in it is to be decided, and nothing else by side."""
    if choice.take != "merge":
        if choice.sides or choice.values:
            return _invalid("只有按栏合并才能逐栏指定。", "Only a merge decides field by field.")
        return None
    if dispute.kind == "delete_update":
        return _invalid("删除只能采纳或不采纳,不能合并。", "A deletion is taken or not; it cannot be merged.")
    if strange := sorted(choice.sides.keys() - dispute.overlaps.keys()):
        named = ", ".join(strange)
        return _invalid(f"这些栏没有冲突:{named}。", f"Not in conflict: {named}.", strange[0])
    if left := sorted(dispute.overlaps.keys() - choice.sides.keys() - choice.values.keys()):
        named = ", ".join(left)
        return _invalid(f"请为每一栏作出选择:{named}。", f"Decide every field in conflict: {named}.", left[0])
    return None


def _wanted(dispute: Dispute, item: ItemState, choice: Choice) -> Fields:
    """The values that the choice asks for, by field; those that stay are left out."""
    if choice.take == "server" or dispute.kind == "delete_update":
        return {}
    sides = choice.sides if choice.take == "merge" else dict.fromkeys(dispute.overlaps, "incoming")
    taken = {key: dispute.overlaps[key].incoming for key, side in sides.items() if side == "incoming"}
    return taken | dict(choice.values)


def _deleted_after(dispute: Dispute, item: ItemState, choice: Choice) -> bool:
    """An edit that is taken restores what was deleted; a deletion that is taken deletes."""
    if choice.take == "server":
        return item.deleted
    return dispute.kind == "delete_update"


def _revise(
    op: str, item: ItemState, wanted: Fields, deleted: bool, urgency: str, context: Context
) -> Revision | Refusal:
    normal = context.compiled.normalise(wanted)
    changed = {key: value for key, value in normal.items() if value != item.fields.get(key)}
    fields = without_nulls(item.fields | changed)
    if (changed or item.deleted) and not deleted and (refusal := _faulty(changed, fields, context)) is not None:
        return refusal
    grid_id, derivation = _place_again(item, changed, fields, context)
    after = msgspec.structs.replace(
        item,
        version=item.version + 1,
        fields=fields,
        deleted=deleted,
        urgency=apply_rules(context.compiled.type, fields, urgency).urgency,
        grid_id=grid_id,
        in_own_stream=item.in_own_stream or (context.compiled.kind == "event" and grid_id != item.grid_id),
        updated_at=context.now,
    )
    return Revision(op, item, _signed(after, context), changed, item.version, context.now, derivation)


def _faulty(changed: Fields, fields: Fields, context: Context) -> Refusal | None:
    faults = context.compiled.check_whole(fields, context.today)
    if faults:
        return _form_refusal(faults)
    for key, types in context.compiled.reference_fields.items():
        target = context.references.get(UUID(changed[key])) if changed.get(key) else None
        if changed.get(key) and (target is None or target.type not in types):
            label = context.compiled.fields[key]
            zh = f"“{label.label_zh}”引用的事项不存在或类型不对。"
            en = f"What “{label.label_en}” refers to does not exist or is of the wrong type."
            return Refusal("reference_unknown", zh, en, field=key)
    return None


def _place_again(
    item: ItemState, changed: Fields, fields: Fields, context: Context
) -> tuple[UUID | None, dict[str, Any] | None]:
    """Only what the territory is told from can move an item; a desk has no position and claims no grid."""
    told_from = {source.field for source in context.compiled.type.territory_from if source.field}
    if not told_from & changed.keys():
        return item.grid_id, None

    def reference_grid(item_id: str) -> UUID | None:
        target = context.references.get(UUID(item_id))
        return target.grid_id if target else None

    from_desk = Change("update", item.id, item.type, Capture(context.now, 0, "desk"))
    grid_id, derivation = place(from_desk, context.compiled, fields, reference_grid, context.registry)
    return (grid_id, derivation) if grid_id else (item.grid_id, None)


def _signed(item: ItemState, context: Context) -> ItemState:
    return msgspec.structs.replace(item, rev=revision_rev(context.secret, item))


def _form_refusal(faults: Sequence[Fault]) -> Refusal:
    """Every fault in words; they name fields and never repeat a value."""
    zh = " ".join(fault.zh for fault in faults)
    en = " ".join(fault.en for fault in faults)
    return _invalid(f"合并后的内容不合要求:{zh}", f"The result does not fit the form: {en}", faults[0].field)


def _invalid(zh: str, en: str, field: str | None = None) -> Refusal:
    return Refusal("resolution_invalid", zh, en, field=field)


def _too_late() -> Refusal:
    return Refusal(
        "undo_too_late",
        "此后又有修改涉及同样的内容,无法撤销;请直接更正。",
        "What it changed was changed again since, so it cannot be undone; correct the item instead.",
    )
