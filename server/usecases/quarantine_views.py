"""What is in the quarantine: lists for who looks after it, and the values for who may read them, masked.

Reading without masks needs a reason, which is on record before anything is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.wire import Change
from server.db import audit, quarantine
from server.db.database import Connection, Row, Transaction
from server.db.quarantine import Kind, QuarantineFilter, State
from server.errors import CATALOGUE, Problem
from server.masking import HIDDEN, mask_all
from server.services import Services
from server.usecases.paging import from_cursor, to_cursor
from server.usecases.quarantine_access import Content, facts_of, find_row, is_reached, open_row, sight_of
from server.usecases.reading import grants_of
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.access import ItemFacts
from sync.decide import Undecoded

_OTHER = ("不符合表单或规则", "It does not fit the form or the rules")


class QuarantinePlace(NamedTuple):
    """A place in the list: the oldest first."""

    received_at: datetime
    id: UUID


class QuarantineLine(Struct, frozen=True, kw_only=True):
    """One thing that is kept and not applied, and why, in words.

    `no` and `index`: its set and its place there; no index where the whole set is held, neither for salvage.
    """

    id: UUID
    device: UUID
    holder_name: str
    epoch: str
    no: int | None
    index: int | None
    item: UUID | None
    outcome: Kind
    code: str
    zh: str
    en: str
    state: State
    received_at: datetime


class QuarantinePage(Struct, frozen=True):
    """A page of them, the oldest first; `next` is the cursor of the next one."""

    held: list[QuarantineLine]
    next: str | None


class HeldChange(Struct, frozen=True, kw_only=True):
    """A change that is held. `fields` is None where the reader may not read such an item; `code`: it is unreadable."""

    index: int
    op: str | None = None
    item: UUID | None = None
    type: str | None = None
    grid: str | None = None
    written_at: datetime | None = None
    fields: dict[str, Any] | None = None
    code: str | None = None


class Became(Struct, frozen=True, kw_only=True):
    """What somebody did about it, and why."""

    at: datetime
    by: UUID | None
    by_name: str | None
    action: str
    reason: str | None


class QuarantineDetail(Struct, frozen=True, kw_only=True):
    """One thing that is held, with its changes. `unopened`: the code of why its bytes tell nothing."""

    line: QuarantineLine
    author: UUID | None
    catalogue: str | None
    changes: list[HeldChange]
    unopened: str | None
    became: list[Became]


async def list_held(
    services: Services, caller: Caller, wish: QuarantineFilter, cursor: str | None, limit: int
) -> QuarantinePage:
    """What is held of people in the caller's care. Raises Problem: forbidden, parameter_invalid."""
    sight, place = sight_of(caller), from_cursor(cursor, QuarantinePlace)
    async with services.database.read() as connection:
        rows = await quarantine.select(connection, sight, replace(wish, after=place), limit + 1)
    lines = [line_of(row) for row in rows[:limit]]
    more = len(rows) > limit
    return QuarantinePage(lines, to_cursor(QuarantinePlace(lines[-1].received_at, lines[-1].id)) if more else None)


def line_of(row: Row) -> QuarantineLine:
    """A row of the list."""
    words = CATALOGUE.get(row["code"])
    zh, en = (words.zh, words.en) if words else _OTHER
    return QuarantineLine(
        id=row["id"],
        device=row["device_id"],
        holder_name=row["holder_name"],
        epoch=row["epoch"],
        no=row["set_no"],
        index=row["set_index"],
        item=row["item_id"],
        outcome=row["outcome"],
        code=row["code"],
        zh=zh,
        en=en,
        state=row["state"],
        received_at=row["received_at"],
    )


async def show_held(services: Services, caller: Caller, ids: tuple[UUID, UUID]) -> QuarantineDetail:
    """One thing that is held, personal values masked. Raises Problem: forbidden, not_found, parameter_invalid."""
    async with services.database.read() as connection:
        row = await find_row(connection, caller, ids)
        return await _detail(connection, services, caller, row, reveal=False)


async def reveal_held(services: Services, caller: Caller, ids: tuple[UUID, UUID], reason: str) -> QuarantineDetail:
    """The same with every value that the caller may read; who, why and what is on record before it is shown."""
    told = checked_reason(reason)

    async def read(tx: Transaction) -> QuarantineDetail:
        row = await find_row(tx.connection, caller, ids)
        detail = await _detail(tx.connection, services, caller, row, reveal=True)
        fields = sorted({key for one in detail.changes for key in one.fields or {}})
        subject, what = ("quarantine", str(row["id"])), {"fields": fields}
        await audit.record(
            tx.connection, caller.user_id, "quarantine.revealed", *subject, told, what, caller.request_id
        )
        return detail

    return await services.database.write(read)


async def _detail(
    connection: Connection, services: Services, caller: Caller, row: Row, *, reveal: bool
) -> QuarantineDetail:
    became = [
        Became(at=one["at"], by=one["actor_id"], by_name=one["actor_name"], action=one["action"], reason=one["reason"])
        for one in await quarantine.what_became(connection, row["id"])
    ]
    told = QuarantineDetail(
        line=line_of(row), author=row["author_id"], catalogue=None, changes=[], unopened=None, became=became
    )
    try:
        content = await open_row(connection, services, row)
    except Problem as problem:
        return replace(told, unopened=problem.code)
    changes = [one for _, one in content.changes if isinstance(one, Change)]
    facts = await facts_of(connection, services, content, changes)
    shown = _shown(services, caller, content, facts, reveal=reveal)
    return replace(told, author=content.author_id, catalogue=content.catalogue, changes=shown)


def _shown(
    services: Services, caller: Caller, content: Content, facts: Mapping[UUID, ItemFacts], *, reveal: bool
) -> list[HeldChange]:
    grants, shown = grants_of(services, caller), list[HeldChange]()
    for index, one in content.changes:
        if isinstance(one, Undecoded):
            shown.append(HeldChange(index=index, code=one.code))
            continue
        readable = is_reached(grants, facts[one.item])
        shown.append(_held_change(services, index, one, readable=readable, reveal=reveal))
    return shown


def _held_change(services: Services, index: int, change: Change, *, readable: bool, reveal: bool) -> HeldChange:
    return HeldChange(
        index=index,
        op=change.op,
        item=change.item,
        type=change.type,
        grid=change.grid,
        written_at=change.capture.wall,
        fields=_values(services, change, reveal=reveal) if readable else None,
    )


def _values(services: Services, change: Change, *, reveal: bool) -> dict[str, Any]:
    compiled = services.catalogue.types.get(change.type)
    if reveal:
        return change.fields
    return mask_all(compiled, change.fields) if compiled else dict.fromkeys(change.fields, HIDDEN)
