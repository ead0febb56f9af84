"""`onegrid audit`: exporting the audit trail, and checking that nobody altered it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from server.cli.audit_tables import print_exported, print_file, print_verified
from server.cli.context import (
    AsOption,
    DataOption,
    JsonOption,
    ReasonOption,
    acting_as,
    need_reason,
    print_json,
    with_services,
)
from server.cli.export_options import DAY, OutputOption, check_folder, days
from server.cli.progress import progress
from server.db.audit_links import TrailFilter
from server.services import Services
from server.storage.audit_files import TrailFormat
from server.usecases.audit_checking import Verified, verify_trail
from server.usecases.audit_export import TrailExported, export_trail
from server.usecases.audit_file import FileVerified, verify_file

app = typer.Typer(no_args_is_help=True)


@app.callback()
def audit() -> None:
    """审计记录 / the audit trail: who did what, when and why.

    记录只增不改,由后台逐条链接、封存,并把进度写入对象存储。

    Rows are only ever added; a job links and seals them, and writes into the object store how far it has come.
    """


@app.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="导出的文件;省略则校验本系统的全部记录 / an exported file; without it, the whole trail of this system",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """校验审计记录,指出每一处改动 / check the trail and name every place where it was altered.

    \b
    发现任何问题时退出码为 1。校验文件不需要数据库,也不需要密钥:
    请将显示的公钥与本系统 onegrid audit verify 所示的核对。

    Ends with status 1 if anything is wrong. A file is checked without database or keys: compare the public key shown
    with the one that `onegrid audit verify` shows at the installation.

    \b
    例 / Examples:
      onegrid audit verify
      onegrid audit verify trail.jsonl --json
    """
    found = _verified(data, quiet=as_json) if file is None else verify_file(file)
    if as_json:
        print_json(found)
    elif isinstance(found, Verified):
        print_verified(found)
    else:
        print_file(found)
    if found.breaks:
        raise typer.Exit(1)


def _verified(data: Path | None, *, quiet: bool) -> Verified | FileVerified:
    with progress(quiet=quiet) as teller:
        return with_services(data, lambda services: verify_trail(services, teller))


BeginsOption = Annotated[
    datetime | None, typer.Option("--from", formats=[DAY], help="首日 / first day", show_default=False)
]
EndsOption = Annotated[datetime | None, typer.Option("--to", formats=[DAY], help="末日 / last day", show_default=False)]
ActorOption = Annotated[
    UUID | None,
    typer.Option("--actor", metavar="ID", help="操作人的用户编号 / id of who acted", show_default=False),
]
DeviceOption = Annotated[
    UUID | None, typer.Option("--device", metavar="ID", help="设备编号 / id of the device", show_default=False)
]
ActionOption = Annotated[
    str | None,
    typer.Option(
        "--action",
        help="操作,如 item.export;item 含其下各项 / an action; item means all of its kind",
        show_default=False,
    ),
]
FormatOption = Annotated[TrailFormat, typer.Option("--format", help="格式 / format")]


@app.command()
def export(
    output: OutputOption,
    as_: AsOption,
    reason: ReasonOption,
    begins: BeginsOption = None,
    ends: EndsOption = None,
    actor: ActorOption = None,
    device: DeviceOption = None,
    action: ActionOption = None,
    file_format: FormatOption = "jsonl",
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """导出审计记录,可单独校验 / write rows of the trail to a file that can be checked by itself.

    \b
    仅审计员可用,导出本身也记入审计。文件含各条记录在链中的位置和本系统的签名;
    未被选中的记录只留哈希,使链不断。文件只有本人可读(0600)。

    For auditors; the export is on the trail too. The file holds each row's place in its chain and a signature; rows
    that were not asked for are there as hashes alone, so that no chain has a gap. Only its owner may read it.

    \b
    例 / Examples:
      onegrid audit export -o may.jsonl --from 2026-05-01 --to 2026-05-31 \\
          --as 13800000017 --reason "月度审计 monthly audit"
      onegrid audit export -o exports.csv --format csv --action item.export --as 13800000017 --reason "核查 check"
    """
    why = need_reason(reason)
    check_folder(output)
    begun, ended = days(begins, ends)
    wish = TrailFilter(begins=begun, ends=ended, actor=actor, device=device, action=action)

    async def work(services: Services) -> TrailExported:
        return await export_trail(services, await acting_as(services, as_), wish, why, output, file_format)

    exported: Any = with_services(data, work)
    print_json(exported) if as_json else print_exported(exported, str(output))
