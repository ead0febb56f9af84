"""Somebody at a desk during a run: appoints people, moves them, lets them go, revokes and wipes phones.

It acts on people of its own, whom it takes on for the run and lets go afterwards, so that the city stays as it was. It
needs the data folder of the server, as the command line does.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from uuid import UUID

from server.embedded.connection import local_settings
from server.errors import Problem
from server.made_up.names import person_name
from server.services import Services, open_services
from server.simulate.demo_file import Demo
from server.simulate.words import SimulationError
from server.usecases.directives import wipe_device
from server.usecases.leaving import leave, unassign
from server.usecases.people import Appointed, PostWish, assign, create_user
from server.usecases.sessions import Caller, find_person

_WHY = "模拟 simulation"
_ROLE = "grid_worker"
_NUMBERS = 10_000


class Guest:
    """A worker for the time of a run. `posts`: number of the assignment by grid code."""

    def __init__(self, user: UUID, grid: str, post: int) -> None:
        self.user = user
        self.posts = {grid: post}


class Office:
    """An administrator of the demo city."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self._services, self._caller = services, caller
        self.guests: list[Guest] = []

    async def take_on(self, grids: Sequence[str], rng: Random) -> list[Guest]:
        """A new worker for each of these grids. Their telephone numbers begin with 199 0559 and are nobody's."""
        for grid in grids:
            wish = PostWish(role=_ROLE, grid=grid)
            made = await self._take_on(person_name(rng), wish)
            self.guests.append(Guest(made.user, grid, made.assignment or 0))
        return self.guests

    async def _take_on(self, name: str, wish: PostWish) -> Appointed:
        while True:
            number = f"1990559{secrets.randbelow(_NUMBERS):04}"
            try:
                return await create_user(self._services, self._caller, name, number, wish, _WHY)
            except Problem as problem:
                if problem.code != "phone_taken":
                    raise

    async def give_grid(self, guest: Guest, grid: str) -> None:
        """One more grid from now on."""
        wish = PostWish(role=_ROLE, grid=grid)
        made = await assign(self._services, self._caller, str(guest.user), wish, _WHY)
        guest.posts[grid] = made.assignment or 0

    async def take_grid(self, guest: Guest, grid: str) -> None:
        """This grid no longer."""
        await unassign(self._services, self._caller, str(guest.user), guest.posts.pop(grid), _WHY)

    async def wipe(self, device: UUID) -> None:
        """Revoke a phone, and have it erase what it holds."""
        await wipe_device(self._services, self._caller, device, _WHY)

    async def let_go(self, guest: Guest) -> None:
        """He leaves, for good."""
        self.guests.remove(guest)
        await leave(self._services, self._caller, str(guest.user), _WHY)


@asynccontextmanager
async def open_office(folder: Path, demo: Demo) -> AsyncGenerator[Office]:
    """A desk in the city of a data folder; at the end all whom it has taken on leave.

    Raises SimulationError where its person is not there.
    """
    async with open_services(local_settings(os.environ, folder)) as services:
        async with services.database.read() as connection:
            person = await find_person(connection, services.keyring, demo.enroller.phone)
        if person is None:
            raise SimulationError(
                f"{folder} 的演示城市里没有 demo.json 所写的管理员",
                f"the administrator of demo.json is not in the city of {folder}",
            )
        caller = Caller(user_id=person.id, name=person.name, kind="cli", assignments=person.assignments)
        office = Office(services, caller)
        try:
            yield office
        except Problem as problem:
            raise SimulationError(
                f"模拟中的任免或停用被拒绝：{problem.zh}", f"what the run does at a desk was refused: {problem.en}"
            ) from problem
        finally:
            for guest in list(office.guests):
                await office.let_go(guest)


def no_office(folder: Path) -> SimulationError:
    """Faults were asked for that somebody at a desk has to cause."""
    return SimulationError(
        f"这些故障需要服务器的数据文件夹，而 {folder} 不是：请在服务器的机器上运行，并用 --demo-file 指明其 demo.json",
        f"these faults need the server's data folder, and {folder} is not it: run on the server's machine and name its "
        "demo.json with --demo-file",
    )
