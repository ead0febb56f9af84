"""`onegrid case step`: taking a case one step further."""

from __future__ import annotations

from server.cli.case_options import DryRunOption, IdArgument, OrganisationOption, read_ids, read_office
from server.cli.case_step_options import (
    CodeOption,
    LeavesOption,
    NoteOption,
    PhotoOption,
    RequestOption,
    StepArgument,
    TierOption,
    Typed,
    UntilOption,
    UrgencyOption,
    WaiverOption,
)
from server.cli.case_tables import print_stepped
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


def step(
    id_: IdArgument,
    step_: StepArgument,
    as_: AsOption,
    reason: ReasonOption,
    code: CodeOption = None,
    note: NoteOption = None,
    organisation: OrganisationOption = None,
    tier: TierOption = None,
    until: UntilOption = None,
    urgency: UrgencyOption = None,
    waiver: WaiverOption = None,
    photo: PhotoOption = None,
    request: RequestOption = None,
    leaves: LeavesOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Take a case one step further; what `--help` says of it stands in `case_help`."""
    typed = Typed(
        code=code,
        note=note,
        tier=tier,
        until=until,
        urgency=urgency,
        waiver=waiver,
        photos=photo,
        request=request,
    )
    order = CaseOrder(
        ids=read_ids(id_),
        step=step_,
        why=need_reason(reason),
        leaves=leaves,
        office=read_office(organisation),
        given=typed.given(),
        dry_run=dry_run,
    )

    async def work(services: Services) -> Stepped:
        return await take_step(services, await acting_as(services, as_), order)

    done = with_services(data, work)
    print_json(done) if as_json else print_stepped(done)
