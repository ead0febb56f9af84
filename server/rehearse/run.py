"""The phases of a rehearsal.

city -> phones enrol and pull -> three weeks offline -> plan and forecast -> apply, some push -> all push -> count
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from schemas.wire import ChangeOutcome
from server.db import rehearsal
from server.db.crosswalk import crosswalk_rows
from server.db.registry import current_version, load_registry
from server.embedded.words import StartError
from server.rehearse.applying import apply_by_command, p999_ms, watched
from server.rehearse.city import Stage, standing
from server.rehearse.folding import plan_file
from server.rehearse.forecast import Forecast, foretell, registry_after
from server.rehearse.report import Figures
from server.rehearse.work import OFFLINE, Claimed, Desk
from server.simulate.check import Finding, lost
from server.simulate.ledger import Ledger, Written
from server.simulate.link import Tally
from server.simulate.look_sql import open_view
from server.simulate.net import Net
from server.simulate.progress import Teller
from server.simulate.team import Enroller, Surroundings, enrol_team
from server.simulate.worker import Worker
from server.usecases.registry_drafting import PlanFiles
from server.usecases.registry_moving import move_items
from server.usecases.registry_planning import Planned, plan_changes
from server.usecases.sessions import Caller, find_person
from server.usecases.telling import Teller as Silent
from sync.registry import Registry

_TOGETHER: Final = 8
_PUSHING: Final = 4
_EARLY_EVERY: Final = 2
_SECONDS_BETWEEN_LOOKS: Final = 0.05
_SECONDS_OF_A_LOOK: Final = 2.5
"""Servers look at the registry every two seconds."""


class Wish(Struct, frozen=True):
    """What to rehearse: so many phones, and so many communities folded into so many."""

    phones: int
    communities: int
    into: int
    seed: int


class Rehearsed(Struct, frozen=True):
    """How it came out, and each change that is lost."""

    figures: Figures
    findings: list[Finding]


async def rehearse(wish: Wish, teller: Teller) -> Rehearsed:
    """Rehearse. Raises Unfit for what the county is too small for, StartError where something does not start."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        with teller.phase("建立城市", "building the city", 1):
            stage = await stack.enter_async_context(standing(wish.phones, wish.communities, wish.into))
        net = Net(stage.url)
        stack.push_async_callback(net.close)
        return await Rehearsal(stage, net, wish, teller, began).whole()


