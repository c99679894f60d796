"""Finding people, and what an operator does on a person's page."""

import html
import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tazco.kernel.clock import to_text
from tazco.scores.store import SCORES
from tests.console.lived_in import HOSTILE
from tests.console.office import Office, signed_in
from tests.contract.seeds import seed, seed_user
from tests.world import Person, World

ROWS = "#main table[data-rows] tbody tr"


async def read(office: Office, path: str, status: int = 200) -> str:
    """A page as HTML, for an operator."""
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        reply = await http.get(path)
        assert reply.status_code == status, reply.text
        return reply.text


def chart_in(page: str) -> Any:
    """What the score chart is drawn from."""
    found = re.search(r'<script type="application/json" id="chart-score">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(html.unescape(found[1]))


async def seed_steps(world: World, person: Person, steps: int) -> None:
    """So many steps of a score, one an hour, the last one now; reasons are numbered."""
    for number in range(1, steps + 1):
        at = to_text(world.clock() - timedelta(hours=steps - number))
        await seed(
            world,
            SCORES,
            ecosystemId=person.ecosystem_id,
            timestampScoreId=f"{at}#step-{number}",
            scoreId=f"step-{number}",
            value=500 + number,
            previousValue=499 + number,
            delta=1,
            reason=f"Reason {number}.",
            source="admin",
            timestamp=at,
        )


async def test_a_person_is_found_by_id_by_email_and_by_email_in_capitals(office: Office) -> None:
    person = await office.world.person()
    other = await office.world.person()
    for wanted in (person.ecosystem_id, person.email, person.email.upper(), f"  {person.email} "):
        page = await read(office, f"/console/people?{httpx.QueryParams(q=wanted)}")
        assert person.email in page, wanted
        assert other.email not in page
    assert "Nobody has this id or this e-mail." in await read(office, f"/console/people?q={person.email[1:]}")
    assert "Nobody has this id or this e-mail." in await read(office, f"/console/people?q={'x' * 3_000}")


async def test_several_people_with_one_email_are_all_found(office: Office) -> None:
    ids = [await seed_user(office.world, email="shared@example.com") for _ in range(2)]
    page = await read(office, "/console/people?q=Shared@example.com")
    assert all(f"/console/people/{each}" in page for each in ids)


async def test_everybody_is_on_some_page_once(office: Office) -> None:
    ids = {await seed_user(office.world) for _ in range(60)}
    seen: list[str] = []
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        address: str | None = "/console/people"
        while address is not None:
            page = (await http.get(address)).text
            rows = re.findall(r'<td><a href="/console/people/([^"]+)"', page)
            assert len(rows) <= 25
            seen += rows
            following = re.search(r'<a href="([^"]+)" rel="next"', page)
            address = html.unescape(following[1]) if following else None
    assert len(seen) == len(set(seen))
    assert ids <= set(seen)


async def test_the_keyboard_walks_the_list_and_opens_a_person(office: Office) -> None:
    await seed_user(office.world)
    async with office.operator() as desk:
        await desk.go("/console/people")
        await desk.page.keyboard.press("j")
        await desk.page.keyboard.press("j")
        await expect(desk.page.locator(ROWS).nth(1)).to_have_class("at")
        await desk.page.keyboard.press("k")
        await expect(desk.page.locator(ROWS).nth(0)).to_have_class("at")
        address = await desk.page.locator("tr.at a").first.get_attribute("href")
        await desk.page.keyboard.press("Enter")
        await desk.page.wait_for_url(f"**{address}")


async def test_adjust_a_score(office: Office) -> None:
    person = await office.world.person(620)
    async with office.operator() as desk:
        await desk.go(f"/console/people/{person.ecosystem_id}")
        await desk.page.get_by_text("Adjust the score").click()
        await desk.page.get_by_label("New score").fill("730")
        await desk.page.locator("#act-score").get_by_label("Reason").fill("Income verified")
        async with desk.page.expect_navigation():
            await desk.press("Set the score")
        assert "The score is set." in await desk.text()
        await expect(desk.page.locator("#score .number-strong")).to_have_text("730")
        await expect(desk.page.locator("#score .badge")).to_have_text("high")
        await expect(desk.page.locator("#score tbody tr").first).to_contain_text("+110")
        await expect(desk.page.locator("#score tbody tr").first).to_contain_text("Income verified")
    reply = await (await office.world.operator()).get(f"/v1/admin/users/{person.ecosystem_id}/score")
    assert reply.body["user"]["currentScore"] == 730


@pytest.mark.parametrize("score", ["1001", "-1", "7.5", "many", ""])
async def test_a_score_that_is_none_is_refused_and_stays_typed(office: Office, score: str) -> None:
    person = await office.world.person(620)
    here = f"/console/people/{person.ecosystem_id}"
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        form = dict(re.findall(r'name="(form|key)" value="([^"]*)"', (await http.get(here)).text))
        reply = await http.post(f"{here}/score", data={**form, "score": score, "reason": "Kept as typed"})
    assert reply.status_code == 400
    assert "score must be" in reply.text
    assert f'value="{score}"' in reply.text
    assert "Kept as typed" in reply.text
    assert 'id="act-score" open' in reply.text


async def test_a_person_is_disabled_and_enabled_again(office: Office) -> None:
    person = await office.world.person()
    async with office.operator() as desk:
        await desk.go(f"/console/people/{person.ecosystem_id}")
        await desk.page.get_by_text("Disable the account").click()
        await desk.page.locator("#act-disable").get_by_label("Reason").fill("Chargeback fraud")
        async with desk.page.expect_navigation():
            await desk.press("Disable")
        assert "This account is disabled" in await desk.text()
        await expect(desk.page.locator(".title .badge")).to_have_text("disabled")
        assert (await person.ask_for_card()).status == 403
        await expect(desk.page.get_by_text("Disable the account")).to_have_count(0)
        await desk.page.get_by_text("Enable the account").click()
        await desk.page.locator("#act-enable").get_by_label("Reason").fill("Mistake")
        async with desk.page.expect_navigation():
            await desk.press("Enable")
        assert "The account is enabled again." in await desk.text()
    known = await (await office.world.operator()).get(f"/v1/admin/users/{person.ecosystem_id}")
    assert known.body["user"]["status"] == "active"


async def test_operators_do_not_lock_themselves_out_and_learn_why(office: Office) -> None:
    here = f"/console/people/{(await office.world.operator()).ecosystem_id}"
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        form = dict(re.findall(r'name="(form|key)" value="([^"]*)"', (await http.get(here)).text))
        reply = await http.post(f"{here}/disable", data={**form, "reason": "Leaving"})
    assert reply.status_code == 400
    assert "Ask another operator" in reply.text
    assert "Leaving</textarea>" in reply.text


async def test_the_score_is_drawn_and_tells_the_reason_of_a_step(office: Office) -> None:
    person = await office.world.person(640)
    async with office.operator() as desk:
        await desk.go(f"/console/people/{person.ecosystem_id}")
        await expect(desk.page.locator(".chart canvas")).to_be_visible()
        drawn = await desk.page.evaluate(
            "(() => { const c = document.querySelector('.chart canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " return d.some((value, at) => at % 4 === 3 && value > 0) })()"
        )
        assert drawn
        box = await desk.page.locator(".chart .u-over").bounding_box()
        assert box is not None
        await desk.page.mouse.move(box["x"] + 1, box["y"] + 20)
        await expect(desk.page.locator("#chart-score-told")).to_contain_text("registered")
        await office.world.set_score(person, 655)
        await expect(desk.page.locator("#score .number-strong")).to_have_text("655")
        await expect(desk.page.locator(".chart canvas")).to_have_count(1)
        await desk.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20)
        await expect(desk.page.locator("#chart-score-told")).to_contain_text("Score 655: now")
        await desk.page.set_viewport_size({"width": 500, "height": 900})
        await expect(desk.page.locator(".chart .uplot")).to_have_css("width", re.compile(r"^[34]\d\d"))


