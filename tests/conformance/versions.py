"""Which version of a target was judged: as it says itself, or as it is installed."""

import httpx

from tazco.local.embedded import emulator_version
from tests.clouds.installed import DYNAMODB_LOCAL_PACKAGE, DYNAMODB_LOCAL_VERSION
from tests.conformance.behaviours import Service
from tests.conformance.here import Here


def version_of(here: Here) -> str:
    """In the target's own words; raise `httpx.HTTPError` where it does not answer."""
    if here.target.name == "ministack":
        return emulator_version()
    if here.target.name == "dynamodb-local":
        return f"{DYNAMODB_LOCAL_VERSION} ({DYNAMODB_LOCAL_PACKAGE})"
    if here.target.name == "localstack":
        address = here.cloud.endpoint(Service.EVENTBRIDGE.value)
        return str(httpx.get(f"{address}/_localstack/health", timeout=5).raise_for_status().json()["version"])
    return here.cloud.region
