"""A stack made, changed and refused in the emulator's CloudFormation; then provisioning has a look at it."""

import dataclasses
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tazco.deployment.changes import dangers, written_parameters
from tazco.deployment.data import table_id
from tazco.deployment.deploying import Deployer, Happening, NotDeployed, Plan
from tazco.deployment.naming import named
from tazco.deployment.stacks import Stack
from tazco.deployment.template import Declarations, Json
from tazco.local.embedded import EmbeddedCloud
from tazco.platform.outbox import OUTBOX
from tazco.platform.provision import Provisioner
from tazco.platform.resources import Finding, State
from tazco.platform.settings import Names
from tazco.platform.tables import Index
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.stage import names_of, reach

HERE = Declarations(tables=TABLES, subscriptions=SUBSCRIPTIONS)
SERVICES = ("cloudformation", "iam", "kms", "logs", "monitoring")
IGNORED_BY_THE_EMULATOR = ("it has no point-in-time recovery", "rows do not expire by expiresAt")
"""MiniStack 1.5.33 makes tables without what these two properties ask for; docs/deployment.md says so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """An account in the emulator, and names of its own in it."""

    cloud: EmbeddedCloud
    deployer: Deployer
    names: Names

    @property
    def stack(self) -> str:
        """The stack of the resources."""
        return Stack.RESOURCES.name_under(self.names)

    def provisioner(self, declarations: Declarations = HERE) -> Provisioner:
        """Provisioning that looks at the same names."""
        _, clients = reach(self.cloud)
        return Provisioner(clients, self.names, declarations.tables, declarations.subscriptions)

    def plan(self, declarations: Declarations = HERE, *, import_existing: bool = False, **parameters: str) -> Plan | None:
        """A change set of the resources."""
        values = {**named(self.names), **parameters}
        return self.deployer.plan(self.stack, resources(declarations), values, import_existing=import_existing)

    def deployed(self, declarations: Declarations = HERE, *, import_existing: bool = False, **parameters: str) -> list[Happening]:
        """Deploy the resources; what happened."""
        plan, told = self.plan(declarations, import_existing=import_existing, **parameters), list[Happening]()
        assert plan is not None
        self.deployer.carry_out(plan, told.append)
        return told


def resources(declarations: Declarations = HERE) -> Json:
    """The template of the resources."""
    return Stack.RESOURCES.template(declarations)


@pytest.fixture(scope="module")
async def emulator() -> AsyncIterator[EmbeddedCloud]:
    """An emulator with CloudFormation and what a template of ours makes."""
    cloud = EmbeddedCloud(None, port=0, more_services=SERVICES)
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
def account(emulator: EmbeddedCloud) -> Account:
    """Nothing is there yet."""
    cloud, _ = reach(emulator)
    return Account(emulator, Deployer.of(cloud, poll_seconds=0.05), names_of(f"d{uuid.uuid4().hex[:12]}"))


def unlike(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state is not State.PRESENT]


def test_what_cloudformation_made_is_what_provisioning_wants(account: Account) -> None:
    told = account.deployed()
    assert {each.resource for each in told} == {*resources()["Resources"], account.stack}
    assert not [each for each in told if each.failed]
    provisioner = account.provisioner()
    different = unlike(provisioner.check())
    assert {finding.kind for finding in different} == {"table"}
    assert {detail for finding in different for detail in finding.detail.split("; ")} == set(IGNORED_BY_THE_EMULATOR)
    provisioner.apply(lambda _: None)
    assert unlike(provisioner.check()) == []
    outputs, made = account.deployer.outputs(account.stack), provisioner.provisioned()
    assert (outputs["UserPoolId"], outputs["UserPoolClientId"]) == (made.user_pool_id, made.client_id)
    assert account.plan() is None, "a second time there is nothing to do"


def test_one_more_index_and_a_shorter_retention_are_two_changes_and_replace_nothing(account: Account) -> None:
    account.deployed()
    more = dataclasses.replace(OUTBOX, indexes=(*OUTBOX.indexes, Index(name="ByType", partition="eventType", sort="createdAt")))
    changed = dataclasses.replace(HERE, tables=tuple(more if table is OUTBOX else table for table in TABLES))
    plan = account.plan(changed, LogRetentionDays="30")
    assert plan is not None
    assert {each.action for each in plan.changes} == {"Modify"}
    moved = {each.resource: each.what for each in plan.changes if not each.resource.endswith("Role")}  # roles name the table
    assert "GlobalSecondaryIndexes" in moved.pop("OutboxTable")
    assert {each: "RetentionInDays" in what for each, what in moved.items()} == dict.fromkeys(
        ("ApiLogs", "RelayLogs", "WorkerLogs"), True
    )
    assert not [*dangers(plan.changes, changed)]
    account.deployer.carry_out(plan, lambda _: None)
    provisioner = account.provisioner(changed)
    provisioner.apply(lambda _: None)
    assert unlike(provisioner.check()) == []
    kept = account.plan(changed)
    assert kept is None, "a parameter that is not given again keeps its value"


def test_other_names_would_replace_the_tables_and_that_is_said(account: Account) -> None:
    account.deployed()
    plan = account.plan(TablePrefix="somebody-else-")
    assert plan is not None
    told = [*dangers(plan.changes, HERE)]
    assert [each for each in told if each.startswith(f"UsersTable ({account.names.table_prefix}users) would be replaced")]
    assert [each for each in told if each.startswith("OutboxTable")], "no ledger, and yet events that have not left are in it"
    account.deployer.discard(plan)


def test_a_ledger_that_leaves_the_template_is_a_danger_too(account: Account) -> None:
    account.deployed()
    template = resources()
    del template["Resources"]["ScoresTable"]
    text = json.dumps(template).replace('{"Fn::GetAtt": ["ScoresTable", "Arn"]}', '"*"')
    plan = account.deployer.plan(account.stack, json.loads(text), {})
    assert plan is not None
    (told,) = dangers(plan.changes, HERE)
    assert "would leave the stack" in told


def test_a_value_that_an_operator_set_is_told_before_a_new_default_takes_its_place(account: Account) -> None:
    account.deployed()
    _, clients = reach(account.cloud)
    edited = f"{account.names.ssm_prefix}/limits/highTier"
    clients.ssm.put_parameter(Name=edited, Value="4000", Overwrite=True)
    before, after = resources(), resources()
    for each in ("PolicyLimitsHighTier", "PolicyLimitsLowTier"):
        after["Resources"][each]["Properties"]["Value"] = "550"
    plan = account.deployer.plan(account.stack, after, {})
    assert plan is not None
    written = written_parameters(plan.changes, after)
    assert set(written) == {edited, f"{account.names.ssm_prefix}/limits/lowTier"}
    assert account.deployer.edited(written, written_parameters(plan.changes, before)) == [edited]
    assert account.deployer.template_of(account.stack)["Resources"].keys() == before["Resources"].keys()


def test_what_an_operator_set_survives_every_other_change(account: Account) -> None:
    account.deployed()
    _, clients = reach(account.cloud)
    edited = f"{account.names.ssm_prefix}/limits/highTier"
    clients.ssm.put_parameter(Name=edited, Value="4000", Overwrite=True)
    account.deployed(LogRetentionDays="30", ApiRelaysToo="true")
    assert clients.ssm.get_parameter(Name=edited)["Parameter"].get("Value") == "4000"


def test_a_plan_that_is_thrown_away_leaves_nothing_behind(account: Account) -> None:
    plan = account.plan()
    assert plan is not None
    assert plan.new
    account.deployer.discard(plan)
    assert {finding.state for finding in account.provisioner().check()} == {State.MISSING}
    again = account.plan()
    assert again is not None
    assert again.new


def test_a_failure_names_the_first_resource_its_reason_and_the_cure(account: Account) -> None:
    _, clients = reach(account.cloud)
    taken = f"{account.names.ssm_prefix}/limits/highTier"
    clients.ssm.put_parameter(Name=taken, Value="4000", Type="String")
    with pytest.raises(NotDeployed) as failure:
        account.deployed()
    told = str(failure.value)
    assert f"{account.stack} was not deployed (ROLLBACK_COMPLETE)" in told
    assert "First to fail: PolicyLimitsHighTier (AWS::SSM::Parameter): " in told
    assert "ParameterAlreadyExists" in told
    with pytest.raises(NotDeployed, match="delete-stack"):
        account.plan()
    clients.ssm.delete_parameter(Name=taken)
    account.deployer.cloudformation.delete_stack(StackName=account.stack)
    left = [table for table in TABLES if table_is_there(account, table.name)]
    assert left, "tables that were made before the failure outlive it"
    happened = account.deployed(import_existing=True)
    assert {f"{table_id(table.name)} IMPORT_COMPLETE" for table in left} <= {f"{each.resource} {each.status}" for each in happened}


def table_is_there(account: Account, name: str) -> bool:
    """The account has this table."""
    _, clients = reach(account.cloud)
    found = clients.dynamodb.list_tables(ExclusiveStartTableName=account.names.table_prefix, Limit=len(TABLES))["TableNames"]
    return account.names.table_prefix + name in found


def test_parameters_that_are_missing_or_unknown_are_refused_with_what_they_mean(account: Account) -> None:
    service = Stack.SERVICE.template(HERE)
    with pytest.raises(NotDeployed, match=r"--parameter CertificateArn=… is needed: Certificate of the load balancer"):
        account.deployer.plan("nothing", service, {})
    with pytest.raises(NotDeployed, match="no parameter Colour"):
        account.deployer.plan("nothing", service, {"Colour": "red"})


def test_an_api_relays_only_where_the_resources_let_it(account: Account) -> None:
    account.deployed()
    refused = run(account, "diff", "service", "-p", "ApiRelaysToo=true")
    assert (refused.returncode, "lets no API relay" in refused.stderr) == (1, True), refused.stderr
    account.deployed(ApiRelaysToo="true")
    further = run(account, "diff", "service", "-p", "ApiRelaysToo=true")
    assert "--parameter CertificateArn=… is needed" in further.stderr


def run(account: Account, *arguments: str) -> Any:
    """`tazco deploy …` as somebody types it."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    names = {f"TAZCO_{field.upper()}": value for field, value in account.names.model_dump().items()}
    return subprocess.run(
        [sys.executable, "-m", "tazco", "deploy", *arguments],
        env={**environment, **account.cloud.environment(), **names, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_shows_deploys_says_that_nothing_is_left_and_guards_the_ledgers(account: Account) -> None:
    shown = run(account, "diff", "resources")
    assert (shown.returncode, "UsersTable DynamoDB::Table" in shown.stdout) == (0, True), shown.stderr
    assert run(account, "apply", "resources").returncode == 2, "nobody is here to answer"
    done = run(account, "apply", "resources", "--yes")
    assert done.returncode == 0, done.stderr
    assert "CREATE_COMPLETE" in done.stderr
    assert "UserPoolId=" in done.stdout
    assert all(
        f"left out by this CloudFormation: table {account.names.table_prefix}cards: {each}" in done.stderr
        for each in IGNORED_BY_THE_EMULATOR[:1]
    )
    assert all(finding.state is State.PRESENT for finding in account.provisioner().check()), "what was left out is made"
    again = run(account, "apply", "resources", "--yes")
    assert (again.returncode, "there is nothing to do" in again.stderr) == (0, True)
    assert "resources are as declared\n" in again.stderr
    guarded = run(account, "apply", "resources", "--yes", "-p", "TablePrefix=other-")
    assert (guarded.returncode, "--replace-ledgers" in guarded.stderr) == (1, True)
    printed = run(account, "template", "resources")
    assert json.loads(printed.stdout) == resources()
