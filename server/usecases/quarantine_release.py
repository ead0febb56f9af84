"""Releasing what the quarantine holds: it is decided once more, as of now, and stored as any change is.

    lock the row -> open its bytes -> load under locks -> decide (pure) -> compare with who releases -> store, audit

The author stays who wrote it; who released it and why stands in the revision's derivation and on the audit trail. What
a person may release, he may also settle: his role reaches the item, before and after. The author's own authority and
the lease are not asked again; forms, references, history and conflicts are, so a change may also end in a conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as dataclass_replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from schemas.wire import Change, ChangeOutcome
from server.db import audit, push, quarantine
from server.db.database import Row, Transaction
from server.db.quarantine import QuarantineFilter
from server.errors import CATALOGUE, Problem
from server.services import Services
from server.usecases.conflict_access import grants_of
from server.usecases.decided_set import DecidedSet
from server.usecases.loading import Asked, Loaded, load_context
from server.usecases.quarantine_access import Content, facts_of, find_row, is_reached, open_row, sight_of
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.storing import store_decisions
from sync.access import Grant
from sync.decide import Dated, Undecoded, decide_set
from sync.decisions import Decision
from sync.items import ItemState

_MOST = 100_000
_EVER = timedelta(days=36_500)
_NOTHING = Decision(None, "applied")


class ReleaseOrder(Struct, frozen=True, kw_only=True):
    """Who lets something go on, why and when; a dry run does it all and takes it back."""

    actor: Caller
    reason: str
    now: datetime
    dry_run: bool = False


class Released(Struct, frozen=True, kw_only=True):
    """What became of a row: an outcome for each of its changes, or the code and words of why it stays.

    Of a whole set, what is still not to be applied stays in the quarantine change by change.
    """

    id: UUID
    released: bool
    dry_run: bool
    outcomes: list[ChangeOutcome] = []
    code: str | None = None
    zh: str | None = None
    en: str | None = None


class _DryRun(Exception):
    def __init__(self, done: list[Released]) -> None:
        super().__init__()
        self.done = done


async def release(services: Services, order: ReleaseOrder, ids: tuple[UUID, UUID]) -> Released:
    """Release one row.

    Raises Problem: forbidden, not_found, reason_needed, quarantine_settled, quarantine_gone, and the code of what is
    against the change.
    """
    (done,) = await _write(services, order, lambda tx: _release_each(tx, services, order, [ids], refuse=True))
    return done


async def release_device(services: Services, order: ReleaseOrder, devices: tuple[UUID, UUID]) -> list[Released]:
    """Release everything that is held of a device, in the order in which it was written, one transaction each.

    What is refused stays, and the rest goes on. A dry run does all in one transaction, for later changes lean on
    earlier ones. `devices`: a range of ids in which there is one. Raises Problem: forbidden, reason_needed,
    parameter_invalid for several devices.
    """
    grants_of(services, order.actor)
    checked_reason(order.reason)
    held = [(one["id"], one["id"]) for one in await _held_of(services, order.actor, devices)]
    parts = [held] if order.dry_run else [[one] for one in held]
    done: list[Released] = []
    for part in parts:
        done += await _write(
            services, order, lambda tx, part=part: _release_each(tx, services, order, part, refuse=False)
        )
    return done


async def _held_of(services: Services, caller: Caller, devices: tuple[UUID, UUID]) -> list[Row]:
    wanted = QuarantineFilter(state="held", devices=devices)
    async with services.database.read() as connection:
        rows = await quarantine.select(connection, sight_of(caller), wanted, _MOST)
    if len({row["device_id"] for row in rows}) > 1:
        raise Problem("parameter_invalid", field="device")
    return sorted(rows, key=_written_order)


def _written_order(row: Row) -> tuple[datetime, bool, int, int]:
    """By exchange, number and place; salvage comes last."""
    index = row["set_index"]
    return row["received_at"], row["set_no"] is None, row["set_no"] or 0, -1 if index is None else index


async def _write(services: Services, order: ReleaseOrder, work: object) -> list[Released]:
    try:
        return await services.database.write(work)  # pyright: ignore[reportArgumentType] both callers give a work
    except _DryRun as tried:
        return tried.done


async def _release_each(
    tx: Transaction, services: Services, order: ReleaseOrder, each: Sequence[tuple[UUID, UUID]], *, refuse: bool
) -> list[Released]:
    done: list[Released] = []
    for ids in each:
        try:
            done.append(await _release(tx, services, order, ids))
        except Problem as problem:
            if refuse:
                raise
            code, zh, en = problem.code, problem.zh, problem.en
            done.append(Released(id=ids[0], released=False, dry_run=order.dry_run, code=code, zh=zh, en=en))
    if order.dry_run:
        raise _DryRun(done)
    return done


async def _release(tx: Transaction, services: Services, order: ReleaseOrder, ids: tuple[UUID, UUID]) -> Released:
    reason, grants = checked_reason(order.reason), grants_of(services, order.actor)
    row = await find_row(tx.connection, order.actor, ids)
    if await quarantine.lock(tx.connection, row["id"]) != "held":
        raise Problem("quarantine_settled")
    content = await open_row(tx.connection, services, row)
    if content.refused is not None:
        raise Problem(content.refused)
    dated = [_dated(row, one) for _, one in content.changes]
    loaded = await _load(tx, services, order, row, content, [one[0] for one in dated if not isinstance(one, Undecoded)])
    dated = [one if isinstance(one, Undecoded) else (_against(loaded, row, one[0]), one[1]) for one in dated]
    decisions = decide_set(dated, loaded.context)
    if (against := _against_all(row, decisions)) is not None:
        raise _refusal(against)
    await _check_reach(tx, services, grants, content, decisions)
    by = {"by": str(order.actor.user_id), "reason": reason, "quarantine": str(row["id"])}
    outcomes = await store_decisions(tx, services, loaded, _decided(order, row, content, dated, decisions, by))
    await quarantine.settle(tx.connection, row["id"], "released")
    outcomes = [outcomes[place] for place in _places(row, content)]
    await _record(tx, order, row, reason, outcomes)
    return Released(id=row["id"], released=True, dry_run=order.dry_run, outcomes=outcomes)


def _dated(row: Row, one: Change | Undecoded) -> Dated:
    """The exchange's clock is long gone, so the phone's own has to do; nothing was written after it arrived."""
    if isinstance(one, Undecoded):
        return one
    wall = one.capture.wall
    return one, min(wall, row["received_at"]) if wall.tzinfo else row["received_at"]


async def _load(
    tx: Transaction, services: Services, order: ReleaseOrder, row: Row, content: Content, changes: list[Change]
) -> Loaded:
    written = dataclass_replace(services, catalogue=services.catalogue.as_written(content.catalogue))
    asked = Asked(
        changes=changes,
        author_id=content.author_id,
        assignments=await push.assignments_ever(tx.connection, content.author_id),
        device_id=row["device_id"],
        set_name=f"released/{row['id']}",
        written_registry=content.registry,
        now=order.now,
    )
    loaded = await load_context(tx, written, asked)
    return replace(loaded, context=replace(loaded.context, lease=_EVER, released=True))


def _against_all(row: Row, decisions: Sequence[Decision]) -> Decision | None:
    """What keeps the row where it is: nothing of it can be applied, or something that has no place in a set cannot."""
    refused = [one for one in decisions if one.code is not None]
    has_place = row["outcome"] in ("quarantined", "rejected")
    return refused[0] if len(refused) == len(decisions) or (refused and not has_place) else None


def _against(loaded: Loaded, row: Row, change: Change) -> Change:
    """Salvage of an item that is there is an edit of it."""
    is_there = row["outcome"] == "salvaged" and change.item in loaded.context.items
    return replace(change, op="update") if is_there else change


def _decided(
    order: ReleaseOrder,
    row: Row,
    content: Content,
    dated: Sequence[Dated],
    decisions: Sequence[Decision],
    by: dict[str, str],
) -> DecidedSet:
    """The set with what is released in its place; whatever else it holds is nobody's business here."""
    before = _places(row, content)[0]
    changes = [None] * before + [None if isinstance(one, Undecoded) else one for one in dated]
    return DecidedSet(
        device_id=row["device_id"],
        author_id=content.author_id,
        epoch=row["epoch"],
        # A fork used a number again: its revisions must not stand in the place of those of the other copy.
        no=row["set_no"] if row["outcome"] in ("quarantined", "rejected") else None,
        catalogue=content.catalogue,
        at=order.now,
        changes=changes,
        decisions=[_NOTHING] * before + [_by_whom(one, by) for one in decisions],
        notices=_notices(content.author_id, decisions, order.now),
    )


