"""A low score, a ringing phone, a tap, a card: across every process that `tazco dev` starts, and what is written down of it."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import httpx

from tazco.local.programme import APPROVER_PHONE, STAND_IN_URL_VARIABLE
from tazco.local.workspace import read_variables
from tests.journeys.test_make_dev import Dev

RING_SECONDS_MAX = 2.0
SETTLED_SECONDS_MAX = 10.0


class ApproversPhone:
    """The phone of the demo approver, through the stand-in's control API."""

    def __init__(self, folder: Path) -> None:
        url = read_variables(folder / ".tazco/dev.env")[STAND_IN_URL_VARIABLE]
        self.phone = f"{url}/stand-in/phones/{APPROVER_PHONE}"

    async def rings(self, after: int = 0) -> Any:
        """The next message, or None if it does not come in time."""
        async with httpx.AsyncClient(timeout=30) as http:
            return (await http.get(f"{self.phone}/next", params={"after": after, "seconds": 10})).json()["message"]

    async def tap(self, button: str) -> Any:
        """Tap a button of the newest question; what the webhook was answered."""
        async with httpx.AsyncClient(timeout=30) as http:
            return (await http.post(f"{self.phone}/tap", json={"button": button})).json()


async def test_a_low_score_rings_a_phone_and_a_tap_gives_the_card(tmp_path: Path) -> None:
    dev = Dev(tmp_path)
    await dev.start()
    phone = ApproversPhone(tmp_path)
    asked_at = time.monotonic()
    request_id = (await dev.call("POST", "/v1/cards/requests", "LOW", {"productId": "basic"}))["request"]["requestId"]
    message = await phone.rings()
    rang_after = time.monotonic() - asked_at
    assert message["text"].startswith("[CARD REQUEST] #")
    assert [button["title"] for button in message["buttons"]] == ["Approve", "Reject"]
    assert rang_after < RING_SECONDS_MAX

    tapped = await phone.tap("approve")
    assert tapped["taken"], tapped
    answer = await phone.rings(after=message["number"])
    assert "is approved. Limit: $500.00" in answer["text"]

    dashboard = await dev.call("GET", "/v1/dashboard", "LOW")
    assert dashboard["pendingRequests"] == []
    (card,) = dashboard["cards"]
    assert (card["status"], card["limit"]) == ("active", 500)

    trail = f"/v1/admin/audit-logs?targetType=card-request&targetId={request_id}"
    (deed,) = (await dev.call("GET", trail, "ADMIN"))["auditLogs"]
    assert (deed["action"], deed["actorId"]) == ("card_request.approved", APPROVER_PHONE)
    assert deed["newValue"] == {"status": "approved", "limit": 500, "cardId": card["cardId"]}
    assert "Desk 1" in deed["reason"]

    about = f"/v1/admin/notifications?relatedEntityType=cardRequest&relatedEntityId={request_id}"
    async with asyncio.timeout(SETTLED_SECONDS_MAX):
        while True:
            notes = (await dev.call("GET", about, "ADMIN"))["notifications"]
            if {note["deliveryStatus"] for note in notes} <= {"delivered", "read"} and len(notes) == 2:
                break
            await asyncio.sleep(0.1)
    assert {note["notificationType"] for note in notes} == {"card_request_approval", "approval_reply"}
    assert {note["recipientPhone"] for note in notes} == {"****-0000"}
    assert (await dev.call("GET", "/v1/admin/events", "ADMIN"))["events"] == []

    assert await dev.end(signal.SIGINT) == 0, dev.said