async def test_the_chart_goes_from_the_registration_to_now_and_the_table_says_the_same(office: Office) -> None:
    person = await office.world.person(640)
    page = await read(office, f"/console/people/{person.ecosystem_id}")
    chart = chart_in(page)
    (series,) = chart["series"]
    assert series["values"] == [500, 640, 640]
    assert series["notes"] == ["registered", "+140, test", "now"]
    assert chart["times"] == sorted(chart["times"])
    assert re.search(r'<td class="number up">\+140</td><td class="number">640</td>', page)


async def test_fifty_steps_a_page_and_the_older_by_cursor(office: Office) -> None:
    person = await office.world.person()
    await seed_steps(office.world, person, 60)
    here = f"/console/people/{person.ecosystem_id}"
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        first = (await http.get(here)).text
        older = re.search(r'<a href="([^"]+)" rel="next"', first)
        assert older is not None
        second = (await http.get(html.unescape(older[1]))).text
    newest, oldest = (
        [int(number) for number in re.findall(r'<bdi class="clip">Reason (\d+)\.</bdi>', page)] for page in (first, second)
    )
    assert newest + oldest == list(range(60, 0, -1))
    assert len(newest) == 50
    assert chart_in(first)["series"][0]["values"][:-1] == list(range(511, 561))
    assert chart_in(second)["series"][0]["values"] == list(range(501, 511))
    assert 'rel="next"' not in second
    assert "Newest steps" in second


