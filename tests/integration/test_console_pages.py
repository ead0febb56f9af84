"""The console's pages with real submissions and cases behind them: what is shown, what is hidden, what forms do."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from server.services import Services
from tests import builders
from tests.builders import (
    CADRE,
    CENTRE,
    CHIEF,
    COUNTY,
    DISPATCHER,
    FIREMAN,
    GRIDS,
    SECOND_CHIEF,
    STREET_CADRE,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    Phone,
    organisation,
    photo,
)
from tests.integration.console_scene import AtConsole, at_console
from tests.integration.office import case_of, case_path, review_of, review_path

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7*7 }}"
MARK = "onegrid-never-unescaped"

pytestmark = pytest.mark.usefixtures("city")


@pytest.fixture
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def phone(services: Services) -> Phone:
    return await builders.enrol(services, WORKER)


@pytest.fixture
async def chief(services: Services, app_client: httpx.AsyncClient) -> AtConsole:
    return await at_console(services, app_client, CHIEF)


async def a_hazard(services: Services, phone: Phone, number: int = 1, **fields: object) -> UUID:
    """A fire hazard with a verified photo, ready to be approved."""
    item_id = await phone.report("0401", urgency="normal", photos=[photo(number)], **fields)
    await builders.deliver(services, phone.person, number)
    return item_id


# The queue -------------------------------------------------------------------------------------------------


async def test_the_queue_shows_what_this_person_may_decide(services: Services, phone: Phone, chief: AtConsole) -> None:
    item_id = await a_hazard(services, phone)
    elsewhere = await (await builders.enrol(services, WEST_WORKER)).report("0401", grid=GRIDS[2])
    page = await chief.get("/console/reviews")
    assert f"/console/items/{item_id}" in page.links
    assert f"/console/items/{elsewhere}" not in page.links
    for words in ("共 1 件", "消防隐患", "占用堵塞消防通道", GRIDS[0], "grid_worker 01", "一般", "1 张已核验"):
        assert words in page.text


async def test_the_most_urgent_stands_first_with_its_deadline(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    first = await a_hazard(services, phone)
    critical = await phone.report("0801", urgency="critical")
    await truth.execute("UPDATE cases SET accept_by = now() - interval '3 hours' WHERE item_id = $1", critical)
    page = await chief.get("/console/reviews")
    shown = [link for link in page.links if link.startswith("/console/items/")]
    assert shown == [f"/console/items/{critical}", f"/console/items/{first}"]
    assert "特急" in page.text
    assert "超期 3 小时" in page.text


async def test_the_queue_is_filtered_by_type(services: Services, phone: Phone, chief: AtConsole) -> None:
    hazard = await a_hazard(services, phone)
    broken = await phone.report("0604")
    page = await chief.get("/console/reviews?type=0604")
    assert f"/console/items/{broken}" in page.links
    assert f"/console/items/{hazard}" not in page.links
    assert "没有符合筛选条件的提交" in (await chief.get("/console/reviews?type=0802")).text
    assert "共 2 件" in (await chief.get("/console/reviews?type=nonsense&division=x")).text


async def test_the_queue_goes_on_over_pages(services: Services, phone: Phone, chief: AtConsole) -> None:
    made = {await phone.report("0604") for _ in range(27)}
    first = await chief.get("/console/reviews")
    assert "共 27 件" in first.text
    (onward,) = (link for link in first.links if "cursor=" in link and "select=" not in link)
    second = await chief.get(onward)
    shown = {link for page in (first, second) for link in page.links if link.startswith("/console/items/")}
    assert shown == {f"/console/items/{one}" for one in made}
    await chief.get("/console/reviews?cursor=nonsense", 400)


async def test_an_empty_queue_says_so_kindly(chief: AtConsole) -> None:
    assert "都审完了" in (await chief.get("/console/reviews")).text


async def test_approving_many_tells_of_each_and_can_be_undone(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    one, two = await a_hazard(services, phone, 1), await a_hazard(services, phone, 2)
    page = await chief.get("/console/reviews")
    ticked = [value for name, value in page.form("/console/reviews", "approve").fields if name == "revision"]
    await phone.correct(two, description="箱子更多了")
    results = await chief.send(page.form("/console/reviews", "approve"), do="approve", revision=ticked)
    assert "已通过 1 件" in results.text
    assert "未通过 1 件" in results.text
    assert (await review_of(truth, one))["state"] == "approved"
    assert (await review_of(truth, two))["state"] == "pending"
    undone = await chief.send(results.form("/console/reviews", "undo"), do="undo")
    assert "已撤销 1 件" in undone.text
    assert (await review_of(truth, one))["state"] == "pending"
    assert [action for action, _ in await review_path(truth, one)] == ["submitted", "approved", "undone"]


async def test_what_waits_for_photos_has_no_box_to_tick(services: Services, phone: Phone, chief: AtConsole) -> None:
    await phone.report("0603", photos=[photo(1)])
    page = await chief.get("/console/reviews")
    assert "0/1 已核验" in page.text
    assert not [name for name, _ in page.form("/console/reviews", "approve").fields if name == "revision"]


async def test_nothing_ticked_is_told(phone: Phone, chief: AtConsole) -> None:
    await phone.report("0604")
    form = (await chief.get("/console/reviews")).form("/console/reviews", "approve")
    page = await chief.send(form, do="approve", revision=[])
    assert "没有选择任何提交" in page.text
    assert "没有选择任何提交" not in (await chief.get("/console/reviews")).text


async def test_all_of_a_page_can_be_ticked_without_a_script(phone: Phone, chief: AtConsole) -> None:
    await phone.report("0604")
    page = await chief.get("/console/reviews?select=all")
    assert "checked" in page.answer.text


# An item's page --------------------------------------------------------------------------------------------


async def test_an_item_is_shown_in_words(services: Services, phone: Phone, chief: AtConsole) -> None:
    item_id = await a_hazard(services, phone, at_risk=12, description="楼道堆满纸箱")
    page = await chief.get(f"/console/items/{item_id}")
    for words in ("隐患类别", "占用堵塞消防通道", "楼道堆满纸箱", "东经 117.90500°", "12", "现场已整改 否", "未填写"):
        assert words in page.text, words
    english = await chief.get(f"/console/items/{item_id}?lang=en")
    for words in ("Fire lane blocked", "117.90500° E", "Fixed on the spot No", "Not filled in", "Synthetic outline"):
        assert words in english.text, words


async def test_its_place_is_drawn_in_the_outline(services: Services, phone: Phone, chief: AtConsole) -> None:
    item_id = await a_hazard(services, phone)
    page = await chief.get(f"/console/items/{item_id}")
    assert "svg" in page.tags
    assert "合成轮廓" in page.text
    assert '<circle class="point" cx="180.0" cy="135.0"' in page.answer.text  # the middle of the grid


async def test_photos_are_shown_by_short_lived_addresses_and_each_reading_is_noted(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services, phone)
    page = await chief.get(f"/console/items/{item_id}")
    (source,) = (one for one in page.sources if not one.startswith("/console/"))
    assert source.startswith(services.settings.phones_s3_endpoint)
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(source)).headers["content-type"] == "image/jpeg"
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'evidence.read'") == 1
    (full,) = (link for link in page.links if "/photos/" in link)
    answer = await chief.client.get(full)
    assert answer.status_code == 303
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(answer.headers["location"])).content == builders.picture(1)


async def test_identity_telephone_and_names_are_masked_until_somebody_says_why(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    home = await phone.report("0102")
    person = {"name": "欧阳明月", "national_id": "11010519491231002X", "phone": "13855012345", "dwelling": str(home)}
    item_id = await phone.report("0101", **person)
    page = await chief.get(f"/console/items/{item_id}")
    for secret in ("欧阳明月", "11010519491231002X", "13855012345"):
        assert secret not in page.answer.text
    assert "138****2345" in page.text
    assert "欧*" in page.text
    reveal = page.form(f"/console/items/{item_id}", "reveal")
    told = await chief.send(reveal, 400, do="reveal", reason="  ")
    assert "欧阳明月" not in told.answer.text
    shown = await chief.send(reveal, do="reveal", reason="核对身份证")
    for secret in ("欧阳明月", "11010519491231002X", "13855012345"):
        assert secret in shown.text
    assert "欧阳明月" not in (await chief.get(f"/console/items/{item_id}")).answer.text
    row = await truth.fetchrow("SELECT * FROM audit WHERE action = 'item.reveal'")
    assert row is not None
    assert (row["actor_id"], row["subject_id"], row["reason"]) == (CHIEF.id, str(item_id), "核对身份证")
    assert "national_id" in row["detail"]


async def test_old_values_in_the_history_are_masked_too(phone: Phone, chief: AtConsole) -> None:
    home = await phone.report("0102")
    item_id = await phone.report("0101", phone="13855012345", dwelling=str(home))
    await phone.correct(item_id, phone="13955019999")
    page = await chief.get(f"/console/items/{item_id}")
    assert "138****2345" in page.text
    assert "139****9999" in page.text
    assert "13855012345" not in page.answer.text
    assert "13955019999" not in page.answer.text


async def test_sensitive_photos_are_reached_only_by_saying_why(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    item_id = await phone.report("0501", photos=[photo(5)])
    await builders.deliver(services, WORKER, 5)
    address, name = f"/console/items/{item_id}", f"{photo(5)['sha256']}-{photo(5)['size']}"
    page = await chief.get(address)
    assert not [one for one in page.sources if not one.startswith("/console/")]
    await chief.get(f"{address}/photos/{name}", 404)
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'evidence.read'") == 0
    shown = await chief.send(page.form(address, "reveal"), do="reveal", reason="核对伤情")
    assert len([one for one in shown.sources if not one.startswith("/console/")]) == 1


async def test_a_reference_leads_only_to_what_the_reader_may_see(
    services: Services, phone: Phone, app_client: httpx.AsyncClient
) -> None:
    home = await phone.report("0102")
    item_id = await phone.report("0801", urgency="critical")
    hazard = await phone.report("0401", urgency="urgent", place=str(home))
    chief = await at_console(services, app_client, CHIEF)
    page = await chief.get(f"/console/items/{hazard}")
    assert f"/console/items/{home}" in page.links
    assert "实有房屋与出租房信息" in page.text
    desk = await at_console(services, app_client, DISPATCHER)
    page = await desk.send((await desk.get(f"/console/items/{hazard}")).case_form("accept"))
    await desk.send(page.case_form("dispatch"), organisation=str(organisation("xiaofang", COUNTY).id))
    fireman = await at_console(services, app_client, FIREMAN)
    page = await fireman.get(f"/console/items/{hazard}")
    assert "已关联（您无权查看）" in page.text
    assert f"/console/items/{home}" not in page.links
    await fireman.get(f"/console/items/{home}", 404)
    await fireman.get(f"/console/items/{item_id}", 404)


async def test_hostile_text_stays_text_everywhere(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    await truth.execute("UPDATE users SET name = $1 WHERE id = $2", HOSTILE, WORKER.id)
    item_id = await a_hazard(services, phone, description=HOSTILE)
    await phone.correct(item_id, description=HOSTILE * 2)
    form = (await chief.get(f"/console/items/{item_id}")).form(f"/console/items/{item_id}", "return")
    refused = await chief.send(form, 400, do="return", reason="other", note="")
    given = {"note": HOSTILE, "note.description": HOSTILE}
    kept = await chief.send(form, 400, do="return", reason="nonsense_reason", **given)
    await chief.send(form, do="return", reason="incomplete", **given)
    pages = [refused, kept]
    pages += [await chief.get(path) for path in ("/console/reviews", f"/console/items/{item_id}", "/console/cases")]
    pages.append(await chief.get(f"/console/reviews?type={HOSTILE}"))
    pages.append(await chief.get(f"/console/%3Cscript%3E{MARK}", 404))
    for page in pages:
        assert "script" not in page.tags
        assert all(not source or "onerror" not in source for source in page.sources)
        assert "<script" not in page.answer.text
        assert "onerror=alert(2)>" not in page.answer.text
    assert HOSTILE in (await chief.get(f"/console/items/{item_id}")).text


async def test_an_item_that_is_not_his_to_read_does_not_exist(
    services: Services, phone: Phone, app_client: httpx.AsyncClient
) -> None:
    item_id = await a_hazard(services, phone)
    west = await at_console(services, app_client, WEST_CHIEF)
    for path in (f"/console/items/{item_id}", f"/console/items/{uuid4()}", "/console/items/nonsense"):
        page = await west.get(path, 404)
        assert "找不到" in page.text
        assert "消防隐患" not in page.text
    name = f"{photo(1)['sha256']}-{photo(1)['size']}"
    await west.get(f"/console/items/{item_id}/photos/{name}", 404)
    own = await west.get("/console/reviews")
    csrf = own.form("/console/sign-out").first("csrf")
    for deed in ({"do": "approve", "revision": f"{item_id} 1 {'0' * 16} 0401"}, {"do": "reveal", "reason": "x"}):
        answer = await app_client.post(f"/console/items/{item_id}", data={"csrf": csrf, **deed})
        assert answer.status_code == 404


async def test_a_form_speaks_of_the_item_whose_page_it_is(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    one, two = await a_hazard(services, phone, 1), await a_hazard(services, phone, 2)
    form = (await chief.get(f"/console/items/{one}")).form(f"/console/items/{one}", "approve")
    await chief.send(form._replace(action=f"/console/items/{two}"), 400, do="approve")
    assert (await review_of(truth, one))["state"] == "pending"
    assert (await review_of(truth, two))["state"] == "pending"


# Deciding --------------------------------------------------------------------------------------------------


async def test_approving_one_goes_back_to_the_list_with_an_undo(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services, phone)
    form = (await chief.get(f"/console/items/{item_id}")).form(f"/console/items/{item_id}", "approve")
    page = await chief.send(form, do="approve")
    assert page.answer.url.path == "/console/reviews"
    assert "已通过「消防隐患" in page.text
    assert (await review_of(truth, item_id))["state"] == "approved"
    back = await chief.send(page.form("/console/reviews/undo"))
    assert back.answer.url.path == f"/console/items/{item_id}"
    assert (await review_of(truth, item_id))["state"] == "pending"


async def test_after_approving_the_next_one_can_follow_at_once(
    services: Services, phone: Phone, chief: AtConsole
) -> None:
    one, two = await a_hazard(services, phone, 1), await a_hazard(services, phone, 2)
    form = (await chief.get(f"/console/items/{one}")).form(f"/console/items/{one}", "approve_next")
    page = await chief.send(form, do="approve_next")
    assert page.answer.url.path == f"/console/items/{two}"
    assert "已通过「消防隐患" in page.text
    page = await chief.send(page.form(f"/console/items/{two}", "approve_next"), do="approve_next")
    assert page.answer.url.path == "/console/reviews"


async def test_returning_carries_reason_note_and_notes_to_the_author(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services, phone)
    form = (await chief.get(f"/console/items/{item_id}")).form(f"/console/items/{item_id}", "return")
    page = await chief.send(form, do="return", reason="incomplete", note="请补充", **{"note.description": "写明楼栋"})
    assert "已退回「消防隐患" in page.text
    assert (await review_of(truth, item_id))["reason"] == "incomplete"
    shown = await chief.get(f"/console/items/{item_id}")
    for words in ("退回修改", "内容不完整", "请补充", "隐患描述：写明楼栋"):
        assert words in shown.text
    todo = await truth.fetchrow("SELECT user_id, open FROM notice WHERE item_id = $1", item_id)
    assert todo is not None
    assert tuple(todo) == (WORKER.id, True)


async def test_what_was_written_survives_a_refused_return(services: Services, phone: Phone, chief: AtConsole) -> None:
    item_id = await a_hazard(services, phone)
    form = (await chief.get(f"/console/items/{item_id}")).form(f"/console/items/{item_id}", "return")
    page = await chief.send(form, 400, do="return", reason="", note="已写好的话", **{"note.description": "看不清"})
    assert "请选择原因" in page.text
    assert "已写好的话" in page.text
    kept = page.form(f"/console/items/{item_id}", "return")
    assert kept.first("note.description") == "看不清"


async def test_reasons_are_those_of_the_kind(services: Services, phone: Phone, chief: AtConsole) -> None:
    event = await chief.get(f"/console/items/{await a_hazard(services, phone)}")
    assert 'value="wrong_urgency"' in event.answer.text
    assert 'value="identity_mismatch"' not in event.answer.text


async def test_a_decision_about_an_old_revision_is_refused_clearly(
    services: Services, phone: Phone, chief: AtConsole, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services, phone)
    form = (await chief.get(f"/console/items/{item_id}")).form(f"/console/items/{item_id}", "approve")
    await phone.correct(item_id, description="又变了")
    page = await chief.send(form, do="approve")
    assert page.answer.url.path == f"/console/items/{item_id}"
    assert "状态已变" in page.text
    assert "又变了" in page.text
    assert (await review_of(truth, item_id))["state"] == "pending"


async def test_waiting_photos_are_named_as_what_holds_up_the_approval(phone: Phone, chief: AtConsole) -> None:
    item_id = await phone.report("0603", photos=[photo(1)])
    page = await chief.get(f"/console/items/{item_id}")
    assert "照片尚未核验" in page.text
    assert "approve" not in [value for form in page.forms for _, value in form.buttons]
    assert "return" in [value for form in page.forms for _, value in form.buttons]


async def test_nobody_is_offered_his_own_work(services: Services, app_client: httpx.AsyncClient) -> None:
    item_id = await a_hazard(services, await builders.enrol(services, CHIEF))
    for person in (CHIEF, SECOND_CHIEF):
        page = await (await at_console(services, app_client, person)).get(f"/console/items/{item_id}")
        assert "approve" not in [value for form in page.forms for _, value in form.buttons]


# Cases -----------------------------------------------------------------------------------------------------


async def test_a_case_goes_its_way_over_the_desks(
    services: Services, phone: Phone, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services, phone)
    address = f"/console/items/{item_id}"
    desk = await at_console(services, app_client, DISPATCHER)
    page = await desk.get(address)
    assert "现在还不能办理" in page.text  # a normal case waits for its review
    chief = await at_console(services, app_client, CHIEF)
    await chief.send((await chief.get(address)).form(address, "approve"), do="approve")
    desk = await at_console(services, app_client, DISPATCHER)
    page = await desk.get("/console/cases")
    assert address in page.links
    page = await desk.send((await desk.get(address)).case_form("accept"))
    office = str(organisation("xiaofang", COUNTY).id)
    assert f'value="{office}" selected' in page.answer.text  # the nearest of the case's own department
    page = await desk.send(page.case_form("dispatch"), organisation=office)
    assert "「派遣」已完成" in page.text
    fireman = await at_console(services, app_client, FIREMAN)
    page = await fireman.get("/console/cases")
    assert address in page.links
    page = await fireman.send((await fireman.get(address)).case_form("sign"))
    page = await fireman.send(page.case_form("handle"), note="已清理")
    assert "已处置" in page.text
    assert [step for step, _, _ in await case_path(truth, item_id)] == [
        *("report", "accept", "dispatch", "sign", "handle"),
    ]


async def test_an_action_too_late_is_told(
    services: Services, phone: Phone, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item_id = await phone.report("0801", urgency="critical")
    desk = await at_console(services, app_client, DISPATCHER)
    form = (await desk.get(f"/console/items/{item_id}")).case_form("accept")
    await desk.send(form)
    page = await desk.send(form)
    assert "状态已变" in page.text
    assert (await case_of(truth, item_id))["state"] == "accepted"


async def test_an_extension_is_asked_for_in_beijing_time_and_granted_by_who_may_not_read_the_form(
    services: Services, phone: Phone, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item_id = await phone.report("0801", urgency="critical", description="SECRET-DESCRIPTION")
    address = f"/console/items/{item_id}"
    desk = await at_console(services, app_client, DISPATCHER)
    page = await desk.send((await desk.get(address)).case_form("accept"))
    await desk.send(page.case_form("dispatch"), organisation=str(organisation("xiaofang", COUNTY).id))
    fireman = await at_console(services, app_client, FIREMAN)
    form = (await fireman.get(address)).case_form("extend")
    missing = await fireman.send(form, 400, reason="ex_weather", until="nonsense")
    assert "没有完成" in missing.text
    page = await fireman.send(form, reason="ex_weather", until="2031-05-01T09:30")
    assert "待批申请：延期" in page.text
    street = await at_console(services, app_client, STREET_CADRE)
    page = await street.get(address)
    await street.send(page.case_form("approve"))
    row = await case_of(truth, item_id)
    assert row["handle_by"].isoformat() == "2031-05-01T01:30:00+00:00"


async def test_who_may_decide_about_a_case_but_not_read_it_sees_the_case_alone(
    services: Services, phone: Phone, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item_id = await phone.report("0504", demand="SECRET-DEMAND")
    request = '{"action": "extend", "reason": "ex_weather", "by": null, "at": "2026-01-01T00:00:00Z", "until": null}'
    office = organisation("xinfang", builders.STREET).id
    await truth.execute(
        "UPDATE cases SET state = 'dispatched', asked = $2::jsonb, organisation_id = $3 WHERE item_id = $1",
        item_id, request, office,
    )  # fmt: skip
    centre = await at_console(services, app_client, CENTRE)
    page = await centre.get(f"/console/items/{item_id}")
    assert "无权查看填报内容" in page.text
    assert "SECRET-DEMAND" not in page.answer.text
    assert page.case_form("approve")


async def test_cases_are_listed_by_state_with_numbers(
    services: Services, phone: Phone, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    late, closed = await phone.report("0801", urgency="critical"), await phone.report("0801", urgency="critical")
    await truth.execute("UPDATE cases SET handle_by = now() - interval '1 day' WHERE item_id = $1", late)
    await truth.execute("UPDATE cases SET state = 'closed' WHERE item_id = $1", closed)
    desk = await at_console(services, app_client, DISPATCHER)
    page = await desk.get("/console/cases")
    assert "全部 2" in page.text
    assert "已结案 1" in page.text
    shown = [link for link in page.links if link.startswith("/console/items/")]
    assert shown == [f"/console/items/{late}"]
    closed_page = await desk.get("/console/cases?state=closed")
    assert f"/console/items/{closed}" in closed_page.links
    overdue = await desk.get("/console/cases?state=all&overdue=1")
    assert [link for link in overdue.links if link.startswith("/console/items/")] == shown
    assert "这里没有案件" in (await desk.get("/console/cases?state=void")).text
    home = await desk.get("/console/")
    assert "其中已超期 1 件" in home.text


async def test_the_second_level_is_asked_after_the_first(
    services: Services, phone: Phone, app_client: httpx.AsyncClient
) -> None:
    item_id = await phone.report("0603", photos=[photo(1)])
    await builders.deliver(services, WORKER, 1)
    cadre = await at_console(services, app_client, CADRE)
    assert f"/console/items/{item_id}" not in (await cadre.get("/console/reviews")).links
    chief = await at_console(services, app_client, CHIEF)
    page = await chief.get(f"/console/items/{item_id}")
    await chief.send(page.form(f"/console/items/{item_id}", "approve"), do="approve")
    cadre = await at_console(services, app_client, CADRE)
    page = await cadre.get("/console/reviews")
    assert f"/console/items/{item_id}" in page.links
    assert "第 2 级" in page.text
