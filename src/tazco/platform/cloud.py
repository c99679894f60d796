"""Where AWS is and who we are there: region, endpoints and credentials by the SDK's own chain, nothing else."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import botocore.session
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound, UnknownRegionError

from tazco.platform.aws import TARGETS, AwsUnreachable
from tazco.platform.sigv4 import Credentials

REFRESH_SECONDS: Final = 60
REGION_SOURCES: Final = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
"""botocore alone reads only the second; every other SDK, and the platforms that set it for us, speak of the first."""


class CloudMisconfigured(Exception):
    """Region, endpoint or credentials are missing; the message says the cure."""


@dataclass(slots=True)
class Cloud:
    """One botocore session: it knows `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL[_SERVICE]` and every credential source."""

    session: Any  # botocore ships no types
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @classmethod
    def from_environment(cls) -> "Cloud":
        """The cloud that the environment points to."""
        return cls(botocore.session.get_session(REGION_SOURCES))

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> "Cloud":
        """The cloud that these variables alone point to: region, keys, endpoints; no profile, no file, no role.

        For a process that talks to another cloud than the one of its own environment, as `tazco dev` and the tests do.
        """
        variables = {
            "profile": None,
            "config_file": os.devnull,
            "credentials_file": os.devnull,
            "region": environment.get("AWS_REGION"),
        }
        session = botocore.session.Session({name: (None, None, value, None) for name, value in variables.items()})
        if "AWS_ACCESS_KEY_ID" in environment:
            session.set_credentials(
                environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], environment.get("AWS_SESSION_TOKEN")
            )
        return cls(session, environment)

    @property
    def region(self) -> str:
        """The region; raise `CloudMisconfigured` where none is set."""
        try:
            region = self.session.get_config_variable("region")
        except ProfileNotFound as error:
            raise CloudMisconfigured(f"{error}. Correct AWS_PROFILE, or unset it.") from error
        if not region:
            raise CloudMisconfigured("No AWS region. Set AWS_REGION, or choose a profile that has one with AWS_PROFILE.")
        return str(region)

    def endpoint_override(self, service: str) -> str | None:
        """What `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL` or the profile says, if anything.

        `<SERVICE>` is spelt as the SDK does: `COGNITO_IDENTITY_PROVIDER` for cognito-idp, `EVENTBRIDGE` for events.
        """
        try:
            profile = self.session.get_scoped_config()
        except ProfileNotFound as error:
            raise CloudMisconfigured(f"{error}. Correct AWS_PROFILE, or unset it.") from error
        found = ConfiguredEndpointProvider(
            full_config=self.session.full_config, scoped_config=profile, client_name=service, environ=self.environment
        ).provide()
        return str(found) if found else None

    def endpoint(self, service: str) -> str:
        """The URL that serves `service`."""
        override = self.endpoint_override(service)
        if override:
            return override
        try:
            partition = self.session.get_partition_for_region(self.region)
        except UnknownRegionError as error:
            raise CloudMisconfigured(f"AWS has no region {self.region!r}. Check AWS_REGION.") from error
        suffixes = {entry["id"]: entry["outputs"]["dnsSuffix"] for entry in self.session.get_data("partitions")["partitions"]}
        return f"https://{service}.{self.region}.{suffixes[partition]}"

    def endpoints(self) -> dict[str, str]:
        """Service → URL, for all five."""
        return {service: self.endpoint(service) for service in TARGETS}


class ChainCredentials:
    """botocore's provider chain; a refresh runs in a thread, so that the event loop never waits for a metadata server."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._source: Any = None
        self._current: Credentials | None = None
        self._fresh_until = 0.0
        self._lock = asyncio.Lock()

    async def current(self) -> Credentials:
        """The current credentials; raise `CloudMisconfigured` where the chain finds none, `AwsUnreachable` where it fails.

        botocore renews them minutes before they expire, so that whoever comes during a renewal goes on with the old ones.
        """
        if self._current is not None and (self._fresh or self._lock.locked()):
            return self._current
        async with self._lock:
            if self._current is None or not self._fresh:
                self._current = await asyncio.to_thread(self._load)
                self._fresh_until = asyncio.get_running_loop().time() + REFRESH_SECONDS
        return self._current

    @property
    def _fresh(self) -> bool:
        return asyncio.get_running_loop().time() < self._fresh_until

    def _load(self) -> Credentials:
        try:
            return self._frozen()
        except (BotoCoreError, ClientError) as error:
            raise AwsUnreachable(f"AWS credentials cannot be obtained: {error}") from error

    def _frozen(self) -> Credentials:
        if self._source is None:
            self._source = self._cloud.session.get_credentials()
        if self._source is None:
            raise CloudMisconfigured(
                "No AWS credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, "
                "or give the machine a role."
            )
        frozen = self._source.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
