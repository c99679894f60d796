"""Home: what needs somebody now, and the charts."""

import re

import httpx
from playwright.async_api import expect

from tazco.platform.outbox import DEAD_LETTERS, OUTBOX
from tests.console.office import Office, signed_in
from tests.contract.seeds import ago, amend, seed_request
from tests.stage import Stage
from tests.world import open_world


async def test_a_new_request_appears_by_itself_and_one_that_waits_long_is_flagged(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go("/console/")
        person = await office.world.person(430)
        await person.ask_for_card()
        await expect(desk.page.get_by_role("link", name=person.email)).to_be_visible()
        old = await office.world.person(430)
        await seed_request(office.world, old.ecosystem_id, createdAt=ago(office.world, days=8))
        row = desk.page.get_by_role("row").filter(has_text=old.email)
        await expect(row).to_contain_text("overdue")
        await expect(row).to_contain_text("8 days ago")
        await expect(desk.page.locator("tbody").first.locator("tr").first).to_contain_text(old.email)


async def test_what_happens_is_counted_and_drawn(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    await person.buy(card_id, 100.5)
    await person.buy(card_id, 99_999)
    await person.pay(card_id, 100.5)
    async with office.operator() as desk:
        await desk.go("/console/")
        purchases = desk.page.locator("figure").filter(has_text="Purchases")
        await expect(purchases.locator(".totals")).to_contain_text(re.compile(r"purchases [1-9]"))
        await expect(purchases.locator(".totals")).to_contain_text(re.compile(r"declined [1-9]"))
        await expect(purchases.locator(".totals")).to_contain_text("$100.50")
        await expect(desk.page.locator("figure").filter(has_text="Payments").locator(".totals")).to_contain_text("on time 1")
        await expect(desk.page.locator("figure").filter(has_text="Score movement").locator(".totals")).to_contain_text(
            "points gained"
        )
        await expect(purchases.locator("canvas")).to_be_visible()
        await purchases.get_by_text("The numbers").click()
        rows = purchases.locator("tbody tr")
        await expect(rows).to_have_count(24)
        await expect(rows.first).to_contain_text("1")
        await person.buy(card_id, 7)
        await expect(purchases.locator(".totals")).to_contain_text("purchases 2")
        await expect(rows.first).to_be_visible()
        await expect(purchases.locator("canvas")).to_be_visible()


async def test_a_dead_letter_is_counted_where_everybody_looks(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        assert (
            '<span class="figure">0</span> <a class="what" href="/console/events?status=dead_letter">'
            in (await http.get("/console/")).text
        )
        await office.world.person()
        row = (await office.world.rows(OUTBOX))[0]
        await amend(office.world, OUTBOX, OUTBOX.key_of(row), pendingShard=DEAD_LETTERS, createdAt=ago(office.world, hours=1))
        page = (await http.get("/console/")).text
        assert '<li class="bad"><span class="figure">1</span>' in page
        assert ">dead letter<" in page


async def test_a_bus_that_does_not_answer_is_said_with_what_follows_from_it(stage: Stage) -> None:
    async with open_world(stage, event_bus="nowhere") as world:
        await signed_in(world, world.http)
        assert "The event bus does not answer" in (await world.http.get("/console/")).text
