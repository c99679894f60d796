"""How a process that is no web server runs: until it is told to stop, or until whoever started it is gone."""

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable


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
    """Our standard input ends when whoever started us is gone."""
    sys.stdin.buffer.read()
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)
