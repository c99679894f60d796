"""Live events: a queue and a rule of one's own, made for the time of looking and removed afterwards.

A rule says in its description until when somebody keeps it alive. What a killed tail left is found by that and removed by the next.
"""

import contextlib
import json
import re
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from botocore.exceptions import ClientError

from tazco.kernel.clock import Clock, from_text, to_text
from tazco.local.account import user_here
from tazco.platform.provision import Clients
from tazco.platform.provision_messaging import ProvisioningFailed, QueueResource, queue_arn
from tazco.platform.resources import error_code, settle
from tazco.platform.settings import Names

MARK: Final = "tail-"
TARGET: Final = "tail"
ALIVE_FOR: Final = timedelta(minutes=5)
RENEW_AFTER: Final = timedelta(minutes=1)
RETENTION_SECONDS: Final = 300
POLL_SECONDS: Final = 10
BATCH_MAX: Final = 10
ID_BYTES: Final = 4
GONE: Final = frozenset({"QueueDoesNotExist", "NonExistentQueue", "ResourceNotFoundException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What to look at; everything that is not None must fit."""

    type: str | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    ecosystem_id: str | None = None

    def pattern(self, source: str) -> dict[str, Any]:
        """What the rule matches."""
        given = {"aggregateType": self.aggregate_type, "aggregateId": self.aggregate_id, "ecosystemId": self.ecosystem_id}
        detail = {name: [value] for name, value in given.items() if value is not None}
        types = {"detail-type": [self.type]} if self.type else {}
        return {"source": [source], **types, **({"detail": detail} if detail else {})}


@dataclass(slots=True)
class Tail:
    """One look at the bus; give it `remove` whatever happens."""

    clients: Clients
    names: Names
    watch: Watch
    clock: Clock
    name: str
    _renewed_at: datetime | None = None

    def create(self) -> None:
        """Make the rule first, by which the rest is found if this process is killed."""
        self._renew()
        queue = QueueResource(self.clients.sqs, self.name, self.names.event_bus, (self.name,), None, RETENTION_SECONDS)
        settle(queue)
        reply = self.clients.events.put_targets(
            Rule=self.name,
            EventBusName=self.names.event_bus,
            Targets=[{"Id": TARGET, "Arn": queue_arn(self.clients.sqs, self.name) or ""}],
        )
        if reply["FailedEntryCount"]:
            raise ProvisioningFailed(f"rule {self.name} refuses its target: {reply['FailedEntries']}")

    def _renew(self) -> None:
        self._renewed_at = self.clock()
        self.clients.events.put_rule(
            Name=self.name,
            EventBusName=self.names.event_bus,
            EventPattern=json.dumps(self.watch.pattern(self.names.event_source)),
            State="ENABLED",
            Description=f"tazco events tail of {user_here()}, alive until {to_text(self._renewed_at + ALIVE_FOR)}",
        )

    def events(self) -> Iterator[dict[str, Any]]:
        """Envelopes as they come, for ever; the bus may deliver one twice, and a queue keeps no order."""
        url = self.clients.sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        while True:
            if self._renewed_at is None or self.clock() - self._renewed_at > RENEW_AFTER:
                self._renew()
            reply = self.clients.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=BATCH_MAX, WaitTimeSeconds=POLL_SECONDS, VisibilityTimeout=RETENTION_SECONDS
            )
            messages = reply.get("Messages", [])
            if not messages:
                continue
            envelopes = [json.loads(message["Body"], parse_float=Decimal)["detail"] for message in messages]
            yield from sorted(envelopes, key=lambda envelope: (envelope["occurredAt"], envelope["sequence"]))
            self.clients.sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)],
            )

    def remove(self) -> None:
        """Delete queue and rule, the rule last."""
        _remove(self.clients, self.names, self.name)


@contextmanager
def tailing(clients: Clients, names: Names, watch: Watch, clock: Clock) -> Iterator[Tail]:
    """A tail from its making to its removal, which neither Ctrl-C nor SIGTERM interrupts."""
    remove_stale(clients, names, clock())
    tail = Tail(clients, names, watch, clock, f"{names.table_prefix}{MARK}{secrets.token_hex(ID_BYTES)}")
    try:
        tail.create()
        yield tail
    finally:
        with _uninterrupted():
            tail.remove()


def remove_stale(clients: Clients, names: Names, now: datetime) -> int:
    """Remove what tails left that were killed; tell how many."""
    pages = clients.events.get_paginator("list_rules").paginate(EventBusName=names.event_bus, NamePrefix=names.table_prefix + MARK)
    stale = [rule["Name"] for page in pages for rule in page["Rules"] if _stale(rule.get("Description", ""), now)]
    for name in stale:
        _remove(clients, names, name)
    return len(stale)


def _stale(description: str, now: datetime) -> bool:
    """A rule that says nothing is none of ours."""
    found = re.search(r"alive until (\S+)$", description)
    return found is not None and from_text(found[1]) < now


def _remove(clients: Clients, names: Names, name: str) -> None:
    with _unless_gone():
        clients.sqs.delete_queue(QueueUrl=clients.sqs.get_queue_url(QueueName=name)["QueueUrl"])
    with _unless_gone():
        clients.events.remove_targets(Rule=name, EventBusName=names.event_bus, Ids=[TARGET])
    with _unless_gone():
        clients.events.delete_rule(Name=name, EventBusName=names.event_bus)


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) not in GONE:
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    with contextlib.ExitStack() as restored:
        for number in (signal.SIGINT, signal.SIGTERM):
            restored.callback(signal.signal, number, signal.signal(number, signal.SIG_IGN))
        yield


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a blocking command as Ctrl-C does, by `KeyboardInterrupt`; so does Ctrl-C itself where the shell made us deaf to it."""
    with contextlib.ExitStack() as restored:
        for number in (signal.SIGINT, signal.SIGTERM):
            restored.callback(signal.signal, number, signal.signal(number, signal.default_int_handler))
        yield
