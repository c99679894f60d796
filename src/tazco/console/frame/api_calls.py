"""The API's own routes, called in this process as the operator who is signed in.

The console has no commands and no rules of its own: what it does goes through the same gate, checks, idempotency and audit as any
other client's call, with the address and the browser of the operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.types import Message, Scope

from tazco.kernel.errors import Refused
from tazco.platform.http.call import KEY_HEADER
from tazco.platform.jsontext import encode, parse_object

DIGITS_MAX: Final = 18
"""Longer numbers are no amounts."""

KEPT_HEADERS: Final = frozenset({b"user-agent", b"x-forwarded-for", b"host"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the API answered; numbers are integers and decimals, money in whole units."""

    status: int
    body: Mapping[str, Any]

    @property
    def refused(self) -> bool:
        """The API said no; `body` has `error`."""
        return self.status >= 400  # noqa: PLR2004  # HTTP

    @property
    def refusal(self) -> Refused:
        """The refusal that the API put into words."""
        error = self.body["error"]
        return Refused(str(error["message"]), **error.get("details", {}))


def path_of(*parts: str) -> str:
    """A path whose parts are escaped, so that an id with a slash stays one part."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


async def call_api(
    request: Request, bearer: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str = ""
) -> Reply:
    """One call of the API within the present request: same request id, same deadline."""
    raw = encode(body) if body is not None else b""
    scope = _scope(request.scope, bearer, method, path, key)
    sent: list[bytes] = []
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            sent.append(message.get("body", b""))

    await request.app(scope, receive, send)
    return Reply(status=status, body=parse_object(b"".join(sent)))


def _scope(outer: Scope, bearer: str, method: str, path: str, key: str) -> Scope:
    headers = [(name, value) for name, value in outer["headers"] if name in KEPT_HEADERS]
    headers.append((b"authorization", f"Bearer {bearer}".encode()))
    if key:
        headers.append((KEY_HEADER.lower().encode(), key.encode("latin-1", "replace")))
    passed = {name: value for name, value in outer.items() if name not in ("route", "endpoint", "path_params", "router")}
    return {**passed, "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}


def number_or_text(text: str) -> Decimal | str:
    """What somebody typed, as a JSON number if it is a plain one; otherwise as it is, for the API to refuse."""
    plain = text.strip()
    digits = plain.removeprefix("-").replace(".", "", 1)
    return Decimal(plain) if digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX else text
