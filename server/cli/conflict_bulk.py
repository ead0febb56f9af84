"""Settling many conflicts alike at the command line, and taking a whole run of them back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import typer
from msgspec import to_builtins
from rich.console import Console
from rich.text import Text

from server.cli.conflict_choice import Typed
from server.cli.conflict_options import Said, Wanted
from server.cli.conflict_words import ID_SHOWN
from server.cli.context import acting_as, print_json, with_services
from server.cli.progress import progress
from server.services import Services
from server.usecases.conflict_runs import Refused, RunDone, Wish, resolve_many, undo_run
from sync.disputes import Choice

_NAMED = 5


def resolve_where(wanted: Wanted, typed: Typed, said: Said) -> None:
    """Settle all open conflicts that are wanted; exits 1 where some could not be."""
    if typed.take in ("merge", "link"):
        message = "批量处理只能用 server、incoming 或 --grid / many are settled by server, incoming or --grid"
        raise typer.BadParameter(message, param_hint="--take")
    choice = Choice(typed.take, grid=typed.grid)
    asked = {"where": to_builtins(wanted), "take": typed.take, "grid": typed.grid}

    async def work(services: Services) -> RunDone:
        actor = await acting_as(services, said.as_)
        conflicts = await wanted.filter(services, datetime.now(UTC))
        wish = Wish(actor=actor, wanted=conflicts, choice=choice, reason=said.why, asked=asked, dry_run=said.dry_run)
        with progress(quiet=said.as_json) as tell:
            return await resolve_many(services, wish, tell)

    _answer(with_services(said.data, work), said, "处理 settled")


def undo_whole(ids: tuple[UUID, UUID], said: Said) -> None:
    """Take back what a run settled; exits 1 where some of it could not be."""

    async def work(services: Services) -> RunDone:
        actor = await acting_as(services, said.as_)
        with progress(quiet=said.as_json) as tell:
            return await undo_run(services, actor, ids, said.why, tell, dry_run=said.dry_run)

    _answer(with_services(said.data, work), said, "撤销 taken back")


def _answer(done: RunDone, said: Said, verb: str) -> None:
    print_json(done) if said.as_json else _print(done, verb)
    if done.refused:
        raise typer.Exit(1)


def _print(done: RunDone, verb: str) -> None:
    """How many went which way, and for each reason why some did not."""
    would = "将会 would be " if done.dry_run else ""
    lines = [f"{would}{verb}: {done.done}"]
    if done.resumed:
        lines.append(f"其中先前 of these before: {done.earlier}")
    if done.meanwhile:
        lines.append(f"已由他人先行 somebody was there first: {done.meanwhile}")
    for one in done.refused:
        lines += _refused(one)
    if done.run is not None and verb.startswith("处理"):
        lines += [f"批次 run: {done.run}", f"整批撤销 to undo: onegrid conflict undo --run {str(done.run)[:ID_SHOWN]}"]
    Console().print(Text("\n".join(lines)), soft_wrap=True)


def _refused(one: Refused) -> list[str]:
    shown = ", ".join(str(conflict)[:ID_SHOWN] for conflict in one.conflicts[:_NAMED])
    more = " …" if one.count > _NAMED else ""
    return [f"未能处理 not done: {one.count} ({one.code}) {one.zh} / {one.en}", f"    {shown}{more}"]