def _notices(author_id: UUID, decisions: Sequence[Decision], at: datetime) -> list[dict[str, Any]]:
    """His phone holds the change as kept and not applied: its author is told by a notice for each item.

    Of a loser that was linked he is told under the id that he wrote; the winner may be none of his.
    """
    taken = [one.carried or one.item_id for one in decisions if not one.held and one.code is None]
    return [
        {
            "id": uuid5(item_id, f"released {author_id}"),
            "user_id": author_id,
            "kind": "notice",
            "code": "released",
            "item_id": item_id,
            "open": True,
            "created_at": at,
        }
        for item_id in dict.fromkeys(one for one in taken if one is not None)
    ]


def _places(row: Row, content: Content) -> list[int]:
    return [place for place, _ in content.changes]


def _by_whom(decision: Decision, by: dict[str, str]) -> Decision:
    revision = decision.revision
    if revision is None:
        return decision
    return replace(decision, revision=replace(revision, derivation={**(revision.derivation or {}), "released": by}))


def _refusal(decision: Decision) -> Problem:
    code = decision.code or "resolution_invalid"
    if decision.fault is None:
        return Problem(code)
    known = code if code in CATALOGUE else "resolution_invalid"
    return Problem(known, field=decision.fault.field, detail_zh=decision.fault.zh, detail_en=decision.fault.en)


