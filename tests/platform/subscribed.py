"""A queue of a test's own on the embedded cloud, as provisioning makes it, with its rule and its dead letters; and events for it."""

import asyncio
import inspect
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import Processor

from tazco.platform import consumer, queues, running, timers
from tazco.platform.aws import Aws
from tazco.platform.messaging import Subscription, dead_letter_name, queue_name
from tazco.platform.provision_messaging import RuleResource, dead_letter_queues
from tazco.platform.provision_messaging import queues as working_queues
from tazco.platform.queues import Queue
from tazco.platform.resources import Resource, settle
from tests.stage import Stage

TYPES = ("card.requested", "transaction.payment")
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The queue, and its dead letters."""

    stage: Stage
    subscription: Subscription
    queue: Queue
    dead_letters: Queue

    def put(self, *details: dict[str, Any]) -> None:
        """Put events on the bus."""
        names = self.stage.names
        entries: Any = [
            {
                "Source": names.event_source,
                "DetailType": detail["eventType"],
                "Detail": json.dumps(detail),
                "EventBusName": names.event_bus,
            }
            for detail in details
        ]
        assert self.stage.clients.events.put_events(Entries=entries)["FailedEntryCount"] == 0

    async def send(self, *details: dict[str, Any]) -> None:
        """Put into the queue what the bus would put there."""
        assert await self.queue.send([self.wrapped(detail) for detail in details]) == []

    def wrapped(self, detail: Any, **others: Any) -> str:
        """An event as the bus delivers it."""
        event = {"version": "0", "id": str(uuid.uuid4()), "source": self.stage.names.event_source, "detail": detail}
        return json.dumps({**event, "detail-type": detail["eventType"], **others})

    async def empty(self) -> bool:
        """Nothing in the queue, nothing in anybody's hand."""
        depth = await self.queue.depth()
        return depth.waiting == depth.in_hand == depth.delayed == 0


def subscribe(stage: Stage, aws: Aws) -> Subscribed:
    """Provision a subscription that nobody else has."""
    subscription = Subscription(f"own-{uuid.uuid4().hex[:8]}", TYPES)
    names, clients = stage.names, stage.clients
    made = (*dead_letter_queues(clients.sqs, names, [subscription]), *working_queues(clients.sqs, names, [subscription]))
    resources: list[Resource] = [*made, RuleResource(clients.events, clients.sqs, names, subscription)]
    for resource in resources:
        settle(resource)
    return Subscribed(
        stage=stage,
        subscription=subscription,
        queue=Queue(aws, queue_name(names, subscription)),
        dead_letters=Queue(aws, dead_letter_name(names, subscription)),
    )


def event(
    event_type: str = "card.requested", *, aggregate_id: str | None = None, sequence: int = 1, **others: Any
) -> dict[str, Any]:
    """An envelope as the relay makes it."""
    return {
        "eventId": str(uuid.uuid4()),
        "eventType": event_type,
        "aggregateType": "cardRequest",
        "aggregateId": aggregate_id or str(uuid.uuid4()),
        "sequence": sequence,
        "schemaVersion": 1,
        "ecosystemId": "user-77",
        "occurredAt": "2031-04-05T06:07:08.090Z",
        "requestId": "r-1",
        "payload": {"requestId": "q-1", "limit": 1200.5},
        **others,
    }


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 15) -> None:
    """Ask again and again until the condition holds."""
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(POLL_SECONDS)


@contextmanager
def heard(processors: Sequence[Processor] = ()) -> Iterator[list[MutableMapping[str, Any]]]:
    """What consumers, queues and timers log meanwhile, even if their loggers cached long ago where they write."""
    with pytest.MonkeyPatch.context() as patch, capture_logs(processors) as logs:
        for module in (consumer, queues, running, timers):
            patch.setattr(module, "log", structlog.get_logger())
        yield logs
