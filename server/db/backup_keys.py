"""The keys that a backup leaves out, read for the key file and put back from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import groupby
from operator import itemgetter

from server.db.backup_rules import LEFT_OUT, LeftOut
from server.db.backups import copied, listed
from server.db.database import Connection
from server.db.named import sql

_NONCE = 12
_LOADED = "loaded_keys"
_OF_ITEMS = " WHERE EXISTS (SELECT FROM item i WHERE i.id = l.item_id AND i.erased_at IS NULL)"


async def key_sections(connection: Connection) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """Everything that a backup leaves out, section by section: a name, and rows as binary `COPY` writes them.

    Of tables that are left out whole that is all of them; of the others the primary key, the columns left out, and the
    nonce of what they open, because a key is of use to that sealing alone.
    """
    for rule in LEFT_OUT:
        columns = list(await connection.fetch(sql("columns"), rule.table))
        names = [row["name"] for row in columns if row["key"] or not rule.columns or row["name"] in rule.columns]
        nonce = f", substring(sealed FOR {_NONCE}) AS nonce" if rule.columns else ""
        given = f" WHERE {rule.columns[0]} IS NOT NULL" if rule.columns else ""
        query = f'SELECT {listed(names)}{nonce} FROM "{rule.table}"{given}'  # noqa: S608 - names of the schema
        yield f"{rule.table}({','.join(names)})", copied(connection, query, "binary")


async def load(connection: Connection, frames: Iterable[tuple[str, bytes]]) -> None:
    """Put the keys in that belong to what the database holds; all or none."""
    async with connection.transaction():
        for section, parts in groupby(frames, key=itemgetter(0)):
            rule, names = await _unpack(connection, section, parts)
            await connection.execute(_placing(rule, names))
            await connection.execute(f'DROP TABLE "{_LOADED}"')


async def without_destroyed(
    connection: Connection, frames: Iterable[tuple[str, bytes]]
) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """The sections of a key file of former times without the keys that were destroyed in this database since.

    Inside a transaction that is rolled back.
    """
    for section, parts in groupby(frames, key=itemgetter(0)):
        rule, names = await _unpack(connection, section, parts)
        columns = [*names, "nonce"] if rule.columns else names
        gone = _DESTROYED.get(rule.table, "false")
        query = f'SELECT {listed(columns)} FROM "{_LOADED}" l WHERE NOT ({gone})'  # noqa: S608 - names of the schema
        yield section, copied(connection, query, "binary")
        await connection.execute(f'DROP TABLE "{_LOADED}"')


async def _unpack(
    connection: Connection, section: str, parts: Iterable[tuple[str, bytes]]
) -> tuple[LeftOut, list[str]]:
    """A section's rows as a temporary table; the rule it follows, and its columns."""
    table, _, columns = section.rstrip(")").partition("(")
    rule, names = next(one for one in LEFT_OUT if one.table == table), columns.split(",")
    nonce = ", NULL::bytea AS nonce" if rule.columns else ""
    await connection.execute(
        f'CREATE TEMPORARY TABLE "{_LOADED}" AS SELECT {listed(names)}{nonce} FROM "{table}" WITH NO DATA'  # noqa: S608
    )
    loaded = [*names, "nonce"] if rule.columns else names
    await connection.copy_to_table(_LOADED, source=_given(parts), columns=loaded, format="binary")
    return rule, names


async def _given(parts: Iterable[tuple[str, bytes]]) -> AsyncIterator[bytes]:
    for _, part in parts:
        yield part


def _placing(rule: LeftOut, names: list[str]) -> str:
    if not rule.columns:
        known = _OF_ITEMS if rule.table == "item_key" else ""
        return f'INSERT INTO "{rule.table}" ({listed(names)}) SELECT {listed(names)} FROM "{_LOADED}" l{known}'  # noqa: S608
    values = ", ".join(f'"{column}" = l."{column}"' for column in rule.columns)
    same = " AND ".join(f't."{name}" = l."{name}"' for name in names if name not in rule.columns)
    return (
        f'UPDATE "{rule.table}" t SET {values} FROM "{_LOADED}" l '  # noqa: S608 - names of the schema
        f"WHERE {same} AND substring(t.sealed FOR {_NONCE}) = l.nonce"
    )


# Numbers go on from epoch to epoch, so a set that came again has its device and number.
_SET_CLOSED = "EXISTS (SELECT FROM change_set t WHERE t.device_id = l.device_id AND t.no = l.no AND t.wrapped IS NULL)"
_DESTROYED = {
    "item_key": "EXISTS (SELECT FROM item t WHERE t.id = l.item_id AND t.erased_at IS NOT NULL)",
    "change_set": _SET_CLOSED,
    "forked_set": _SET_CLOSED,
    "quarantine": "EXISTS (SELECT FROM quarantine t WHERE t.id = l.id AND t.wrapped IS NULL)",
}
