"""Changes that were written before grids were changed, and arrive after: each finds its grid, or a person is asked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from schemas.wire import Base, Change, ChangeOutcome, Fix
from server.errors import Problem
from server.services import Services
from server.usecases.explaining import explain_item
from sync.feed import unsigned64
from tests.builders import (
    CADRE,
    CHIEF,
    EAST,
    GRIDS,
    WEST_CADRE,
    WORKER,
    Phone,
    build_city,
    caller,
    capture,
    create,
    enrol,
)
from tests.integration.crosswalk_scene import FAR, Scene
from tests.integration.registry_change_scene import (
    FIRST,
    SECOND,
    apply,
    code_of,
    plan_files,
    split_of_first,
    spot,
    strip,
)

NOWHERE = Fix(FAR["lon"], FAR["lat"], "wgs84", 5.0)


@pytest.fixture
async def phone(services: Services) -> Phone:
    """A phone that knows the registry of version 1."""
    await build_city(services)
    return await enrol(services, WORKER)


def written(type_code: str, grid: str = GRIDS[0], at: float | None = None, **fields: Any) -> Change:
    """A new item that names a grid, written where no grid is; at a place of the city's strip, or at none."""
    made = create(type_code, **fields)
    placed = made.fields | {"location": spot(at) if at is not None else FAR}
    return replace(made, grid=grid, capture=replace(made.capture, position=NOWHERE), fields=placed)


async def change_registry(services: Services, *plans: Any) -> None:
    """Publish these, one version after the other, and let this process know."""
    for plan in plans:
        await apply(services, plan)
    services.registry_holder._checked_at = float("-inf")
    await services.registry_holder.refresh()


async def pushed(phone: Phone, change: Change) -> ChangeOutcome:
    return (await phone.push(change)).outcomes[0]


async def told(services: Services, item: UUID) -> str:
    """The last sentence about its grid."""
    return (await explain_item(services, await caller(services, CHIEF), item)).revisions[-1].en


