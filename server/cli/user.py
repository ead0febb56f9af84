"""`onegrid user`: the people of the organisation and their posts."""

from __future__ import annotations

import typer

from server.cli.user_import import import_
from server.cli.user_posts import assign_, create, leave_, unassign_
from server.cli.user_reading import list_, show
from server.cli.user_sign_in import first, password, unlock_

app = typer.Typer(no_args_is_help=True)

app.command()(create)
app.command()(first)
app.command(name="assign")(assign_)
app.command(name="unassign")(unassign_)
app.command(name="leave")(leave_)
app.command(name="list")(list_)
app.command()(show)
app.command()(password)
app.command(name="unlock")(unlock_)
app.command(name="import")(import_)


@app.callback()
def users() -> None:
    """人员与任职 / people and their posts.

    \b
    系统管理员在本区划内任免;系统管理员、安全管理员、审计员三类角色由
    安全管理员任免,重设密码和解锁也由其办理。不能给自己任职。
    日期为本市时间。

    An administrator appoints within his division; administrators, security administrators and auditors are appointed by
    a security administrator, who also resets passwords and unlocks accounts. Nobody appoints himself. Days are those of
    the city.

    \b
    例 / Examples:
      onegrid user create --name 王芳 --phone 13800000021 --role grid_worker \\
          --grid 341182001001001 --as 13800000006 --reason "新入职 new"
      onegrid user list --grid 341182001001001 --as 13800000006
      onegrid user leave 13800000021 --as 13800000006 --reason "离职 left"
    """
