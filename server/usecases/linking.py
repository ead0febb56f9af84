"""Two items that are one: the loser belongs to the winner, and whatever refers to the loser refers to the winner.

Both keep their histories. The loser is deleted, so that phones drop it; what they still send of it is carried to the
winner (`server.usecases.linked`, `sync.linked`). All items are locked by the caller, and the entries to move are
handed back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.forms import CompiledType
from server.db import items, links, reading
from server.db.database import Row, Transaction
from server.db.links import NewLink
from server.errors import Problem
from server.services import Services
from server.usecases.amending import Amendment, Desk
from server.usecases.conflict_access import grants_of
from server.usecases.feeding import FeedWrite, writes_for_item
from server.usecases.referring import referrers_of
from sync.clocks import city_day
from sync.decisions import Reference, Revision
from sync.items import Fields, ItemState
from sync.merge import Overlap
from sync.resolve import Context, repoint


class Repointed(Struct, frozen=True):
    """An item that names another one in some of its fields: its key, and the revision that changes these."""

    secret: bytes
    revision: Revision


class Linking(Struct, frozen=True):
    """A link about to be stored."""

    desk: Desk
    loser: ItemState
    winner: ItemState
    repointed: list[Repointed]

    @classmethod
    async def between(cls, desk: Desk, loser: ItemState, winner_id: UUID) -> Linking:
        """The link of two locked items. Raises Problem `resolution_invalid` where they cannot be one."""
        winner = await _winner(desk, loser, winner_id)
        await _check_nothing_waits(desk, loser.id)
        referring = await referring_to(desk.tx, desk.services, loser.id)
        return cls(desk, loser, winner, await _repoint(desk, "resolve", referring, loser.id, winner))

    def record(self) -> dict[str, Any]:
        """What is to be remembered of it, so that it can be undone."""
        changed = [
            {"item": str(one.revision.after.id), "fields": sorted(one.revision.fields)} for one in self.repointed
        ]
        return {"winner": str(self.winner.id), "repointed": changed}

    async def store(self, conflict_id: UUID) -> list[FeedWrite]:
        """Write the link, and what refers to the winner from now on."""
        version, at = self.winner.version, self.desk.order.now
        link = NewLink(self.loser.id, self.winner.id, version, conflict_id, at)
        await links.insert_link(self.desk.tx.connection, link)
        why = {"repointed": {"from": str(self.loser.id), "to": str(self.winner.id)}}
        return await _store(self.desk, self.repointed, why)


async def part(desk: Desk, loser_id: UUID, recorded: dict[str, Any]) -> list[FeedWrite]:
    """Make two items of one again, as `recorded`. Raises Problem `undo_too_late`.

    That is where the winner took edits over, or was linked itself since: what referred to the loser refers to another
    item by now. What was made to refer to the winner refers to the loser again, unless somebody has changed that since.
    """
    winner_id = UUID(recorded["winner"])
    if await links.was_carried(desk.tx.connection, loser_id):
        raise Problem(
            "undo_too_late",
            detail_zh="合为一项后,已有修改记到保留的事项上,不能再分开;请另建事项。",
            detail_en="What was written since belongs to the item that stayed; make a new item instead.",
        )
    if await links.is_loser(desk.tx.connection, winner_id):
        raise Problem(
            "undo_too_late",
            detail_zh="保留的事项此后又并入另一事项;请先撤销那一次。",
            detail_en="The item that stayed was linked with another one since; undo that first.",
        )
    await links.delete_link(desk.tx.connection, loser_id)
    changed = {UUID(one["item"]): set(one["fields"]) for one in recorded["repointed"]}
    loser = await _opened(desk, [loser_id])
    back = await _repoint(desk, "undo", set(changed), winner_id, next(iter(loser))[1], changed)
    return await _store(desk, back, {"repointed": {"from": str(winner_id), "to": str(loser_id)}})


async def check_no_loser(tx: Transaction, item_id: UUID) -> None:
    """Raises Problem `undo_too_late`: what belongs to another item is not brought back but by parting the two."""
    if await links.is_loser(tx.connection, item_id):
        raise Problem(
            "undo_too_late",
            detail_zh="此事项此后已并入另一事项;请先撤销合并。",
            detail_en="The item was linked with another one since; undo that first.",
        )


async def follow(desk: Desk, compiled: CompiledType, overlaps: Mapping[str, Overlap]) -> Mapping[str, Overlap]:
    """The sides of a conflict: what was parked naming a loser names its winner."""
    parked = {key: overlaps[key].incoming for key in compiled.reference_fields if key in overlaps}
    named = sorted({UUID(value) for value in parked.values() if value})
    found = await links.winners_of(desk.tx.connection, named) if named else {}
    ways = {key: str(found[UUID(value)][0]) for key, value in parked.items() if value and UUID(value) in found}
    return {**overlaps, **{key: replace(overlaps[key], incoming=winner) for key, winner in ways.items()}}


async def referring_to(tx: Transaction, services: Services, item_id: UUID) -> set[UUID]:
    """The live items that refer to this one; none more once it is locked wholly."""
    found = await referrers_of(tx.connection, services.keyring, [item_id])
    return set(found[item_id])


async def repointed_by(tx: Transaction, row: Row) -> set[UUID]:
    """The items that the settlement of this conflict made to refer to another one."""
    made = await links.settlement_of_conflict(tx.connection, row["id"])
    return {UUID(one["item"]) for one in made.get("link", {}).get("repointed", ())}


async def _winner(desk: Desk, loser: ItemState, winner_id: UUID) -> ItemState:
    """The item that stays; who may not settle its conflicts is not told that it is there."""
    grants = grants_of(desk.services, desk.order.actor)
    mine = await reading.readable_items(desk.tx.connection, [winner_id], grants) if winner_id != loser.id else set()
    winner = (await _opened(desk, [winner_id]))[0][1] if mine else None
    if winner is None or winner.type != loser.type or winner.grid_id is None:
        raise _invalid(
            "找不到可与之合为一项的同类事项,或不在您负责的范围内。",
            "There is no item of the same type in your area to make it one with.",
        )
    return winner


async def _check_nothing_waits(desk: Desk, loser_id: UUID) -> None:
    waiting = await items.open_conflicts_of_items(desk.tx.connection, [loser_id])
    if any(row["kind"] != "duplicate" for row in waiting):
        raise _invalid(
            "此事项还有其他未决冲突,请先处理。",
            "Other conflicts about it are open; settle those first.",
        )


async def _repoint(
    desk: Desk,
    op: str,
    item_ids: set[UUID],
    named: UUID,
    target: ItemState,
    only: dict[UUID, set[str]] | None = None,
) -> list[Repointed]:
    """The revisions by which these items name the target where they name another one (in `only` these fields)."""
    reference = {target.id: Reference(target.type, target.grid_id)}
    found: list[Repointed] = []
    for secret, item in await _opened(desk, sorted(item_ids)):
        wanted = _naming(desk, item, named, target.id, only[item.id] if only else None)
        if wanted and not item.deleted:
            found.append(Repointed(secret, repoint(op, item, wanted, _context(desk, secret, item, reference))))
    return found


def _naming(desk: Desk, item: ItemState, named: UUID, target: UUID, only: set[str] | None) -> Fields:
    keys = desk.services.catalogue.types[item.type].reference_fields
    return {key: str(target) for key in keys if item.fields.get(key) == str(named) and (only is None or key in only)}


def _context(desk: Desk, secret: bytes, item: ItemState, references: dict[UUID, Reference]) -> Context:
    now, registry = desk.order.now, desk.services.registry
    desk.tx.places_by(registry.version)
    compiled = desk.services.catalogue.types[item.type]
    return Context(compiled, registry, secret, references, now, city_day(now))


async def _store(desk: Desk, repointed: list[Repointed], why: dict[str, Any]) -> list[FeedWrite]:
    writes: list[FeedWrite] = []
    for one in repointed:
        revision = one.revision
        amendment = Amendment(desk, one.secret, revision)
        await amendment.revision({**(revision.derivation or {}), **why})
        writes += await amendment.claims()
        # Who linked two others has written nothing here that he could not review.
        writes += await amendment.submit(revision.after.author_id)
        writes += writes_for_item(revision.before, revision.after)
    return writes


async def _opened(desk: Desk, item_ids: list[UUID]) -> list[tuple[bytes, ItemState]]:
    """Items that the caller has locked, with their keys; erased ones are left out."""
    rows = await items.lock_items(desk.tx.connection, item_ids, wholly=True)
    opened = [(desk.vault.secret(row), row) for row in rows if not row["erased_at"]]
    return [(secret, desk.vault.open_item(row, secret)) for secret, row in opened]


def _invalid(zh: str, en: str) -> Problem:
    return Problem("resolution_invalid", field="link", detail_zh=zh, detail_en=en)
