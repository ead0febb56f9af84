"""`onegrid doctor`: how the installation is, and what to do next."""

from __future__ import annotations

import os
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from server.cli.context import DataOption, JsonOption, print_json, with_services
from server.cli.progress import progress
from server.embedded.words import StartError
from server.settings import SettingsError, read
from server.usecases.doctor import concluded, examine
from server.usecases.doctor_findings import Examined, Finding, fault

_MARKS = {"ok": "✓", "warning": "!", "fault": "✗"}
_STATES = {
    "ok": "一切正常 all is well",
    "warning": "有需要留意之处 look at some things",
    "fault": "有故障 there are faults",
}


def doctor(as_json: JsonOption = False, data: DataOption = None) -> None:
    """检查整个系统,并告知下一步 / look at the whole installation and say what to do next.

    \b
    数据库、对象存储、密钥、备份、见证、后台任务、同步流、审计、目录、手机、待办。
    有故障时退出码为 1;只在对象存储中写入并删除一个小对象,不改动其他内容。

    Database, object store, keys, backups, witness, job process, streams, audit trail, catalogue, devices, and the work
    that waits. Ends with status 1 if there is a fault. Changes nothing but one small object, which it removes again.

    \b
    例 / Examples:
      onegrid doctor
      onegrid doctor --json
    """
    found = _examined(data, quiet=as_json)
    print_json(found) if as_json else _print(found)
    if found.state == "fault":
        raise typer.Exit(1)


def _examined(data: Path | None, *, quiet: bool) -> Examined:
    folder = (data or Path(read("data", os.environ))).absolute()
    try:
        with progress(quiet=quiet) as teller:
            return with_services(data, lambda services: examine(services, folder, teller))
    except (StartError, SettingsError) as error:
        return concluded([_not_open(str(error))])


def _not_open(said: str) -> Finding:
    zh, _, en = said.partition(" / ")
    do = "先解决此项,再运行 onegrid doctor", "Put this right first, then run onegrid doctor again"
    return fault("installation", zh, en or zh, *do)


def _print(found: Examined) -> None:
    console = Console()
    for one in found.findings:
        console.print(Text(f"{_MARKS[one.state]} {one.check}: {one.zh} / {one.en}"), soft_wrap=True)
        if one.do_zh:
            console.print(Text(f"    → {one.do_zh} / {one.do_en}", style="bold"), soft_wrap=True)
    console.print(_STATES[found.state])
