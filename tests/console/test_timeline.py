"""The page that explains the product: one story from the call to the reply, and the one that the reply began."""

import httpx
import pytest
from playwright.async_api import expect

from tests.console.office import APPROVER, Office, signed_in


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
        assert all(each.startswith("+") and each.endswith(" ms") for each in instants)
        assert "5511900000000" not in await desk.page.content()
        await desk.page.get_by_role("link", name="the story that goes with it").first.click()


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
        "card": f"id={card_id}&owner={person.ecosystem_id}",
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
            ("?kind=card&id=c", 400, "Give both"),
            ("?kind=planet&id=x", 400, "must be one of"),
            ("?kind=correlation&id=never-heard", 200, "No story is known"),
            ("?kind=correlation&id=" + "x" * 601, 404, "no story to tell"),
        ):
            reply = await http.get(f"/console/timeline{query}")
            assert (reply.status_code, told in reply.text) == (status, True), query
