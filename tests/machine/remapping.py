"""The map moves: grids are changed by plans, and their items follow batch by batch, while phones hold old maps.

What a plan makes of the ground is reckoned here, and the registry is held against it. Publishing and moving are steps
of their own; whoever carries a plan out is killed between them, between two batches, or within one.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from random import Random
from uuid import UUID

from server.errors import Problem
from server.usecases import registry_moving
from server.usecases.registry_applying import ApplyOrder, apply_plan, resume_moving
from server.usecases.registry_drafting import PlanFiles
from server.usecases.registry_moves import load_moving
from server.usecases.registry_moving import MoveJob, run_moves
from server.usecases.registry_planning import plan_changes
from server.usecases.registry_reports import ApplyReport, Followed
from server.usecases.telling import Teller
from tests.builders import ADMINISTRATOR
from tests.integration.registry_change_scene import plan_files
from tests.machine import drafting
from tests.machine.books import holds
from tests.machine.city import City
from tests.machine.drafting import Drawing, Wish
from tests.machine.ground import Moving, cells_of, plot_of
from tests.machine.handset import Handset
from tests.machine.hearing import ask, hear, post, request_of, take
from tests.machine.rules import rule, senders, tell

_REASON = "网格调整"
_BATCHES = (1, 3, 10, 40)


class Killed(Exception):
    """The process that carried a plan out is gone."""


class _Killer(Teller):
    """Kills whoever moves items after so many of them; after none, before the first."""

    def __init__(self, after: int) -> None:
        self._left = after
        self._moving = False

    def phase(self, zh: str, en: str, total: int = 0) -> None:
        self._moving = en == "Moving the items"
        self._kill()

    def step(self) -> None:
        self._left -= self._moving
        self._kill()

    def _kill(self) -> None:
        if self._moving and self._left <= 0:
            raise Killed


# Plans -----------------------------------------------------------------------------------------------------


@rule(1.8)
async def split(city: City, chance: Random) -> bool:
    return await _change(city, chance, drafting.split)


@rule(3)
async def merge(city: City, chance: Random) -> bool:
    return await _change(city, chance, drafting.merge)


@rule(1.7)
async def renumber(city: City, chance: Random) -> bool:
    return await _change(city, chance, drafting.renumber)


@rule(1.2)
async def redraw(city: City, chance: Random) -> bool:
    return await _change(city, chance, drafting.redraw)


@rule(1.3)
async def give_away(city: City, chance: Random) -> bool:
    return await _change(city, chance, drafting.give_away)


@rule(3)
async def retire(city: City, chance: Random) -> bool:
    return await _change(city, chance, drafting.retire)


@rule(6)
async def found_grid(city: City, chance: Random) -> bool:
    return await _change(city, chance, drafting.found)


async def _change(city: City, chance: Random, draw: Drawing) -> bool:
    """Publish a plan of one operation; sometimes all of it is carried out at once, mostly its items are left."""
    if city.land.moving is not None:
        return False
    wish = draw(city, chance)
    if wish is None:
        return False
    await city.listen()
    city.deafen()
    if chance.random() < 0.15:
        await _in_vain(city, wish, chance)
    order, files = await _order(city), plan_files(wish.said, registry=city.land.version, **_drawn(wish))
    at_once = chance.random() < 0.3
    teller = Teller() if at_once else _Killer(after=0)
    pushing = [] if at_once or chance.random() < 0.5 else _some(city, chance)
    requests = [request_of(phone) for phone in pushing]
    report, *answers = await asyncio.gather(
        _carried_out(city, order, files, teller),
        *(post(city, phone, body) for phone, (_, body) in zip(pushing, requests, strict=True)),
    )
    await _note_version(city, wish)
    tell(city, f"version {city.land.version}: {wish.said}{' at once' if at_once else ''}")
    if report is not None:
        await _compare(city, report)
    await _note_end(city)
    if chance.random() < 0.5:
        await city.listen()
    for phone, (serial, _), response in zip(pushing, requests, answers, strict=True):
        _hear(city, phone, serial, response)
    return True


def _hear(city: City, phone: Handset, serial: int, response: object) -> None:
    holds("I9", response.status_code == 200, "an exchange is answered", response.text[:300])  # type: ignore[attr-defined]
    if hear(city, phone, (serial, take(city, phone, response.content))).wiped:  # type: ignore[attr-defined]
        city.phones.remove(phone)


async def _carried_out(city: City, order: ApplyOrder, files: PlanFiles, teller: Teller) -> ApplyReport | None:
    """What came of it; nothing where it was killed."""
    try:
        report = await apply_plan(city.services, order, files, teller)
    except Killed:
        return None
    holds("I7", not report.faults, "a sound plan is carried out", report.faults)
    return report


async def _order(city: City) -> ApplyOrder:
    return ApplyOrder(actor=await city.administrator(), reason=_REASON, now=city.now())


def _drawn(wish: Wish) -> dict[str, object]:
    return {f"c{code}": outline for code, outline in wish.outlines.items()}


async def _in_vain(city: City, wish: Wish, chance: Random) -> None:
    """Plans that must not be carried out: made for another version, or giving a code that was borne already."""
    caller, land = await city.administrator(), city.land
    old = plan_files(wish.said, registry=land.version - 1, **_drawn(wish))
    report = (await plan_changes(city.services, caller, old, city.now(), Teller())).report
    holds("I7", [one.fault for one in report.faults] == ["plan_outdated"], "a plan is for one version", report.faults)
    used = chance.choice(sorted(land.codes))
    plot = next((one for one in land.in_order if one.community == used[:12] and one.code != used), None)
    if plot is not None:
        again = plan_files({"renumber": plot.code, "to": used}, registry=land.version)
        report = await apply_plan(city.services, await _order(city), again, Teller())
        told = [one.fault for one in report.faults]
        holds("I7", told in (["code_used"], ["code_in_use"]), "a code is never given again", used, told)


def _some(city: City, chance: Random) -> list[Handset]:
    able = senders(city)
    return chance.sample(able, min(len(able), 3))


async def _note_version(city: City, wish: Wish) -> None:
    """The ground as the plan makes it; the ids of grids that begin are the registry's to give."""
    land = city.land
    land.version += 1
    codes = [plot.code for plot, _ in wish.begins]
    rows = await city.rows("SELECT code, grid_id FROM grid_label WHERE code = ANY($1)", codes)
    ids: dict[str, UUID] = {row["code"]: row["grid_id"] for row in rows}
    holds("I7", len(ids) == len(codes), "a plan is published as a whole", codes, ids)
    begun = [(plot._replace(id=ids[plot.code]), team) for plot, team in wish.begins]
    for plot in wish.ends:
        del land.plots[plot.id]
    for plot in (*wish.changes, *(plot for plot, _ in begun)):
        land.plots[plot.id] = plot
        land.codes[plot.code] = plot.id
    land.holes = [one for one in (*land.holes, wish.hole) if one not in (None, wish.filled)]  # type: ignore[misc]
    land.moving = Moving(land.version, frozenset(plot.id for plot in wish.ends))
    for plot, team in begun:
        _hand_over(city, plot.id, wish, [one.id for one in team] if team is not None else None)
    city.acted("registry.applied", land.version, ADMINISTRATOR)
    await the_registry_is_what_was_planned(city)


