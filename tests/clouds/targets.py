"""The targets: which servers serve the five services, and the variables that point to them."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from tazco.local.embedded import EmbeddedCloud
from tests.clouds.child import server
from tests.clouds.installed import dynamodb_local, localstack
from tests.clouds.prerequisites import require_java
from tests.processes import free_port

HERE: Final = Path(__file__).parent
LOCALSTACK_SERVICES: Final = ("events", "sqs", "ssm")
LOCALSTACK_STATES: Final = ("running", "available")


@dataclass(frozen=True, slots=True)
class RunningCloud:
    """A target that runs."""

    name: str
    variables: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """The variables that make any AWS client talk to this cloud; its keys open nothing else."""
        return dict(self.variables)


@asynccontextmanager
async def ministack() -> AsyncIterator[RunningCloud]:
    """All five services from the embedded cloud."""
    async with _embedded() as cloud:
        yield RunningCloud("ministack", cloud.environment())


@asynccontextmanager
async def ministack_with_dynamodb_local() -> AsyncIterator[RunningCloud]:
    """AWS's own DynamoDB Local; the other four services from the embedded cloud."""
    async with _embedded() as cloud, _dynamodb_local() as dynamodb:
        yield RunningCloud("dynamodb-local", {**cloud.environment(), "AWS_ENDPOINT_URL_DYNAMODB": dynamodb})


@asynccontextmanager
async def localstack_with_cognito() -> AsyncIterator[RunningCloud]:
    """LocalStack's EventBridge, SQS and SSM, AWS's DynamoDB Local, and Cognito from MiniStack: the free LocalStack has none."""
    async with _embedded() as cloud, _dynamodb_local() as dynamodb, _localstack() as others:
        variables = {
            **cloud.environment(),
            "AWS_ENDPOINT_URL": others,
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": cloud.url,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        }
        yield RunningCloud("localstack", variables)


TARGETS: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[RunningCloud]]]] = {
    "ministack": ministack,
    "dynamodb-local": ministack_with_dynamodb_local,
    "localstack": localstack_with_cognito,
}
NEEDS: Final[Mapping[str, tuple[Callable[[], Path], ...]]] = {
    "ministack": (),
    "dynamodb-local": (dynamodb_local,),
    "localstack": (dynamodb_local, localstack),
}


def chosen() -> str:
    """The target that `TAZCO_TESTS_ON` names, the embedded cloud by default; raise `LookupError` for an unknown one."""
    name = os.environ.get("TAZCO_TESTS_ON", "ministack")
    if name not in TARGETS:
        raise LookupError(f"TAZCO_TESTS_ON={name} is no target. There are: {', '.join(TARGETS)}.")
    return name


def install(target: str) -> None:
    """Have everything that a target needs; raise `MissingPrerequisite` where that cannot be."""
    for part in NEEDS[target]:
        part()


@asynccontextmanager
async def _embedded() -> AsyncIterator[EmbeddedCloud]:
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    try:
        yield cloud
    finally:
        await cloud.stop()


@asynccontextmanager
async def _dynamodb_local() -> AsyncIterator[str]:
    jar, java, port = dynamodb_local(), require_java(), free_port()
    url = f"http://127.0.0.1:{port}"
    classes = f"{jar}/DynamoDBLocal.jar:{jar}/DynamoDBLocal_lib/*"
    options = ("-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port))

    async def ready(http: httpx.AsyncClient) -> bool:
        return (await http.get(url)).status_code == httpx.codes.BAD_REQUEST  # it is there, and asks who we are

    def command(_: Path) -> tuple[str, ...]:
        source = str(HERE / "DynamoDbLocal.java")
        return (java, f"-Djava.library.path={jar}/DynamoDBLocal_lib", "-cp", classes, source, *options)

    async with server("dynamodb-local", command, lambda _: {}, ready):
        yield url


@asynccontextmanager
async def _localstack() -> AsyncIterator[str]:
    python, port = localstack(), free_port()
    url = f"http://127.0.0.1:{port}"

    async def ready(http: httpx.AsyncClient) -> bool:
        states = (await http.get(f"{url}/_localstack/health")).json()["services"]
        return all(states[service] in LOCALSTACK_STATES for service in LOCALSTACK_SERVICES)

    def command(_: Path) -> tuple[str, ...]:
        return (str(python), str(HERE / "until_eof.py"), "localstack.runtime.main")

    async with server("localstack", command, partial(_localstack_environment, port), ready):
        yield url


def _localstack_environment(port: int, folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "FILESYSTEM_ROOT": str(folder),
        "OVERRIDE_IN_DOCKER": "0",
        "GATEWAY_SERVER": "hypercorn",  # the default one listens on every interface, whatever it is told
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"127.0.0.1:{port}",  # what the addresses of queues begin with
        "SERVICES": ",".join(LOCALSTACK_SERVICES),
        "EAGER_SERVICE_LOADING": "1",
        "DNS_ADDRESS": "0",  # no name server
        "DISABLE_EVENTS": "1",  # no telemetry
        "SKIP_SSL_CERT_DOWNLOAD": "1",
    }
