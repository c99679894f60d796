"""The README's five minutes, as a newcomer walks them: `tazco dev`, the console in a browser, the calls from a second terminal."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tazco.local.people import PASSWORD
from tests.console.browsing import chromium, seat
from tests.console.office import sign_in
from tests.journeys.test_make_dev import Dev


async def test_the_tour_of_the_readme(tmp_path: Path) -> None:
    dev = Dev(tmp_path)
    await dev.start()
    try:
        assert "/console" in dev.said
        async with chromium() as browser:
            await _walk(dev, browser)
    finally:
        await dev.end(2)


async def _walk(dev: Dev, browser: Browser) -> None:
    async with seat(browser, f"http://127.0.0.1:{dev.api_port}") as desk:
        page = desk.page
        await desk.go("/console")
        await sign_in(desk, "admin@tazco.local", PASSWORD)
        asked = await dev.call("POST", "/v1/cards/requests", "LOW", {"productId": "default-credit-card"})
        await page.get_by_role("link", name="low@tazco.local").click()
        await page.wait_for_url(f"**/console/requests/{asked['request']['requestId']}")
        await expect(page.locator(".messages")).to_contain_text("delivered")
        await desk.go("/console/phone")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.locator("main")).to_contain_text("is approved. Limit: $500.00")
        await desk.go(f"/console/requests/{asked['request']['requestId']}")
        await expect(page.locator("#decided")).to_contain_text("by WhatsApp")
        await page.get_by_role("link", name="Timeline").last.click()
        await expect(page.locator("section.story")).to_have_count(2)
        card = dev.variables["CARD"]
        await dev.call("POST", f"/v1/cards/{card}/transactions/purchases", "HIGH", {"amount": 42.5, "merchant": "Corner Shop"})
        await dev.call("POST", f"/v1/cards/{card}/transactions/payments", "HIGH", {"amount": 42.5})
        await page.get_by_role("searchbox").fill("high@tazco.local")
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_contain_text("high@tazco.local")
        await expect(page.locator("main")).to_contain_text("810")
        assert desk.unexpected == []
