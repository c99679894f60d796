"""The stand-in as a server: in a process of its own for `tazco dev`, in the test's process for tests."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tazco.kernel.clock import system_clock
from tazco.local.stand_in import cloud_api, control, wppconnect
from tazco.local.stand_in.account import Account
from tazco.local.stand_in.connection import DroppableProtocol
from tazco.local.stand_in.control import Holder
from tazco.local.stand_in.provider import StandIn
from tazco.platform.http.protocol import sending_at_once
from tazco.platform.logs import configure_logs
from tazco.platform.running import run_until_told
from tazco.platform.settings import BadSettings

HOST: Final = "127.0.0.1"
BACKLOG: Final = 512
SHUTDOWN_SECONDS_MAX: Final = 2
POLL_SECONDS: Final = 0.005


class _Server(uvicorn.Server):
    """uvicorn's server, but signals are the business of whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def application(stand_in: StandIn) -> Starlette:
    """Both providers' paths, the control API, and whether it is up."""
    app = Starlette(
        routes=[
            Route("/stand-in/health", _ready),
            *control.ROUTES,
            Route("/api/{session}/{secret:path}/generate-token", wppconnect.generate_token, methods=["POST"]),
            Route("/api/{session}/send-message", wppconnect.send_message, methods=["POST"]),
            Route("/api/{session}/check-connection-session", wppconnect.check_connection_session),
            Route("/{version}/{phone_number_id}/messages", cloud_api.messages, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _no_route},
    )
    app.state.stand_in = stand_in
    return app


@contextlib.asynccontextmanager
async def running(stand_in: StandIn, listener: socket.socket) -> AsyncIterator[None]:
    """Serve on a listening socket until the block ends."""
    server = _Server(
        uvicorn.Config(
            application(stand_in),
            http=DroppableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        await stand_in.close()
        server.should_exit = True
        await serving


def listening(host: str, port: int) -> socket.socket:
    """A listening socket; raise `BadSettings` with cause and cure."""
    try:
        return sending_at_once(socket.create_server((host, port), backlog=BACKLOG))
    except OSError as error:
        raise BadSettings(
            f"{host}:{port} cannot be listened on: {error.strerror}. Choose another port for the stand-in."
        ) from error


def serve(host: str, port: int, api_url: str, *, with_parent: bool, holders: tuple[Holder, ...] = ()) -> int:
    """Serve until told to stop; the exit code. Secrets are those of the API: the same variables of the environment.

    `holders` are phones that exist from the start. Raise `BadSettings` if the port cannot be had.
    """
    configure_logs("warning")
    stand_in = StandIn.of(Account.from_environment(os.environ), system_clock)
    for holder in holders:
        stand_in.phones.register(number=holder.number, user_id=holder.user_id, name=holder.name)

    async def run(stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=api_url) as http:
            stand_in.courier.http = http
            async with running(stand_in, listener):
                await stop.wait()

    with listening(host, port) as listener:
        asyncio.run(run_until_told(run, with_parent=with_parent))
    return 0


async def _ready(_request: Request) -> Response:
    return JSONResponse({"status": "ready"})


async def _no_route(request: Request, _error: Exception) -> Response:
    return cloud_api.no_such_path(request)
