"""`onegrid user import`: many people at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli.context import AsOption, DataOption, JsonOption, ReasonOption, acting_as, print_json, with_services
from server.cli.progress import progress
from server.cli.user_options import DryRunOption
from server.cli.user_tables import print_imported
from server.services import Services
from server.usecases.people_import import Imported, import_people, read_rows


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True)],
    as_: AsOption,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """批量导入 / take in a list of people: all of it, or nothing.

    \b
    列 / Columns:
      phone,name,role,grid,division,department,valid_from,valid_to
    同一手机号的多行是一人的多个任职;已有账号的,姓名一致则增加任职。
    有错的行逐行列出,不写入任何内容。

    Lines with one number are one person with several posts; who has an account already gets them if the name is the
    same. Every bad line is told by its number, and then nothing is written.

    \b
    例 / Example:
      onegrid user import people.csv --as 13800000006 --reason "2025 年聘任 appointed" --dry-run
    """
    rows = read_rows(file.read_bytes())

    async def work(services: Services) -> Imported:
        caller = await acting_as(services, as_)
        with progress(quiet=as_json) as teller:
            return await import_people(services, caller, rows, reason, dry_run=dry_run, teller=teller)

    done = with_services(data, work)
    print_json(done) if as_json else print_imported(done)
    if done.bad:
        raise typer.Exit(1)
