"""Targets: whom the suite can judge, which of the services each serves, and what is known to differ there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.conformance.behaviours import BEHAVIOURS, Service
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

SERVERS: Final = {
    "ministack": ("ministack",),
    "dynamodb-local": ("dynamodb-local", "ministack"),
    "localstack": ("localstack", "dynamodb-local", "ministack"),
}
"""Cloud of `tests.clouds` → who serves there: of several that could, the first."""


def combination(cloud: str) -> Target:
    """All servers of a cloud as one target, each behaviour judged by what is known of the one that serves it."""
    servers = [TARGETS[name] for name in SERVERS[cloud]]
    if len(servers) == 1:
        return servers[0]
    by_service = {service: next(server for server in servers if service in server.services) for service in Service}
    known = ((name, by_service[behaviour.service].deviations.get(name)) for name, behaviour in BEHAVIOURS.items())
    return Target(
        name=cloud,
        title=" with ".join(server.title for server in servers),
        services=tuple(Service),
        patience_seconds=max(server.patience_seconds for server in servers),
        deviations={name: deviation for name, deviation in known if deviation is not None},
    )
