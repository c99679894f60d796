"""Messages by a WPPConnect server: text only, to phones only, over a session that somebody keeps logged in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog

from tazco.kernel.clock import Clock
from tazco.platform.whatsapp.kept import Kept
from tazco.platform.whatsapp.limits import TEXT_CHARACTERS_MAX, cut, serialized_id
from tazco.platform.whatsapp.messages import Content, Recipient, SendFailed, Template, Verdict
from tazco.platform.whatsapp.outbound import Answer, Line, Shaky

TOKEN_KEPT: Final = timedelta(hours=23)
CONNECTION_KEPT: Final = timedelta(seconds=30)
QUICK_RETRIES_MAX: Final = 3
PAUSE_SECONDS_MAX: Final = 10.0
SEND_SECONDS_MAX: Final = 50.0
SECRET_REFUSED: Final = frozenset((HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class WppMessenger:
    """Sends over one session. `pause` waits so many seconds between quick retries."""

    base_url: str
    session: str
    secret_key: str = field(repr=False)
    clock: Clock = field(repr=False)
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    send_seconds: float = SEND_SECONDS_MAX
    line: Line = field(default_factory=lambda: Line("WPPConnect"))
    provider: str = field(default="wppconnect", init=False)
    has_window: bool = field(default=False, init=False)
    _token: Kept[str] = field(init=False, repr=False)
    _connection: Kept[bool] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._token = Kept(fetch=self._new_token, keep_for=TOKEN_KEPT, clock=self.clock)
        self._connection = Kept(fetch=self._probe, keep_for=CONNECTION_KEPT, clock=self.clock)

    async def send(self, recipient: Recipient, content: Content, reference: str) -> str:  # noqa: ARG002  # it carries none
        """Send one message as `Messenger.send` says: a question as its body alone, a template never."""
        if isinstance(content, Template):
            raise SendFailed(Verdict.GIVE_UP, "no_template", "WPPConnect has no templates; it takes a text at any time")
        if not recipient.phone:
            raise SendFailed(Verdict.GIVE_UP, "no_recipient", "WPPConnect reaches phones only, and no phone is known")
        body = {"phone": [recipient.phone], "message": cut(content.body, TEXT_CHARACTERS_MAX), "isGroup": False}
        try:
            async with asyncio.timeout(self.send_seconds):
                return await self._send_patiently(body)
        except TimeoutError:
            problem = f"WPPConnect did not take the message in {self.send_seconds:g} seconds"
            raise SendFailed(Verdict.RETRY, "timeout", problem) from None

    async def connected(self) -> bool:
        """Whether the session is logged in; at most 30 seconds old."""
        return await self._connection.get()

    async def close(self) -> None:
        """End what is under way and close every connection."""
        await self._token.close()
        await self._connection.close()
        await self.line.close()

    async def _send_patiently(self, body: Mapping[str, Any]) -> str:
        """Not after a time-out: a slow server that took the message would take it again and again."""
        for retry in range(QUICK_RETRIES_MAX):
            try:
                return await self._send_once(body)
            except Shaky as failure:
                log.warning("whatsapp.quick_retry", provider=self.provider, code=failure.code, retry=retry + 1)
            await self.pause(min(2.0**retry, PAUSE_SECONDS_MAX))
        return await self._send_once(body)

    async def _send_once(self, body: Mapping[str, Any]) -> str:
        answer = await self._call("POST", "send-message", body)
        if not answer.good:
            raise _failure(answer)
        message_id = _message_id(answer.body)
        if message_id is None:
            raise SendFailed(Verdict.RETRY, "no_id", f"WPPConnect's answer names no message (HTTP {answer.status})")
        return message_id

    async def _probe(self) -> bool:
        try:
            async with asyncio.timeout(self.line.call_seconds):
                answer = await self._call("GET", "check-connection-session")
        except (SendFailed, TimeoutError) as failure:
            log.warning("whatsapp.not_connected", provider=self.provider, problem=str(failure) or "no answer in time")
            return False
        said = answer.body.get("message")
        status = answer.body.get("status")
        return answer.good and status is not False and any(isinstance(s, str) and s.upper() == "CONNECTED" for s in (said, status))

    async def _call(self, method: str, action: str, body: Mapping[str, Any] | None = None) -> Answer:
        """A call with the token; a refused one may only be too old, so once more with a new one."""
        token = await self._token.get()
        answer = await self.line.call(method, self._url(action), token=token, body=body)
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return answer
        self._token.drop(token)
        return await self.line.call(method, self._url(action), token=await self._token.get(), body=body)

    async def _new_token(self) -> str:
        answer = await self.line.call("POST", self._url(quote(self.secret_key, safe="") + "/generate-token"))
        token = answer.body.get("token")
        if answer.good and isinstance(token, str) and token and token.isascii() and token.isprintable():
            return token
        if answer.status in SECRET_REFUSED:
            cure = "set TAZCO_WPP_SECRET_KEY to the SECRET_KEY of the server"
            raise SendFailed(Verdict.ALARM, f"http_{answer.status}", f"WPPConnect gives no token: {cure}")
        raise _failure(answer)

    def _url(self, action: str) -> str:
        return f"{self.base_url.rstrip('/')}/api/{quote(self.session, safe='')}/{action}"


def _failure(answer: Answer) -> SendFailed:
    code = f"http_{answer.status}"
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Shaky(Verdict.RETRY, code, "WPPConnect failed; its own log knows why")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return SendFailed(Verdict.ALARM, code, "WPPConnect refuses a token that it has just given")
    return SendFailed(Verdict.RETRY, code, "WPPConnect refused; is the session logged in, and the number on WhatsApp?")


def _message_id(body: Mapping[str, Any]) -> str | None:
    """`response` is a list or an object; an id is a text, or an object that holds one; some versions put it on top."""
    response = body.get("response")
    first = response[0] if isinstance(response, list) and response else response
    for holder in (first, body):
        if isinstance(holder, Mapping) and (found := serialized_id(holder.get("id"))):
            return found
    return None
