"""Who takes part in a run, what each of them will do, and what will befall him: all of it planned from the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct, structs

from server.simulate.demo_file import Code, Demo
from server.simulate.faults import FAULTS, chosen
from server.simulate.ledger import Ledger
from server.simulate.link import Tally
from server.simulate.net import Net
from server.simulate.office import Office, no_office
from server.simulate.ordeals import Fortune, at_desks, plan_ordeals
from server.simulate.plan import Day, plan_days
from server.simulate.tamper import Tamper
from server.simulate.team import Enroller, Surroundings, enrol_team
from server.simulate.worker import Worker

_ENOUGH_GRIDS = 12


class Wish(Struct, frozen=True):
    """What to run. `folder`: where the server's data may lie, for a direct look into its database.

    `marks`: whether what is written of people is made recognisable. `faults`: `all`, `none` or names with commas; None
    for those of a usual day.
    """

    url: str
    demo: Demo
    folder: Path
    devices: int
    seed: int
    marks: bool = False
    faults: str | None = None


class Cast:
    """`odds`: of the faults asked for; `struck`: how often each has happened."""

    def __init__(self, wish: Wish, net: Net, ledger: Ledger, at: datetime, together: int) -> None:
        self.workers: list[Worker] = []
        self.odds, self.struck, self.tally = chosen(wish.faults), Counter[str](), Tally()
        self.fortune = Fortune({}, self.odds, str(wish.seed))
        self._wish, self._at, self._together = wish, at, together
        self._enroller = Enroller(net, wish.demo)
        self._around = Surroundings(net, ledger, self.tally, str(wish.seed), self.odds, self.struck, wish.marks)
        self._plans: dict[int, list[Day]] = {}

    @property
    def guests_wanted(self) -> int:
        """How many people have to be taken on; none for so few phones that half of them would be theirs."""
        wanted = len(at_desks(self.odds))
        return wanted if 2 * wanted <= self._wish.devices else 0

    @property
    def epoch(self) -> str:
        """The epoch that the phones are in."""
        return self.workers[0].phone.device.epoch or ""

    async def codes(self, count: int) -> list[Code]:
        """Codes for the phones that are still lacking until there are so many."""
        return await self._enroller.codes(len(self.workers), count)

    async def take_on(self, office: Office) -> list[Code]:
        """Codes for the people whom the office takes on, in grids where others of the run may work."""
        wish, wanted = self._wish, self.guests_wanted
        near = wish.demo.enrolment_codes[: max(wish.devices, _ENOUGH_GRIDS)]
        grids = sorted({grid for code in near for grid in code.grids})
        spare, *homes = Random(f"{wish.seed}/grids").sample(grids, wanted + 1)
        guests = await office.take_on(homes, Random(f"{wish.seed}/guests"))
        self.fortune.office, self.fortune.spare_grid = office, spare
        self.fortune.guests = dict(enumerate(guests, len(self.workers)))
        return [await self._enroller.code_for(guest.user) for guest in guests]

    def do_without_office(self) -> None:
        """The server's data folder is not at hand. Raises SimulationError if a fault that needs it was asked for."""
        if self._wish.faults != "all":
            raise no_office(self._wish.folder)
        for name in [name for name in self.odds if FAULTS[name].office]:
            del self.odds[name]

    async def enrol(self, codes: Sequence[Code], tamper: Tamper, step: Callable[[], None]) -> list[Worker]:
        """A phone for each code, and what its worker will do."""
        first = len(self.workers)
        new = await enrol_team(self._around, self._enroller, codes, first, self._at, self._together, step)
        for worker in new:
            worker.phone.tamper = tamper
            offline = self.odds.get("day_offline", 0.0)
            self._plans[worker.number] = plan_days(f"{worker.seed}/plan", worker.part_time, offline)
        self.workers += new
        return new

    def plan_ordeals(self) -> None:
        """What befalls whom; then such a phone finds a network."""
        guests = list(self.fortune.guests)
        phones = [worker.number for worker in self.workers if not worker.part_time and worker.number not in guests]
        self.fortune.ordeals = plan_ordeals(str(self._wish.seed), list(self.odds), phones, guests)
        for number, ordeal in self.fortune.ordeals.items():
            days = enumerate(self._plans[number])
            self._plans[number] = [structs.replace(one, online=one.online or at in ordeal.days) for at, one in days]
        self.struck["day_offline"] = sum(not day.online for plan in self._plans.values() for day in plan)

    def plan_of(self, worker: Worker, day: int) -> Day:
        """What he does on this day."""
        return self._plans[worker.number][day]

    def digest(self) -> str:
        """The same for the same plan: each worker's days, and what was to befall his phone."""
        ordeals = {str(number): one for number, one in sorted(self.fortune.ordeals.items())}
        plans = {str(number): days for number, days in sorted(self._plans.items())}
        return sha256(msgspec.json.encode([plans, ordeals])).hexdigest()[:16]
