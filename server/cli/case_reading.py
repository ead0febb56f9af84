"""`onegrid case list` and `show`: looking at cases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from schemas.offices import CasesPage
from server.cli.case_options import (
    AfterOption,
    IdArgument,
    LimitOption,
    OrganisationOption,
    RevealOption,
    TypeOption,
    WhyOption,
    read_ids,
    read_office,
    read_reveal,
)
from server.cli.case_tables import print_case, print_cases
from server.cli.case_words import read_moment
from server.cli.conflict_options import DivisionOption, read_division
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.db.cases import CaseFilter
from server.services import Services
from server.usecases.case_orders import Office
from server.usecases.case_views import CaseView, reveal_case, show_case
from server.usecases.cases import list_cases, own_offices
from server.usecases.sessions import Caller
from sync.access import division_prefix
from sync.case_table import CaseStatus


def list_(
    as_: AsOption,
    state: Annotated[CaseStatus | None, typer.Option("--state", help="状态 / state", show_default=False)] = None,
    division: DivisionOption = None,
    item_type: TypeOption = None,
    organisation: OrganisationOption = None,
    mine: Annotated[
        bool, typer.Option("--mine", help="本人所属单位承办或协办的 / those that your offices hold or assist")
    ] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="已超期的 / only overdue ones")] = False,
    due_before: Annotated[
        str | None,
        typer.Option("--due-before", metavar="TIME", help="在此之前到期而未完成的 / due by then", show_default=False),
    ] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出可查看的案件,最紧急的在前 / list the cases that you may see, the most urgent first, then the oldest.

    \b
    只列状态、单位、期限,不列填报内容。时间为北京时间。

    State, organisation and deadline, nothing that was filled in. Times are those of Beijing.

    \b
    例 / Examples:
      onegrid case list --as 13800000009 --overdue
      onegrid case list --as 13800000009 --state dispatched --organisation xiaofang
      onegrid case list --as 13800000009 --division 341182001000 \\
          --due-before "2026-03-05 18:00" --json
      onegrid case list --as 13800000009 --mine
    """
    if overdue and due_before:
        raise typer.BadParameter("--overdue 与 --due-before 只写其一 / give one of the two", param_hint="--due-before")
    if mine and organisation:
        raise typer.BadParameter("--mine 与 --organisation 只写其一 / give one of the two", param_hint="--mine")
    office, prefix = read_office(organisation), read_division(division)
    due = datetime.now(UTC) if overdue else read_moment(due_before, "--due-before")

    async def work(services: Services) -> CasesPage:
        caller = await acting_as(services, as_)
        narrowed = CaseFilter(
            state=state, type=item_type, division=prefix, offices=_offices(caller, office, mine=mine), overdue_at=due
        )
        return await list_cases(services, caller, narrowed, after, limit)

    page = with_services(data, work)
    print_json(page) if as_json else print_cases(page, datetime.now(UTC))


def _offices(caller: Caller, office: Office | None, *, mine: bool) -> list[dict[str, str]] | None:
    if office is not None:
        prefix = division_prefix(office.division) if office.division else ""
        return [{"department": office.department, "prefix": prefix}]
    return own_offices(caller.assignments) if mine else None


def show(
    id_: IdArgument,
    as_: AsOption,
    reveal: RevealOption = False,
    reason: WhyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """一件案件:期限、经过、下一步由谁办 / a case: its deadlines, its history, what may be done next and by whom.

    \b
    时间为北京时间。「您」为本人可办理的步骤。说明和免交原因默认遮盖;
    --reveal 显示全部,须写 --reason,并记入审计。

    Times are those of Beijing. Steps that are open to you are marked. Notes and waivers are masked; --reveal shows
    them, needs --reason and is audited. What was filled in is shown by `onegrid item show`.

    \b
    例 / Examples:
      onegrid case show 0198f3a2-6c1b-7d20 --as 13800000009
      onegrid case show 0198f3a2-6c1b-7d20 --as 13800000009 --reveal \\
          --reason "核对处置说明 to read the notes"
    """
    ids, why = read_ids(id_), read_reveal(reveal, reason)

    async def work(services: Services) -> CaseView:
        caller = await acting_as(services, as_)
        return await (reveal_case(services, caller, ids, why) if why else show_case(services, caller, ids))

    view = with_services(data, work)
    print_json(view) if as_json else print_case(view)
