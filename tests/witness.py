"""A witness: a queue of its own behind the bus that gets every event, and what it saw there."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tazco import slices
from tazco.kernel.events import Event
from tazco.platform.messaging import Subscription
from tests.stage import Stage

assert slices.TABLES, "importing the slices declares every event"
EVENT_TYPES = tuple(sorted(event.type for event in Event.__subclasses__()))
WITNESS = Subscription("witness", EVENT_TYPES)
BATCH_MAX = 10


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message: the envelope, and when the queue got it (epoch milliseconds)."""

    envelope: dict[str, Any]
    sent_ms: int


@dataclass(slots=True)
class Witness:
    """Reads its queue for as long as it is asked to."""

    stage: Stage
    arrivals: list[Arrival] = field(default_factory=list)
    _url: str = ""

    async def read(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set and the queue is empty."""
        while await self._batch() or not stop.is_set():
            await asyncio.sleep(0)

    async def _batch(self) -> int:
        return await asyncio.to_thread(self._receive)

    def _receive(self) -> int:
        sqs = self.stage.clients.sqs
        self._url = self._url or sqs.get_queue_url(QueueName=f"{self.stage.names.table_prefix}{WITNESS.queue}")["QueueUrl"]
        reply = sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=BATCH_MAX, WaitTimeSeconds=1, MessageSystemAttributeNames=["SentTimestamp"]
        )
        messages = reply.get("Messages", [])
        for message in messages:
            envelope = json.loads(message["Body"])["detail"]
            self.arrivals.append(Arrival(envelope, int(message["Attributes"]["SentTimestamp"])))
        if messages:
            entries: Any = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(messages)]
            failed = sqs.delete_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
            assert not failed, failed
        return len(messages)

    @property
    def event_ids(self) -> set[str]:
        """Every event that arrived, once or more often."""
        return {arrival.envelope["eventId"] for arrival in self.arrivals}

    def out_of_order(self) -> list[str]:
        """Aggregates whose events did not arrive first in the order of their sequence numbers."""
        seen: set[str] = set()
        streams: dict[str, list[int]] = defaultdict(list)
        for arrival in sorted(self.arrivals, key=lambda each: each.sent_ms):
            envelope = arrival.envelope
            if envelope["eventId"] not in seen:
                seen.add(envelope["eventId"])
                streams[f"{envelope['aggregateType']} {envelope['aggregateId']}"].append(envelope["sequence"])
        return [name for name, sequences in streams.items() if sequences != list(range(1, len(sequences) + 1))]
