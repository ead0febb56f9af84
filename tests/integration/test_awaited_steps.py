"""Steps taken on the spot whose photos and approval come after them: taken by themselves then, or left for a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from json import loads
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec import json, structs

from schemas.wire import Base, Change, ChangeOutcome, ChangeSet, Clock, Transition
from server.cli.case_tables import print_case
from server.cli.conflict_tables import print_detail
from server.db import items
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.bodies import notice_bodies
from server.usecases.case_views import show_case
from server.usecases.conflict_views import show_conflict
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.evidence import let_items_follow
from server.usecases.orders import Order
from server.usecases.photo_checks import check_upload
from server.usecases.push import Arrival, push_set
from server.usecases.settling import Done
from sync.disputes import Choice
from tests import builders
from tests.builders import CADRE, CHIEF, DISPATCHER, FIREMAN, MATE, WORKER, Person, Phone, deliver, enrol, photo, send
from tests.integration.console_scene import at_console
from tests.integration.evidence_scene import until_someone_waits_for_a_lock
from tests.integration.office import Desk, approval, approve, case_of, case_path, desk, seen
from tests.integration.test_conflicts import assert_streams_add_up, refusal

BEFORE, AFTER = 1, 2
OWN, GRID = f"own/{WORKER.id}", f"grid/{builders.grid_id(builders.GRIDS[0])}"
SERVER, INCOMING = Choice("server"), Choice("incoming")


class Site:
    """A fire hazard that its department has handled, and who is there to look at it."""

    def __init__(self, services: Services, truth: asyncpg.Connection, client: httpx.AsyncClient, item: UUID) -> None:
        self.services = services
        self.truth = truth
        self.client = client
        self.item = item

    async def base(self) -> Base:
        """The revision that a phone holds which pulled just now."""
        row = await self.truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", self.item)
        assert row is not None
        return Base(row["version"], f"{row['rev'] % 2**64:016x}")

    async def step(self, action: str = "verify", leaves: str = "handled", *after: int, **more: Any) -> Change:
        """A step of its case, with the photos from after the work, if any."""
        fields = {"photos": [photo(BEFORE), *[photo(number, "close") for number in after]]} if after else {}
        given = {"base": await self.base(), "transition": Transition(action, leaves)} | more
        fields |= given.pop("fields", {})
        return Change("transition", self.item, "0401", builders.capture(), fields=fields, **given)

    async def verified_unseen(self, phone: Phone, *after: int, **more: Any) -> UUID:
        """The step of who verifies it, whose photos are still on his phone; the conflict in which it waits."""
        receipt = await phone.push(await self.step("verify", "handled", *(after or (AFTER,)), **more))
        return parked(receipt.outcomes[0])

    async def conflict(self, conflict: UUID) -> tuple[Any, ...]:
        """State, what was taken, by whom."""
        row = await self.truth.fetchrow("SELECT state, take, resolved_by FROM conflict WHERE id = $1", conflict)
        return tuple(row)

    async def told(self, conflict: UUID) -> tuple[str | None, int]:
        """What the notice on its author's phones says it waits for, and the notice's version."""
        async with self.services.database.read() as connection:
            body = (await notice_bodies(connection, self.services, [conflict]))[conflict]
        return body.reason, body.version

    async def state(self) -> str:
        return (await case_of(self.truth, self.item))["state"]

    async def steps(self) -> list[tuple[Any, ...]]:
        """Every step since it was handled: action, who, what it waited for."""
        rows = await self.truth.fetch(
            "SELECT action, actor_id, detail ->> 'waited_for' AS lacked FROM case_steps WHERE item_id = $1 "
            "AND seq > (SELECT max(seq) FROM case_steps WHERE item_id = $1 AND action = 'handle') ORDER BY seq",
            self.item,
        )
        return [tuple(row) for row in rows]

    async def entries(self, object_id: UUID) -> dict[str, asyncpg.Record]:
        """The feed entries of an object, by stream."""
        rows = await self.truth.fetch(
            "SELECT s.key, f.* FROM feed f JOIN stream s ON s.id = f.stream_id WHERE f.object_id = $1", object_id
        )
        return {row["key"]: row for row in rows}

    async def order(self, conflict: UUID, by: Person = CADRE) -> Order:
        who = await builders.caller(self.services, by, "cli")
        return Order(actor=who, ids=(conflict, conflict), reason="已电话核实", now=datetime.now(UTC))

    async def settle(self, conflict: UUID, choice: Choice) -> Done:
        return await resolve_conflict(self.services, await self.order(conflict), choice)

    async def undo(self, conflict: UUID) -> Done:
        return await undo_resolution(self.services, await self.order(conflict))


@pytest.fixture
async def site(services: Services, truth: asyncpg.Connection, app_client: httpx.AsyncClient) -> AsyncIterator[Site]:
    await builders.build_city(services)
    item = await (await enrol(services, WORKER)).report("0401", urgency="urgent", photos=[photo(BEFORE)])
    await deliver(services, WORKER, BEFORE)
    await approve(services, app_client, truth, CHIEF, item)
    dispatcher = await desk(services, app_client, DISPATCHER)
    await dispatcher.act(item, "accept", "reported")
    await dispatcher.act(item, "dispatch", "accepted", department="xiaofang")
    await _handled(await desk(services, app_client, FIREMAN), item, "dispatched")
    yield Site(services, truth, app_client, item)
    await assert_streams_add_up(truth)


async def _handled(fireman: Desk, item: UUID, leaving: str | None = None) -> None:
    if leaving is not None:
        await fireman.act(item, "sign", leaving)
    await fireman.act(item, "handle", "signed")


@pytest.fixture
async def phone(services: Services, site: Site) -> Phone:
    return await enrol(services, WORKER)


def parked(outcome: ChangeOutcome) -> UUID:
    assert outcome.outcome == "parked", outcome
    assert outcome.conflict is not None
    return outcome.conflict


# Photos ----------------------------------------------------------------------------------------------------


async def test_a_step_is_taken_as_soon_as_its_photos_are_verified(services: Services, site: Site, phone: Phone) -> None:
    conflict = await site.verified_unseen(phone)
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "handled")
    assert (await site.entries(conflict))[OWN]["present"]
    before = (await site.entries(site.item))[GRID]
    await deliver(services, WORKER, AFTER)
    assert await site.conflict(conflict) == ("resolved", "taken", None)
    assert await site.state() == "verified"
    assert await site.steps() == [("verify", WORKER.id, "evidence_not_verified")]
    notice = await site.truth.fetchrow("SELECT open, version FROM notice WHERE id = $1", conflict)
    assert tuple(notice) == (False, 2)
    assert not (await site.entries(conflict))[OWN]["present"]
    now = (await site.entries(site.item))[GRID]
    assert now["position"] > before["position"]
    assert (now["version"], now["touch"]) == (before["version"], before["touch"] + 1)


@pytest.mark.long
async def test_who_took_it_stands_on_the_trail(services: Services, site: Site, phone: Phone) -> None:
    conflict = await site.verified_unseen(phone)
    await deliver(services, WORKER, AFTER)
    (act,) = await site.truth.fetch("SELECT * FROM audit WHERE subject_id = $1", str(conflict))
    assert (act["actor_id"], act["action"], act["subject_kind"]) == (None, "conflict.resolve", "conflict")
    assert "照片" in act["reason"]
    version = await site.truth.fetchval("SELECT version FROM item WHERE id = $1", site.item)
    step = {"action": "verify", "waited_for": "evidence_not_verified", "from": "handled", "to": "verified"}
    assert loads(act["detail"]) == {
        "item": str(site.item), "version": version, "take": "taken", "author": str(WORKER.id), "step": step,
    }  # fmt: skip


@pytest.mark.long
async def test_nothing_is_taken_twice(services: Services, site: Site, phone: Phone) -> None:
    await site.verified_unseen(phone)
    await deliver(services, WORKER, AFTER)
    before = await site.truth.fetch("SELECT * FROM conflict"), await case_path(site.truth, site.item)
    photos = [{"sha256": bytes.fromhex(one["sha256"]), "size": one["size"]} for one in [photo(AFTER, "close")]]
    await services.database.write(lambda tx: let_items_follow(tx, services, photos))
    assert before == (await site.truth.fetch("SELECT * FROM conflict"), await case_path(site.truth, site.item))


@pytest.mark.long
async def test_it_waits_for_the_last_of_its_photos(services: Services, site: Site, phone: Phone) -> None:
    """Those of the report are needed too: here the edit names another one, and the first is gone."""
    conflict = await site.verified_unseen(phone, fields={"photos": [photo(7), photo(AFTER, "close")]})
    await deliver(services, WORKER, AFTER)
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "handled")
    await deliver(services, WORKER, 7)
    assert (await site.conflict(conflict), await site.state()) == (("resolved", "taken", None), "verified")


@pytest.mark.long
async def test_who_has_left_since_was_allowed_to(services: Services, site: Site, phone: Phone) -> None:
    await site.verified_unseen(phone)
    await site.truth.execute("DELETE FROM assignment WHERE user_id = $1", WORKER.id)
    await deliver(services, MATE, AFTER)
    assert (await site.state(), await site.steps()) == ("verified", [("verify", WORKER.id, "evidence_not_verified")])


@pytest.mark.long
async def test_a_note_is_taken_along_and_stays_sealed(services: Services, site: Site, phone: Phone) -> None:
    await site.verified_unseen(phone, transition=Transition("verify", "handled", "王五家已清理"))
    await deliver(services, WORKER, AFTER)
    noted = await site.truth.fetchval("SELECT note FROM case_steps WHERE action = 'verify'")
    assert "王五".encode() not in noted
    view = await show_case(services, await builders.caller(services, DISPATCHER, "cli"), (site.item, site.item))
    assert (view.steps[-1].action, view.masked) == ("verify", True)
    trail = await site.truth.fetch("SELECT detail::text AS told FROM audit")
    assert not any("王五" in row["told"] for row in trail)


async def test_a_step_whose_photos_came_before_it_is_taken_at_once(
    services: Services, site: Site, phone: Phone
) -> None:
    await deliver(services, WORKER, AFTER)
    before = (await site.entries(site.item))[GRID]
    (outcome,) = (await phone.push(await site.step("verify", "handled", AFTER))).outcomes
    now = (await site.entries(site.item))[GRID]
    assert (outcome.outcome, outcome.conflict, outcome.version) == ("applied", None, now["version"])
    assert (await site.state(), await site.steps()) == ("verified", [("verify", WORKER.id, None)])
    assert (now["version"], now["position"] > before["position"]) == (before["version"] + 1, True)
    assert await site.truth.fetchval("SELECT count(*) FROM conflict") == 0
    assert await site.truth.fetchval("SELECT count(*) FROM notice WHERE kind = 'parked'") == 0


@pytest.mark.long
async def test_photos_of_an_earlier_round_do_not_take_it(services: Services, site: Site, phone: Phone) -> None:
    """The case was reopened: what was photographed before that is other work, however often it is named again."""
    await deliver(services, WORKER, AFTER)
    await phone.correct(site.item, photos=[photo(BEFORE), photo(AFTER, "close")])
    await site.truth.execute("UPDATE cases SET reopened_at = clock_timestamp()")
    conflict = await site.verified_unseen(phone)
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "handled")
    await deliver(services, WORKER, 3)
    fields = {"photos": [photo(BEFORE), photo(AFTER, "close"), photo(3, "close")]}
    (outcome,) = (await phone.push(await site.step("verify", "handled", 3, fields=fields))).outcomes
    assert (outcome.outcome, await site.state()) == ("applied", "verified")
    assert await site.conflict(conflict) == ("resolved", "reached", None)


async def test_the_photos_by_which_a_step_was_taken_stay_with_the_case(
    services: Services, site: Site, phone: Phone
) -> None:
    """Also where the same set takes them out of the form again."""
    await deliver(services, WORKER, AFTER)
    step = await site.step("verify", "handled", AFTER)
    removed = Change(
        "update", site.item, "0401", builders.capture(), fields={"photos": [photo(BEFORE)]}, base=step.base
    )
    assert [one.outcome for one in (await phone.push(step, removed)).outcomes] == ["applied", "applied"]
    tied = "SELECT count(*) FROM evidence_link WHERE item_id = $1 AND role = 'close'"
    assert (await site.state(), await site.truth.fetchval(tied, site.item)) == ("verified", 1)


async def test_a_photo_that_is_verified_while_the_step_arrives_is_not_missed(
    services: Services, site: Site, phone: Phone, truth: asyncpg.Connection
) -> None:
    """Its check ties no item to the photo yet, so nobody else will look for the step: the set waits for it."""
    await send(services, WORKER, AFTER)
    step = await site.step("verify", "handled", AFTER)
    checked, release = asyncio.Event(), asyncio.Event()

    async def check(tx: Transaction) -> None:
        await tx.connection.execute("UPDATE evidence SET state = 'verified' WHERE state = 'stored'")
        checked.set()
        await release.wait()

    checking = asyncio.create_task(services.database.write(check))
    await checked.wait()
    arriving = asyncio.create_task(phone.push(step))
    try:
        await until_someone_waits_for_a_lock(truth)
    finally:
        release.set()
    await checking
    (outcome,) = (await arriving).outcomes
    assert (outcome.outcome, outcome.conflict, await site.state()) == ("applied", None, "verified")


async def test_a_photo_that_nobody_knew_and_that_is_verified_meanwhile_is_not_missed(
    services: Services, site: Site, phone: Phone, truth: asyncpg.Connection
) -> None:
    """It was declared and checked after the set had looked for it: the set ties it, and looks for the step again."""
    holding, release = asyncio.Event(), asyncio.Event()

    async def appear(tx: Transaction) -> None:
        one = photo(AFTER, "close")
        await tx.connection.execute(
            "INSERT INTO evidence (sha256, size, state) VALUES ($1, $2, 'verified')",
            bytes.fromhex(one["sha256"]),
            one["size"],
        )
        holding.set()
        await release.wait()

    step = await site.step("verify", "handled", AFTER)
    appearing = asyncio.create_task(services.database.write(appear))
    await holding.wait()
    arriving = asyncio.create_task(phone.push(step))
    try:
        await until_someone_waits_for_a_lock(truth)
    finally:
        release.set()
    await appearing
    conflict = parked((await arriving).outcomes[0])
    assert await site.conflict(conflict) == ("resolved", "taken", None)
    assert await site.state() == "verified"


async def test_a_photo_cannot_be_forgotten_between_the_deciding_and_its_tie(
    services: Services, site: Site, phone: Phone, truth: asyncpg.Connection
) -> None:
    """The only item that held it is erased meanwhile: the step was not taken by a photo that is gone."""
    await deliver(services, WORKER, AFTER)
    step = await site.step("verify", "handled", AFTER)
    forgotten, release = asyncio.Event(), asyncio.Event()

    async def forget(tx: Transaction) -> None:
        await tx.connection.execute("SELECT FROM evidence WHERE state = 'verified' FOR UPDATE")
        await tx.connection.execute(
            "UPDATE evidence SET state = 'declared' WHERE sha256 = $1", bytes.fromhex(photo(AFTER)["sha256"])
        )
        forgotten.set()
        await release.wait()

    erasing = asyncio.create_task(services.database.write(forget))
    await forgotten.wait()
    arriving = asyncio.create_task(phone.push(step))
    try:
        await until_someone_waits_for_a_lock(truth)
    finally:
        release.set()
    await erasing
    conflict = parked((await arriving).outcomes[0])
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "handled")


async def test_a_later_set_may_bring_what_an_earlier_step_lacked(services: Services, site: Site, phone: Phone) -> None:
    conflict = parked((await phone.push(await site.step())).outcomes[0])
    await deliver(services, WORKER, AFTER)
    assert (await site.conflict(conflict))[0] == "open"
    await phone.correct(site.item, photos=[photo(BEFORE), photo(AFTER, "close")])
    assert (await site.conflict(conflict), await site.state()) == (("resolved", "taken", None), "verified")


@pytest.mark.long
async def test_so_may_a_settlement(services: Services, site: Site, phone: Phone) -> None:
    """That the photo is verified is told to the database alone, as if nobody had looked for steps then."""
    conflict, base = await site.verified_unseen(phone), await site.base()
    await (await enrol(services, MATE)).correct(site.item, description="两辆电动车")
    edit = Change("update", site.item, "0401", builders.capture(), base=base, fields={"description": "三辆电动车"})
    other = parked((await phone.push(edit)).outcomes[0])
    await site.truth.execute("UPDATE evidence SET state = 'verified'")
    await site.settle(other, INCOMING)
    assert (await site.conflict(conflict), await site.state()) == (("resolved", "taken", None), "verified")


@pytest.mark.long
async def test_what_was_written_of_a_loser_is_marked_as_such(services: Services, site: Site, phone: Phone) -> None:
    """By that a link is known to be built upon."""
    await site.verified_unseen(phone)
    await site.truth.execute("UPDATE conflict SET linked_from = gen_random_uuid()")
    await deliver(services, WORKER, AFTER)
    told = await site.truth.fetchval("SELECT detail ->> 'linked' FROM case_steps WHERE action = 'verify'")
    assert told == "true"


# The review ------------------------------------------------------------------------------------------------


async def test_verified_and_closed_in_one_visit(services: Services, site: Site) -> None:
    """A chief's after-photos are a revision, which the community reviews: each of his steps waits for one thing."""
    phone = await enrol(services, CHIEF)
    verifying = await site.verified_unseen(phone)
    closing = parked((await phone.push(await site.step("close", "verified"))).outcomes[0])
    assert await site.told(verifying) == ("evidence_not_verified", 1)
    assert await site.told(closing) == ("late_transition", 1)
    await deliver(services, CHIEF, AFTER)
    assert await site.told(closing) == ("review_pending", 2)
    assert (await site.conflict(verifying), await site.state()) == (("resolved", "taken", None), "verified")
    assert await site.conflict(closing) == ("open", None, None)
    await approve(services, site.client, site.truth, CADRE, site.item)
    assert (await site.conflict(closing), await site.state()) == (("resolved", "taken", None), "closed")
    assert await site.steps() == [
        ("verify", CHIEF.id, "evidence_not_verified"),
        ("close", CHIEF.id, "review_pending"),
    ]
    assert await site.truth.fetchval("SELECT count(*) FROM notice WHERE open AND kind = 'parked'") == 0
    own = (await site.entries(closing))[f"own/{CHIEF.id}"]
    assert not own["present"]


