"""A desk of approvers: a world with a stand-in for the provider, questions that wait, and answers as the provider brings them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tazco.audit.store import AUDIT_LOGS
from tazco.notifications.store import INBOUND_MESSAGES, NOTIFICATIONS, inbound_id
from tazco.trackers.store import TRACKERS
from tests.contract.seeds import plain, row, with_policy
from tests.stage import Stage
from tests.stand_in import Posted, RunningStandIn, stand_in_running
from tests.world import Person, Reply, World, open_world

META = "/webhooks/whatsapp"
WPP = "/webhooks/wpp-connect"
ONE, TWO = "5511900000000", "5521988887777"
USER = "BR.1349120865530274"
APPROVERS = json.dumps([{"name": "Desk 1", "phone": ONE}, {"name": "Desk 2", "phone": TWO}, {"name": "Desk 3", "userId": USER}])
DEFAULTS = {
    "whatsapp__approvers": APPROVERS,
    "whatsapp__expiryRejects": "false",
    "whatsapp__notificationsEnabled": "true",
    "whatsapp__replyToApprovers": "true",
    "whatsapp__approvalExpiryHours": "24",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for a decision."""

    person: Person
    request_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Approvers, and the world in which they decide."""

    world: World
    stand_in: RunningStandIn

    async def asked(self, score: int = 430) -> Waiting:
        """Somebody has asked for a card, and the approvers have been given a code."""
        person = await self.world.person(score)
        request_id = str((await person.ask_for_card()).body["request"]["requestId"])
        return Waiting(person, request_id, str((await self.tracker(request_id))["code"]))

    async def hear(self, posted: Posted, path: str = META) -> Reply:
        """What a webhook is answered."""
        raw, headers = posted
        return await self.world.call("POST", path, raw, headers)

    async def outcome(self, posted: Posted) -> dict[str, Any]:
        """What became of the one message of a webhook of Meta's."""
        reply = await self.hear(posted)
        assert (reply.status, reply.body["ok"], len(reply.body["results"])) == (200, True, 1), reply
        return dict(reply.body["results"][0])

    async def says(self, text: str, *, sender: str = ONE, message_id: str | None = None) -> dict[str, Any]:
        """What becomes of a text."""
        return await self.outcome(self.stand_in.typed(sender, text, message_id=message_id))

    async def taps(self, button: str, *, sender: str = ONE, message_id: str | None = None) -> dict[str, Any]:
        """What becomes of a tap on a button."""
        return await self.outcome(self.stand_in.tap(sender, button, message_id=message_id))

    async def tracker(self, request_id: str) -> dict[str, Any]:
        """The tracker of a request, raw."""
        return await row(self.world, TRACKERS, request_id)

    async def record(self, message_id: str, provider: str = "meta") -> dict[str, Any]:
        """The record of an inbound message, raw."""
        return await row(self.world, INBOUND_MESSAGES, inbound_id(provider, message_id))

    async def status(self, waiting: Waiting) -> str:
        """Where a request stands, as its owner sees it."""
        reply = await waiting.person.get(f"/v1/cards/requests/{waiting.request_id}")
        return str(reply.body["request"]["status"])

    async def audited(self, request_id: str) -> list[dict[str, Any]]:
        """The audit entries about a request."""
        return [entry for item in await self.world.rows(AUDIT_LOGS) if (entry := plain(item))["targetId"] == request_id]

    async def told(self, request_id: str) -> list[tuple[str, str]]:
        """The replies about a request: to whom, and what they say."""
        rows = [plain(item) for item in await self.world.rows(NOTIFICATIONS)]
        ours = [each for each in rows if (each["notificationType"], each["relatedEntityId"]) == ("approval_reply", request_id)]
        return sorted((each["recipientName"], json.loads(each["content"])["said"]) for each in ours)


@asynccontextmanager
async def open_desk(stage: Stage, **settings: Any) -> AsyncIterator[Desk]:
    """A desk on a stage, under the policy of `DEFAULTS`."""
    async with stand_in_running() as stand_in, open_world(stage, **{**stand_in.settings, **settings}) as world:
        await with_policy(world, **DEFAULTS)
        yield Desk(world, stand_in)


async def all_of(desk: Desk, posted: Posted, times: int, path: str = META) -> list[Reply]:
    """The answers to one webhook that comes so many times at once."""
    return await asyncio.gather(*(desk.hear(posted, path) for _ in range(times)))
