"""Every measurement of the bench, in the order in which they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from statistics import median

from server.bench.exchange import growth, pulls, push_rates, repairing
from server.bench.exchange.course import CeilingTooLow, Course, Wish, compared, told
from server.bench.exchange.crew import pushing
from server.bench.exchange.evening import MINUTES, PHONES, Evening, lost, percentile
from server.bench.exchange.figures import MARKS, ExchangeFigures, Figure
from server.bench.exchange.house import House, standing
from server.bench.exchange.machine import this_machine
from server.bench.exchange.push_rates import Load, Rates
from server.bench.exchange.reading import Reader
from server.bench.exchange.town import enrol, lay_out

_CPU = ("cpu_per_1000", "cpu_per_1000_server", "cpu_per_1000_postgresql")
_POLLS = ("poll_rate", "poll_requests", "poll_bytes")
_PULLS = ("full_pull", "record_bytes", *_POLLS, "pull10_bytes", "pull10_dict_bytes")
_GROWTH = ("growth_poll", "growth_pull10")
_REPAIR = ("repair_bytes", "repair_trips")
_EVENING = ("evening_p99_s", "evening_lost")
_RATIOS = frozenset(name for name, mark in MARKS.items() if mark.of == "ratio")
_EIGHT = "push_c8"
_SHARE_OF_OTHERS = 30 / 22
"""A worker is given 22 of the 30 item types: so many more are pushed as he is to hold."""
_EVENING_PROCESSES = 2
NAMES = (*MARKS, *_CPU)

Measure = Callable[[Course], Awaitable[None]]


async def measure(wish: Wish, say: Callable[[str], None]) -> ExchangeFigures:
    """Everything that is wished for. Raises CeilingTooLow, `pushing.Void`, StartError."""
    figures, of_bare, version = list[Figure](), dict[str, float](), ""
    for measures in (_TOGETHER, *([one] for one in _APART)):
        wanted = [one for names, one in measures if not wish.only or not wish.only.isdisjoint(names)]
        if not wanted:
            continue
        say("启动服务 starting")
        async with standing(wish.workers) as house:
            await lay_out(house.services, wish.grids)
            course = Course(house, wish, say)
            for one in wanted:
                await one(course)
            if measures is _TOGETHER:
                await _vouch(course)
            version = await _version(house)
        figures += course.figures
        of_bare |= course.of_bare
    return ExchangeFigures(figures, this_machine(version), wish.rounds, wish.workers, of_bare)


async def _version(house: House) -> str:
    async with house.services.database.read() as connection:
        return str(await connection.fetchval("SHOW server_version"))


async def _vouch(course: Course) -> None:
    """Where ratios are told, the ceiling must come near the bare database: with eight phones, which keep it busy."""
    if not course.wants(*_RATIOS):
        return
    if _EIGHT not in course.of_bare:
        rates = await _push(course, Load(8, course.wish.sets, 1, 1200), "ceiling")
        course.of_bare[_EIGHT] = round(rates.reached, 3)
    if course.of_bare[_EIGHT] < course.wish.least_of_bare:
        raise CeilingTooLow(course.of_bare[_EIGHT])


def _pushes(name: str, clients: int, grids: int, first_grid: int, share: float = 1.0) -> Measure:
    async def one(course: Course) -> None:
        load = Load(clients, max(1, round(course.wish.sets * share)), grids, first_grid)
        rates = await _push(course, load, name)
        course.of_bare[name] = round(rates.reached, 3)
        course.add(compared(name, rates.product, rates.ceiling, "records/s"))
        if name == _EIGHT:
            for figure, spent in zip(_CPU, _parts(rates), strict=True):
                course.add(told(figure, spent, "CPU s", 3))

    return one


async def _push(course: Course, load: Load, name: str) -> Rates:
    rounds = course.wish.rounds
    return await push_rates.measure(course.house, load, rounds, lambda number: course.say(f"{name} {number}/{rounds}"))


def _parts(rates: Rates) -> tuple[list[float], list[float], list[float]]:
    server, database = [one.server for one in rates.cpu], [one.postgresql for one in rates.cpu]
    return [sum(one) for one in rates.cpu], server, database


async def _pulls(course: Course) -> None:
    house, wish = course.house, course.wish
    stocked = await pulls.stock(house, round(wish.items * _SHARE_OF_OTHERS), 1100)
    course.say(f"pull: {stocked.entries:,} records")
    await pulls.fill_ceiling(house, stocked)
    mark, full, polled = await pulls.ceiling_mark(house, stocked), [], []
    with pushing(stocked.readers, "read", 1, pulls.READERS) as crew:
        for number in range(wish.rounds + 1):
            one = await asyncio.to_thread(pulls.full_pull, house, crew, stocked)
            asked = await asyncio.to_thread(pulls.polls, house, crew, stocked, mark)
            if number:
                full.append(one)
                polled.append(asked)
            course.say(f"pull {number}/{wish.rounds}")
    course.add(compared("full_pull", [one[0] for one in full], [one[1] for one in full], "records/s"))
    course.add(told("record_bytes", [one[2] for one in full], "bytes"))
    course.add(compared("poll_rate", [one[0] for one in polled], [one[1] for one in polled], "polls/s"))
    course.add(Figure("poll_requests", 1, "requests"))
    course.add(Figure("poll_bytes", await pulls.one_poll(house, stocked), "bytes"))
    ten = [await pulls.ten_changes(house, stocked) for _ in range(wish.rounds)]
    course.add(told("pull10_bytes", [one[0] for one in ten], "bytes"))
    course.add(told("pull10_dict_bytes", [one[1] for one in ten], "bytes"))


async def _repair(course: Course) -> None:
    items = round(course.wish.items / 2 * _SHARE_OF_OTHERS)
    stocked = await pulls.stock(course.house, items, 1150, 1)
    rounds = [await repairing.mend(course.house, stocked) for _ in range(course.wish.rounds)]
    course.say(f"repair: {stocked.entries:,} records")
    course.add(told("repair_bytes", [one.body_bytes for one in rounds], "bytes"))
    course.add(told("repair_trips", [one.trips for one in rounds], "exchanges"))


async def _evening(course: Course) -> None:
    house, wish = course.house, course.wish
    count = round(PHONES * min(1.0, wish.minutes / MINUTES))
    teams = [(place % wish.grids,) for place in range(count)]
    course.say(f"evening: {count:,} phones, {wish.minutes:g} min")
    phones = await enrol(house.services, "grid_worker", teams)
    with pushing(phones, "evening", 1, _EVENING_PROCESSES) as crew:
        seen: list[Evening] = await asyncio.to_thread(crew.do, "come_home", house.port, wish.minutes * 60)
    seconds = [value for one in seen for value in one.seconds]
    gone = await lost(house.services, [item for one in seen for item in one.sent])
    scaled = "" if wish.minutes == MINUTES else f", scaled to {count:,} phones in {wish.minutes:g} min"
    span = round(min(seconds), 3), round(max(seconds), 3)
    course.add(Figure("evening_p99_s", round(percentile(seconds, 0.99), 3), f"s{scaled}", spread=span))
    course.add(Figure("evening_lost", gone, f"records{scaled}"))
    course.say(f"evening: median {median(seconds):.3f} s, {sum(one.retries for one in seen)} sent again")


async def _growth(course: Course) -> None:
    house, rounds = course.house, range(course.wish.rounds)
    stocked = await pulls.stock(house, round(course.wish.few * _SHARE_OF_OTHERS), 0)
    await stocked.editor.edit(house.port, 10)
    other = Reader(stocked.readers[1])
    await other.pull(house.port)
    await growth.settle(house)
    few = [await growth.seconds_to_answer(house, stocked, other.poll()) for _ in rounds]
    items = await growth.multiply(house)
    await growth.settle(house)
    course.say(f"growth: {items:,} items")
    many = [await growth.seconds_to_answer(house, stocked, other.poll()) for _ in rounds]
    for place, name in enumerate(_GROWTH):
        before = median(one[place] for one in few)
        course.add(told(name, [one[place] / before for one in many], "times", 3))


_TOGETHER: tuple[tuple[tuple[str, ...], Measure], ...] = (
    (("push_c1",), _pushes("push_c1", 1, 1, 1000, 3.0)),
    (("push_c8", *_CPU), _pushes("push_c8", 8, 1, 1001)),
    (("push_c32",), _pushes("push_c32", 32, 1, 1009, 0.4)),
    (("push_100_grids",), _pushes("push_100_grids", 8, 100, 0, 0.6)),
    (_PULLS, _pulls),
    (_REPAIR, _repair),
)
_APART: tuple[tuple[tuple[str, ...], Measure], ...] = (
    (_EVENING, _evening),
    (_GROWTH, _growth),
)
"""Each with a server of its own: the one wants grids without items, the other a small database."""