async def test_cards_requests_and_transactions_are_there_and_new_ones_appear(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    await person.buy(card_id, 10)
    async with office.operator() as desk:
        await desk.go(f"/console/people/{person.ecosystem_id}")
        await expect(desk.page.locator("#cards tbody tr")).to_have_count(1)
        await expect(desk.page.locator("#requests tbody tr")).to_contain_text("approved")
        await expect(desk.page.locator("#transactions tbody tr")).to_have_count(1)
        await person.buy(card_id, 99_999)
        await expect(desk.page.locator("#transactions tbody tr").first).to_contain_text("insufficient credit")
        await person.pay(card_id, 10)
        await expect(desk.page.locator("#cards tbody tr")).to_contain_text("$0.00")
        links = await desk.page.locator(".title .tools a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links == [
        f"/console/timeline?kind=person&id={person.ecosystem_id}",
        f"/console/audit?targetType=user&targetId={person.ecosystem_id}",
    ]


async def test_hostile_reasons_and_ids_are_text(office: Office) -> None:
    ecosystem_id = await seed_user(office.world, ecosystemId=f"eco/{HOSTILE}#%", email=f"{HOSTILE}@example.com")
    operator = await office.world.operator()
    here = f"/console/people/{_escaped(ecosystem_id)}"
    body = {"score": 501, "reason": HOSTILE + "{{7*7}}</script>"}
    reply = await operator.call("PATCH", f"/v1/admin/users/{_escaped(ecosystem_id)}/score", body)
    assert reply.status == 200, reply
    async with office.operator() as desk:
        assert await desk.go(here) == 200
        assert "<script>alert(1)</script>" in await desk.text("h1")
        assert "{{7*7}}</script>" in await desk.text("#score tbody")
        assert await desk.page.locator("main script:not([type])").count() == 0
        await expect(desk.page.locator(".chart canvas")).to_have_count(1)
        await desk.page.get_by_text("Disable the account").click()
        await desk.page.locator("#act-disable").get_by_label("Reason").fill(HOSTILE)
        async with desk.page.expect_navigation():
            await desk.press("Disable")
        assert "The account is disabled." in await desk.text()


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


async def test_nobody_is_not_found(office: Office) -> None:
    assert "User not found." in await read(office, "/console/people/nobody", 404)
    person = await office.world.person()
    assert "does not belong" in await read(office, f"/console/people/{person.ecosystem_id}?cursor=v1.abc", 400)
