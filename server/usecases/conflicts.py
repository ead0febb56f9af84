"""Settling conflicts and taking settlements back: one transaction each, the same for the command line and the console.

    lock the items -> lock the conflicts -> compare their state -> settle each (see `settling`) -> feed

What belongs to one group is settled and taken back together, the same way. Whoever settles is a reader of the items in
a role that approves (`sync.disputes.SETTLING_ROLES`), in whose area they lie or who holds their case. System, security
and audit administrators see no content and settle nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from msgspec.structs import replace

from server.db import cases, conflict_runs, conflicts, items
from server.db.database import Connection, Row, Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_access import find_conflict, grants_of, open_conflict
from server.usecases.feeding import write_feed
from server.usecases.linking import referring_to, repointed_by
from server.usecases.orders import Order
from server.usecases.reasons import checked_reason
from server.usecases.sealed_items import Vault
from server.usecases.settling import Done, Held, Settled, settle, take_back
from sync.decisions import PLACING_KINDS
from sync.disputes import Choice, may_assign
from sync.refusal import Refusal
from sync.resolve import grid_named

Beside = Callable[[Transaction, Row], Awaitable[set[UUID]]]
"""The items that are changed beside those of the group, by the row of the conflict."""

_Note = Callable[[Connection, UUID, Sequence[UUID]], Awaitable[None]]

_BY_ITSELF = frozenset({"placed", "withdrawn", "released"})
"""How a conflict ends that nobody settled."""

_STEP_BY_ITSELF = frozenset({"taken", "reached"})
"""How one ends that was about a step alone; see `server.usecases.awaited_steps`."""


async def resolve_conflict(services: Services, order: Order, choice: Choice) -> Done:
    """Settle a conflict. Raises Problem: forbidden, not_found, conflict_resolved, resolution_invalid, and others."""
    return await _write(services, partial(_resolve, services=services, order=order, choice=choice))


async def undo_resolution(services: Services, order: Order) -> Done:
    """Take a settlement back and reopen the conflict. Raises Problem: conflict_open, undo_too_late, item_erased, …"""
    return await _write(services, partial(_undo, services=services, order=order))


class _DryRun(Exception):
    def __init__(self, done: Done) -> None:
        super().__init__()
        self.done = done


async def _write(services: Services, work: Callable[[Transaction], Awaitable[Done]]) -> Done:
    """A dry run does it all and takes it back: what is settled together depends on each other."""
    try:
        return await services.database.write(work)
    except _DryRun as tried:
        return tried.done


async def _resolve(tx: Transaction, services: Services, order: Order, choice: Choice) -> Done:
    checked_reason(order.reason)
    picked, group = await _lock(tx, services, order, _linked_with(services, choice))
    if picked["state"] != "open":
        raise Problem("conflict_resolved")
    members = [row["id"] for row in group if row["state"] == "open"]
    settled: list[Settled] = []
    for member in members:
        held = await _hold(tx, services, order, member, grouped=len(members) > 1)
        if choice.take == "grid":
            _check_area(services, order, held, choice)
        settled.append(await settle(tx, services, held, order, _choice_for(held, choice)))
    return await _finish(tx, order, picked["id"], settled, conflict_runs.note_settled)


async def _undo(tx: Transaction, services: Services, order: Order) -> Done:
    checked_reason(order.reason)
    if await conflicts.are_of_erased(tx.connection, grants_of(services, order.actor), order.ids):
        raise Problem("item_erased", detail_zh="该事项已清除,不能撤销。", detail_en="The item was erased.")
    picked, group = await _lock(tx, services, order, repointed_by)
    if picked["state"] != "resolved":
        raise Problem("conflict_open")
    await _check_own_settlement(tx, order, picked)
    members = [row["id"] for row in group if row["resolved_at"] == picked["resolved_at"]]
    settled: list[Settled] = []
    for member in reversed(members):
        held = await _hold(tx, services, order, member, grouped=len(members) > 1)
        await _check_not_built_upon(tx, held.opened.row)
        settled.append(await take_back(tx, services, held, order))
    return await _finish(tx, order, picked["id"], settled, conflict_runs.note_undone)


def _choice_for(held: Held, choice: Choice) -> Choice:
    """In a group the grid that is named is for what a code was to place; the rest is simply taken."""
    names_grid = choice.take == "grid" and held.grouped and held.dispute.kind not in PLACING_KINDS
    return Choice("incoming") if names_grid else choice


async def _finish(tx: Transaction, order: Order, picked: UUID, settled: Sequence[Settled], note: _Note) -> Done:
    """Move the entries, last of all, and say what was done; `note`: into the run of which it is a part."""
    together = [one.done.conflict for one in settled if one.done.conflict != picked]
    done = replace(next(one.done for one in settled if one.done.conflict == picked), together=together)
    if order.dry_run:
        raise _DryRun(done)
    if order.run is not None:
        await note(tx.connection, order.run, [picked, *together])
    await write_feed(tx, [write for one in settled for write in one.writes])
    return done


def _linked_with(services: Services, choice: Choice) -> Beside:
    """A link concerns the winner too, and whatever refers to the loser."""

    async def beside(tx: Transaction, row: Row) -> set[UUID]:
        if choice.link is None:
            return set()
        return await referring_to(tx, services, row["item_id"]) | {choice.link}

    return beside


async def _lock(tx: Transaction, services: Services, order: Order, beside: Beside) -> tuple[Row, list[Row]]:
    """Lock all items of a conflict's group and those beside it, then its conflicts, and look again at what they are.

    The items are locked against referrers too, for they may be deleted, restored or moved; so none joins the group.
    """
    seen = await find_conflict(tx.connection, grants_of(services, order.actor), order.ids)
    group_id, locked = seen["group_id"] or seen["id"], set[UUID]()
    while True:
        group = await conflicts.group_of_conflict(tx.connection, group_id)
        missing = ({row["item_id"] for row in group} | await beside(tx, seen)) - locked
        if not missing:
            break
        await items.lock_items(tx.connection, sorted(missing), wholly=True)
        locked |= missing
    await conflicts.lock_conflicts(tx.connection, [row["id"] for row in group])
    group = await conflicts.group_of_conflict(tx.connection, group_id)
    return next(row for row in group if row["id"] == seen["id"]), group


async def _hold(tx: Transaction, services: Services, order: Order, conflict_id: UUID, *, grouped: bool) -> Held:
    """One of the locked conflicts with its item as it is now; an earlier one of the group may have changed it."""
    grants = grants_of(services, order.actor)
    try:
        row = await find_conflict(tx.connection, grants, (conflict_id, conflict_id))
    except Problem as problem:
        raise _out_of_reach(grouped) from problem
    vault = Vault(services.keyring, services.catalogue)
    opened = open_conflict(services, vault, row)
    (item_row,) = await items.lock_items(tx.connection, [row["item_id"]], wholly=True)
    return Held(opened, vault.open_item(item_row, opened.secret), vault, grouped)


def _out_of_reach(grouped: bool) -> Problem:
    if not grouped:
        return Problem("not_found")
    return Problem(
        "forbidden",
        detail_zh="此变更集还涉及您负责范围以外的事项,请由上级处理。",
        detail_en="The set also concerns items outside your area; leave it to the office above.",
    )


def _check_area(services: Services, order: Order, held: Held, choice: Choice) -> None:
    """Nobody gives an item away into another area: the grid must lie in his own; an unknown code is refused later."""
    named = grid_named(choice.grid or "", services.registry)
    if isinstance(named, Refusal):
        return
    grants, code = grants_of(services, order.actor), services.registry.code(named) or ""
    if not may_assign(grants, held.item.type, named, code):
        raise Problem(
            "resolution_invalid",
            field="grid",
            detail_zh="此网格不在您负责的范围内,请选择范围内的网格,或由上级处理。",
            detail_en="This grid is outside your area; choose one inside it, or leave it to the office above.",
        )


async def _check_own_settlement(tx: Transaction, order: Order, row: Row) -> None:
    """A run takes back what it did itself: not what somebody decided after that was taken back already."""
    if order.run is None:
        return
    made = await conflict_runs.settled_version(tx.connection, order.run, row["id"])
    if made != row["resolution_version"]:
        raise Problem(
            "undo_too_late",
            detail_zh="此冲突此后已由他人另行处理,不随本批撤销。",
            detail_en="The conflict was settled again since, which is not this run's to take back.",
        )


async def _check_not_built_upon(tx: Transaction, row: Row) -> None:
    """What ended by itself stays so, and a case that an organisation already works on does not lose its grid."""
    if row["take"] in _STEP_BY_ITSELF:
        raise Problem(
            "undo_too_late",
            detail_zh="条件具备后,这一步已按采集人的操作自动办理,不能撤销;有误请在案件中退回(核实未通过)或重新立案。",
            detail_en="What the step waited for came, so it was taken as its author's own and cannot be undone; if it "
            "is wrong, take the case on from there (redo, reopen).",
        )
    if row["take"] in _BY_ITSELF:
        raise Problem(
            "undo_too_late",
            detail_zh="冲突因采集人后来的修改或删除而自行结束,不能撤销;请更正事项。",
            detail_en="A later change of the item ended it, which cannot be undone; correct the item instead.",
        )
    if row["claim"] is not None and row["take"] != "server":
        found = await cases.cases_of_items(tx.connection, [row["item_id"]])
        if any(case["state"] != "reported" for case in found):
            raise Problem(
                "undo_too_late",
                detail_zh="案件已经受理或派出,不能再撤回网格;请更正事项的位置。",
                detail_en="Its case has been taken up, so the grid stays; correct the item's place instead.",
            )
