"""Sets that stand or fall together: refused whole, parked whole, settled whole and taken back whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import UUID

import asyncpg
import pytest

from server.errors import Problem
from server.services import Services
from sync.disputes import Choice
from tests.integration.kinds_scene import KindsScene
from tests.integration.test_conflicts import GRID_STREAM, OWN_STREAM, assert_streams_add_up
from tests.integration.town import CHIEF_EAST, COMMUNITY_EAST

SERVER, INCOMING = Choice("server"), Choice("incoming")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)


class Parked(NamedTuple):
    """A set of four: an overlapping edit, an edit, a deletion and a creation with an edit of it."""

    disputed: UUID
    edited: UUID
    deleted: UUID
    created: UUID
    conflicts: list[UUID]


async def parked(scene: KindsScene) -> Parked:
    disputed, edited, deleted = [await scene.built() for _ in range(3)]
    base = await scene.base(disputed)
    assert (await scene.one("chief", await scene.edit(disputed, address="新路 1 号"))).outcome == "applied"
    created = scene.dwelling()
    outcomes = await scene.send(
        "worker",
        await scene.edit(disputed, base, address="新路 2 号", rooms_let=7),
        await scene.edit(edited, rooms_let=2),
        await scene.deletion(deleted),
        created,
        scene.change("update", created.item, {"rooms_let": 4}),
        atomic=True,
    )
    assert [one.outcome for one in outcomes] == ["parked"] * 5
    conflicts = [one.conflict for one in outcomes]
    assert conflicts[4] == conflicts[3]
    return Parked(disputed, edited, deleted, created.item, [one for one in conflicts[:4] if one])


async def rooms(scene: KindsScene, item: UUID) -> int | None:
    return (await scene.item(item)).fields.get("rooms_let")


async def test_a_set_that_stands_is_applied(scene: KindsScene) -> None:
    house = await scene.built()
    outcomes = await scene.send("worker", scene.dwelling(), await scene.edit(house, rooms_let=2), atomic=True)
    assert [one.outcome for one in outcomes] == ["applied", "applied"]


async def test_one_refused_change_refuses_all_and_keeps_their_bytes(scene: KindsScene) -> None:
    house = await scene.built()
    new = scene.dwelling()
    outcomes = await scene.send(
        "worker", new, await scene.edit(house, rooms_let=2), scene.dwelling(use="castle"), atomic=True
    )
    assert [one.outcome for one in outcomes] == ["rejected"] * 3
    assert [one.code for one in outcomes] == ["set_all_or_nothing", "set_all_or_nothing", "field_option"]
    assert all(one.zh and one.en for one in outcomes)
    assert await rooms(scene, house) is None
    assert await scene.truth.fetchval("SELECT count(*) FROM item WHERE id = $1", new.item) == 0
    kept = await scene.truth.fetch("SELECT code FROM quarantine ORDER BY set_index")
    assert [row["code"] for row in kept] == [one.code for one in outcomes]


async def test_one_parked_change_parks_all_and_nothing_of_it_is_applied(scene: KindsScene) -> None:
    set_ = await parked(scene)
    assert await scene.kinds() == [("update_update", "open"), *[("group", "open")] * 3]
    assert [await rooms(scene, one) for one in (set_.disputed, set_.edited)] == [None, None]
    assert not (await scene.item(set_.deleted)).deleted
    assert await scene.streams_of(set_.created) == {OWN_STREAM}
    assert await rooms(scene, set_.created) == 4, "its author goes on with what is his alone"
    detail = await scene.shown(set_.conflicts[1], COMMUNITY_EAST)
    assert (detail.together, detail.conflict.kind) == (3, "group")


@pytest.mark.parametrize("picked", range(4))
async def test_whoever_takes_one_takes_all_in_order(scene: KindsScene, picked: int) -> None:
    set_ = await parked(scene)
    done = await scene.resolve(set_.conflicts[picked], COMMUNITY_EAST, INCOMING)
    assert sorted(done.together) == sorted(set(set_.conflicts) - {set_.conflicts[picked]})
    assert [await rooms(scene, one) for one in (set_.disputed, set_.edited, set_.created)] == [7, 2, 4]
    assert (await scene.item(set_.disputed)).fields["address"] == "新路 2 号"
    assert (await scene.item(set_.deleted)).deleted
    assert await scene.streams_of(set_.created) == {GRID_STREAM}
    assert {state for _, state in await scene.kinds()} == {"resolved"}


async def test_dropping_one_drops_all(scene: KindsScene) -> None:
    set_ = await parked(scene)
    await scene.resolve(set_.conflicts[3], COMMUNITY_EAST, SERVER)
    assert {state for _, state in await scene.kinds()} == {"resolved"}
    assert [await rooms(scene, one) for one in (set_.disputed, set_.edited)] == [None, None]
    assert not (await scene.item(set_.deleted)).deleted
    assert (await scene.item(set_.created)).deleted


@pytest.mark.parametrize("choice", [SERVER, INCOMING])
async def test_taking_one_back_takes_all_back(scene: KindsScene, choice: Choice) -> None:
    set_ = await parked(scene)
    heads = [(await scene.item(one)).fields for one in set_[:4]]
    await scene.resolve(set_.conflicts[0], COMMUNITY_EAST, choice)
    done = await scene.undo(set_.conflicts[2], COMMUNITY_EAST)
    assert len(done.together) == 3
    assert [(await scene.item(one)).fields for one in set_[:4]] == heads
    assert not any([(await scene.item(one)).deleted for one in set_[:4]])
    assert await scene.streams_of(set_.created) == {OWN_STREAM}
    assert {state for _, state in await scene.kinds()} == {"open"}


async def test_a_dry_run_writes_nothing(scene: KindsScene) -> None:
    set_ = await parked(scene)
    before = await scene.everything()
    done = await scene.resolve(set_.conflicts[0], COMMUNITY_EAST, INCOMING, dry_run=True)
    assert (done.dry_run, len(done.together)) == (True, 3)
    assert await scene.everything() == before


async def test_where_one_of_them_cannot_stand_none_does(scene: KindsScene) -> None:
    set_ = await parked(scene)
    assert (await scene.one("chief", await scene.edit(set_.edited, rooms_let=9))).outcome == "applied"
    before = await scene.everything()
    with pytest.raises(Problem) as caught:
        await scene.resolve(
            set_.conflicts[0], CHIEF_EAST, Choice("merge", {"address": "incoming", "rooms_let": "server"})
        )
    assert caught.value.code == "resolution_invalid"
    assert await scene.everything() == before


async def test_an_edit_does_not_let_the_held_item_go(scene: KindsScene) -> None:
    set_ = await parked(scene)
    assert (await scene.one("worker", scene.change("update", set_.created, {"rooms_let": 5}))).outcome == "applied"
    assert await scene.streams_of(set_.created) == {OWN_STREAM}
    await scene.resolve(set_.conflicts[0], COMMUNITY_EAST, INCOMING)
    assert await rooms(scene, set_.created) == 5
