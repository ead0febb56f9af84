"""What a person is shown of conflicts: which, in what order, and who wrote what when."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.db.conflicts import ConflictFilter
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_access import id_range
from server.usecases.conflict_views import Page, list_conflicts, reveal_conflict, show_conflict
from sync.disputes import Choice
from tests.integration.conflict_scene import RESIDENT, Scene, long_ago
from tests.integration.town import ADMINISTRATOR, CHIEF_EAST, COMMUNITY_EAST, EAST, HANDLER, Citizen

ALL = ConflictFilter()


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> Scene:
    return await Scene.open(services, truth)


async def listed(
    scene: Scene,
    wanted: ConflictFilter = ALL,
    *,
    by: Citizen = COMMUNITY_EAST,
    limit: int = 50,
    after: str | None = None,
) -> Page:
    return await list_conflicts(scene.services, await scene.caller(by), wanted, limit=limit, after=after)


def ids(page: Page) -> list[UUID]:
    return [line.id for line in page.conflicts]


async def three_kinds(scene: Scene) -> list[UUID]:
    """One conflict of each kind, oldest first."""
    opened = []
    for first, second in (
        ({"name": "张三丰"}, {"name": "张山"}),
        (None, {"phone": "13900005678"}),
        ({"name": "李四"}, None),
    ):
        opened.append(await scene.two_edits(await scene.register(), first, second))
    return opened


async def test_filters_narrow_the_list(scene: Scene) -> None:
    opened = await three_kinds(scene)
    await scene.truth.execute("UPDATE conflict SET opened_at = $2 WHERE id = $1", opened[0], long_ago(4))
    await scene.resolve(opened[2], CHIEF_EAST, Choice("server"))
    assert ids(await listed(scene)) == opened
    assert ids(await listed(scene, ConflictFilter(state="open"))) == opened[:2]
    assert ids(await listed(scene, ConflictFilter(state="resolved"))) == opened[2:]
    assert ids(await listed(scene, ConflictFilter(kind="update_delete"))) == opened[1:2]
    assert ids(await listed(scene, ConflictFilter(opened_before=long_ago(3)))) == opened[:1]
    assert ids(await listed(scene, ConflictFilter(item_type="0101"))) == opened
    assert ids(await listed(scene, ConflictFilter(item_type="0102"))) == []
    assert ids(await listed(scene, ConflictFilter(division_prefix=EAST))) == opened
    assert ids(await listed(scene, ConflictFilter(division_prefix="341182001002"))) == []


async def test_pages_hold_everything_once_in_order(scene: Scene) -> None:
    """Even where conflicts opened at the same instant, as those of one change set do."""
    opened = await three_kinds(scene)
    await scene.truth.execute("UPDATE conflict SET opened_at = $1", datetime(2026, 1, 1, tzinfo=UTC))
    seen, after = [], None
    for _ in opened:
        page = await listed(scene, limit=1, after=after)
        seen, after = seen + ids(page), page.next
    assert (seen, after) == (sorted(opened), None)


@pytest.mark.parametrize("after", ["nonsense", "WzEsMl0=", "����"])
async def test_a_place_that_no_page_gave_is_refused(scene: Scene, after: str) -> None:
    with pytest.raises(Problem, match="parameter_invalid"):
        await listed(scene, after=after)


async def test_readers_see_their_area_and_nobody_else_sees_anything(scene: Scene) -> None:
    opened = await three_kinds(scene)
    assert ids(await listed(scene, by=CHIEF_EAST)) == opened
    assert ids(await listed(scene, by=HANDLER)) == []
    with pytest.raises(Problem, match="forbidden"):
        await listed(scene, by=ADMINISTRATOR)
    with pytest.raises(Problem, match="not_found"):
        await show_conflict(scene.services, await scene.caller(HANDLER), id_range(str(opened[0])))


async def test_each_side_says_who_wrote_it_where_and_when(scene: Scene) -> None:
    item = await scene.register()
    conflict = await scene.two_edits(item, {"name": "张三丰"}, {"name": "张山"})
    await scene.push("chief", "update", item, {"phone": "13900005678"}, base=await scene.base(item))
    detail = await show_conflict(scene.services, await scene.caller(COMMUNITY_EAST), id_range(str(conflict)))
    assert detail.base is not None
    assert (detail.base.version, detail.base.device) == (1, "worker的手机")
    assert (detail.server.version, detail.server.author) == (2, "测试grid_chief")
    assert (detail.incoming.version, detail.incoming.author) == (None, "测试grid_worker")
    row = await scene.conflict(conflict)
    assert detail.incoming.captured_at == row["captured_at"]
    assert detail.server.captured_at == (await scene.revision(item, 2))["captured_at"]
    assert (detail.item_version, detail.fields[0].moved_on) == (3, False)


async def test_a_server_side_that_moved_on_is_shown_as_it_is_now(scene: Scene) -> None:
    item = await scene.register()
    conflict = await scene.two_edits(item, {"name": "张三丰"}, {"name": "张山"})
    await scene.push("chief", "update", item, {"name": "李四"}, base=await scene.base(item))
    detail = await reveal_conflict(scene.services, await scene.caller(COMMUNITY_EAST), id_range(str(conflict)), "核对")
    sides = detail.fields[0]
    assert (sides.base, sides.server, sides.incoming) == ("张三", "李四", "张山")
    assert (sides.moved_on, detail.server.version) == (True, 3)


async def test_a_deleted_items_last_values_are_shown(scene: Scene) -> None:
    item = await scene.register()
    conflict = await scene.two_edits(item, None, {"phone": "13900005678"})
    detail = await reveal_conflict(scene.services, await scene.caller(COMMUNITY_EAST), id_range(str(conflict)), "核对")
    sides = detail.fields[0]
    assert (detail.item_deleted, sides.server, sides.incoming) == (True, RESIDENT["phone"], "13900005678")
    assert (sides.moved_on, detail.server.version) == (False, 2)


async def test_nothing_is_revealed_that_is_not_on_record(scene: Scene) -> None:
    conflict = await scene.two_edits(await scene.register(), {"name": "张三丰"}, {"name": "张山"})
    caller = await scene.caller(COMMUNITY_EAST)
    with pytest.raises(Problem, match="reason_needed"):
        await reveal_conflict(scene.services, caller, id_range(str(conflict)), " ")
    await scene.truth.execute("ALTER TABLE audit ADD CONSTRAINT full_disk CHECK (action <> 'conflict.reveal')")
    with pytest.raises(asyncpg.CheckViolationError):
        await reveal_conflict(scene.services, caller, id_range(str(conflict)), "核对")


async def test_an_id_may_be_begun_but_must_lead_to_one(scene: Scene) -> None:
    conflict = await scene.two_edits(await scene.register(), {"name": "张三丰"}, {"name": "张山"})
    twin = UUID(str(conflict)[:8] + str(uuid4())[8:])
    await scene.truth.execute(
        "INSERT INTO conflict SELECT (jsonb_populate_record(c, jsonb_build_object('id', $2::text))).*"
        " FROM conflict c WHERE id = $1",
        conflict,
        str(twin),
    )
    caller = await scene.caller(COMMUNITY_EAST)
    with pytest.raises(Problem, match="parameter_invalid"):
        await show_conflict(scene.services, caller, id_range(str(conflict)[:8]))
    found = await show_conflict(scene.services, caller, id_range(str(conflict).upper()))
    assert found.conflict.id == conflict


@pytest.mark.parametrize(
    "text", ["", "12345", "1234-5", "zzzzzz", "１２３４５６", "-" * 9, "1" * 33, "12 3456", "0x1234"]
)
def test_what_begins_no_id(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        id_range(text)
