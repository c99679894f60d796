"""Identifiers. Those that come in a path or a token are opaque: never parsed, never checked for a form."""

from collections.abc import Callable
from typing import NewType

Subject = NewType("Subject", str)
"""The identity provider's subject (`sub`); the wire and the tables call it `firebaseUid`."""

EcosystemId = NewType("EcosystemId", str)
CardId = NewType("CardId", str)
CardRequestId = NewType("CardRequestId", str)
TransactionId = NewType("TransactionId", str)
EventId = NewType("EventId", str)
CorrelationId = NewType("CorrelationId", str)
"""What ties an answer, its events, its audit entry and its log lines together; the wire calls it `requestId`."""

RandomBytes = Callable[[int], bytes]
"""Gives so many bytes that nobody can guess."""

NewId = Callable[[], str]
"""Makes a UUIDv7 in text; ids made by one process sort in the order in which they were made."""
