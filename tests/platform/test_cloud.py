"""Where AWS is and who we are: the environment as the SDKs read it, and real renewals over loopback."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from tazco.platform.aws import TARGETS
from tazco.platform.cloud import ChainCredentials, Cloud, CloudMisconfigured
from tazco.platform.sigv4 import Credentials
from tests.platform.servers import Request, http, serving, until

Environment = pytest.MonkeyPatch


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """An environment that knows nothing of AWS."""
    for name in ("REGION", "DEFAULT_REGION", "PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "ENDPOINT_URL"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for service in ("DYNAMODB", "EVENTBRIDGE", "SQS", "SSM", "COGNITO_IDENTITY_PROVIDER"):
        monkeypatch.delenv(f"AWS_ENDPOINT_URL_{service}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
    ],
)
def test_the_region_is_what_either_variable_says_and_the_session_agrees(
    env: Environment, variables: dict[str, str], region: str
) -> None:
    for name, value in variables.items():
        env.setenv(name, value)
    cloud = Cloud.from_environment()
    assert cloud.region == region
    env.setenv("AWS_ACCESS_KEY_ID", "test")
    env.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert cloud.session.create_client("dynamodb").meta.region_name == region


def test_the_region_of_a_profile_counts(env: Environment, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile mine]\nregion = sa-east-1\n")
    env.setenv("AWS_PROFILE", "mine")
    assert Cloud.from_environment().region == "sa-east-1"


def test_no_region_is_refused_with_the_cure(env: Environment) -> None:
    del env
    with pytest.raises(CloudMisconfigured, match="Set AWS_REGION"):
        _ = Cloud.from_environment().region


def test_an_unknown_profile_is_refused_with_the_cure(env: Environment) -> None:
    env.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CloudMisconfigured, match=r"nobody.*Correct AWS_PROFILE"):
        _ = Cloud.from_environment().region
    with pytest.raises(CloudMisconfigured, match=r"nobody.*Correct AWS_PROFILE"):
        Cloud.from_environment().endpoint_override("sqs")


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1"])
def test_without_override_the_endpoints_are_those_of_the_sdk(env: Environment, region: str) -> None:
    env.setenv("AWS_REGION", region)
    env.setenv("AWS_ACCESS_KEY_ID", "test")
    env.setenv("AWS_SECRET_ACCESS_KEY", "test")
    cloud = Cloud.from_environment()
    assert cloud.endpoint_override("dynamodb") is None
    assert cloud.endpoints() == {service: cloud.session.create_client(service).meta.endpoint_url for service in TARGETS}


def test_a_region_that_does_not_exist_is_refused_with_the_cure(env: Environment) -> None:
    env.setenv("AWS_REGION", "nowhere")
    with pytest.raises(CloudMisconfigured, match=r"no region 'nowhere'\. Check AWS_REGION"):
        Cloud.from_environment().endpoint("sqs")


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ("dynamodb", "AWS_ENDPOINT_URL_DYNAMODB"),
        ("events", "AWS_ENDPOINT_URL_EVENTBRIDGE"),
        ("sqs", "AWS_ENDPOINT_URL_SQS"),
        ("ssm", "AWS_ENDPOINT_URL_SSM"),
        ("cognito-idp", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"),
    ],
)
def test_an_override_of_one_service_wins_over_that_of_all(env: Environment, service: str, variable: str) -> None:
    env.setenv("AWS_REGION", "us-east-1")
    env.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    env.setenv(variable, "http://127.0.0.1:9999")
    endpoints = Cloud.from_environment().endpoints()
    assert endpoints.pop(service) == "http://127.0.0.1:9999"
    assert set(endpoints.values()) == {"http://127.0.0.1:4566"}


async def test_credentials_come_from_the_environment(env: Environment) -> None:
    env.setenv("AWS_ACCESS_KEY_ID", "AKID")
    env.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    source = ChainCredentials(Cloud.from_environment())
    assert await source.current() == Credentials("AKID", "secret", None)
    assert await source.current() is await source.current()


async def test_no_credentials_are_refused_with_the_cure(env: Environment) -> None:
    del env
    with pytest.raises(CloudMisconfigured, match="Set AWS_ACCESS_KEY_ID"):
        await ChainCredentials(Cloud.from_environment()).current()


async def test_whoever_comes_during_a_renewal_goes_on_with_the_old_credentials(env: Environment) -> None:
    release = asyncio.Event()

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) > 1:
            await release.wait()
        ends = datetime.now(UTC) + timedelta(minutes=12)  # inside botocore's advisory window: renewed on the next look
        document = {
            "AccessKeyId": f"AKID{len(server.requests)}",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        writer.write(http(orjson.dumps(document), content_type="application/json"))
        writer.close()

    async with serving(answer) as server:
        env.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/creds")
        source = ChainCredentials(Cloud.from_environment())
        # The chain looks once when it finds the source and once more when the credentials are frozen.
        first = asyncio.create_task(source.current())
        await until(lambda: len(server.requests) == 2)
        release.set()
        held = await first
        release.clear()
        source._fresh_until = 0.0
        renewal = asyncio.create_task(source.current())
        await until(lambda: len(server.requests) == 3)
        others = await asyncio.gather(*(source.current() for _ in range(20)))
        assert set(others) == {held}
        release.set()
        assert (await renewal).access_key == "AKID3"
        assert (await source.current()).access_key == "AKID3"
