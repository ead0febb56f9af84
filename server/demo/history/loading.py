"""Loads the history of a city: processes of their own tell a share of the communities each and copy it in."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import NamedTuple

from server.db import bulk
from server.demo.city import City
from server.demo.history.pages import Page
from server.demo.history.pictures import Album, enter, store, take_pictures
from server.demo.history.plan import SEED
from server.demo.history.telling import Historian, Setting, communities_of
from server.services import Services, open_services
from server.settings import Settings

_PROCESSES = 2
_PAGE = 1500
_SAID_EVERY = 5
_MANY_OBJECTS = 100_000


class HistoryError(Exception):
    """A process that loads a share of the history ended before it was done."""


class Loaded(NamedTuple):
    """How far a process has come: communities done, and the items in them."""

    communities: int
    items: int


async def load_history(services: Services, city: City, say: Callable[[str], None]) -> None:
    """Load the records and events of the last 30 days into the freshly filled registry.

    Several transactions: whoever is interrupted throws the database away. `say` is told every 5 percent. Raises
    HistoryError where a process failed; its own words are on stderr.
    """
    now = datetime.now(UTC)
    taken = await asyncio.to_thread(take_pictures, now, SEED)
    await services.database.write(lambda tx: enter(tx, taken))
    setting = Setting(city=city, now=now, pictures=tuple(one.picture for one in taken))
    communities = communities_of(city)
    crew = [_Helper(services.settings, setting, communities[place::_PROCESSES]) for place in range(_PROCESSES)]
    told = _Progress(len(communities), say)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(store(services, taken))
            for helper in crew:
                group.create_task(_follow(helper, told))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        for helper in crew:
            helper.stop()
    await services.database.write(lambda tx: bulk.analyze(tx.connection))


async def _follow(helper: _Helper, told: _Progress) -> None:
    while (loaded := await helper.next()) is not None:
        told.add(loaded)


class _Progress:
    """Adds up what the helpers have done, and says so now and then."""

    def __init__(self, communities: int, say: Callable[[str], None]) -> None:
        self._total, self._say = communities, say
        self._communities = self._items = self._said = 0

    def add(self, loaded: Loaded) -> None:
        """So much more is done."""
        self._communities += loaded.communities
        self._items += loaded.items
        percent = self._communities * 100 // self._total
        if percent >= self._said + _SAID_EVERY:
            self._said = percent - percent % _SAID_EVERY
            self._say(f"台账与事件 records and events {self._said} % · {self._items:,}")


class _Helper:
    """A process that loads a share of the communities."""

    def __init__(self, settings: Settings, setting: Setting, communities: Sequence[str]) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe(duplex=False)
        arguments = (settings, setting, communities, theirs)
        self._process = spawning.Process(target=_work, args=arguments, name="demo history", daemon=True)
        self._process.start()
        theirs.close()

    async def next(self) -> Loaded | None:
        """What it has done since, None at its end."""
        try:
            return await asyncio.to_thread(self._pipe.recv)
        except EOFError:
            await asyncio.to_thread(self._process.join)
            if self._process.exitcode != 0:
                raise HistoryError(f"exit status {self._process.exitcode}") from None
            return None

    def stop(self) -> None:
        """End it, if it has not ended by itself."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _work(settings: Settings, setting: Setting, communities: Sequence[str], pipe: Connection) -> None:
    gc.freeze()
    # All that is told stays until its page is full: looking for garbage meanwhile finds nothing.
    gc.set_threshold(_MANY_OBJECTS)

    def tell(loaded: Loaded) -> None:
        try:
            pipe.send(loaded)
        except BrokenPipeError:
            # Whoever began this is gone, and nobody will ask for the rest.
            sys.exit(1)

    asyncio.run(_load_apart(settings, setting, communities, tell))


async def _load_apart(
    settings: Settings, setting: Setting, communities: Sequence[str], told: Callable[[Loaded], None]
) -> None:
    async with open_services(settings) as services:
        await load_communities(services, setting, communities, told)


async def load_communities(
    services: Services, setting: Setting, communities: Sequence[str], told: Callable[[Loaded], None]
) -> None:
    """Tell and load these communities in a few transactions; the pictures are laid out already."""
    historian, album = Historian(services, setting), Album(setting.pictures)
    page, held = Page(services, album), 0
    for place, community in enumerate(communities, 1):
        page.add(historian.tell(community))
        held += 1
        if page.items >= _PAGE or place == len(communities):
            await services.database.write(page.write)
            told(Loaded(held, page.items))
            page, held = Page(services, album), 0
