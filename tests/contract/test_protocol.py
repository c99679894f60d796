"""Below the routes: what is no HTTP, and more requests than a process takes at once."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tazco import app
from tazco.local.stand_in import server
from tazco.platform.http.edge import Edge
from tests.processes import ApiProcess, api_process
from tests.stage import Stage
from tests.world import World


@pytest.fixture(scope="module")
async def api(stage: Stage) -> AsyncIterator[ApiProcess]:
    """A real server."""
    async with api_process(stage.environment) as process:
        yield process


@pytest.mark.parametrize(
    "request_text",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /health/liveness HTTP/1.1\r\n\r\n",
        b"GET /health/liveness HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000,
    ],
    ids=lambda text: repr(text[:30]),
)
async def test_what_cannot_be_parsed_is_400_in_our_envelope(api: ApiProcess, request_text: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(request_text)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 400 ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n")[1:])}
    error = json.loads(body)
    assert error["error"]["code"] == "VALIDATION_ERROR"
    assert error["meta"]["requestId"] == headers["x-request-id"]
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"


async def test_one_request_more_than_a_process_takes_at_once_is_503_with_retry_after(world: World) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        entered.set()
        await leave.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    edge = Edge(slow, ("*",), timeout_seconds=10, requests_max=1)
    scope = {"type": "http", "method": "GET", "path": "/v1/cards", "raw_path": b"/v1/cards", "headers": []}
    sent: list[dict[str, Any]] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    first = asyncio.create_task(edge(dict(scope), world.http.get, keep))  # type: ignore[arg-type]  # nobody receives
    await entered.wait()
    await edge(dict(scope), world.http.get, keep)  # type: ignore[arg-type]  # nobody receives
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    leave.set()
    await first
    await edge(dict(scope), world.http.get, keep)  # type: ignore[arg-type]  # nobody receives
    assert [message["status"] for message in sent if "status" in message] == [503, 200, 200]


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    for listen in (app._listening, server.listening):
        with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
