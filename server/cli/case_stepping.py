"""`onegrid case step`: taking a case one step further."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import typer

from server.cli.case_options import DryRunOption, IdArgument, OrganisationOption, read_ids, read_office
from server.cli.case_tables import print_stepped
from server.cli.case_words import read_moment
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
from server.usecases.case_orders import CaseOrder, Stepped, take_step
from sync.case_table import CaseStatus

Step = Literal[
    "accept",
    "decline",
    "dispatch",
    "attach",
    "set_urgency",
    "sign",
    "handle",
    "verify",
    "redo",
    "close",
    "send_back",
    "extend",
    "hold",
    "resume",
    "void",
    "reopen",
    "escalate",
    "approve",
    "refuse",
    "withdraw",
]
"""The steps of the table of cases, and the answers to a request."""

_PHOTO = re.compile(r"([0-9a-f]{64})-([0-9]{1,15})")


def step(
    id_: IdArgument,
    step_: Annotated[Step, typer.Argument(metavar="STEP", help="步骤,见上 / a step, as above", show_default=False)],
    as_: AsOption,
    reason: ReasonOption,
    code: Annotated[
        str | None,
        typer.Option("--code", help="原因代码,见 case show / reason code of a way out", show_default=False),
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", help="说明(加密保存)/ a note, kept sealed", show_default=False)
    ] = None,
    organisation: OrganisationOption = None,
    tier: Annotated[
        Literal["community", "street", "county", "city"] | None,
        typer.Option("--tier", help="单位层级 / tier of the organisation", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="延期至 / the new deadline", show_default=False)
    ] = None,
    urgency: Annotated[
        str | None, typer.Option("--urgency", help="紧急程度 / critical, urgent, normal", show_default=False)
    ] = None,
    waiver: Annotated[
        str | None,
        typer.Option("--waiver", help="免交照片的原因 / why needed photos are waived", show_default=False),
    ] = None,
    photo: Annotated[
        list[str] | None,
        typer.Option("--photo", metavar="SHA256-SIZE", help="处置后照片 / a photo from after", show_default=False),
    ] = None,
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="STEP", help="所批的申请 / the request answered", show_default=False),
    ] = None,
    leaves: Annotated[
        CaseStatus | None,
        typer.Option("--from", help="须为此状态,否则不办 / only if it is in this state", show_default=False),
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """办理一步 / take a case one step further, as the desk or the department does.

    \b
    accept       立案
    decline      不予立案,须 --code
    dispatch     派遣,须 --organisation,可加 --tier;期限按目录计算
                 to an organisation; the catalogue sets the deadline
    attach       增加协办单位,须 --organisation / another one assists
    set_urgency  调整紧急程度,须 --urgency
    sign         签收
    handle       处置完毕,可加 --photo
    verify       现场核实通过;照片未到可写 --waiver
    redo         核实未通过,须 --note / not in order: handle again
    close        结案
    send_back    回退,须 --code,由受理台批准 / wrongly dispatched
    extend       延期,须 --code 和 --until,须批准 / more time
    hold         挂账,须 --code,须批准 / on hold
    resume       恢复办理
    void         作废,须 --code,须批准
    reopen       重新立案,须 --note
    escalate     督办升级(已超期)/ overdue: to the tier above
    approve      同意申请 / grant what was asked for
    refuse       不同意申请
    withdraw     撤回自己的申请

    \b
    --code 的可选值在 case show --json 的 next 中,写错时也会列出。--reason 记入审计,
    --code 和 --note 留在案件经过中。--dry-run 照样判定,不写入。时间为北京时间。

    Codes for --code are in `next` of `case show --json`, and listed where one is lacking. --reason goes to the audit
    trail; code and note to the history of the case. A dry run decides it all and writes nothing. Times are those of
    Beijing. What is refused says which steps are open to you.

    \b
    例 / Examples:
      onegrid case step 0198f3a2-6c1b accept --as 13800000009 \\
          --reason "情况属实 it is so"
      onegrid case step 0198f3a2-6c1b dispatch --organisation xiaofang \\
          --tier county --as 13800000009 --reason "属消防职责 for the fire office"
      onegrid case step 0198f3a2-6c1b extend --code ex_materials \\
          --until "2026-03-20 18:00" --as 13800000010 \\
          --reason "配件未到 parts are late" --dry-run
      onegrid case step 0198f3a2-6c1b approve --request extend \\
          --as 13800000006 --reason "同意 granted"
    """
    given: dict[str, Any] = {
        "reason": code,
        "note": note,
        "tier": tier,
        "until": read_moment(until, "--until"),
        "urgency": urgency,
        "waiver": waiver,
        "request": request,
        "photos": [_photo(one) for one in photo or []] or None,
    }
    order = CaseOrder(
        ids=read_ids(id_),
        step=step_,
        why=need_reason(reason),
        leaves=leaves,
        office=read_office(organisation),
        given={key: value for key, value in given.items() if value is not None},
        dry_run=dry_run,
    )

    async def work(services: Services) -> Stepped:
        return await take_step(services, await acting_as(services, as_), order)

    done = with_services(data, work)
    print_json(done) if as_json else print_stepped(done)


def _photo(text: str) -> dict[str, Any]:
    matched = _PHOTO.fullmatch(text)
    if matched is None:
        message = "请写 SHA256-字节数,见 evidence list / write SHA256-SIZE, as `evidence list --json` gives them"
        raise typer.BadParameter(message, param_hint="--photo")
    return {"sha256": matched[1], "size": int(matched[2])}
