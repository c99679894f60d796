"""Who was told what over WhatsApp, and how far it got."""

import html
import re

import httpx
from playwright.async_api import expect

from tests.console.office import APPROVER, Office, signed_in
from tests.contract.seeds import ago
from tests.contract.test_notifications import told

PAGE = "/console/notifications"
HOSTILE = "<script>alert(1)</script>\u202eevil"


async def test_a_question_shows_its_ticks_as_they_come(office: Office) -> None:
    person = await office.world.person(430)
    request_id = (await person.ask_for_card()).body["request"]["requestId"]
    async with office.operator() as desk:
        await desk.go(f"{PAGE}?type=cardRequest&id={request_id}")
        line = desk.page.locator("tbody tr")
        await expect(line).to_have_count(1)
        await expect(line).to_contain_text("Question")
        await expect(line).to_contain_text("Desk 1")
        await expect(line).to_contain_text("****-0000")
        await expect(line).to_contain_text("✓✓")
        await expect(line).to_contain_text("delivered")
        office.stand_in.behind.read(office.stand_in.phone(APPROVER))
        await expect(line.locator(".ticks.read")).to_have_text("✓✓")
        await expect(line.locator(".badge")).to_have_text("read")
        assert APPROVER not in await desk.page.content()
        assert await line.get_by_role("link", name="person").get_attribute("href") == f"/console/people/{person.ecosystem_id}"
        await line.get_by_role("link", name="card request").click()
        await desk.page.wait_for_url(f"**/console/requests/{request_id}")


async def test_each_status_has_its_list(office: Office) -> None:
    for status in ("pending", "sent", "delivered", "read", "failed", "dead_letter"):
        await told(office.world, f"in-{status}", deliveryStatus=status, recipientName=f"In {status}", relatedEntityId="all-six")
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        assert {*_names((await http.get(f"{PAGE}?type=cardRequest&id=all-six")).text)} == {
            f"In {status}" for status in ("pending", "sent", "delivered", "read", "failed", "dead_letter")
        }
        for status in ("pending", "sent", "delivered", "read", "failed", "dead_letter"):
            page = (await http.get(f"{PAGE}?status={status}&type=cardRequest&id=all-six")).text
            assert _names(page) == [f"In {status}"], status
            assert f"In {status}" in _names((await http.get(f"{PAGE}?status={status}")).text)
        assert (await http.get(f"{PAGE}?status=lost")).status_code == 400
        assert (await http.get(f"{PAGE}?id={'x' * 601}")).status_code == 400


async def test_the_list_goes_on_where_it_ended(office: Office) -> None:
    for each in range(30):
        await told(office.world, f"paged-{each:02}", recipientName=f"{each:02}", createdAt=ago(office.world, minutes=each))
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        first = (await http.get(f"{PAGE}?type=cardRequest&id=r1")).text
        assert _names(first) == [f"{each:02}" for each in range(25)]
        following = html.unescape(re.findall(r'href="([^"]+)" rel="next"', first)[0])
        last = (await http.get(following)).text
        assert (_names(last), 'rel="next"' in last) == ([f"{each:02}" for each in range(25, 30)], False)


async def test_a_failure_is_told_with_its_error_and_hostile_texts_are_text(office: Office) -> None:
    failed = {"deliveryStatus": "dead_letter", "retryCount": 2, "lastError": f"131026: {HOSTILE}", "recipientName": HOSTILE}
    await told(office.world, "hostile", relatedEntityId="hostile", **failed)
    async with office.operator() as desk:
        await desk.go(f"{PAGE}?type=cardRequest&id=hostile")
        line = desk.page.locator("tbody tr")
        await expect(line).to_contain_text("131026: <script>alert(1)</script>")
        await expect(line.locator("td.number")).to_have_text("2")
        assert await desk.page.locator("main script").count() == 0


def _names(page: str) -> list[str]:
    """The recipients of a page, in its order."""
    return re.findall(r'<td><bdi class="clip">([^<]*)</bdi> <span class="dim">\*{4}', page)
