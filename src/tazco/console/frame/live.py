"""Live pages: a stream that says "look again" whenever what a page shows has changed, here or in another process."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.responses import Response

from tazco.console.frame.visit import Visit
from tazco.kernel.errors import Unavailable
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.database import Overloaded
from tazco.platform.http.edge import exchange_of

log = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
BEAT_LOOKS: Final = 15
"""So many looks without a change, and a comment goes out: proxies close what is silent."""

STREAM_SECONDS: Final = 300.0
"""Then the browser connects again, through the gate."""

STREAMS_MAX: Final = 200
"""At once and process: each looks into the tables every second."""

RETRY_MILLISECONDS: Final = 2_000
BEAT: Final = b": still here\n\n"
Watch = Callable[[Visit], Awaitable[Any]]
"""What a page shows, in short; compared by its `repr`. Asked every second: it must be cheap."""


@dataclass(slots=True)
class _Streams:
    open: int = 0


_streams = _Streams()


def fingerprint(shown: Any) -> str:
    """The same for the same, and short enough for an address."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


async def stream(visit: Visit, watch: Watch) -> Response:
    """Follow what a page shows until the browser leaves, the process stops, or five minutes are over."""
    if _streams.open >= STREAMS_MAX:
        raise Unavailable("Too many live pages are open. This page renews itself when some have closed.", retry_after=30)
    exchange = exchange_of(visit.call.request.scope)
    exchange.streaming = True
    visit.call.allow(STREAM_SECONDS + visit.services.settings.request_timeout_seconds)
    return EventSourceResponse(_changes(visit, watch), headers={"X-Accel-Buffering": "no"})


async def _changes(visit: Visit, watch: Watch) -> AsyncIterator[bytes]:
    _streams.open += 1
    try:
        loop = asyncio.get_running_loop()
        ends = loop.time() + STREAM_SECONDS
        shown, silent = visit.given("seen"), 0
        yield format_sse_event(event="open", data_str="", retry=RETRY_MILLISECONDS)
        while loop.time() < ends:
            seen = await _look(visit, watch)
            silent += 1
            if seen is not None and seen != shown:
                shown, silent = seen, 0
                yield format_sse_event(event="changed", data_str=seen)
            elif silent >= BEAT_LOOKS:
                silent = 0
                yield BEAT
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        _streams.open -= 1


async def _look(visit: Visit, watch: Watch) -> str | None:
    """What the page shows now; None while a dependency is down: the next look may succeed."""
    try:
        return fingerprint(await watch(visit))
    except (AwsError, AwsUnreachable, Overloaded) as error:
        log.warning("console.look_failed", error=str(error))
        return None
