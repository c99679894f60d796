"""Looking at the policy and changing it, in the browser."""

import re

import httpx
import pytest
from playwright.async_api import expect

from tazco.console.frame.visit import LANGUAGE_COOKIE
from tests.console.office import Office, signed_in

LOW = "/console/policy/limits%2FlowTier"


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of the form that changes a parameter."""
    return dict(re.findall(r'name="(form|key|version)" value="([^"]+)"', page))


async def test_every_parameter_is_there_with_its_default_and_source(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go("/console/policy")
        row = desk.page.get_by_role("row").filter(has_text="limits/lowTier")
        await expect(row).to_contain_text("500")
        await expect(row).to_contain_text("SSM, version")
        template = desk.page.get_by_role("row").filter(has_text="whatsapp/approvalTemplate")
        await expect(template).to_contain_text("default")
        await row.get_by_role("link").click()
        await expect(desk.page.locator("h1")).to_have_text("limits/lowTier")


async def test_a_change_is_in_force_at_once_on_record_and_in_the_history(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go(LOW)
        await desk.page.get_by_label("Value").fill("650.50")
        await desk.page.get_by_label("Reason").fill("Spring campaign")
        async with desk.page.expect_navigation():
            await desk.press("Change")
        read = await desk.text()
        assert "Changed. It is in force here now" in read
        assert office.world.services.policies.current().low_tier_limit == 65_050
        rows = await desk.page.locator("tbody tr").all_inner_texts()
        assert "650.50" in rows[0]
        assert "500" in rows[1]
        await desk.go("/console/audit?targetType=policy&targetId=limits%2FlowTier")
        assert "Policy changed" in await desk.text()
        await desk.go(LOW)
        async with desk.page.expect_navigation():
            await desk.page.get_by_label("Reason").fill("Campaign over")
            await desk.press("Back to the default, 500")
    assert office.world.services.policies.current().low_tier_limit == 50_000


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("limits%2FlowTier", "-1", "limits/lowTier must not be negative"),
        ("limits%2FlowTier", "1500.01", "limits must be"),
        ("approval%2FattentionDays", "400", "must be from 1 to 365"),
        ("whatsapp%2Fapprovers", "[{}]", "each approver needs a name"),
        ("texts%2FtimeZone", "Mars/Olympus", "IANA time zone"),
    ],
)
async def test_what_breaks_the_policy_is_refused_and_stays_typed(office: Office, name: str, text: str, told: str) -> None:
    before = office.world.services.policies.current()
    address = f"/console/policy/{name}"
    async with httpx.AsyncClient(base_url=office.url, headers={"origin": office.url}) as http:
        await signed_in(office.world, http)
        fields = form_of((await http.get(address)).text)
        reply = await http.post(address, data={**fields, "text": text, "reason": "Because"})
    assert reply.status_code == 400
    refusal = re.findall(r'role="alert"[^>]*>([^<]+)', reply.text)
    assert told in refusal[0]
    assert re.search(rf'name="text"[^>]*(value="|>){re.escape(text)}["<]', reply.text)
    assert 'value="Because"' in reply.text
    await office.world.services.policies.refresh()
    assert office.world.services.policies.current() == before


async def test_of_two_tabs_the_second_is_told_to_look_again(office: Office) -> None:
    async with office.operator() as first, office.operator() as second:
        second.expected = ("409", "ERR_FAILED")
        await second.page.route("**/console/live/**", lambda route: route.abort())
        for desk in (first, second):
            await desk.go("/console/policy/approval%2FcooldownDays")
        for desk, days in ((first, "31"), (second, "32")):
            await desk.page.get_by_label("Value").fill(days)
            await desk.page.get_by_label("Reason").fill("Longer")
            async with desk.page.expect_navigation():
                await desk.press("Change")
        await expect(second.page.get_by_role("alert")).to_contain_text("Somebody changed approval/cooldownDays")
        assert office.world.services.policies.current().cooldown_days == 31
        async with second.page.expect_navigation():
            await second.press("Change")
    assert office.world.services.policies.current().cooldown_days == 32


async def test_an_open_page_shows_what_somebody_else_changed(office: Office) -> None:
    async with office.operator() as first, office.operator() as second:
        await second.go("/console/policy/billing%2FcycleDays")
        await expect(second.page.locator("tbody tr")).to_have_count(1)
        await first.go("/console/policy/billing%2FcycleDays")
        await first.page.get_by_label("Value").fill("28")
        await first.page.get_by_label("Reason").fill("Four weeks")
        async with first.page.expect_navigation():
            await first.press("Change")
        await expect(second.page.locator("tbody tr")).to_have_count(2)
        await expect(second.page.locator("tbody tr").first).to_contain_text("28")


async def test_a_change_on_record_that_ssm_does_not_have_is_said(office: Office) -> None:
    name, ssm = "billing/minimumPaymentFloor", office.world.stage.clients.ssm
    address = "/console/policy/billing%2FminimumPaymentFloor"
    async with httpx.AsyncClient(base_url=office.url, headers={"origin": office.url}) as http:
        await signed_in(office.world, http)
        fields = form_of((await http.get(address)).text)
        assert (await http.post(address, data={**fields, "text": "30", "reason": "More"})).status_code == 303
        assert "was recorded and not applied" not in (await http.get(address)).text
        ssm.delete_parameter(Name=f"{office.world.stage.names.ssm_prefix}/{name}")
        office.world.set_parameter(name, "25")
        assert "was recorded and not applied" in (await http.get(address)).text


async def test_a_refusal_is_told_in_the_language_of_the_operator(office: Office) -> None:
    async with office.operator() as desk:
        desk.expected = ("400",)
        await desk.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": "pt-BR", "url": office.url}])
        await desk.go(LOW)
        await desk.page.get_by_label("Valor").fill("1500.01")
        await desk.page.get_by_label("Motivo").fill("Porque sim")
        await desk.press("Mudar")
        await expect(desk.page.get_by_role("alert")).to_contain_text("os limites devem ser 0.01 ≤ limits/minimum")


async def test_a_set_that_is_refused_is_told_with_its_reason(office: Office) -> None:
    office.world.set_parameter("limits/highTier", "1")
    await office.world.services.policies.refresh()
    try:
        async with httpx.AsyncClient(base_url=office.url) as http:
            await signed_in(office.world, http)
            for path in ("/console/policy", LOW, "/console/"):
                assert "limits/minimum ≤ limits/lowTier" in (await http.get(path)).text, path
    finally:
        office.world.set_parameter("limits/highTier", "3000")
        await office.world.services.policies.refresh()


@pytest.mark.parametrize("wrong", [{"key": ""}, {"version": ""}, {"version": "x"}, {"reason": ""}])
async def test_half_a_form_changes_nothing(office: Office, wrong: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=office.url, headers={"origin": office.url}) as http:
        await signed_in(office.world, http)
        fields = form_of((await http.get(LOW)).text)
        reply = await http.post(LOW, data={**fields, "text": "600", "reason": "Why not", **wrong})
    assert reply.status_code == 400
    assert office.world.services.policies.current().low_tier_limit == 50_000


async def test_a_name_that_the_policy_does_not_know_is_no_page(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        assert (await http.get("/console/policy/limits%2Fnone")).status_code == 404
