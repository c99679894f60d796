"""Kept-alive HTTP/1.1 connections to a few known servers; httptools parses, asyncio carries, nothing is retried here."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httptools

CONNECT_SECONDS: Final = 1.5
CONNECTIONS_MAX: Final = 64
IDLE_SECONDS_MAX: Final = 20.0
RESPONSE_BYTES_MAX: Final = 20 * 1024 * 1024
HEAD_BYTES_MAX: Final = 64 * 1024


class WireFailure(Exception):
    """The exchange did not complete. `sent` tells whether the server may have acted on the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Address:
    """Scheme, host and port of a server."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> "Address":
        """The address of an absolute http(s) URL; raise `ValueError` for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an http(s) URL")
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls)

    @property
    def authority(self) -> str:
        """What the Host header says: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Connection(asyncio.Protocol):
    """One socket, one exchange at a time; httptools calls the `on_…` methods.

    An answer must say where it ends (a length or chunks): one that ends with the connection cannot be told from a torn one.
    Bytes that nobody asked for spoil the connection, so that they can never pass for the answer to a later request.
    """

    def __init__(self, body_bytes_max: int) -> None:
        self.idle_since = 0.0
        self._body_bytes_max = body_bytes_max
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0
        self.on_message_begin()

    @property
    def usable(self) -> bool:
        """Open and not in the middle of an exchange."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    @property
    def _waiting(self) -> bool:
        return self._answer is not None and not self._answer.done()

    async def exchange(self, request: bytes) -> Reply:
        """Send one request and wait for its whole answer."""
        if self._transport is None or self._transport.is_closing():
            raise WireFailure("the connection is closed", sent=False)
        self._begin()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        """Drop the socket at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio: the socket is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """From asyncio: the socket is gone, by either side."""
        self._transport = None
        self._fail(f"the server closed the connection: {exc or 'end of stream'}")

    def data_received(self, data: bytes) -> None:
        """From asyncio: a piece of the answer, or bytes out of turn."""
        if not self._waiting:
            self.close()
            return
        self._received += len(data)
        if self._received > 2 * self._body_bytes_max + HEAD_BYTES_MAX:  # twice, because chunks have frames
            self._fail("the answer is too large, headers and frames counted")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the answer is not HTTP: {error}")

    def on_message_begin(self) -> None:
        """From httptools: an answer begins; a second one to the same request is out of turn."""
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        if self._answer is not None and self._answer.done():
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """From httptools: one whole header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, chunk: bytes) -> None:
        """From httptools: a piece of the body, frames removed."""
        self._size += len(chunk)
        if self._size > self._body_bytes_max:
            self._fail(f"the answer is larger than {self._body_bytes_max} bytes")
        else:
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """From httptools: the answer is whole."""
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK or self._answer is None or self._answer.done():
            return  # an interim answer; the real one follows
        transport = self._transport
        if transport is not None and (not self._parser.should_keep_alive() or transport.get_write_buffer_size()):
            self.close()
        self._answer.set_result(Reply(status, self._headers, b"".join(self._chunks)))

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WireFailure(reason, sent=True))
        self.close()


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(slots=True)
class Pool:
    """Connections to one address: reused newest first, at most `connections_max`, closed when idle too long.

    A cancelled or timed-out exchange closes its connection: a late answer can never be taken for another's.
    """

    address: Address
    connections_max: int = CONNECTIONS_MAX
    body_bytes_max: int = RESPONSE_BYTES_MAX
    _idle: deque[Connection] = field(default_factory=deque)
    _places: asyncio.Semaphore | None = None

    async def exchange(self, request: bytes, *, timeout_seconds: float) -> Reply:
        """One request, one answer, within `timeout_seconds`; raise `WireFailure` otherwise."""
        if self._places is None:
            self._places = asyncio.Semaphore(self.connections_max)
        sent = False
        connection: Connection | None = None
        try:
            async with asyncio.timeout(timeout_seconds), self._places:
                connection = self._take_idle() or await self._connect()
                sent = True
                reply = await connection.exchange(request)
                self._give_back(connection)
                connection = None
                return reply
        except TimeoutError as error:
            raise WireFailure(f"no answer from {self.address.authority} in {timeout_seconds:g} s", sent=sent) from error
        finally:
            if connection is not None:
                connection.close()

    def _take_idle(self) -> Connection | None:
        self._drop_old()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return None

    def _drop_old(self) -> None:
        oldest_allowed = asyncio.get_running_loop().time() - IDLE_SECONDS_MAX
        while self._idle and self._idle[0].idle_since < oldest_allowed:
            self._idle.popleft().close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(CONNECT_SECONDS)
        try:
            async with deadline:
                _, connection = await loop.create_connection(
                    lambda: Connection(self.body_bytes_max),
                    self.address.host,
                    self.address.port,
                    ssl=_tls() if self.address.tls else None,
                )
        except OSError as error:
            reason = f"no connection in {CONNECT_SECONDS:g} s" if deadline.expired() else str(error)
            raise WireFailure(f"{self.address.authority} cannot be reached: {reason}", sent=False) from error
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.usable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)

    def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().close()


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request ready for the wire; `target` is the path with its query."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
