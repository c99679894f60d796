"""Way in: HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from tazco import __version__
from tazco.platform.cloud import Cloud
from tazco.platform.http import documentation, health
from tazco.platform.http.call import Call
from tazco.platform.http.edge import Edge, exchange_of
from tazco.platform.http.errors import RouteNotFound
from tazco.platform.http.routing import answered
from tazco.platform.logs import configure_logs
from tazco.platform.services import Services
from tazco.platform.settings import Settings, load_settings
from tazco.slices import ROUTES
from tazco.wiring import services

ADMIN_PREFIX = "/v1/admin/"
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


def from_environment() -> ASGIApp:
    """The application as the environment describes it; what a server process loads."""
    cloud = Cloud.from_environment()
    settings = load_settings(cloud)
    configure_logs(settings.log_level)
    return api(settings, lambda: services(settings, cloud))
