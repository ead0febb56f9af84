"""`onegrid epoch`: the lives of the database, and beginning another."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

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
from server.services import Services
from server.usecases.epochs_asked import EpochLine, ask_for_epoch, list_epochs

app = typer.Typer(no_args_is_help=True)


@app.callback()
def epoch() -> None:
    """数据库的纪元 / the lives of the database.

    数据库被恢复后自动开始新纪元,各手机随即核对并补交。

    A restore begins one by itself, and every phone then compares and sends again what is missing.
    """


@app.command()
def show(as_json: JsonOption = False, data: DataOption = None) -> None:
    """列出各纪元及起因 / every epoch, when and why it began.

    例 / Example: onegrid epoch show
    """
    found = with_services(data, list_epochs)
    print_json(found) if as_json else _print(found)


@app.command()
def begin(as_: AsOption, reason: ReasonOption, as_json: JsonOption = False, data: DataOption = None) -> None:
    """开始新纪元 / begin an epoch.

    \b
    只在见证无法察觉时需要:例如整机映像还原,数据库与对象存储一同倒退。服务器不必停止。
    手机不丢失任何内容,只多核对一次。系统管理员、安全管理员可用。

    Needed only where the witness cannot tell: after an image of the whole machine was put back, with which database and
    object store went back together. The server goes on. Phones lose nothing and compare once more. For administrators
    and the security administrator.

    \b
    例 / Example:
      onegrid epoch begin --as 13800000015 --reason "整机映像已还原 machine image put back"
    """
    why = need_reason(reason)

    async def work(services: Services) -> EpochLine:
        return await ask_for_epoch(services, await acting_as(services, as_), why)

    begun = with_services(data, work)
    print_json(begun) if as_json else _print([begun])


def _print(found: list[EpochLine]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("序号\nno.", "纪元\nepoch", "开始\nbegan", "起因\nreason"):
        table.add_column(heading, no_wrap=True)
    for one in found:
        table.add_row(str(one.seq), one.id, one.began_at.isoformat(timespec="seconds"), one.reason)
    Console().print(table)
