"""The quarantine: who sees what is held and why, releasing it as a new change, discarding it for good."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from schemas.wire import Base, Change, ItemBody
from server.db.quarantine import QuarantineFilter
from server.errors import CATALOGUE, Problem
from server.services import Services
from server.usecases.bodies import item_bodies
from server.usecases.devices import revoke_device
from server.usecases.quarantine_discard import Discarded, discard
from server.usecases.quarantine_release import Released, ReleaseOrder, release, release_device
from server.usecases.quarantine_views import QuarantineDetail, QuarantineLine, list_held, reveal_held, show_held
from server.usecases.salvage import keep_salvage
from tests.builders import (
    ADMINISTRATOR,
    AUDITOR,
    CADRE,
    GRIDS,
    NEIGHBOUR,
    STREET_CADRE,
    WEST_CADRE,
    WORKER,
    Person,
    Phone,
    build_city,
    caller,
    create,
    enrol,
    grid_id,
)
from tests.integration.terminal import shell
from tests.integration.test_conflicts import assert_streams_add_up

NAME = "钱隔离"


@pytest.fixture
async def phone(services: Services) -> Phone:
    await build_city(services)
    return await enrol(services, WORKER)


def shop(grid: str = GRIDS[0], **fields: Any) -> Change:
    return create("0103", grid=grid, **{"manager": NAME} | fields)


def late(change: Change) -> Change:
    """Written long before what phones may stay offline."""
    before = datetime.now(UTC) - timedelta(days=200)
    return msgspec.structs.replace(change, capture=msgspec.structs.replace(change.capture, wall=before, boot="other"))


async def hold(phone: Phone, *changes: Change) -> list[str]:
    """Push what is not applied; the codes of why."""
    return [one.code or one.outcome for one in (await phone.push(*changes)).outcomes]


async def held(services: Services, by: Person = CADRE, **wish: Any) -> list[QuarantineLine]:
    page = await list_held(services, await caller(services, by), QuarantineFilter(**{"state": "held"} | wish), None, 50)
    return page.held


def span(one: UUID) -> tuple[UUID, UUID]:
    return one, one


async def let_go(services: Services, one: UUID, by: Person = CADRE, *, dry_run: bool = False) -> Released:
    order = ReleaseOrder(actor=await caller(services, by), reason="补报", now=datetime.now(UTC), dry_run=dry_run)
    return await release(services, order, span(one))


async def refused(services: Services, one: UUID, by: Person = CADRE) -> str:
    with pytest.raises(Problem) as problem:
        await let_go(services, one, by)
    return problem.value.code


async def show(services: Services, one: UUID, by: Person = CADRE) -> QuarantineDetail:
    return await show_held(services, await caller(services, by), span(one))


async def throw_away(services: Services, one: UUID, by: Person = CADRE) -> Discarded:
    return await discard(services, await caller(services, by), span(one), "测试")


# Seeing ----------------------------------------------------------------------------------------------------


async def test_what_is_held_is_told_in_words_to_who_looks_after_it(phone: Phone) -> None:
    services = phone.services
    change = shop(GRIDS[1])
    assert await hold(phone, change) == ["out_of_scope"]
    (line,) = await held(services)
    assert (line.item, line.code, line.no, line.index) == (change.item, "out_of_scope", 1, 0)
    assert "网格" in line.zh
    assert [one.id for one in await held(services, ADMINISTRATOR)] == [line.id]
    assert await held(services, WEST_CADRE) == []
    assert await held(services, code="lease_exceeded") == []
    assert await held(services, outcome="rejected") == []
    for person in (WORKER, AUDITOR):
        with pytest.raises(Problem) as problem:
            await held(services, person)
        assert problem.value.code == "forbidden"


async def test_a_long_list_is_read_in_pages(phone: Phone) -> None:
    services = phone.services
    await hold(phone, *(shop(GRIDS[1]) for _ in range(5)))
    reader, found, cursor = await caller(services, CADRE), list[UUID](), None
    for expected in (2, 2, 1):
        page = await list_held(services, reader, QuarantineFilter(), cursor, 2)
        assert len(page.held) == expected
        found, cursor = [*found, *(one.id for one in page.held)], page.next
    assert cursor is None
    assert len(set(found)) == 5


async def test_values_are_masked_and_shown_to_readers_alone(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    await hold(phone, shop(GRIDS[1]))
    (line,) = await held(services)
    (change,) = (await show(services, line.id)).changes
    assert change.fields is not None
    assert change.fields["manager"] != NAME
    (unread,) = (await show(services, line.id, ADMINISTRATOR)).changes
    assert (unread.type, unread.fields) == ("0103", None)
    (revealed,) = (await reveal_held(services, await caller(services, CADRE), span(line.id), "核对")).changes
    assert revealed.fields is not None
    assert revealed.fields["manager"] == NAME
    noted = await truth.fetchrow("SELECT actor_id, reason, detail FROM audit WHERE action = 'quarantine.revealed'")
    assert noted is not None
    assert (noted["actor_id"], noted["reason"]) == (CADRE.id, "核对")
    assert NAME not in noted["detail"]
    assert [one.action for one in (await show(services, line.id)).became] == ["quarantine.revealed"]


# Releasing -------------------------------------------------------------------------------------------------


async def released_values(services: Services, item: UUID) -> dict[str, Any]:
    async with services.database.read() as connection:
        return (await item_bodies(connection, services, [item]))[item].fields


async def test_a_released_change_is_its_authors_and_says_who_let_it_go(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    change = shop(GRIDS[1])
    await hold(phone, change)
    (line,) = await held(services)
    tried = await let_go(services, line.id, dry_run=True)
    assert (tried.released, tried.dry_run, tried.outcomes[0].outcome) == (True, True, "applied")
    assert await truth.fetchval("SELECT count(*) FROM item") == 0
    done = await let_go(services, line.id)
    assert [one.outcome for one in done.outcomes] == ["applied"]
    row = await truth.fetchrow("SELECT author_id, device_id, set_no, set_index, derivation FROM revision")
    assert row is not None
    assert (row["author_id"], row["device_id"], row["set_no"], row["set_index"]) == (WORKER.id, phone.device_id, 1, 0)
    assert json.loads(row["derivation"])["released"] == {
        "by": str(CADRE.id),
        "reason": "补报",
        "quarantine": str(line.id),
    }
    assert await truth.fetchval("SELECT grid_id FROM item") == grid_id(GRIDS[1])
    assert (await released_values(services, change.item))["manager"] == NAME
    assert await held(services) == []
    assert await refused(services, line.id) == "quarantine_settled"
    noted = await truth.fetchrow("SELECT actor_id, reason FROM audit WHERE action = 'quarantine.released'")
    assert noted is not None
    assert tuple(noted) == (CADRE.id, "补报")
    await assert_streams_add_up(truth)


async def test_what_was_written_too_long_ago_is_released_too(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    await truth.execute("UPDATE device SET enrolled_at = now() - interval '300 days'")
    change = late(shop())
    assert await hold(phone, shop(), change) == ["applied", "lease_exceeded"]
    (line,) = await held(services)
    assert (await let_go(services, line.id)).outcomes[0].outcome == "applied"
    row = await truth.fetchrow("SELECT set_no, set_index, captured_at FROM revision WHERE item_id = $1", change.item)
    assert row is not None
    assert (row["set_no"], row["set_index"]) == (1, 1)
    assert row["captured_at"] < datetime.now(UTC) - timedelta(days=100)


async def test_only_who_may_settle_the_item_releases_it(phone: Phone) -> None:
    services = phone.services
    await hold(phone, shop(GRIDS[2]))
    (line,) = await held(services, STREET_CADRE)
    assert await refused(services, line.id, CADRE) == "forbidden"
    assert await refused(services, line.id, ADMINISTRATOR) == "forbidden"
    assert (await let_go(services, line.id, STREET_CADRE)).released


async def test_what_can_still_not_be_applied_stays(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    assert await hold(phone, shop(manager=None)) != ["applied"]
    (line,) = await held(services)
    assert await refused(services, line.id) not in ("forbidden", "quarantine_settled")
    assert [one.id for one in await held(services)] == [line.id]
    assert await truth.fetchval("SELECT count(*) FROM item") == 0


async def revoked(phone: Phone) -> None:
    await revoke_device(phone.services, await caller(phone.services, ADMINISTRATOR), phone.device_id, "遗失")


async def test_a_revoked_devices_sets_are_released_in_their_order(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    await revoked(phone)
    change, bad = shop(), shop(manager=None)
    assert (await phone.push(change, bad)).status == "quarantined"
    edit = Change("update", change.item, "0103", change.capture, base=None, fields={"manager": "孙改"})
    await phone.push(edit)
    order = ReleaseOrder(actor=await caller(services, CADRE), reason="遗失前", now=datetime.now(UTC))
    tried = await release_device(services, msgspec.structs.replace(order, dry_run=True), span(phone.device_id))
    done = await release_device(services, order, span(phone.device_id))
    shapes = [[[outcome.outcome for outcome in one.outcomes] for one in each] for each in (tried, done)]
    assert shapes[0] == shapes[1]
    assert shapes[1][0] == ["applied", "rejected"]
    assert len(shapes[1]) == 2
    (left,) = await held(services)
    assert (left.no, left.index, left.outcome, left.item) == (1, 1, "rejected", bad.item)
    assert await truth.fetchval("SELECT count(*) FROM item") == 1
    await assert_streams_add_up(truth)


async def test_a_copys_set_is_released_beside_the_other_copys(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    first, second = shop(), shop()
    await phone.push(first)
    phone.no = 0
    assert (await phone.push(second)).status == "forked"
    (line,) = await held(services, outcome="forked")
    assert (await let_go(services, line.id)).outcomes[0].outcome == "applied"
    assert await truth.fetchval("SELECT count(*) FROM item") == 2
    assert await truth.fetchval("SELECT set_no FROM revision WHERE item_id = $1", second.item) is None


async def test_an_edit_of_what_others_changed_since_becomes_a_conflict(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    other = await enrol(services, NEIGHBOUR)
    item = await other.report("0103", grid=GRIDS[1], name="原名")
    row = await truth.fetchrow("SELECT version, rev FROM item")
    assert row is not None
    base = Base(row["version"], f"{row['rev'] % 2**64:016x}")
    edit = Change("update", item, "0103", shop().capture, base=base, fields={"name": "甲店"})
    assert await hold(phone, edit) == ["out_of_scope"]
    await other.correct(item, name="乙店")
    (line,) = await held(services)
    assert (await let_go(services, line.id)).outcomes[0].outcome == "parked"
    assert await truth.fetchval("SELECT count(*) FROM conflict WHERE state = 'open'") == 1


async def salvaged(phone: Phone, item: UUID, **fields: Any) -> QuarantineLine:
    """An item as the phone still holds it from a life of the database that is lost."""
    known = ItemBody(
        id=item,
        type="0103",
        version=7,
        rev="00000000000000aa",
        touch=0,
        grid=grid_id(GRIDS[0]),
        code=GRIDS[0],
        author=WORKER.id,
        urgency="normal",
        fields=shop().fields | fields,
        received_at=datetime.now(UTC) - timedelta(days=3),
    )
    raw, at = msgspec.Raw(msgspec.json.encode(known)), datetime.now(UTC)
    assert await keep_salvage(phone.services, phone.device_id, phone.epoch, [raw], at) == 1
    (line,) = await held(phone.services, outcome="salvaged")
    return line


async def test_salvage_of_an_item_that_is_gone_brings_it_back(phone: Phone, truth: asyncpg.Connection) -> None:
    services, item = phone.services, uuid4()
    line = await salvaged(phone, item, name="留存店")
    assert (line.code, line.no, line.item) == ("item_salvaged", None, item)
    assert line.en == CATALOGUE["item_salvaged"].en
    assert (await let_go(services, line.id)).outcomes[0].outcome == "applied"
    assert (await released_values(services, item))["name"] == "留存店"
    assert await truth.fetchval("SELECT sealed IS NULL AND wrapped IS NULL FROM quarantine") is True
    await assert_streams_add_up(truth)


async def test_salvage_of_an_item_that_is_there_is_for_a_person_to_settle(
    phone: Phone, truth: asyncpg.Connection
) -> None:
    services = phone.services
    item = await phone.report("0103", name="新名")
    line = await salvaged(phone, item, name="旧名")
    assert (await let_go(services, line.id)).outcomes[0].outcome == "parked"
    fields = await truth.fetchval("SELECT fields FROM conflict WHERE state = 'open' AND base_unknown")
    assert "name" in fields
    assert (await released_values(services, item))["name"] == "新名"


async def test_salvage_that_cannot_be_read_says_so(phone: Phone) -> None:
    services, raw = phone.services, msgspec.Raw(b'{"id":"nonsense"}')
    await keep_salvage(services, phone.device_id, phone.epoch, [raw], datetime.now(UTC))
    (line,) = await held(services, outcome="salvaged")
    assert (line.code, line.en) == ("salvage_unreadable", CATALOGUE["salvage_unreadable"].en)
    assert (await show(services, line.id)).unopened == "salvage_unreadable"
    assert await refused(services, line.id) == "salvage_unreadable"


async def test_salvage_is_discarded_with_its_bytes(phone: Phone, truth: asyncpg.Connection) -> None:
    line = await salvaged(phone, uuid4())
    await throw_away(phone.services, line.id, ADMINISTRATOR)
    row = await truth.fetchrow("SELECT state, sealed, wrapped FROM quarantine")
    assert row is not None
    assert tuple(row) == ("discarded", None, None)


# Discarding ------------------------------------------------------------------------------------------------


async def test_discarding_cuts_the_bytes_out_and_leaves_the_rest(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    kept, gone = shop(GRIDS[1], manager="留下"), shop(GRIDS[1], manager="扔掉")
    await hold(phone, kept, gone)
    first, second = sorted(await held(services), key=lambda one: one.index or 0)
    done = await throw_away(services, second.id)
    assert (done.line.state, done.dry_run, len(done.seal or "")) == ("discarded", False, 32)
    (change,) = (await reveal_held(services, await caller(services, CADRE), span(first.id), "核对")).changes
    assert change.fields is not None
    assert change.fields["manager"] == "留下"
    (cut,) = (await show(services, second.id)).changes
    assert cut.fields is None
    assert await refused(services, second.id) == "quarantine_settled"
    assert (await let_go(services, first.id)).released
    noted = await truth.fetchrow("SELECT actor_id, reason, detail FROM audit WHERE action = 'quarantine.discarded'")
    assert noted is not None
    assert (noted["actor_id"], json.loads(noted["detail"])["seal"]) == (CADRE.id, done.seal)


async def test_a_whole_set_loses_its_key(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    await revoked(phone)
    await phone.push(shop())
    (line,) = await held(services)
    tried = await discard(services, await caller(services, CADRE), span(line.id), "测试", dry_run=True)
    assert tried.dry_run
    assert await truth.fetchval("SELECT count(*) FROM change_set WHERE wrapped IS NOT NULL") == 1
    await throw_away(services, line.id)
    assert await truth.fetchval("SELECT count(*) FROM change_set WHERE wrapped IS NOT NULL OR sealed IS NOT NULL") == 0
    assert await truth.fetchval("SELECT length(hash) FROM change_set") == 32
    assert (await show(services, line.id)).unopened == "quarantine_gone"


# The command -----------------------------------------------------------------------------------------------


async def test_the_command(phone: Phone, environ: dict[str, str]) -> None:
    await hold(phone, shop(GRIDS[1]), shop(GRIDS[1]))
    by = ["--as", CADRE.phone]
    listed = await shell(environ, "quarantine", "list", *by, "--json")
    assert listed.status == 0, listed.err
    first, second = (one["id"] for one in json.loads(listed.out)["held"])
    shown = await shell(environ, "quarantine", "show", first[:13], *by)
    assert shown.status == 0, shown.err
    assert "不在您负责的网格内" in shown.out
    assert NAME not in shown.out
    released = await shell(environ, "quarantine", "release", first, *by, "--reason", "补报", "--json")
    assert (released.status, json.loads(released.out)["released"]) == (0, True), released.err
    asked = await shell(environ, "quarantine", "discard", second, *by, "--reason", "测试")
    assert (asked.status, "--yes" in asked.err) == (2, True)
    gone = await shell(environ, "quarantine", "discard", second, *by, "--reason", "测试", "--yes", "--json")
    assert (gone.status, json.loads(gone.out)["line"]["state"]) == (0, "discarded"), gone.err
    again = await shell(environ, "quarantine", "release", second, *by, "--reason", "补报", "--json")
    assert (again.status, json.loads(again.out)["error"]["code"]) == (1, "quarantine_settled")
    unknown = await shell(environ, "quarantine", "show", str(uuid4()), *by, "--json")
    assert (unknown.status, json.loads(unknown.out)["error"]["code"]) == (1, "not_found")
