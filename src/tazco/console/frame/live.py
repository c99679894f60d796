"""Live pages: a stream that says "look again" whenever what a page shows has changed, here or in another process."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import structlog
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tazco.console.frame.visit import Visit
from tazco.kernel.errors import Refused, Unavailable
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

STREAMS_OF_A_SESSION_MAX: Final = 12

RETRY_MILLISECONDS: Final = 2_000
BEAT: Final = b": still here\n\n"
Alive = Callable[[Visit], Awaitable[bool]]
"""Whether the session of a visit has not ended meanwhile."""

Watch = Callable[[Visit], Awaitable[Any]]
"""What a page shows, in short; compared by its `repr`. Asked every second: it must be cheap."""


@dataclass(slots=True)
class _Streams:
    """Who follows how many pages in this process."""

    of: Counter[str] = field(default_factory=Counter)

    def take(self, session: str) -> None:
        if self.of.total() >= STREAMS_MAX or self.of[session] >= STREAMS_OF_A_SESSION_MAX:
            raise Unavailable("Too many live pages are open. This page renews itself when some have closed.", retry_after=30)
        self.of[session] += 1

    def give_back(self, session: str) -> None:
        self.of[session] -= 1
        self.of += Counter()  # drops what has come to nothing


_streams = _Streams()


def fingerprint(shown: Any) -> str:
    """The same for the same, and short enough for an address."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


async def stream(visit: Visit, watch: Watch, alive: Alive) -> Response:
    """Follow what a page shows until the browser leaves, the session or the process ends, or five minutes are over.

    Refuse what the page itself would refuse.
    """
    exchange = exchange_of(visit.call.request.scope)
    if exchange.method == "HEAD":
        return Response(media_type=EventSourceResponse.media_type)
    await _look(visit, watch)
    exchange.streaming = True
    visit.call.allow(STREAM_SECONDS + visit.services.settings.request_timeout_seconds)
    assert visit.session is not None, "only pages behind the sign-in are live"
    session = visit.session.row.token_hash
    _streams.take(session)
    changes = _changes(visit, watch, alive)
    return _Followed(changes, headers={"X-Accel-Buffering": "no"}, left=lambda: _streams.give_back(session))


class _Followed(EventSourceResponse):
    """A stream whose place is given back however it ends, also if it never began."""

    def __init__(self, content: AsyncIterator[bytes], *, headers: Mapping[str, str], left: Callable[[], None]) -> None:
        super().__init__(content, headers=headers)
        self.left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.left()


async def _changes(visit: Visit, watch: Watch, alive: Alive) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + STREAM_SECONDS
    shown, silent = visit.given("seen"), 0
    yield format_sse_event(event="open", data_str="", retry=RETRY_MILLISECONDS)
    for looks in count(1):
        try:
            seen = await _look(visit, watch)
        except Refused:  # what the page shows is gone: it learns so when it looks again
            yield format_sse_event(event="changed", data_str="gone")
            return
        silent += 1
        if seen is not None and seen != shown:
            shown, silent = seen, 0
            yield format_sse_event(event="changed", data_str=seen)
        elif silent >= BEAT_LOOKS:
            silent = 0
            yield BEAT
        if loop.time() > ends or (looks % BEAT_LOOKS == 0 and not await alive(visit)):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _look(visit: Visit, watch: Watch) -> str | None:
    """What the page shows now; None while a dependency is down: the next look may succeed."""
    try:
        return fingerprint(await watch(visit))
    except (AwsError, AwsUnreachable, Overloaded) as error:
        log.warning("console.look_failed", error=str(error))
        return None
