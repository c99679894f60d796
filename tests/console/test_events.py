"""What waits to leave, what is dead, and sending it again."""

import json
import re
from datetime import timedelta

import httpx
import pytest
from playwright.async_api import expect

from tazco.kernel.clock import to_text
from tazco.platform.outbox import OUTBOX
from tazco.platform.queue_watch import QueueWatch
from tazco.platform.queues import Queue
from tazco.slices import SUBSCRIPTIONS
from tests.console.office import Office, signed_in
from tests.contract.seeds import ago, amend, row
from tests.contract.test_admin_events import seed_dead_letter, seed_event
from tests.contract.test_admin_users import audit_of
from tests.platform.subscribed import eventually

DEAD = "/console/events?status=dead_letter"
HOSTILE = "<script>alert(1)</script>"


async def test_a_dead_letter_is_redriven_and_leaves(office: Office) -> None:
    event_id = await seed_dead_letter(office.world, lastError=f"MalformedDetail: {HOSTILE}")
    async with office.operator() as desk:
        await desk.go(DEAD)
        line = desk.page.locator("tr", has=desk.page.get_by_role("button", name=f"Redrive {event_id}"))
        await expect(line).to_contain_text("card.suspended")
        await expect(line).to_contain_text(f"MalformedDetail: {HOSTILE}")
        await expect(line).to_contain_text("none any more")
        await line.get_by_text("Payload").click()
        await expect(line.locator("pre")).to_contain_text('"amount": 10.5')
        async with desk.page.expect_navigation():
            await line.get_by_role("button").click()
        await expect(desk.page.get_by_role("status").filter(has_text="The relay has it again")).to_be_visible()
        await expect(desk.page.get_by_role("button", name=f"Redrive {event_id}")).to_have_count(0)
    (deed,) = await audit_of(office.world, event_id)
    assert deed["action"] == "event.redriven"

    async def sent() -> bool:
        return "pendingShard" not in await row(office.world, OUTBOX, event_id)

    await eventually(sent)


async def test_one_that_is_gone_meanwhile_is_refused_on_the_list(office: Office) -> None:
    event_id = await seed_dead_letter(office.world)
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        page = (await http.get(DEAD)).text
        token = re.findall(r'name="form" value="(\w+)"', page)[0]
        form = {"form": token, "key": "k-1", "status": "dead_letter"}
        path = f"/console/events/{event_id}-not/redrive"
        reply = await http.post(path, data=form)
        assert (reply.status_code, "Event not found" in reply.text) == (404, True)
        assert f"Redrive {event_id}" in reply.text, "the same list is below the refusal"
        assert (await http.post(f"/console/events/{event_id}/redrive", data={**form, "key": ""})).status_code == 400


async def test_what_awaits_a_retry_says_when_and_can_be_sent_at_once(office: Office) -> None:
    later = to_text(office.world.clock() + timedelta(hours=1))
    event_id = await seed_event(
        office.world, nextRetryAt=later, retryCount=2, lastError="ThrottlingException", createdAt=ago(office.world, days=1)
    )
    async with office.operator() as desk:
        await desk.go("/console/events")
        button = desk.page.get_by_role("button", name=f"Redrive {event_id}")
        line = desk.page.locator("tr", has=button)
        await expect(line.locator("td.number")).to_have_text("2")
        await amend(office.world, OUTBOX, (event_id,), retryCount=3)
        await expect(line.locator("td.number")).to_have_text("3")
        await expect(line.locator(f'time[datetime="{later}"]')).to_be_visible()
        assert "1 d" in await desk.text(".tiles") or "24 h" in await desk.text(".tiles")
        async with desk.page.expect_navigation():
            await button.click()
        await expect(button).to_have_count(0)


async def test_a_dead_letter_appears_by_itself(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go(DEAD)
        event_id = await seed_dead_letter(office.world)
        await expect(desk.page.get_by_role("button", name=f"Redrive {event_id}")).to_be_visible()


async def test_the_list_goes_on_where_it_ended(office: Office) -> None:
    made = [await seed_dead_letter(office.world, createdAt=ago(office.world, days=9, seconds=-each)) for each in range(30)]
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        first = (await http.get(DEAD)).text
        shown = re.findall(r'aria-label="Redrive (event-\w+)"', first)
        assert shown == made[:25]
        following = re.findall(r'href="([^"]+)" rel="next"', first)[0].replace("&amp;", "&")
        assert re.findall(r'aria-label="Redrive (event-\w+)"', (await http.get(following)).text)[:5] == made[25:]
        assert (await http.get(following.replace("dead_letter", "pending"))).status_code == 400


async def test_queues_tell_their_depth_and_those_that_do_not_answer_are_named(office: Office) -> None:
    services = office.world.services
    dead = Queue(services.aws, f"{services.settings.table_prefix}notifications-dlq")
    await dead.send([json.dumps({"any": "thing"})])
    async with office.operator() as desk:
        await desk.go("/console/events")
        line = desk.page.locator("section tr", has_text="notifications-dlq")
        await expect(line.locator("td").first).to_have_text("1")
        await expect(desk.page.locator(".tiles .bad", has_text="in the queues")).to_be_visible()
        assert await desk.page.locator("section tbody tr").count() == 2 * len(SUBSCRIPTIONS) + 1
    elsewhere = services.settings.model_copy(update={"table_prefix": "nowhere-"})
    assert {each.depth for each in await QueueWatch(SUBSCRIPTIONS).look(services.aws, elsewhere)} == {None}


@pytest.mark.parametrize("query", ["status=sent", "status=dead_letter&cursor=none"])
async def test_what_is_asked_wrongly_is_said(office: Office, query: str) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        reply = await http.get(f"/console/events?{query}")
        assert (reply.status_code, "This did not work" in reply.text) == (400, True)
