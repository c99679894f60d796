"""What a phone in the terminal asks of the stand-in: its thread, and the two things that its holder can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from tazco.local.http_client import ApiClient
from tazco.local.stand_in.phones import Bubble
from tazco.local.stand_in.shapes import bubble_of

HTTP_OK: Final = 200
POLL_SECONDS: Final = 10
CONTROL: Final = "/stand-in"


class NotDone(Exception):
    """The stand-in said no, or Tazco did not take the answer; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A phone as it is now."""

    address: str
    name: str
    revision: int
    thread: tuple[Bubble, ...]

    @property
    def last(self) -> int:
        """The number of the newest message."""
        return self.thread[-1].number if self.thread else 0


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls the stand-in; each raises `NotDone` for a no, `WireFailure` where nobody answers."""

    client: ApiClient

    async def first_address(self, seconds: float = 0) -> str | None:
        """The phone that was there first, waited for; None if there is none."""
        phones = (await self._call("GET", f"/phones?seconds={seconds:g}"))["phones"]
        return str(phones[0]["address"]) if phones else None

    async def view(self, address: str, *, since: int = -1, seconds: float = 0) -> View:
        """The phone; waits for a change after revision `since`, for so long at most."""
        reply = await self._call("GET", f"/phones/{quote(address, safe='')}/thread?since={since}&seconds={seconds:g}")
        thread = tuple(bubble_of(shape) for shape in reply["thread"])
        return View(address=reply["phone"]["address"], name=reply["phone"]["name"], revision=reply["revision"], thread=thread)

    async def next_message(self, address: str, after: int, seconds: float) -> Bubble | None:
        """The next message of Tazco's, waited for."""
        shape = (await self._call("GET", f"/phones/{quote(address, safe='')}/next?after={after}&seconds={seconds:g}"))["message"]
        return bubble_of(shape) if shape else None

    async def read(self, address: str) -> None:
        """Somebody looks at it."""
        await self._call("POST", f"/phones/{quote(address, safe='')}/read", {})

    async def type(self, address: str, text: str) -> Bubble:
        """Write an answer."""
        return await self._told(address, "type", {"text": text})

    async def tap(self, address: str, message_id: str, button_id: str) -> Bubble:
        """Tap a button."""
        return await self._told(address, "tap", {"button": button_id, "messageId": message_id})

    async def _told(self, address: str, how: str, body: Mapping[str, Any]) -> Bubble:
        reply = await self._call("POST", f"/phones/{quote(address, safe='')}/{how}", body)
        if not reply["taken"]:
            answer = next((each for each in reply["webhooks"] if each["status"] != HTTP_OK), {"status": 0, "answer": "no answer"})
            told = f"HTTP {answer['status']}" if answer["status"] else "nobody"
            raise NotDone(f"Tazco did not take the answer ({told}: {answer['answer']}); the stand-in tries again for a while.")
        return bubble_of(reply["message"])

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        reply = await self.client.call(method, CONTROL + path, body=body)
        if reply.status != HTTP_OK:
            raise NotDone(str(reply.body.get("error", reply.body)) if isinstance(reply.body, dict) else str(reply.status))
        return reply.body
