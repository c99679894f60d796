"""The edge: what every request meets first and every response last. Request id, deadline, CORS, security headers, log line."""

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tazco.kernel.errors import Invalid, Refused, Unavailable
from tazco.platform.http.errors import Meta, Unexpected, refusal_answer, retry_after, with_meta

log = structlog.get_logger()

JSON_TYPE: Final = "application/json; charset=utf-8"
EXCHANGE: Final = "tazco.exchange"
REQUEST_ID_CHARACTERS_MAX: Final = 128
REQUESTS_MAX: Final = 2_000
"""At once and process; one more is told to come back before it costs memory or anybody's deadline."""

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
}
EXPOSED: Final = "X-Request-ID,ETag,Retry-After,Idempotent-Replayed,X-RateLimit-Limit,X-RateLimit-Remaining,X-RateLimit-Reset"
PREFLIGHT: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
    "Access-Control-Allow-Headers": "Content-Type,Authorization,Idempotency-Key,X-Request-ID,If-None-Match,traceparent",
}
TRACEPARENT: Final = re.compile(r"[0-9a-fA-F]{2}-([0-9a-fA-F]{32})-([0-9a-fA-F]{16})-[0-9a-fA-F]{2}")
BAD_ESCAPE: Final = re.compile(rb"%(?![0-9a-fA-F]{2})")


@dataclass(slots=True)
class Exchange:
    """What is known of one request from its first moment; handlers may add response headers.

    `streaming` marks an answer that goes on until somebody leaves: a process that stops does not wait for it.
    """

    meta: Meta
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    started: bool = False
    status: int = 0
    deadline: asyncio.Timeout | None = None
    streaming: bool = False


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that the edge opened for this request."""
    exchange = scope[EXCHANGE]
    assert isinstance(exchange, Exchange)
    return exchange


@dataclass(slots=True)
class Edge:
    """Pure ASGI, outside of everything: also a 404, a 413, a 503 and a preflight pass through it."""

    app: ASGIApp
    allowed_origins: tuple[str, ...]
    timeout_seconds: float
    requests_max: int = REQUESTS_MAX
    _requests: int = 0
    fixed: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.fixed = {**SECURITY_HEADERS, "Vary": "Origin", "Access-Control-Expose-Headers": EXPOSED}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; lifespan events pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        exchange = Exchange(Meta(_request_id(headers), _trace_id(headers)), scope["method"], scope["path"])
        scope[EXCHANGE] = exchange
        exchange.headers = {**self._cors(headers), **_cache_control(scope["path"])}
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=exchange.meta.request_id):
            self._requests += 1
            try:
                await self._serve(scope, receive, self._sender(scope["method"], exchange, send), exchange)
            finally:
                self._requests -= 1
            log.info(
                "http.request",
                method=exchange.method,
                path=exchange.path,
                status=exchange.status,
                ms=round((time.perf_counter() - began) * 1000, 1),
            )

    async def _serve(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        try:
            if scope["method"] == "OPTIONS":
                exchange.headers.update(PREFLIGHT)
                await _respond(send, 204, b"", {})
                return
            inner = _inner(scope)
            self._refuse_crowd()
            async with asyncio.timeout(self.timeout_seconds) as exchange.deadline:
                await self.app(inner, receive, send)
        except TimeoutError:
            await _refuse(
                send, exchange, Unavailable("The request took too long. Retry with the same Idempotency-Key.", retry_after=1)
            )
        except Refused as refusal:
            await _refuse(send, exchange, refusal)
        except Exception:
            log.exception("http.unexpected")
            await _refuse(
                send, exchange, Unexpected("Something went wrong on our side. Quote the requestId when you ask about it.")
            )

    def _refuse_crowd(self) -> None:
        if self._requests > self.requests_max:
            raise Unavailable("Too many requests at once. Retry with the same Idempotency-Key.", retry_after=1)

    def _cors(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("origin")
        if origin and ("*" in self.allowed_origins or origin in self.allowed_origins):
            return {"Access-Control-Allow-Origin": origin}
        return {}

    def _sender(self, method: str, exchange: Exchange, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.started, exchange.status = True, message["status"]
                extra = {**self.fixed, **exchange.headers, "X-Request-ID": exchange.meta.request_id}
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode("latin-1"), value.encode("latin-1"))
                        for name, value in extra.items()
                        if name.lower().encode() not in present
                    ),
                ]
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        return send_with_headers


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("x-request-id", "")
    if 1 <= len(given) <= REQUEST_ID_CHARACTERS_MAX and given.isascii() and given.isprintable():
        return given
    return str(uuid.uuid4())


def _trace_id(headers: Mapping[str, str]) -> str | None:
    found = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    if found is None or not found[1].strip("0") or not found[2].strip("0"):
        return None
    return found[1].lower()


def _cache_control(path: str) -> dict[str, str]:
    return {"Cache-Control": "no-store"} if path.lower().startswith("/v1/") else {}


def _inner(scope: Scope) -> dict[str, Any]:
    """The scope that the routes see: the path still escaped (ids decode themselves), HEAD as GET; refuse a malformed escape."""
    raw = scope.get("raw_path") or scope["path"].encode()
    if not _well_escaped(raw):
        raise Invalid("The path has a malformed percent escape.")
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "path": raw.decode("ascii"), "method": method}


def _well_escaped(raw: bytes) -> bool:
    try:
        unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return raw.isascii() and not BAD_ESCAPE.search(raw)


async def _respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, exchange: Exchange, refusal: Refused) -> None:
    if exchange.started:
        log.error("http.cut_short", code=refusal.code.value)
        return
    answer = refusal_answer(refusal)
    body = with_meta(answer.body, exchange.meta)
    headers = {"Content-Type": JSON_TYPE, "Content-Length": str(len(body)), **retry_after(refusal)}
    await _respond(send, answer.status, body, headers)