async def test_verified_at_once_and_closed_after_the_review(services: Services, site: Site) -> None:
    """The photos came first, and still nobody has approved what the set brings."""
    phone = await enrol(services, CHIEF)
    await deliver(services, CHIEF, AFTER)
    receipt = await phone.push(await site.step("verify", "handled", AFTER), await site.step("close", "verified"))
    closing = parked(receipt.outcomes[1])
    assert (receipt.outcomes[0].outcome, await site.state()) == ("applied", "verified")
    assert await site.conflict(closing) == ("open", None, None)
    await approve(services, site.client, site.truth, CADRE, site.item)
    assert (await site.conflict(closing), await site.state()) == (("resolved", "taken", None), "closed")
    assert await site.steps() == [("verify", CHIEF.id, None), ("close", CHIEF.id, "review_pending")]


@pytest.mark.long
async def test_an_approval_upon_which_a_step_was_taken_is_not_taken_back(services: Services, site: Site) -> None:
    phone = await enrol(services, CHIEF)
    await phone.push(await site.step("verify", "handled", AFTER), await site.step("close", "verified"))
    await deliver(services, CHIEF, AFTER)
    cadre = await desk(services, site.client, CADRE)
    await cadre.decide(await approval(site.truth, site.item))
    assert await site.state() == "closed"
    back = {"items": [await seen(site.truth, site.item)], "reason": "点错了"}
    answer = await cadre.post("/v1/reviews/undo", back)
    assert [one["code"] for one in answer.json()["results"]] == ["undo_too_late"]


