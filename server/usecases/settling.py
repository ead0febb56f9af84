"""One conflict settled, or its settlement taken back, inside the transaction that holds its locks.

decide (pure) -> revision, head, what it refers to and claims -> step of the case -> conflict, notice, submission,
audit; the entries to move are handed back, for streams are locked last
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from server.db import audit, conflicts, hints, items
from server.db.conflicts import Closing
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.amending import Amendment, Desk
from server.usecases.claim_views import Label, label
from server.usecases.claiming import duplicate_notice
from server.usecases.conflict_access import Opened
from server.usecases.feeding import FeedWrite, writes_for_item, writes_for_notices
from server.usecases.linking import Linking, check_no_loser, follow, part
from server.usecases.orders import Order
from server.usecases.retaking import Retaken, retake_step, undo_step
from server.usecases.sealed_items import Vault
from server.usecases.standings import parked_notice
from sync.decisions import Reference, Revision
from sync.disputes import Choice, Dispute, Settlement
from sync.items import ItemState, Past
from sync.refusal import Refusal
from sync.resolve import Context, references_of, resolve, settlement_of, undo

_CITY_TIME = ZoneInfo("Asia/Shanghai")


class Done(Struct, frozen=True, kw_only=True):
    """What was done, or would be: the item's new version, the fields that changed, and what else became of it.

    `step`: the state that the case was brought to. `together`: the other conflicts of its group, which went the same
    way. `linked`: the item that it is one with now; `repointed`: how many others refer to that one instead.
    """

    conflict: UUID
    state: Literal["open", "resolved"]
    item: UUID
    version: int
    changed: list[Label]
    deleted: bool
    restored: bool
    grid: str | None
    moved: bool
    dry_run: bool
    step: str | None = None
    together: list[UUID] = []
    linked: UUID | None = None
    repointed: int = 0


class Held(Struct, frozen=True):
    """A conflict and its item, both locked, within the reach of who acts; `grouped`: others are settled with it."""

    opened: Opened
    item: ItemState
    vault: Vault
    grouped: bool

    @property
    def conflict_id(self) -> UUID:
        """Its id."""
        return self.opened.row["id"]

    @property
    def dispute(self) -> Dispute:
        """The conflict as the core sees it."""
        dispute = self.opened.dispute
        return Dispute(
            dispute.id, dispute.kind, dispute.overlaps, dispute.claim, dispute.op, dispute.step, self.grouped
        )


class Settled(Struct, frozen=True):
    """What was done, and the entries that are to be moved for it."""

    done: Done
    writes: list[FeedWrite]


async def settle(tx: Transaction, services: Services, held: Held, order: Order, choice: Choice) -> Settled:
    """Settle one conflict. Raises Problem for what the core refuses."""
    dispute, desk = held.dispute, Desk(tx, services, order, held.vault)
    dispute = replace(dispute, overlaps=await follow(desk, held.opened.compiled, dispute.overlaps))
    incoming = {key: overlap.incoming for key, overlap in dispute.overlaps.items()}
    context = await _context(tx, services, held, order, incoming, choice.values)
    revision = _accepted(resolve(dispute, held.item, choice, context))
    derivation = {
        **(revision.derivation or {}),
        "settlement": to_builtins(settlement_of(dispute, choice.take, revision)),
    }
    step = await retake_step(tx, services, held.opened, order.now) if choice.take != "server" else None
    if step is not None:
        derivation["step"] = step.record()
    linking = await Linking.between(desk, held.item, choice.link) if choice.link is not None else None
    if linking is not None:
        derivation["link"] = linking.record()
    store = _Storing(desk, held, revision, step)
    await store.revision(derivation)
    await conflicts.close_conflict(tx.connection, held.conflict_id, _closing(order, choice, revision))
    named = {"grid": choice.grid, "link": str(choice.link)}
    detail = {"take": choice.take} | {key: value for key, value in named.items() if key == choice.take}
    settled = await store.finish("resolved", detail)
    return settled if linking is None else _with(settled, await linking.store(held.conflict_id), linking)


async def take_back(tx: Transaction, services: Services, held: Held, order: Order) -> Settled:
    """Take one settlement back and open its conflict again; what is no duplicate any more ends at once.

    Raises Problem `undo_too_late` and others.
    """
    version = held.opened.row["resolution_version"]
    history = await conflicts.history_of_item(tx.connection, held.item.id)
    past = [held.vault.open_past(one, held.opened.secret) for one in history]
    made = next(one for one in history if one["version"] == version)["derivation"]
    if "link" not in made:
        await check_no_loser(tx, held.item.id)
    context = await _context(tx, services, held, order, *_before(past, version))
    revision = _accepted(undo(convert(made["settlement"], Settlement), version, held.item, past, context))
    undone = {"conflict": str(held.conflict_id), "version": version}
    desk = Desk(tx, services, order, held.vault)
    parted = await part(desk, held.item.id, made["link"]) if "link" in made else []
    step = await undo_step(tx, services, held.item.id, made.get("step"), order)
    store = _Storing(desk, held, revision, step)
    await store.revision({**(revision.derivation or {}), "undone": undone})
    await conflicts.reopen_conflict(tx.connection, held.conflict_id)
    settled = await store.finish("open", {"undone": version})
    return Settled(settled.done, [*settled.writes, *parted])


def _with(settled: Settled, writes: list[FeedWrite], linking: Linking) -> Settled:
    done = replace(settled.done, linked=linking.winner.id, repointed=len(linking.repointed))
    return Settled(done, [*settled.writes, *writes])


def _closing(order: Order, choice: Choice, revision: Revision) -> Closing:
    return Closing(
        at=order.now,
        by=order.actor.user_id,
        take=choice.take,
        version=revision.after.version,
        reason=order.reason.strip(),
    )


def _before(past: list[Past], version: int) -> list[Mapping[str, Any]]:
    """All values that may come back when this version is undone."""
    return [one.fields for one in past if one.version < version]


async def _context(
    tx: Transaction, services: Services, held: Held, order: Order, *sources: Mapping[str, Any]
) -> Context:
    """What the settlement is decided by; items that it may refer to are kept from being deleted until it is done."""
    compiled, registry = held.opened.compiled, services.registry
    tx.places_by(registry.version)
    named = sorted(references_of(compiled, held.item.fields, *sources))
    rows = await items.share_references(tx.connection, named) if named else []
    return Context(
        compiled=compiled,
        registry=registry,
        secret=held.opened.secret,
        references={row["id"]: Reference(row["type"], row["grid_id"], row["deleted"]) for row in rows},
        now=order.now,
        today=order.now.astimezone(_CITY_TIME).date(),
    )


def _accepted(result: Revision | Refusal) -> Revision:
    if isinstance(result, Refusal):
        raise Problem(result.code, field=result.field, detail_zh=result.zh, detail_en=result.en)
    return result


class _Storing:
    """A revision that settles a conflict or takes a settlement back, being stored; `step`: of its case, if any."""

    def __init__(self, desk: Desk, held: Held, revision: Revision, step: Retaken | None) -> None:
        self._tx = desk.tx
        self._services = desk.services
        self._held = held
        self._order = desk.order
        self._revision = revision
        self._step = step
        self._after = replace(revision.after, touch=step.touch) if step else revision.after
        self._amendment = Amendment(desk, held.opened.secret, revision, self._after)

    async def revision(self, derivation: dict[str, Any]) -> None:
        """The revision and the item's new head."""
        await self._amendment.revision(derivation)

    async def finish(self, state: Literal["open", "resolved"], detail: dict[str, Any]) -> Settled:
        """What follows every revision: claims, notice, submission, audit; and what it came to."""
        tx, after = self._tx, self._after
        writes = await self._amendment.claims(self._held.opened.row["hint"])
        if state == "open" and await self._has_no_twin():
            state = "resolved"
        notices = await items.upsert_notices(tx.connection, [self._notice(is_open=state == "open")])
        # Who only told the grid, or let go on what was held, has written nothing that he could not review.
        wrote_nothing = self._held.dispute.holds_item and not self._revision.fields
        writer = after.author_id if wrote_nothing else self._order.actor.user_id
        writes += await self._amendment.submit(writer, same=wrote_nothing)
        await self._record(detail)
        writes += [*writes_for_notices(notices), *writes_for_item(self._revision.before, after)]
        return Settled(self._done(state), writes)

    async def _has_no_twin(self) -> bool:
        """Whether what was a duplicate is none: the other one has other values by now, and it holds the hint itself.

        Its conflict, which was just opened again, ends by that.
        """
        row, connection = self._held.opened.row, self._tx.connection
        if row["hint"] is None or await hints.holder_of_hint(connection, row["hint"]) != row["item_id"]:
            return False
        own = {"claim": row["hint"], "item_id": row["item_id"]}
        return bool(await hints.end_duplicates(connection, [own], self._order.now))

    def _notice(self, *, is_open: bool) -> dict[str, Any]:
        row = self._held.opened.row
        make = duplicate_notice if row["kind"] == "duplicate" else parked_notice
        return make(row["id"], row["item_id"], row["author_id"], self._order.now, is_open=is_open)

    async def _record(self, detail: dict[str, Any]) -> None:
        actor, after = self._order.actor, self._after
        named: dict[str, Any] = {
            "item": str(after.id),
            "version": after.version,
            "fields": sorted(self._revision.fields),
        }
        if self._order.run is not None:
            named["run"] = str(self._order.run)
        if self._step is not None:
            move = self._step.move
            named["step"] = {"action": move.action, "from": move.before.state, "to": move.after.state}
        await audit.record(
            self._tx.connection,
            actor.user_id,
            f"conflict.{self._revision.op}",
            "conflict",
            str(self._held.conflict_id),
            self._order.reason.strip(),
            named | detail,
            actor.request_id,
        )

    def _done(self, state: Literal["open", "resolved"]) -> Done:
        before, after = self._held.item, self._after
        return Done(
            conflict=self._held.conflict_id,
            state=state,
            item=after.id,
            version=after.version,
            changed=[label(self._held.opened.compiled, key) for key in sorted(self._revision.fields)],
            deleted=after.deleted and not before.deleted,
            restored=before.deleted and not after.deleted,
            grid=self._services.registry.code(after.grid_id),
            moved=after.grid_id != before.grid_id,
            dry_run=self._order.dry_run,
            step=self._step.move.after.state if self._step else None,
        )