async def test_the_point_tells_which_half_of_a_split_grid_is_meant(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    changes = [written("0401", at=place) for place in (0.2, 0.7)]
    await change_registry(services, split_of_first())
    assert [(await pushed(phone, one)).outcome for one in changes] == ["rebased", "rebased"]
    assert [await code_of(truth, one.item) for one in changes] == [FIRST, SECOND]
    sentence = await told(services, changes[1].item)
    assert sentence.startswith(f"Written against {GRIDS[0]} at registry 1; split at 2 into {FIRST} and {SECOND}; ")
    assert f"the fix, 5 m accuracy, lies in {SECOND}, 187 m from its border." in sentence


async def test_what_was_written_in_the_old_grid_is_its_authors_to_write_in_the_new_one(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """A record is written in assigned grids alone, and its author worked in the one that ended."""
    change = written("0102", at=0.7)
    await change_registry(services, split_of_first())
    assert (await pushed(phone, change)).outcome == "rebased"
    assert await code_of(truth, change.item) == SECOND


@pytest.mark.parametrize("at", [None, 0.5])
async def test_a_person_chooses_where_no_point_or_only_one_on_the_border_tells(
    services: Services, truth: asyncpg.Connection, phone: Phone, at: float | None
) -> None:
    change = written("0401", at=at)
    await change_registry(services, split_of_first())
    scene = Scene(services, truth, phone)
    item, conflict = await scene.park(change)
    assert await scene.streams(item) == await scene.streams(conflict) == {f"own/{WORKER.id}"}
    view = await scene.show(conflict, CADRE)
    assert view.conflict.kind == "territory"
    assert view.claim is not None
    assert (view.claim.code, view.claim.fault) == (GRIDS[0], "ambiguous")
    assert [one.code for one in view.claim.candidates] == [FIRST, SECOND]
    explained = await explain_item(services, await caller(services, WORKER), item)
    assert (explained.code, explained.conflict) == (None, conflict)
    assert explained.revisions[0].en.endswith(f"a person has to choose; it may be {FIRST} or {SECOND}.")
    with pytest.raises(Problem, match="not_found"):
        await scene.settle(conflict, WEST_CADRE, FIRST)
    await scene.settle(conflict, CADRE, SECOND)
    assert await code_of(truth, item) == SECOND


async def test_an_edit_that_tells_the_place_ends_the_conflict(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    change = written("0401")
    await change_registry(services, split_of_first())
    scene = Scene(services, truth, phone)
    item, conflict = await scene.park(change)
    edit = await scene.edit(item, fields={"location": spot(0.2)}, grid=GRIDS[0])
    assert (await pushed(phone, edit)).outcome == "rebased"
    assert await code_of(truth, item) == FIRST
    assert await truth.fetchval("SELECT state FROM conflict WHERE id = $1", conflict) == "resolved"


async def test_the_only_grid_that_is_left_needs_no_point(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """Split, and a half merged with the neighbour: the neighbour's code means that one grid."""
    merged = plan_files(
        {"merge": [SECOND, GRIDS[1]], "into": {"code": f"{EAST}013", "name": "并"}}, registry=2, s013=strip(0.5, 2)
    )
    changes = [written("0401", GRIDS[1]), written("0401", at=1.5), written("0401", at=0.2)]
    await change_registry(services, split_of_first(), merged)
    assert [(await pushed(phone, one)).outcome for one in changes] == ["rebased"] * 3
    assert [await code_of(truth, one.item) for one in changes] == [f"{EAST}013", f"{EAST}013", FIRST]
    assert await told(services, changes[0].item) == (
        f"Written against {GRIDS[1]} at registry 1; {GRIDS[1]} and {SECOND} merged at 3 into {EAST}013; "
        f"which leaves {EAST}013 alone."
    )


async def test_a_grid_that_bears_another_code_is_the_same_grid(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    change = written("0401")
    await change_registry(services, plan_files({"renumber": GRIDS[0], "to": f"{EAST}021"}))
    assert (await pushed(phone, change)).outcome == "applied"
    assert await code_of(truth, change.item) == f"{EAST}021"
    assert await told(services, change.item) == (
        f"Written against {GRIDS[0]} at registry 1; renumbered at 2 to {EAST}021; which leaves {EAST}021 alone."
    )


async def test_an_edit_of_a_place_goes_by_the_lineage_too(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """Its item was moved to the first half meanwhile."""
    item = await phone.report("0401", location=spot(0.2))
    row = await truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", item)
    base = Base(row["version"], f"{unsigned64(row['rev']):016x}")
    edit = Change("update", item, "0401", capture(), base=base, grid=GRIDS[0], fields={"location": spot(0.8)})
    await change_registry(services, split_of_first())
    assert await code_of(truth, item) == FIRST
    assert (await pushed(phone, edit)).outcome == "rebased"
    assert await code_of(truth, item) == SECOND


async def test_every_item_lies_in_a_grid_of_today_or_waits_for_one(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """And whatever was carried to another grid says how."""
    before = [written("0401", at=0.2), written("0401")]
    for one in before:
        assert (await pushed(phone, one)).outcome == "applied"
    later = [written("0401", at=0.8), written("0401"), written("0102", at=0.1)]
    await change_registry(services, split_of_first())
    for one in later:
        assert (await pushed(phone, one)).outcome in ("rebased", "parked")
    astray = """
        SELECT count(*) FROM item i
        WHERE NOT EXISTS (SELECT FROM grid_label l WHERE l.grid_id = i.grid_id AND l.to_version IS NULL)
            AND NOT EXISTS (
                SELECT FROM conflict c WHERE c.item_id = i.id AND c.state = 'open' AND c.kind IN ('territory', 'code')
            )
    """
    assert await truth.fetchval(astray) == 0
    assert await truth.fetchval("SELECT count(*) FROM conflict WHERE kind = 'territory' AND state = 'open'") == 2
    unexplained = "SELECT count(*) FROM revision WHERE registry > 1 AND derivation IS NULL"
    assert await truth.fetchval(unexplained) == 0
