"""`python -m tests.console.pictures` starts `tazco dev` in an empty folder, walks the README's tour and photographs it into `docs/images`."""

import asyncio
import tempfile
import uuid
from pathlib import Path
from typing import Any

import httpx
import rich
from playwright.async_api import expect

import tazco
from tazco.local.people import PASSWORD
from tests.console.browsing import Seat, chromium, seat
from tests.console.office import sign_in
from tests.journeys.test_make_dev import Dev

IMAGES = Path(tazco.__file__).parents[2] / "docs/images"
WIDTH, HEIGHT = 1280, 800
PURCHASES = ((120.5, "Corner Shop"), (349.9, "Bike Repair"), (18, "Bakery"), (612.25, "Airline"), (75.3, "Bookshop"))
OPERATOR = "admin@tazco.local"


async def ask(http: httpx.AsyncClient, token: str, method: str, path: str, body: Any = None) -> Any:
    """One call as a demo person."""
    headers = {"authorization": f"Bearer {token}", "idempotency-key": str(uuid.uuid4())}
    reply = await http.request(method, path, json=body, headers=headers)
    return reply.json()


async def something_happens(http: httpx.AsyncClient, tokens: dict[str, str]) -> str:
    """Purchases, one above the limit, payments, two wishes; the request of the one with the low score."""
    card = tokens["CARD"]
    for amount, merchant in PURCHASES:
        await ask(
            http, tokens["HIGH"], "POST", f"/v1/cards/{card}/transactions/purchases", {"amount": amount, "merchant": merchant}
        )
    await ask(http, tokens["HIGH"], "POST", f"/v1/cards/{card}/transactions/purchases", {"amount": 9_000, "merchant": "Jeweller"})
    for amount in (400, 250.75):
        await ask(http, tokens["HIGH"], "POST", f"/v1/cards/{card}/transactions/payments", {"amount": amount})
    await ask(http, tokens["MEDIUM"], "POST", "/v1/cards/requests", {"productId": "default-credit-card"})
    asked = await ask(http, tokens["LOW"], "POST", "/v1/cards/requests", {"productId": "default-credit-card"})
    return str(asked["request"]["requestId"])


async def photograph(desk: Seat, path: str, name: str, *, whole: bool = False) -> None:
    """One page."""
    await desk.go(path)
    await desk.page.wait_for_timeout(400)  # a chart is drawn when its sheet has a size
    await desk.page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)
    rich.print(f"· {name}.png")


async def tour(desk: Seat, request_id: str, person: str) -> None:
    """As the README tells it."""
    await photograph(desk, "/console/", "console-home")
    await desk.go(f"/console/requests/{request_id}")
    await expect(desk.page.locator(".messages")).to_contain_text("delivered")
    await photograph(desk, f"/console/requests/{request_id}", "console-request")
    await desk.go("/console/phone")
    await desk.page.get_by_role("button", name="Approve").last.click()
    await expect(desk.page.locator("main")).to_contain_text("is approved")
    await photograph(desk, "/console/phone", "console-phone")
    await desk.go(f"/console/timeline?kind=request&id={request_id}")
    await expect(desk.page.locator("main")).to_contain_text("Desk 1")
    await photograph(desk, f"/console/timeline?kind=request&id={request_id}", "console-timeline")
    await photograph(desk, f"/console/people/{person}", "console-person")


async def main() -> None:
    """Start, walk, stop."""
    with tempfile.TemporaryDirectory() as folder:
        dev = Dev(Path(folder))
        await dev.start()
        try:
            url = f"http://127.0.0.1:{dev.api_port}"
            async with httpx.AsyncClient(base_url=url) as http, chromium() as browser:
                request_id = await something_happens(http, dict(dev.variables))
                me = await ask(http, dev.variables["HIGH"], "GET", "/v1/dashboard")
                async with seat(browser, url, width=WIDTH, height=HEIGHT) as desk:
                    await sign_in(desk, OPERATOR, PASSWORD)
                    await tour(desk, request_id, me["user"]["ecosystemId"])
                async with seat(browser, url, width=WIDTH, height=HEIGHT, scheme="dark") as desk:
                    await sign_in(desk, OPERATOR, PASSWORD)
                    await photograph(desk, "/console/", "console-home-dark")
        finally:
            await dev.end(2)


if __name__ == "__main__":
    asyncio.run(main())
