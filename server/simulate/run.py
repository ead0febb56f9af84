"""One run: phones are enrolled, live through simulated days, send everything, and are held against the ledger."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from server.simulate.cast import Cast, Wish
from server.simulate.demo_file import Code
from server.simulate.faults import FAULTS, spared
from server.simulate.ledger import Ledger
from server.simulate.link import BrokenError
from server.simulate.look_sql import open_view
from server.simulate.meetings import Party, arrange
from server.simulate.net import Net, Refused
from server.simulate.notebook import Notebook
from server.simulate.office import open_office
from server.simulate.plan import DAYS
from server.simulate.progress import Teller
from server.simulate.report import Figures, Outcome
from server.simulate.shift import Shift
from server.simulate.tamper import Tamper
from server.simulate.verify import Inspector, PullInspector, SqlInspector, verify
from server.simulate.worker import Worker

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_TOGETHER = 16
_SECONDS_FOR_PHOTOS = 180.0
_SECONDS_BETWEEN_LOOKS = 0.7

Step = Callable[[Worker], Awaitable[None]]


async def simulate(wish: Wish, tamper: Tamper, teller: Teller) -> Outcome:
    """Run and check. Raises SimulationError where that is not possible."""
    net = Net(wish.url)
    try:
        await net.look()
        return await Run(wish, net, tamper, teller).whole()
    finally:
        await net.close()


class Run:
    """The phases of a run in their order; `whole` goes through all of them."""

    def __init__(self, wish: Wish, net: Net, tamper: Tamper, teller: Teller) -> None:
        self.ledger = Ledger()
        self.stuck: dict[int, str] = {}
        self._wish, self._net, self._tamper, self._teller = wish, net, tamper, teller
        self._notebook = Notebook()
        self._known: set[UUID] = set()
        self._began = time.monotonic()
        today = datetime.now(_CITY_TIME).replace(hour=8, minute=0, second=0, microsecond=0)
        self._mornings = [today - timedelta(days=DAYS - day) for day in range(DAYS)]
        self._cast = Cast(wish, net, self.ledger, self._mornings[0], _TOGETHER)

    async def whole(self) -> Outcome:
        """Enrol, work, drain, check."""
        async with AsyncExitStack() as stack:
            await self.enrol(self._wish.devices - self._cast.guests_wanted)
            view = await stack.enter_async_context(open_view(self._wish.folder, self._cast.epoch))
            if self._cast.guests_wanted:
                await self._welcome(stack, has_folder=view is not None)
            self._cast.plan_ordeals()
            inspector: Inspector = PullInspector(self._net, self._wish.demo, self.ledger, self._known)
            if view is not None:
                inspector = SqlInspector(view, self.ledger, await view.begin())
            for day in range(DAYS):
                await self.live(day)
            await self.drain()
            return await self.check(inspector, by_sql=view is not None)

    async def enrol(self, count: int | None = None) -> None:
        """Bring phones into being and fill them."""
        codes = await self._cast.codes(self._wish.devices if count is None else count)
        await self._fill(await self._enrol(codes))

    async def _welcome(self, stack: AsyncExitStack, *, has_folder: bool) -> None:
        """People whom the office takes on for what it will do to them; where there is no office, other people."""
        if has_folder:
            office = await stack.enter_async_context(open_office(self._wish.folder, self._wish.demo))
            await self._fill(await self._enrol(await self._cast.take_on(office)))
        else:
            self._cast.do_without_office()
            await self.enrol(self._wish.devices)

    async def _enrol(self, codes: Sequence[Code]) -> list[Worker]:
        with self._teller.phase("注册手机", "enrolling phones", len(codes)):
            return await self._cast.enrol(codes, self._tamper, self._teller.step)

    async def _fill(self, workers: Sequence[Worker]) -> None:
        await self._each("首次下行", "first fill", _pull, workers)
        self._known |= {item.id for worker in workers for item in worker.phone.device.items()}

    async def live(self, day: int) -> None:
        """Everybody works without a network; those who find one in the evening send, and later pull once more."""
        self._tamper.begin_day(last=day == DAYS - 1)
        deeds = arrange(Random(f"{self._wish.seed}/{day}/meetings"), self._notebook, self._teams())

        async def work(worker: Worker) -> None:
            plan, fortune = self._cast.plan_of(worker, day), self._cast.fortune
            await fortune.strike("morning", worker, day)
            Shift(worker, day, self._mornings[day], self._notebook).work(plan, deeds.get(worker.number, []))
            await fortune.strike("afternoon", worker, day)
            if plan.online and not worker.is_gone:
                await worker.phone.wake()
                await worker.send_all()
                self.ledger.note_sent(worker.phone.written_as, day)
                await fortune.strike("evening", worker, day)

        await self._each(f"第 {day + 1} 天", f"day {day + 1}", work)
        online = [worker for worker in self.present if self._cast.plan_of(worker, day).online]
        await self._each(f"第 {day + 1} 天傍晚", f"evening {day + 1}", _look_for_news, online)
        self._close_day(day, online)

    async def drain(self) -> None:
        """Everything is sent, photos included, and pulled."""
        await self._each("发送余下内容", "sending the rest", _send_all)
        deadline = time.monotonic() + _SECONDS_FOR_PHOTOS
        with self._teller.phase("等待照片核验", "waiting for photos", 1):
            while waiting := [worker for worker in self.going if worker.camera.unverified]:
                if time.monotonic() > deadline:
                    self.stuck |= {worker.number: "photos are not verified" for worker in waiting}
                    break
                await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
                await self._gather(_ask_for_photos, waiting)
        await self._each("最后下行", "last pull", _pull)
        await self._tamper.after_work([worker.phone for worker in self.present])
        await self._each("最后下行", "last pull again", _pull)

    async def check(self, inspector: Inspector, *, by_sql: bool) -> Outcome:
        """Hold everything against the ledger."""
        with self._teller.phase("核对", "checking", 1):
            findings = await verify(inspector, self.ledger, self.present, lambda workers: self._gather(_pull, workers))
        stuck = [f"{self.workers[number].phone.device_id}: {why}" for number, why in sorted(self.stuck.items())]
        counts = Counter(finding.what for finding in findings)
        missed = spared(self._cast.odds, self._cast.struck, len(self.workers)) if self._wish.faults else []
        return Outcome(self._figures(counts), findings, stuck, by_sql, self._teller.phases, missed)

    @property
    def workers(self) -> list[Worker]:
        """All of them, in the order of their numbers."""
        return self._cast.workers

    @property
    def going(self) -> list[Worker]:
        """The workers whose phones are not stuck."""
        return [worker for worker in self.workers if worker.number not in self.stuck]

    @property
    def present(self) -> list[Worker]:
        """Those of them who still work, with a phone that holds something."""
        return [worker for worker in self.going if not worker.is_gone]

    # Inside ----------------------------------------------------------------------------------------------------------

    def _teams(self) -> dict[str, list[Party]]:
        teams: defaultdict[str, list[Party]] = defaultdict(list)
        for worker in self.present:
            for grid in () if worker.part_time else worker.grids:
                teams[grid.code].append(Party(worker.number, worker.phone.knew))
        return teams

    def _close_day(self, day: int, online: Iterable[Worker]) -> None:
        for worker in online:
            worker.phone.knew = day
            self._notebook.add(note.known_since(day) for note in worker.sent())
        self._notebook.forget(change for change in self.ledger.changes if change.op == "delete")

    async def _each(self, zh: str, en: str, step: Step, workers: Sequence[Worker] | None = None) -> None:
        chosen = self.present if workers is None else workers

        async def told(worker: Worker) -> None:
            await step(worker)
            self._teller.step()

        with self._teller.phase(zh, en, len(chosen)):
            await self._gather(told, chosen)

    async def _gather(self, step: Step, workers: Sequence[Worker]) -> None:
        places = asyncio.Semaphore(_TOGETHER)

        async def one(worker: Worker) -> None:
            async with places:
                try:
                    await step(worker)
                except (BrokenError, Refused) as error:
                    self.stuck[worker.number] = str(error)

        await asyncio.gather(*(one(worker) for worker in workers))

    def _figures(self, found: Counter[str]) -> Figures:
        cast, outcomes = self._cast, self._outcomes()
        return Figures(
            devices=len(self.workers),
            change_sets=self.ledger.sets,
            changes=len(self.ledger.changes),
            by_item_type=self.ledger.by_type(),
            items=len(self.ledger.by_item),
            photos_verified=len({key for worker in self.workers for key in worker.camera.verified}),
            answers_lost=cast.tally.answers_lost,
            receipts_replayed=cast.tally.receipts_replayed,
            overlaps=self.ledger.overlaps(),
            merged=outcomes["merged"],
            parked=outcomes["parked"],
            rejected=outcomes["rejected"],
            lost=found["lost"],
            duplicated=found["duplicated"],
            diverged=found["diverged"],
            seconds=round(time.monotonic() - self._began, 1),
            seed=self._wish.seed,
            plan=cast.digest(),
            faults={name: cast.struck[name] for name in FAULTS if name in cast.odds},
        )

    def _outcomes(self) -> Counter[str]:
        return Counter(
            outcome.outcome
            for worker in self.workers
            for by_no in worker.phone.receipts().values()
            for receipt in by_no.values()
            for outcome in receipt.outcomes
        )


async def _pull(worker: Worker) -> None:
    await worker.phone.exchange_all()


async def _look_for_news(worker: Worker) -> None:
    await worker.phone.look_for_news()


async def _send_all(worker: Worker) -> None:
    await worker.send_all()
    if worker.phone.device.unsent:
        raise BrokenError("changes are left unsent")


async def _ask_for_photos(worker: Worker) -> None:
    await worker.camera.send()
    await worker.camera.ask()
