"""What the conftest and the command share: which target, under which prefix, and what a run has found."""

import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import pytest

from tests.conformance.here import Here
from tests.conformance.targets import PREFIX, TARGET_VARIABLE, TARGETS, Target

VERDICT: Final = "conformance"
HERE: Final = pytest.StashKey[Here]()
DEFAULT_TARGET: Final = "ministack"


class Verdict(StrEnum):
    """How a target did."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"


class NoSuchTarget(Exception):
    """The environment names a target that nobody knows."""


def target_of(environment: Mapping[str, str]) -> Target:
    """The target that the environment names; the embedded cloud's without a name."""
    name = environment.get(TARGET_VARIABLE, DEFAULT_TARGET)
    if name not in TARGETS:
        raise NoSuchTarget(f"{TARGET_VARIABLE}={name} is no target. Choose one of: {', '.join(TARGETS)}.")
    return TARGETS[name]


def new_prefix() -> str:
    """A prefix that nobody has."""
    return f"{PREFIX}-{uuid.uuid4().hex[:8]}"
