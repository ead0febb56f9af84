"""The bench of the exchange: a tiny run that computes every figure, and what it refuses to tell. Never how fast."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest
from typer.testing import CliRunner

from schemas.wire import ChangeOutcome, Cursor, Entry, ExchangeAnswer, Receipt, StreamPage
from server.bench.exchange.course import CeilingTooLow, Wish, compared
from server.bench.exchange.evening import percentile
from server.bench.exchange.figures import MARKS, ExchangeFigures, Figure
from server.bench.exchange.making import Making, changes_of, stream_of
from server.bench.exchange.pushing import Ready, Void, check, check_all
from server.bench.exchange.run import NAMES, measure
from server.bench.exchange.table import rows_of
from server.bench.exchange.town import Phone, ground
from server.bench.exchange.wire import Answer
from server.cli.bench import app

TINY = {"rounds": 1, "sets": 1, "items": 100, "few": 10, "minutes": 0.05}
PHONE = Phone(0, uuid4(), uuid4(), "t" * 22, (4,), "epoch", "1")


APART = frozenset({"evening_p99_s", "evening_lost", "growth_poll", "growth_pull10"})
"""Measured on servers of their own, the last ones beside thirty thousand items."""


async def tiny(only: frozenset[str]) -> ExchangeFigures:
    found = await measure(Wish(only, **TINY, least_of_bare=0.0), lambda _: None)
    assert {one.name for one in found.figures} == only
    assert found.rounds == 1
    for one in found.figures:
        assert one.value > 0 or one.name == "evening_lost", one.name
        if MARKS.get(one.name) and MARKS[one.name].of == "ratio":
            assert one.ratio == pytest.approx(one.value / one.ceiling, abs=0.001), one.name
    return found


@pytest.mark.long
async def test_a_tiny_run_computes_every_figure_of_one_server() -> None:
    found = await tiny(frozenset(NAMES) - APART - {"push_c32", "push_c1", "repair_bytes", "repair_trips"})
    figures = {one.name: one for one in found.figures}
    assert figures["pull10_dict_bytes"].value < figures["pull10_bytes"].value
    whole, parts = figures["cpu_per_1000"], ("cpu_per_1000_server", "cpu_per_1000_postgresql")
    assert whole.value == pytest.approx(sum(figures[name].value for name in parts), abs=0.002)
    assert set(found.ceiling_of_bare) == {"push_c8", "push_100_grids"}
    assert found.machine.cores >= 1
    assert found.machine.postgresql


@pytest.mark.proof
async def test_a_tiny_run_computes_what_is_measured_apart() -> None:
    figures = {one.name: one for one in (await tiny(APART)).figures}
    assert figures["evening_lost"].value == 0
    assert figures["evening_p99_s"].unit.startswith("s, scaled to 61 phones")


@pytest.mark.long
async def test_nothing_is_told_beside_a_ceiling_that_is_too_low() -> None:
    """Ratios alone depend on the ceiling; it vouches for them even where no push was asked for."""
    with pytest.raises(CeilingTooLow, match="of the bare database"):
        await measure(Wish(frozenset({"push_c8"}), **TINY, least_of_bare=1000.0), lambda _: None)


def answer(*outcomes: str, status: str = "decided", digest: str = "h", entries: int = 0) -> Answer:
    receipt = Receipt(3, digest, status, [ChangeOutcome("i", one) for one in outcomes])  # type: ignore[arg-type]
    held = [Entry(1, "item", uuid4(), 1, "0" * 16, 0)] * entries
    pages = [StreamPage("grid/1", held, Cursor(1, 1))] if entries else []
    whole = ExchangeAnswer("e", datetime.now(UTC), 4, 0, "1", 1, [receipt], streams=pages)
    return Answer(200, {}, msgspec.msgpack.encode(whole), 0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: answer("applied", "parked"),
        lambda: answer("applied", "rejected"),
        lambda: answer("applied"),
        lambda: answer("applied", "applied", "applied"),
        lambda: answer("applied", "applied", status="quarantined"),
        lambda: answer("applied", "applied", digest="another"),
        lambda: Answer(503, {}, b"", 0),
    ],
)
def test_a_set_that_was_not_applied_voids_the_figure(wrong: Callable[[], Answer]) -> None:
    check(answer("applied", "applied"), 3, "h", 2)
    with pytest.raises(Void):
        check(wrong(), 3, "h", 2)


def test_entries_that_nobody_asked_for_void_the_figure() -> None:
    """Else pulling would be measured where pushing alone is meant."""
    work = [[Ready(3, "h", 1, b"", b"", b"")]]
    check_all(work, [[answer("applied")]])
    with pytest.raises(Void, match="entries that the phone did not push"):
        check_all(work, [[answer("applied", entries=1)]])


def test_sets_hold_all_types_in_turn_and_both_sides_get_the_same() -> None:
    making = Making(PHONE, "seed")
    changes = changes_of(making.next_set(100))
    assert len(changes) == 100
    assert len({one.item for one in changes}) == 100
    assert len({one.type for one in changes}) == 30
    rows = rows_of(changes, PHONE.user)
    assert [(one.id, one.clear) for one in rows] == [(one.item, one.fields) for one in changes]


def test_a_set_over_many_grids_has_an_item_in_each() -> None:
    phone = msgspec.structs.replace(PHONE, grids=tuple(range(100)))
    changes = changes_of(Making(phone, "seed").next_set(100))
    assert [one.grid for one in changes] == [ground(number).code for number in range(100)]
    assert len({stream_of(one, phone.user) for one in changes}) > 90


def test_marks() -> None:
    ratio = compared("push_c8", [30.0, 10.0, 20.0], [50.0, 40.0, 60.0], "records/s")
    assert (ratio.value, ratio.ceiling, ratio.ratio, ratio.spread) == (20.0, 50.0, 0.4, (10.0, 30.0))
    assert (ratio.reaches("bar"), ratio.reaches("aim")) == (True, True)
    less = Figure("record_bytes", 120.0, "bytes")
    assert (less.reaches("bar"), less.reaches("aim")) == (True, False)
    assert Figure("cpu_per_1000", 1.0, "CPU s").reaches("bar") is None


def test_percentiles() -> None:
    values = [float(one) for one in range(1, 1001)]
    assert percentile(values, 0.99) == 990.0
    assert percentile([5.0], 0.99) == 5.0


def test_a_figure_that_does_not_exist_is_wrong_usage() -> None:
    said = CliRunner().invoke(app, ["exchange", "--only", "push_c9"], env={"COLUMNS": "200"})
    assert said.exit_code == 2
    assert "push_c8" in said.output
