"""A messenger that remembers what it was given, and fails as planned; and a desk: a world whose approvers it reaches."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from tazco.kernel.clock import from_text
from tazco.kernel.ids import CorrelationId, EcosystemId, EventId
from tazco.notifications.commands import tell_approvers
from tazco.notifications.model import DeliveryStatus, InboundMessage, Kind, Message, Notification
from tazco.notifications.store import INBOUND_MESSAGES, NOTIFICATIONS, notification
from tazco.platform.caller import SYSTEM, Origin
from tazco.platform.reactions import Envelope
from tazco.platform.services import Services
from tazco.platform.whatsapp.messages import Content, Recipient, SendFailed, Verdict
from tazco.platform.work import Work
from tests.contract.seeds import events, with_policy
from tests.world import World

PHONE = "5511900000000"
SECOND_PHONE = "5511900000001"
USER_ID = "BR.1349120865530274"
ONE_APPROVER = json.dumps([{"name": "Desk 1", "phone": PHONE}])
TWO_APPROVERS = json.dumps([{"name": "Desk 1", "phone": PHONE}, {"name": "Desk 2", "userId": USER_ID}])
CONTENTS = {
    Kind.APPROVAL: {"customer": "user-77@example.com", "tier": "low", "score": 430, "code": "7K3M9QXD"},
    Kind.PAYMENT: {"card": "****89ab", "amount": 20_000, "at": "2031-04-05T06:07:08.090Z"},
    Kind.REPLY: {"said": "rejected", "code": "7K3M9QXD"},
}


def refused(verdict: Verdict, code: str = "131000") -> SendFailed:
    """A failure of the provider."""
    return SendFailed(verdict, code, "planned")


@dataclass(slots=True)
class Recorder:
    """Takes every message unless a failure is planned for it; `meanwhile` runs while one is on its way."""

    provider: str = "meta"
    has_window: bool = True
    send_seconds: float = 10.0
    planned: list[BaseException | None] = field(default_factory=list)
    sent: list[tuple[Recipient, Content, str]] = field(default_factory=list)
    meanwhile: Callable[[str, str], Awaitable[None]] | None = None

    async def send(self, recipient: Recipient, content: Content, reference: str) -> str:
        """Remember it, and fail if that is planned."""
        self.sent.append((recipient, content, reference))
        message_id = f"wamid.{uuid.uuid4()}"
        await asyncio.sleep(0)
        if self.meanwhile:
            await self.meanwhile(reference, message_id)
        failure = self.planned.pop(0) if self.planned else None
        if failure:
            raise failure
        return message_id

    async def connected(self) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class Desk:
    """A world, its services with a messenger of the test's own, and what can be put into it."""

    world: World
    messenger: Recorder
    services: Services

    async def put(self, kind: Kind = Kind.APPROVAL, *, content: Any = None) -> str:
        """A notification to the first approver, written down and not sent yet; its id."""
        message = Message(
            kind=kind,
            cause=str(uuid.uuid4()),
            entity_type="cardRequest",
            entity_id="r1",
            ecosystem_id=EcosystemId("user-77"),
            provider="meta",
            content=orjson.dumps(content or CONTENTS[kind]).decode(),
        )
        (first, *_) = await self.run(partial(tell_approvers, message))
        return str(first)

    async def run(self, use_case: Callable[[Work], Awaitable[Any]]) -> Any:
        """One commit."""
        origin = Origin(caller=SYSTEM, correlation_id=CorrelationId(str(uuid.uuid4())))
        return await self.services.commands.run(origin, use_case, lane=str(uuid.uuid4()))

    async def read(self, notification_id: str) -> Notification:
        """The notification as it is now."""
        (found,) = await self.services.database.read(notification(notification_id))
        assert found is not None
        return found

    async def status(self, notification_id: str) -> DeliveryStatus:
        """How far it got."""
        return (await self.read(notification_id)).delivery_status

    async def all(self) -> list[Notification]:
        """Every notification."""
        return [NOTIFICATIONS.codec.decode(item) for item in await self.world.rows(NOTIFICATIONS)]

    async def about(self, entity_id: str) -> list[Notification]:
        """Every notification about something, by the name of the recipient."""
        return sorted(
            (each for each in await self.all() if each.related_entity_id == entity_id), key=lambda each: each.recipient_name
        )

    async def hear_from(self, sender: str) -> None:
        """A message of an approver comes in, now."""
        message = InboundMessage(
            message_id=str(uuid.uuid4()),
            provider="meta",
            wpp_message_id="wamid.A",
            sender_phone=sender,
            received_at=self.services.clock(),
            outcome="{}",
        )

        async def received(work: Work) -> None:
            work.add(INBOUND_MESSAGES, message)

        await self.run(received)

    async def event_of(self, aggregate_id: str, event_type: str) -> Envelope:
        """An event of the outbox, as the bus would bring it."""
        (found,) = [each for each in await events(self.world, aggregate_id) if each["eventType"] == event_type]
        return Envelope(
            event_id=EventId(found["eventId"]),
            event_type=event_type,
            aggregate_type=found["aggregateType"],
            aggregate_id=aggregate_id,
            sequence=found["sequence"],
            ecosystem_id=EcosystemId(found["ecosystemId"]),
            occurred_at=from_text(found["occurredAt"]),
            correlation_id=CorrelationId(found["requestId"]),
            payload=found["payload"],
        )


async def desk_in(world: World, approvers: str = ONE_APPROVER, **policy: str) -> Desk:
    """A fresh desk: nothing in the tables of others is due any more, the policy is the default but for what is given."""
    given = {"whatsapp__notificationsEnabled": "true", "texts__locale": "en", **policy}
    await with_policy(world, whatsapp__approvers=approvers, **given)
    messenger = Recorder()
    desk = Desk(world, messenger, replace(world.services, messenger=messenger))
    await world.services.database.delete_all(
        NOTIFICATIONS, [NOTIFICATIONS.key_of(item) for item in await world.rows(NOTIFICATIONS)]
    )
    rows = await world.rows(INBOUND_MESSAGES)
    await world.services.database.delete_all(INBOUND_MESSAGES, [INBOUND_MESSAGES.key_of(item) for item in rows])
    return desk


async def without_parameters(world: World, *names: str) -> None:
    """Take parameters away again, and have that take effect."""
    for name in names:
        world.stage.clients.ssm.delete_parameter(Name=f"{world.stage.names.ssm_prefix}/{name}")
    await world.services.policies.refresh()
