"""`onegrid conflict`: what two people changed at once, settled by a third."""

from __future__ import annotations

import typer

from server.cli.conflict_help import RESOLVE
from server.cli.conflict_next import next_
from server.cli.conflict_reading import list_, show, stats
from server.cli.conflict_settling import resolve, undo

app = typer.Typer(no_args_is_help=True)


@app.callback()
def conflict() -> None:
    """处理冲突 / settle what two people changed at once.

    \b
    手机离线时的修改,若与他人已保存的内容冲突,会先搁置,由能查看该事项且有
    审批角色的人决定:网格长、社区、街道、县市网格中心、部门处置员。
    新事项所填的网格编码查无、停用或不能判定时,也由他们指定网格。
    引用已删除的事项、删除仍被引用的事项、可能重复的事项、来迟的案件操作,
    以及须整体处理的变更集,都在此决定。
    系统管理员不能查看内容,也不能处理冲突。

    An edit made offline that disagrees with what others saved is parked until somebody decides: a grid chief, an
    office of the area, or a handler of the department that holds the case. So is a new item whose grid code is unknown,
    retired or ambiguous; what refers to a deleted item, and the deletion of what others refer to; what may be a
    duplicate; a step of a case that came too late; and a set that stands or falls as a whole. System administrators see
    no content and settle nothing.

    \b
    例 / Examples:
      onegrid conflict list --as 13800000005
      onegrid conflict show 1a2b3c --as 13800000005
      onegrid conflict resolve 1a2b3c --take incoming --as 13800000005 \\
          --reason "电话核实 confirmed by phone"
      onegrid conflict undo 1a2b3c --as 13800000005 --reason "看错人 wrong person"
      onegrid conflict next --as 13800000005
    """


app.command(name="list")(list_)
app.command()(show)
app.command()(stats)
app.command(help=RESOLVE)(resolve)
app.command()(undo)
app.command(name="next")(next_)
