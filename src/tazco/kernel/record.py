"""Records: what a row of a table is in the program."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row, as a frozen value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned(Record):
    """A row that changes. `version` counts its writes, `sequence` the events of its stream, `last_event_id` names the newest of them.

    Only the commit moves them. A row written by another program may carry none of them.
    """

    version: int = 0
    sequence: int = 0
    last_event_id: str | None = None
