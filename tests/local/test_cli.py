"""What the commands print, where, and with which exit code."""

import json
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tazco import __version__
from tazco.local.people import Pool
from tazco.local.terminal import fail
from tazco.local.workspace import Workspace, adopt, points_somewhere
from tests.clouds.differences import NO_RECOVERY, RECOVERY
from tests.local.commands import tazco
from tests.processes import free_port
from tests.stage import Stage

EMAIL, PASSWORD = "reader@tazco.local", "Correct-horse-1"


@pytest.fixture(scope="module")
def reader(stage: Stage) -> str:
    """Somebody whom the pool knows."""
    Pool(stage.clients.cognito, stage.provisioned).enrol(EMAIL, PASSWORD, operator=False)
    return EMAIL


@pytest.fixture
def bad_policy(stage: Stage) -> Iterator[None]:
    """A parameter that no policy may have, for a while."""
    name = f"{stage.names.ssm_prefix}/limits/minimum"
    stage.clients.ssm.put_parameter(Name=name, Value="much", Type="String", Overwrite=True)
    yield
    stage.clients.ssm.put_parameter(Name=name, Value="100", Type="String", Overwrite=True)


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert tazco(tmp_path, "--version").stdout == f"tazco {__version__}\n"


def test_the_help_names_every_command(tmp_path: Path) -> None:
    said = tazco(tmp_path, "--help").stdout
    assert all(
        name in said
        for name in ("dev", "serve", "relay", "worker", "provision", "token", "doctor", "replay", "events", "queues", "config")
    )


