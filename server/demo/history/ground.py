"""A grid as those who work in it find it, and what they do whatever they write: report, review, correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple, cast

from schemas.wire import Capture, Change, Fix
from server.demo.grids import Grid
from server.demo.history.chronicle import Chronicle, Life
from server.demo.history.moments import CITY_TIME, Days, uuid7
from server.demo.history.pictures import Album
from server.made_up.forms import Scene, edit_fields
from server.made_up.names import Locality
from server.usecases.sessions import Caller
from sync.review import Decision, ReviewState

LonLat = tuple[float, float]

_BUILDINGS = 6
_STEPS = 8e-5
"""Degrees: some eight metres."""
_PUNCTUAL = timedelta(minutes=25)
_LATE = timedelta(hours=5)
_SELDOM_LATE = 0.12
_RETURNED = 0.025
_LEFT_LYING = 0.02
_LEFT_AT_DESKS = 0.12
_UNCHECKED = 0.12
_CORRECTED = 0.7
_DECIDED_AFTER_HOURS = 9.0
_RETURNS = {
    "incomplete": ("请补全联系方式和具体位置。", "内容过简,请补充现场情况。"),
    "facts_unclear": ("前后描述不一致,请核实后重报。", "请写明发现时间和涉及人员。"),
    "wrong_grid": ("该处属相邻网格,请核对。",),
    "duplicate": ("与上周上报的内容重复,请核对。",),
}


class Common(NamedTuple):
    """What all grids have in common while the history is told."""

    chronicle: Chronicle
    days: Days
    album: Album


class Ground:
    """One grid. `held`: the ids of what may be referred to, by item type; `cared`: who has a care record already."""

    def __init__(self, common: Common, grid: Grid, where: Locality, rng: Random) -> None:
        self.chronicle, self.days, self.album = common
        self.staff = common.chronicle.staff
        self.grid, self.where, self.rng = grid, where, rng
        self.held: dict[str, list[str]] = {}
        self.cared: set[str] = set()
        self._outline = grid.outline
        wide = Scene(self.days.latest, self._outline, {})
        self._spots = [wide.place(rng) for _ in range(_BUILDINGS)]

    def scene(
        self, at: datetime, spot: LonLat | None = None, items: Mapping[str, Sequence[str]] | None = None
    ) -> Scene:
        """What a worker sees who fills in a form here."""
        return Scene(
            now=at.astimezone(CITY_TIME),
            outline=self._outline,
            items=self.held if items is None else items,
            cared=self.cared,
            where=self.where,
            camera=self.album.camera(),
            spot=spot,
        )

    def spot(self) -> LonLat:
        """A few steps from one of the grid's buildings."""
        lon, lat = self.rng.choice(self._spots)
        return lon + self.rng.uniform(-_STEPS, _STEPS), lat + self.rng.uniform(-_STEPS, _STEPS)

    def create(
        self, code: str, fields: dict[str, Any], at: datetime, spot: LonLat | None, urgency: str | None = None
    ) -> tuple[Change, datetime]:
        """A new item written at this moment and place, or where the phone knew of none."""
        change = Change(
            "create",
            uuid7(at, self.rng),
            code,
            self._capture(at, spot),
            grid=self.grid.code,
            urgency=cast("Any", urgency),
            fields=fields,
        )
        return change, at

    def written_before(self, received_at: datetime) -> datetime:
        """When something was written that arrived at this moment: mostly minutes, at times hours before.

        Not before work began on that day, unless it arrived earlier still.
        """
        longest = _LATE if self.rng.random() < _SELDOM_LATE else _PUNCTUAL
        sent_at = received_at - timedelta(minutes=1)
        return min(sent_at, max(sent_at - self.rng.random() * longest, self.days.opens(received_at)))

    def keep(self, life: Life) -> None:
        """From now on others may refer to it."""
        self.held.setdefault(life.item.type, []).append(str(life.id))

    def correct(self, life: Life, author: Caller, at: datetime) -> bool:
        """Somebody changes a field or two; False where there was nothing to change."""
        edit = edit_fields(life.item.type, life.item.fields, self.rng, where=self.where)
        if edit:
            written_at = self.written_before(at)
            capture = self._capture(max(written_at, life.item.received_at), self.spot())
            base = self.chronicle.base(life)
            change = Change("update", life.id, life.item.type, capture, base=base, fields=edit)
            self.chronicle.push(author, [(change, capture.wall)], at)
        return bool(edit)

    def be_reviewed(self, life: Life, since: datetime) -> None:
        """Reviewers decide one after the other, some hours apart, until all is approved or the time has run out."""
        at = since
        while life.review.step is not None:
            hours = self.rng.expovariate(1.0 / _DECIDED_AFTER_HOURS)
            at = self.days.working(at + timedelta(minutes=10, hours=hours), self.rng)
            if at >= self.days.latest or self.rng.random() < _left_lying(life.review):
                return
            if not self.decide(life, at, returning=self.rng.random() < _RETURNED):
                return
            if life.review.state == "returned":
                at = self.days.working(at + timedelta(hours=self.rng.uniform(2, 40)), self.rng)
                if at >= self.days.latest or self.rng.random() > _CORRECTED or not self._resubmit(life, at):
                    return

    def decide(self, life: Life, at: datetime, *, returning: bool = False) -> bool:
        """Somebody who may do so approves or returns it; False where nothing is asked or nobody is there."""
        review, step = life.review, life.review.step
        if step is None:
            return False
        done = {*review.authors, *(one.user_id for one in review.approvals)}
        able = [
            one
            for one in self.staff.reviewers(step, life.facts.grid_code, life.standing.compiled.type)
            if one.user_id not in done
        ]
        if not able:
            return False
        decision = Decision(action="approve", revision=review.revision)
        if returning:
            reason = self.rng.choice(list(_RETURNS))
            note = self.rng.choice(_RETURNS[reason])
            decision = Decision(action="return", revision=review.revision, reason=reason, note=note)
        self.chronicle.decide(life, self.rng.choice(able), decision, at)
        return True

    def _resubmit(self, life: Life, at: datetime) -> bool:
        author = self.staff.callers[life.standing.answers or life.item.author_id]
        return self.correct(life, author, at)

    def _capture(self, at: datetime, spot: LonLat | None) -> Capture:
        """The clocks and the place of a phone; it was switched on in the morning."""
        rng = self.rng
        uptime, boot = 60_000 + int(rng.random() * 36e6), f"{rng.getrandbits(48):012x}"
        if spot is None:
            return Capture(at, uptime, boot)
        lon, lat = spot
        accuracy = round(rng.uniform(4.0, 30.0), 1)
        return Capture(at, uptime, boot, Fix(round(lon, 6), round(lat, 6), "wgs84", accuracy, "gps", at))


def _left_lying(review: ReviewState) -> float:
    """How likely nobody has come to it yet: grid chiefs are quick, the desks above have much before them."""
    if review.state == "approved":
        return _UNCHECKED
    return _LEFT_LYING if review.step and review.step.by == "grid_chief" else _LEFT_AT_DESKS
