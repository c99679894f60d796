"""What the phone page asks of the local stand-in for WhatsApp: over HTTP, by its control API, with a deadline on every call."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from tazco.console.frame.api_calls import path_of
from tazco.kernel.clock import from_text
from tazco.kernel.errors import Invalid, Unavailable
from tazco.platform.jsontext import Malformed, encode, parse_object
from tazco.platform.wire import Address, Pool, Reply, WireFailure, request_bytes

LOOK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 8.0
"""The stand-in answers a tap when Tazco has taken it; less than the deadline of the request that waits here."""


class StandInSilent(Unavailable):
    """Nobody answers."""

    def __init__(self) -> None:
        super().__init__("The stand-in for WhatsApp does not answer. Start `tazco dev` again; its log is `.tazco/stand-in.log`.")


class NotTaken(Unavailable):
    """The message is on its way, and Tazco has not taken it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """Somebody's phone; `revision` grows with everything that changes on its screen."""

    address: str
    name: str
    revision: int


@dataclass(frozen=True, slots=True)
class Button:
    """What can be tapped."""

    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One message; `own` if the holder wrote it, `answers` the message whose button was tapped."""

    number: int
    id: str
    own: bool
    text: str
    at: datetime
    tick: str
    buttons: tuple[Button, ...]
    answers: str | None


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in at `url`. Every call raises `StandInSilent` where nobody answers, or the refusal that it answers."""

    url: str

    async def phones(self) -> tuple[Phone, ...]:
        """Every phone, in the order in which they came."""
        found = (await self._call("GET", "/stand-in/phones"))["phones"]
        return tuple(Phone(address=each["address"], name=each["name"], revision=each["revision"]) for each in found)

    async def thread(self, address: str) -> tuple[Bubble, ...]:
        """What is on a phone, oldest first."""
        reply = await self._call("GET", path_of("stand-in", "phones", address, "thread"))
        return tuple(_bubble(each) for each in reply["thread"])

    async def read(self, address: str) -> None:
        """Somebody looks at the phone: what arrived there gets its blue ticks."""
        await self._call("POST", path_of("stand-in", "phones", address, "read"), {})

    async def type(self, address: str, text: str) -> None:
        """The holder writes; raise `NotTaken`."""
        await self._say(path_of("stand-in", "phones", address, "type"), {"text": text})

    async def tap(self, address: str, message_id: str, button_id: str) -> None:
        """The holder taps a button; raise `NotTaken`."""
        await self._say(path_of("stand-in", "phones", address, "tap"), {"button": button_id, "messageId": message_id})

    async def _say(self, path: str, body: Mapping[str, Any]) -> None:
        reply = await self._call("POST", path, body, ANSWER_SECONDS)
        if not reply["taken"]:
            raise NotTaken("Tazco did not take the answer yet; the stand-in tries again for a while.")

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, seconds: float = LOOK_SECONDS
    ) -> dict[str, Any]:
        pool = Pool(Address.of(self.url))
        headers = {"host": pool.address.authority, "content-type": "application/json"}
        content = b"" if body is None else encode(body)
        try:
            reply = await pool.exchange(request_bytes(method, path, headers, content), timeout_seconds=seconds)
        except WireFailure as failure:
            if failure.sent and method == "POST":
                raise NotTaken("No answer in time. Look whether your message is there before you repeat it.") from None
            raise StandInSilent from None
        finally:
            pool.close()
        return _object(reply)


def _bubble(shape: Mapping[str, Any]) -> Bubble:
    return Bubble(
        number=shape["number"],
        id=shape["id"],
        own=shape["from"] == "holder",
        text=shape["text"],
        at=from_text(shape["at"]),
        tick=shape["tick"],
        buttons=tuple(Button(each["id"], each["title"]) for each in shape["buttons"]),
        answers=shape.get("answers"),
    )


def _object(reply: Reply) -> dict[str, Any]:
    """What the stand-in answered; its refusal as ours."""
    body: dict[str, Any] = {}
    with suppress(Malformed):  # then it is somebody else who listens there
        body = parse_object(reply.body)
    if reply.status == HTTPStatus.OK:
        return body
    if "error" not in body:
        raise StandInSilent
    raise Invalid(str(body["error"]))
