"""`onegrid case`: what becomes of events that were reported."""

from __future__ import annotations

import typer

from server.cli.case_figures import stats
from server.cli.case_help import STEP
from server.cli.case_reading import list_, show
from server.cli.case_stepping import step

app = typer.Typer(no_args_is_help=True)


@app.callback()
def case() -> None:
    """案件 / cases: list and show them, take them a step further, count what became of them.

    \b
    以能查看该事项的角色办理:受理派遣员、部门处置员、网格长、社区、街道、县市网格中心。
    每一步的角色、须有的内容和期限与受理台相同;系统管理员不能查看案件。

    A role that may read the item acts: dispatchers, handlers of departments, grid chiefs, offices. Who may do what,
    what it needs and when it is due are the desk's own rules. System administrators see no cases.

    \b
    例 / Examples:
      onegrid case list --as 13800000009 --overdue
      onegrid case show 0198f3a2-6c1b-7d20 --as 13800000009
      onegrid case step 0198f3a2-6c1b-7d20 accept --as 13800000009 \\
          --reason "情况属实 it is so"
      onegrid case stats --as 13800000006 --by street
    """


app.command(name="list")(list_)
app.command()(show)
app.command(help=STEP)(step)
app.command()(stats)
