"""What a plan of registry changes tells before anything happens."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.registry_drafting import PlanFiles
from server.usecases.registry_reports import PlanReport
from tests.builders import (
    CENTRE,
    CHIEF,
    EAST,
    GRIDS,
    MATE,
    NEIGHBOUR,
    SECOND_CHIEF,
    STREET_CADRE,
    WEST,
    WORKER,
    build_city,
    enrol,
)
from tests.integration.registry_change_scene import FIRST, SECOND, plan, plan_files, split_of_first, spot, strip
from tests.integration.registry_scene import everything

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
async def city(services: Services) -> None:
    await build_city(services)


pytestmark = pytest.mark.usefixtures("city")


def moves(report: PlanReport) -> dict[tuple[str, str | None, str], int]:
    assert report.items is not None
    return {(one.from_, one.to, one.type): one.items for one in report.items.counts}


async def test_items_follow_their_point_and_residents_their_dwelling(services: Services) -> None:
    phone = await enrol(services, WORKER)
    west, east = [await phone.report("0102", location=spot(place)) for place in (0.2, 0.8)]
    for dwelling in (west, east, east):
        await phone.report("0101", dwelling=str(dwelling))
    await phone.report("0404", location=spot(0.7))
    await phone.report("0501")
    report = await plan(services, split_of_first())
    assert report.faults == []
    assert moves(report) == {
        (GRIDS[0], FIRST, "0101"): 1,
        (GRIDS[0], SECOND, "0101"): 2,
        (GRIDS[0], FIRST, "0102"): 1,
        (GRIDS[0], SECOND, "0102"): 1,
        (GRIDS[0], SECOND, "0404"): 1,
        (GRIDS[0], None, "0501"): 1,
    }
    assert report.items is not None
    assert (report.items.looked, report.items.moved, report.items.unplaced) == (7, 6, 1)
    assert len(report.unplaced_items) == 1
    assert report.conflicts is not None
    assert report.conflicts.unplaced == 1
    assert report.bytes > 0
    assert [(one.kind, one.before, one.after) for one in report.changes] == [("split", [GRIDS[0]], [FIRST, SECOND])]


async def test_the_example_of_the_documentation_can_be_carried_out(services: Services) -> None:
    example = EXAMPLES / "registry-plan"
    files = PlanFiles(example.with_suffix(".yaml").read_bytes(), example.with_suffix(".geojson").read_bytes())
    report = await plan(services, files)
    assert report.faults == []
    assert [one.kind for one in report.changes] == ["split", "renumber"]


async def test_nothing_is_written_and_nothing_is_locked(services: Services, truth: asyncpg.Connection) -> None:
    await (await enrol(services, WORKER)).report("0404")
    before = await everything(truth)
    await plan(services, split_of_first())
    assert await everything(truth) == before


async def test_a_merge_takes_everything_whatever_it_says_of_its_place(services: Services) -> None:
    phone = await enrol(services, WORKER)
    await phone.report("0501")
    await phone.report("0404", location=spot(0.1))
    merge = {"merge": [GRIDS[0], GRIDS[1]], "into": {"code": FIRST, "name": "一二合并"}}
    report = await plan(services, plan_files(merge))
    assert report.faults == []
    assert moves(report) == {(GRIDS[0], FIRST, "0501"): 1, (GRIDS[0], FIRST, "0404"): 1}


async def test_a_shifted_border_moves_only_what_lies_on_the_ground_between(services: Services) -> None:
    phone = await enrol(services, WORKER)
    stays, goes = [await phone.report("0102", location=spot(place)) for place in (0.2, 0.9)]
    for dwelling in (stays, goes):
        await phone.report("0101", dwelling=str(dwelling))
    await phone.report("0501")
    shifted = plan_files({"redraw": [GRIDS[0], GRIDS[1]]}, s001=strip(0, 0.75), s002=strip(0.75, 2))
    report = await plan(services, shifted)
    assert report.faults == []
    assert moves(report) == {(GRIDS[0], GRIDS[1], "0102"): 1, (GRIDS[0], GRIDS[1], "0101"): 1}
    assert report.items is not None
    assert report.items.looked == 5


async def test_a_new_grid_on_ground_that_is_given_up_takes_what_lies_there(services: Services) -> None:
    phone = await enrol(services, WORKER)
    for place in (0.2, 0.8):
        await phone.report("0404", location=spot(place))
    operations = ({"redraw": GRIDS[0]}, {"new": {"code": FIRST, "name": "新区"}})
    report = await plan(services, plan_files(*operations, s001=strip(0, 0.5), s011=strip(0.5, 1)))
    assert report.faults == []
    assert moves(report) == {(GRIDS[0], FIRST, "0404"): 1}
    assert report.unstaffed == [FIRST]
    team = [{"user": MATE.phone, "role": "grid_worker"}]
    operations = ({"retire": GRIDS[0]}, {"new": {"code": FIRST, "name": "新区", "team": team}})
    replaced = await plan(services, plan_files(*operations, s011=strip(0, 1)))
    assert replaced.faults == []
    assert moves(replaced) == {(GRIDS[0], FIRST, "0404"): 2}
    assert (replaced.unstaffed, replaced.uncovered) == ([], [])


async def test_what_a_retired_grid_leaves_is_told(services: Services) -> None:
    phone = await enrol(services, WORKER)
    item = await phone.report("0404", location=spot(0.1))
    report = await plan(services, plan_files({"retire": GRIDS[0]}))
    assert report.faults == []
    assert moves(report) == {(GRIDS[0], None, "0404"): 1}
    assert report.unplaced_items == [item]
    (ground,) = report.uncovered
    assert (ground.code, round(ground.area_m2, -5)) == (GRIDS[0], 1_000_000)
    assert {(one.role, tuple(one.goes_on), one.named) for one in report.posts} == {
        ("grid_worker", (), False),
        ("grid_chief", (), False),
    }


async def test_people_go_on_in_all_successors_unless_the_plan_names_who_takes_over(services: Services) -> None:
    report = await plan(services, split_of_first())
    assert {(one.user, one.role, tuple(one.goes_on), one.named) for one in report.posts} == {
        (person.id, person.role, (FIRST, SECOND), False) for person in (WORKER, MATE, CHIEF, SECOND_CHIEF)
    }
    team = [{"user": MATE.phone, "role": "grid_worker"}, {"user": str(NEIGHBOUR.id), "role": "grid_chief"}]
    named = await plan(services, split_of_first(team=team))
    assert named.faults == []
    assert {(one.user, tuple(one.goes_on), one.named) for one in named.posts} == {
        (MATE.id, (FIRST, SECOND), True),
        *((person.id, (SECOND,), True) for person in (WORKER, CHIEF, SECOND_CHIEF)),
    }
    stranger = await plan(services, split_of_first(team=[{"user": "13999999999", "role": "grid_worker"}]))
    assert [(one.fault, one.field) for one in stranger.faults] == [("user_unknown", "operations[0].into[0].team[0]")]


async def test_devices_with_an_older_registry_or_unsent_edits_are_named(
    services: Services, truth: asyncpg.Connection
) -> None:
    """Those of the grids concerned alone."""
    behind, current = await enrol(services, WORKER), await enrol(services, MATE)
    await enrol(services, NEIGHBOUR)
    await truth.execute("UPDATE device SET registry = 1 WHERE id = $1", current.device_id)
    await truth.execute("UPDATE device SET unsent = 3 WHERE id = $1", behind.device_id)
    report = await plan(services, split_of_first())
    assert [(one.device, one.registry, one.unsent) for one in report.behind] == [(behind.device_id, None, 3)]
    assert report.conflicts is not None
    assert report.conflicts.unsent == 3


async def test_a_bad_plan_is_refused_whole_with_every_fault(services: Services) -> None:
    files = plan_files(
        {"retire": f"{EAST}077"},
        {"split": GRIDS[0], "into": []},
        {"renumber": GRIDS[1], "to": GRIDS[0]},
        {"merge": [GRIDS[2]], "into": {"code": f"{WEST}050", "name": "x"}},
        {"jump": GRIDS[3]},
        s099=strip(5, 6),
    )
    report = await plan(services, files)
    assert [one.fault for one in report.faults] == ["plan_verb"]
    assert report.items is None
    sound = files.plan.replace(b', {"jump": "%s"}' % GRIDS[3].encode(), b"")
    files = plan_files(s099=strip(5, 6))
    report = await plan(services, type(files)(sound, files.outlines))
    assert sorted(one.fault for one in report.faults) == [
        "code_in_use",
        "grid_unknown",
        "merge_too_few",
        "outline_unused",
        "split_too_few",
    ]
    assert all(one.zh and one.en and one.field for one in report.faults)


async def test_a_plan_for_another_version_is_told_at_once(services: Services) -> None:
    report = await plan(services, plan_files({"retire": GRIDS[0]}, registry=2))
    assert [(one.fault, one.field) for one in report.faults] == [("plan_outdated", "registry")]


async def test_only_publishers_plan_and_only_in_their_divisions(services: Services) -> None:
    assert (await plan(services, split_of_first(), by=CENTRE)).faults == []
    with pytest.raises(Problem) as refused:
        await plan(services, split_of_first(), by=STREET_CADRE)
    assert refused.value.code == "forbidden"
