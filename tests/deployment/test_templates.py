"""What the templates say: sound to the linter, small enough to send, and true to the declarations and to what the program does."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tazco.app import KEEP_ALIVE_SECONDS, SHUTDOWN_SECONDS_MAX
from tazco.deployment.balancing import DRAIN_SECONDS, IDLE_SECONDS
from tazco.deployment.data import table_id
from tazco.deployment.rights import Kind
from tazco.deployment.running import COMMANDS, STOP_SECONDS
from tazco.deployment.stacks import TEMPLATE_BYTES_MAX, Stack
from tazco.deployment.template import Declarations, Json, compact, readable
from tazco.platform.outbox_watch import MEASURED
from tazco.platform.policy import TUNABLES
from tazco.platform.settings import PREFIX, Settings
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.architecture.pages import TEMPLATES
from tests.platform.subscribed import eventually
from tests.processes import program
from tests.stage import Stage as Place

HERE = Declarations(tables=TABLES, subscriptions=SUBSCRIPTIONS)
ROOM = 0.95
"""Of what CloudFormation takes: a template grows with every table."""


def of_type(stack: Stack, kind: str) -> dict[str, Json]:
    """Resources of a type."""
    return {name: each for name, each in stack.template(HERE)["Resources"].items() if each["Type"] == kind}


@pytest.mark.parametrize("stack", Stack)
def test_a_template_can_be_sent_without_a_bucket_and_reads_back_as_it_is(stack: Stack) -> None:
    template = stack.template(HERE)
    assert len(compact(template).encode()) < ROOM * TEMPLATE_BYTES_MAX
    assert json.loads(readable(template)) == template
    assert max(map(len, readable(template).splitlines())) < 400
    assert len(template["Resources"]) <= 500


def test_the_linter_has_nothing_to_say() -> None:
    paths = sorted(map(str, TEMPLATES.glob("*.json")))
    assert len(paths) == len(Stack)
    found = subprocess.run(
        [str(Path(sys.executable).parent / "cfn-lint"), *paths], capture_output=True, text=True, check=False, timeout=100
    )
    assert (found.returncode, found.stdout) == (0, ""), found.stdout


def test_tables_people_and_policy_outlive_the_stack() -> None:
    resources = Stack.RESOURCES.template(HERE)["Resources"]
    ledgers = {table_id(table.name) for table in TABLES if table.ledger}
    policy = {name for name, each in resources.items() if each["Type"] == "AWS::SSM::Parameter"}
    kept = {name for name, each in resources.items() if each.get("DeletionPolicy") == each.get("UpdateReplacePolicy") == "Retain"}
    assert kept == {*of_type(Stack.RESOURCES, "AWS::DynamoDB::Table"), *policy, "Key", "UserPool", "UserPoolClient"}
    for name in ledgers:
        properties = resources[name]["Properties"]
        assert properties["DeletionProtectionEnabled"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_a_parameter_says_its_name_and_default_and_no_more() -> None:
    found = {
        each["Properties"]["Name"]["Fn::Sub"]: each["Properties"]
        for each in of_type(Stack.RESOURCES, "AWS::SSM::Parameter").values()
    }
    defaults = {"${SsmPrefix}/" + name: field.metadata["default"] for name, field in TUNABLES.items() if field.metadata["default"]}
    assert {name: each["Value"] for name, each in found.items()} == defaults
    assert {tuple(each) for each in found.values()} == {("Name", "Type", "Value")}, "more would be more reasons to overwrite it"


async def test_the_metrics_of_the_outbox_are_in_a_line_that_the_worker_writes(stage: Place) -> None:
    environment = {**stage.environment, "TAZCO_LOG_LEVEL": Settings.model_fields["log_level"].default}
    async with program("worker", environment) as worker:
        await eventually(lambda: MEASURED in worker.log.read_text())
        line = next(json.loads(each) for each in worker.log.read_text().splitlines() if MEASURED in each)
    filters = of_type(Stack.ALARMS, "AWS::Logs::MetricFilter").values()
    ours = [each["Properties"] for each in filters if line["event"] in each["Properties"]["FilterPattern"]]
    values = {each["MetricTransformations"][0]["MetricValue"] for each in ours}
    assert values == {"$.age_seconds", "$.dead_letters"}
    assert all(isinstance(line[value.removeprefix("$.")], int | float) for value in values)
    assert {each["FilterPattern"] for each in ours} == {f'{{ $.event = "{line["event"]}" }}'}


def test_every_filter_matches_an_event_that_the_program_logs() -> None:
    sources = "\n".join(path.read_text() for path in (TEMPLATES.parents[1] / "src").rglob("*.py"))
    for each in of_type(Stack.ALARMS, "AWS::Logs::MetricFilter").values():
        (event,) = re.findall(r'"(.+)"', each["Properties"]["FilterPattern"])
        assert f'"{event}"' in sources


def test_every_alarm_is_about_a_metric_of_a_filter_or_of_aws() -> None:
    made = {
        each["Properties"]["MetricTransformations"][0]["MetricName"]
        for each in of_type(Stack.ALARMS, "AWS::Logs::MetricFilter").values()
    }
    alarms = of_type(Stack.ALARMS, "AWS::CloudWatch::Alarm").values()
    asked = {
        each["Properties"]["MetricName"]
        for each in alarms
        if "MetricName" in each["Properties"] and not isinstance(each["Properties"]["Namespace"], str)
    }
    assert asked == made


def test_readers_of_what_is_new_are_deployed_before_its_writers() -> None:
    services = of_type(Stack.SERVICE, "AWS::ECS::Service")
    waits_for = {name: {*each.get("DependsOn", [])} & services.keys() for name, each in services.items()}
    assert waits_for == {"WorkerService": set(), "RelayService": {"WorkerService"}, "ApiService": {"RelayService"}}


def test_nothing_that_may_change_later_is_imported_by_the_service() -> None:
    outputs = Stack.RESOURCES.template(HERE)["Outputs"]
    imported = {*re.findall(r"\$\{ResourcesStack\}-(\w+)", json.dumps(Stack.SERVICE.template(HERE)))}
    assert imported <= outputs.keys()
    changing = {"ApiRelaysToo", "LogRetentionDays"}
    assert changing <= Stack.RESOURCES.template(HERE)["Parameters"].keys()
    assert not [each for each in imported if outputs[each]["Value"].get("Ref") in changing]


def test_workers_are_scaled_by_numbers_that_are_there_and_by_none_that_is_filled_in() -> None:
    (policy,) = [
        each for name, each in of_type(Stack.SERVICE, "AWS::ApplicationAutoScaling::ScalingPolicy").items() if "Worker" in name
    ]
    tracked = policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
    (share,) = [each for each in tracked if each["ReturnData"]]
    assert {*re.findall(r"[A-Za-z]\w*", share["Expression"])} == {each["Id"] for each in tracked if each is not share}
    queues = [each for each in tracked if "MetricStat" in each and each["MetricStat"]["Metric"]["Namespace"] == "AWS/SQS"]
    assert len(queues) == len(SUBSCRIPTIONS)


def test_an_api_of_which_no_task_is_ready_is_an_alarm_even_if_nobody_calls() -> None:
    alarm = of_type(Stack.SERVICE, "AWS::CloudWatch::Alarm")["NoTargetsAlarm"]["Properties"]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["ComparisonOperator"]) == ("HealthyHostCount", 1, "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"


@pytest.mark.parametrize(
    ("parameter", "fits", "does_not"),
    [
        ("WppBaseUrl", ("", "https://wpp.example.com", "https://wpp.example.com:443/a"), ("http://wpp", "https://wpp:21465")),
        ("MetaSecretArn", ("", "arn:aws:secretsmanager:eu-west-1:1:secret:a-b"), ("arn:aws:ssm:eu-west-1:1:parameter/a",)),
        ("CursorSecretArn", ("arn:aws:ssm:eu-west-1:1:parameter/a", "arn:aws:secretsmanager:eu-west-1:1:secret:a-b"), ("",)),
    ],
)
def test_a_parameter_that_could_not_work_is_refused_at_once(
    parameter: str, fits: tuple[str, ...], does_not: tuple[str, ...]
) -> None:
    pattern = Stack.SERVICE.template(HERE)["Parameters"][parameter]["AllowedPattern"]
    assert all(re.fullmatch(pattern, each) for each in fits)
    assert not [each for each in does_not if re.fullmatch(pattern, each)]


@pytest.mark.parametrize("kind", Kind)
def test_a_container_runs_a_command_that_exists_with_settings_that_exist(kind: Kind) -> None:
    (task,) = [each for name, each in of_type(Stack.SERVICE, "AWS::ECS::TaskDefinition").items() if name == f"{kind.title()}Task"]
    (container,) = task["Properties"]["ContainerDefinitions"]
    given = (*container["Environment"], *container["Secrets"])
    names = {entry["Fn::If"][1]["Name"] if "Fn::If" in entry else entry["Name"] for entry in given}
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields} | {"AWS_REGION"}
    assert names <= known
    required = {f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= names
    assert container["ReadonlyRootFilesystem"]
    assert container["User"] != "0"
    command = (sys.executable, "-m", "tazco", COMMANDS[kind], "--help")
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_a_stop_is_patient_enough_and_an_idle_connection_is_kept_longer_than_the_balancer_keeps_it() -> None:
    deadline: Any = Settings.model_fields["request_timeout_seconds"].default
    assert deadline < DRAIN_SECONDS
    assert SHUTDOWN_SECONDS_MAX < 25 < STOP_SECONDS
    assert deadline < IDLE_SECONDS < KEEP_ALIVE_SECONDS
