"""The documentation: OpenAPI 3.1 and a page to read it, both served by the program itself, nothing from elsewhere."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tazco.platform.http.edge import JSON_TYPE
from tazco.platform.jsontext import encode

OPENAPI_PATH: Final = "/openapi.json"
DESCRIPTION: Final = """\
A revolving credit-card programme: people ask for a card, buy, pay back, gain and lose score; operators decide and look after it.

Send `Authorization: Bearer <token>` (a Cognito access or ID token) with every call below `/v1`, and a new `Idempotency-Key` with
every command: the same key repeats the answer (`200`, `Idempotent-Replayed: true`) and never the effect.
Amounts are numbers in whole currency units with at most two decimals. Instants are UTC with milliseconds.
"""


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    document = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
    )
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["bearer"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return document


def publish(app: FastAPI) -> None:
    """Serve the document."""
    document = encode(openapi_of(app))

    async def openapi(_: Request) -> Response:
        return Response(document, media_type=JSON_TYPE)

    app.router.routes.append(Route(OPENAPI_PATH, openapi, include_in_schema=False))
