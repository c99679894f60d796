"""Reading an event as the bus puts it into a queue."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tazco.kernel.clock import from_text
from tazco.kernel.ids import CorrelationId, EcosystemId, EventId
from tazco.platform.jsontext import Malformed, parse_object
from tazco.platform.reactions import Envelope


class Poison(Exception):
    """The message is no event of ours and never will be; the reason quotes nothing of it."""


def envelope_of(body: str, source: str) -> Envelope:
    """The event in a message that the bus has put into a queue; raise `Poison` if there is none."""
    try:
        event = parse_object(body.encode())
    except Malformed as fault:
        raise Poison(f"it is no event of the bus: {fault}") from None
    if event.get("source") != source:
        raise Poison("its source is not ours")
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise Poison("its detail is no object")
    if detail.get("eventType") != event.get("detail-type"):
        raise Poison("its detail-type is not the type of the event in it")
    return Envelope(
        event_id=EventId(_text(detail, "eventId")),
        event_type=_text(detail, "eventType"),
        aggregate_type=_text(detail, "aggregateType"),
        aggregate_id=_text(detail, "aggregateId"),
        sequence=_sequence(detail.get("sequence")),
        ecosystem_id=EcosystemId(_text(detail, "ecosystemId")),
        occurred_at=_instant(_text(detail, "occurredAt")),
        correlation_id=CorrelationId(_text(detail, "requestId")),
        payload=_payload(detail.get("payload")),
    )


def _text(detail: Mapping[str, Any], name: str) -> str:
    value = detail.get(name)
    if not isinstance(value, str) or not value:
        raise Poison(f"its {name} is missing or no text")
    return value


def _sequence(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise Poison("its sequence is no whole number from 1")
    return value


def _instant(text: str) -> datetime:
    try:
        return from_text(text)
    except (ValueError, OverflowError):
        raise Poison("its occurredAt is no instant") from None


def _payload(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Poison("its payload is no object")
    return value