def _hand_over(city: City, grid: UUID, wish: Wish, team: list[UUID] | None) -> None:
    """Whom the plan names, else everybody of the grids that it comes from."""
    ended = {plot.id for plot in wish.ends}
    for person, posts in city.told.posts.items():
        roles = {role for role, one in posts if one in ended}
        if team is not None:
            roles = {city.people[person].role} if person in team else set()
        posts.update((role, grid) for role in roles)


async def the_registry_is_what_was_planned(city: City) -> None:
    """The current grids with their codes and ground, and every code that was ever given, each with one grid."""
    rows = await city.rows(
        "SELECT l.grid_id, l.code, l.outline FROM grid_label l JOIN grid g ON g.id = l.grid_id "
        "WHERE l.to_version IS NULL AND g.to_version IS NULL"
    )
    found = sorted((row["grid_id"], row["code"], *cells_of(json.loads(row["outline"]))) for row in rows)
    holds("I7", found == sorted(map(tuple, city.land.plots.values())), "the registry is what plans made of it", found)
    given: dict[str, set[UUID]] = {}
    for row in await city.rows("SELECT code, grid_id FROM grid_label"):
        given.setdefault(row["code"], set()).add(row["grid_id"])
    wanted = {code: {grid} for code, grid in city.land.codes.items()}
    holds("I7", given == wanted, "a code is given to one grid for good", given.items() ^ wanted.items())


