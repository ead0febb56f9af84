"""What a person decides about a conflict, and who may: the records around `sync.resolve`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal
from uuid import UUID

from msgspec import Struct

from schemas.item_type import ItemType
from sync.access import Assignment, Grant, ItemFacts, reaches, reading_grants
from sync.decisions import PLACING_KINDS, HeldPlace, Step
from sync.items import Fields, ItemState
from sync.merge import Overlap
from sync.placing import UnsettledCode
from sync.refusal import Refusal

SETTLING_ROLES = frozenset({"grid_chief", "community", "street", "county_centre", "city_centre", "department_handler"})
"""The roles that approve by the catalogue: who answers for an area's work settles what two people made of it."""

_NOBODY = UUID(int=0)

Side = Literal["server", "incoming"]
Take = Literal["server", "incoming", "merge", "grid", "link"]


class Choice(Struct, frozen=True):
    """What a person decided.

    `server` keeps the item as it is, `incoming` takes the parked change, `merge` decides by field: a side for each
    field in conflict, or a value of his own for any field of the form (None clears it). `grid` gives an item whose code
    decided nothing the current grid of this unified code. Of an item that is held itself, `server` drops it and the
    others take it in; of a duplicate, `server` keeps both, `incoming` deletes the one that came second, and `link`
    makes it one with the item `link`.
    """

    take: Take
    sides: Mapping[str, Side] = {}
    values: Fields = {}
    grid: str | None = None
    link: UUID | None = None


class Dispute(Struct, frozen=True):
    """A conflict as it is stored: its kind, the operation that is parked, by field what both sides made of the base.

    `claim`: of an item that is held, the code from which no grid can be told, or where it belongs. `step`: of a case.
    `grouped`: it is settled together with others.
    """

    id: UUID
    kind: str
    overlaps: Mapping[str, Overlap]
    claim: UnsettledCode | HeldPlace | None = None
    op: str = "update"
    step: Step | None = None
    grouped: bool = False

    @property
    def holds_item(self) -> bool:
        """Whether the item itself waits, not an edit of it."""
        return self.kind in PLACING_KINDS or (self.op == "create" and self.kind != "duplicate")

    @property
    def deletes(self) -> bool:
        """Whether taking the parked change deletes the item."""
        return self.op == "delete" or self.kind in ("delete_update", "duplicate")


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


def settling(assignments: Iterable[Assignment]) -> tuple[Assignment, ...]:
    """Those assignments in whose name a person may settle conflicts."""
    return tuple(held for held in assignments if held.role in SETTLING_ROLES)


def settling_grants(assignments: Iterable[Assignment], item_types: Iterable[ItemType]) -> tuple[Grant, ...]:
    """The items whose conflicts a person may see and settle, as data.

    His role must reach the item by its place or by its case. Having written an item opens it for reading and gives no
    say over what others made of it.
    """
    return reading_grants(_NOBODY, settling(assignments), item_types)


def may_assign(grants: Iterable[Grant], type_code: str, grid_id: UUID, grid_code: str) -> bool:
    """Whether a grid lies inside the area of somebody with these settling grants, for an item of this type."""
    facts = ItemFacts(type=type_code, grid_id=grid_id, grid_code=grid_code, author_id=_NOBODY)
    places = [grant.reach for grant in grants if type_code in grant.types and grant.reach.author_id is None]
    return any(reaches(reach, facts) for reach in places)


def unfit(dispute: Dispute, choice: Choice) -> Refusal | None:
    """Why the choice does not answer the conflict: every field in it is to be decided, and nothing else by side."""
    if choice.take == "link":
        return _unfit_link(dispute)
    if (refusal := _unfit_grid(dispute, choice)) is not None:
        return refusal
    if choice.take != "merge":
        if choice.sides or choice.values:
            return invalid("只有按栏合并才能逐栏指定。", "Only a merge decides field by field.")
        return None
    if dispute.deletes or dispute.step is not None:
        return invalid(
            "删除和案件操作只能采纳或不采纳,不能合并。",
            "A deletion or a step of a case is taken or not; it cannot be merged.",
        )
    if dispute.grouped:
        return invalid(
            "此冲突与其他冲突一并处理,只能整组采纳或不采纳。",
            "It is settled together with others, which are all taken or none.",
        )
    return _undecided(dispute, choice)


def _unfit_link(dispute: Dispute) -> Refusal | None:
    if dispute.kind == "duplicate" and not dispute.grouped:
        return None
    return invalid(
        "只有重复的事项可以合为一项。",
        "Only a duplicate, and one by itself, is linked with another item.",
        "link",
    )


def _unfit_grid(dispute: Dispute, choice: Choice) -> Refusal | None:
    """What lacks its grid is settled by naming one, and nothing else is; in a group there may be some of either."""
    if dispute.kind in PLACING_KINDS:
        fits = choice.take == "grid" or (dispute.grouped and choice.take == "server")
    else:
        fits = choice.take != "grid" or dispute.grouped
    if fits:
        return None
    return invalid(
        "编码与网格去向的冲突须指定网格,其他冲突不能指定网格。",
        "A conflict about a code or a grid is settled by naming the grid, and no other one is.",
        "grid",
    )


def _undecided(dispute: Dispute, choice: Choice) -> Refusal | None:
    if strange := sorted(choice.sides.keys() - dispute.overlaps.keys()):
        named = ", ".join(strange)
        return invalid(f"这些栏没有冲突:{named}。", f"Not in conflict: {named}.", strange[0])
    if left := sorted(dispute.overlaps.keys() - choice.sides.keys() - choice.values.keys()):
        named = ", ".join(left)
        return invalid(f"请为每一栏作出选择:{named}。", f"Decide every field in conflict: {named}.", left[0])
    return None


def invalid(zh: str, en: str, field: str | None = None) -> Refusal:
    """A choice that cannot stand, with its reason."""
    return Refusal("resolution_invalid", zh, en, field=field)
