"""The suite itself: its page, its judgements, its estimate, and that it leaves nothing behind."""

import importlib
import io
import os
import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tazco.local.embedded import EmbeddedCloud
from tazco.platform.cloud import Cloud
from tests.conformance.__main__ import announcement, cleaned_up, main, on_aws
from tests.conformance.behaviours import BEHAVIOURS, Service
from tests.conformance.deviations import Deviation
from tests.conformance.here import Here, refused
from tests.conformance.page import MODULES, PAGE, declared, text_of
from tests.conformance.prices import MARGIN, estimate, total
from tests.conformance.resources import make_queue, make_table, sweep
from tests.conformance.results import Results, read
from tests.conformance.running import Verdict, judge, new_prefix
from tests.conformance.targets import TARGETS

ROOT = PAGE.parents[1]
HERE = Path(__file__).parent
KNOWN: list[tuple[str, str, Deviation]] = [
    (target.name, name, deviation) for target in TARGETS.values() for name, deviation in target.deviations.items()
]


def test_the_page_has_not_drifted_from_declarations_and_results() -> None:
    assert PAGE.read_text() == text_of(), "run `make fix`, or `make conformance` where behaviours have changed"


def test_every_test_of_a_service_is_declared_and_on_the_page() -> None:
    services = {path.stem for path in HERE.glob("test_*.py")} - {"test_suite"}
    assert services == set(MODULES)
    tests = {
        name
        for module in MODULES
        for name in vars(importlib.import_module(f"tests.conformance.{module}"))
        if name.startswith("test_")
    }
    assert tests == {each.name for each in declared()}
    assert {each.service for each in declared()} == set(Service)


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_results_say_is_what_is_known(target: str) -> None:
    found = read(target)
    if found is None:
        assert target == "aws", f"{target} was never run: `make conformance TARGET={target}`"
        return
    deviates = {name for name, verdict in found.behaviours.items() if verdict == Verdict.DEVIATES.value}
    assert deviates == set(TARGETS[target].deviations)


def test_the_results_of_the_embedded_cloud_are_complete() -> None:
    found = read("ministack")
    assert found is not None
    assert found.behaviours.keys() == {each.name for each in declared()}, "run `make conformance`"


@pytest.mark.parametrize(("target", "name", "deviation"), KNOWN, ids=[f"{target} {name}" for target, name, _ in KNOWN])
def test_a_deviation_is_of_a_service_that_is_served_and_names_what_exists(target: str, name: str, deviation: Deviation) -> None:
    declared()
    assert BEHAVIOURS[name].service in TARGETS[target].services
    for path in re.findall(r"`((?:tests|platform)/[^`]+)`", deviation.compensated):
        assert (ROOT / path).exists() or (ROOT / "src/tazco" / path).exists(), path


KNOWN_ONE = Deviation(shows="accepted", instead="it accepts", compensated="our own bound")


@pytest.mark.parametrize(
    ("deviation", "error", "verdict", "expected"),
    [
        (None, None, Verdict.CONFORMS, True),
        (KNOWN_ONE, None, Verdict.CONFORMS, False),
        (None, AssertionError("accepted"), Verdict.DEVIATES, False),
        (KNOWN_ONE, AssertionError("accepted, and not refused"), Verdict.DEVIATES, True),
        (KNOWN_ONE, ClientError({"Error": {"Message": "accepted"}}, "PutItem"), Verdict.DEVIATES, True),
        (KNOWN_ONE, AssertionError("something else"), Verdict.DEVIATES, False),
        (KNOWN_ONE, OSError("accepted"), Verdict.DEVIATES, False),
    ],
    ids=["conforms", "conforms now", "unknown", "as known", "refused as known", "otherwise than known", "outage"],
)
def test_known_deviations_are_expected_and_everything_else_fails(
    deviation: Deviation | None, error: BaseException | None, verdict: Verdict, *, expected: bool
) -> None:
    judgement = judge("test_x", deviation, error)
    assert (judgement.verdict, judgement.expected) == (verdict, expected)


def test_the_estimate_is_units_times_prices_with_a_margin() -> None:
    units: dict[str, dict[str, float]] = {
        "dynamodb": {"write_units": 1_000_000.0},
        "sqs": {"chunks": 500_000, "calls": 9},
        "cognito-idp": {"people": 2},
    }
    results = Results(target="ministack", version="", date="", seconds=1, behaviours={}, units=units)
    assert {line.what.split(":")[0]: line.count for line in estimate(results)} == {
        "dynamodb": 1_000_000 * MARGIN,
        "sqs": 500_000 * MARGIN,
        "cognito-idp": 2 * MARGIN,
    }
    assert total(results) == (Decimal("0.625") + Decimal("0.20") + Decimal("0.011")) * MARGIN


def test_the_announcement_names_prefix_region_and_dollars() -> None:
    text = announcement("tazco-conformance-17", "sa-east-1")
    assert "tazco-conformance-17" in text
    assert "sa-east-1" in text
    assert re.search(r"At most about \$\d+\.\d\d", text)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which AWS would be meant."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "TAZCO_CONFORMANCE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    return monkeypatch


def test_without_a_yes_nothing_is_made_on_aws(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere.setattr(sys, "stdin", io.StringIO("y"))
    assert main(["--target", "aws"]) == 2
    told = capsys.readouterr().err
    assert "At most about $" in told
    assert "Nothing was made" in told


def test_an_endpoint_that_is_not_aws_is_not_called_aws(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    assert on_aws([], agreed=True) == 2
    assert "endpoint is set for sqs" in capsys.readouterr().err


def test_a_region_is_needed(nowhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere.delenv("AWS_REGION")
    assert on_aws([], agreed=True) == 2
    assert "No AWS region" in capsys.readouterr().err


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
async def test_nothing_is_left_behind_whatever_happens(embedded_cloud: EmbeddedCloud, failure: type[BaseException]) -> None:
    here = Here.at(TARGETS["ministack"], Cloud.from_mapping(embedded_cloud.environment()), new_prefix())
    neighbour = Here.at(TARGETS["ministack"], here.cloud, new_prefix())
    make_queue(neighbour)

    def work() -> int:
        _make_one_of_each(here)
        raise failure("in the middle")

    with pytest.raises(failure):
        cleaned_up(here, work)
    assert sweep(here) == []
    assert len(sweep(neighbour)) == 1, "what others have made stays"


def _make_one_of_each(here: Here) -> None:
    make_table(here, DeletionProtectionEnabled=True)
    queue = make_queue(here)
    bus, rule = here.name("bus"), "rule"
    here.events("CreateEventBus", Name=bus)
    here.events("PutRule", Name=rule, EventBusName=bus, EventPattern='{"source": ["x"]}')
    here.events("PutTargets", Rule=rule, EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue.arn}])
    here.cognito("CreateUserPool", PoolName=here.name("pool"), DeletionProtection="ACTIVE")
    for number in range(12):
        here.ssm("PutParameter", Name=f"/{here.prefix}/{number}", Value="x", Type="String")


def test_a_refusal_of_another_kind_is_no_refusal(here: Here) -> None:
    with (
        pytest.raises(AssertionError, match="refused with ParameterNotFound, not ParameterAlreadyExists"),
        refused("ParameterAlreadyExists"),
    ):
        here.ssm("GetParameter", Name=f"/{here.prefix}/missing")
    with pytest.raises(AssertionError, match="accepted"), refused("ParameterNotFound"):
        here.ssm("GetParametersByPath", Path=f"/{here.prefix}")
