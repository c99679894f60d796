"""`tazco config show`: every setting and every policy value, with where it comes from; secrets masked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import SecretStr

from tazco.kernel.clock import system_clock
from tazco.platform.aws import Aws
from tazco.platform.cloud import ChainCredentials, Cloud
from tazco.platform.logs import scrubbed
from tazco.platform.policy import TUNABLES
from tazco.platform.policy_source import read_parameters
from tazco.platform.settings import DOTENV, PREFIX, Settings

MASK: Final = "••••"
NONE: Final = "-"
REGIONS: Final = {"AWS_REGION", "AWS_DEFAULT_REGION"}
ENDPOINT: Final = "AWS_ENDPOINT_URL"
SPELT: Final = {
    "dynamodb": "DYNAMODB",
    "events": "EVENTBRIDGE",
    "sqs": "SQS",
    "ssm": "SSM",
    "cognito-idp": "COGNITO_IDENTITY_PROVIDER",
}
"""Service → how the SDK spells it in the variable of its own endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value and its origin."""

    name: str
    value: str
    origin: str


def settings_entries(cloud: Cloud, settings: Settings, *, adopted_from: str | None) -> list[Entry]:
    """Where AWS is, and every setting; `adopted_from` names the file whose variables were taken over into the environment."""
    in_file = {name.upper() for name in dotenv_values(DOTENV)} if DOTENV.exists() else set()

    def origin(variable: str) -> str:
        if variable in os.environ:
            return adopted_from or "environment"
        return str(DOTENV) if variable in in_file else "default"

    taken_over = adopted_from or "environment"
    return [
        Entry(name="AWS_REGION", value=cloud.region, origin=taken_over if REGIONS & os.environ.keys() else "profile"),
        *_endpoint_entries(cloud, taken_over),
        *(
            Entry(name=PREFIX + name.upper(), value=_shown(getattr(settings, name)), origin=origin(PREFIX + name.upper()))
            for name in type(settings).model_fields
        ),
    ]


def _endpoint_entries(cloud: Cloud, taken_over: str) -> list[Entry]:
    """One line where all five services are at one place, else a line for each that has a place of its own."""
    urls = {f"{ENDPOINT}_{spelt}": cloud.endpoint_override(service) for service, spelt in SPELT.items()}
    given = os.environ.keys() & {ENDPOINT, *urls}

    def entry(name: str, url: str | None, *, in_environment: bool) -> Entry:
        origin = "default" if not url else taken_over if in_environment else "profile"
        return Entry(name=name, value=url or NONE, origin=origin)

    if len(set(urls.values())) == 1:
        return [entry(ENDPOINT, next(iter(urls.values())), in_environment=bool(given))]
    return [entry(name, url, in_environment=bool(given & {name, ENDPOINT})) for name, url in urls.items()]


async def read_policy(cloud: Cloud, ssm_prefix: str) -> dict[str, str]:
    """The parameters as SSM has them, by name below the prefix; raise `AwsError` or `AwsUnreachable`."""
    aws = Aws(cloud.endpoints(), cloud.region, ChainCredentials(cloud), system_clock)
    try:
        return await read_parameters(aws, ssm_prefix + "/")
    finally:
        aws.close()


def policy_entries(parameters: Mapping[str, str]) -> list[Entry]:
    """Every policy parameter: as SSM has it, or its default."""
    return [
        Entry(
            name=name,
            value=scrubbed(parameters.get(name, field.metadata["default"] or NONE)),
            origin="SSM" if name in parameters else "default",
        )
        for name, field in TUNABLES.items()
    ]


def _shown(value: Any) -> str:
    if value is None or value == ():
        return NONE
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ", ".join(_shown(each) for each in value)
    return str(value)
