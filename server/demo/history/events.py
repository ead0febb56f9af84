"""The events of a grid: reported, and taken as far as they came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from schemas.item_type import ItemType
from server.demo.history.chronicle import Life
from server.demo.history.endings import WEIGHTS, Ending, Reviews, ending_of
from server.demo.history.ground import Ground
from server.demo.history.moments import DAYS, Days
from server.demo.history.plan import Scale, share
from server.demo.history.walk import NobodyError, take
from server.made_up.forms import claimed_urgency, make_fields, missing_references
from server.usecases.sessions import Caller

_BETWEEN = timedelta(seconds=40)
_NEWEST = timedelta(minutes=20)
_ALLOWED = timedelta(hours=72)
_OVERDUE_SINCE = timedelta(hours=1)
_GOLDEN = (5**0.5 - 1) / 2
"""Its multiples fall evenly between 0 and 1 in any stretch of numbers: no stretch of events lacks an author."""
_BY_PART_TIMER = 0.15
_BY_CHIEF = 0.06
_BY_NEIGHBOUR = 0.02
_LATE = 0.06
_DETOURS: Sequence[tuple[float, str, tuple[str, ...]]] = (
    (0.03, "sign", ("ask_send_back", "grant_send_back", "dispatch", "sign")),
    (0.02, "sign", ("sign", "ask_extension", "grant_extension")),
    (0.01, "sign", ("sign", "ask_hold", "grant_hold", "resume")),
    (0.03, "handle", ("handle", "redo", "handle")),
)
"""How often a case does not go straight on: the step, and the steps that it takes instead."""


class Happening(NamedTuple):
    """An event that is going to be reported; without `ending` it will be closed."""

    received_at: datetime
    number: int
    ending: Ending | None


def plan_events(scale: Scale, place: int, days: Days, rng: Random) -> list[Happening]:
    """The events of one grid, by when they were received; `place`: its place in the city."""
    own = share(scale.events, place)
    happenings: list[Happening] = []
    for number in range(own.first, own.first + own.count):
        ending = ending_of(number, scale.one_open_in)
        if ending is None:
            at = days.on_day(rng.randrange(DAYS), rng)
        else:
            at = days.working(days.latest - timedelta(hours=rng.uniform(*ending.hours)), rng)
        happenings.append(Happening(min(at, days.latest - _NEWEST), number, ending))
    return sorted(happenings, key=lambda one: one.received_at)


def tell_event(ground: Ground, happening: Happening, neighbours: Sequence[str], part_timers: Sequence[Caller]) -> None:
    """One event from its report on; `neighbours`: grids whose workers may come by."""
    code = _type(ground, happening)
    author = _author(ground, happening.number, code, neighbours, part_timers)
    at = ground.written_before(happening.received_at)
    spot = ground.spot()
    fields = make_fields(code, ground.rng, ground.scene(at, spot))
    item_type = ground.chronicle.services.catalogue.types[code].type
    _prepare(ground, item_type, fields, at, still_open=happening.ending is not None)
    urgency = (happening.ending and happening.ending.urgency) or claimed_urgency(code, ground.rng)
    written = ground.create(code, fields, at, spot, urgency)
    (life,) = ground.chronicle.push(author, [written], happening.received_at)
    if happening.ending is not None:
        return _follow(ground, life, happening.ending, happening.received_at)
    if life.case.state != "closed":
        _close(ground, life)
    ground.be_reviewed(life, life.stirred_at)


def _type(ground: Ground, happening: Happening) -> str:
    """A type whose references the grid can fill; early on there is little to refer to."""
    codes = happening.ending.types if happening.ending else tuple(WEIGHTS)
    scene = ground.scene(happening.received_at)
    able = [code for code in codes if not missing_references(code, scene)]
    return ground.rng.choices(able, [WEIGHTS[code] for code in able])[0]


def _author(ground: Ground, number: int, code: str, neighbours: Sequence[str], part_timers: Sequence[Caller]) -> Caller:
    staff, rng, own = ground.staff, ground.rng, ground.grid.code
    open_to_all = ground.chronicle.services.catalogue.types[code].type.part_time == "report_only"
    drawn = number * _GOLDEN % 1.0
    if open_to_all and part_timers and drawn < _BY_PART_TIMER:
        return rng.choice(part_timers)
    if drawn > 1.0 - _BY_NEIGHBOUR and neighbours:
        return rng.choice(staff.team(rng.choice(neighbours)))
    if drawn > 1.0 - _BY_NEIGHBOUR - _BY_CHIEF and staff.chiefs(own):
        return rng.choice(staff.chiefs(own))
    return rng.choice(staff.team(own))


def _prepare(ground: Ground, item_type: ItemType, fields: dict[str, Any], at: datetime, *, still_open: bool) -> None:
    """What is still open was not settled on the spot; what may be shown later is shown at once."""
    photos = next((field.key for field in item_type.fields if field.type == "photo_list"), None)
    fix = item_type.photo.on_site_fix
    if photos is None:
        return
    shown: list[dict[str, Any]] = fields.get(photos, [])
    if fix is not None and still_open and fields.get(fix.field):
        fields[fix.field] = False
        shown = [photo for photo in shown if photo["role"] == "report"]
    missing = item_type.photo.follow_min - sum(photo["role"] == "report" for photo in shown)
    for _ in range(max(0, missing)):
        picture = ground.album.choose(ground.rng, at, [photo["sha256"] for photo in shown])
        shown = [*shown, {"sha256": picture.sha256, "size": picture.size, "role": "report"}]
    if shown:
        fields[photos] = shown


def _follow(ground: Ground, life: Life, ending: Ending, start: datetime) -> None:
    """As far as an open event came: quickly at first, then slower."""
    steps = [*_reviews(life, ending.reviews), *ending.steps]
    span = (ground.days.latest - start) * 0.9
    shares = sorted(ground.rng.uniform(0.1, 1.0) ** 2 for _ in steps)
    _go(ground, life, steps, [start + span * part for part in shares])


def _reviews(life: Life, reviews: Reviews) -> list[str]:
    if reviews == "all":
        return ["approve"] * _levels(life)
    return {"none": [], "first": ["approve"], "returned": ["return"]}[reviews]


def _levels(life: Life) -> int:
    return len(life.review.steps) if life.review.state == "pending" else 0


def _close(ground: Ground, life: Life) -> None:
    """All the way to the closed case, mostly within its time."""
    rng, start, case = ground.rng, life.item.received_at, life.case
    steps = _course(life, rng)
    allowed = (case.handle_by or start + _ALLOWED) - start
    span = allowed * (rng.uniform(1.05, 1.8) if rng.random() < _LATE else rng.uniform(0.15, 0.9))
    left = ground.days.latest - start
    if span > left * 0.8:
        span = left * rng.uniform(0.3, 0.8)
    handled = steps.index("handle") + 1
    shares = [((place + rng.random()) / handled) ** 2 for place in range(handled - 1)]
    planned = [*(start + span * part for part in shares), start + span]
    planned += _afterwards(ground, planned[-1], len(steps) - handled)
    _go(ground, life, steps, planned)


def _afterwards(ground: Ground, handled_at: datetime, count: int) -> list[datetime]:
    """What follows the handling: within a day, or in what is left."""
    left = min(ground.days.latest - handled_at, timedelta(hours=26))
    return sorted(handled_at + left * ground.rng.uniform(0.02, 0.95) for _ in range(count))


def _course(life: Life, rng: Random) -> list[str]:
    """The steps that close a case; urgent ones are sent first and reviewed then."""
    reviews = ["approve"] * _levels(life)
    if life.standing.compiled.type.dispatch_by == "direct":
        return [*reviews, "sign", "handle", "close"]
    steps = ["accept", "dispatch", "sign", "handle", "verify", "close"]
    drawn = rng.random()
    for chance, step, detour in _DETOURS:
        drawn -= chance
        if drawn < 0.0:
            place = steps.index(step)
            steps[place : place + 1] = detour
            break
    first = 0 if life.item.urgency == "normal" else 2
    return [*steps[:first], *reviews, *steps[first:]]


def _go(ground: Ground, life: Life, steps: Sequence[str], planned: Sequence[datetime]) -> None:
    """Step after step at about these times, each so early that those after it find time before the end."""
    for left, step, moment in zip(reversed(range(len(steps))), steps, planned, strict=True):
        if not _step(ground, life, step, moment, ground.days.latest - left * _BETWEEN):
            return


def _step(ground: Ground, life: Life, step: str, planned: datetime, by: datetime) -> bool:
    """One step at about this time, after the one before; False where nobody is there to take it, or nothing overdue.

    What would be overdue when the offices open is done out of hours.
    """
    due = life.case.handle_by
    if step == "escalate":
        planned = max(planned, (due or planned) + _OVERDUE_SINCE)
        if planned > by:
            return False
    at = ground.days.working(planned, ground.rng)
    if life.case.urgency == "critical" or (due is not None and planned <= due < at):
        at = planned
    try:
        take(ground, life, step, max(min(at, by), life.stirred_at + _BETWEEN))
    except NobodyError:
        return False
    return True
