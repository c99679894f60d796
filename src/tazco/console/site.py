"""The console as a whole: every page, the files that they need, and what is said where there is none."""

import mimetypes
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from tazco.console.frame.drawing import FINGERPRINTS, STATIC
from tazco.console.frame.routing import PREFIX, Pages, no_page
from tazco.console.pages import (
    audit,
    cards,
    events,
    find,
    home,
    notifications,
    people,
    phone,
    policy,
    preferences,
    requests,
    signing_in,
    timeline,
)
from tazco.kernel.errors import Refused
from tazco.platform.http.call import Call
from tazco.platform.http.limits import Window
from tazco.platform.jsontext import Malformed, parse_object
from tazco.platform.messaging import Subscription
from tazco.platform.queue_watch import QueueWatch

log = structlog.get_logger()

FOR_EVER: Final = "public, max-age=31536000, immutable"
SQUEEZED_BYTES_MIN: Final = 1_000
REPORT_BYTES_MAX: Final = 16_384
REPORTED: Final = {"directive": "effective-directive", "blocked": "blocked-uri", "page": "document-uri"}
REPORTS_PER_MINUTE_MAX: Final = 30
PAGES: Final[tuple[Pages, ...]] = (
    signing_in.pages,
    preferences.pages,
    home.pages,
    requests.pages,
    people.pages,
    cards.pages,
    find.pages,
    events.pages,
    notifications.pages,
    audit.pages,
    timeline.pages,
    policy.pages,
    phone.pages,
)


def publish(app: FastAPI, subscriptions: Sequence[Subscription]) -> None:
    """Serve the console below `/console`; operators see into the queues of `subscriptions`."""
    app.state.queue_watch = QueueWatch(subscriptions)
    routes = [route for pages in PAGES for route in pages.routes]
    squeezed = [Middleware(GZipMiddleware, minimum_size=SQUEEZED_BYTES_MIN)]
    for name, digest in FINGERPRINTS.items():
        routes.append(Route(f"{PREFIX}/static/{digest}/{name}", partial(_file, STATIC / name), middleware=squeezed))
    routes.append(Route(PREFIX, _home))
    routes.append(Route(f"{PREFIX}/csp-reports", _reported, methods=["POST"]))
    lost = Pages()
    lost.get("/{rest:path}")(no_page)
    app.router.routes.extend([*routes, *lost.routes])


async def _file(path: Path, _request: Request) -> Response:
    return FileResponse(path, media_type=mimetypes.guess_type(path.name)[0], headers={"Cache-Control": FOR_EVER})


async def _home(_request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/", status_code=303)


async def _reported(request: Request) -> Response:
    """A browser says that a page tried what the content security policy forbids; what is logged names no person."""
    services = request.app.state.services
    window: Window = services.gate.failures
    count, _ = window.count("csp-reports")
    if count <= REPORTS_PER_MINUTE_MAX:
        try:
            report = parse_object(await Call(request, services, 0).raw_body(REPORT_BYTES_MAX)).get("csp-report")
        except (Refused, Malformed):
            return Response(status_code=400)
        if isinstance(report, dict):
            log.warning("console.policy_violated", **{name: _bare(report.get(key)) for name, key in REPORTED.items()})
    return Response(status_code=204)


def _bare(value: object) -> str:
    """An address without its query, where names of people stand; anything else cut short."""
    return str(value or "").partition("?")[0].partition("#")[0][:200]
