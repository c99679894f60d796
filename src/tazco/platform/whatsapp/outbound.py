"""One call to a provider: five seconds to connect, ten in all, a small answer, no redirects, and nothing of it in a log."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tazco.platform.jsontext import Malformed, encode, parse_object
from tazco.platform.whatsapp.messages import SendFailed, Verdict

CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 10.0
ANSWER_BYTES_MAX: Final = 64 * 1024


class Shaky(SendFailed):
    """It may go better in a second: there was no connection, or the provider answered HTTP 5xx."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer; the body is empty where it is no JSON object or longer than 64 KiB."""

    status: int
    body: Mapping[str, Any]

    @property
    def good(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004  # that is what 2xx means


@dataclass(slots=True)
class Line:
    """The connections to one provider. Proxies and credentials of the environment are not used: settings say where we call."""

    provider: str
    call_seconds: float = CALL_SECONDS
    _client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        for library in ("httpx", "httpcore"):  # below that they log URLs, of which one holds a secret, and headers they cannot send
            logging.getLogger(library).setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(),
            timeout=httpx.Timeout(self.call_seconds, connect=min(CONNECT_SECONDS, self.call_seconds)),
            follow_redirects=False,
            trust_env=False,
        )

    async def call(self, method: str, url: str, *, token: str | None = None, body: Mapping[str, Any] | None = None) -> Answer:
        """Call once. Raise `SendFailed`; neither the URL nor the token nor the body is in its message."""
        # Compressed, a small answer could unpack to a large one. The token as bytes: httpx would quote a bad one in its error.
        headers = {b"accept": b"application/json", b"accept-encoding": b"identity"}
        if token is not None:
            headers[b"authorization"] = b"Bearer " + token.encode()
        if body is not None:
            headers[b"content-type"] = b"application/json"
        content = None if body is None else encode(body)
        try:
            async with (
                asyncio.timeout(self.call_seconds),
                self._client.stream(method, url, headers=headers, content=content) as response,
            ):
                return Answer(response.status_code, await _object(response))
        except httpx.ConnectTimeout:
            raise Shaky(Verdict.RETRY, "timeout", f"no connection to {self.provider} in {CONNECT_SECONDS:g} seconds") from None
        except (TimeoutError, httpx.TimeoutException):
            raise SendFailed(Verdict.RETRY, "timeout", f"no answer from {self.provider} in {self.call_seconds:g} seconds") from None
        except httpx.RequestError as error:
            why = f": {error}" if isinstance(error, httpx.ConnectError) else ""  # the others may quote what we sent
            problem = f"the connection to {self.provider} failed ({type(error).__name__}{why})"
            raise Shaky(Verdict.RETRY, "unreachable", problem) from None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


async def _object(response: httpx.Response) -> Mapping[str, Any]:
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > ANSWER_BYTES_MAX:
            return {}
    try:
        return parse_object(bytes(raw))
    except Malformed:
        return {}
