"""What the conftest and the command share: which target, under which prefix, and what a run has found."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pytest
from botocore.exceptions import ClientError

from tests.clouds.targets import chosen
from tests.conformance.deviations import Deviation
from tests.conformance.here import Here
from tests.conformance.targets import PREFIX, TARGET_VARIABLE, TARGETS, Target, combination

VERDICT: Final = "conformance"
HERE: Final = pytest.StashKey[Here]()
DEFAULT_TARGET: Final = "ministack"


class Verdict(StrEnum):
    """How a target did."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a behaviour's test means for the target, and for the run: `expected` is all in order, `told` says more where it is not plain."""

    verdict: Verdict
    expected: bool
    told: str = ""


def judge(name: str, deviation: Deviation | None, error: BaseException | None) -> Judgement:
    """What is known to differ has to differ, in the way that is known, by an answer of the service: an outage is no deviation."""
    if error is None:
        told = f"{name} does as AWS does now: delete its deviation, and run the suite on the target again" if deviation else ""
        return Judgement(Verdict.CONFORMS, expected=deviation is None, told=told)
    if deviation is None or not isinstance(error, AssertionError | ClientError):
        return Judgement(Verdict.DEVIATES, expected=False)
    if deviation.shows not in str(error):
        told = f"it is known to differ, but the known failure says {deviation.shows!r}"
        return Judgement(Verdict.DEVIATES, expected=False, told=told)
    return Judgement(Verdict.DEVIATES, expected=True, told=f"known: {deviation.instead}")


class NoSuchTarget(Exception):
    """The environment names a target that nobody knows."""


def target_of(environment: Mapping[str, str]) -> Target:
    """The target that the environment names; without a name the servers of the cloud on which all tests run."""
    name = environment.get(TARGET_VARIABLE)
    if name is None:
        return combination(chosen())
    if name not in TARGETS:
        raise NoSuchTarget(f"{TARGET_VARIABLE}={name} is no target. Choose one of: {', '.join(TARGETS)}.")
    return TARGETS[name]


def new_prefix() -> str:
    """A prefix that nobody has."""
    return f"{PREFIX}-{uuid.uuid4().hex[:8]}"
