"""The registry as it was: its versions, a grid at one of them, its lineage as trees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.registry_history import KinView, list_versions, show_grid_at, show_lineage
from server.usecases.sessions import Caller
from tests.builders import ADMINISTRATOR, EAST, GRIDS, WORKER, build_city, caller, enrol
from tests.integration.registry_change_scene import FIRST, SECOND, apply, plan_files, split_of_first, spot

LAST = f"{EAST}020"


@pytest.fixture
async def reader(services: Services) -> Caller:
    """The first grid is split, its halves are merged again, the second grid is renumbered."""
    await build_city(services)
    await (await enrol(services, WORKER)).report("0404", location=spot(0.2))
    await apply(services, split_of_first())
    merge = {"merge": [FIRST, SECOND], "into": {"code": LAST, "name": "又合"}}
    await apply(services, plan_files(merge, {"renumber": GRIDS[1], "to": f"{EAST}021"}, registry=2))
    return await caller(services, ADMINISTRATOR)


def drawn(kin: KinView) -> object:
    """A tree by codes and what leads on."""
    return (kin.code, kin.by.kind if kin.by else None, [drawn(one) for one in kin.kin])


async def test_versions_tell_what_each_changed(services: Services, reader: Caller) -> None:
    third, second, first = await list_versions(services, reader, before=None, limit=9)
    assert (third.version, third.steps, third.reason) == (3, {"merge": 1, "renumber": 1}, "年度调整")
    assert (third.labels_begun, third.labels_ended) == (2, 3)
    assert (second.steps, second.published_by) == ({"split": 1}, "administrator 15")
    assert second.items is not None
    assert (second.items.total, second.items.moved) == (1, 1)
    assert second.items.finished_at is not None
    assert (first.version, first.steps, first.items, first.published_by) == (1, {}, None, None)
    assert [one.version for one in await list_versions(services, reader, before=3, limit=1)] == [2]


async def test_a_grid_is_shown_as_it_was_at_a_version_or_on_a_day(services: Services, reader: Caller) -> None:
    was = await show_grid_at(services, reader, GRIDS[0], "1")
    assert (was.code, was.from_version, was.to_version, was.today) == (GRIDS[0], 1, 2, [LAST])
    assert was.outline[0][0] == (117.9, 32.7)
    renumbered = await show_grid_at(services, reader, GRIDS[1], "3")
    assert (renumbered.code, renumbered.today) == (f"{EAST}021", [f"{EAST}021"])
    assert (await show_grid_at(services, reader, f"{EAST}021", "2")).code == GRIDS[1]
    today = (datetime.now(UTC) + timedelta(hours=8)).date().isoformat()
    assert (await show_grid_at(services, reader, LAST, today)).version == 3


UNTOLD = (
    (GRIDS[0], "3", ("not_found", "at")),
    (FIRST, "1", ("not_found", "at")),
    (FIRST, "2000-01-01", ("not_found", "at")),
    (f"{EAST}099", "1", ("not_found", "code")),
    (FIRST, "yesterday", ("parameter_invalid", "at")),
    (FIRST, "9999999999", ("parameter_invalid", "at")),
    ("341", "1", ("parameter_invalid", "code")),
)


async def test_what_was_not_there_is_told(services: Services, reader: Caller) -> None:
    for code, at, told in UNTOLD:
        with pytest.raises(Problem) as refused:
            await show_grid_at(services, reader, code, at)
        assert (refused.value.code, refused.value.field) == told


async def test_lineage_goes_up_and_down_from_any_code(services: Services, reader: Caller) -> None:
    last = await show_lineage(services, reader, LAST)
    origin = (GRIDS[0], None, [])
    assert drawn(last.came_from) == (LAST, "merge", [(FIRST, "split", [origin]), (SECOND, "split", [origin])])
    assert drawn(last.became) == (LAST, None, [])
    first = await show_lineage(services, reader, GRIDS[0])
    end = (LAST, None, [])
    assert drawn(first.became) == (GRIDS[0], "split", [(FIRST, "merge", [end]), (SECOND, "merge", [end])])
    renumbered = await show_lineage(services, reader, GRIDS[1])
    assert renumbered.became.codes == [GRIDS[1], f"{EAST}021"]
    assert [(one.version, one.kind) for one in renumbered.became.changed] == [(3, "renumber")]


async def test_the_past_is_for_offices(services: Services, reader: Caller) -> None:
    worker = await caller(services, WORKER)
    for ask in (
        list_versions(services, worker, before=None, limit=1),
        show_grid_at(services, worker, GRIDS[0], "1"),
        show_lineage(services, worker, GRIDS[0]),
    ):
        with pytest.raises(Problem) as refused:
            await ask
        assert refused.value.code == "forbidden"