async def _check_reach(
    tx: Transaction, services: Services, grants: Sequence[Grant], content: Content, decisions: Sequence[Decision]
) -> None:
    """Whoever releases must be able to settle every item that it changes, where it was and where it comes to lie."""
    changes = [one for _, one in content.changes if isinstance(one, Change)]
    changes += _carried(content, decisions)
    facts = await facts_of(tx.connection, services, content, changes)
    for decision in decisions:
        if decision.held or decision.item_id is None:
            continue
        near = facts[decision.item_id]
        after = decision.revision.after if decision.revision else None
        moved = (
            replace(near, grid_id=after.grid_id, grid_code=_code(services, after) or near.grid_code) if after else near
        )
        if not (is_reached(grants, near) and is_reached(grants, moved)):
            raise Problem("forbidden")


def _carried(content: Content, decisions: Sequence[Decision]) -> list[Change]:
    """The changes of losers as ones of the winners to which they went."""
    pairs = zip((one for _, one in content.changes), decisions, strict=True)
    return [
        replace(change, item=decision.item_id)
        for change, decision in pairs
        if isinstance(change, Change) and decision.carried is not None and decision.item_id is not None
    ]


def _code(services: Services, item: ItemState) -> str | None:
    return services.registry.code(item.grid_id)


async def _record(
    tx: Transaction, order: ReleaseOrder, row: Row, reason: str, outcomes: Sequence[ChangeOutcome]
) -> None:
    actor = order.actor
    told = [{"item": one.item, "outcome": one.outcome, "version": one.version} for one in outcomes]
    detail = {"device": str(row["device_id"]), "no": row["set_no"], "outcomes": told}
    await audit.record(
        tx.connection,
        actor.user_id,
        "quarantine.released",
        "quarantine",
        str(row["id"]),
        reason,
        detail,
        actor.request_id,
    )
