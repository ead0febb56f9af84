"""The doctor looks at what keeps the installation: keys, backups, the witness, the job process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from server.db import backups, doctor
from server.sealing import Unsealable, unseal
from server.services import Services
from server.storage.key_file import key_files
from server.storage.objects import StoreUnavailable
from server.usecases.doctor_findings import Finding, fault, ok, warning
from server.usecases.keys import master_key_in_use
from server.usecases.witness import Life, difference, read_life, read_witness

_SAMPLE = 20
_KEY_DAYS = 400
_BACKUP_WARNED, _BACKUP_FAULT = timedelta(days=2), timedelta(days=7)
_JOBS_QUIET = timedelta(minutes=3)
_QUEUE_OLD = timedelta(minutes=15)
_WITNESS_LAG = timedelta(minutes=2)


async def check_keys(services: Services) -> Finding:
    """Whether the keys open what is sealed, and how long the master key has been in use."""
    async with services.database.read() as connection:
        for row in await backups.sample_of_items(connection, _SAMPLE):
            owner = row["id"].bytes
            try:
                unseal(services.keyring.open_key(owner, row["wrapped"]), owner, row["sealed"])
            except Unsealable:
                return fault(
                    "keys",
                    "有事项用现有密钥打不开",
                    "There are items that the keys do not open",
                    "勿再写入;从备份恢复密钥文件",
                    "Write nothing more; restore the key file from a backup",
                )
    used = await master_key_in_use(services)
    return _unfinished() if used.unfinished else judge_key_age(used.days)


def _unfinished() -> Finding:
    return warning(
        "keys",
        "主密钥更换尚未完成",
        "The rotation of the master key is not finished",
        "再次运行 onegrid key rotate,并把新密钥写入 ONEGRID_MASTER_KEY",
        "Run onegrid key rotate again, and write the new key to ONEGRID_MASTER_KEY",
    )


def judge_key_age(days: int) -> Finding:
    """For how many days the master key has been in use."""
    words = f"主密钥已用 {days} 天", f"The master key has been in use for {days} days"
    if days <= _KEY_DAYS:
        return ok("keys", *words, days=days)
    return warning("keys", *words, "运行 onegrid key rotate", "Run onegrid key rotate", days=days)


async def check_backups(services: Services, folder: Path) -> Finding:
    """When a backup was last proved, whether its keys go along, and whether phones may let go of what they sent."""
    async with services.database.read() as connection:
        made = await doctor.last_backups(connection)
        unsafe = await doctor.oldest_unsafe_set(connection)
    keys = await asyncio.to_thread(_newest_keys, folder)
    return judge_backups({**made, "unsafe": unsafe["at"], "keys": keys}, datetime.now(UTC))


def _newest_keys(folder: Path) -> datetime | None:
    times = [file.stat().st_mtime for file in key_files(folder).values()] if folder.is_dir() else []
    return datetime.fromtimestamp(max(times), UTC) if times else None


def judge_backups(row: Mapping[str, Any], now: datetime) -> Finding:
    """From made, proved, unsafe (the oldest set in no verified backup) and keys (the newest key file), or None each."""
    proved, made, unsafe = row["proved"], row["made"], row["unsafe"]
    waited = now - unsafe if unsafe else timedelta(0)
    do: tuple[str, str] = "每夜运行 onegrid backup", "Run onegrid backup every night"
    if proved is None:
        if made is not None:
            return warning(
                "backups",
                "备份从未试恢复,手机不能放手已上传内容",
                "No backup was ever restored as a proof; phones keep all that they sent",
                "给 onegrid backup 加 --verify-into",
                "Give onegrid backup --verify-into",
            )
        make = fault if waited > _BACKUP_FAULT else warning
        return make("backups", "从未备份", "There is no backup", *do)
    days = (now - proved).days
    words = f"最近一次验证过的备份在 {days} 天前", f"The last proved backup is {days} days old"
    if now - proved > _BACKUP_WARNED:
        make = fault if now - proved > _BACKUP_FAULT else warning
        return make("backups", *words, *_DO_BACK_UP, days=days)
    if row["keys"] is not None and row["keys"] < proved - timedelta(hours=1):
        return warning(
            "backups",
            "密钥文件比备份旧",
            "The key file is older than the backup",
            "在备份文件夹所在处运行 onegrid backup",
            "Run onegrid backup where the folder of backups is",
        )
    return ok("backups", *words, days=days)


async def check_witness(services: Services) -> Finding:
    """Whether the witness tells of this database, and grows with it."""
    try:
        said = await read_witness(services.objects, services.keyring)
    except StoreUnavailable:
        return warning(
            "witness",
            "对象存储不可用,读不到见证",
            "The object store cannot be used, so the witness cannot be read",
            "先解决 object_store 一项;在此之前服务器无法重新启动",
            "Put object_store right first; until then no server starts anew",
        )
    async with services.database.read() as connection:
        life = await read_life(connection)
    return judge_witness(said, life, datetime.now(UTC))


def judge_witness(said: tuple[Life, datetime] | str | None, life: Life, now: datetime) -> Finding:
    """From what the witness says and when, and how far the database has come."""
    facts = {"epoch": life.epoch, "seq": life.seq}
    if said is None:
        return warning("witness", "对象存储中没有见证", "There is no witness in the object store", *_DO_JOBS, **facts)
    cause = said if isinstance(said, str) else difference(said[0], life) if said[0].epoch == life.epoch else None
    if cause is not None:
        return fault(
            "witness",
            f"数据库与见证不符({cause})",
            f"The database is not what the witness saw ({cause})",
            "若刚恢复过,重启服务器即开始新纪元;否则查明谁改动了数据库或对象存储",
            "After a restore, start the servers anew and an epoch begins; else find out who touched database or store",
            **facts,
        )
    if not isinstance(said, str) and said[0].positions < life.positions and now - said[1] > _WITNESS_LAG:
        return fault("witness", "见证不再更新", "The witness grows no more", *_DO_JOBS, **facts)
    return ok("witness", f"纪元 {life.seq},见证相符", f"Epoch {life.seq}; the witness agrees", **facts)


async def check_jobs(services: Services) -> Finding:
    """Whether the job process runs and keeps up."""
    async with services.database.read() as connection:
        row = await doctor.work_of_jobs(connection)
    return judge_jobs(row, datetime.now(UTC))


def judge_jobs(row: Mapping[str, Any], now: datetime) -> Finding:
    """From last_run, oldest_queued, failed and oldest_unchecked."""
    last = row["last_run"]
    if last is None or now - last > _JOBS_QUIET:
        return fault("jobs", "后台任务没有运行", "The job process does not run", *_DO_JOBS)
    waits = [one for one in (row["oldest_queued"], row["oldest_unchecked"]) if one is not None]
    oldest = now - min(waits) if waits else timedelta(0)
    if oldest > _QUEUE_OLD or row["failed"]:
        minutes = round(oldest.total_seconds() / 60)
        return warning(
            "jobs",
            f"后台任务积压 {minutes} 分钟,一日内失败 {row['failed']} 次",
            f"Work has waited for {minutes} minutes; {row['failed']} jobs failed within a day",
            "查看日志中的 job_failed,确认对象存储可用",
            "Look for job_failed in the log, and whether the object store answers",
            minutes=minutes,
            failed=row["failed"],
        )
    return ok("jobs", "后台任务正常", "The job process keeps up")


_DO_BACK_UP = (
    "现在就运行 onegrid backup,再查夜间备份为何没有完成",
    "Run onegrid backup now, then find out why the nightly one does not come to its end",
)
_DO_JOBS = (
    "确认 onegrid up(或 python -m server.jobs)在运行,查看其日志",
    "See that onegrid up (or python -m server.jobs) runs, and look at its log",
)

KEEPING = {"keys": check_keys, "witness": check_witness, "jobs": check_jobs}
