"""`onegrid simulate`: phones live through working days against a running server, and everything is counted after."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console

from server.simulate.demo_file import default_path, read_demo
from server.simulate.faults import ENOUGH, FAULTS, chosen
from server.simulate.progress import Teller
from server.simulate.report import Outcome, print_findings, print_tables
from server.simulate.run import Wish
from server.simulate.run import simulate as run_simulation
from server.simulate.sabotage import saboteur

_FAULTS = (
    "all、none 或以逗号分隔的名称(见上);不写为平常的一天 / all, none, or names with commas, see above; a usual day if "
    "left out"
)

_SABOTAGE = (
    "在网络上蓄意破坏,核对者不知情;stderr 说明做了几处 / corrupt on the wire, the checker not being told; stderr says "
    "how often (3 to 7 times by the seed). drop: a new item is cut out of a set and its receipt forged, 1 lost each. "
    "double: an applied change is sent again as a set of its own, 1 duplicated each. skip: an entry is left out of a "
    "pull and the digest bent, 1 diverged each."
)

_MARKS = (
    "把写到的个人信息做成可辨认的(龘字、17091、699999、七位小数),便于检索是否外泄 / make what is written of people "
    "recognisable (龘, 17091, 699999, seven decimals), to look for leaks afterwards"
)

_HELP = """模拟手机的若干个工作日,再与账本核对 / live through working days with simulated phones, then check.

每台手机先写账本再发送;全部发送后,账本与数据库(演示文件所在的数据文件夹)或重新全量下行的内容核对。
Each phone writes a ledger before it sends; at the end the ledger is held against the database of the demo file's
folder, or against fresh full pulls where there is none. Nobody else should work in the demo meanwhile.

同一种子在同一天、同一城市即同一工作计划(plan 相同):change_sets、changes、by_item_type、items、overlaps
几乎相同(取决于他人改动结果的修改会略有出入);merged、parked、各故障的次数等取决于服务器的提交顺序。
The same seed on the same day and city is the same plan of work, and `plan` says the same: change_sets, changes,
by_item_type, items and overlaps come out alike (an edit that depends on what another phone's edit left behind may shift
them a little); merged, parked, how often a fault struck and the like follow the order in which the server commits.

丢失、重复、不一致全为 0,所有手机发送完毕,要求的故障都发生过(手机至少 {enough} 台时才要求),退出码为 0,否则为 1。
Exit 0 only if nothing is lost, duplicated or diverged, every phone has sent everything, and every fault that was asked
for has happened (asked of {enough} phones or more), else 1.

故障 / Faults, with * in a usual day, with + only where the server's data folder is at hand: somebody at a desk acts, on
people taken on for the run.

\b
{faults}

对运行中的服务器做不到的:服务器重启、断电、从备份恢复(新纪元与抢救)、令牌在服务器一侧到期。
What a simulator cannot do to a running server is left out: restarts, kills, a restore with its new epoch and salvage,
tokens that run out on the server's side.

\b
例 / Examples:
  onegrid simulate --url http://127.0.0.1:8000 --devices 60 --faults all
  onegrid simulate --url http://127.0.0.1:8000 --faults backup_restored,answer_lost --seed 7 --json
"""


def _fault_lines() -> str:
    signs = {name: ("*" if fault.usual else "") + ("+" if fault.office else "") for name, fault in FAULTS.items()}
    return "\n".join(f"  {name}{signs[name]}: {fault.zh} / {fault.en}" for name, fault in FAULTS.items())


HELP = _HELP.format(enough=ENOUGH, faults=_fault_lines())


def simulate(
    url: Annotated[str, typer.Option(help="服务器地址 / address of the server")],
    devices: Annotated[int, typer.Option(min=1, max=2000, help="手机数量 / number of phones")] = 40,
    seed: Annotated[int, typer.Option(help="种子 / seed of all dice")] = 1,
    demo_file: Annotated[
        Path | None,
        typer.Option(help="该服务器的 demo.json / that server's demo.json [data folder]", show_default=False),
    ] = None,
    faults: Annotated[str | None, typer.Option(help=_FAULTS, metavar="all|none|NAME,…", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="只输出一个 JSON / one JSON document on stdout")] = False,
    sabotage: Annotated[
        Literal["drop", "double", "skip"] | None, typer.Option(help=_SABOTAGE, show_default=False)
    ] = None,
    marks: Annotated[bool, typer.Option("--marks", help=_MARKS)] = False,
) -> None:
    """模拟手机的若干个工作日,再与账本核对 / live through working days with simulated phones, then check."""
    try:
        chosen(faults)
    except KeyError as error:
        raise typer.BadParameter(
            f"没有故障 {error.args[0]},见 --help / there is no fault {error.args[0]}, see --help", param_hint="--faults"
        ) from None
    demo_path = demo_file or default_path()
    wish = Wish(url, read_demo(demo_path), demo_path.absolute().parent, devices, seed, marks, faults)
    console, tamper = Console(stderr=True), saboteur(sabotage, seed)
    teller = Teller(console)
    with teller.shown():
        outcome = asyncio.run(run_simulation(wish, tamper, teller))
    if tamper.done:
        console.print(f"sabotage: {tamper.done}", highlight=False)
    _report(outcome, console, as_json=as_json)
    if not outcome.good:
        raise typer.Exit(1)


simulate.__doc__ = HELP


def _report(outcome: Outcome, console: Console, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(outcome.figures).decode() + "\n")
    else:
        print_tables(outcome, Console())
    print_findings(outcome, console)
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.phases.items())
    console.print(f"用时 / time: {spent}", highlight=False, soft_wrap=True)
