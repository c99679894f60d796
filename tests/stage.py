"""A stage: a set of resources of one's own on the cloud under test, and the settings that point to it."""

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from tazco.platform.cloud import Cloud
from tazco.platform.messaging import Subscription
from tazco.platform.provision import Clients, Provisioned, Provisioner
from tazco.platform.resources import Finding
from tazco.platform.settings import Names, Settings
from tazco.platform.tables import Table

CURSOR_SECRET = "a-cursor-secret-of-the-tests-0123456789"


class AnyCloud(Protocol):
    """A cloud that runs: the embedded one, or another target of `tests.clouds`."""

    def environment(self) -> dict[str, str]:
        """The variables that make any AWS client talk to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Provisioned resources under a prefix that nobody else has."""

    names: Names
    provisioned: Provisioned
    cloud: Cloud
    clients: Clients

    @property
    def environment(self) -> Mapping[str, str]:
        """Every variable that a process of ours needs to run on this stage."""
        return {
            **self.cloud.environment,
            "TAZCO_TABLE_PREFIX": self.names.table_prefix,
            "TAZCO_SSM_PREFIX": self.names.ssm_prefix,
            "TAZCO_EVENT_BUS": self.names.event_bus,
            "TAZCO_EVENT_SOURCE": self.names.event_source,
            "TAZCO_COGNITO_USER_POOL_ID": self.provisioned.user_pool_id,
            "TAZCO_COGNITO_CLIENT_IDS": self.provisioned.client_id,
            "TAZCO_COGNITO_JWKS_URL": self.jwks_url,
            "TAZCO_CURSOR_SECRETS": CURSOR_SECRET,
            "TAZCO_RELAY_WITH_API": "false",
            "TAZCO_TRACE_EVENTS": "true",
            "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID": "123456",
            "TAZCO_WHATSAPP_META_ACCESS_TOKEN": "throw-away",
            "TAZCO_WHATSAPP_META_APP_SECRETS": "throw-away",
            "TAZCO_WHATSAPP_META_VERIFY_TOKEN": "throw-away",
        }

    def environment_at(self, url: str) -> Mapping[str, str]:
        """The same with every AWS service at this one endpoint, whoever serves the stage itself."""
        own = {name: value for name, value in self.environment.items() if not name.startswith("AWS_ENDPOINT_URL")}
        return {**own, "AWS_ENDPOINT_URL": url}

    @property
    def jwks_url(self) -> str:
        """Where the pool publishes its keys."""
        return f"{self.cloud.endpoint('cognito-idp')}/{self.provisioned.user_pool_id}/.well-known/jwks.json"

    def settings(self, **others: Any) -> Settings:
        """The settings that `environment` gives, without touching the environment of this process."""
        values = {
            **self.names.model_dump(),
            "cognito_user_pool_id": self.provisioned.user_pool_id,
            "cognito_client_ids": (self.provisioned.client_id,),
            "cognito_jwks_url": self.jwks_url,
            "cursor_secrets": (SecretStr(CURSOR_SECRET),),
            "trace_events": True,
            **others,
        }
        return Settings(**values)


def names_of(prefix: str) -> Names:
    """Names that collide with nothing outside `prefix`."""
    return Names(table_prefix=f"{prefix}-", ssm_prefix=f"/{prefix}/api", event_bus=f"{prefix}-events", event_source=f"{prefix}.api")


def reach(running: AnyCloud) -> tuple[Cloud, Clients]:
    """The cloud and its clients, made once for each address: botocore reads megabytes of service models for them."""
    return _reach(tuple(running.environment().items()))


@functools.cache
def _reach(environment: tuple[tuple[str, str], ...]) -> tuple[Cloud, Clients]:
    cloud = Cloud.from_mapping(dict(environment))
    return cloud, Clients.of(cloud)


def provisioner(
    running: AnyCloud, names: Names, tables: tuple[Table[Any], ...], subscriptions: tuple[Subscription, ...] = ()
) -> Provisioner:
    """Provisioning under `names` on a cloud."""
    _, clients = reach(running)
    return Provisioner(clients, names, tables, subscriptions)


def new_stage(running: AnyCloud, tables: tuple[Table[Any], ...], subscriptions: tuple[Subscription, ...] = ()) -> Stage:
    """Provision a fresh prefix; about a quarter of a second."""
    names = names_of(f"t{uuid.uuid4().hex[:12]}")
    cloud, clients = reach(running)
    work = Provisioner(clients, names, tables, subscriptions)
    unsettled: list[Finding] = []
    provisioned = work.apply(lambda finding: None if finding.settled else unsettled.append(finding))
    assert not unsettled
    return Stage(names=names, provisioned=provisioned, cloud=cloud, clients=clients)