# Items -----------------------------------------------------------------------------------------------------


@rule(9)
async def move_batch(city: City, chance: Random) -> bool:
    """The job moves the next items, by itself or while phones exchange."""
    if city.land.moving is None:
        return False
    phones = _some(city, chance) if chance.random() < 0.4 else []
    requests = [request_of(phone) for phone in phones]
    with _batches_of(chance.choice(_BATCHES)) as size:
        looked, *answers = await asyncio.gather(
            _job_batch(city),
            *(post(city, phone, body) for phone, (_, body) in zip(phones, requests, strict=True)),
        )
    tell(city, f"{looked} of {size}, beside {[phone.number for phone in phones]}")
    for phone, (serial, _), response in zip(phones, requests, answers, strict=True):
        _hear(city, phone, serial, response)
    await _note_end(city)
    return True


async def _job_batch(city: City) -> int | None:
    assert city.land.moving is not None
    async with city.services.database.read() as connection:
        job = MoveJob(city.services, await load_moving(connection, city.land.moving.version))
    return await job.batch()


@rule(3)
async def kill_move(city: City, chance: Random) -> bool:
    """Whoever moves items is killed: behind a batch, or in the middle of one."""
    if city.land.moving is None:
        return False
    with _batches_of(chance.choice(_BATCHES)):
        if chance.random() < 0.5:
            done = await _resumed(city, _Killer(after=chance.randint(1, 12)))
        else:
            done = await _cut_off(run_moves(city.services), chance.uniform(0, 0.04))
    tell(city, f"done {done}")
    await _note_end(city)
    return True


async def _cut_off(work: Awaitable[None], seconds: float) -> bool:
    """Whether it was done before that."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    task.cancel()
    await asyncio.wait([task])
    return bool(done)


@rule(2.5)
async def resume_move(city: City, chance: Random) -> bool:
    """Somebody goes on with the moves to their end; or the job does."""
    if city.land.moving is None:
        return False
    with _batches_of(chance.choice(_BATCHES)):
        if chance.random() < 0.5:
            await _resumed(city, Teller())
        else:
            await run_moves(city.services)
    await _note_end(city)
    holds("I7", city.land.moving is None, "what is gone on with comes to an end", city.land.moving)
    return True


async def _resumed(city: City, teller: Teller) -> bool:
    assert city.land.moving is not None
    version = city.land.moving.version
    try:
        await resume_moving(city.services, await _order(city), version, teller)
    except Killed:
        return False
    finally:
        city.acted("registry.resumed", version, ADMINISTRATOR)
    return True


@contextmanager
def _batches_of(size: int) -> Iterator[int]:
    former, registry_moving.BATCH = registry_moving.BATCH, size  # type: ignore[misc]
    try:
        yield size
    finally:
        registry_moving.BATCH = former  # type: ignore[misc]


@rule(3)
async def apply_too_soon(city: City, chance: Random) -> bool:
    """No other plan is carried out while items are moved."""
    if city.land.moving is None:
        return False
    wish = drafting.renumber(city, chance)
    assert wish is not None
    files = plan_files(wish.said, registry=city.land.version)
    try:
        report: object = await apply_plan(city.services, await _order(city), files, Teller())
    except Problem as problem:
        report = problem.code
    holds("I7", report == "registry_moving", "one change of the map after the other", report)
    return True


async def _note_end(city: City) -> None:
    """Posts in grids that ended are over once nothing is left there to be moved."""
    land = city.land
    if land.moving is None:
        return
    finished = await city.house.truth.fetchval(
        "SELECT finished_at IS NOT NULL FROM registry_move WHERE version = $1", land.moving.version
    )
    if not finished:
        return
    for person, posts in city.told.posts.items():
        city.told.posts[person] = {post for post in posts if post[1] not in land.moving.ended}
    land.moving = None


async def _compare(city: City, report: ApplyReport) -> None:
    """Nothing else moved in between, so that the plan's prediction is what was moved, and what revisions tell."""
    holds("I7", report.predicted == report.actual, "a plan foretells what is moved", report.differences, report)
    rows = await city.rows(
        "SELECT r.derivation ->> 'from' AS former, r.grid_id, i.type FROM revision r JOIN item i ON i.id = r.item_id "
        "WHERE r.op = 'move' AND r.registry = $1 AND NOT i.deleted",
        city.land.version,
    )
    borne = {grid: code for code, grid in city.land.codes.items() if grid not in city.land.plots}
    borne |= {one.id: one.code for one in city.land.plots.values()}
    moved = Counter((borne[UUID(r["former"])], borne[r["grid_id"]] if r["grid_id"] else None, r["type"]) for r in rows)
    assert report.actual is not None
    holds("I7", _by_place(report.actual) == moved, "what is told to have moved has moved", moved, report.actual)


