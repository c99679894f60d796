"""What holds for every page: valid HTML, no violation of WCAG, nothing the browser complains about, light, and narrow."""

import re

import httpx
import pytest
from justhtml import JustHTML
from starlette.routing import Route

from tazco.console.site import PAGES
from tests.console.browsing import Scheme, Seat
from tests.console.lived_in import LivedIn
from tests.console.office import Office, signed_in

FRAME_BYTES_MIN = 100_000
PAGE_BYTES_MAX = 200_000
WIDTHS = (1440, 360)

GUARDED = sorted(
    {
        re.sub(r":\w+}", "}", route.path)
        for pages in PAGES
        for route in pages.routes
        if isinstance(route, Route)
        and "GET" in (route.methods or ())
        and not route.path.startswith(("/console/live", "/console/sign-in"))
    }
)
"""Every page behind the sign-in; one that is added later is tested without anybody thinking of it."""

NOT_HTML = frozenset(
    {
        "/console/cards/{ecosystemId}/{cardId}/transactions.csv",
        "/console/find",
        "/console/requests/{requestId}/approve",
        "/console/requests/{requestId}/reject",
    }
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [path for path in GUARDED if path not in NOT_HTML])
async def test_a_page_is_accessible_valid_and_as_wide_as_the_window(
    office: Office, lived_in: LivedIn, path: str, scheme: Scheme
) -> None:
    async with office.operator(scheme=scheme) as desk:
        for address in lived_in.addresses(path):
            assert await desk.go(address) == 200, address
            await _judged(desk, address)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_door_is_too(office: Office, scheme: Scheme) -> None:
    async with office.visitor(scheme=scheme) as door:
        await door.go("/console/sign-in")
        await _judged(door, "/console/sign-in")


async def _judged(desk: Seat, address: str) -> None:
    assert await desk.violations() == [], address
    for width in WIDTHS:
        await desk.page.set_viewport_size({"width": width, "height": 900})
        assert await desk.overflow() <= 0, (address, width)
    response = await desk.context.request.get(desk.url + address)
    assert [str(error) for error in JustHTML(await response.text(), collect_errors=True).errors] == [], address


async def test_a_page_weighs_little(office: Office, lived_in: LivedIn) -> None:
    """The page and every file that it names, before any compression."""
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        weights: dict[str, int] = {}
        for address in (address for path in GUARDED if path not in NOT_HTML for address in lived_in.addresses(path)):
            page = (await http.get(address)).text
            files = sorted(set(re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page)))
            weights[address] = len(page.encode()) + sum([len((await http.get(file)).content) for file in files])
        assert {address: weight for address, weight in weights.items() if not FRAME_BYTES_MIN < weight < PAGE_BYTES_MAX} == {}
