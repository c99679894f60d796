"""Metrics: counted always, served only where `TAZCO_METRICS_PORT` says so (`docs/operations.md` explains each)."""

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

DELAY_BUCKETS_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that a process counts; a registry of its own, so that two worlds in one test process do not mix."""

    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=True))
    outbox_age: Gauge = field(init=False)
    dead_letters: Gauge = field(init=False)
    publish_delay: Histogram = field(init=False)
    published: Counter = field(init=False)
    publish_retries: Counter = field(init=False)
    queue_depth: Gauge = field(init=False)
    reactions: Counter = field(init=False)
    deliveries: Counter = field(init=False)
    approvals: Counter = field(init=False)

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        reg = self.registry
        put("outbox_age", Gauge("tazco_outbox_age_seconds", "Age of the oldest event that is not sent yet.", registry=reg))
        put("dead_letters", Gauge("tazco_outbox_dead_letters", "Events that are not tried any more.", registry=reg))
        put(
            "publish_delay",
            Histogram(
                "tazco_publish_delay_seconds",
                "From the commit of an event to the bus.",
                registry=reg,
                buckets=DELAY_BUCKETS_SECONDS,
            ),
        )
        put("published", Counter("tazco_events_published", "Events that the bus took.", registry=reg))
        put("publish_retries", Counter("tazco_publish_retries", "Events that the bus refused for now.", registry=reg))
        put("queue_depth", Gauge("tazco_queue_messages", "Messages that wait in a queue.", ("queue",), registry=reg))
        put("reactions", Counter("tazco_reactions", "Messages that a worker handled.", ("event_type", "outcome"), registry=reg))
        put("deliveries", Counter("tazco_deliveries", "WhatsApp messages by the status they reached.", ("status",), registry=reg))
        put("approvals", Counter("tazco_approvals", "Answers of approvers, and expiries, by outcome.", ("outcome",), registry=reg))

    def serve(self, host: str, port: int) -> None:
        """Answer GET /metrics on a port of its own; raise `OSError` where it is taken."""
        start_http_server(port, addr=host, registry=self.registry)
