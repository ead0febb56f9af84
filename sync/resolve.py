"""Settles conflicts, and takes a settlement back.

Both make a new revision, also where the server's values stay, so that every reader of the item learns that a person
decided. A resolution changes only what differs from the item as it is now: where the server's side moved on since the
conflict opened, "server" means its present value. Undoing brings back exactly what the resolution changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas.forms import CompiledType, Fault
from schemas.wire import Capture, Change
from sync.decisions import PLACING_KINDS, HeldPlace, Reference, Revision
from sync.disputes import Choice, Dispute, Frame, Settlement, Take, invalid, unfit
from sync.items import Fields, ItemState, Past, revision_rev, without_nulls
from sync.merge import fields_at
from sync.placing import Writing, place, positions
from sync.refusal import Refusal
from sync.registry import Registry
from sync.rules import ruled_urgency


class Context(Struct, frozen=True):
    """What a settlement is decided by beside the item: its form, the grids, its key, what it refers to, the time."""

    compiled: CompiledType
    registry: Registry
    secret: bytes
    references: Mapping[UUID, Reference]
    now: datetime
    today: date


def resolve(dispute: Dispute, item: ItemState, choice: Choice, context: Context) -> Revision | Refusal:
    """The revision that settles a conflict, or why this choice cannot stand."""
    if (refusal := unfit(dispute, choice)) is not None:
        return refusal
    if (refusal := _names_deleted(choice, context)) is not None:
        return refusal
    if dispute.holds_item and choice.take != "server":
        return _take_in(dispute, item, choice, context)
    wanted = _wanted(dispute, item, choice)
    return _revise("resolve", item, wanted, _deleted_after(dispute, item, choice), item.urgency, context)


def grid_named(code: str, registry: Registry) -> UUID | Refusal:
    """The grid that a person names by a code, be it one that has ended and become a single other one."""
    reading = registry.read_code(code)
    if reading.answer == "one":
        return reading.grids[0]
    if reading.answer == "several":
        codes = [registry.code(grid_id) or "" for grid_id in reading.grids]
        return invalid(
            f"此编码的网格已变更为 {'、'.join(codes)};请指定其中之一。",
            f"The grid of this code became {', '.join(codes)}; name one of these.",
            "grid",
        )
    return invalid("没有使用此编码的现行网格。", "No current grid bears this code.", "grid")


def settlement_of(dispute: Dispute, take: Take, revision: Revision) -> Settlement:
    """What is to be remembered of a resolution."""
    before = revision.before or revision.after
    return Settlement(dispute.id, take, Frame.of(before), Frame.of(revision.after))


def undo(
    settlement: Settlement, version: int, item: ItemState, past: Sequence[Past], context: Context
) -> Revision | Refusal:
    """The revision that takes back the resolution that made `version`; `past` is the item's whole history."""
    if settlement.before.grid_id is None and item.grid_id != settlement.after.grid_id:
        return _too_late()
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
    """The grid from before, unless the item was moved again or that grid is no longer current.

    Before its grid was told by a person, the item had none.
    """
    former, moved_to = settlement.before.grid_id, settlement.after.grid_id
    stayed = revision.before is not None and revision.before.grid_id == moved_to
    if former == moved_to or not stayed or (former is not None and context.registry.code(former) is None):
        return revision
    after = _signed(msgspec.structs.replace(revision.after, grid_id=former), context)
    return msgspec.structs.replace(revision, after=after, derivation={"source": "undo"})


def repoint(op: str, item: ItemState, wanted: Fields, context: Context) -> Revision:
    """The revision by which an item names another one in some fields; what else it says is not checked again."""
    return _made(op, item, wanted, without_nulls(item.fields | wanted), item.deleted, item.urgency, context)


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


def _names_deleted(choice: Choice, context: Context) -> Refusal | None:
    """A value of a person's own names no deleted item; the parked one may, for he sees what he keeps."""
    for key in context.compiled.reference_fields:
        target = _target(choice.values, key, context)
        if target is not None and target.deleted:
            return _reference_unknown(key, context)
    return None


def _take_in(dispute: Dispute, item: ItemState, choice: Choice, context: Context) -> Revision | Refusal:
    """What was held gets its grid: the one that a person names, the one it was to get, or that of what it refers to."""
    revision = _revise("resolve", item, _wanted(dispute, item, choice), False, item.urgency, context)
    if isinstance(revision, Refusal):
        return revision
    if dispute.kind in PLACING_KINDS:
        named, derivation = grid_named(choice.grid or "", context.registry), {"source": "person"}
        if isinstance(named, Refusal):
            return named
        grid_id = named
    else:
        grid_id, derivation = _grid_of_held(dispute, revision, context)
        if grid_id is None:
            return invalid(
                "无法确定事项所属网格;请先处理它所引用的事项,或不予采纳。",
                "No grid can be told; settle what it refers to first, or drop it.",
            )
    own = item.in_own_stream or context.compiled.kind == "event"
    after = _signed(msgspec.structs.replace(revision.after, grid_id=grid_id, in_own_stream=own), context)
    return msgspec.structs.replace(revision, after=after, derivation=derivation)


