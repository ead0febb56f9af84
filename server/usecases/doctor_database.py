"""The doctor looks at the database: its version and schema, what it is set to, its room, its clock."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.db import backups, doctor, installation
from server.db.database import Row
from server.services import Services
from server.usecases.doctor_findings import Finding, fault, ok, warning

_OLDEST = 15
_SKEW_WARNED, _SKEW_FAULT = 5.0, 60.0
_XID_WARNED = 1_000_000_000
_CONNECTIONS_WARNED = 0.8
_GIGABYTE = 1 << 30


async def check_version(services: Services) -> Finding:
    """Whether PostgreSQL is new enough, and its text is UTF-8 that knows Chinese characters for letters."""
    return judge_version(await _settings(services))


def judge_version(row: Mapping[str, Any]) -> Finding:
    """From version, encoding and knows_chinese."""
    major = row["version"] // 10_000
    facts = {"version": major, "encoding": row["encoding"]}
    if major < _OLDEST:
        return fault(
            "database",
            f"PostgreSQL {major} 过旧",
            f"PostgreSQL {major} is too old",
            f"升级到 {_OLDEST} 以上",
            f"Upgrade it to {_OLDEST} or later",
            **facts,
        )
    if row["encoding"] != "UTF8" or not row["knows_chinese"]:
        return fault(
            "database",
            "数据库的编码或区域不识别汉字,查找会漏",
            "The database's encoding or locale does not know Chinese characters; searches miss them",
            "新建 UTF8、C.UTF-8 的数据库,用 onegrid backup 和 restore 迁入",
            "Make a database with UTF8 and C.UTF-8, and move with onegrid backup and restore",
            **facts,
        )
    return ok("database", f"PostgreSQL {major}", f"PostgreSQL {major}", **facts)


async def check_schema(services: Services) -> Finding:
    """Whether the schema is that of this program, and the database no part of one that a restore was filling."""
    async with services.database.read() as connection:
        schema = await installation.schema_of(connection)
        unfinished = await backups.is_unfinished(connection)
    return judge_schema(schema, installation.head_revision(), unfinished=unfinished)


def judge_schema(schema: str, program: str, *, unfinished: bool) -> Finding:
    """From the numbers of the database's schema and the program's."""
    facts = {"database": schema, "program": program}
    if unfinished:
        return fault(
            "schema",
            "恢复中途断了,此数据库不完整",
            "A restore into this database was cut off; it is not whole",
            "再次运行 onegrid restore,它会先清空此库",
            "Run onegrid restore again; it empties this database first",
            **facts,
        )
    if schema == program:
        return ok("schema", "表结构与程序一致", "The schema is that of this program", **facts)
    if schema > program:
        return fault(
            "schema",
            f"表结构 {schema} 比程序的 {program} 新:数据库已由更新版本升级",
            f"Schema {schema} is newer than the program's {program}: a later version brought the database up",
            "在每台服务器上安装该更新版本,勿再用本程序写入",
            "Install that later version on every server; write nothing with this one",
            **facts,
        )
    return fault(
        "schema",
        f"表结构 {schema} 比程序的 {program} 旧",
        f"Schema {schema} is older than the program's {program}",
        "先用旧版本备份,再运行 onegrid up:启动时自动升级,外部数据库亦然",
        "Back up with the former version, then run onegrid up, which brings it up, also in an external database",
        **facts,
    )


async def check_durability(services: Services) -> Finding:
    """Whether what was committed survives a power failure."""
    return judge_durability(await _settings(services))


def judge_durability(row: Mapping[str, Any]) -> Finding:
    """From fsync, full_page_writes and synchronous_commit."""
    names = ("fsync", "full_page_writes", "synchronous_commit")
    off = [name for name in names if row[name] == "off"]
    if not off:
        return ok("durability", "提交即落盘", "What is committed is on disk")
    return fault(
        "durability",
        f"已关闭 {', '.join(off)},断电会丢失已回执的内容",
        f"{', '.join(off)} is off: a power failure loses what was receipted",
        "在 postgresql.conf 中打开并重新加载",
        "Turn it on in postgresql.conf and reload",
        off=off,
    )


async def check_vacuum(services: Services) -> Finding:
    """Whether dead rows are cleared away."""
    async with services.database.read() as connection:
        row, tables = await doctor.database_settings(connection), await doctor.unvacuumed_tables(connection)
    return judge_vacuum(row, tables)


def judge_vacuum(row: Mapping[str, Any], tables: Sequence[Row | Mapping[str, Any]]) -> Finding:
    """From autovacuum, oldest_xid, and the tables that are mostly dead."""
    names = [one["name"] for one in tables]
    if row["autovacuum"] != "on":
        return fault(
            "vacuum",
            "autovacuum 已关闭",
            "autovacuum is off",
            "在 postgresql.conf 中打开 autovacuum",
            "Turn autovacuum on in postgresql.conf",
        )
    if names or row["oldest_xid"] > _XID_WARNED:
        return warning(
            "vacuum",
            f"清理跟不上:{', '.join(names) or '事务号'}",
            f"Vacuum lags behind: {', '.join(names) or 'transaction ids'}",
            "运行 VACUUM,并查是否有长事务",
            "Run VACUUM, and look for transactions that stay open",
            tables=names,
            oldest_xid=row["oldest_xid"],
        )
    return ok("vacuum", "清理正常", "Dead rows are cleared away")


async def check_connections(services: Services) -> Finding:
    """Whether there is room for more connections."""
    return judge_connections(await _settings(services))


def judge_connections(row: Mapping[str, Any]) -> Finding:
    """From connections and connections_allowed."""
    used, allowed = row["connections"], row["connections_allowed"]
    if used <= allowed * _CONNECTIONS_WARNED:
        return ok("connections", f"连接 {used}/{allowed}", f"Connections {used}/{allowed}", used=used, allowed=allowed)
    return warning(
        "connections",
        f"连接将满:{used}/{allowed}",
        f"Few connections are left: {used}/{allowed}",
        "减小 ONEGRID_DB_POOL_SIZE 或增大 max_connections",
        "Lower ONEGRID_DB_POOL_SIZE or raise max_connections",
        used=used,
        allowed=allowed,
    )


async def check_clock(services: Services) -> Finding:
    """Whether this machine and the database agree about the time."""
    row = await _settings(services)
    return judge_clock("clock", (datetime.now(UTC) - row["at"]).total_seconds(), "数据库", "the database")


def judge_clock(check: str, skew: float, zh: str, en: str) -> Finding:
    """By how many seconds this machine is ahead."""
    seconds = round(abs(skew), 1)
    words = f"本机与{zh}时钟相差 {seconds} 秒", f"This machine's clock and that of {en} are {seconds} s apart"
    if seconds < _SKEW_WARNED:
        return ok(check, *words, seconds=seconds)
    make = fault if seconds >= _SKEW_FAULT else warning
    return make(check, *words, "在各机器上启用 NTP 对时", "Keep the machines' clocks by NTP", seconds=seconds)


async def check_disk(folder: Path) -> Finding:
    """Whether the disk of the data folder has room; of a database elsewhere nothing can be seen from here."""
    if not await asyncio.to_thread(folder.is_dir):
        return ok("disk", "数据不在本机,请在其所在处查看", "The data is not on this machine; look at its disk there")
    used = await asyncio.to_thread(shutil.disk_usage, folder)
    return judge_disk(used.free, used.total)


def judge_disk(free: int, total: int) -> Finding:
    """Bytes that are free of all there are."""
    words = f"可用 {free // _GIGABYTE} GB", f"{free // _GIGABYTE} GB are free"
    if free >= max(5 * _GIGABYTE, total // 20):
        return ok("disk", *words, free=free)
    make = fault if free < _GIGABYTE else warning
    return make("disk", *words, *_DO_ROOM, free=free)


_DO_ROOM = (
    "用 onegrid backup --keep 删减旧备份、清理磁盘,或移到更大的磁盘;写满后数据库会停",
    "Keep fewer backups (onegrid backup --keep), make room, or move to a larger disk; on a full one the database stops",
)


async def _settings(services: Services) -> Row:
    async with services.database.read() as connection:
        return await doctor.database_settings(connection)


DATABASE = {
    "database": check_version,
    "schema": check_schema,
    "durability": check_durability,
    "vacuum": check_vacuum,
    "connections": check_connections,
    "clock": check_clock,
}
