"""`onegrid case`: whose cases are listed and shown, taking them a step further, and counting them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import asyncpg
import pytest

from server.cli.case_step_options import Step
from server.services import Services
from server.usecases.case_orders import STEPS
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CENTRE,
    CHIEF,
    COUNTY,
    DISPATCHER,
    EAST,
    FIREMAN,
    GRIDS,
    NEIGHBOUR,
    POLICEMAN,
    STREET,
    WEST,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    Person,
    create,
    enrol,
    organisation,
)
from tests.integration.office import case_of, case_path
from tests.integration.terminal import Ran, Terminal

pytestmark = pytest.mark.long

SECRET = "联系业主王某"
WIDE = re.compile("[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]")


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
def onegrid(environ: dict[str, str]) -> Terminal:
    return Terminal(environ, "case")


async def a_hazard(services: Services, person: Person = WORKER, urgency: str = "urgent") -> UUID:
    """An urgent one is dispatched first and reviewed later."""
    change = create("0401", grid=person.grids[0], urgency=urgency)
    receipt = await (await enrol(services, person)).push(change)
    assert [one.outcome for one in receipt.outcomes] == ["applied"]
    return change.item


async def stepped(onegrid: Terminal, item: UUID, step: str, by: Person, *more: str) -> Any:
    """A step that must be taken; its document."""
    ran = await onegrid("step", str(item), step, "--reason", "测试 a test", *more, "--json", by=by)
    assert ran.status == 0, ran.out
    return ran.document


async def dispatched(services: Services, onegrid: Terminal) -> UUID:
    item = await a_hazard(services)
    await stepped(onegrid, item, "accept", DISPATCHER)
    await stepped(onegrid, item, "dispatch", DISPATCHER, "--organisation", "xiaofang", "--note", SECRET)
    return item


def refused(ran: Ran, code: str) -> dict[str, Any]:
    assert ran.status == 1, ran.out
    error = ran.document["error"]
    assert error["code"] == code, error
    return error


async def listed(onegrid: Terminal, *more: str, by: Person = DISPATCHER) -> list[str]:
    ran = await onegrid("list", *more, "--json", by=by)
    assert ran.status == 0, ran.err
    return [one["item"] for one in ran.document["cases"]]


def width(text: str) -> int:
    """How many columns the widest line takes."""
    return max(len(line) + len(WIDE.findall(line)) for line in text.splitlines())


# Looking ---------------------------------------------------------------------------------------------------


async def test_cases_are_listed_by_urgency_narrowed_and_in_pages(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    normal = [str(await a_hazard(services, urgency="normal")) for _ in range(2)]
    critical = str(await a_hazard(services, urgency="critical"))
    west = str(await a_hazard(services, WEST_WORKER))
    sent = str(await dispatched(services, onegrid))
    assert await listed(onegrid) == [critical, west, sent, *normal]
    assert await listed(onegrid, "--state", "dispatched") == [sent]
    assert await listed(onegrid, "--division", WEST) == [west]
    assert await listed(onegrid, "--type", "0501") == []
    assert await listed(onegrid, "--organisation", "xiaofang") == [sent]
    assert await listed(onegrid, "--organisation", f"xiaofang@{COUNTY}") == [sent]
    assert await listed(onegrid, "--organisation", f"xiaofang@{STREET}") == []
    assert await listed(onegrid, "--mine", by=FIREMAN) == [sent]
    first = (await onegrid("list", "--limit", "3", "--json", by=DISPATCHER)).document
    rest = await listed(onegrid, "--limit", "3", "--after", first["next"])
    assert [one["item"] for one in first["cases"]] + rest == [critical, west, sent, *normal]


async def test_overdue_is_by_now_and_due_before_by_then(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    late, soon, _ = [str(await a_hazard(services)) for _ in range(3)]
    assert await listed(onegrid, "--overdue") == []
    far = "UPDATE cases SET accept_by = '2100-01-01T00:00Z', handle_by = '2100-01-01T00:00Z'"
    await truth.execute(far)
    await truth.execute("UPDATE cases SET accept_by = '2026-03-05T01:30Z' WHERE item_id = $1", UUID(late))
    # Half past five in the evening of Beijing.
    await truth.execute("UPDATE cases SET handle_by = '2099-03-05T09:30Z' WHERE item_id = $1", UUID(soon))
    assert await listed(onegrid, "--overdue") == [late]
    assert await listed(onegrid, "--due-before", "2099-03-05 17:30") == [late]
    assert await listed(onegrid, "--due-before", "2099-03-05 17:31") == [late, soon]
    shown = (await onegrid("list", by=DISPATCHER)).out
    assert "2026-03-05 09:30" in shown
    assert "超期 overdue" in shown
    assert width(shown) <= 80
    both = await onegrid("list", "--overdue", "--due-before", "2099-03-05", by=DISPATCHER)
    assert both.status == 2


async def test_who_has_nothing_to_do_with_it_sees_nothing(services: Services, onegrid: Terminal) -> None:
    item = await dispatched(services, onegrid)
    for stranger in (WEST_CHIEF, POLICEMAN, ADMINISTRATOR, WEST_WORKER):
        assert await listed(onegrid, by=stranger) == []
        refused(await onegrid("show", str(item), "--json", by=stranger), "not_found")
        refused(await onegrid("show", str(item)[:8], "--json", by=stranger), "not_found")
        step = await onegrid("step", str(item), "sign", "--reason", "试", "--json", by=stranger)
        assert str(item) not in step.out + step.err
        refused(step, "not_found")
        counted = (await onegrid("stats", "--json", by=stranger)).document
        assert (counted["lines"], counted["total"]["tally"]["taken_up"]) == ([], 0)
    assert await listed(onegrid, by=FIREMAN) == [str(item)]


async def test_a_case_is_shown_with_its_history_and_who_goes_on(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    item = await dispatched(services, onegrid)
    await truth.execute("UPDATE cases SET respond_by = '2099-12-31T16:00Z' WHERE item_id = $1", item)
    shown = await onegrid("show", str(item), by=FIREMAN)
    assert shown.status == 0, shown.err
    assert "签收 respond: 2100-01-01 00:00" in shown.out
    assert "派遣 dispatch: dispatcher 13 → 已派遣 dispatched" in shown.out
    assert f"xiaofang xiaofang@{COUNTY}" in shown.out
    document = (await onegrid("show", str(item), "--json", by=FIREMAN)).document
    ways = {one["action"]: (one["who"], one["approved_by"], one["yours"]) for one in document["next"]}
    assert ways["sign"] == (["department_handler"], [], True)
    assert ways["extend"] == (["department_handler"], ["county_centre", "street"], True)
    assert ways["dispatch"] == (["dispatcher"], [], False)
    assert "close" not in ways
    assert [(one["action"], one["actor_name"]) for one in document["steps"]][1:] == [
        ("accept", "dispatcher 13"),
        ("dispatch", "dispatcher 13"),
    ]


async def test_notes_are_masked_until_somebody_says_why(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    item = await dispatched(services, onegrid)
    for form in ((), ("--json",)):
        masked = await onegrid("show", str(item), *form, by=FIREMAN)
        assert SECRET not in masked.out + masked.err
        assert "***" in masked.out
    reveals = "SELECT actor_id, subject_id, reason FROM audit WHERE action = 'case.reveal'"
    assert (await onegrid("show", str(item), "--reveal", by=FIREMAN)).status == 2
    assert await truth.fetch(reveals) == []
    shown = await onegrid("show", str(item), "--reveal", "--reason", "核对", by=FIREMAN)
    assert SECRET in shown.out
    assert [tuple(row) for row in await truth.fetch(reveals)] == [(FIREMAN.id, str(item), "核对")]


async def test_a_case_is_named_by_how_its_id_begins(services: Services, onegrid: Terminal) -> None:
    first, second = UUID("0198f3a2-6c1b-7d20-9b1e-3f0c5a7d9e11"), UUID("0198f3a2-6c1b-7d21-9b1e-3f0c5a7d9e11")
    phone = await enrol(services, WORKER)
    for one in (first, second):
        await phone.push(create("0401", item_id=one, urgency="urgent"))
    shown = await onegrid("show", "0198f3a2-6c1b-7d20", "--json", by=DISPATCHER)
    assert shown.document["case"]["item"] == str(first)
    several = refused(await onegrid("show", "0198f3a2-6c1b", "--json", by=DISPATCHER), "parameter_invalid")
    assert "Several cases" in several["en"]
    assert (await onegrid("show", "0198", by=DISPATCHER)).status == 2


# Acting ----------------------------------------------------------------------------------------------------


def test_every_step_of_the_table_may_be_typed() -> None:
    assert get_args(Step) == STEPS


async def test_steps_are_taken_and_the_trail_says_why(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    item = await a_hazard(services)
    shown = await onegrid("step", str(item), "accept", "--reason", "属实", by=DISPATCHER)
    assert "已上报 reported → 已立案 accepted" in shown.out
    assert width(shown.out) <= 80
    sent = await stepped(onegrid, item, "dispatch", DISPATCHER, "--organisation", f"gongan@{COUNTY}")
    assert sent["view"]["case"]["organisation"]["id"] == str(organisation("gongan", COUNTY).id)
    nearest = await stepped(onegrid, item, "dispatch", DISPATCHER, "--organisation", "gongan")
    assert nearest["view"]["case"]["organisation"]["division"] == STREET
    higher = await stepped(onegrid, item, "dispatch", DISPATCHER, "--organisation", "gongan", "--tier", "county")
    assert higher["view"]["case"]["organisation"]["division"] == COUNTY
    back = await stepped(onegrid, item, "dispatch", DISPATCHER, "--organisation", "gongan")
    assert (back["before"], back["asked"], back["dry_run"]) == ("dispatched", False, False)
    asked = await stepped(onegrid, item, "send_back", POLICEMAN, "--code", "sb_wrong_department", "--note", SECRET)
    assert asked["asked"] is True
    granted = await stepped(onegrid, item, "approve", DISPATCHER, "--request", "send_back")
    assert granted["view"]["case"]["state"] == "sent_back"
    rows = await truth.fetch(
        "SELECT action, actor_id, reason, detail ->> 'code' AS code FROM audit WHERE action LIKE 'case.%' ORDER BY id"
    )
    assert [tuple(rows[0]), tuple(rows[-2]), tuple(rows[-1])] == [
        ("case.accept", DISPATCHER.id, "属实", None),
        ("case.send_back", POLICEMAN.id, "测试 a test", "sb_wrong_department"),
        ("case.approve", DISPATCHER.id, "测试 a test", None),
    ]
    assert len(rows) == 7
    assert SECRET not in str(rows)


async def test_more_time_is_asked_for_in_the_citys_time_and_granted_above(
    services: Services, onegrid: Terminal
) -> None:
    item = await dispatched(services, onegrid)
    day = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    wish = ("--code", "ex_materials", "--until", f"{day} 18:00")
    asked = await stepped(onegrid, item, "extend", FIREMAN, *wish)
    assert asked["view"]["case"]["request"]["until"] == f"{day}T10:00:00Z"
    own = await onegrid("step", str(item), "approve", "--reason", "同意", "--json", by=DISPATCHER)
    refused(own, "forbidden")
    granted = await stepped(onegrid, item, "approve", CENTRE)
    assert granted["view"]["case"]["handle_by"] == f"{day}T10:00:00Z"


async def test_a_refused_step_says_which_are_open(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    item = await dispatched(services, onegrid)
    late = await onegrid("step", str(item), "handle", "--reason", "完", "--json", by=FIREMAN)
    error = refused(late, "late_transition")
    assert "您可办理:不予立案 decline、增加协办单位 attach、签收 sign、" in error["zh"]
    assert "open to you: decline, attach, sign, send_back, extend, hold." in error["en"]
    theirs = refused(await onegrid("step", str(item), "sign", "--reason", "试", "--json", by=CADRE), "forbidden")
    assert theirs["en"].endswith("open to you: nothing.")
    uncoded = await onegrid("step", str(item), "hold", "--reason", "缺钱", "--json", by=FIREMAN)
    error = refused(uncoded, "reason_needed")
    assert (error["field"], "oh_funding (No funds yet)" in error["en"]) == ("--code", True)
    nobody = ("dispatch", "--organisation", f"minzu@{COUNTY}", "--reason", "派")
    error = refused(await onegrid("step", str(item), *nobody, "--json", by=DISPATCHER), "organisation_unsuitable")
    assert error["field"] == "organisation"
    stale = ("sign", "--from", "accepted", "--reason", "签")
    refused(await onegrid("step", str(item), *stale, "--json", by=FIREMAN), "late_transition")
    assert (await onegrid("step", str(item), "explode", "--reason", "试", by=FIREMAN)).status == 2
    assert (await onegrid("step", str(item), "sign", by=FIREMAN)).status == 2
    refused(await onegrid("step", str(item), "sign", "--reason", " ", "--json", by=FIREMAN), "reason_needed")
    assert (await case_of(truth, item))["state"] == "dispatched"
    assert len(await case_path(truth, item)) == 3


async def test_a_dry_run_decides_and_writes_nothing(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    item = await dispatched(services, onegrid)
    everything = (
        "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM case_step), (SELECT sum(position) FROM feed)"
    )
    before, case = await truth.fetchrow(everything), await case_of(truth, item)
    tried = await stepped(onegrid, item, "sign", FIREMAN, "--dry-run")
    assert (tried["dry_run"], tried["view"]["case"]["state"]) == (True, "signed")
    worded = await onegrid("step", str(item), "sign", "--reason", "试", "--dry-run", by=FIREMAN)
    assert "将会 would be done" in worded.out
    late = await onegrid("step", str(item), "handle", "--reason", "试", "--dry-run", "--json", by=FIREMAN)
    refused(late, "late_transition")
    assert (await truth.fetchrow(everything), await case_of(truth, item)) == (before, case)


# Counting --------------------------------------------------------------------------------------------------

AN_HOUR = timedelta(hours=1)


async def in_state(truth: asyncpg.Connection, item: UUID, state: str, **columns: Any) -> None:
    """A case as time has made it: the columns given, and the limit an hour ago unless it is given."""
    columns = {"state": state, "handle_by": datetime.now(UTC) - AN_HOUR, "dispatched_at": datetime.now(UTC)} | columns
    names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=2))
    await truth.execute(f"UPDATE cases SET {names} WHERE item_id = $1", item, *columns.values())


async def test_three_rates_are_counted_apart(services: Services, onegrid: Terminal, truth: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    past, limit, ahead = now - 2 * AN_HOUR, now - AN_HOUR, now + AN_HOUR
    cases: list[tuple[str, dict[str, Any]]] = [
        ("closed", {"handled_at": past, "closed_at": now, "handle_by": limit}),
        ("closed", {"handled_at": now, "closed_at": now, "handle_by": limit}),
        ("closed", {"closed_at": now, "handle_by": limit, "dispatched_at": None}),
        ("handled", {"handled_at": now, "handle_by": limit}),
        ("verified", {"handled_at": past, "handle_by": limit}),
        ("signed", {"handle_by": limit}),
        ("signed", {"handle_by": ahead}),
        ("on_hold", {"handle_by": limit}),
        ("reported", {"handle_by": limit, "dispatched_at": None}),
        ("void", {}),
        ("not_accepted", {}),
    ]
    items = [await a_hazard(services) for _ in cases]
    for item, (state, columns) in zip(items, cases, strict=True):
        await in_state(truth, item, state, **columns)
    # What closed by itself was captured two hours ago.
    await truth.execute("UPDATE item SET captured_at = $2 WHERE id = $1", items[2], past)
    told = (await onegrid("stats", "--json", by=DISPATCHER)).document
    assert told["total"]["tally"] == {
        "waiting": 1,
        "taken_up": 8,
        "handled": 5,
        "closed": 3,
        "due": 6,
        "in_time": 2,
        "overdue": 2,
    }
    total = told["total"]
    assert (total["handling_rate"], total["closing_rate"]) == (0.625, 0.375)
    assert total["punctual_rate"] == pytest.approx(2 / 6)
    assert [(one["key"], one["zh"], one["figures"] == total) for one in told["lines"]] == [(EAST, "东社区", True)]
    shown = (await onegrid("stats", by=DISPATCHER)).out
    assert ("62.5%" in shown, "37.5%" in shown, "33.3%" in shown) == (True, True, True)
    assert width(shown) <= 80


async def test_cases_are_counted_by_place_and_organisation(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    await dispatched(services, onegrid)
    await a_hazard(services, NEIGHBOUR)
    late = await a_hazard(services, WEST_WORKER)
    await in_state(truth, late, "accepted", dispatched_at=None)
    wanted = {
        "county": [COUNTY],
        "street": [STREET],
        "community": [WEST, EAST],
        "grid": [GRIDS[2], GRIDS[0], GRIDS[1]],
        "organisation": ["", str(organisation("xiaofang", COUNTY).id)],
    }
    for by, keys in wanted.items():
        lines = (await onegrid("stats", "--by", by, "--json", by=DISPATCHER)).document["lines"]
        assert [one["key"] for one in lines] == keys
        tallies = [one["figures"]["tally"] for one in lines]
        assert [sum(one[name] for one in tallies) for name in ("taken_up", "waiting", "overdue")] == [2, 1, 1]


async def test_cases_are_counted_by_who_reported_in_pages_and_spans(
    services: Services, onegrid: Terminal, truth: asyncpg.Connection
) -> None:
    mine, theirs = await a_hazard(services), await a_hazard(services, NEIGHBOUR)
    await in_state(truth, mine, "accepted", opened_at=datetime(2026, 2, 28, 15, 59, tzinfo=UTC))
    await in_state(truth, theirs, "accepted", opened_at=datetime(2026, 2, 28, 16, 0, tzinfo=UTC))
    first = (await onegrid("stats", "--by", "worker", "--limit", "1", "--json", by=CHIEF)).document
    after = ("--after", first["next"])
    second = (await onegrid("stats", "--by", "worker", "--limit", "1", *after, "--json", by=CHIEF)).document
    named = {one["zh"] for page in (first, second) for one in page["lines"]}
    assert (named, second["next"]) == ({"grid_worker 01", "grid_worker 03"}, None)
    february = (await onegrid("stats", "--by", "grid", "--to", "2026-02-28", "--json", by=CHIEF)).document
    march = (await onegrid("stats", "--by", "grid", "--from", "2026-03-01", "--json", by=CHIEF)).document
    assert [one["key"] for one in february["lines"]] == [GRIDS[0]]
    assert [one["key"] for one in march["lines"]] == [GRIDS[1]]
