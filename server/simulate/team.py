"""Brings phones into being: people of the demo file, then others, are enrolled with codes of their own.

The codes in the file are left to whoever looks at the demo.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas.accounts import Codes, Enrolled, RegistryView, TokenPair
from schemas.forms import packaged
from server.simulate.clock import PhoneClock
from server.simulate.demo_file import Code, Demo
from server.simulate.faults import Luck
from server.simulate.ledger import Ledger
from server.simulate.link import BrokenError, Coding, Credentials, Habit, Link, Tally
from server.simulate.net import Net, Refused
from server.simulate.notebook import Grid
from server.simulate.notepad import Nature
from server.simulate.phone import Phone
from server.simulate.words import SimulationError
from server.simulate.worker import Worker
from sync.device import Device

PART_TIME = "part_time_worker"
_APP = "onegrid-simulate/1"
_MOST_CODES = 500
_CODINGS: tuple[Coding, ...] = ("gzip", "zstd", "identity")


class Surroundings(NamedTuple):
    """What all phones of a run share. `odds`: those of the faults asked for; `struck`: how often each happened."""

    net: Net
    ledger: Ledger
    tally: Tally
    seed: str
    odds: Mapping[str, float]
    struck: Counter[str]
    marks: bool


class _Versions(Struct, frozen=True):
    catalogue_version: str


async def enrol_team(
    around: Surroundings,
    enroller: Enroller,
    codes: Sequence[Code],
    first: int,
    at: datetime,
    together: int,
    step: Callable[[], None],
) -> list[Worker]:
    """Enrol a phone for each code, numbered from `first` on, calling `step` after each.

    Raises SimulationError if the demo file is not of this server.
    """
    places = asyncio.Semaphore(together)

    async def one(number: int, code: Code) -> Worker:
        async with places:
            worker = await _enrol_worker(around, enroller, number, code, at)
            step()
            return worker

    return list(await asyncio.gather(*(one(number, code) for number, code in enumerate(codes, first))))


async def second_device(net: Net, enroller: Enroller, holder: UUID) -> tuple[Link, Device]:
    """Another phone of a worker, that holds nothing yet and has no bad luck."""
    enrolled, install = await enroller.enrol(await enroller.code_for(holder))
    credentials = Credentials.of(enrolled, install)
    link = Link(net, Luck("none", {}, Counter()), Habit("msgpack", "identity"), credentials, Tally())
    return link, _device(enrolled, 0)


class Enroller:
    """Gets enrolment codes, and devices for them. Raises SimulationError where the login is refused."""

    def __init__(self, net: Net, demo: Demo) -> None:
        self._net = net
        self._demo = demo
        self._signing_in = asyncio.Lock()
        self._token: str | None = None
        self._refused = False

    async def enrol(self, code: Code, *, again: bool = False) -> tuple[Enrolled, str]:
        """Enrol with a code; if it was used before, with a new one. `again`: the first answer was lost.

        Also tells the `install` by which the app called itself.
        """
        install = secrets.token_urlsafe(16)
        wish = {"code": code.code, "install": install, "name": "simulated", "app": _APP}
        try:
            enrolled = await self._net.ask("/v1/enrol", wish, Enrolled)
        except Refused as refused:
            if refused.code != "enrolment_code_invalid":
                raise
            return await self.enrol(await self.code_for(code.user))
        if again and await self._net.ask("/v1/enrol", wish, Enrolled) != enrolled:
            raise BrokenError("a repeated enrolment gave another answer")
        return enrolled, install

    async def codes(self, first: int, count: int) -> list[Code]:
        """New codes for the phones from number `first` on, `count` phones being there then."""
        holders = [one.user for one in self._demo.enrolment_codes[first:count]]
        given = [await self.code_for(holder) for holder in holders]
        return given + await self.more(count - first - len(given))

    async def code_for(self, user: UUID) -> Code:
        """A new code for this person. Raises SimulationError for one who works here no more."""
        try:
            return (await self._codes({"user": str(user)}))[0]
        except Refused as refused:
            if refused.code != "not_found":
                raise
            raise SimulationError(
                f"演示文件中的用户 {user} 已没有岗位,演示城市此后改动过,请用新的演示数据",
                f"the user {user} of the demo file has no post any more, the city was changed since: take a fresh demo",
            ) from None

    async def more(self, count: int) -> list[Code]:
        """New codes for those of the city's people who have the fewest phones."""
        codes: list[Code] = []
        while len(codes) < count:
            found = await self._codes({"count": min(count - len(codes), _MOST_CODES)})
            codes += found or _too_many(count)
        return codes

    async def _codes(self, wish: dict[str, object]) -> list[Code]:
        made = await self._net.ask("/v1/enrol/codes", wish, Codes, await self._sign_in())
        return [Code(code.code, code.user) for code in made.codes]

    async def _sign_in(self) -> str:
        async with self._signing_in:
            # Once only: a password that is asked for again and again locks its owner out.
            if self._token is None and not self._refused:
                login = self._demo.enroller
                wish = {"grant": "password", "phone": login.phone, "password": login.password}
                with suppress(Refused):
                    self._token = (await self._net.ask("/v1/token", wish, TokenPair)).access
            self._refused = self._token is None
        if self._token is None:
            raise _other_server(self._net.base_url)
        return self._token


