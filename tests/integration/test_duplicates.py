"""Two items that claim to be the same thing: both stand, one open conflict, and nobody is shown what is not his."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server.services import Services
from server.usecases.erasure import erase_item
from sync.disputes import Choice
from tests.integration.conflict_scene import national_id
from tests.integration.kinds_scene import KindsScene
from tests.integration.test_auth import until_waiting
from tests.integration.test_conflicts import GRID_STREAM, OWN_STREAM, assert_streams_add_up
from tests.integration.town import CHIEF_EAST, COMMUNITY_EAST, WORKER_WEST

SERVER, INCOMING = Choice("server"), Choice("incoming")
WEST_POINT = {"lon": 117.925, "lat": 32.705, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)
    await assert_hints_are_held(opened)


async def assert_hints_are_held(scene: KindsScene) -> None:
    """Every open duplicate has a twin, and whoever holds a hint is there."""
    lonely = await scene.truth.fetch(
        "SELECT id FROM conflict c WHERE kind = 'duplicate' AND state = 'open' AND NOT EXISTS "
        "(SELECT FROM unique_hint h WHERE h.claim = c.hint AND h.item_id <> c.item_id)"
    )
    gone = await scene.truth.fetch(
        "SELECT h.item_id FROM unique_hint h JOIN item i ON i.id = h.item_id WHERE i.deleted"
    )
    assert (lonely, gone) == ([], [])


async def twins(scene: KindsScene, **fields: Any) -> tuple[UUID, UUID, UUID]:
    """Two dwellings of one address and door, and the conflict about the second."""
    door = {"address": "明光街道东街 8 号", "unit_no": "1-101"}
    first, second = scene.dwelling(**door), scene.dwelling(**door | fields)
    assert (await scene.one("chief", first)).conflict is None
    outcome = await scene.one("worker", second)
    assert outcome.outcome == "applied"
    assert outcome.conflict is not None
    return first.item, second.item, outcome.conflict


async def test_both_stand_and_one_conflict_names_the_twin_to_who_may_read_it(scene: KindsScene) -> None:
    first, second, conflict = await twins(scene)
    for item in (first, second):
        assert await scene.streams_of(item) == {GRID_STREAM}
    assert await scene.kinds() == [("duplicate", "open")]
    detail = await scene.shown(conflict, COMMUNITY_EAST)
    assert (detail.conflict.item, detail.related.items, detail.related.others) == (second, [first], False)
    assert {one.key for one in detail.conflict.fields} == {"address", "unit_no"}
    assert await scene.notice(conflict) == ("notice", "duplicate", True)
    assert await scene.streams_of(conflict) == {OWN_STREAM}


async def test_full_width_and_blanks_make_no_second_thing(scene: KindsScene) -> None:
    _, _, conflict = await twins(scene, address=" 明光街道东街 ８ 号")
    assert conflict


async def test_a_twin_elsewhere_is_known_to_be_there_and_not_which(scene: KindsScene) -> None:
    await scene.enrol("west", WORKER_WEST)
    door = {"address": "明光街道东街 8 号", "unit_no": "1-101"}
    first = scene.dwelling(**door, location=WEST_POINT)
    assert (await scene.one("west", first)).outcome == "applied"
    outcome = await scene.one("worker", scene.dwelling(**door))
    assert outcome.conflict is not None
    detail = await scene.shown(outcome.conflict, CHIEF_EAST)
    assert (detail.related.items, detail.related.others) == ([], True)
    notices = await scene.truth.fetch("SELECT row_to_json(n)::text AS told FROM notice n")
    conflicts = await scene.truth.fetch("SELECT row_to_json(c)::text AS told FROM conflict c")
    assert all(str(first.item) not in row["told"] for row in (*notices, *conflicts))


async def test_no_key_value_stands_in_a_claim(scene: KindsScene) -> None:
    await scene.register()
    claims = [row["claim"] for row in await scene.truth.fetch("SELECT claim FROM unique_hint")]
    assert len(claims) == 2
    assert all(len(claim) == 32 for claim in claims)


async def test_the_same_phone_makes_a_duplicate_too_even_within_a_set(scene: KindsScene) -> None:
    door = {"address": "东街 9 号", "unit_no": "1"}
    first, second, third = (scene.dwelling(**door) for _ in range(3))
    outcomes = await scene.send("worker", first, second)
    assert [one.conflict is None for one in outcomes] == [True, False]
    assert (await scene.one("worker", third)).conflict is not None
    assert await scene.kinds() == [("duplicate", "open")] * 2


async def test_a_weak_key_claims_nothing(scene: KindsScene) -> None:
    house = await scene.built()
    for number in (50, 51):
        living = scene.resident(house, national_id=national_id(number), name="张三", phone="13900001234")
        assert (await scene.one("worker", living)).conflict is None


async def test_both_may_stay_and_that_may_be_undone(scene: KindsScene) -> None:
    _, second, conflict = await twins(scene)
    assert not (await scene.resolve(conflict, COMMUNITY_EAST, SERVER)).deleted
    assert await scene.notice(conflict) == ("notice", "duplicate", False)
    await scene.undo(conflict, COMMUNITY_EAST)
    assert (await scene.conflict(conflict))["state"] == "open"
    assert not (await scene.item(second)).deleted


async def test_the_second_may_go_and_come_back(scene: KindsScene) -> None:
    first, second, conflict = await twins(scene)
    assert (await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)).deleted
    assert await scene.streams_of(second) == set()
    assert (await scene.undo(conflict, COMMUNITY_EAST)).restored
    assert await scene.kinds() == [("duplicate", "open")], "it is the same conflict again, not one more"
    assert (await scene.shown(conflict, COMMUNITY_EAST)).related.items == [first]


@pytest.mark.parametrize("how", ["deleted", "edited"])
async def test_the_next_duplicate_takes_the_place_of_the_first(scene: KindsScene, how: str) -> None:
    first, second, conflict = await twins(scene)
    third = scene.dwelling(address="明光街道东街 8 号", unit_no="1-101")
    waiting = (await scene.one("worker", third)).conflict
    assert waiting is not None
    gone = await scene.deletion(first) if how == "deleted" else await scene.edit(first, unit_no="1-102")
    assert (await scene.one("chief", gone)).outcome == "applied"
    row = await scene.conflict(conflict)
    assert (row["state"], row["take"], row["resolved_by"]) == ("resolved", "released", None)
    assert await scene.notice(conflict) == ("notice", "duplicate", False)
    assert (await scene.shown(waiting, COMMUNITY_EAST)).related.items == [second]


async def test_an_erased_item_lets_go_of_everything(scene: KindsScene) -> None:
    first, second, conflict = await twins(scene)
    by = await scene.caller(COMMUNITY_EAST)
    await erase_item(scene.services, by, first, "本人要求", datetime.now(UTC))
    assert (await scene.conflict(conflict))["take"] == "released"
    assert await scene.truth.fetchval("SELECT item_id FROM unique_hint") == second
    await erase_item(scene.services, by, second, "本人要求", datetime.now(UTC))
    assert await scene.truth.fetchval("SELECT count(*) FROM unique_hint") == 0
    living = await scene.register()
    await erase_item(scene.services, by, living, "本人要求", datetime.now(UTC))
    assert await scene.truth.fetchval("SELECT count(*) FROM item_reference") == 0


async def test_a_duplicate_that_is_corrected_is_none_any_more(scene: KindsScene) -> None:
    _, second, conflict = await twins(scene)
    assert (await scene.one("worker", await scene.edit(second, unit_no="1-103"))).outcome == "applied"
    assert (await scene.conflict(conflict))["take"] == "released"
    again = await scene.one("worker", await scene.edit(second, unit_no="1-101"))
    assert again.conflict not in (None, conflict)


async def test_what_was_told_apart_holds_the_place_when_the_first_is_gone(scene: KindsScene) -> None:
    first, second, conflict = await twins(scene)
    await scene.resolve(conflict, COMMUNITY_EAST, SERVER)
    assert (await scene.one("chief", await scene.deletion(first))).outcome == "applied"
    third = await scene.one("worker", scene.dwelling(address="明光街道东街 8 号", unit_no="1-101"))
    assert third.conflict is not None
    assert (await scene.shown(third.conflict, COMMUNITY_EAST)).related.items == [second]


async def test_two_phones_at_once_make_exactly_one_conflict(scene: KindsScene) -> None:
    for round_ in range(6):
        doors = [{"address": f"西街 {round_} 号", "unit_no": number} for number in ("1", "2")]
        sets = [[scene.dwelling(**door) for door in order] for order in (doors, doors[::-1])]
        pushed = await asyncio.gather(scene.send("chief", *sets[0]), scene.send("worker", *sets[1]))
        outcomes = [one for outcomes in pushed for one in outcomes]
        assert [one.outcome for one in outcomes] == ["applied"] * 4
        assert sum(one.conflict is not None for one in outcomes) == 2, "one for each door"


async def test_a_second_one_waits_until_the_first_is_committed(scene: KindsScene) -> None:
    first = scene.dwelling(address="南街 1 号", unit_no="1")
    assert (await scene.one("chief", first)).outcome == "applied"
    claim = await scene.truth.fetchval("SELECT claim FROM unique_hint WHERE item_id = $1", first.item)
    await scene.truth.execute("DELETE FROM unique_hint WHERE claim = $1", claim)
    async with scene.services.database.pool.acquire() as other, other.transaction():
        await other.execute("INSERT INTO unique_hint (claim, item_id) VALUES ($1, $2)", claim, first.item)
        pushing = asyncio.create_task(scene.one("worker", scene.dwelling(address="南街 1 号", unit_no="1")))
        await until_waiting(scene.truth, 1)
    assert (await pushing).conflict is not None


async def test_a_hint_is_not_let_go_while_a_second_one_is_being_stored(scene: KindsScene) -> None:
    """The first goes and the second comes at once: one of them stands, and no conflict is left without a twin."""
    for round_ in range(6):
        door = {"address": f"北街 {round_} 号", "unit_no": "1"}
        first = scene.dwelling(**door)
        await scene.one("chief", first)
        gone = await scene.deletion(first.item)
        await asyncio.gather(scene.one("chief", gone), scene.one("worker", scene.dwelling(**door)))
        await assert_hints_are_held(scene)
