"""An approver's phone in the browser."""

import httpx
import pytest
from playwright.async_api import expect

from tests.console.office import Office, signed_in
from tests.stage import Stage
from tests.world import open_world


async def test_a_question_arrives_by_itself_and_a_tap_approves(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go("/console/phone")
        person = await office.world.person(430)
        await person.ask_for_card()
        question = desk.page.locator(".bubble.in").filter(has_text=person.email)
        await expect(question).to_be_visible()
        async with desk.page.expect_navigation():
            await question.get_by_role("button", name="Approve").click()
        await expect(desk.page.locator(".bubble.out").last).to_contain_text("Approve")
        await expect(desk.page.locator(".bubble.in").last).to_contain_text("is approved")
    cards = (await person.get("/v1/cards")).body["cards"]
    assert [card["status"] for card in cards] == ["active"]


async def test_a_typed_code_rejects(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go("/console/phone")
        person = await office.world.person(430)
        request_id = (await person.ask_for_card()).body["request"]["requestId"]
        question = desk.page.locator(".bubble.in").filter(has_text=person.email)
        await expect(question).to_be_visible()
        code = (await question.inner_text()).partition("#")[2][:8]
        await desk.page.get_by_label("Message", exact=True).fill(f"n {code}")
        async with desk.page.expect_navigation():
            await desk.press("Send")
        await expect(desk.page.locator(".bubble.in").last).to_contain_text(code)
    assert (await person.get(f"/v1/cards/requests/{request_id}")).body["request"]["status"] == "rejected"


@pytest.mark.parametrize(
    ("path", "fields"),
    [("tap", {"button": "approve", "message": "none"}), ("type", {"text": " "}), ("type", {"text": "x" * 1_001}), ("tap", {})],
)
async def test_what_the_stand_in_refuses_is_said(office: Office, path: str, fields: dict[str, str]) -> None:
    async with office.operator() as desk:
        await (await office.world.person(430)).ask_for_card()
        await desk.go("/console/phone")
        await expect(desk.page.locator(".bubble.in").first).to_be_visible()
        form = await desk.page.locator(".type [name=form]").input_value()
        phone = await desk.page.locator(".type [name=phone]").input_value()
        reply = await desk.context.request.post(
            f"{office.url}/console/phone/{path}", form={"form": form, "phone": phone, **fields}, headers={"origin": office.url}
        )
        assert reply.status == 400
        assert 'role="alert"' in await reply.text()


async def test_without_a_stand_in_there_is_no_phone(stage: Stage) -> None:
    async with open_world(stage) as world:
        await signed_in(world, world.http)
        assert (await world.http.get("/console/phone")).status_code == 404
        assert "/console/phone" not in (await world.http.get("/console/requests")).text


async def test_a_stand_in_that_is_gone_is_said_with_the_cure(stage: Stage) -> None:
    async with open_world(stage, stand_in_url="http://127.0.0.1:9") as world:
        await signed_in(world, world.http)
        reply = await world.http.get("/console/phone")
        assert reply.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "Start `tazco dev` again" in reply.text
