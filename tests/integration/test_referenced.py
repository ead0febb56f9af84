"""Deletions of what others refer to, references to what was deleted, and what refers to held items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from server.errors import Problem
from server.services import Services
from sync.disputes import Choice
from tests.integration.conflict_scene import national_id
from tests.integration.kinds_scene import OUTSIDE, KindsScene
from tests.integration.test_auth import until_waiting
from tests.integration.test_conflicts import GRID_STREAM, OWN_STREAM, assert_streams_add_up
from tests.integration.town import COMMUNITY_EAST, COUNTY, EAST, Citizen

SERVER, INCOMING = Choice("server"), Choice("incoming")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)


async def lived_in(scene: KindsScene) -> tuple[UUID, UUID]:
    """A dwelling and its resident."""
    house = await scene.built()
    living = scene.resident(house)
    assert (await scene.one("worker", living)).outcome == "applied"
    return house, living.item


async def test_what_is_referred_to_is_not_deleted_before_a_person_says_so(scene: KindsScene) -> None:
    house, living = await lived_in(scene)
    outcome = await scene.one("worker", await scene.deletion(house))
    assert outcome.outcome == "parked"
    assert outcome.conflict is not None
    assert not (await scene.item(house)).deleted
    detail = await scene.shown(outcome.conflict, COMMUNITY_EAST)
    assert (detail.conflict.kind, detail.op, detail.related.items) == ("referenced", "delete", [living])
    assert "引用" in detail.reason_zh
    done = await scene.resolve(outcome.conflict, COMMUNITY_EAST, INCOMING)
    assert done.deleted
    assert (await scene.item(living)).fields["dwelling"] == str(house), "what names it stays as it is"
    assert (await scene.undo(outcome.conflict, COMMUNITY_EAST)).restored
    assert not (await scene.resolve(outcome.conflict, COMMUNITY_EAST, SERVER)).deleted
    assert await scene.streams_of(house) == {GRID_STREAM}


async def test_once_nobody_refers_to_it_any_more_it_goes(scene: KindsScene) -> None:
    house, living = await lived_in(scene)
    other = await scene.built()
    moved = await scene.edit(living, of="0101", dwelling=str(other))
    assert (await scene.one("worker", moved)).outcome == "applied"
    assert (await scene.one("worker", await scene.deletion(house))).outcome == "applied"
    assert (await scene.one("worker", await scene.deletion(living, "0101"))).outcome == "applied"
    assert (await scene.one("worker", await scene.deletion(other))).outcome == "applied"
    assert await scene.kinds() == []


async def test_one_set_refers_to_an_item_and_edits_it_afterwards(scene: KindsScene) -> None:
    house = await scene.built()
    living = scene.resident(house)
    outcomes = await scene.send("worker", living, await scene.edit(house, owner_name="李四"))
    assert [one.outcome for one in outcomes] == ["applied", "applied"]
    assert (await scene.item(living.item)).grid_id == (await scene.item(house)).grid_id


async def test_no_reference_stands_in_the_clear(scene: KindsScene) -> None:
    house, living = await lived_in(scene)
    rows = await scene.truth.fetch("SELECT item_id, field, target FROM item_reference")
    assert [(row["item_id"], row["field"]) for row in rows] == [(living, "dwelling")]
    assert house.bytes not in rows[0]["target"]


async def test_what_names_a_deleted_item_is_its_authors_alone_until_it_is_settled(scene: KindsScene) -> None:
    house = await scene.built()
    assert (await scene.one("chief", await scene.deletion(house))).outcome == "applied"
    living = scene.resident(house)
    outcome = await scene.one("worker", living)
    assert (outcome.outcome, outcome.version) == ("parked", 1)
    assert outcome.conflict is not None
    assert await scene.streams_of(living.item) == {OWN_STREAM}
    assert await scene.truth.fetchval("SELECT count(*) FROM review WHERE item_id = $1", living.item) == 0
    detail = await scene.shown(outcome.conflict, COMMUNITY_EAST)
    assert [side.key for side in detail.fields] == ["dwelling"]
    assert {one.key for one in detail.content} >= {"name", "dwelling"}
    await scene.resolve(outcome.conflict, COMMUNITY_EAST, INCOMING)
    assert await scene.streams_of(living.item) == {GRID_STREAM}
    assert await scene.truth.fetchval("SELECT count(*) FROM review WHERE item_id = $1", living.item) == 1
    await scene.undo(outcome.conflict, COMMUNITY_EAST)
    assert await scene.streams_of(living.item) == {OWN_STREAM}
    other = await scene.built()
    await scene.resolve(outcome.conflict, COMMUNITY_EAST, Choice("merge", {}, {"dwelling": str(other)}))
    assert (await scene.item(living.item)).fields["dwelling"] == str(other)
    assert await scene.streams_of(living.item) == {GRID_STREAM}


async def test_it_may_be_dropped_and_come_back(scene: KindsScene) -> None:
    house = await scene.built()
    await scene.one("chief", await scene.deletion(house))
    living = scene.resident(house)
    conflict = (await scene.one("worker", living)).conflict
    assert conflict is not None
    assert (await scene.resolve(conflict, COMMUNITY_EAST, SERVER)).deleted
    assert await scene.streams_of(living.item) == set()
    assert (await scene.undo(conflict, COMMUNITY_EAST)).restored
    assert await scene.streams_of(living.item) == {OWN_STREAM}


async def test_an_edit_that_names_a_deleted_item_waits_with_that_field(scene: KindsScene) -> None:
    _, living = await lived_in(scene)
    house = await scene.built()
    edit = await scene.edit(living, of="0101", dwelling=str(house), phone="13900007777")
    await scene.one("chief", await scene.deletion(house))
    outcome = await scene.one("worker", edit)
    assert outcome.outcome == "parked"
    assert outcome.conflict is not None
    assert (await scene.item(living)).fields["phone"] == "13900007777"
    assert (await scene.shown(outcome.conflict, COMMUNITY_EAST)).conflict.kind == "referenced"
    await scene.resolve(outcome.conflict, COMMUNITY_EAST, INCOMING)
    assert (await scene.item(living)).fields["dwelling"] == str(house)


async def test_nobody_else_may_name_a_deleted_item_in_a_settlement(scene: KindsScene) -> None:
    house, living = await lived_in(scene)
    gone = await scene.built()
    await scene.one("chief", await scene.deletion(gone))
    conflict = await scene.two_edits(living, {"dwelling": str(house), "name": "张三丰"}, {"name": "张山"})
    with pytest.raises(Problem) as caught:
        await scene.resolve(conflict, COMMUNITY_EAST, Choice("merge", {"name": "server"}, {"dwelling": str(gone)}))
    assert caught.value.code == "reference_unknown"


async def test_what_refers_to_a_held_item_follows_its_settlement(scene: KindsScene) -> None:
    house = scene.dwelling(location=OUTSIDE)
    house = scene.change("create", house.item, house.fields, grid=f"{EAST}777")
    living = scene.resident(house.item)
    held, follows = await scene.one("worker", house), await scene.one("worker", living)
    assert (held.outcome, follows.outcome) == ("parked", "parked")
    assert await scene.streams_of(living.item) == {OWN_STREAM}
    assert held.conflict is not None
    by_county = Citizen("county_centre", "13800000098", division=COUNTY)
    await hire(scene, by_county)
    done = await scene.resolve(held.conflict, by_county, Choice("grid", grid=f"{EAST}001"))
    assert done.together == [follows.conflict]
    for item in (house.item, living.item):
        assert await scene.streams_of(item) == {GRID_STREAM}
    await scene.undo(held.conflict, by_county)
    for item in (house.item, living.item):
        assert await scene.streams_of(item) == {OWN_STREAM}


async def hire(scene: KindsScene, person: Citizen) -> None:
    """Somebody more in town."""
    await scene.truth.execute(
        "INSERT INTO users (id, name, phone_index, phone_sealed) VALUES ($1, $2, $3, $4)",
        person.id,
        person.role,
        scene.services.keyring.index("phone", person.phone),
        scene.services.keyring.seal_for("phone", person.phone),
    )
    await scene.truth.execute(
        "INSERT INTO assignment (user_id, role, division, valid_from) VALUES ($1, $2, $3, '2020-01-01')",
        person.id,
        person.role,
        person.division,
    )


async def test_a_deletion_and_a_new_reference_at_once_never_both_pass_silently(scene: KindsScene) -> None:
    """Whichever gets the item's lock first, the other one sees what it did."""
    outcomes = set()
    for round_ in range(8):
        house = await scene.built()
        gone, living = await scene.deletion(house), scene.resident(house, national_id=national_id(40 + round_))
        deleted, referred = await asyncio.gather(scene.one("chief", gone), scene.one("worker", living))
        assert {deleted.outcome, referred.outcome} == {"applied", "parked"}, (deleted, referred)
        outcomes.add(deleted.outcome)
    assert outcomes <= {"applied", "parked"}


async def test_a_reference_waits_for_a_deletion_that_is_under_way(scene: KindsScene) -> None:
    house = await scene.built()
    async with scene.services.database.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM item WHERE id = $1 FOR UPDATE", house)
        pushing = asyncio.create_task(scene.one("worker", scene.resident(house)))
        await until_waiting(scene.truth, 1)
        await other.execute("UPDATE item SET deleted = true WHERE id = $1", house)
    assert (await pushing).outcome == "parked"


async def test_a_deleted_item_refers_to_nothing(scene: KindsScene) -> None:
    _, living = await lived_in(scene)
    assert await scene.truth.fetchval("SELECT count(*) FROM item_reference WHERE item_id = $1", living) == 1
    await scene.one("worker", await scene.deletion(living, "0101"))
    assert await scene.truth.fetchval("SELECT count(*) FROM item_reference WHERE item_id = $1", living) == 0
