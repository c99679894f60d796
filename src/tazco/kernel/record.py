"""Records: what a row of a table is in the program."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row, as a frozen value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned(Record):
    """A row that changes. `version` counts its writes, `sequence` the events of its stream; only the commit moves them.

    A row written by another program may carry neither; both then read as 0.
    """

    version: int = 0
    sequence: int = 0
