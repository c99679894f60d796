"""How a process that is no web server runs: until it is told to stop, or until whoever started it is gone."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog

from tazco.kernel.errors import Unavailable, VersionConflict
from tazco.platform.http.errors import as_refusal

PIPE_BYTES: Final = 4096
T = TypeVar("T")

log = structlog.get_logger()


async def run_until_told(run: Callable[[asyncio.Event], Awaitable[None]], *, with_parent: bool) -> None:
    """Run; SIGTERM or SIGINT set the event, and `run` ends in its own time. `with_parent` also ends it with its parent."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        threading.Thread(target=_end_with_parent, args=(loop, stop), daemon=True).start()
    await run(stop)


def _end_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    wait_for_parent_to_end()
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)


def wait_for_parent_to_end() -> None:
    """Our standard input ends when whoever started us is gone.

    Read past `sys.stdin`: a thread that waits in it holds a lock that the interpreter wants when it ends.
    """
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, PIPE_BYTES):
        pass


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None if `stop` is set first, `work` is cancelled then."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of `work`; it is cancelled after so many seconds, with a `TimeoutError` that says so."""
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await work
    except TimeoutError as error:
        if deadline.expired():
            raise TimeoutError(f"not finished in {seconds:g} s") from error
        raise


def may_pass(error: Exception) -> bool:
    """A dependency, a deadline or a crowd is to blame, and another try later may go well. Anything else is a bug."""
    return isinstance(error, TimeoutError | Unavailable | VersionConflict) or as_refusal(error) is not None


def reason_of(error: Exception) -> str:
    """Why, in a line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def tell_failure(event: str, error: Exception, **more: object) -> None:
    """Log a failure that the process survives: one line if it may pass by itself, with its traceback if it is a bug."""
    if may_pass(error):
        log.warning(event, reason=reason_of(error), **more)
    else:
        log.error(event, reason=reason_of(error), exc_info=error, **more)