@pytest.mark.long
async def test_a_return_takes_no_step(services: Services, site: Site) -> None:
    phone = await enrol(services, CHIEF)
    await phone.push(await site.step("verify", "handled", AFTER), await site.step("close", "verified"))
    await deliver(services, CHIEF, AFTER)
    wish = await approval(site.truth, site.item) | {"decision": "return", "reason": "photo_unclear", "note": "看不清"}
    assert [one["result"] for one in await (await desk(services, site.client, CADRE)).decide(wish)] == ["done"]
    assert await site.state() == "verified"


# What stays for a person -----------------------------------------------------------------------------------


async def test_a_case_that_went_another_way_waits_for_a_person(services: Services, site: Site, phone: Phone) -> None:
    conflict = await site.verified_unseen(phone)
    await (await desk(services, site.client, DISPATCHER)).act(site.item, "redo", "handled", note="没清干净")
    await deliver(services, WORKER, AFTER)
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "signed")


async def test_so_does_one_that_came_back_after_other_work(services: Services, site: Site, phone: Phone) -> None:
    conflict = await site.verified_unseen(phone)
    await (await desk(services, site.client, DISPATCHER)).act(site.item, "redo", "handled", note="没清干净")
    await _handled(await desk(services, site.client, FIREMAN), site.item)
    await deliver(services, WORKER, AFTER)
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "handled")
    assert (await site.settle(conflict, INCOMING)).step == "verified"


