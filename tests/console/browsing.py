"""A real browser: headless Chromium, driven by Playwright, that remembers everything it complains about."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = Path(__file__).parent / "vendor/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
Scheme = Literal["light", "dark"]


def installed() -> str | None:
    """A Chromium of the system; without one Playwright looks for its own, which `make browser` installs."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


async def own() -> str:
    """Playwright's own Chromium, empty if it has not been installed."""
    async with async_playwright() as playwright:
        return shutil.which(playwright.chromium.executable_path) or ""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=installed(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(slots=True)
class Seat:
    """One person in front of one browser window. `complaints` are console messages, page errors and policy violations."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    async def go(self, path: str) -> int:
        """Open a page of the console; the status."""
        response = await self.page.goto(self.url + path)
        assert response is not None
        return response.status

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def text(self, selector: str = "main") -> str:
        """What is to be read there."""
        return await self.page.locator(selector).first.inner_text()

    async def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it stands."""
        await self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = await self.page.evaluate("rules => axe.run(document, {runOnly: rules})", list(RULES))
        return [
            f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    async def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    @property
    def unexpected(self) -> list[str]:
        """The complaints that the test did not provoke."""
        return [each for each in self.complaints if not any(known in each for known in self.expected)]


@asynccontextmanager
async def seat(
    browser: Browser, url: str, *, width: int = 1440, height: int = 900, scheme: Scheme = "light", locale: str = "en-US"
) -> AsyncIterator[Seat]:
    """A window of its own, with its own cookies."""
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale=locale, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    page = await context.new_page()
    taken = Seat(context, page, url)
    page.on("console", lambda message: taken.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: taken.complaints.append(f"page error: {error}"))
    await page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy violated', e.violatedDirective, e.blockedURI))"
    )
    try:
        yield taken
    finally:
        await context.close()


if __name__ == "__main__":
    print(asyncio.run(own()))
