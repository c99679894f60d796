"""Provisioning: every resource from its declaration, idempotently, on any endpoint; nothing that an operator changed is undone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from tazco.platform.cloud import Cloud
from tazco.platform.messaging import Subscription
from tazco.platform.provision_identity import ClientResource, GroupResource, PoolResource
from tazco.platform.provision_messaging import BusResource, RuleResource, dead_letter_queues, queues
from tazco.platform.provision_policy import parameters
from tazco.platform.provision_tables import TableResource
from tazco.platform.resources import Finding, Resource, inspect, settle
from tazco.platform.settings import Names
from tazco.platform.tables import Table

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

THREADS: Final = 8
ATTEMPTS_MAX: Final = 10
CONNECT_SECONDS: Final = 3
POOL_NAME_DEFAULT: Final = "tazco"


class NotProvisioned(Exception):
    """A resource whose id is asked for does not exist yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What the account chose and the program must be told."""

    user_pool_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Clients:
    """One client for each of the five services."""

    dynamodb: "DynamoDBClient"
    cognito: "CognitoIdentityProviderClient"
    events: "EventBridgeClient"
    sqs: "SQSClient"
    ssm: "SSMClient"

    @classmethod
    def of(cls, cloud: Cloud) -> "Clients":
        """Clients that go where `cloud` points, patient with throttling: control planes allow a few calls a second."""
        session = boto3.Session(botocore_session=cloud.session, region_name=cloud.region)
        config = Config(
            retries={"mode": "standard", "max_attempts": ATTEMPTS_MAX},
            connect_timeout=CONNECT_SECONDS,
            max_pool_connections=THREADS,
        )

        def client(service: Any) -> Any:
            return session.client(service, endpoint_url=cloud.endpoint_override(service), config=config)

        return cls(client("dynamodb"), client("cognito-idp"), client("events"), client("sqs"), client("ssm"))


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Everything that the program needs in an account, under one set of names.

    `policy` gives parameters that are missing another value than their default.
    """

    clients: Clients
    names: Names
    tables: tuple[Table[Any], ...]
    subscriptions: tuple[Subscription, ...]
    policy: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> list[Finding]:
        """How the account stands to the declarations; nothing is changed."""
        return list(self._over_all(inspect))

    def apply(self, report: Callable[[Finding], None]) -> Provisioned:
        """Create what is missing and mend what can be mended without loss, telling of each resource as it is done."""
        for finding in self._over_all(settle):
            report(finding)
        return self.provisioned()

    def provisioned(self) -> Provisioned:
        """The ids of what exists; raise `NotProvisioned` where it does not."""
        pool = self._pool()
        pool_id = pool.find()
        client_id = ClientResource(self.clients.cognito, pool).find(pool_id) if pool_id else None
        if not pool_id or not client_id:
            raise NotProvisioned(f"There is no user pool {pool.name!r} with its client. Run `tazco provision`.")
        return Provisioned(user_pool_id=pool_id, client_id=client_id)

    def _over_all(self, treat: Callable[[Resource], Finding]) -> Iterator[Finding]:
        """Treat every resource, those that need others after them, the rest side by side."""
        with ThreadPoolExecutor(THREADS, "provision") as threads:
            for stage in (self._first, self._second, self._third):
                yield from threads.map(treat, stage())

    def _first(self) -> Sequence[Resource]:
        clients, names = self.clients, self.names
        return [
            *(TableResource(clients.dynamodb, names.table_prefix, table) for table in self.tables),
            self._pool(),
            BusResource(clients.events, names.event_bus),
            *dead_letter_queues(clients.sqs, names, self.subscriptions),
            *parameters(clients.ssm, names.ssm_prefix, self.policy),
        ]

    def _second(self) -> Sequence[Resource]:
        cognito, pool = self.clients.cognito, self._pool()
        return [
            ClientResource(cognito, pool),
            GroupResource(cognito, pool),
            *queues(self.clients.sqs, self.names, self.subscriptions),
        ]

    def _third(self) -> Sequence[Resource]:
        return [
            RuleResource(self.clients.events, self.clients.sqs, self.names, subscription) for subscription in self.subscriptions
        ]

    def _pool(self) -> PoolResource:
        return PoolResource(self.clients.cognito, pool_name(self.names))


def pool_name(names: Names) -> str:
    """`tazco`, or whatever the table prefix is without its separator."""
    return names.table_prefix.rstrip("-_.") or POOL_NAME_DEFAULT
