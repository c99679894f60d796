"""An approver's phone in the browser."""

import httpx
import pytest
from playwright.async_api import expect

from tazco.local.stand_in.phones import Tick
from tests.console.lived_in import HOSTILE
from tests.console.office import APPROVER, Office, signed_in
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
        await expect(desk.page.locator(".bubble.out .ticks").last).to_have_class("ticks read")
        for button in await question.get_by_role("button").all():
            await expect(button).to_be_disabled()
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


async def test_the_thread_shows_its_end_and_who_opens_it_has_read_it(office: Office) -> None:
    person = await office.world.person(430)
    phone = office.stand_in.phone(APPROVER)
    already = len(phone.thread)
    await person.ask_for_card()
    question = await office.stand_in.next_message(APPROVER, after=phone.thread[-1].number if already else 0)
    async with office.operator(height=700) as desk:
        await desk.go("/console/phone")
        await expect(desk.page.locator(f"#message-{question.number} button").last).to_be_in_viewport()
    found = office.stand_in.phones.find(question.id)
    assert found is not None
    assert found[1].tick is Tick.READ


async def test_what_a_phone_says_is_text_and_another_phone_has_its_own_thread(office: Office) -> None:
    office.stand_in.phone("5521988887777", name=HOSTILE)
    async with office.operator(width=360) as desk:
        await desk.go("/console/phone?phone=5521988887777")
        read = await desk.text()
        assert "+55 21 98888-7777" in read
        assert "No message yet" in read
        await desk.page.get_by_label("Message", exact=True).fill(HOSTILE)
        async with desk.page.expect_navigation():
            await desk.press("Send")
        await expect(desk.page.locator(".bubble")).to_have_count(1)
        await expect(desk.page.locator(".bubble")).to_contain_text("<script>alert(1)</script>")
        await expect(desk.page.get_by_label("Message", exact=True)).to_be_focused()
        assert await desk.overflow() <= 0
        await desk.page.get_by_role("link", name="Desk").click()
        await expect(desk.page.locator(".phone header")).to_contain_text("+55 11 90000-0000")


async def test_an_answer_that_tazco_does_not_take_is_said_and_a_phone_that_is_not_there(office: Office) -> None:
    courier = office.stand_in.behind.courier
    http, courier.http = courier.http, None
    try:
        async with httpx.AsyncClient(base_url=office.url, headers={"origin": office.url}) as client:
            await signed_in(office.world, client)
            office.stand_in.phone(APPROVER)
            assert (await client.get("/console/phone?phone=5500")).status_code == 404
            page = (await client.get("/console/phone")).text
            form = page.partition('name="form" value="')[2].partition('"')[0]
            reply = await client.post("/console/phone/type", data={"form": form, "phone": APPROVER, "text": "y NOTHING1"})
            assert reply.status_code == 503
            assert "Tazco did not take the answer yet" in reply.text
            assert 'value="y NOTHING1"' in reply.text
    finally:
        courier.http = http


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
