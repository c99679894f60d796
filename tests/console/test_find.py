"""One field finds people, requests, cards, payments, events and stories; what it cannot find it says."""

from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import expect

from tazco.cards.store import CARDS
from tests.console.lived_in import HOSTILE
from tests.console.office import Office, signed_in
from tests.contract.seeds import events, seed_user


async def found(office: Office, wanted: str) -> httpx.Response:
    """The answer to a search."""
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        return await http.get("/console/find", params={"q": wanted})


async def test_a_person_by_id_and_by_email(office: Office) -> None:
    person = await office.world.person()
    for wanted in (person.ecosystem_id, person.email, person.email.upper(), f" {person.email} "):
        reply = await found(office, wanted)
        assert (reply.status_code, reply.headers["location"]) == (303, f"/console/people/{person.ecosystem_id}")


async def test_of_several_people_with_one_email_the_list(office: Office) -> None:
    for _ in range(2):
        await seed_user(office.world, email="both@example.com")
    assert (await found(office, "both@example.com")).headers["location"] == "/console/people?q=both%40example.com"


async def test_a_request_by_its_id(office: Office) -> None:
    person = await office.world.person(430)
    request_id = (await person.ask_for_card()).body["request"]["requestId"]
    assert (await found(office, request_id)).headers["location"] == f"/console/requests/{request_id}"


async def test_a_card_by_its_id(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    assert (await found(office, card_id)).headers["location"] == f"/console/cards/{person.ecosystem_id}/{card_id}"
    await office.world.services.database.delete_all(CARDS, [(person.ecosystem_id, card_id)])
    assert (await found(office, card_id)).headers.get("location") != f"/console/cards/{person.ecosystem_id}/{card_id}"


async def test_a_payment_that_approvers_were_told_of(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    await person.buy(card_id, 20)
    payment = (await person.pay(card_id, 20)).body["transaction"]["transactionId"]
    async with office.operator() as desk:
        await desk.go(f"/console/notifications?type=transaction&id={payment}")
        await expect(desk.page.locator("tbody tr")).to_have_count(1)
    assert (await found(office, payment)).headers["location"] == f"/console/cards/{person.ecosystem_id}/{card_id}"


async def test_an_event_and_a_correlation_id_lead_to_their_story(office: Office) -> None:
    person = await office.world.person(500)
    event = (await events(office.world, person.ecosystem_id))[-1]
    place = f"/console/timeline?kind=correlation&id={event['requestId']}"
    assert (await found(office, event["eventId"])).headers["location"] == place
    assert (await found(office, event["requestId"])).headers["location"] == place


@pytest.mark.parametrize("wanted", ["nothing-of-the-kind", HOSTILE, "#%/..?&", "x" * 513, "ação", "\x00"])
async def test_what_is_not_there_is_named_with_what_was_looked_for(office: Office, wanted: str) -> None:
    reply = await found(office, wanted)
    assert reply.status_code == 404, reply.text
    assert "Nothing found" in reply.text
    assert "a card request, by its id" in reply.text
    assert "<script>alert" not in reply.text


async def test_without_a_question_the_page_says_what_is_found(office: Office) -> None:
    reply = await found(office, " ")
    assert reply.status_code == 200
    assert "What is found" in reply.text


async def test_the_bar_finds_from_the_keyboard(office: Office) -> None:
    person = await office.world.person()
    async with office.operator() as desk:
        desk.expected = ("404",)
        await desk.go("/console/requests")
        await desk.page.keyboard.press("/")
        await desk.page.keyboard.type(person.email)
        await desk.page.keyboard.press("Enter")
        await desk.page.wait_for_url(f"**/console/people/{person.ecosystem_id}")
        await desk.go(f"/console/find?q={quote(HOSTILE + 'W' * 200)}")
        assert await desk.violations() == []
        for width in (1440, 360):
            await desk.page.set_viewport_size({"width": width, "height": 900})
            assert await desk.overflow() <= 0
