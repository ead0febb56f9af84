"""The doctor looks at what the installation holds: streams, references, the audit trail, registry, catalogue, devices,
and the work that waits for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.catalogue import CURRENT
from schemas.forms import CompiledCatalogue
from schemas.previous import version_order
from server.db import audit_links, doctor
from server.db.integrity import dangling
from server.services import Services
from server.usecases.audit_checkpoints import LONGEST_UNSEALED, check_checkpoints
from server.usecases.catalogue_usage import VersionUsage, read_usage
from server.usecases.doctor_findings import Finding, fault, ok, warning

_STREAMS = 50
_WAITED = timedelta(days=30)
_NEEDED_ROLES = ("security_administrator", "administrator", "auditor")


async def check_streams(services: Services) -> Finding:
    """Whether the digests of some streams are what their entries add up to."""
    async with services.database.read() as connection:
        rows = await doctor.sampled_streams(connection, _STREAMS)
    wrong = [row["key"] for row in rows if row["digest"] != row["recomputed"] or row["reached"] > row["head"]]
    if not wrong:
        return ok("streams", f"抽查 {len(rows)} 个同步流,均相符", f"{len(rows)} streams were recomputed and agree")
    return fault(
        "streams",
        f"抽查 {len(rows)} 个同步流,{len(wrong)} 个摘要不符",
        f"Of {len(rows)} streams that were recomputed, {len(wrong)} have another digest",
        "手机会反复核对;保留现场并报告,勿手工改表",
        "Phones will compare again and again; leave it as it is, report it, and change no table by hand",
        streams=wrong,
    )


async def check_references(services: Services) -> Finding:
    """Whether anything refers to what is not there."""
    async with services.database.read() as connection:
        found = await dangling(connection)
    if not found:
        return ok("references", "引用完整", "Everything that is referred to is there")
    return fault(
        "references",
        f"有行指向不存在的内容:{', '.join(sorted(found))}",
        f"Rows refer to what is not there: {', '.join(sorted(found))}",
        "下次备份会拒绝采用;查明谁直接改动了数据库",
        "The next backup will be refused; find out who changed the database past the program",
        rows=found,
    )


async def check_trail(services: Services) -> Finding:
    """Whether the audit trail is sealed as it grows, and its checkpoints fit."""
    async with services.database.read() as connection:
        waiting = await audit_links.waiting(connection)
        breaks, lost = await check_checkpoints(services, connection)
    if waiting["at"] is not None and datetime.now(UTC) - waiting["at"] > LONGEST_UNSEALED:
        return fault(
            "audit",
            f"审计记录停止封存,待封存 {waiting['number']} 条",
            f"The audit trail is not sealed any more; {waiting['number']} rows wait",
            "确认后台任务在运行",
            "See that the job process runs",
            waiting=waiting["number"],
        )
    if breaks:
        kinds = sorted({one.kind for one in breaks})
        return fault(
            "audit",
            f"审计记录与对象存储中的进度不符:{', '.join(kinds)}",
            f"The audit trail is not what the object store knows: {', '.join(kinds)}",
            "运行 onegrid audit verify",
            "Run onegrid audit verify",
            breaks=kinds,
        )
    told = {"waiting": waiting["number"], "lost": len(lost)}
    return ok(
        "audit", "审计记录已封存(逐条校验用 audit verify)", "The trail is sealed (audit verify walks it all)", **told
    )


async def check_registry(services: Services) -> Finding:
    """Whether there are grids, none past its last day: its ground stays its own until a plan says whose it is."""
    await services.registry_holder.refresh()
    async with services.database.read() as connection:
        over = await doctor.grids_past_their_last_day(connection)
    registry = services.registry
    facts = {"version": registry.version, "grids": len(registry.by_code)}
    if not registry.by_code:
        return fault(
            "registry",
            "网格编码库为空,任何事项都无法归入网格",
            "The registry has no grids, so that no item has a place",
            "运行 onegrid registry import",
            "Run onegrid registry import",
            **facts,
        )
    if over:
        return warning(
            "registry",
            f"{len(over)} 个网格已过止日,仍在收取事项",
            f"{len(over)} grids are past their last day and still take in items",
            "用 onegrid registry plan 并入或停用;若仍在使用,导入时改写 valid_to",
            "Merge or retire them with onegrid registry plan; if they are still in use, import another valid_to",
            **facts,
            over=over,
        )
    words = f"第 {registry.version} 版,{facts['grids']} 个网格", f"Version {registry.version}, {facts['grids']} grids"
    return ok("registry", *words, **facts)


async def check_catalogue(services: Services) -> Finding:
    """Whether devices write by versions that are taken, and the calendar knows this year."""
    usage = await read_usage(services)
    return judge_catalogue(services.catalogue, usage.versions, datetime.now(UTC).year)


def judge_catalogue(catalogue: CompiledCatalogue, versions: Sequence[VersionUsage], year: int) -> Finding:
    """From the versions in use, and the year."""
    left_behind = sum(one.devices for one in versions if one.version and one.standing in ("kept", "unknown"))
    if left_behind:
        return warning(
            "catalogue",
            f"{left_behind} 部手机的应用过旧,其上传进入隔离区",
            f"{left_behind} devices have apps that are too old; what they send goes to the quarantine",
            "用 onegrid device update 要求更新应用",
            "Ask them to update with onegrid device update",
            devices=left_behind,
        )
    if str(year) not in catalogue.source.public_holidays.years:
        return warning(
            "catalogue",
            f"目录中没有 {year} 年的节假日,工作日时限按周末计算",
            f"The catalogue has no public holidays of {year}: working deadlines know weekends alone",
            "发布含该年节假日的目录:onegrid catalogue publish",
            "Publish a catalogue that has them: onegrid catalogue publish",
            year=year,
        )
    if _order(CURRENT) > _order(catalogue.version):
        return warning(
            "catalogue",
            f"程序自带更新的目录 {CURRENT},现行为本市发布的 {catalogue.version}",
            f"The program brings a newer catalogue, {CURRENT}; the current one is {catalogue.version}, published here",
            f"用 onegrid catalogue publish {CURRENT} --dry-run 查看能否采用",
            f"See with onegrid catalogue publish {CURRENT} --dry-run whether to take it",
            brought=CURRENT,
        )
    return ok("catalogue", f"版本 {catalogue.version}", f"Version {catalogue.version}", version=catalogue.version)


def _order(version: str) -> tuple[int, int]:
    return version_order(version) or (0, 0)


async def check_devices(services: Services) -> Finding:
    """Whether devices have been silent for long, above all with something unsent."""
    async with services.database.read() as connection:
        return judge_devices(await doctor.people_and_devices(connection))


def judge_devices(row: Mapping[str, Any]) -> Finding:
    """From devices, silent and unsent."""
    facts = {name: row[name] for name in ("devices", "silent", "unsent")}
    if row["unsent"] or row["silent"]:
        return warning(
            "devices",
            f"{row['silent']} 部手机 14 天未同步,{row['unsent']} 部有未上传内容且 3 天未同步",
            f"{row['silent']} devices were silent for 14 days, {row['unsent']} for 3 with something unsent",
            "onegrid device list --silent-for 14,联系持有人",
            "onegrid device list --silent-for 14, and ask their holders",
            **facts,
        )
    return ok("devices", f"{row['devices']} 部手机", f"{row['devices']} devices", **facts)


async def check_people(services: Services) -> Finding:
    """Whether somebody holds each role that the installation needs."""
    async with services.database.read() as connection:
        row = await doctor.people_and_devices(connection)
    missing = [role for role in _NEEDED_ROLES if role not in row["roles"]]
    if not missing:
        return ok("people", "三员齐备", "Administrator, security administrator and auditor are there")
    return warning(
        "people",
        f"无人担任:{', '.join(missing)}",
        f"Nobody is: {', '.join(missing)}",
        "用 onegrid user assign 任命(第一位安全管理员用 user first)",
        "Appoint somebody with onegrid user assign (the first security administrator with user first)",
        missing=missing,
    )


async def check_waiting(services: Services) -> Finding:
    """Whether conflicts and the quarantine have waited for long."""
    async with services.database.read() as connection:
        return judge_waiting(await doctor.waiting_for_people(connection), datetime.now(UTC))


def judge_waiting(row: Mapping[str, Any], now: datetime) -> Finding:
    """From held, held_since, conflicts and open_since."""
    facts = {"held": row["held"], "conflicts": row["conflicts"]}
    words = (
        f"隔离区 {row['held']} 项,冲突 {row['conflicts']} 个",
        f"{row['held']} things are in the quarantine, {row['conflicts']} conflicts are open",
    )
    since = [one for one in (row["held_since"], row["open_since"]) if one is not None]
    if since and now - min(since) > _WAITED:
        return warning(
            "waiting",
            f"{words[0]},最久已等 {(now - min(since)).days} 天",
            f"{words[1]}; the oldest has waited for {(now - min(since)).days} days",
            "onegrid quarantine list 和 onegrid conflict list,督促处理",
            "onegrid quarantine list and onegrid conflict list; see that they are settled",
            **facts,
        )
    return ok("waiting", *words, **facts)


CONTENTS = {
    "streams": check_streams,
    "references": check_references,
    "audit": check_trail,
    "registry": check_registry,
    "catalogue": check_catalogue,
    "devices": check_devices,
    "people": check_people,
    "waiting": check_waiting,
}
