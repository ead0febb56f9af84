"""Erasing an item: nothing of it can be had any more, everything else stays, and what comes later is refused."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.erasure import Erased, erase_item
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CENTRE,
    CHIEF,
    STREET_CADRE,
    WEST_CADRE,
    WORKER,
    Person,
    caller,
    create,
    enrol,
)
from tests.integration.erasing_scene import (
    HAZARD_MARKS,
    RESIDENT_MARKS,
    Scene,
    base_of,
    close_case,
    edit,
    malformed,
    open_scene,
    other_resident,
    raw_set,
    send,
)
from tests.integration.evidence_scene import until_someone_waits_for_a_lock
from tests.integration.lockpick import clear_text, open_all
from tests.integration.test_conflicts import assert_streams_add_up

WHY = "本人申请删除"
SEALED = {
    "item": ("sealed",),
    "revision": ("sealed",),
    "conflict": ("sealed",),
    "review": ("note", "notes"),
    "review_step": ("note", "notes"),
    "cases": ("waiver",),
    "case_step": ("note",),
}
"""What is sealed under the key of an item."""


@pytest.fixture
async def scene(services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> Scene:
    return await open_scene(services, app_client, truth)


async def erase(scene: Scene, item: UUID, by: Person = CADRE, *, dry_run: bool = False) -> Erased:
    return await erase_item(
        scene.services, await caller(scene.services, by), item, WHY, datetime.now(UTC), dry_run=dry_run
    )


async def refusal(awaitable: Any) -> str:
    with pytest.raises(Problem) as caught:
        await awaitable
    return caught.value.code


async def places_of(scene: Scene, marks: tuple[str, ...]) -> set[str]:
    """The tables in whose columns one of these marks can be read by whoever has the root secret."""
    opened = await open_all(scene.truth, scene.services.keyring)
    texts = [mark.encode() for mark in marks]
    return {column.table for column, plain in opened.items() if any(text in one for one in plain for text in texts)}


async def row(scene: Scene, statement: str, *arguments: Any) -> dict[str, Any]:
    found = await scene.truth.fetchrow(statement, *arguments)
    assert found is not None
    return dict(found)


async def test_after_erasing_no_value_can_be_had_by_any_key(scene: Scene) -> None:
    before = await places_of(scene, RESIDENT_MARKS)
    assert before == {"item", "revision", "conflict", "change_set", "forked_set", "quarantine"}
    await erase(scene, scene.resident)
    assert await places_of(scene, RESIDENT_MARKS) == set()
    assert await scene.truth.fetchval("SELECT count(*) FROM item_key WHERE item_id = $1", scene.resident) == 0
    text = await clear_text(scene.truth)
    assert not any(mark in text for mark in RESIDENT_MARKS)
    # Of the others everything can still be read.
    assert {"item", "revision", "change_set"} <= await places_of(scene, HAZARD_MARKS)


async def test_notes_of_review_and_case_go_too(scene: Scene) -> None:
    assert {"review_step"} <= await places_of(scene, HAZARD_MARKS)
    await close_case(scene.truth, scene.hazard)
    await erase(scene, scene.hazard)
    assert await places_of(scene, HAZARD_MARKS) == set()
    text = await clear_text(scene.truth)
    assert not any(mark in text for mark in HAZARD_MARKS)
    for table, columns in SEALED.items():
        key = "id" if table == "item" else "item_id"
        for name in columns:
            left = f"SELECT count(*) FROM {table} WHERE {key} = $1 AND {name} IS NOT NULL"
            assert await scene.truth.fetchval(left, scene.hazard) == 0, (table, name)


async def test_what_is_left_says_that_it_was_when_by_whom_and_why(scene: Scene) -> None:
    before = await row(scene, "SELECT * FROM item WHERE id = $1", scene.hazard)
    await close_case(scene.truth, scene.hazard)
    erased = await erase(scene, scene.hazard)
    after = await row(scene, "SELECT * FROM item WHERE id = $1", scene.hazard)
    assert (after["deleted"], after["version"], after["sealed"]) == (True, before["version"] + 1, None)
    assert after["erased_at"] is not None
    for kept in ("type", "grid_id", "author_id", "urgency", "captured_at", "received_at"):
        assert after[kept] == before[kept]
    revisions = await scene.truth.fetch("SELECT * FROM revision WHERE item_id = $1 ORDER BY version", scene.hazard)
    assert [one["version"] for one in revisions] == list(range(1, after["version"] + 1))
    last = revisions[-1]
    assert (last["op"], last["author_id"], last["reason"]) == ("erase", CADRE.id, WHY)
    assert all((one["clear"], one["sealed"], one["derivation"]) == ("{}", None, None) for one in revisions)
    act = await row(scene, "SELECT * FROM audit WHERE action = 'item.erased'")
    assert (act["actor_id"], act["subject_id"], act["reason"]) == (CADRE.id, str(scene.hazard), WHY)
    assert erased.kept == ["at_risk", "fixed_on_site", "hazards"]
    assert set(await _clear(scene, scene.hazard)) == set(erased.kept)
    assert (await row(scene, "SELECT state FROM cases WHERE item_id = $1", scene.hazard))["state"] == "closed"


async def _clear(scene: Scene, item: UUID) -> dict[str, Any]:
    return json.loads((await row(scene, "SELECT clear FROM item WHERE id = $1", item))["clear"])


async def test_conflicts_are_closed_and_it_leaves_feeds_search_and_quarantine(scene: Scene) -> None:
    await scene.truth.execute(
        "INSERT INTO item_search (item_id, terms) VALUES ($1, ARRAY['钱多']) ON CONFLICT DO NOTHING", scene.resident
    )
    states = "SELECT state FROM quarantine"
    assert {one["state"] for one in await scene.truth.fetch(states)} == {"held"}
    erased = await erase(scene, scene.resident)
    assert (erased.tally.conflicts, erased.tally.conflicts_closed, erased.tally.notices_closed) == (1, 1, 1)
    conflict = await row(scene, "SELECT * FROM conflict WHERE item_id = $1", scene.resident)
    assert (conflict["state"], conflict["take"], conflict["resolved_by"]) == ("resolved", "erased", CADRE.id)
    assert conflict["resolution_version"] == erased.version
    present = await scene.truth.fetchval(
        "SELECT count(*) FROM feed WHERE present AND (object_id = $1 OR object_id = $2)", scene.resident, conflict["id"]
    )
    assert present == 0
    await assert_streams_add_up(scene.truth)
    assert await scene.truth.fetchval("SELECT count(*) FROM item_search WHERE item_id = $1", scene.resident) == 0
    assert {one["state"] for one in await scene.truth.fetch(states)} == {"discarded"}
    assert erased.tally.quarantined == await scene.truth.fetchval("SELECT count(*) FROM quarantine")


async def test_what_a_set_holds_of_others_and_nowhere_else_is_kept_under_another_key(scene: Scene) -> None:
    """One set: an edit of the resident that is applied, and one of another item that waits in the quarantine."""
    own = await row(scene, "SELECT id FROM item WHERE type = '0102'")
    stray = await scene.neighbour.push(
        edit(scene.resident, await base_of(scene.truth, scene.resident), name="钱夹带"),
        edit(own["id"], await base_of(scene.truth, own["id"]), "0102", address="周家老屋"),
    )
    assert [one.outcome for one in stray.outcomes] == ["quarantined"] * 2
    await erase(scene, scene.resident)
    assert "change_set" in await places_of(scene, ("周家老屋",))
    assert await places_of(scene, ("钱夹带",)) == set()
    held = await scene.truth.fetch("SELECT set_index FROM quarantine WHERE state = 'held'")
    assert [one["set_index"] for one in held] == [1]


async def test_a_set_that_named_it_without_changing_it_is_found_by_its_receipt(scene: Scene) -> None:
    """The same creation once more brings no revision; what comes with it does."""
    made = create("0101", name="钱重来", dwelling=str(scene.dwelling))
    await scene.worker.push(made)
    again = await scene.worker.push(made, other_resident(scene.dwelling))
    assert [one.outcome for one in again.outcomes] == ["applied"] * 2
    await erase(scene, made.item)
    assert await places_of(scene, ("钱重来",)) == set()


async def test_what_could_not_be_read_is_looked_at_whatever_item_it_names(scene: Scene) -> None:
    mate, other = scene.mate, uuid4()
    sent = await send(mate, raw_set(mate, mate.no + 1, [malformed(other, f"{scene.resident} 钱旁注")]))
    assert sent.outcomes[0].item == str(other)
    await erase(scene, scene.resident)
    assert await places_of(scene, ("钱旁注",)) == set()


async def test_a_dry_run_tells_the_same_and_changes_nothing(scene: Scene) -> None:
    before = await clear_text(scene.truth)
    tried = await erase(scene, scene.resident, dry_run=True)
    assert await clear_text(scene.truth) == before
    done = await erase(scene, scene.resident)
    assert (tried.tally, tried.kept, tried.version) == (done.tally, done.kept, done.version)


# Who may, and when it is refused --------------------------------------------------------------------------


async def test_offices_erase_within_what_they_read_and_nobody_else_does(scene: Scene) -> None:
    for person in (CADRE, STREET_CADRE, CENTRE):
        assert (await erase(scene, scene.resident, person, dry_run=True)).item == scene.resident
    refused = {WEST_CADRE: "not_found", CHIEF: "forbidden", WORKER: "forbidden", ADMINISTRATOR: "forbidden"}
    for person, code in refused.items():
        assert await refusal(erase(scene, scene.resident, person)) == code
    assert await scene.truth.fetchval("SELECT count(*) FROM item_key WHERE item_id = $1", scene.resident) == 1


async def test_an_open_case_stands_against_it(scene: Scene) -> None:
    assert await refusal(erase(scene, scene.hazard)) == "case_open"
    await close_case(scene.truth, scene.hazard)
    await erase(scene, scene.hazard)


async def test_a_record_that_the_phone_deleted_can_be_erased_and_none_twice(scene: Scene) -> None:
    gone = await scene.worker.push(other_resident(scene.dwelling, "李离开"))
    item = UUID(gone.outcomes[0].item)
    deletion = msgspec.structs.replace(edit(item, await base_of(scene.truth, item)), op="delete")
    deleted = await scene.worker.push(deletion)
    assert deleted.outcomes[0].outcome == "applied"
    await erase(scene, item)
    assert await places_of(scene, ("李离开",)) == set()
    assert await refusal(erase(scene, item)) == "item_erased"


# What comes later -----------------------------------------------------------------------------------------


async def test_a_later_push_is_refused_and_no_byte_of_it_kept(scene: Scene) -> None:
    base = await base_of(scene.truth, scene.resident)
    await erase(scene, scene.resident)
    again = create("0101", item_id=scene.resident, name="钱又来", dwelling=str(scene.dwelling))
    for change in (
        edit(scene.resident, base, name="钱又来"),
        again,
        edit(scene.resident, base, "0102", address="钱又来"),
    ):
        receipt = await scene.worker.push(change)
        outcome = receipt.outcomes[0]
        assert (outcome.outcome, outcome.code) == ("rejected", "item_erased")
        assert outcome.zh
        assert outcome.en
        # The same bytes get the same answer, however often they come.
        no = scene.worker.no
        assert await send(scene.worker, scene.worker.encode((change,), no), no) == receipt
    assert await places_of(scene, ("钱又来",)) == set()
    assert await scene.truth.fetchval("SELECT count(*) FROM quarantine WHERE code = 'item_erased'") == 0


async def test_however_it_comes_nothing_of_it_is_kept(scene: Scene) -> None:
    base = await base_of(scene.truth, scene.resident)
    await erase(scene, scene.resident)
    mate = scene.mate
    held = "SELECT count(*) FROM quarantine WHERE state = 'held'"
    before: int = await scene.truth.fetchval(held) or 0
    change = edit(scene.resident, base, name="钱又来")
    await send(mate, raw_set(mate, mate.no + 1, [change], catalogue="1999.1"))
    await send(mate, raw_set(mate, mate.no + 1, [malformed(scene.resident, "钱又来")]))
    await send(mate, raw_set(mate, mate.no + 1, [change], catalogue="1999.1", form="msgpack"))
    await send(mate, raw_set(mate, mate.no + 1, [change])[:-1])
    await send(mate, raw_set(mate, 1, [change], nonce="g" * 22), no=1)
    assert await places_of(scene, ("钱又来",)) == set()
    assert "钱又来" not in await clear_text(scene.truth)
    # The change that could not be read was decided, and its place is noted; the sets that were not leave no trace.
    assert await scene.truth.fetchval(held) == before + 1


async def test_what_comes_with_it_is_decided_and_kept_as_ever(scene: Scene) -> None:
    base = await base_of(scene.truth, scene.resident)
    await erase(scene, scene.resident)
    dwelling = edit(scene.dwelling, await base_of(scene.truth, scene.dwelling), "0102", address="周家老屋")
    receipt = await scene.neighbour.push(edit(scene.resident, base, name="钱又来"), dwelling)
    assert [one.code for one in receipt.outcomes] == ["item_erased", "out_of_scope"]
    applied = await scene.worker.push(edit(scene.resident, base, name="钱又来"), other_resident(scene.dwelling))
    assert [one.outcome for one in applied.outcomes] == ["rejected", "applied"]
    assert "change_set" in await places_of(scene, ("周家老屋",))
    assert await places_of(scene, ("钱又来",)) == set()


async def test_an_item_that_refers_to_an_erased_one_can_still_be_edited(scene: Scene) -> None:
    await erase(scene, scene.dwelling)
    await scene.worker.correct(scene.resident, name="钱搬家")
    other = create("0101", name="钱新来", dwelling=str(scene.dwelling))
    outcome = (await scene.worker.push(other)).outcomes[0]
    assert (outcome.outcome, outcome.version) == ("parked", 1), "what newly refers to it waits for a person"


@pytest.mark.parametrize("catalogue", ["2024.2", "1999.1"])
async def test_what_comes_while_it_is_being_erased_waits_and_is_not_kept(
    scene: Scene, database_url: str, catalogue: str
) -> None:
    """Decided change by change, or kept whole: as it would be after the erasing."""
    base = await base_of(scene.truth, scene.resident)
    late = [edit(scene.resident, base, name="钱又来")]
    raw = raw_set(scene.worker, scene.worker.no + 1, late, catalogue=catalogue)
    erasing = await asyncpg.connect(database_url)
    async with erasing.transaction():
        await erasing.execute("DELETE FROM item_key WHERE item_id = $1", scene.resident)
        await erasing.execute("UPDATE item SET erased_at = now(), deleted = true WHERE id = $1", scene.resident)
        # An erasing locks the row against referrers too.
        await erasing.execute("SELECT FROM item WHERE id = $1 FOR UPDATE", scene.resident)
        pushing = asyncio.create_task(send(scene.worker, raw))
        await until_someone_waits_for_a_lock(scene.truth)
    await erasing.close()
    await pushing
    assert await places_of(scene, ("钱又来",)) == set()
    assert await scene.truth.fetchval("SELECT wrapped FROM change_set ORDER BY received_at DESC LIMIT 1") is None


async def test_edits_and_an_erasing_at_once_leave_nothing_behind(scene: Scene) -> None:
    """Whichever comes first: what was in time is erased with the rest, what was late is refused."""
    phones = [await enrol(scene.services, WORKER) for _ in range(4)]
    base = await base_of(scene.truth, scene.resident)
    catalogues = [scene.services.catalogue.version, "1999.1"] * 2
    sent = [
        send(phone, raw_set(phone, 1, [edit(scene.resident, base, remark=f"钱竞争{place}")], catalogue=catalogue))
        for place, (phone, catalogue) in enumerate(zip(phones, catalogues, strict=True))
    ]
    await asyncio.gather(*sent[:2], erase(scene, scene.resident), *sent[2:])
    assert await places_of(scene, ("钱竞争",)) == set()
    assert "钱竞争" not in await clear_text(scene.truth)
    await assert_streams_add_up(scene.truth)
