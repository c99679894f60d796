"""An office: the program in this process behind a real socket, relay, worker and stand-in beside it, and operators in front of browsers."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from playwright.async_api import Browser

from tazco.console.frame.routing import SESSION_COOKIE
from tazco.platform.http.protocol import EnvelopeProtocol
from tazco.platform.relaying import relaying
from tazco.slices import REACTIONS, TIMERS
from tazco.worker import work
from tests.console.browsing import Seat, seat
from tests.contract.seeds import with_policy
from tests.stage import Stage
from tests.stand_in import RunningStandIn, stand_in_running
from tests.world import PASSWORD, Person, World, open_world

SECONDS_MAX = 15.0
POLL_SECONDS = 0.02
APPROVER = "5511900000000"


class _Server(uvicorn.Server):
    """uvicorn's server, but signals are pytest's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Office:
    """The console at `url`, over a world whose clock can be moved."""

    world: World
    url: str
    stand_in: RunningStandIn
    browser: Browser

    @asynccontextmanager
    async def visitor(self, **window: Any) -> AsyncIterator[Seat]:
        """Somebody who is not signed in; whatever the browser complains about fails the test."""
        async with seat(self.browser, self.url, **window) as taken:
            yield taken
            assert not taken.unexpected, taken.unexpected

    @asynccontextmanager
    async def operator(self, person: Person | None = None, **window: Any) -> AsyncIterator[Seat]:
        """An operator who has signed in already, and has not opened a page yet."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            token = await signed_in(self.world, http, person)
        async with self.visitor(**window) as taken:
            await taken.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": self.url}])
            yield taken


async def sign_in(taken: Seat, email: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in form, on whatever page shows it, and send it."""
    if "/console/sign-in" not in taken.page.url:
        await taken.go("/console/sign-in")
    await taken.page.get_by_label("E-mail").fill(email)
    await taken.page.get_by_label("Password").fill(password)
    async with taken.page.expect_navigation():
        await taken.press("Sign in")


async def signed_in(world: World, http: httpx.AsyncClient, person: Person | None = None) -> str:
    """Sign the client in, as the world's operator or another one; the session's cookie."""
    operator = person or await world.operator()
    token = re.findall(r'name="form" value="(\w+)"', (await http.get("/console/sign-in")).text)[0]
    reply = await http.post("/console/sign-in", data={"form": token, "email": operator.email, "password": PASSWORD})
    assert reply.status_code == 303, reply.text
    return str(http.cookies["tazco-console"])


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The application behind a socket of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, http=EnvelopeProtocol, ws="none", lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=3
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(POLL_SECONDS)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def open_office(stage: Stage, browser: Browser, **settings: Any) -> AsyncIterator[Office]:
    """Everything that `tazco dev` starts, in this process."""
    async with stand_in_running() as stand_in:
        given = {**stand_in.settings, "stand_in_url": stand_in.url, **settings}
        async with open_world(stage, **given) as world:
            approvers = f'[{{"name": "Desk 1", "phone": "{APPROVER}"}}]'
            await with_policy(world, whatsapp__approvers=approvers, whatsapp__notificationsEnabled="true")
            stop = asyncio.Event()
            async with served(world.http._transport.app) as url, httpx.AsyncClient(base_url=url) as http:  # type: ignore[attr-defined]  # the application that the world's client calls
                stand_in.behind.courier.http = http
                async with relaying(world.services):
                    working = asyncio.create_task(work(world.services, REACTIONS, TIMERS, stop))
                    try:
                        yield Office(world, url, stand_in, browser)
                    finally:
                        stop.set()
                        working.cancel()
                        await asyncio.gather(working, return_exceptions=True)
