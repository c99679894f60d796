"""Who did what to whom: found by target or actor, and each deed with before and after."""

import html
import json
import re
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import expect

from tazco.audit.store import AUDIT_LOGS, entries_about, place_of
from tazco.console.frame.api_calls import path_of
from tests.console.office import APPROVER, Office, signed_in
from tests.contract.seeds import amend
from tests.contract.test_admin_users import audit_of
from tests.platform.subscribed import eventually

PAGE = "/console/audit"
HOSTILE = "<script>alert(1)</script>"


async def test_an_operator_finds_a_deed_and_sees_what_it_changed(office: Office) -> None:
    person, operator = await office.world.person(612), await office.world.operator()
    async with office.operator() as desk:
        await desk.go(PAGE)
        assert "What you did" in await desk.text()
        await desk.page.get_by_label("What was done to a").select_option("person")
        await desk.page.get_by_label("Id", exact=True).fill(person.ecosystem_id)
        await desk.page.get_by_role("button", name="Show").first.click()
        line = desk.page.locator("tbody tr")
        await expect(line).to_have_count(1)
        await expect(line).to_contain_text(operator.email)
        await line.get_by_role("link", name="Score adjusted").click()
        await expect(desk.page.get_by_role("heading", name="Score adjusted")).to_be_visible()
        score = desk.page.locator("tr.changed", has_text="score").first
        await expect(score.locator(".before")).to_have_text("500")
        await expect(score.locator(".after")).to_have_text("612")
        await expect(score).to_contain_text("changed")
        facts = await desk.text(".facts")
        assert all(each in facts for each in (operator.email, "test", "127.0.0.1", "python-httpx")), facts
        await desk.page.locator(".facts").get_by_role("link", name=person.ecosystem_id).click()
        await desk.page.wait_for_url(f"**/console/people/{person.ecosystem_id}")
        desk.expected = ("404",)


async def test_the_correlation_id_leads_to_the_story(office: Office) -> None:
    person = await office.world.person()
    operator = await office.world.operator()
    body = {"score": 640, "reason": "appeal"}
    path = f"/v1/admin/users/{person.ecosystem_id}/score"
    assert (await operator.call("PATCH", path, body, x_request_id="the-appeal")).status == 200
    (deed,) = await audit_of(office.world, person.ecosystem_id)
    async with office.operator() as desk:
        await desk.go(path_of("console", "audit", "user", person.ecosystem_id, str(deed["timestampLogId"])))
        await desk.page.get_by_role("link", name="the-appeal").click()
        await expect(desk.page.locator(".story")).to_contain_text("score.adjusted")


async def test_an_operator_is_found_by_e_mail_and_by_id(office: Office) -> None:
    clerk, person = await office.world.stranger(admin=True), await office.world.person()
    await clerk.register()
    for score in range(30):
        body = {"score": score, "reason": f"step {score:02}"}
        assert (await clerk.call("PATCH", f"/v1/admin/users/{person.ecosystem_id}/score", body)).status == 200
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        for typed in (clerk.email, clerk.ecosystem_id):
            first = (await http.get(PAGE, params={"actorId": typed})).text
            following = html.unescape(re.findall(r'href="([^"]+)" rel="next"', first)[0])
            last = (await http.get(following)).text
            steps = [int(each) for page in (first, last) for each in re.findall(r"step (\d\d)", page)]
            assert steps == [*range(29, -1, -1)], typed
            assert 'rel="next"' not in last
        nobody = (await http.get(PAGE, params={"actorId": "nobody@example.com"})).text
        assert "Nothing is written down" in nobody


async def test_a_decision_by_whatsapp_names_no_whole_phone(office: Office) -> None:
    person = await office.world.person(430)
    request_id = (await person.ask_for_card()).body["request"]["requestId"]
    await office.stand_in.next_message(APPROVER)
    office.stand_in.behind.tap(office.stand_in.phone(APPROVER), "reject")

    async def decided() -> bool:
        return bool(await audit_of(office.world, request_id))

    await eventually(decided)
    ((deed,),) = await office.world.services.database.read(entries_about("card-request", request_id, before=None, rows_max=2))
    assert APPROVER in deed.admin_email, "the audit itself knows who it was"
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        for path in (
            path_of("console", "audit", "card-request", request_id, place_of(deed)),
            f"{PAGE}?targetType=card-request&targetId={request_id}",
        ):
            page = (await http.get(path)).text
            assert "Desk 1 ****0000" in page, path
            assert APPROVER not in page, path
            assert APPROVER[:9] not in page, path


async def test_hostile_texts_and_phones_in_values_are_harmless(office: Office) -> None:
    person = await office.world.person(444)
    (deed,) = await audit_of(office.world, person.ecosystem_id)
    place = str(deed["timestampLogId"])
    values = json.dumps({"note": "call +5511988887777", "nested": [1, {"x": HOSTILE, "y": "+5511988887777"}]})
    await amend(
        office.world,
        AUDIT_LOGS,
        (str(deed["targetKey"]), place),
        reason=f"{HOSTILE} 5511988887777",
        newValue=values,
        previousValue="no JSON",
        userAgent=HOSTILE,
    )
    async with office.operator() as desk:
        await desk.go(path_of("console", "audit", "user", person.ecosystem_id, place))
        read = await desk.text()
        assert HOSTILE in read
        assert "call ****7777" in read
        assert "no JSON" in read
        assert "5511988887777" not in await desk.page.content()
        assert await desk.page.locator("main script").count() == 0


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/user/nobody/2031-01-01T00:00:00.000Z%23x", 404, "no such audit entry"),
        (f"?targetType=user&targetId={'x' * 257}", 400, "at most 256 bytes"),
        ("?cursor=foreign", 400, "does not belong to this list"),
        (f"?targetType=user&targetId={quote('a#b')}", 200, "Nothing is written down"),
    ],
)
async def test_what_is_not_there_is_said(office: Office, path: str, status: int, told: str) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        reply = await http.get(PAGE + path)
        assert (reply.status_code, told in reply.text) == (status, True)