async def test_where_somebody_else_verified_it_the_conflict_is_over(
    services: Services, site: Site, phone: Phone
) -> None:
    conflict = await site.verified_unseen(phone)
    await (await desk(services, site.client, CHIEF)).act(site.item, "verify", "handled", waiver="现场看过")
    await deliver(services, WORKER, AFTER)
    assert await site.conflict(conflict) == ("resolved", "reached", None)
    assert await site.steps() == [("verify", CHIEF.id, None)]
    assert not await site.truth.fetchval("SELECT open FROM notice WHERE id = $1", conflict)


@pytest.mark.long
async def test_fields_in_conflict_keep_the_step_for_a_person(services: Services, site: Site, phone: Phone) -> None:
    base = await site.base()
    await (await enrol(services, MATE)).correct(site.item, description="两辆电动车")
    fields = {"photos": [photo(BEFORE), photo(AFTER, "close")], "description": "三辆电动车"}
    conflict = await site.verified_unseen(phone, base=base, fields=fields)
    await deliver(services, WORKER, AFTER)
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "handled")


@pytest.mark.long
async def test_a_set_of_all_or_nothing_stays_whole(services: Services, site: Site, phone: Phone) -> None:
    base = await site.base()
    await (await enrol(services, MATE)).correct(site.item, description="两辆电动车")
    edit = Change("update", site.item, "0401", builders.capture(), base=base, fields={"description": "三辆电动车"})
    phone.no += 1
    change_set = structs.replace(
        json.decode(phone.encode((edit, await site.step()), phone.no), type=ChangeSet), atomic=True
    )
    now = datetime.now(UTC)
    clock = Clock(now, 60_000, "boot")
    receipt = await push_set(
        services, Arrival(phone.device_id, phone.epoch, phone.no, json.encode(change_set), clock, now)
    )
    assert receipt is not None
    conflicts = [parked(one) for one in receipt.outcomes]
    await phone.correct(site.item, photos=[photo(BEFORE), photo(AFTER, "close")])
    await deliver(services, WORKER, AFTER)
    assert [(await site.conflict(one))[0] for one in conflicts] == ["open", "open"]
    assert await site.state() == "handled"


