"""The launcher: what a command sees of a cloud, how it ends, and what is said where a cloud cannot run."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.clouds.prerequisites import UNAVAILABLE, MissingPrerequisite, require_localstack_python
from tests.clouds.targets import chosen

SECONDS_MAX = 60


def clouds(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "tests.clouds", *arguments),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


def test_a_command_sees_the_cloud_and_nothing_of_another_and_its_exit_code_is_the_launchers() -> None:
    see = "import os; print(sorted(name for name in os.environ if name.startswith('AWS_'))); raise SystemExit(7)"
    ran = clouds("run", "ministack", "--", sys.executable, "-c", see, environment={"AWS_PROFILE": "mine"})
    assert ran.returncode == 7, ran.stderr
    names = ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"]
    assert ran.stdout == f"{names}\n"


def test_a_command_that_is_killed_exits_as_in_a_shell() -> None:
    die = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert clouds("run", "ministack", "--", sys.executable, "-c", die, environment={}).returncode == 137


def test_a_cloud_that_cannot_run_here_says_cause_and_cure_and_has_its_own_exit_code() -> None:
    ran = clouds("run", "dynamodb-local", "--", "true", environment={"PATH": "/nowhere"})
    assert ran.returncode == UNAVAILABLE
    assert "needs Java, and there is none. Install a JDK" in ran.stderr
    assert not ran.stdout


def test_tests_for_such_a_cloud_do_not_run_on_another_one() -> None:
    ran = subprocess.run(
        (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/kernel"),
        env={**os.environ, "TAZCO_TESTS_ON": "dynamodb-local", "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    assert ran.returncode == UNAVAILABLE
    assert "passed" not in ran.stdout


def test_another_python_than_localstacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALSTACK_PYTHON", "/nowhere/python")
    with pytest.raises(MissingPrerequisite, match=r"needs Python 3\.13, and /nowhere/python is not one"):
        require_localstack_python()


def test_an_unknown_target_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAZCO_TESTS_ON", "the moon")
    with pytest.raises(LookupError, match="ministack, dynamodb-local, localstack"):
        chosen()
