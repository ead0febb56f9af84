"""What pages about items ask for beside the item itself: nothing of it reaches who may not read the item."""

from __future__ import annotations

from uuid import UUID

import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.item_page import briefs, grid_view, photo_addresses, revealed_item, review_desk
from tests import builders
from tests.builders import CHIEF, GRIDS, WEST_CHIEF, WORKER, grid_id, photo


@pytest.fixture
async def hazard(services: Services) -> UUID:
    await builders.build_city(services)
    phone = await builders.enrol(services, WORKER)
    item_id = await phone.report("0401", urgency="normal", description="隐私", photos=[photo(1)])
    await builders.deliver(services, WORKER, 1)
    return item_id


async def test_who_may_read_it_is_told_everything(services: Services, hazard: UUID) -> None:
    chief = await builders.caller(services, CHIEF)
    desk = await review_desk(services, chief, hazard)
    assert desk is not None
    assert (desk.may_approve, desk.may_return, desk.may_undo) == (True, True, False)
    assert list(await photo_addresses(services, chief, hazard, thumbnails=True))
    brief = (await briefs(services, chief, [hazard]))[hazard]
    assert brief.fields["hazards"] == ["lane"]
    assert "description" not in brief.fields


async def test_who_may_not_is_told_nothing(services: Services, hazard: UUID) -> None:
    outsider = await builders.caller(services, WEST_CHIEF)
    assert await review_desk(services, outsider, hazard) is None
    assert await briefs(services, outsider, [hazard]) == {}
    with pytest.raises(Problem, match="not_found"):
        await photo_addresses(services, outsider, hazard, thumbnails=False)
    with pytest.raises(Problem, match="not_found"):
        await revealed_item(services, outsider, hazard, "看看")
    async with services.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit WHERE actor_id = $1", outsider.user_id) == 0


async def test_the_author_may_not_decide(services: Services, hazard: UUID) -> None:
    desk = await review_desk(services, await builders.caller(services, WORKER), hazard)
    assert desk is not None
    assert (desk.may_approve, desk.may_return) == (False, False)


async def test_a_grid_comes_with_its_community_and_outline(services: Services, hazard: UUID) -> None:
    grid = await grid_view(services, grid_id(GRIDS[0]))
    assert grid is not None
    assert (grid.code, grid.community_zh, grid.synthetic) == (GRIDS[0], "东社区", True)
    assert len(grid.outline[0]) == 5
    assert await grid_view(services, hazard) is None
