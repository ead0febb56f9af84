"""What foreign keys would refuse is found: a row of each kind that refers to nothing."""

from __future__ import annotations

import asyncpg

from server.db.integrity import dangling
from server.services import Services
from tests.integration.history_scene import live_through

_BROKEN = {
    "item.grid_id": "grid_id = gen_random_uuid()",
    "item.author_id": "author_id = gen_random_uuid()",
    "revision.item_id": "item_id = gen_random_uuid()",
    "item_search.item_id": "item_id = gen_random_uuid()",
    "feed.stream_id": "stream_id = -1",
    "review.item_id": "item_id = gen_random_uuid()",
    "review.answers": "answers = gen_random_uuid()",
    "review_step.item_id": "item_id = gen_random_uuid()",
    "cases.item_id": "item_id = gen_random_uuid()",
    "cases.organisation_id": "organisation_id = gen_random_uuid()",
    "cases.began_with": "began_with = gen_random_uuid()",
    "case_step.item_id": "item_id = gen_random_uuid()",
    "case_step.organisation_id": "organisation_id = gen_random_uuid()",
    "evidence_link.item_id": "item_id = gen_random_uuid()",
    "evidence_link.photo": "size = size + 1",
}


async def test_what_refers_to_nothing_is_found(services: Services, truth: asyncpg.Connection) -> None:
    await live_through(services)
    assert await dangling(truth) == {}
    for reference, breaking in _BROKEN.items():
        transaction = truth.transaction()
        await transaction.start()
        table = reference.partition(".")[0]
        await truth.execute(f"UPDATE {table} SET {breaking} WHERE ctid = (SELECT min(ctid) FROM {table})")
        found = await dangling(truth)
        await transaction.rollback()
        assert found[reference] == 1
    assert await dangling(truth) == {}
