"""The documentation: OpenAPI 3.1 and a page to read it, both served by the program itself, nothing from elsewhere."""

import asyncio
import mimetypes
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from tazco.platform.http.edge import JSON_TYPE
from tazco.platform.jsontext import encode

STATIC: Final = Path(__file__).parent / "static"
PAGE: Final = STATIC / "docs.html"
ASSETS: Final = tuple(
    STATIC / name for name in ("docs.css", "docs.js", "swagger-ui/swagger-ui.css", "swagger-ui/swagger-ui-bundle.js")
)
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TAGS: Final = (
    "Cardholder: account",
    "Cardholder: card requests",
    "Cardholder: cards",
    "Cardholder: transactions",
    "Operators: card requests",
    "Operators: people",
    "Operators: cards",
    "Operators: audit",
    "Operators: cleanup",
    "Webhooks",
    "Health",
)
"""In the order of the page: what people come for first."""

DESCRIPTION: Final = """\
A revolving credit-card programme: people ask for a card, buy, pay back, gain and lose score; operators decide and look after it.

Send `Authorization: Bearer <token>` (a Cognito access or ID token) with every call below `/v1`, and a new `Idempotency-Key` with
every command: the same key repeats the answer (`200`, `Idempotent-Replayed: true`) and never the effect. On this page the key `new`
stands for a fresh one each time.

Amounts are numbers in whole currency units with at most two decimals. Instants are UTC with milliseconds.
"""


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    document = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
    )
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    document["tags"] = [{"name": tag} for tag in TAGS]
    schemes["bearer"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return document


def publish(app: FastAPI) -> None:
    """Serve `/openapi.json`, and at `/docs` a page that shows it. The document is made when somebody first asks for it."""

    @cache
    def document() -> bytes:
        return encode(openapi_of(app))

    async def openapi(_: Request) -> Response:
        return Response(await asyncio.to_thread(document), media_type=JSON_TYPE)

    async def file(path: Path, _: Request) -> Response:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})

    served = [Route("/openapi.json", openapi), Route("/docs", partial(file, PAGE))]
    served += [Route(f"/docs/{asset.name}", partial(file, asset)) for asset in ASSETS]
    app.router.routes.extend(served)
