"""What the commands that write a file are told: which file, and from which day to which."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

DAY = "%Y-%m-%d"
"""How a day is written."""
_CITY_TIME = ZoneInfo("Asia/Shanghai")

OutputOption = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="写入的文件,已存在则替换 / file to write"),
]


def check_folder(output: Path) -> None:
    """Raises BadParameter where the file would lie in no folder."""
    if not output.absolute().parent.is_dir():
        raise typer.BadParameter("文件夹不存在 / there is no such folder", param_hint="--output")


def days(first: datetime | None, last: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The moments at which the first day begins and the last one is over, by the city's clock."""
    begins = first.replace(tzinfo=_CITY_TIME) if first else None
    ends = last.replace(tzinfo=_CITY_TIME) + timedelta(days=1) if last else None
    return begins, ends
