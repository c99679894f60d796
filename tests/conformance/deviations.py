"""What the emulators are known to do otherwise, and how Tazco is tested or built in spite of it.

A deviation is an expectation: the suite fails when the target does as AWS does, or something else than `shows` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """`shows` is part of how the test fails; `instead` is what the target does, `compensated` what we do about it."""

    shows: str
    instead: str
    compensated: str


MINISTACK: Final[Mapping[str, Deviation]] = {}
DYNAMODB_LOCAL: Final[Mapping[str, Deviation]] = {}
LOCALSTACK: Final[Mapping[str, Deviation]] = {}
