"""Deciding a card request in the browser."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.console.lived_in import HOSTILE
from tests.console.office import APPROVER, Office
from tests.world import Person


async def waiting(office: Office, score: int = 430, product: str = "basic") -> tuple[Person, str]:
    """Somebody who waits for a decision, and the request."""
    person = await office.world.person(score)
    return person, str((await person.ask_for_card(product)).body["request"]["requestId"])


async def test_approve_with_a_limit(office: Office) -> None:
    person, request_id = await waiting(office)
    async with office.operator() as desk:
        await desk.go(f"/console/requests/{request_id}")
        assert "From $100.00 to $500.00: the policy for a low tier." in await desk.text()
        await desk.page.get_by_label("Credit limit").fill("450.50")
        async with desk.page.expect_navigation():
            await desk.press("Approve")
        read = await desk.text()
        assert "Approved: the card is there." in read
        assert (await office.world.operator()).email in await desk.text("#decided")
        assert "by an operator" in await desk.text("#decided")
    cards = (await person.get("/v1/cards")).body["cards"]
    assert [float(card["limit"]) for card in cards] == [450.5]


async def test_a_limit_above_the_policy_is_refused_and_stays_typed(office: Office) -> None:
    person, request_id = await waiting(office)
    async with office.operator() as desk:
        desk.expected = ("400",)
        await desk.go(f"/console/requests/{request_id}")
        await desk.page.get_by_label("Credit limit").fill("500.01")
        await desk.press("Approve")
        await expect(desk.page.get_by_role("alert")).to_contain_text("must be from $100.00 to $500.00")
        await expect(desk.page.get_by_label("Credit limit")).to_have_value("500.01")
        assert desk.page.url.endswith("/approve")
        await desk.page.goto(desk.page.url)
        assert desk.page.url.endswith(f"/console/requests/{request_id}")
    assert (await person.get("/v1/cards")).body["cards"] == []


async def test_reject_with_a_reason(office: Office) -> None:
    person, request_id = await waiting(office)
    async with office.operator() as desk:
        await desk.go(f"/console/requests/{request_id}")
        await desk.page.get_by_label("Reason for a rejection").fill("Income not verified")
        async with desk.page.expect_navigation():
            await desk.press("Reject")
        assert "Rejected. The cool-down has begun." in await desk.text()
        assert "Income not verified" in await desk.text("#decided")
    decision = (await person.get(f"/v1/cards/requests/{request_id}")).body["request"]["decision"]
    assert decision["reason"] == "Income not verified"


async def test_two_tabs_decide_once_and_the_second_learns_who_was_first(office: Office) -> None:
    person, request_id = await waiting(office)
    other = await office.world.stranger(admin=True)
    async with office.operator() as first, office.operator(other) as second:
        second.expected = ("409", "ERR_FAILED")
        await second.page.route("**/console/live/**", lambda route: route.abort())  # its tab learns nothing meanwhile
        for desk in (first, second):
            await desk.go(f"/console/requests/{request_id}")
        await second.page.get_by_label("Reason for a rejection").fill("Too slow")
        await first.page.get_by_label("Credit limit").fill("300")
        async with first.page.expect_navigation():
            await first.press("Approve")
        await second.press("Reject")
        await expect(second.page.locator("#decided")).to_contain_text((await office.world.operator()).email)
        await expect(second.page.get_by_role("button", name="Reject")).to_have_count(0)
    request = (await person.get(f"/v1/cards/requests/{request_id}")).body["request"]
    assert request["decision"]["outcome"] == "approved"


async def test_a_form_that_is_sent_twice_acts_once(office: Office) -> None:
    person, request_id = await waiting(office)
    async with office.operator() as desk:
        await desk.go(f"/console/requests/{request_id}")
        fields = {name: await desk.page.locator(f"form[action$=approve] [name={name}]").input_value() for name in ("form", "key")}
        address = f"{office.url}/console/requests/{request_id}/approve"
        replies = await asyncio.gather(
            *(
                desk.context.request.post(address, form={**fields, "limit": "200"}, max_redirects=0, headers={"origin": office.url})
                for _ in range(4)
            )
        )
        assert [reply.status for reply in replies] == [303] * 4
    assert len((await person.get("/v1/cards")).body["cards"]) == 1


async def test_the_queue_renews_itself_and_obeys_the_keyboard(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go("/console/requests")
        person, request_id = await waiting(office)
        link = desk.page.get_by_role("link", name=person.email)
        await expect(link).to_be_visible()
        for _ in range(await desk.page.locator("tbody tr").count()):
            await desk.page.keyboard.press("j")
        await expect(desk.page.locator("tr.at")).to_contain_text(person.email)
        await desk.page.keyboard.press("Enter")
        await desk.page.wait_for_url(f"**/console/requests/{request_id}")
        await desk.page.keyboard.press("a")
        await expect(desk.page.get_by_label("Credit limit")).to_be_focused()
        await desk.page.keyboard.press("Escape")
        await desk.page.locator("h1").click()
        await desk.page.keyboard.press("r")
        await expect(desk.page.get_by_label("Reason for a rejection")).to_be_focused()


async def test_what_is_being_typed_survives_a_renewal(office: Office) -> None:
    person, request_id = await waiting(office)
    async with office.operator() as desk:
        await desk.go(f"/console/requests/{request_id}")
        await desk.page.get_by_label("Reason for a rejection").fill("half a sen")
        await office.world.set_score(person, 431)
        await expect(desk.page.locator(".number-strong")).to_have_text("431")
        await expect(desk.page.get_by_label("Reason for a rejection")).to_have_value("half a sen")


async def test_a_decision_by_whatsapp_appears_by_itself_and_says_how(office: Office) -> None:
    _, request_id = await waiting(office)
    async with office.operator() as desk:
        await desk.go(f"/console/requests/{request_id}")
        await expect(desk.page.locator(".messages")).to_contain_text("Question")
        code = (await desk.text("#whatsapp code")).strip()
        office.stand_in.behind.tap(office.stand_in.phone(APPROVER), f"approve:{code}")
        await expect(desk.page.locator("#decided")).to_contain_text("by WhatsApp")
        await expect(desk.page.locator(".messages")).to_contain_text("Reply")


async def test_hostile_texts_are_text(office: Office) -> None:
    _, request_id = await waiting(office, product=HOSTILE[:64])
    async with office.operator() as desk:
        await desk.go(f"/console/requests/{request_id}")
        assert "<script>alert(1)</script>" in await desk.text()
        assert await desk.page.evaluate("document.querySelectorAll('main script').length") == 0


@pytest.mark.parametrize("path", ["/console/requests/none", "/console/nowhere", "/console/requests?status=none"])
async def test_what_is_not_there_is_said_on_a_page(office: Office, path: str) -> None:
    async with office.operator() as desk:
        desk.expected = ("404", "400")
        assert await desk.go(path) in (404, 400)
        assert "This did not work" in await desk.text()
        assert "Request id" in await desk.text()


async def test_a_lost_connection_is_shown_and_mended(office: Office) -> None:
    async with office.operator() as desk:
        desk.expected = ("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK")
        await desk.go("/console/requests")
        await expect(desk.page.locator("#live")).to_have_text("Live")
        await desk.context.set_offline(True)
        await desk.page.evaluate("live.close(), live.connect()")
        await expect(desk.page.locator("#live")).to_contain_text("Reconnecting…")
        await desk.context.set_offline(False)
        await expect(desk.page.locator("#live")).to_have_text("Live", timeout=15_000)


async def test_the_row_that_the_keys_have_reached_stays_reached(office: Office) -> None:
    person, _ = await waiting(office)
    async with office.operator() as desk:
        await desk.go("/console/requests?sort=newest")
        await desk.page.keyboard.press("j")
        await expect(desk.page.locator("tr.at")).to_contain_text(person.email)
        other, _ = await waiting(office)
        await expect(desk.page.get_by_role("link", name=other.email)).to_be_visible()
        await expect(desk.page.locator("tr.at")).to_contain_text(person.email)


async def test_a_page_that_could_not_renew_itself_tries_again(office: Office) -> None:
    person, request_id = await waiting(office)
    async with office.operator() as desk:
        desk.expected = ("503",)
        await desk.go(f"/console/requests/{request_id}")
        refusals = 2

        async def refuse_twice(route: Route) -> None:
            nonlocal refusals
            refusals -= 1
            await (route.fulfill(status=503) if refusals >= 0 else route.continue_())

        await desk.page.route(f"**/console/requests/{request_id}", refuse_twice)
        await office.world.set_score(person, 444)
        await expect(desk.page.locator(".number-strong")).to_have_text("444", timeout=15_000)
        await expect(desk.page.locator("#live")).to_have_text("Live")
