"""The catalogue's retention: what is due, and erasing it in batches, each a transaction of its own.

A run that is cut off is simply run again: what is erased is due no more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from msgspec import Struct

from schemas.item_type import ItemType
from server.db import retention
from server.db.database import Connection, Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.erasure import Order, Tally, erase_locked
from server.usecases.families import lock_families
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.telling import Teller
from sync.retention import limits_at

log = structlog.get_logger()

ROLES = frozenset({"administrator", "city_centre"})
AHEAD = timedelta(days=90)
_BATCH = 100
_BATCHES = 200
"""At most so many a run: 20,000 items; the next night goes on."""


class Rule(Struct, frozen=True, kw_only=True):
    """The rule of one type, and how many items it applies to now and within the next 90 days."""

    type: str
    months: int
    after: str
    zh: str
    en: str
    due: int
    soon: int


class Counted(Struct, frozen=True, kw_only=True):
    """How many items of a type are due in a community."""

    type: str
    division: str | None
    items: int


class Wish(Struct, frozen=True, kw_only=True):
    """Which types (None: all), as of when, by whom (None: nobody, at night) and why."""

    types: tuple[str, ...] | None = None
    at: datetime
    by: UUID | None = None
    reason: str = ""
    request_id: str | None = None


class Run(Struct, frozen=True, kw_only=True):
    """What a run found and did, linked items counted as one; `linked`: how many others went with those.

    `more`: it stopped before the end, and another one goes on.
    """

    at: datetime
    dry_run: bool
    due: list[Counted]
    erased: int = 0
    linked: int = 0
    photos_removed: int = 0
    more: bool = False


_OCCASIONS = {
    "left": ("登记注销(人已离开)", "the record was deleted (its subject has left)"),
    "ended": ("登记注销(已不存在)", "the record was deleted (the thing is gone)"),
    "closed": ("案件办结", "its case was closed"),
}


async def show_rules(services: Services, now: datetime) -> list[Rule]:
    """The rule of every type in words, with what is due."""
    types = _types(services, None)
    async with services.database.read() as connection:
        due = _by_type(await _count(connection, types, now))
        later = _by_type(await _count(connection, types, now + AHEAD))
    return [_rule(one, due.get(one.code, 0), later.get(one.code, 0)) for one in types]


async def count_due(services: Services, wish: Wish) -> Run:
    """What a run would erase. Raises Problem `parameter_invalid` for a type that is not in the catalogue."""
    types = _types(services, wish.types)
    async with services.database.read() as connection:
        return Run(at=wish.at, dry_run=True, due=await _count(connection, types, wish.at))


async def run_for(services: Services, caller: Caller, wish: Wish, now: datetime, teller: Teller) -> Run:
    """Have everything erased that is due, on somebody's order.

    Raises Problem: forbidden, reason_needed, parameter_invalid for a time that has not come yet.
    """
    if not ROLES & caller.roles or caller.revoked:
        raise Problem("forbidden")
    checked_reason(wish.reason)
    if wish.at > now:
        raise Problem(
            "parameter_invalid",
            field="--at",
            detail_zh="不能清除尚未到期的内容;将来的日期只能用于 --dry-run。",
            detail_en="What is not due yet is not erased; a date to come goes with --dry-run alone.",
        )
    return await run(services, wish, teller)


async def run_by_rule(services: Services) -> None:
    """The run of every night."""
    done = await run(services, Wish(at=datetime.now(UTC)), Teller())
    if done.erased:
        log.info(
            "retention_ran", erased=done.erased, linked=done.linked, photos_removed=done.photos_removed, more=done.more
        )


async def run(services: Services, wish: Wish, teller: Teller) -> Run:
    """Erase what is due, type by type, in batches."""
    await services.registry_holder.refresh()
    counted = await count_due(services, wish)
    teller.phase("清除到期内容", "erasing what is due", sum(one.items for one in counted.due))
    done: list[Tally] = []
    async with aclosing(_batches(services, _types(services, wish.types), wish.at)) as batches:
        async for item_type, ids in batches:
            done.append(await _erase_batch(services, item_type, ids, wish))
            for _ in ids:
                teller.step()
            if len(done) == _BATCHES:
                break
    return Run(
        at=wish.at,
        dry_run=False,
        due=counted.due,
        erased=sum(one.items - one.linked for one in done),
        linked=sum(one.linked for one in done),
        photos_removed=sum(one.photos_removed for one in done),
        more=len(done) == _BATCHES,
    )


async def _batches(
    services: Services, types: Sequence[ItemType], at: datetime
) -> AsyncGenerator[tuple[ItemType, list[UUID]]]:
    """What is due, in the order of ids within a type: what cannot be erased is passed by."""
    for one in types:
        after: UUID | None = None
        while True:
            async with services.database.read() as connection:
                ids = await retention.list_due(connection, limits_at([one], at), after, _BATCH)
            if not ids:
                break
            yield one, ids
            after = ids[-1]


async def _erase_batch(services: Services, item_type: ItemType, ids: Sequence[UUID], wish: Wish) -> Tally:
    rule = item_type.retention
    said = f"retention of {item_type.code}: {rule.months} months after {rule.after}"
    reason = f"{wish.reason.strip()}; {said}" if wish.reason else said
    order = Order(by=wish.by, reason=reason, at=datetime.now(UTC), request_id=wish.request_id)
    return await services.database.write(
        partial(_erase, services=services, item_type=item_type, ids=ids, order=order, at=wish.at)
    )


async def _erase(
    tx: Transaction, services: Services, item_type: ItemType, ids: Sequence[UUID], order: Order, at: datetime
) -> Tally:
    """Look again under the locks: a record may have been restored, a case opened again, another run been faster."""
    families = await lock_families(tx, ids)
    due = await retention.still_due(tx.connection, limits_at([item_type], at), ids)
    return await erase_locked(tx, services, [families.rows_of(item_id) for item_id in sorted(due)], order)


def _types(services: Services, codes: Sequence[str] | None) -> list[ItemType]:
    known = services.catalogue.types
    for code in codes or ():
        if code not in known:
            raise Problem("parameter_invalid", field="--type")
    return [known[code].type for code in sorted(codes if codes is not None else known)]


async def _count(connection: Connection, types: Sequence[ItemType], at: datetime) -> list[Counted]:
    rows = await retention.count_due(connection, limits_at(types, at))
    return [Counted(type=row["type"], division=row["division"], items=row["items"]) for row in rows]


def _by_type(counted: Sequence[Counted]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for one in counted:
        numbers[one.type] = numbers.get(one.type, 0) + one.items
    return numbers


def _rule(item_type: ItemType, due: int, later: int) -> Rule:
    rule = item_type.retention
    zh, en = _OCCASIONS[rule.after]
    return Rule(
        type=item_type.code,
        months=rule.months,
        after=rule.after,
        zh=f"{zh}满 {rule.months} 个月后清除个人信息" if rule.months else f"{zh}后即清除个人信息",
        en=f"personal values erased {rule.months} months after {en}"
        if rule.months
        else f"personal values erased once {en}",
        due=due,
        soon=later - due,
    )