async def test_what_a_person_opened_again_is_left_to_people(services: Services, site: Site, phone: Phone) -> None:
    conflict = await site.verified_unseen(phone)
    await site.settle(conflict, SERVER)
    await site.undo(conflict)
    await deliver(services, WORKER, AFTER)
    assert (await site.conflict(conflict), await site.state()) == (("open", None, None), "handled")


async def test_what_was_taken_by_itself_is_not_taken_back(services: Services, site: Site, phone: Phone) -> None:
    conflict = await site.verified_unseen(phone)
    await deliver(services, WORKER, AFTER)
    problem = await refusal(site.undo(conflict))
    assert problem.code == "undo_too_late"
    assert "重新立案" in problem.zh
    assert "reopen" in problem.en
    assert (await site.conflict(conflict), await site.state()) == (("resolved", "taken", None), "verified")


@pytest.mark.parametrize("first", ["person", "photos"])
async def test_a_person_who_settles_it_meanwhile_and_the_photos_do_not_both_count(
    services: Services, site: Site, phone: Phone, truth: asyncpg.Connection, first: str
) -> None:
    """Who comes second finds it done: both wait for the item here, in this order."""
    conflict = await site.verified_unseen(phone)
    (upload,) = await send(services, WORKER, AFTER)
    holding, release = asyncio.Event(), asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await items.lock_items(tx.connection, [site.item], wholly=True)
        holding.set()
        await release.wait()

    held = asyncio.create_task(services.database.write(hold))
    await holding.wait()
    work = {"person": site.settle(conflict, SERVER), "photos": check_upload(services, upload)}
    running = {}
    for number, name in enumerate(sorted(work, key=lambda name: name != first), start=1):
        running[name] = asyncio.create_task(work[name])
        await until_someone_waits_for_a_lock(truth, number)
    release.set()
    await held
    await running["photos"]
    if first == "person":
        await running["person"]
        assert (await site.conflict(conflict), await site.steps()) == (("resolved", "server", CADRE.id), [])
    else:
        with pytest.raises(Problem) as caught:
            await running["person"]
        assert caught.value.code == "conflict_resolved"
        assert await site.steps() == [("verify", WORKER.id, "evidence_not_verified")]


