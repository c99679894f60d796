"""Way in: HTTP."""

import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from tazco import __version__
from tazco.console import site
from tazco.platform.cloud import Cloud, CloudMisconfigured
from tazco.platform.http import documentation, health
from tazco.platform.http.call import Call
from tazco.platform.http.edge import Edge, exchange_of
from tazco.platform.http.errors import RouteNotFound
from tazco.platform.http.protocol import EnvelopeProtocol, sending_at_once
from tazco.platform.http.routing import answered
from tazco.platform.logs import configure_logs
from tazco.platform.policy_source import NoPolicy
from tazco.platform.relaying import relaying
from tazco.platform.running import wait_for_parent_to_end
from tazco.platform.services import Services
from tazco.platform.settings import BadSettings, Settings, load_settings
from tazco.slices import ROUTES, SUBSCRIPTIONS
from tazco.wiring import serve_metrics, services

ADMIN_PREFIX: Final = "/v1/admin/"
HEADER_BYTES_MAX: Final = 32_768
BACKLOG: Final = 2_048
SHUTDOWN_SECONDS_MAX: Final = 13
"""For requests under way, which have a deadline of their own; the relay's share comes after it, and both together stay below 25 s."""

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than a load balancer keeps an idle connection (60 s by habit): it must not send a request where we are just hanging up."""

EXIT_NOT_STARTED: Final = 2
Started = Callable[[], AbstractAsyncContextManager[Services]]


def api(settings: Settings, started: Started) -> ASGIApp:
    """The HTTP application; `started` gives the services for as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with started() as running:
            app.state.services = running
            yield

    app = FastAPI(
        title="Tazco financial API",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: no_route},
    )
    for routes in (health.routes, *ROUTES):
        # FastAPI's include_router compiles paths of its own and would forget how tolerant ours are.
        app.router.routes.extend(routes.router.routes)
    documentation.publish(app)
    if settings.console:
        site.publish(app, SUBSCRIPTIONS)
    return Edge(app, settings.allowed_origins, settings.request_timeout_seconds)


async def no_route(request: Request, _error: Exception) -> Response:
    """No route, or not with this method: 404; below the operators' prefix only an operator may learn that."""
    call = Call(request, request.app.state.services, 0)
    return await answered(call, _refuse_route)


async def _refuse_route(call: Call) -> Response:
    exchange = exchange_of(call.request.scope)
    if exchange.path.lower().startswith(ADMIN_PREFIX):
        await call.operator()
    raise RouteNotFound(exchange.method, exchange.path)


def serve(host: str | None, port: int | None, *, with_parent: bool) -> int:
    """Serve until SIGTERM or SIGINT, then let requests finish; the exit code. `with_parent` also ends it with its parent.

    Raise `BadSettings`, `CloudMisconfigured` or `NoPolicy` before anything is served.
    """
    cloud = Cloud.from_environment()
    settings = load_settings(cloud)
    configure_logs(settings.log_level)
    problems: list[Exception] = []

    @asynccontextmanager
    async def started() -> AsyncIterator[Services]:
        try:
            async with services(settings, cloud) as running:
                serve_metrics(running)
                async with _relaying(running):
                    yield running
        except (NoPolicy, CloudMisconfigured, BadSettings) as problem:
            problems.append(problem)
            logging.getLogger("uvicorn.error").disabled = True  # it would tell the same as a traceback
            raise

    server = uvicorn.Server(_limits(api(settings, started)))
    if with_parent:
        threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    with _listening(host or settings.host, port or settings.port) as listener, suppress(SystemExit, KeyboardInterrupt):
        server.run(sockets=[listener])  # it exits where it did not start, and raises SIGINT again after a clean end
    if problems:
        raise problems[0]
    return 0 if server.started else EXIT_NOT_STARTED


@asynccontextmanager
async def _relaying(running: Services) -> AsyncIterator[None]:
    """A relay beside the API, unless that is left to others: what it commits then leaves at once."""
    if not running.settings.relay_with_api:
        yield
        return
    async with relaying(running):
        yield


def _limits(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=EnvelopeProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise BadSettings(
            f"TAZCO_HOST, TAZCO_PORT: {host}:{port} cannot be listened on: {error.strerror}. Choose another with --port."
        ) from error
    return sending_at_once(listener)


def _end_with_parent(server: uvicorn.Server) -> None:
    wait_for_parent_to_end()
    server.should_exit = True
