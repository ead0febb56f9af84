"""What the worker sees: the pulled layer with his edits laid over it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from sync.device.state import Edit, State
from sync.device.views import VisibleItem


def visible(state: State, item: UUID) -> VisibleItem | None:
    """The item as the worker sees it; None if there is none or it was deleted here."""
    return _overlay(state, item, [edit for edit in state.edits if edit.change.item == item])


def items(state: State) -> list[VisibleItem]:
    """All items as the worker sees them, in the order of their ids."""
    edits: dict[UUID, list[Edit]] = {}
    for edit in state.edits:
        edits.setdefault(edit.change.item, []).append(edit)
    seen = (_overlay(state, item, edits.get(item, [])) for item in sorted({*state.items, *edits}))
    return [item for item in seen if item is not None]


def _overlay(state: State, item: UUID, edits: list[Edit]) -> VisibleItem | None:
    """A deletion hides the item unless he saw it again and edited it since."""
    seen = _pulled_item(state, item)
    if edits and edits[-1].change.op == "delete":
        return None
    for edit in edits:
        change = edit.change
        if change.op == "create" and seen is None:
            seen = VisibleItem(item, change.type, 0, change.grid, change.urgency, {}, False)
        if seen is not None:
            seen = _laid_over(seen, edit)
    return seen


def _pulled_item(state: State, item: UUID) -> VisibleItem | None:
    body = state.items.get(item)
    if body is None:
        return None
    return VisibleItem(
        id=body.id,
        type=body.type,
        version=body.version,
        code=body.code,
        urgency=body.urgency,
        fields=body.fields,
        unsent=False,
        received_at=body.received_at,
        review=body.review,
        case=body.case,
        evidence=body.evidence,
    )


def _laid_over(seen: VisibleItem, edit: Edit) -> VisibleItem:
    """One edit over the item. A step of the case leaves the case as it is: the server may still refuse it."""
    change = edit.change
    merged = {**seen.fields, **change.fields}
    return msgspec.structs.replace(
        seen,
        code=change.grid or seen.code,
        urgency=change.urgency or seen.urgency,
        fields={name: value for name, value in merged.items() if value is not None},
        unsent=seen.unsent or edit.outcome is None,
    )
