"""`onegrid conflict resolve` and `undo`: settling conflicts, one or many, and taking settlements back."""

from __future__ import annotations

from uuid import UUID

from server.cli.conflict_bulk import resolve_where, undo_whole
from server.cli.conflict_choice import FieldOption, GridOption, LinkOption, SetOption, TakeOption, Typed, read_choice
from server.cli.conflict_options import (
    DryRunOption,
    OneArgument,
    RunOption,
    Said,
    WhereOption,
    WhyOption,
    one_of,
    read_ids,
    read_reason,
    read_where,
)
from server.cli.conflict_tables import print_done
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.services import Services
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.settling import Done


def resolve(
    as_: AsOption,
    id_: OneArgument = None,
    where: WhereOption = None,
    take: TakeOption = None,
    grid: GridOption = None,
    link: LinkOption = None,
    field: FieldOption = None,
    set_: SetOption = None,
    reason: WhyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Settle a conflict, or many alike; what `--help` says of it stands in `conflict_help`."""
    why, typed = read_reason(reason), read_choice(take, grid, link, field or [], set_ or [])
    said = Said(as_=as_, why=why, dry_run=dry_run, as_json=as_json, data=data)
    if one_of(id_, where, "--where") == "--where":
        resolve_where(read_where(where or ""), typed, said)
    else:
        _resolve_one(read_ids(id_ or ""), typed, said)


def _resolve_one(ids: tuple[UUID, UUID], typed: Typed, said: Said) -> None:
    async def work(services: Services) -> Done:
        caller = await acting_as(services, said.as_)
        choice = await typed.choice(services, caller, ids)
        return await resolve_conflict(services, said.order(caller, ids), choice)

    _answer(with_services(said.data, work), said.as_json)


def undo(
    as_: AsOption,
    id_: OneArgument = None,
    run: RunOption = None,
    reason: WhyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """撤销 / take a settlement, or a whole run of them, back: the conflict is open again.

    \b
    只恢复处理时改动的栏目;若此后又有人改动这些栏目或删除了事项,
    则不能撤销。

    Brings back exactly the fields that the settlement changed; refused if one of them was changed again since, or the
    item deleted.

    \b
    例 / Examples:
      onegrid conflict undo 1a2b3c --as 13800000005 --reason "看错人 wrong person"
      onegrid conflict undo --run 4d5e6f --as 13800000005 \\
          --reason "条件写错 wrong condition"
    """
    said = Said(as_=as_, why=read_reason(reason), dry_run=dry_run, as_json=as_json, data=data)
    if one_of(id_, run, "--run") == "--run":
        undo_whole(read_ids(run or "", "--run"), said)
    else:
        _undo_one(read_ids(id_ or ""), said)


def _undo_one(ids: tuple[UUID, UUID], said: Said) -> None:
    async def work(services: Services) -> Done:
        return await undo_resolution(services, said.order(await acting_as(services, said.as_), ids))

    _answer(with_services(said.data, work), said.as_json)


def _answer(done: Done, as_json: bool) -> None:
    print_json(done) if as_json else print_done(done)
