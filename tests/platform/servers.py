"""Small real servers on 127.0.0.1 that answer well or badly, and a watch on what asyncio would otherwise only log."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a server saw it; header names are lower-case."""

    line: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Server:
    """What a running server has seen so far."""

    port: int = 0
    connections: int = 0
    open_now: int = 0
    open_most: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def speaking(speak: Speak) -> AsyncIterator[Server]:
    """A TCP server that treats each connection with `speak`."""
    seen = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.connections += 1
        seen.open_now += 1
        seen.open_most = max(seen.open_most, seen.open_now)
        try:
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            seen.open_now -= 1
            writer.transport.abort()
            tasks.discard(task)

    listener = await asyncio.start_server(treat, "127.0.0.1", 0, backlog=512)
    seen.port = listener.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    """An HTTP server that lets `answer` write whatever bytes it likes to each request."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            request = await read_request(reader)
            server.requests.append(request)
            await answer(request, writer)
            if not writer.is_closing():
                await writer.drain()

    async with speaking(speak) as server:
        yield server


async def read_request(reader: asyncio.StreamReader) -> Request:
    """One whole request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def http(body: bytes, status: int = 200, **headers: str) -> bytes:
    """A well-formed answer; underscores in header names become dashes."""
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds, for at most five seconds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


@asynccontextmanager
async def nothing_unheard() -> AsyncIterator[None]:
    """Fails if the loop had to report an exception that nobody retrieved or handled.

    What was there before is frozen meanwhile: collecting then looks at what the block made, and not at every module again.
    """
    loop = asyncio.get_running_loop()
    heard: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    gc.freeze()
    try:
        yield
        gc.collect()
        await asyncio.sleep(0)
    finally:
        gc.unfreeze()
        loop.set_exception_handler(before)
    assert heard == []
