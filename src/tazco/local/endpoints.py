"""Whether anybody is at home, asked before a patient client spends a minute on finding out."""

import ipaddress
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:  # it brings botocore, which `tazco --help` need not wait for
    from tazco.platform.cloud import Cloud

CONNECT_SECONDS_MAX: Final = 3.0
PORTS: Final = {"http": 80, "https": 443}


class NobodyThere(Exception):
    """Nothing listens at an endpoint; the message tells cause and cure."""


def listens(url: str) -> bool:
    """Something takes connections at this URL."""
    parts = urlsplit(url)
    try:
        address = (parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))
        socket.create_connection(address, timeout=CONNECT_SECONDS_MAX).close()
    except (OSError, ValueError):
        return False
    return True


def on_loopback(url: str) -> bool:
    """The URL is one of this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class NotAnEmulator(Exception):
    """Something for a sandbox was about to happen to an account; the message tells cause and cure."""


def must_be_emulated(cloud: "Cloud", service: str) -> None:
    """Raise `NotAnEmulator` unless an endpoint is given for the service: passwords that everybody knows are not for AWS."""
    if not cloud.endpoint_override(service):
        raise NotAnEmulator(
            f"Demo people and demo values are for an emulated cloud, and {service} is AWS itself here. "
            "Set AWS_ENDPOINT_URL to the emulator's address."
        )


def must_listen(cloud: "Cloud", *services: str) -> None:
    """Raise `NobodyThere` for an overridden endpoint that is not up; AWS itself may be behind a proxy and is not asked."""
    for service in services:
        url = cloud.endpoint_override(service)
        if url and not listens(url):
            raise NobodyThere(
                f"Nothing answers for {service} at {url}. On a laptop start `tazco dev`; else check AWS_ENDPOINT_URL."
            )
