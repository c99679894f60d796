"""Events: facts that others may react to. A subclass is one event type; its fields are the payload."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened to an aggregate; the stream of the aggregate's row numbers it.

    `type` and `aggregate_type` are the contract's names on the bus; `wire_names` spells payload keys that are not simply the
    field names in camel case.
    """

    type: ClassVar[str]
    aggregate_type: ClassVar[str]
    wire_names: ClassVar[Mapping[str, str]] = MappingProxyType({})
