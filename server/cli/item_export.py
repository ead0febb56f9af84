"""`onegrid item export`: items of one type as a file."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

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
from server.cli.item_reading import DivisionOption, division_code
from server.cli.item_tables import print_exported
from server.db.reading import ExportFilter
from server.services import Services
from server.storage.export_files import Format
from server.usecases.exporting import Exported, ExportWish, export_items
from server.usecases.reading import area

TypeOption = Annotated[str, typer.Option("--type", metavar="CODE", help="事项 / item type, such as 0103")]
BeginsOption = Annotated[
    datetime | None,
    typer.Option("--from", formats=[DAY], help="接收首日 / first day of receipt", show_default=False),
]
EndsOption = Annotated[
    datetime | None, typer.Option("--to", formats=[DAY], help="接收末日 / last day of receipt", show_default=False)
]
ApprovedOption = Annotated[bool, typer.Option("--approved-only/--all", help="只导出已批准的 / only what was approved")]
FormatOption = Annotated[Format, typer.Option("--format", help="格式 / format")]
RevealOption = Annotated[bool, typer.Option("--reveal", help="含个人信息,不遮盖 / personal values, not masked")]


def export(
    item_type: TypeOption,
    output: OutputOption,
    as_: AsOption,
    reason: ReasonOption,
    division: DivisionOption = None,
    begins: BeginsOption = None,
    ends: EndsOption = None,
    approved_only: ApprovedOption = True,
    file_format: FormatOption = "csv",
    reveal: RevealOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """导出一类事项 / write items of one type to a file.

    \b
    只含可查看的事项,默认只含已批准的版本,个人信息默认遮盖。每次导出都记入审计:
    谁、为何、哪类、哪里、多少件、是否含个人信息。文件只有本人可读(0600)。

    Only items that you may read; by default what was approved, with personal values masked. Every export is audited:
    who, why, what, where, how many, whether personal values were shown. The file is readable by its owner alone and
    appears whole or not at all. In tables no text is taken for a formula.

    \b
    例 / Examples:
      onegrid item export --type 0103 --division 341182001000 -o shops.xlsx \\
          --format xlsx --as 13800000005 --reason "消防检查 fire inspection"
      onegrid item export --type 0101 --from 2024-06-01 --to 2024-06-30 \\
          -o residents.jsonl --format jsonl --as 13800000005 --reason "核对 to compare"
    """
    why = need_reason(reason)
    check_folder(output)
    begun, ended = days(begins, ends)
    place = area(division_code(division))
    narrowed = ExportFilter(type=item_type, division=place, begins=begun, ends=ended, approved_only=approved_only)
    wish = ExportWish(narrowed=narrowed, file_format=file_format, reason=why, reveal=reveal)

    async def work(services: Services) -> Exported:
        return await export_items(services, await acting_as(services, as_), wish, output)

    exported = with_services(data, work)
    print_json(exported) if as_json else print_exported(exported, str(output))
