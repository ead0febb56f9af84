"""`onegrid rehearse`: communities of a county are folded while phones are weeks offline, and nothing gets lost."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer
from rich.console import Console

from server.cli.context import JsonOption, print_json
from server.rehearse.folding import Unfit
from server.rehearse.report import print_table
from server.rehearse.run import Rehearsed, Wish
from server.rehearse.run import rehearse as run_rehearsal
from server.simulate.progress import Teller

_SHOWN = 8


def rehearse(
    phones: Annotated[int, typer.Option(min=2, max=400, help="手机数量 / number of phones")] = 200,
    communities: Annotated[
        int, typer.Option(min=2, max=99, help="参与归并的社区数 / communities that are folded")
    ] = 26,
    into: Annotated[int, typer.Option(min=1, max=98, help="归并后的社区数 / communities that are left of them")] = 10,
    seed: Annotated[int, typer.Option(help="种子 / seed of all dice")] = 1,
    as_json: JsonOption = False,
) -> None:
    """预演一次区划归并:手机离线三周后带着旧编码回来 / fold communities while phones are weeks offline with old codes.

    在临时文件夹中自带启动演示城市(只用本机回环地址,结束时全部清除),把琅琊区的 26 个社区归并为 10 个,如 2013 年那样:
    被归并社区的网格两两合并,其余整体划入。每个网格的手机先同步,再离线至多三周,其间用旧的统一编码、部门旧编码新增,
    有的带位置,有的不带,也修改已同步的台账;然后推演计划(registry plan),在部分手机上行时执行(registry apply),
    最后全部手机回来。全部修改都要有结果:采纳、合并、随沿革归入,或说明原因后待人裁定。

    Starts the demo city in a temporary folder, on the loopback alone, and leaves nothing behind. 26 communities of one
    county are folded into 10, as happened in 琅琊区 in 2013: grids of a folded community are merged in pairs, the rest
    goes over whole. The phones of these grids sync, go offline for up to three weeks, and write: new items by the old
    unified code or by a department's, some with a position and some without, and edits of what was synced. Then the
    plan is made (registry plan), carried out while some of the phones push (registry apply), and all come back.

    \b
    JSON:
      devices, changes                     手机与离线修改 / phones, and what they wrote offline
      applied merged rebased parked quarantined rejected
                                           各修改的结果 / what became of each change
      lost                                 账本中无处可寻、没有结果或没有原因的修改 / changes of the ledger that are
                                           nowhere, were never answered, or wait without a reason
      moves_predicted, moves_actual        已同步台账的转移,须完全相同 / synced items that move; exactly alike
      unsent_moves_predicted, unsent_moves_actual
                                           归入新网格的离线新增,误差至多 5 % / unsent ones in new grids, within 5 %
      conflicts_predicted, conflicts_actual
                                           冲突,误差至多 5 % / conflicts, within 5 %
      push_lock_p999_ms                    执行期间上行等锁的 99.9 百分位 / what pushes waited for locks meanwhile

    没有丢失、隔离、拒绝,且预计都成立,退出码为 0,否则为 1。
    Exit 0 if nothing is lost, quarantined or rejected and the predictions hold, else 1.

    \b
    例 / Examples:
      onegrid rehearse
      onegrid rehearse --phones 12 --communities 4 --into 2 --json
    """
    if into >= communities:
        raise typer.BadParameter("须少于 --communities / has to be less than --communities", param_hint="--into")
    # What was started is stopped on either signal.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    teller = Teller(console)
    try:
        with teller.shown():
            done = asyncio.run(run_rehearsal(Wish(phones, communities, into, seed), teller))
    except Unfit as unfit:
        raise typer.BadParameter(
            f"演示城市的这个县区只有 {unfit.bound} / the county of the demo city has {unfit.bound} only",
            param_hint="--phones --communities --into",
        ) from None
    _report(done, teller, as_json=as_json)
    if not done.figures.good:
        raise typer.Exit(1)


def _report(done: Rehearsed, teller: Teller, *, as_json: bool) -> None:
    if as_json:
        print_json(done.figures)
    else:
        print_table(done.figures)
    for finding in done.findings[:_SHOWN]:
        teller.console.print(f"{finding.what}: {finding.about}: {finding.why}", highlight=False, soft_wrap=True)
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in teller.phases.items())
    teller.console.print(f"用时 / time: {spent}", highlight=False, soft_wrap=True)
