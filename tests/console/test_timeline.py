"""The page that explains the product: one story from the call to the reply, and the one that the reply began."""

import html
import re

import httpx
import pytest
from playwright.async_api import expect

from tazco.console.pages.timeline import STORIES_MAX
from tests.console.office import APPROVER, Office, signed_in
from tests.contract.seeds import seed_card
from tests.contract.test_admin_events import seed_dead_letter


async def test_a_request_by_whatsapp_is_told_to_the_end(office: Office) -> None:
    person = await office.world.person(430)
    asked = await person.post("/v1/cards/requests", {"productId": "basic"}, x_request_id="the-call-of-ada")
    request_id = asked.body["request"]["requestId"]
    async with office.operator() as desk:
        await desk.go(f"/console/timeline?kind=request&id={request_id}")
        stories = desk.page.locator("section.story")
        await expect(stories).to_have_count(1)
        await expect(stories).to_contain_text("Delivered to the phone")
        await expect(stories).to_contain_text("The decision")
        before = await stories.inner_text()
        for told in ("HTTP call", "card.requested", "One commit", "#1", "Taken by the bus", "In the queue", "reacted", "Question"):
            assert told in before, told
        office.stand_in.behind.tap(office.stand_in.phone(APPROVER), "approve")
        await expect(stories).to_have_count(2)
        newest = stories.first
        await expect(newest).to_contain_text("WhatsApp message from")
        await expect(newest.locator(".step.notification")).to_contain_text("Reply")
        await expect(newest.locator(".step.deed")).to_contain_text("card_request.approved")
        await expect(newest).to_contain_text("card.approved")
        await expect(stories.last).to_contain_text("The approver answered")
        instants = await newest.locator(".when b").all_inner_texts()
        assert instants
        assert all(re.fullmatch(r"\+\d+(\.\d)? (ms|s|min)", each) for each in instants), instants
        assert "5511900000000" not in await desk.page.content()
        await desk.page.get_by_role("link", name="the question that it answers").click()
        assert desk.page.url.endswith("#story-the-call-of-ada")
        for told in ("the story that it began", "the story that decided"):
            target = await stories.last.get_by_role("link", name=told).get_attribute("href")
            assert target == f"#{await newest.get_attribute('id')}"


@pytest.mark.parametrize("kind", ["correlation", "person", "card"])
async def test_a_purchase_is_found_from_everywhere(office: Office, kind: str) -> None:
    person, card_id = await office.world.cardholder()
    call = f"purchase-{kind}"
    bought = await person.post(
        f"/v1/cards/{card_id}/transactions/purchases", {"amount": 12.5, "merchant": "Kiosk"}, x_request_id=call
    )
    assert bought.status == 201
    asked = {
        "correlation": f"id={call}",
        "person": f"id={person.ecosystem_id}",
        "card": f"id={card_id}",
    }
    async with office.operator() as desk:
        await desk.go(f"/console/timeline?kind={kind}&{asked[kind]}")
        story = desk.page.locator("section.story").filter(has_text="transaction.purchase")
        await expect(story).to_have_count(1)
        await expect(story).to_contain_text("$12.50")
        await expect(story).to_contain_text("Kiosk")
        await expect(story).to_contain_text("Taken by the bus")
        assert await story.get_attribute("id") == f"story-{call}"


async def test_what_is_not_known_is_said_and_how_to_ask(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        for query, status, told in (
            ("", 200, "Choose whose story"),
            ("?kind=person&id=nobody", 404, "no story to tell"),
            ("?kind=card&id=c", 404, "no story to tell"),
            ("?kind=planet&id=x", 400, "must be one of"),
            ("?kind=correlation&id=never-heard", 200, "No story is known"),
            ("?kind=correlation&id=" + "x" * 601, 404, "no story to tell"),
        ):
            reply = await http.get(f"/console/timeline{query}")
            assert (reply.status_code, told in reply.text) == (status, True), query


async def test_older_stories_are_told_when_asked_for_and_links_lead_out_of_the_page(office: Office) -> None:
    person, card_id = await office.world.cardholder()
    for _ in range(STORIES_MAX):
        assert (await person.buy(card_id, 1)).status == 201
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        path = f"/console/timeline?kind=card&id={card_id}&owner={person.ecosystem_id}"
        first = (await http.get(path)).text
        assert first.count('<section class="sheet story') == STORIES_MAX
        assert "card.approved" not in first
        following = html.unescape(re.findall(r'href="([^"]+stories=all)"', first)[0])
        whole = (await http.get(following)).text
        assert whole.count('<section class="sheet story') > STORIES_MAX
        assert "card.approved" in whole


async def test_a_stuck_event_and_its_error_are_told(office: Office) -> None:
    owner = await office.world.person()
    card_id = await seed_card(office.world, owner, lastEventId="stuck-1", sequence=1)
    await seed_dead_letter(
        office.world,
        eventId="stuck-1",
        aggregateId=card_id,
        ecosystemId=owner.ecosystem_id,
        requestId="the-stuck-call",
        lastError="MalformedDetail: <script>alert(1)</script>",
    )
    async with office.operator() as desk:
        await desk.go(f"/console/timeline?kind=card&id={card_id}&owner={owner.ecosystem_id}")
        step = desk.page.locator(".step.bus.failed")
        await expect(step).to_contain_text("Dead letter: not tried any more")
        await expect(step).to_contain_text("MalformedDetail: <script>alert(1)</script>")
        await expect(desk.page.locator(".story")).to_contain_text("failed")
        await step.get_by_role("link", name="redrive").click()
        await expect(desk.page.get_by_role("button", name="Redrive stuck-1")).to_be_visible()


async def test_nobody_s_story_tells_of_what_the_approver_decided_for_somebody_else(office: Office) -> None:
    first, second = [await office.world.person(430) for _ in range(2)]
    asked = [(await each.ask_for_card()).body["request"]["requestId"] for each in (first, second)]
    phone = office.stand_in.phone(APPROVER)
    async with office.operator() as desk:
        for request_id in asked:
            await desk.go(f"/console/requests/{request_id}")
            await expect(desk.page.locator(".messages")).to_contain_text("Question")
            code = (await desk.text("#whatsapp code")).strip()
            office.stand_in.behind.type(phone, f"y {code}")
            await expect(desk.page.locator("#decided")).to_contain_text("by WhatsApp")
        for person, request_id in zip((first, second), asked, strict=True):
            for query in (f"kind=person&id={person.ecosystem_id}", f"kind=request&id={request_id}"):
                await desk.go(f"/console/timeline?{query}")
                await expect(desk.page.locator("section.story .step.message")).to_have_count(1)
