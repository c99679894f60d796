"""One browser for the session, one office for each module."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.console.browsing import chromium
from tests.console.lived_in import LivedIn, live
from tests.console.office import Office, open_office
from tests.stage import Stage


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Headless Chromium."""
    async with chromium() as started:
        yield started


@pytest.fixture(scope="module")
async def office(stage: Stage, browser: Browser) -> AsyncIterator[Office]:
    """The console and everything behind it."""
    async with open_office(stage, browser) as opened:
        yield opened


@pytest.fixture(scope="module")
async def lived_in(office: Office) -> LivedIn:
    """Something to look at."""
    return await live(office)
