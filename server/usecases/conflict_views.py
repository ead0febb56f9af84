"""Conflicts as a person sees them: which there are, and what each side says.

Lists name the fields in conflict and no values. Personal values are masked until he asks to see them and says why,
which is audited.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import MsgspecError, Struct, json, structs

from server.db import audit, conflicts, reading
from server.db.conflicts import ConflictFilter
from server.db.database import Connection, Row, Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.claim_views import (
    ClaimView,
    Content,
    Label,
    contents,
    in_form_order,
    is_marked,
    label,
    shown,
    view_claim,
)
from server.usecases.conflict_access import Opened, find_conflict, grants_of, open_conflict
from server.usecases.conflict_kinds import Related, StepView, reason_of, related_to, view_step
from server.usecases.reasons import checked_reason
from server.usecases.sealed_items import Vault
from server.usecases.sessions import Caller
from sync.decisions import PLACING_KINDS
from sync.disputes import Take
from sync.items import Fields
from sync.merge import fields_at


class Line(Struct, frozen=True, kw_only=True):
    """A conflict in a list; times in UTC. `captured_at`: the estimated time of the edit that is parked."""

    id: UUID
    kind: str
    state: str
    item: UUID
    type: str
    type_zh: str
    type_en: str
    grid: str | None
    fields: list[Label]
    author: str
    device: str
    captured_at: datetime
    opened_at: datetime


class Page(Struct, frozen=True):
    """Conflicts, oldest first; `next` leads to the following page."""

    conflicts: list[Line]
    next: str | None = None


class Written(Struct, frozen=True):
    """Who wrote one side, on which device (empty: at a desk), when by estimate, and as which version of the item."""

    author: str
    device: str
    captured_at: datetime
    version: int | None = None


class Sides(Struct, frozen=True, kw_only=True):
    """One field in conflict. `server` is the item's present value; of a deleted item, its last.

    `moved_on`: that is no longer the value with which the open conflict began. `masked`: the values are not shown in
    full, so that those shown alike may differ.
    """

    key: str
    zh: str
    en: str
    base: Any
    server: Any
    incoming: Any
    server_changed: bool
    incoming_changed: bool
    moved_on: bool
    masked: bool


class Settled(Struct, frozen=True):
    """How a conflict was settled, and as which version of the item; by nobody where it ended by itself."""

    by: str | None
    at: datetime
    take: str
    version: int
    reason: str | None


class Detail(Struct, frozen=True, kw_only=True):
    """Everything that is needed to settle a conflict; `claim` where it is about the code of a grid.

    `op`: what is parked. `base_unknown`: nobody knows what its author saw, so that there are no values of a base.
    `content`: what an item says that is held itself. `related`: see `Related`. `together`: how many other conflicts
    are settled with it. `linked_from`: the item that its author wrote of, which was linked with this one.
    """

    conflict: Line
    reason_zh: str
    reason_en: str
    item_version: int
    item_deleted: bool
    fields: list[Sides]
    base: Written | None
    server: Written
    incoming: Written
    settled: Settled | None
    op: str
    base_unknown: bool
    related: Related
    together: int
    claim: ClaimView | None = None
    content: list[Content] = []
    step: StepView | None = None
    linked_from: UUID | None = None


def takes_of(detail: Detail) -> tuple[Take, ...]:
    """What may be taken of an open conflict."""
    if detail.claim is not None:
        return ("grid",)
    whole = detail.step is not None or detail.op == "delete" or detail.together
    mergeable = not whole and detail.conflict.kind not in ("delete_update", "duplicate", "group")
    if detail.conflict.kind == "duplicate" and not detail.together:
        return ("server", "incoming", "link")
    return ("server", "incoming", "merge") if mergeable else ("server", "incoming")


async def list_conflicts(
    services: Services, actor: Caller, wanted: ConflictFilter, *, limit: int, after: str | None = None
) -> Page:
    """At most `limit` of the conflicts that this person may settle; `after` is the `next` of the page before."""
    grants = grants_of(services, actor)
    if after is not None:
        wanted = structs.replace(wanted, after=_read_place(after))
    async with services.database.read() as connection:
        rows = await conflicts.select_conflicts(connection, grants, wanted, limit + 1)
    shown = rows[:limit]
    return Page([_line(services, row) for row in shown], _place(shown[-1]) if len(rows) > limit else None)


async def show_conflict(services: Services, actor: Caller, ids: tuple[UUID, UUID]) -> Detail:
    """One conflict, personal values masked; `ids` is a range from `id_range`."""
    grants = grants_of(services, actor)
    async with services.database.read() as connection:
        row = await find_conflict(connection, grants, ids)
        return await _detail(connection, services, actor, row, reveal=False)


async def reveal_conflict(services: Services, actor: Caller, ids: tuple[UUID, UUID], reason: str) -> Detail:
    """One conflict with every value; that it was read, by whom and why is on record before anything is shown."""
    grants = grants_of(services, actor)
    told = checked_reason(reason)

    async def read(tx: Transaction) -> Detail:
        row = await find_conflict(tx.connection, grants, ids)
        detail = {"item": str(row["item_id"]), "fields": row["fields"]}
        subject = ("conflict", str(row["id"]))
        await audit.record(tx.connection, actor.user_id, "conflict.reveal", *subject, told, detail, actor.request_id)
        return await _detail(tx.connection, services, actor, row, reveal=True)

    return await services.database.write(read)


async def _detail(connection: Connection, services: Services, actor: Caller, row: Row, *, reveal: bool) -> Detail:
    vault = Vault(services.keyring, services.catalogue)
    opened = open_conflict(services, vault, row)
    history = await conflicts.history_of_item(connection, row["item_id"])
    past = [vault.open_past(one, opened.secret) for one in history]
    now = fields_at(past, row["item_version"])
    reason_zh, reason_en = reason_of(row["kind"], row["op"])
    is_code = row["kind"] in PLACING_KINDS
    group = await conflicts.group_of_conflict(connection, row["group_id"] or row["id"])
    return Detail(
        conflict=_line(services, row),
        reason_zh=reason_zh,
        reason_en=reason_en,
        item_version=row["item_version"],
        item_deleted=row["deleted"],
        fields=[_sides(opened, key, now, reveal) for key in in_form_order(opened.compiled, opened.overlaps)],
        base=next((_written(one) for one in history if one["version"] == row["base_version"]), None),
        server=_written(_server_side(row, history)),
        incoming=Written(row["author_name"], row["device_name"], row["captured_at"]),
        settled=_settled(row),
        op=row["op"],
        base_unknown=row["base_unknown"],
        related=await related_to(connection, services, actor, row),
        together=sum(one["state"] == row["state"] for one in group) - 1,
        claim=await view_claim(connection, services, opened, now, reveal=reveal) if is_code else None,
        content=contents(opened.compiled, now, reveal=reveal) if opened.dispute.holds_item and not is_code else [],
        step=await view_step(connection, opened, reveal=reveal),
        linked_from=await _linked_from(connection, services, actor, row),
    )


async def _linked_from(connection: Connection, services: Services, actor: Caller, row: Row) -> UUID | None:
    """Told to those alone in whose area the loser lay."""
    loser = row["linked_from"]
    if loser is None:
        return None
    near = await reading.items_within(connection, [loser], grants_of(services, actor))
    return loser if near else None


def _line(services: Services, row: Row) -> Line:
    compiled = services.catalogue.types[row["type"]]
    return Line(
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        item=row["item_id"],
        type=row["type"],
        type_zh=compiled.type.name_zh,
        type_en=compiled.type.name_en,
        grid=row["grid_code"],
        fields=[label(compiled, key) for key in in_form_order(compiled, row["fields"])],
        author=row["author_name"],
        device=row["device_name"],
        captured_at=row["captured_at"],
        opened_at=row["opened_at"],
    )


def _sides(opened: Opened, key: str, now: Fields, reveal: bool) -> Sides:
    overlap, server = opened.overlaps[key], now.get(key)
    named = label(opened.compiled, key)

    return Sides(
        key=key,
        zh=named.zh,
        en=named.en,
        base=shown(opened.compiled, key, overlap.base, reveal=reveal),
        server=shown(opened.compiled, key, server, reveal=reveal),
        incoming=shown(opened.compiled, key, overlap.incoming, reveal=reveal),
        server_changed=server != overlap.base,
        incoming_changed=overlap.incoming != overlap.base,
        moved_on=opened.row["state"] == "open" and opened.row["kind"] != "update_delete" and server != overlap.server,
        masked=not reveal and is_marked(opened.compiled, key),
    )


def _server_side(row: Row, history: Sequence[Row]) -> Row:
    """The revision that the parked change ran into: the deletion, or the last one that wrote a field in conflict."""
    deletion = row["kind"] == "update_delete"
    fields = set(row["fields"])
    met = [one for one in history if (one["op"] == "delete" if deletion else fields & set(one["fields"]))]
    return (met or history)[-1]


def _written(row: Row) -> Written:
    return Written(row["author_name"], row["device_name"], row["captured_at"], row["version"])


def _settled(row: Row) -> Settled | None:
    if row["state"] == "open":
        return None
    return Settled(row["settler_name"], row["resolved_at"], row["take"], row["resolution_version"], row["reason"])


def _place(row: Row) -> str:
    return urlsafe_b64encode(json.encode((row["opened_at"], row["id"]))).decode()


def _read_place(text: str) -> tuple[datetime, UUID]:
    try:
        return json.decode(urlsafe_b64decode(text), type=tuple[datetime, UUID])
    except (ValueError, MsgspecError) as error:
        raise Problem("parameter_invalid", field="after") from error
