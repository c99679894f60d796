"""The containers as far as their files tell: pinned, small in rights, and in step with the rest of the repository."""

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tazco import __version__
from tazco.platform.settings import Settings
from tests.deploy.dockerfile import DEPLOY, REPOSITORY, env_file, services, stages
from tests.processes import free_port

OURS = ("api", "relay", "worker", "provision", "people", "stand-in")
WHOLE = services(env_file("localstack.env"), ("localstack",))


def test_the_last_stage_is_the_programme_and_every_base_is_pinned_by_digest() -> None:
    known = stages()
    assert list(known)[-1] == "tazco"
    for stage in known.values():
        assert stage.base in known or re.fullmatch(r"docker\.io/library/python:[\w.-]+@sha256:[0-9a-f]{64}", stage.base)


@pytest.mark.parametrize("name", ["tazco", "emulator"])
def test_what_runs_is_a_numbered_user_that_signals_reach_and_that_is_asked_for_its_health(name: str) -> None:
    stage = stages()[name]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", stage.last("USER").rest)
    assert stage.last("STOPSIGNAL").rest == "SIGTERM"
    assert stage.last("CMD").rest.startswith("[")
    assert json.loads(stage.last("HEALTHCHECK").rest.split("CMD ")[1])[:2] == ["python", "/opt/healthy.py"]


def test_what_builds_the_image_is_pinned_by_hash_and_uv_is_that_of_make() -> None:
    wanted = re.search(r"UV_VERSION := (\S+)", (REPOSITORY / "Makefile").read_text())
    assert wanted
    tools = (DEPLOY / "build-tools.txt").read_text()
    assert f"uv=={wanted[1]} " in tools
    requirements = re.split(r"\n(?=\w)", re.sub(r"^#.*\n", "", tools, flags=re.MULTILINE).strip())
    assert len(requirements) > 2
    assert all("--hash=sha256:" in each for each in requirements)


def test_the_image_tells_the_version_of_the_package() -> None:
    assert f"VERSION={__version__}" in [each.rest for each in stages()["tazco"].instructions if each.word == "ARG"]


def test_a_build_sees_what_it_copies_and_nothing_else() -> None:
    copied = {
        source
        for stage in stages().values()
        for each in stage.instructions
        if each.word == "COPY" and "from" not in each.options
        for source in each.operands[:-1]
    }
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((REPOSITORY / source).exists() for source in copied)


@pytest.mark.parametrize("name", [*OURS, "cloud", "dynamodb"])
def test_a_service_has_a_read_only_root_no_capability_and_cannot_gain_one(name: str) -> None:
    service = WHOLE[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service


def test_foreign_images_are_pinned_by_digest_and_ports_are_open_to_this_machine_alone() -> None:
    for service in WHOLE.values():
        assert "build" in service or re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_every_variable_is_one_that_the_programme_reads() -> None:
    known = {f"TAZCO_{name.upper()}" for name in Settings.model_fields}
    for name in OURS:
        assert {each for each in WHOLE[name]["environment"] if each.startswith("TAZCO_")} <= known


def test_a_service_needs_only_what_is_there_or_may_be_missing() -> None:
    usual = services({})
    assert set(WHOLE) - set(usual) == {"localstack", "dynamodb"}
    for service in usual.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in usual or how["required"] is False
            assert how["condition"] in ("service_healthy", "service_completed_successfully")


def test_with_localstack_each_service_is_where_it_is_served_and_cognito_stays() -> None:
    def ends(chosen: dict[str, Any]) -> dict[str, str]:
        return {
            key.removeprefix("AWS_ENDPOINT_URL_"): url for key, url in chosen["api"]["environment"].items() if "ENDPOINT" in key
        }

    assert set(ends(services({})).values()) == {"http://cloud:4566"}
    found = ends(WHOLE)
    assert found["DYNAMODB"] == "http://dynamodb:8000"
    assert {found[each] for each in ("EVENTBRIDGE", "SQS", "SSM")} == {"http://localstack:4566"}
    assert found["COGNITO_IDENTITY_PROVIDER"] == "http://cloud:4566"


@pytest.fixture
def answering() -> Iterator[str]:
    """A server that is well at /well and nowhere else."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/well" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def healthy(url: str) -> "subprocess.CompletedProcess[str]":
    script: Path = DEPLOY / "healthy.py"
    return subprocess.run((sys.executable, script, url), capture_output=True, text=True, check=False, timeout=30)


def test_the_health_check_passes_for_200_and_says_why_not(answering: str) -> None:
    assert healthy(f"{answering}/well").returncode == 0
    ill, nobody = healthy(f"{answering}/ill"), healthy(f"http://127.0.0.1:{free_port()}/well")
    assert (ill.returncode, nobody.returncode) == (1, 1)
    assert "answers 503" in ill.stderr
    assert "does not answer" in nobody.stderr