class Rehearsal:
    """One rehearsal in a city that stands."""

    def __init__(self, stage: Stage, net: Net, wish: Wish, teller: Teller, began: float) -> None:
        self._stage, self._net, self._wish, self._teller, self._began = stage, net, wish, teller, began
        self._ledger, self._tally = Ledger(), Tally()
        self._desks: list[Desk] = []
        self._synced: set[UUID] = set()

    async def whole(self) -> Rehearsed:
        """All phases in their order."""
        await self._enrol()
        await self._sync()
        await self._go_offline()
        planned, forecast, before = await self._plan()
        waited = await self._apply(planned)
        await self._each("其余手机上行", "all come back", self._desks, _send, _TOGETHER)
        await move_items(self._stage.services, self._stage.registry + 1, Silent())
        return await self._count(planned, forecast, before, waited)

    # Phases ----------------------------------------------------------------------------------------------------------

    async def _enrol(self) -> None:
        codes = self._stage.demo.enrolment_codes
        around = Surroundings(self._net, self._ledger, self._tally, str(self._wish.seed), {}, Counter(), False)
        enroller, at = Enroller(self._net, self._stage.demo), datetime.now(UTC) - OFFLINE - timedelta(days=1)
        with self._teller.phase("注册手机", "enrolling phones", len(codes)):
            workers = await enrol_team(around, enroller, codes, 0, at, _TOGETHER, self._teller.step)
        self._desks = [Desk(worker, self._wish.seed) for worker in workers]

    async def _sync(self) -> None:
        """Everybody writes, sends and pulls what his colleague wrote."""
        await asyncio.sleep(_SECONDS_OF_A_LOOK)
        for desk in self._desks:
            desk.write_synced()
        await self._each("同步", "first exchange", self._desks, _send, _TOGETHER)
        await self._each("下行", "pulling", self._desks, _send, _TOGETHER)
        for desk in self._desks:
            phone = desk.worker.phone
            phone.knew = 0
            self._ledger.note_sent(phone.written_as, 0)
        self._synced = set(self._ledger.by_item)

    async def _go_offline(self) -> None:
        since = datetime.now(UTC) - OFFLINE - timedelta(days=1)
        devices = [desk.worker.phone.device_id for desk in self._desks]
        await self._stage.services.database.write(lambda tx: rehearsal.set_devices_back(tx.connection, devices, since))
        shared = self._shared()
        for desk in self._desks:
            desk.write_offline(shared[desk.grid])
            desk.worker.phone.clock.move_to(datetime.now(UTC))

    async def _plan(self) -> tuple[Planned, Forecast, Registry]:
        """What the report says of what is synced, and what the rules say of what is not."""
        stage, now = self._stage, datetime.now(UTC)
        with self._teller.phase("推演", "planning", 1):
            files = PlanFiles(plan_file(stage.folding, stage.registry))
            planned = await plan_changes(stage.services, await self._actor(), files, now, Silent())
            if planned.report.faults:
                fault = planned.report.faults[0]
                raise StartError(f"计划有问题:{fault.zh}", f"the plan has a fault: {fault.en}")
            async with stage.services.database.read() as connection:
                before, rows = await load_registry(connection), await crosswalk_rows(connection)
        after = registry_after(before, rows, planned.changed)
        begun = {label.id for label in planned.changed.begun}
        return planned, foretell(self._claims, self._ledger.changes, after, begun, stage.registry), before

    async def _apply(self, planned: Planned) -> float:
        """Every second grid's phones come back meanwhile, half of them once the version is out."""
        stage = self._stage
        early = [desk for desk in self._desks if (desk.worker.number // 2) % _EARLY_EVERY == 0]
        made, plan = self._tally.exchanges, plan_file(stage.folding, stage.registry)
        with watched(stage.services.settings.database_url) as waits:
            applying = asyncio.create_task(apply_by_command(stage, plan, str((await self._actor()).user_id)))
            await self._each("部分手机上行", "some push meanwhile", early[::2], _send, _PUSHING)
            await self._published(applying)
            await self._each("发布后上行", "some push at once after", early[1::2], _send, _PUSHING)
            report = await applying
        if report.version is None or report.actual is None:
            raise StartError("调整计划未能执行", "the plan was not carried out")
        assert planned.report.items is not None
        return p999_ms(waits, self._tally.exchanges - made)

    async def _count(self, planned: Planned, forecast: Forecast, before: Registry, waited: float) -> Rehearsed:
        items = planned.report.items
        assert items is not None
        outcomes = self._outcomes()
        said = Counter(one.outcome for one in outcomes.values())
        findings = await self._findings(outcomes)
        async with self._stage.services.database.read() as connection:
            after = await load_registry(connection)
            moves = await rehearsal.count_moved_items(connection, self._synced, self._stage.registry + 1)
            begun = after.labels.keys() - before.labels.keys()
            fresh = [claim.item for claim in self._claims]
            unsent = await rehearsal.count_items_in_grids(connection, fresh, begun)
            conflicts = await rehearsal.count_conflicts_of_items(connection, self._ledger.by_item)
        return Rehearsed(
            Figures(
                devices=len(self._desks),
                changes=len(self._offline),
                applied=said["applied"],
                merged=said["merged"],
                rebased=said["rebased"],
                parked=said["parked"],
                quarantined=said["quarantined"],
                rejected=said["rejected"],
                lost=len(findings),
                moves_predicted=items.moved,
                moves_actual=moves,
                unsent_moves_predicted=forecast.moves,
                unsent_moves_actual=unsent,
                conflicts_predicted=forecast.conflicts + items.unplaced,
                conflicts_actual=conflicts,
                push_lock_p999_ms=waited,
                seconds=round(time.monotonic() - self._began, 1),
                seed=self._wish.seed,
            ),
            findings,
        )

    # Inside ----------------------------------------------------------------------------------------------------------

    @property
    def _claims(self) -> list[Claimed]:
        return [claim for desk in self._desks for claim in desk.claims]

    @property
    def _offline(self) -> list[Written]:
        """What was written after the last exchange before the spell offline; its numbers follow those known then."""
        return [one for one in self._ledger.changes if one.knew == 0]

    def _shared(self) -> dict[str, list[UUID]]:
        """By grid the dwellings that the first of its workers wrote first, where there are two of them."""
        teams: defaultdict[str, list[Desk]] = defaultdict(list)
        for desk in self._desks:
            teams[desk.grid].append(desk)
        return {grid: [team[0].claims[0].item] if len(team) > 1 else [] for grid, team in teams.items()}

    def _outcomes(self) -> dict[tuple[UUID, int, int], ChangeOutcome]:
        """What the phones were told of what they wrote offline."""
        told = {
            (device, no, index): outcome
            for desk in self._desks
            for device, receipts in desk.worker.phone.receipts().items()
            for no, receipt in receipts.items()
            for index, outcome in enumerate(receipt.outcomes)
        }
        return {change.key: told[change.key] for change in self._offline if change.key in told}

    async def _findings(self, outcomes: dict[tuple[UUID, int, int], ChangeOutcome]) -> list[Finding]:
        """Held against the tables by direct SQL, and against what the phones were told."""
        devices = {desk.worker.phone.device_id: desk.worker.user for desk in self._desks}
        epoch = self._desks[0].worker.phone.device.epoch or ""
        with self._teller.phase("核对", "checking", 1):
            async with open_view(self._stage.data, epoch) as view:
                if view is None:
                    raise StartError("无法查看数据库", "the database cannot be looked into")
                truth, _ = await view.look(self._ledger, devices, await view.begin())
        unheard = [
            Finding("lost", f"change {change.key}", "no outcome, or parked without a reason")
            for change in self._offline
            if not _is_explained(outcomes.get(change.key))
        ]
        return [*lost(self._ledger, truth), *unheard]

    async def _actor(self) -> Caller:
        async with self._stage.services.database.read() as connection:
            person = await find_person(connection, self._stage.services.keyring, self._stage.demo.enroller.phone)
        assert person is not None
        return Caller(user_id=person.id, name=person.name, kind="cli", assignments=person.assignments)

    async def _published(self, applying: asyncio.Task[Any]) -> None:
        """Until the new version is out, or will not be."""
        while not applying.done():
            async with self._stage.services.database.read() as connection:
                if await current_version(connection) > self._stage.registry:
                    return
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def _each(
        self, zh: str, en: str, desks: Sequence[Desk], step: Callable[[Worker], Awaitable[None]], together: int
    ) -> None:
        places = asyncio.Semaphore(together)

        async def one(desk: Desk) -> None:
            async with places:
                await step(desk.worker)
                self._teller.step()

        with self._teller.phase(zh, en, len(desks)):
            await asyncio.gather(*map(one, desks))


async def _send(worker: Worker) -> None:
    await worker.phone.exchange_all()


def _is_explained(outcome: ChangeOutcome | None) -> bool:
    """What is parked names the conflict, whose kind is the reason."""
    return outcome is not None and (outcome.outcome != "parked" or outcome.conflict is not None)
