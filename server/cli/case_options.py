"""What the commands about cases are told: which case, of which organisation, in which place."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

import typer

from server.usecases.case_orders import Office
from server.usecases.conflict_access import SHORTEST_PREFIX, id_range

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="案件(事项)编号,或其前 6 位以上 / id of the case, or its first 6 digits or more"),
]
TypeOption = Annotated[
    str | None, typer.Option("--type", metavar="CODE", help="事项 / item type, such as 0401", show_default=False)
]
OrganisationOption = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="DEPT[@DIVISION]",
        help="单位:部门代码,或部门@区划 / an organisation: xiaofang, or xiaofang@341182000000",
        show_default=False,
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=200, help="最多行数 / at most so many")]
AfterOption = Annotated[
    str | None, typer.Option("--after", help="上一页末尾给出的位置 / where the page before ended", show_default=False)
]
WhyOption = Annotated[
    str | None, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited", show_default=False)
]
RevealOption = Annotated[bool, typer.Option("--reveal", help="显示个人信息,须写明原因 / show personal values")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只看结果,不写入 / show the result, write nothing")]

_OFFICE = re.compile(r"([a-z_]{1,40})(?:@([0-9]{12}))?")


def read_ids(text: str, hint: str = "ID") -> tuple[UUID, UUID]:
    """The range of ids that begin so. Raises BadParameter."""
    try:
        return id_range(text)
    except ValueError:
        raise typer.BadParameter(
            f"请写编号或其前 {SHORTEST_PREFIX} 位以上 / give the id or at least its first {SHORTEST_PREFIX} digits",
            param_hint=hint,
        ) from None


def read_office(text: str | None) -> Office | None:
    """An organisation as it is typed. Raises BadParameter."""
    if text is None:
        return None
    matched = _OFFICE.fullmatch(text)
    if matched is None:
        raise typer.BadParameter(
            "请写部门代码,或部门@12位区划代码 / write a department, or DEPARTMENT@DIVISION with 12 digits",
            param_hint="--organisation",
        )
    return Office(matched[1], matched[2])


def read_reveal(reveal: bool, reason: str | None) -> str | None:
    """Why somebody asks to see everything; None if he does not. Raises BadParameter."""
    if not reveal:
        return None
    if not (reason or "").strip():
        raise typer.BadParameter("请写明原因,会记入审计 / say why; it is audited", param_hint="--reason")
    return reason
