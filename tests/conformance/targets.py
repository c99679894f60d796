"""Targets: whom the suite can judge, which of the services each serves, and what is known to differ there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.conformance.behaviours import Service
from tests.conformance.deviations import DYNAMODB_LOCAL, LOCALSTACK, MINISTACK, Deviation

TARGET_VARIABLE: Final = "TAZCO_CONFORMANCE_TARGET"
PREFIX_VARIABLE: Final = "TAZCO_CONFORMANCE_PREFIX"
PREFIX: Final = "tazco-conformance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One cloud. A service that it does not serve itself is not judged there: it would be somebody else's again.

    `patience_seconds` bounds every wait for something that comes by itself.
    """

    name: str
    title: str
    services: tuple[Service, ...]
    patience_seconds: float
    deviations: Mapping[str, Deviation] = field(default_factory=dict)


TARGETS: Final = {
    target.name: target
    for target in (
        Target(name="ministack", title="MiniStack", services=tuple(Service), patience_seconds=10, deviations=MINISTACK),
        Target(
            name="dynamodb-local",
            title="DynamoDB Local",
            services=(Service.DYNAMODB,),
            patience_seconds=20,
            deviations=DYNAMODB_LOCAL,
        ),
        Target(
            name="localstack",
            title="LocalStack",
            services=(Service.EVENTBRIDGE, Service.SQS, Service.SSM),
            patience_seconds=20,
            deviations=LOCALSTACK,
        ),
        Target(name="aws", title="AWS", services=tuple(Service), patience_seconds=180),
    )
}
