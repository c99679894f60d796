"""The connection under a request: bodies read within a bound, and connections that end without an answer."""

from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tazco.platform.jsontext import Malformed, parse_object

BODY_BYTES_MAX: Final = 1_048_576
DROP: Final = "tazco.drop"


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also lets the application cut the connection."""

    def on_headers_complete(self) -> None:
        """Hand the application the scissors."""
        super().on_headers_complete()
        self.scope["extensions"] = {DROP: {"transport": self.transport}}


class _Nothing(Response):
    """No answer at all."""

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        return


async def drop(request: Request) -> Response:
    """Cut the connection; the caller sees it end without an answer."""
    request.scope["extensions"][DROP]["transport"].abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return _Nothing()


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object in a body; raise `Malformed`, also for one that is too long."""
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > BODY_BYTES_MAX:
                raise Malformed(f"The body has more than {BODY_BYTES_MAX} bytes.")
    except ClientDisconnect:
        raise Malformed("The body ended too early.") from None
    return parse_object(bytes(raw))
