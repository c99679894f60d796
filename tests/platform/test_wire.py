"""The connections: real sockets on loopback, with servers that behave and servers that do not."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from tazco.platform.wire import Address, Pool, Reply, WireFailure, request_bytes
from tests.platform.servers import Answer, Request, Server, http, nothing_unheard, read_request, serving, speaking, until


@pytest.fixture(autouse=True)
async def _quiet() -> AsyncIterator[None]:
    async with nothing_unheard():
        yield


def pool_of(server: Server, *, connections_max: int = 64, body_bytes_max: int = 1_000_000) -> Pool:
    return Pool(Address.of(server.url), connections_max, body_bytes_max)


async def ask(pool: Pool, text: str = "", *, timeout_seconds: float = 5) -> Reply:
    request = request_bytes("POST", "/", {"host": pool.address.authority}, text.encode())
    return await pool.exchange(request, timeout_seconds=timeout_seconds)


async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(http(request.body))


def writing(*pieces: bytes, then_close: bool = False) -> Answer:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if then_close:
            writer.close()

    return answer


async def failure_of(answer: Answer, *, timeout_seconds: float = 5, body_bytes_max: int = 1_000_000) -> WireFailure:
    """How one exchange fails; afterwards the pool must hold no connection and still have its place to give."""
    async with serving(answer) as server:
        pool = pool_of(server, connections_max=1, body_bytes_max=body_bytes_max)
        with pytest.raises(WireFailure) as caught:
            await ask(pool, timeout_seconds=timeout_seconds)
        assert not pool._idle
        assert pool._places is not None
        assert not pool._places.locked()
        pool.close()
        return caught.value


def test_an_address_speaks_of_its_port_only_where_it_is_unusual() -> None:
    assert Address.of("https://example.com").authority == "example.com"
    assert Address.of("https://example.com:443/x").authority == "example.com"
    assert Address.of("http://example.com:443").authority == "example.com:443"
    assert Address.of("http://[::1]:80").authority == "[::1]"
    assert Address.of("http://[::1]:8000").authority == "[::1]:8000"


@pytest.mark.parametrize("url", ["", "example.com", "ftp://example.com", "http://", "file:///etc/passwd"])
def test_only_absolute_http_urls_are_addresses(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not an http\(s\) URL"):
        Address.of(url)


async def test_one_connection_serves_many_exchanges_in_turn() -> None:
    async with serving(echo) as server:
        pool = pool_of(server)
        bodies = [(await ask(pool, f"exchange {number}")).body for number in range(20)]
        assert bodies == [f"exchange {number}".encode() for number in range(20)]
        assert server.connections == 1
        pool.close()


async def test_headers_are_read_in_lower_case_and_belong_to_their_own_answer() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b"", 400, **{f"X-{request.body.decode()}": "1"}))

    async with serving(answer) as server:
        pool = pool_of(server)
        first, second = await ask(pool, "First"), await ask(pool, "Second")
        assert (first.status, dict(first.headers)) == (400, {"content-length": "0", "x-first": "1"})
        assert dict(second.headers) == {"content-length": "0", "x-second": "1"}
        pool.close()


async def test_a_chunked_body_arrives_whole_however_it_is_cut() -> None:
    whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n"
    async with serving(writing(*(whole[at : at + 3] for at in range(0, len(whole), 3)))) as server:
        pool = pool_of(server)
        assert (await ask(pool)).body == b"hello, world"
        assert (await ask(pool)).body == b"hello, world"
        assert server.connections == 1
        pool.close()


async def test_a_connection_that_the_server_closed_while_idle_is_not_used_again() -> None:
    async with serving(writing(http(b"bye"), then_close=True)) as server:
        pool = pool_of(server)
        for count in (1, 2, 3):
            assert (await ask(pool)).body == b"bye"
            await until(lambda: all(not connection.usable for connection in pool._idle))
            assert server.connections == count
        pool.close()


async def test_a_connection_is_dropped_when_the_answer_says_so() -> None:
    async with serving(writing(http(b"last", connection="close"))) as server:
        pool = pool_of(server)
        assert (await ask(pool)).body == b"last"
        assert not pool._idle
        assert (await ask(pool)).body == b"last"
        assert server.connections == 2


async def test_a_connection_that_was_idle_too_long_is_closed_even_if_a_newer_one_serves() -> None:
    async with serving(echo) as server:
        pool = pool_of(server)
        await asyncio.gather(ask(pool), ask(pool))
        assert len(pool._idle) == 2
        pool._idle[0].idle_since -= 21
        await ask(pool)
        assert (len(pool._idle), server.connections) == (1, 2)
        await until(lambda: server.open_now == 1)
        pool.close()


async def test_an_interim_answer_is_not_the_answer() -> None:
    async with serving(writing(b"HTTP/1.1 100 Continue\r\nx-interim: 1\r\n\r\n", http(b"real"))) as server:
        pool = pool_of(server)
        reply = await ask(pool)
        assert (reply.status, reply.body, "x-interim" in reply.headers) == (200, b"real", False)
        assert (await ask(pool)).body == b"real"
        assert server.connections == 1
        pool.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"I am no web server\r\n\r\n",
        b"\x00\xff\xfe garbage",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: nine\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_http_fails_and_may_have_acted(answer: bytes) -> None:
    failure = await failure_of(writing(answer, then_close=True))
    assert failure.sent


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nends with the connection",
    ],
)
async def test_a_torn_answer_fails_and_may_have_acted(answer: bytes) -> None:
    failure = await failure_of(writing(answer, then_close=True))
    assert failure.sent
    assert "closed the connection" in str(failure)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n" + b"x" * 101,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n32\r\n" + b"x" * 50 + b"\r\n33\r\n" + b"x" * 51 + b"\r\n0\r\n\r\n",
    ],
)
async def test_an_answer_one_byte_over_the_limit_fails(answer: bytes) -> None:
    failure = await failure_of(writing(answer), body_bytes_max=100)
    assert "larger than 100 bytes" in str(failure)


async def test_an_answer_of_exactly_the_limit_is_taken() -> None:
    async with serving(writing(http(b"x" * 100))) as server:
        pool = pool_of(server, body_bytes_max=100)
        assert len((await ask(pool)).body) == 100
        pool.close()


async def test_headers_without_end_fail() -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        while not writer.is_closing():
            writer.write(b"x" * 10_000)
            await writer.drain()

    failure = await failure_of(answer, body_bytes_max=100)
    assert "too large" in str(failure)


async def test_a_slow_answer_fails_in_time_and_may_have_acted() -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        await asyncio.Event().wait()

    began = asyncio.get_running_loop().time()
    failure = await failure_of(answer, timeout_seconds=0.1)
    assert failure.sent
    assert "in 0.1 s" in str(failure)
    assert asyncio.get_running_loop().time() - began < 2


async def test_a_refused_connection_has_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    pool = Pool(Address.of(f"http://127.0.0.1:{port}"), connections_max=1)
    for _ in range(3):
        with pytest.raises(WireFailure, match="cannot be reached") as caught:
            await ask(pool)
        assert not caught.value.sent


async def test_a_connection_that_is_being_closed_sends_nothing() -> None:
    async with serving(echo) as server:
        pool = pool_of(server)
        for connection in (await pool._connect(), await pool._connect()):
            assert connection._transport is not None
            connection._transport.close()
            with pytest.raises(WireFailure, match="is closed") as caught:
                await connection.exchange(b"GET / HTTP/1.1\r\n\r\n")
            assert not caught.value.sent
        assert server.requests == []


async def test_a_handshake_that_hangs_ends_after_the_time_for_connecting_with_nothing_sent() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.Event().wait()

    async with speaking(silent) as server:
        pool = Pool(Address("127.0.0.1", server.port, tls=True), connections_max=1)
        with pytest.raises(WireFailure, match=r"no connection in 1\.5 s") as caught:
            await ask(pool)
        assert not caught.value.sent
        with pytest.raises(WireFailure, match=r"no answer .* in 0\.05 s") as caught:
            await ask(pool, timeout_seconds=0.05)
        assert not caught.value.sent


async def test_a_server_without_tls_cannot_be_reached_by_tls() -> None:
    async with serving(echo) as plain:

        async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(http(b"plain text"))
            await writer.drain()
            await asyncio.Event().wait()

        async with speaking(speak) as server:
            with pytest.raises(WireFailure, match="cannot be reached") as caught:
                await ask(Pool(Address("127.0.0.1", server.port, tls=True)))
            assert not caught.value.sent
        assert plain.connections == 0


async def test_the_late_answer_to_a_cancelled_exchange_reaches_nobody() -> None:
    release = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.body == b"slow":
            await release.wait()
        writer.write(http(request.body))

    async with serving(answer) as server:
        pool = pool_of(server, connections_max=1)
        await ask(pool, "warm")
        slow = asyncio.create_task(ask(pool, "slow"))
        await until(lambda: len(server.requests) == 2)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        release.set()
        assert [(await ask(pool, f"{number}")).body for number in range(3)] == [b"0", b"1", b"2"]
        assert server.connections == 2
        pool.close()


async def test_the_late_answer_to_a_timed_out_exchange_reaches_nobody() -> None:
    release = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.body == b"slow":
            await release.wait()
        writer.write(http(request.body))

    async with serving(answer) as server:
        pool = pool_of(server, connections_max=1)
        with pytest.raises(WireFailure):
            await ask(pool, "slow", timeout_seconds=0.05)
        release.set()
        assert (await ask(pool, "next")).body == b"next"
        pool.close()


@pytest.mark.parametrize("gap", [False, True])
async def test_a_second_answer_to_one_request_is_never_the_answer_to_the_next(gap: bool) -> None:  # noqa: FBT001 - a parameter
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(request.body) + (b"" if gap else http(b"stray")))
        await writer.drain()
        if gap:
            await until(lambda: len(pool._idle) == 1)
            writer.write(http(b"stray")[:20])

    async with serving(answer) as server:
        pool = pool_of(server, connections_max=1)
        for number in range(3):
            assert (await ask(pool, f"{number}")).body == f"{number}".encode()
            await until(lambda: all(not connection.usable for connection in pool._idle))
        assert server.connections == 3


async def test_a_connection_whose_request_was_answered_before_it_was_read_is_dropped() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined] # typeshed leaves the private attribute out
        writer.write(http(b"enough", 413))
        await asyncio.Event().wait()

    async with speaking(speak) as server:
        pool = pool_of(server)
        reply = await ask(pool, "x" * 20_000_000)
        assert (reply.status, len(pool._idle)) == (413, 0)


async def test_never_more_connections_than_allowed_and_everyone_is_served() -> None:
    gate = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(http(request.body))

    async with serving(answer) as server:
        pool = pool_of(server)
        asked = [asyncio.create_task(ask(pool, f"{number}")) for number in range(300)]
        await until(lambda: len(server.requests) == 64)
        gate.set()
        assert [reply.body for reply in await asyncio.gather(*asked)] == [f"{number}".encode() for number in range(300)]
        assert (server.connections, server.open_most, len(pool._idle)) == (64, 64, 64)
        pool.close()
        await until(lambda: server.open_now == 0)


async def test_whoever_waits_in_vain_for_a_place_has_sent_nothing() -> None:
    async def never(_: Request, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(never) as server:
        pool = pool_of(server, connections_max=1)
        holder = asyncio.create_task(ask(pool))
        await until(lambda: len(server.requests) == 1)
        with pytest.raises(WireFailure) as caught:
            await ask(pool, timeout_seconds=0.05)
        assert not caught.value.sent
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)


async def test_no_place_is_lost_to_cancellation_at_any_moment() -> None:
    async with serving(echo) as server:
        pool = pool_of(server, connections_max=2)
        for steps in range(40):  # cancelled while queueing, connecting, sending, waiting, finishing
            tasks = [asyncio.create_task(ask(pool, f"{number}")) for number in range(4)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for number, outcome in enumerate(outcomes):
                assert isinstance(outcome, asyncio.CancelledError) or (
                    isinstance(outcome, Reply) and outcome.body == f"{number}".encode()
                )
            assert all(isinstance(outcome, Reply) for outcome in outcomes[1::2])
        assert pool._places is not None
        assert pool._places._value == 2
        assert len(pool._idle) <= 2
        pool.close()
        await until(lambda: server.open_now == 0)


async def test_a_broken_connection_and_a_cancellation_at_once_leave_no_unheard_exception() -> None:
    async with serving(writing(b"garbage\r\n")) as server:
        pool = pool_of(server)
        for steps in range(25):
            task = asyncio.create_task(ask(pool))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_request_is_written_with_its_length_and_its_body_untouched() -> None:
    seen: list[Request] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(http(b""))
        await writer.drain()

    async with speaking(speak) as server:
        body = bytes(range(256))
        request = request_bytes("POST", "/a?b=c", {"host": "h", "x-name": "välue"}, body)
        await pool_of(server).exchange(request, timeout_seconds=5)
    assert seen == [Request("POST /a?b=c HTTP/1.1", {"host": "h", "x-name": "välue", "content-length": "256"}, body)]
    assert b"content-length: 0\r\n" in request_bytes("POST", "/", {})
    assert b"content-length" not in request_bytes("GET", "/", {})
