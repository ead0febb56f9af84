"""A supervisor's work in a browser with scripts switched off: deciding, many at once, taking back, both languages."""

from __future__ import annotations

import asyncpg
from playwright.async_api import expect

from tests.browser.conftest import OFFICE, Console, Scene
from tests.builders import CHIEF, DISPATCHER, FIREMAN
from tests.integration.office import case_of, review_of


async def test_one_is_approved_and_the_next_one_follows(
    console: Console, scene: Scene, truth: asyncpg.Connection
) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    await page.get_by_role("link", name="待您审核").click()
    await page.locator(f"a[href='/console/items/{scene.hazards[0]}']").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("消防隐患")
    await page.get_by_role("button", name="通过，看下一件").click()
    await expect(page.get_by_role("status")).to_contain_text("已通过「消防隐患")
    assert "/console/items/" in page.url
    assert str(scene.hazards[0]) not in page.url
    assert (await review_of(truth, scene.hazards[0]))["state"] == "approved"
    await page.get_by_role("button", name="撤销").click()
    await expect(page.get_by_role("status")).to_contain_text("已撤销")
    assert (await review_of(truth, scene.hazards[0]))["state"] == "pending"


async def test_one_is_returned_with_a_reason_and_notes(
    console: Console, scene: Scene, truth: asyncpg.Connection
) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    await console.go(page, f"/console/items/{scene.hazards[1]}")
    await page.get_by_text("退回并说明原因").click()
    await page.get_by_label("退回原因").select_option("incomplete")
    await page.get_by_label("说明（填报人可见）").fill("请写明楼栋")
    await page.get_by_text("逐栏批注").click()
    await page.get_by_label("隐患描述").fill("哪一层?")
    await page.get_by_role("button", name="退回", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("已退回「消防隐患")
    review = await review_of(truth, scene.hazards[1])
    assert (review["state"], review["reason"]) == ("returned", "incomplete")
    await console.go(page, f"/console/items/{scene.hazards[1]}")
    await expect(page.locator(".history")).to_contain_text("请写明楼栋")
    await expect(page.locator(".history")).to_contain_text("隐患描述：哪一层?")


async def test_many_are_approved_at_once_and_taken_back(
    console: Console, scene: Scene, truth: asyncpg.Connection
) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    await console.go(page, "/console/reviews")
    for hazard in scene.hazards:
        await page.locator("tr", has=page.locator(f"a[href='/console/items/{hazard}']")).get_by_role("checkbox").check()
    await page.get_by_role("button", name="通过所选").click()
    await expect(page.get_by_role("status")).to_contain_text("已通过 3 件")
    assert [(await review_of(truth, one))["state"] for one in scene.hazards] == ["approved"] * 3
    await page.get_by_role("button", name="撤销以上 3 件的通过").click()
    await expect(page.get_by_role("status")).to_contain_text("已撤销 3 件")
    assert [(await review_of(truth, one))["state"] for one in scene.hazards] == ["pending"] * 3


async def test_a_whole_page_is_ticked_by_one_link(console: Console, scene: Scene) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    await console.go(page, "/console/reviews")
    await page.get_by_role("link", name="全选本页").click()
    boxes = page.get_by_role("checkbox")
    assert [await box.is_checked() for box in await boxes.all()] == [True] * await boxes.count()
    assert await boxes.count() >= 4  # what waits for photos has none
    await page.get_by_role("link", name="取消全选").click()
    assert not any([await box.is_checked() for box in await page.get_by_role("checkbox").all()])


async def test_the_language_is_switched_on_the_spot(console: Console, scene: Scene) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    await console.go(page, f"/console/items/{scene.hazards[0]}")
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Fire hazards")
    assert await page.locator("html").get_attribute("lang") == "en"
    await page.get_by_role("link", name="To review").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("To review")
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("待审核")


async def test_masked_values_are_revealed_once_for_a_reason(console: Console, scene: Scene) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    await console.go(page, f"/console/items/{scene.resident}")
    await expect(page.locator("dl.form")).to_contain_text("138****2345")
    await expect(page.locator("body")).not_to_contain_text("欧阳明月")
    await page.get_by_text("显示被遮盖的内容").click()
    await page.get_by_label("查看原因（记入审计）").fill("核对户籍")
    await page.get_by_role("button", name="显示", exact=True).click()
    await expect(page.locator("dl.form")).to_contain_text("欧阳明月")
    await page.get_by_role("link", name="重新遮盖").click()
    await expect(page.locator("body")).not_to_contain_text("欧阳明月")


async def test_a_photo_is_shown_from_the_store(console: Console, scene: Scene) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    async with page.expect_response(lambda answer: answer.url.startswith(console.store)) as loaded:
        await console.go(page, f"/console/items/{scene.hazards[0]}")
    answer = await loaded.value
    assert answer.status == 200
    assert await page.get_by_alt_text("消防隐患，上报照片第 1 张").count() == 1


async def test_a_case_is_dispatched_signed_for_and_handled(
    console: Console, scene: Scene, truth: asyncpg.Connection
) -> None:
    assert scene.emergency is not None
    desk = await console.open()
    await console.sign_in(desk, DISPATCHER)
    await desk.get_by_role("link", name="待您办理的案件").click()
    await desk.locator(f"a[href='/console/items/{scene.emergency}']").click()
    await desk.get_by_role("button", name="立案", exact=True).click()
    await desk.locator("summary", has_text="派遣").click()
    await desk.get_by_label("单位").first.select_option(OFFICE)
    await desk.get_by_role("button", name="派遣", exact=True).click()
    await expect(desk.get_by_role("status")).to_contain_text("「派遣」已完成")
    fire = await console.open()
    await console.sign_in(fire, FIREMAN)
    await console.go(fire, "/console/cases")
    await fire.locator(f"a[href='/console/items/{scene.emergency}']").click()
    await fire.get_by_role("button", name="签收").click()
    await fire.locator("summary", has_text="处置完毕").click()
    await fire.get_by_label("说明").first.fill("明火已扑灭")
    await fire.get_by_role("button", name="处置完毕").click()
    await expect(fire.locator(".history")).to_contain_text("明火已扑灭")
    assert (await case_of(truth, scene.emergency))["state"] == "handled"
