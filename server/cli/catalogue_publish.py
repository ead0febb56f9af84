"""`onegrid catalogue publish`: a document becomes the catalogue that everything is decided by."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.cli.catalogue_documents import VersionArgument, read_document
from server.cli.catalogue_tables import print_publication
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, need_reason, print_json, with_services
from server.services import Services
from server.usecases.publishing_catalogue import Publication, publish_catalogue, try_publishing


def publish(
    file: VersionArgument,
    as_: AsOption,
    reason: Annotated[
        str, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited", show_default=False)
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只看结果,不写入 / show the result, write nothing")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """发布新版目录,立即生效 / publish a version of the catalogue; it counts at once.

    \b
    先检查:格式、各项是否自洽、是否妨碍已有台账和旧版应用;有任何问题则列出全部,整份拒绝。
    再列出差异,及涉及的台账、手机和单位。所有服务进程 2 秒内采用,无须重启。
    已立案的案件按原时限办理。仅市级的系统管理员和网格中心可用。
    没有撤销:要恢复原有内容,把它以新的版本号再发布一次。

    It is checked first: its form, whether its parts fit, and whether stored items and older apps can go on. Every fault
    is told, and with any of them it is refused whole. Then what differs is told, with the items, phones and offices it
    touches. All server processes take it within 2 seconds, without a restart; cases keep the deadlines they were given.
    For the city's administrators and its centre. There is no undo: publish the former content again under a new
    version.

    \b
    例 / Examples:
      onegrid catalogue publish next.json --as 13800000015 --dry-run
      onegrid catalogue publish next.json --as 13800000015 --reason "2025 年度目录 yearly revision"
    """
    written = read_document(file, "FILE", data)
    if not dry_run and not reason.strip() and sys.stdin.isatty():
        tried = _run(data, as_, written, None)
        print_publication(tried, stderr=True)
        if tried.faults:
            raise typer.Exit(1)
        reason = typer.prompt("原因 / why", err=True)
    told = _run(data, as_, written, None if dry_run else need_reason(reason))
    print_json(told) if as_json else print_publication(told)
    if told.faults:
        raise typer.Exit(1)


def _run(data: Path | None, as_: str, written: bytes, reason: str | None) -> Publication:
    """Without a reason nothing is written."""

    async def work(services: Services) -> Publication:
        actor = await acting_as(services, as_)
        if reason is None:
            return await try_publishing(services, actor, written)
        return await publish_catalogue(services, actor, written, reason)

    return with_services(data, work)