def _by_place(followed: Followed) -> Counter[tuple[str, str | None, str]]:
    return Counter({(row.from_, row.to, row.type): row.items for row in followed.counts})


async def settle_ground(city: City) -> None:
    """As a minute later: the server has looked at the registry, and the job has done all that there was to do.

    Sometimes days have passed since the moves came to their end.
    """
    await city.listen()
    if city.chance.random() < 0.5:
        await city.house.truth.execute("UPDATE registry_move SET finished_at = finished_at - interval '2 days'")
    await run_moves(city.services)
    await _note_end(city)
    holds("I7", city.land.moving is None, "the job moves what is left", city.land.moving)


# Maps ------------------------------------------------------------------------------------------------------


@rule(6)
async def listen(city: City, chance: Random) -> bool:
    """The server looks at the registry, as it does every two seconds."""
    if not city.is_deaf:
        return False
    await city.listen()
    return True


@rule(5)
async def fetch_map(city: City, chance: Random) -> bool:
    """A phone asks for the grids that changed since its map."""
    able = [one for one in senders(city) if city.scope(one) and one.state.registry != city.land.version]
    if not able:
        return False
    phone = chance.choice(able)
    tell(city, phone.number)
    await fetch(city, phone)
    return True


async def fetch(city: City, phone: Handset) -> None:
    """The map of the phone is that of the registry, and holds the grids of its holder and no others."""
    known = {one.id: one for one in phone.plots} if phone.map_epoch == city.epoch else {}
    since = {"since": phone.state.registry} if known else {}
    view = await _view(city, phone, **since)
    if view["since"] is None:
        known = {}
    known |= {one.id: one for one in map(plot_of, view["grids"])}
    if not {UUID(one) for one in view["scope"]} <= known.keys():
        view = await _view(city, phone)
        known = {one.id: one for one in map(plot_of, view["grids"])}
    scope = {UUID(one) for one in view["scope"]}
    phone.plots = sorted((one for one in known.values() if one.id in scope), key=lambda one: one.west)
    holds("I4", phone.plots == city.plots_of(phone.person), "a map is that of its holder's grids", phone.plots, known)
    phone.device.adopt(phone.state.catalogue, view["version"])
    phone.map_epoch = city.epoch
    holds("I7", view["version"] == city.land.version, "a map is of the newest version", view["version"])


async def _view(city: City, phone: Handset, **params: int) -> dict[str, object]:
    answer = await ask(city, phone, "/v1/registry", **params)
    holds("I7", answer.status_code == 200, "the registry is answered", answer.text[:300])
    return answer.json()