def _grid_of_held(dispute: Dispute, revision: Revision, context: Context) -> tuple[UUID | None, dict[str, Any] | None]:
    if revision.after.grid_id is not None:
        return revision.after.grid_id, revision.derivation
    place, registry = dispute.claim, context.registry
    became = registry.lineage.carry(place.grid, 0).grids if isinstance(place, HeldPlace) and place.grid else ()
    if len(current := [one for one in became if registry.code(one) is not None]) == 1:
        return current[0], {"source": "held"}
    return _placed(revision.after, revision.after.fields, context)


def _wanted(dispute: Dispute, item: ItemState, choice: Choice) -> Fields:
    """The values that the choice asks for, by field; those that stay are left out."""
    if choice.take == "server" or dispute.deletes:
        return {}
    sides = choice.sides if choice.take == "merge" else dict.fromkeys(dispute.overlaps, "incoming")
    held = item.fields if dispute.holds_item else {}
    incoming = {key: held.get(key, dispute.overlaps[key].incoming) for key, side in sides.items() if side == "incoming"}
    cleared = {key: None for key, side in sides.items() if side == "server" and dispute.holds_item}
    return incoming | cleared | dict(choice.values)


def _deleted_after(dispute: Dispute, item: ItemState, choice: Choice) -> bool:
    """An edit that is taken restores what was deleted; a deletion that is taken deletes, and what is dropped goes."""
    if choice.take == "server":
        return item.deleted or dispute.holds_item
    if dispute.step is not None:
        return item.deleted
    return dispute.deletes


def _revise(
    op: str, item: ItemState, wanted: Fields, deleted: bool, urgency: str, context: Context
) -> Revision | Refusal:
    normal = context.compiled.normalise(wanted)
    changed = {key: value for key, value in normal.items() if value != item.fields.get(key)}
    fields = without_nulls(item.fields | changed)
    if (changed or item.deleted) and not deleted and (refusal := _faulty(item, changed, fields, context)) is not None:
        return refusal
    return _made(op, item, changed, fields, deleted, urgency, context)


def _made(
    op: str, item: ItemState, changed: Fields, fields: Fields, deleted: bool, urgency: str, context: Context
) -> Revision:
    grid_id, derivation = _place_again(item, changed, fields, context)
    after = msgspec.structs.replace(
        item,
        version=item.version + 1,
        fields=fields,
        deleted=deleted,
        urgency=ruled_urgency(context.compiled.type, fields, urgency),
        grid_id=grid_id,
        in_own_stream=item.in_own_stream or (context.compiled.kind == "event" and grid_id != item.grid_id),
        updated_at=context.now,
    )
    return Revision(op, item, _signed(after, context), changed, item.version, context.now, derivation)


def _faulty(item: ItemState, changed: Fields, fields: Fields, context: Context) -> Refusal | None:
    faults = context.compiled.check_edited(item.fields, fields, context.today)
    if faults:
        return _form_refusal(faults)
    for key, types in context.compiled.reference_fields.items():
        target = _target(changed, key, context)
        if changed.get(key) and (target is None or target.type not in types):
            return _reference_unknown(key, context)
    return None


def _target(fields: Mapping[str, Any], key: str, context: Context) -> Reference | None:
    """What a field refers to; None for nothing, what is unknown, and what is no id at all."""
    try:
        return context.references.get(UUID(fields[key]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _reference_unknown(key: str, context: Context) -> Refusal:
    label = context.compiled.fields[key]
    zh = f"“{label.label_zh}”引用的事项不存在或类型不对。"
    en = f"What “{label.label_en}” refers to does not exist or is of the wrong type."
    return Refusal("reference_unknown", zh, en, field=key)


def _place_again(
    item: ItemState, changed: Fields, fields: Fields, context: Context
) -> tuple[UUID | None, dict[str, Any] | None]:
    """Only what the territory is told from can move an item; a desk has no position and claims no grid."""
    told_from = {source.field for source in context.compiled.type.territory_from if source.field}
    return _placed(item, fields, context) if told_from & changed.keys() else (item.grid_id, None)


def _placed(item: ItemState, fields: Fields, context: Context) -> tuple[UUID | None, dict[str, Any] | None]:
    compiled, told_by = context.compiled, fields.get(context.compiled.belongs_to_field)
    target = context.references.get(UUID(told_by)) if told_by else None
    reference_grid = target.grid_id if target else None
    from_desk = Change("update", item.id, item.type, Capture(context.now, 0, "desk"))
    fixes = positions(from_desk, compiled, fields)
    registry = context.registry
    today = Writing(context.now, registry.version, registry.version)
    placement = place(from_desk, compiled, fixes, reference_grid, registry, today)
    return (placement.grid_id, placement.derivation) if placement.grid_id else (item.grid_id, None)


def _signed(item: ItemState, context: Context) -> ItemState:
    return msgspec.structs.replace(item, rev=revision_rev(context.secret, item))


def _form_refusal(faults: Sequence[Fault]) -> Refusal:
    """Every fault in words; they name fields and never repeat a value."""
    zh = " ".join(fault.zh for fault in faults)
    en = " ".join(fault.en for fault in faults)
    return invalid(f"合并后的内容不合要求:{zh}", f"The result does not fit the form: {en}", faults[0].field)


def _too_late() -> Refusal:
    return Refusal(
        "undo_too_late",
        "此后又有修改涉及同样的内容,无法撤销;请直接更正。",
        "What it changed was changed again since, so it cannot be undone; correct the item instead.",
    )