# What people are told --------------------------------------------------------------------------------------


@pytest.mark.long
async def test_people_are_told_that_nobody_need_settle_it(
    services: Services, site: Site, phone: Phone, app_client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    conflict = await site.verified_unseen(phone)
    who = await builders.caller(services, CADRE, "cli")

    async def told() -> tuple[bool, bool]:
        print_detail(await show_conflict(services, who, (conflict, conflict)), {})
        page = await (await at_console(services, app_client, CADRE)).get(f"/console/conflicts/{conflict}")
        return "无须处理 / taken by itself once" in capsys.readouterr().out, "到位后自动办理，无须处理" in page.text

    assert await told() == (True, True)
    await (await desk(services, site.client, DISPATCHER)).act(site.item, "redo", "handled", note="没清干净")
    assert await told() == (False, False)


@pytest.mark.long
async def test_the_command_line_says_that_it_was_taken_by_itself(
    services: Services, site: Site, phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    conflict = await site.verified_unseen(phone)
    await deliver(services, WORKER, AFTER)
    who = await builders.caller(services, CADRE, "cli")
    print_detail(await show_conflict(services, who, (conflict, conflict)), {})
    told = capsys.readouterr().out
    for words in ("系统 system", "照片或审核到位后自动办理", "taken by itself, its photos or approval being there"):
        assert words in told
    assert "conflict undo" not in told
    print_case(await show_case(services, await builders.caller(services, DISPATCHER, "cli"), (site.item, site.item)))
    told = capsys.readouterr().out
    for words in ("照片核验后自动办理", "taken by itself once its photos were verified"):
        assert told.count(words) == 1


@pytest.mark.long
async def test_so_does_the_console(services: Services, site: Site, phone: Phone, app_client: httpx.AsyncClient) -> None:
    conflict = await site.verified_unseen(phone)
    await deliver(services, WORKER, AFTER)
    cadre = await at_console(services, app_client, CADRE)
    page = await cadre.get(f"/console/conflicts/{conflict}")
    assert "照片或审核到位后自动办理" in page.text
    assert "自行结束" in page.text
    assert not any(("do", "undo") in form.buttons for form in page.forms)
    assert "照片核验后自动办理" in (await cadre.get(f"/console/items/{site.item}")).text
