"""What befalls a few phones once, each on its day: planned from the seed before anything happens.

An ordeal has up to three moments. `morning`: before the day's work; `afternoon`: with the day's work done and unsent;
`evening`: after it was sent. Each says what it found in a BrokenError if the phone did not go on as it should.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Literal

from msgspec import Struct

from schemas.forms import packaged
from schemas.previous import PREVIOUS
from server.simulate.faults import FAULTS
from server.simulate.link import BrokenError
from server.simulate.memory import damaged
from server.simulate.office import Guest, Office
from server.simulate.plan import DAYS
from server.simulate.worker import Worker

Moment = Literal["morning", "afternoon", "evening"]

_TOO_OLD = "2019.1"
_SET_LIMIT = 2_500
_LONG = "消防通道被杂物占用,已当面告知并拍照留存。" * 47
_PHONES_FOR_ONE_MORE = 24
_JUNK = (b'{"no": 1, "device": ', b"{\xff\xfe}", b'{"changes": [[[', b"{}")
_PACKED_JUNK = (b"\xc1\xc1", b"\x93\x01\x02", b"\x81\xa2no", b"\xdf\xff\xff\xff\xff")


class Ordeal(Struct, frozen=True):
    """One fault, and the day on which it begins; those of a backup and of desks are over on the second day after."""

    fault: str
    day: int

    @property
    def days(self) -> range:
        """The days that it takes."""
        is_long = self.fault == "backup_restored" or FAULTS[self.fault].office
        return range(self.day, self.day + (3 if is_long else 1))


def plan_ordeals(seed: str, faults: Sequence[str], phones: Sequence[int], guests: Sequence[int]) -> dict[int, Ordeal]:
    """By number of the phone what befalls it: each fault once, and once more for every 24 phones; none gets two.

    `phones`: full-time workers'; `guests`: those of the people whom the office has taken on, for what it does to them.
    """
    rng = Random(f"{seed}/ordeals")
    more = len(phones) // _PHONES_FOR_ONE_MORE
    alone = [name for name in faults if FAULTS[name].befalls and not FAULTS[name].office]
    free = rng.sample(phones, len(phones))
    planned = {number: Ordeal(name, _day(name, rng)) for number, name in zip(free, alone * (1 + more), strict=False)}
    return planned | {number: Ordeal(name, 1) for number, name in zip(guests, at_desks(faults), strict=False)}


def at_desks(faults: Collection[str]) -> list[str]:
    """The faults for each of which somebody has to be taken on; a grid is gained and lost by the same person."""
    wanted = [name for name in faults if FAULTS[name].office]
    return [name for name in wanted if name != "grid_lost" or "grid_gained" not in wanted]


def _day(name: str, rng: Random) -> int:
    """What takes three days begins early enough; nothing begins on the first day, which makes the records."""
    return rng.randint(1, DAYS - 3) if name == "backup_restored" else rng.randint(1, DAYS - 1)


class Fortune:
    """Lets ordeals happen. `wanted`: the faults asked for; `spare_grid`: code of the grid that somebody gets."""

    def __init__(self, ordeals: Mapping[int, Ordeal], wanted: Collection[str], seed: str) -> None:
        self.ordeals = ordeals
        self._wanted = wanted
        self._seed = seed
        self._backups: dict[int, tuple[bytes, bytes]] = {}
        self.office: Office | None = None
        self.guests: dict[int, Guest] = {}
        self.spare_grid = ""

    async def strike(self, moment: Moment, worker: Worker, day: int) -> None:
        """Whatever befalls this worker's phone now."""
        ordeal = self.ordeals.get(worker.number)
        if ordeal is not None:
            act = getattr(self, f"_{ordeal.fault}_{moment}", None)
            if act is not None:
                await act(worker, day - ordeal.day)

    # Alone -----------------------------------------------------------------------------------------------------------

    async def _memory_damaged_afternoon(self, worker: Worker, since: int) -> None:
        """A digest comes only with what is new on a stream, so something new is written there."""
        phone, rng = worker.phone, self._rng(worker, since)
        wrong = damaged(phone.device, worker.grids[0].code, rng) if since >= 0 else None
        if wrong is not None:
            phone.device, before = wrong, phone.device.repairs
            worker.report(rng)
            phone.seal()
            await phone.exchange_all()
            if phone.device.repairs == before:
                raise BrokenError("a phone with damaged memory was not repaired")
            self._note(worker, "memory_damaged")

    async def _bytes_lost_afternoon(self, worker: Worker, since: int) -> None:
        if since == 0:
            phone = worker.phone
            worker.report(self._rng(worker, since))
            phone.seal()
            phone.lose_bytes()
            await phone.exchange_all()
            if not any(told.outcome.code == "set_lost" for told in phone.device.told()):
                raise BrokenError("a worker was not told that what he wrote is lost")
            self._note(worker, "bytes_lost")

    async def _oversized_afternoon(self, worker: Worker, since: int) -> None:
        if since == 0:
            rng = self._rng(worker, since)
            for long in ("", "", _LONG[:1000], "", ""):
                worker.report(rng, result=long)
            if worker.phone.seal_within(_SET_LIMIT) != 1:
                raise BrokenError("of five changes one is too large, and others were said to be")
            self._note(worker, "oversized")

    async def _poisoned_afternoon(self, worker: Worker, since: int) -> None:
        if since == 0:
            no = worker.phone.seal_alone(worker.grids[0].code)
            junk = _JUNK if worker.phone.link.form == "json" else _PACKED_JUNK
            # Two phones never have the same bytes, or their hashes would tell nothing apart.
            worker.phone.write_unreadable(
                no, self._rng(worker, since).choice(junk) + str(worker.phone.device_id).encode()
            )
            self._note(worker, "poisoned")

    async def _step_too_early_afternoon(self, worker: Worker, since: int) -> None:
        if since >= 0 and worker.step_too_early():
            self._note(worker, "step_too_early")

    async def _app_old_afternoon(self, worker: Worker, since: int) -> None:
        if since == 0:
            await self._run_as(worker, PREVIOUS[0], withheld=None)
            self._note(worker, "app_old")

    async def _app_too_old_afternoon(self, worker: Worker, since: int) -> None:
        if since == 0:
            await self._run_as(worker, _TOO_OLD, withheld="catalogue_too_old")
            self._note(worker, "app_too_old")

    async def _run_as(self, worker: Worker, version: str, withheld: str | None) -> None:
        """One form is filled in and everything sent with an app of this version, which then is updated."""
        phone = worker.phone
        registry = phone.registry
        phone.app = version
        phone.device.adopt(version, registry)
        worker.report(self._rng(worker, 0))
        phone.seal()
        await phone.exchange_all()
        if phone.device.withheld != withheld:
            raise BrokenError(f"streams are withheld from an app of {version}: {phone.device.withheld}")
        phone.app = None
        phone.device.adopt(packaged().version, registry)

    async def _backup_restored_evening(self, worker: Worker, since: int) -> None:
        if since == 0:
            await worker.send_all()
            self._backups[worker.number] = worker.phone.back_up()

    async def _backup_restored_morning(self, worker: Worker, since: int) -> None:
        """Half of the phones have renewed their tokens since the backup."""
        if since == 2:
            await worker.send_all()
            if worker.number % 2:
                await worker.phone.link.renew()
                await worker.phone.link.get("/v1/registry")
            worker.phone.restore(self._backups[worker.number])

    # At a desk -------------------------------------------------------------------------------------------------------

    async def _grid_gained_morning(self, worker: Worker, since: int) -> None:
        if since == 0 and self.office is not None:
            await self.office.give_grid(self.guests[worker.number], self.spare_grid)
            await worker.phone.exchange_all()
            await worker.look_up_grids()
            self._note(worker, "grid_gained")

    async def _grid_gained_afternoon(self, worker: Worker, since: int) -> None:
        if since == 2 and "grid_lost" in self._wanted:
            await self._grid_lost_afternoon(worker, 0)

    async def _grid_lost_afternoon(self, worker: Worker, since: int) -> None:
        if since == 0 and self.office is not None:
            guest = self.guests[worker.number]
            if not worker.phone.device.unsent:
                raise BrokenError("nothing is unsent when a grid is lost")
            await self.office.take_grid(guest, next(iter(guest.posts)))
            await worker.phone.exchange_all()
            await worker.look_up_grids()
            self._note(worker, "grid_lost")

    async def _phone_wiped_afternoon(self, worker: Worker, since: int) -> None:
        if since == 2 and self.office is not None:
            await self.office.wipe(worker.phone.device_id)
            await worker.drain_and_wipe()
            self._note(worker, "phone_wiped")

    async def _holder_left_afternoon(self, worker: Worker, since: int) -> None:
        if since == 2 and self.office is not None:
            await self.office.let_go(self.guests[worker.number])
            await worker.send_all()
            worker.is_gone = True
            self._note(worker, "holder_left")

    # Inside ----------------------------------------------------------------------------------------------------------

    def _rng(self, worker: Worker, since: int) -> Random:
        return Random(f"{self._seed}/{worker.number}/ordeal/{since}")

    def _note(self, worker: Worker, fault: str) -> None:
        worker.phone.luck.struck[fault] += 1