async def _enrol_worker(around: Surroundings, enroller: Enroller, number: int, code: Code, at: datetime) -> Worker:
    name = f"{around.seed}/{number}"
    luck = Luck(f"{name}/luck", around.odds, around.struck)
    enrolled, install = await enroller.enrol(code, again=luck.strikes("enrolment_answer_lost"))
    rng = Random(f"{name}/nature")
    habit = Habit("msgpack" if number % 2 else "json", _CODINGS[number % 3])
    link = Link(around.net, luck, habit, Credentials.of(enrolled, install), around.tally)
    registry = await _surroundings_of(link, packaged().version)
    device = _device(enrolled, registry.version)
    nature = Nature(
        rng=Random(f"{name}/{enrolled.device}"),
        set_form=habit.form,
        max_sets=rng.choice((1, 2, 2, 3, 5)),
        page=rng.choice((None, None, None, None, 40_000)),
    )
    clock = PhoneClock(rng, at)
    if luck.strikes("clock_wrong"):
        clock.go_wrong(luck.dice("clock_wrong"))
    phone = Phone(device, enrolled.device, link, luck, clock, nature, around.ledger)
    grids = [Grid(grid.code, grid.outline) for grid in registry.grids]
    if not grids:
        raise SimulationError(f"用户 {enrolled.user} 没有网格", f"the user {enrolled.user} has no grid to work in")
    return Worker(number, phone, grids, PART_TIME in enrolled.roles, f"{name}/work", enrolled.user, around.marks)


async def _surroundings_of(link: Link, version: str) -> RegistryView:
    """The phone's grids; makes sure that phone and server have the same forms."""
    served = msgspec.json.decode(await link.get("/v1/catalogue"), type=_Versions).catalogue_version
    if served != version:
        raise SimulationError(
            f"服务器的事项目录是 {served}，本程序是 {version}，请用同一版本",
            f"the server's catalogue is {served} and this program's is {version}: use the same release",
        )
    return msgspec.json.decode(await link.get("/v1/registry"), type=RegistryView)


def _device(enrolled: Enrolled, registry: int) -> Device:
    return Device.enrolled(
        enrolled.device, enrolled.user, packaged().version, registry, enrolled.epoch, _APP, enrolled.ticket
    )


def _too_many(count: int) -> Sequence[Code]:
    raise SimulationError(
        f"演示城市没有足够的人再用 {count} 部手机，请减小 --devices",
        f"the demo city has too few people for {count} more phones: lower --devices",
    )


def _other_server(url: str) -> SimulationError:
    return SimulationError(
        f"演示文件不属于服务器 {url}：登录被拒绝，请用 --demo-file 指明该服务器的 demo.json",
        f"the demo file is not of the server at {url}, its login is refused: name that server's demo.json "
        "with --demo-file",
    )
