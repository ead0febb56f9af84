"""The doctor: looks at every part of the installation, says how it is, and what to do next where it is not well.

Each check reads its facts and judges them; one that fails or takes too long is itself a fault. Nothing is changed but
one small object that is written to the object store and removed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog

from server.logs import failure
from server.services import Services
from server.storage.objects import StoreUnavailable
from server.usecases.doctor_contents import CONTENTS
from server.usecases.doctor_database import DATABASE, check_disk
from server.usecases.doctor_findings import Examined, Finding, State, fault
from server.usecases.doctor_keeping import KEEPING, check_backups
from server.usecases.doctor_store import STORE
from server.usecases.telling import Teller

log = structlog.get_logger()

_SECONDS = 120.0
_WORSE: tuple[State, ...] = ("ok", "warning", "fault")

Check = Callable[[Services], Awaitable[Finding]]


async def examine(services: Services, folder: Path, teller: Teller) -> Examined:
    """Look at everything; `folder`: the data folder, for its disk and its backups, if there is one."""
    checks = _checks(folder)
    teller.phase("检查系统", "looking at the installation", len(checks))
    findings: list[Finding] = []
    for name, check in checks.items():
        findings.append(await _one(services, name, check))
        teller.step()
    return concluded(findings)


def concluded(findings: list[Finding]) -> Examined:
    """What it comes to."""
    worst = max(findings, key=lambda one: _WORSE.index(one.state))
    return Examined(state=worst.state, findings=findings)


def _checks(folder: Path) -> Mapping[str, Check]:
    return {
        **DATABASE,
        "disk": lambda _: check_disk(folder),
        **STORE,
        **KEEPING,
        "backups": lambda services: check_backups(services, folder / "backups"),
        **CONTENTS,
    }


async def _one(services: Services, name: str, check: Check) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS):
            return await check(services)
    except StoreUnavailable:
        return fault(
            name,
            "对象存储不可用,无法检查",
            "The object store cannot be used, so this could not be looked at",
            "先解决 object_store 一项,再运行 onegrid doctor",
            "Put object_store right first, then run onegrid doctor again",
        )
    except Exception as error:  # whatever it is, nobody knows how that part is
        log.warning("doctor_check_failed", check=name, **failure(error))
        kind = type(error).__name__
        return fault(
            name,
            f"无法检查({kind})",
            f"It could not be looked at ({kind})",
            "查看服务器日志,确认该部分在运行",
            "Look at the log, and whether that part runs",
        )
