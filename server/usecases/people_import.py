"""A list of people taken in from a file: every bad line is told, and only a list without any is written.

read the lines -> lock the people who are known -> check all (pure) -> one statement a table -> audit
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec import Struct

from server.db import appointments, audit, people
from server.db.appointments import instant
from server.db.database import Transaction
from server.db.people import NewUser
from server.errors import Problem
from server.services import Services
from server.usecases.people import act, appointer_of, new_assignment, new_user, place_codes, post_detail, words_of
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.telling import Teller
from sync.access import Assignment
from sync.roster import COLUMNS, SURPLUS, BadLine, Known, Line, Roster, check_roster, read_line

_MOST_BYTES = 50 * 2**20

Row = tuple[int, Mapping[str, str | None]]
"""A line by its number in the file and its columns."""


class BadRow(Struct, frozen=True):
    """A line that cannot be taken in: its number in the file (the heading is 1), what is wrong, and where."""

    row: int
    code: str
    field: str | None
    zh: str
    en: str


class Imported(Struct, frozen=True, kw_only=True):
    """What the list came to. With `bad` rows nothing was written, nor in a dry run."""

    rows: int
    new_people: int
    known_people: int
    assignments: int
    bad: list[BadRow]
    dry_run: bool


def read_rows(data: bytes) -> list[Row]:
    """The lines of a CSV file, in UTF-8 or, as some spreadsheets write it, GB18030.

    Raises Problem: import_unreadable.
    """
    try:
        reader = csv.DictReader(io.StringIO(_text(data), newline=""), restkey=SURPLUS, strict=True)
        reader.fieldnames = _headings(reader.fieldnames or ())
        return [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError):
        raise Problem("import_unreadable") from None


def _headings(names: Sequence[str]) -> list[str]:
    given = [name.strip() for name in names]
    if not {"phone", "name"} <= set(given) <= set(COLUMNS) or len(given) != len(set(given)):
        raise Problem(
            "import_unreadable",
            detail_zh=f"首行应为以下列名(phone、name 必有):{', '.join(COLUMNS)}。",
            detail_en=f"The first line names these columns, phone and name at least: {', '.join(COLUMNS)}.",
        )
    return given


def _text(data: bytes) -> str:
    if len(data) > _MOST_BYTES:
        raise Problem("import_unreadable")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")


async def import_people(
    services: Services,
    caller: Caller,
    rows: Sequence[Row],
    reason: str,
    *,
    dry_run: bool = False,
    teller: Teller | None = None,
) -> Imported:
    """Take in the people and posts of a list: all of it or nothing.

    Who has one of the telephone numbers already gets the posts if the name is the same. Raises Problem: forbidden,
    reason_needed.
    """
    appointer_of(caller)
    return await services.database.write(
        partial(
            _import,
            services=services,
            caller=caller,
            rows=rows,
            reason=checked_reason(reason),
            dry_run=dry_run,
            teller=teller or Teller(),
        )
    )


async def _import(
    tx: Transaction,
    services: Services,
    caller: Caller,
    rows: Sequence[Row],
    reason: str,
    dry_run: bool,
    teller: Teller,
) -> Imported:
    now = await instant(tx.connection)
    lines, bad = _read(rows, now, teller)
    users = {phone: new_user(services.keyring, "", phone) for phone in dict.fromkeys(line.phone for line in lines)}
    known, ids = await _known(tx, caller, users)
    posts = [line.post for line in lines if line.post is not None]
    ground = await appointments.ground_of(
        tx.connection, place_codes(post.grid for post in posts), place_codes(post.division for post in posts), now
    )
    teller.phase("核对", "checking", len(lines))
    roster, refused = check_roster(
        lines, known, caller.assignments, ground, services.catalogue.source, now, teller.step
    )
    bad = sorted([*bad, *refused], key=lambda one: one.row)
    if not bad and not dry_run:
        teller.phase("写入", "writing", 1)
        await _write(tx, caller, roster, users, ids, reason)
        teller.step()
    return Imported(
        rows=len(rows),
        new_people=len(roster.names),
        known_people=len(known),
        assignments=len(roster.assignments),
        bad=[BadRow(one.row, one.fault.code, one.fault.field, *words_of(one.fault)) for one in bad],
        dry_run=dry_run,
    )


def _read(rows: Sequence[Row], now: datetime, teller: Teller) -> tuple[list[Line], list[BadLine]]:
    teller.phase("读取", "reading", len(rows))
    lines: list[Line] = []
    bad: list[BadLine] = []
    for row, cells in rows:
        read = read_line(row, cells, now)
        if isinstance(read, Line):
            lines.append(read)
        else:
            bad.append(read)
        teller.step()
    return lines, bad


async def _known(
    tx: Transaction, caller: Caller, users: dict[str, NewUser]
) -> tuple[dict[str, Known], dict[str, UUID]]:
    """Who has one of these numbers already, under a lock, and his id."""
    phones = {user.phone_index: phone for phone, user in users.items()}
    found = await appointments.lock_people(tx.connection, phone_indexes=list(phones))
    ever: dict[UUID, list[Assignment]] = {one.id: [] for one in found}
    for held in await appointments.posts_of(tx.connection, list(ever)):
        ever[held.user_id].append(held.assignment)
    known = {phones[one.phone_index]: Known(one.name, tuple(ever[one.id]), one.id == caller.user_id) for one in found}
    return known, {phones[one.phone_index]: one.id for one in found}


async def _write(
    tx: Transaction,
    caller: Caller,
    roster: Roster,
    users: dict[str, NewUser],
    ids: dict[str, UUID],
    reason: str,
) -> None:
    new = [_named(users[phone], name) for phone, name in roster.names.items()]
    owner = ids | {phone: users[phone].id for phone in roster.names}
    await people.insert_users(tx.connection, new)
    await people.insert_assignments(
        tx.connection, [new_assignment(owner[phone], placed) for phone, placed in roster.assignments]
    )
    await audit.record_all(tx.connection, list(_acts(caller, new, roster, owner, reason)))


def _named(user: NewUser, name: str) -> NewUser:
    return NewUser(id=user.id, name=name, phone_index=user.phone_index, phone_sealed=user.phone_sealed)


def _acts(
    caller: Caller, new: Sequence[NewUser], roster: Roster, owner: dict[str, UUID], reason: str
) -> Iterator[audit.Act]:
    for user in new:
        yield act(caller, "user.created", user.id, reason, {"imported": True})
    for phone, placed in roster.assignments:
        detail = post_detail(placed, str(placed.grid_id) if placed.grid_id else None) | {"imported": True}
        yield act(caller, "user.assigned", owner[phone], reason, detail)
