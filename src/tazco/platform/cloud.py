"""Where AWS is and who we are there: region, endpoints and credentials by the SDK's own chain, nothing else."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import botocore.session
from botocore.configprovider import ConfiguredEndpointProvider

from tazco.platform.aws import TARGETS
from tazco.platform.sigv4 import Credentials

REFRESH_SECONDS: Final = 60


class CloudMisconfigured(Exception):
    """Region, endpoint or credentials are missing; the message says the cure."""


@dataclass(slots=True)
class Cloud:
    """One botocore session: it knows `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL[_SERVICE]` and every credential source."""

    session: Any  # botocore ships no types

    @classmethod
    def from_environment(cls) -> "Cloud":
        """The cloud that the environment points to."""
        return cls(botocore.session.get_session())

    @property
    def region(self) -> str:
        """The region; raise `CloudMisconfigured` where none is set."""
        region = self.session.get_config_variable("region")
        if not region:
            raise CloudMisconfigured("No AWS region. Set AWS_REGION, or choose a profile that has one with AWS_PROFILE.")
        return str(region)

    def endpoint_override(self, service: str) -> str | None:
        """What `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL` or the profile says, if anything."""
        provider = ConfiguredEndpointProvider(
            full_config=self.session.full_config,
            scoped_config=self.session.get_scoped_config(),
            client_name=service.replace("-", "_"),
        )
        found = provider.provide()
        return str(found) if found else None

    def endpoint(self, service: str) -> str:
        """The URL that serves `service`."""
        override = self.endpoint_override(service)
        if override:
            return override
        resolver = self.session.get_component("endpoint_resolver")
        found = resolver.construct_endpoint(service, self.region)
        if not found:
            raise CloudMisconfigured(f"AWS does not offer {service} in {self.region!r}. Check AWS_REGION.")
        return f"https://{found['hostname']}"

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
        """The current credentials; raise `CloudMisconfigured` where the chain finds none."""
        now = asyncio.get_running_loop().time()
        if self._current is not None and now < self._fresh_until:
            return self._current
        async with self._lock:
            if self._current is None or now >= self._fresh_until:
                self._current = await asyncio.to_thread(self._load)
                self._fresh_until = asyncio.get_running_loop().time() + REFRESH_SECONDS
        return self._current

    def _load(self) -> Credentials:
        if self._source is None:
            self._source = self._cloud.session.get_credentials()
        if self._source is None:
            raise CloudMisconfigured(
                "No AWS credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, "
                "or give the machine a role."
            )
        frozen = self._source.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