def test_a_token_stands_alone_on_standard_output(tmp_path: Path, stage: Stage, reader: str) -> None:
    ran = tazco(tmp_path, "token", reader, "--password", PASSWORD, environment=stage.environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 1
    assert ran.stdout.count(".") == 2


def test_a_wrong_password_gives_no_token_and_a_reason(tmp_path: Path, stage: Stage, reader: str) -> None:
    ran = tazco(tmp_path, "token", reader, "--password", "wrong", environment=stage.environment)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"{reader} cannot sign in" in ran.stderr


def test_an_endpoint_at_which_nobody_listens_is_told_at_once(tmp_path: Path, stage: Stage) -> None:
    dead = stage.environment_at(f"http://127.0.0.1:{free_port()}")
    for arguments in (("token", EMAIL), ("provision", "--check")):
        ran = tazco(tmp_path, *arguments, environment=dead)
        assert ran.returncode == 2
        assert dead["AWS_ENDPOINT_URL"] in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_running_dev_is_found_without_exports(tmp_path: Path, stage: Stage, reader: str) -> None:
    workspace = Workspace(tmp_path / ".tazco")
    workspace.write_variables(workspace.variables, stage.environment)
    ran = tazco(tmp_path, "token", reader, "--password", PASSWORD, "--json", environment={"AWS_PROFILE": "of-another-account"})
    assert ran.returncode == 0, ran.stderr
    assert set(json.loads(ran.stdout)) == {"accessToken", "idToken"}
    assert ".tazco/dev.env" in ran.stderr


def test_what_a_killed_dev_left_is_not_taken_for_a_running_one(tmp_path: Path, stage: Stage) -> None:
    workspace = Workspace(tmp_path / ".tazco")
    workspace.write_variables(workspace.variables, stage.environment_at(f"http://127.0.0.1:{free_port()}"))
    ran = tazco(tmp_path, "token", EMAIL)
    assert ran.returncode == 2
    assert "left from a `tazco dev` that was killed" in ran.stderr


def test_keys_of_an_account_stay_behind_when_a_dev_is_adopted() -> None:
    environment = {"PATH": "/bin", "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "secret"}
    adopt({"AWS_REGION": "us-east-1"}, environment)
    assert environment == {"PATH": "/bin", "AWS_REGION": "us-east-1"}


def test_services_at_several_places_are_shown_one_by_one(tmp_path: Path, stage: Stage) -> None:
    elsewhere = {**stage.environment, "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:9"}
    ran = tazco(tmp_path, "config", "show", "--json", environment=elsewhere)
    shown = {row["name"]: row["value"] for row in json.loads(ran.stdout)["settings"] if row["name"].startswith("AWS_ENDPOINT_URL")}
    assert shown == {
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": stage.cloud.endpoint("cognito-idp"),
        "AWS_ENDPOINT_URL_DYNAMODB": stage.cloud.endpoint("dynamodb"),
        "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_SQS": stage.cloud.endpoint("sqs"),
        "AWS_ENDPOINT_URL_SSM": stage.cloud.endpoint("ssm"),
    }


@pytest.mark.parametrize(("name", "points"), [("TAZCO_PORT", True), ("AWS_ENDPOINT_URL_SQS", True), ("TAZCO_DEMO_PASSWORD", False)])
def test_variables_that_point_somewhere_are_told_from_those_that_do_not(name: str, points: bool) -> None:  # noqa: FBT001 - a case
    assert points_somewhere({"PATH": "/bin", name: "x"}) is points


def test_what_is_written_for_the_shell_comes_back_as_it_was(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write_variables(workspace.tokens, {"HIGH": "it's $HOME & more"})
    assert shlex.split(workspace.tokens.read_text()) == ["HIGH=it's $HOME & more"]
    assert workspace.tokens.stat().st_mode & 0o777 == 0o600


def test_provision_check_tells_what_is_there_and_what_is_not(tmp_path: Path, stage: Stage) -> None:
    here = tazco(tmp_path, "provision", "--check", "--json", environment=stage.environment)
    assert here.returncode == 0, here.stderr
    impossible = () if RECOVERY else (NO_RECOVERY,)
    assert {finding["state"] for finding in json.loads(here.stdout) if finding["detail"] not in impossible} == {"present"}
    elsewhere = tazco(tmp_path, "provision", "--check", "--json", environment={**stage.environment, "TAZCO_TABLE_PREFIX": "none-"})
    assert elsewhere.returncode == 1
    assert {"kind": "table", "name": "none-users", "state": "missing"}.items() <= json.loads(elsewhere.stdout)[0].items()


def test_serve_names_every_variable_that_is_missing(tmp_path: Path) -> None:
    ran = tazco(tmp_path, "serve", environment={"AWS_REGION": "us-east-1"})
    assert ran.returncode == 2
    missing = ("TAZCO_COGNITO_USER_POOL_ID", "TAZCO_COGNITO_CLIENT_IDS", "TAZCO_CURSOR_SECRETS")
    assert all(name in ran.stderr for name in missing)


def test_serve_on_a_taken_port_tells_the_cure(tmp_path: Path, stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = tazco(tmp_path, "serve", "--port", str(port), environment=stage.environment)
    assert ran.returncode == 2
    assert f"127.0.0.1:{port}" in ran.stderr
    assert "--port" in ran.stderr


@pytest.mark.usefixtures("bad_policy")
def test_serve_with_an_invalid_policy_is_told_once_and_without_a_traceback(tmp_path: Path, stage: Stage) -> None:
    ran = tazco(tmp_path, "serve", "--port", str(free_port()), environment=stage.environment)
    assert ran.returncode == 2
    assert ran.stderr.count("limits/minimum must be a number") == 1
    assert "Traceback" not in ran.stderr


def test_a_bad_name_is_told_by_the_variable(tmp_path: Path, stage: Stage) -> None:
    ran = tazco(tmp_path, "provision", "--check", environment={**stage.environment, "TAZCO_SSM_PREFIX": "nope"})
    assert ran.returncode == 2
    assert "TAZCO_SSM_PREFIX" in ran.stderr


def test_the_configuration_shows_origins_and_no_secret(tmp_path: Path, stage: Stage) -> None:
    (tmp_path / ".env").write_text("TAZCO_LOG_LEVEL=error\n")
    ran = tazco(tmp_path, "config", "show", "--json", environment=stage.environment)
    assert ran.returncode == 0, ran.stderr
    shown: Any = json.loads(ran.stdout)
    settings = {entry["name"]: (entry["value"], entry["origin"]) for entry in shown["settings"]}
    assert settings["TAZCO_LOG_LEVEL"] == ("error", ".env")
    assert settings["TAZCO_ENV"] == ("development", "default")
    assert settings["TAZCO_TABLE_PREFIX"] == (stage.names.table_prefix, "environment")
    endpoint = settings.get("AWS_ENDPOINT_URL") or settings["AWS_ENDPOINT_URL_DYNAMODB"]
    assert endpoint == (stage.cloud.endpoint("dynamodb"), "environment")
    assert {entry["name"]: entry["origin"] for entry in shown["policy"]}["limits/minimum"] == "SSM"
    secrets = (stage.environment["TAZCO_CURSOR_SECRETS"], "throw-away", stage.environment["AWS_SECRET_ACCESS_KEY"])
    assert not any(secret in ran.stdout for secret in secrets)


def test_square_brackets_in_a_message_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail("pip install 'tazco[local]' [/not a tag]")
    assert "pip install 'tazco[local]' [/not a tag]" in capsys.readouterr().err


def test_provision_writes_down_what_the_processes_must_be_told(tmp_path: Path, stage: Stage) -> None:
    file = tmp_path / "pool" / ".env"
    ran = tazco(tmp_path, "provision", "--env-file", str(file), environment=stage.environment)
    assert ran.returncode == 0, ran.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    told = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert told == {
        name: stage.environment[name]
        for name in ("TAZCO_COGNITO_USER_POOL_ID", "TAZCO_COGNITO_CLIENT_IDS", "TAZCO_COGNITO_JWKS_URL")
    }
    assert all(f"{name}={value}" in ran.stdout for name, value in told.items())


@pytest.mark.parametrize("arguments", [("demo",), ("provision", "--demo")])
def test_demo_people_and_values_never_reach_aws_itself(tmp_path: Path, stage: Stage, arguments: tuple[str, ...]) -> None:
    aws = {name: value for name, value in stage.environment.items() if not name.startswith("AWS_ENDPOINT_URL")}
    ran = tazco(tmp_path, *arguments, environment=aws)
    assert ran.returncode == 2
    assert "emulated cloud" in ran.stderr


def test_demo_people_are_told_apart_from_an_api_that_is_not_there(tmp_path: Path, stage: Stage) -> None:
    ran = tazco(tmp_path, "demo", "--api-url", f"http://127.0.0.1:{free_port()}", environment=stage.environment)
    assert ran.returncode == 1
    assert "Is `tazco serve` running there?" in ran.stderr
