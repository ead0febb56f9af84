"""Arguments and options that the commands about people share."""

from __future__ import annotations

from typing import Annotated

import typer

PersonArgument = Annotated[
    str, typer.Argument(metavar="PHONE|ID", help="登录手机号或用户编号 / login phone or id of the person")
]
RoleOption = Annotated[
    str | None, typer.Option("--role", metavar="CODE", help="角色 / role, such as grid_worker", show_default=False)
]
GridOption = Annotated[
    str | None, typer.Option("--grid", metavar="CODE", help="网格编码 / code of a grid", show_default=False)
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只看结果,不写入 / show the result, write nothing")]
