"""Provisioning: everything from the declarations, twice the same, and nothing of an operator's undone."""

import dataclasses
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tazco.platform.cloud import Cloud
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.messaging import Subscription
from tazco.platform.outbox import EVENTS_BY_CORRELATION, OUTBOX, PENDING_EVENTS, STREAMS
from tazco.platform.policy import TUNABLES
from tazco.platform.provision import Clients, NotProvisioned, Provisioner
from tazco.platform.provision_policy import parameters
from tazco.platform.resources import Done, Finding, State, settle
from tazco.platform.tables import Index
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.clouds.differences import NO_RECOVERY, RECOVERY
from tests.stage import AnyCloud, Stage, names_of, provisioner

LEDGER = dataclasses.replace(STREAMS, name="ledger", ledger=True)
UPDATE = "provide-client-params.cognito-identity-provider.UpdateUserPoolClient"
SECONDS_MAX = 20
SMALL = (OUTBOX, STORED_ANSWERS, LEDGER)
PURCHASES = Subscription("purchases", ("transaction.purchase", "transaction.payment"))
REFUSALS = Subscription("refusals", ("card.rejected",))


@pytest.fixture
def work(embedded_cloud: AnyCloud) -> Provisioner:
    """Declarations under names that do not exist yet."""
    return provisioner(embedded_cloud, names_of(f"p{uuid.uuid4().hex[:12]}"), SMALL, (PURCHASES, REFUSALS))


@pytest.fixture
def applied(work: Provisioner) -> Provisioner:
    apply(work)
    return work


def apply(work: Provisioner) -> list[Finding]:
    findings: list[Finding] = []
    work.apply(findings.append)
    return findings


def unlike(findings: list[Finding]) -> list[Finding]:
    """What is not as declared, without what this cloud cannot do at all."""
    impossible = () if RECOVERY else (NO_RECOVERY,)
    return [finding for finding in findings if finding.state is not State.PRESENT and finding.detail not in impossible]


def only(findings: list[Finding]) -> Finding:
    (finding,) = unlike(findings)
    return finding


def prefix(work: Provisioner) -> str:
    return work.names.table_prefix


def url(work: Provisioner, queue: str) -> str:
    return work.clients.sqs.get_queue_url(QueueName=prefix(work) + queue)["QueueUrl"]


def delete_index(work: Provisioner, table: str, index: Index) -> None:
    """Delete an index and wait until it is gone: AWS lists it for as long as it is being deleted."""
    tables = work.clients.dynamodb
    tables.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": index.name}}])
    deadline = time.monotonic() + SECONDS_MAX
    while index.name in {
        left.get("IndexName") for left in tables.describe_table(TableName=table)["Table"].get("GlobalSecondaryIndexes", [])
    }:
        assert time.monotonic() < deadline, f"{index.name} is still there"
        time.sleep(0.05)


def received(work: Provisioner, queue: str, seconds: int = 2) -> Iterator[Any]:
    reply = work.clients.sqs.receive_message(QueueUrl=url(work, queue), WaitTimeSeconds=seconds, MaxNumberOfMessages=10)
    return (json.loads(message["Body"]) for message in reply.get("Messages", []))


def test_a_check_of_nothing_finds_everything_missing_and_makes_nothing(work: Provisioner) -> None:
    findings = work.check()
    assert {finding.state for finding in findings} == {State.MISSING}
    assert {finding.kind for finding in findings} == {
        "table", "user pool", "user pool client", "user group", "event bus", "queue", "rule", "parameter"
    }  # fmt: skip
    assert len(unlike(work.check())) == len(findings)
    with pytest.raises(NotProvisioned, match="tazco provision"):
        work.provisioned()


def test_applying_creates_everything_and_a_second_time_changes_nothing(work: Provisioner) -> None:
    first = apply(work)
    assert {finding.done for finding in first} == {Done.CREATED}
    assert len({(finding.kind, finding.name) for finding in first}) == len(first)
    made = work.provisioned()
    assert unlike(work.check()) == []
    second = apply(work)
    assert unlike(second) == []
    assert {finding.done for finding in second if finding.state is State.PRESENT} == {Done.NOTHING}
    assert work.provisioned() == made


def test_the_house_itself_is_settled_after_one_run(stage: Stage) -> None:
    house = Provisioner(stage.clients, stage.names, TABLES, SUBSCRIPTIONS)
    findings = house.check()
    assert unlike(findings) == []
    assert sum(finding.kind == "table" for finding in findings) == 12
    assert stage.settings().cognito_user_pool_id == house.provisioned().user_pool_id


def test_a_check_of_a_part_names_what_is_missing(applied: Provisioner) -> None:
    applied.clients.dynamodb.delete_table(TableName=f"{prefix(applied)}outbox")
    applied.clients.sqs.delete_queue(QueueUrl=url(applied, "purchases-dlq"))
    missing = {finding.name for finding in applied.check() if finding.state is State.MISSING}
    assert missing == {f"{prefix(applied)}outbox", f"{prefix(applied)}purchases-dlq"}
    apply(applied)
    assert unlike(applied.check()) == []


def test_a_table_is_on_demand_protected_recoverable_and_expires(applied: Provisioner) -> None:
    tables = applied.clients.dynamodb
    name = f"{prefix(applied)}ledger"
    found = tables.describe_table(TableName=name)["Table"]
    assert found.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    assert found.get("DeletionProtectionEnabled") is True
    if RECOVERY:
        backups: Any = tables.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = tables.describe_time_to_live(TableName=f"{prefix(applied)}idempotency")["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}
    outbox = tables.describe_table(TableName=f"{prefix(applied)}outbox")["Table"]
    assert outbox.get("DeletionProtectionEnabled") is False
    indexes = {index.get("IndexName"): index.get("Projection") for index in outbox.get("GlobalSecondaryIndexes", [])}
    assert indexes == {name: {"ProjectionType": "KEYS_ONLY"} for name in ("PendingEvents", "EventsByCorrelation")}


def test_a_missing_index_expiry_and_protection_are_repaired(applied: Provisioner) -> None:
    tables = applied.clients.dynamodb
    outbox, ledger = f"{prefix(applied)}outbox", f"{prefix(applied)}ledger"
    delete_index(applied, outbox, PENDING_EVENTS)
    tables.update_time_to_live(TableName=outbox, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expiresAt"})
    tables.update_table(TableName=ledger, DeletionProtectionEnabled=False)
    if RECOVERY:
        off: Any = {"PointInTimeRecoveryEnabled": False}
        tables.update_continuous_backups(TableName=ledger, PointInTimeRecoverySpecification=off)
    told = {finding.name: finding.detail for finding in unlike(applied.check())}
    assert told == {
        outbox: "index PendingEvents is missing; rows do not expire by expiresAt",
        ledger: f"it is not protected from deletion; {'it has no point-in-time recovery' if RECOVERY else NO_RECOVERY}",
    }
    assert {(finding.name, finding.done) for finding in apply(applied) if finding.state is not State.PRESENT} == {
        (outbox, Done.REPAIRED),
        (ledger, Done.REPAIRED if RECOVERY else Done.KEPT),
    }
    assert unlike(applied.check()) == []


def test_a_table_with_another_key_is_reported_and_kept(applied: Provisioner) -> None:
    changed = dataclasses.replace(OUTBOX, partition="entityKey")
    work = dataclasses.replace(applied, tables=(changed,))
    finding = only(apply(work))
    assert (finding.done, finding.settled) == (Done.KEPT, False)
    assert finding.detail == "its key is eventId (S), not entityKey: move the table away and provision again"


def test_an_index_with_other_keys_is_reported_and_an_extra_one_is_nobodys_business(applied: Provisioner) -> None:
    other = dataclasses.replace(OUTBOX, indexes=(dataclasses.replace(PENDING_EVENTS, partition="eventType"),))
    finding = only(apply(dataclasses.replace(applied, tables=(other,))))
    assert "index PendingEvents has other keys" in finding.detail
    assert not finding.settled
    fewer = dataclasses.replace(OUTBOX, indexes=(EVENTS_BY_CORRELATION,))
    finding = only(apply(dataclasses.replace(applied, tables=(fewer,))))
    assert finding.detail == "index PendingEvents is not declared"
    assert finding.settled
    more = dataclasses.replace(OUTBOX, indexes=(*OUTBOX.indexes, Index(name="ByType", partition="eventType", sort="createdAt")))
    assert only(apply(dataclasses.replace(applied, tables=(more,)))).done is Done.REPAIRED


def test_a_value_of_an_operator_stays(applied: Provisioner) -> None:
    ssm, path = applied.clients.ssm, applied.names.ssm_prefix
    ssm.put_parameter(Name=f"{path}/limits/highTier", Value="4000", Overwrite=True)
    finding = only(applied.check())
    assert (finding.name, finding.detail, finding.settled) == (f"{path}/limits/highTier", "operator value", True)
    assert only(apply(applied)).done is Done.KEPT
    assert ssm.get_parameter(Name=f"{path}/limits/highTier")["Parameter"].get("Value") == "4000"


def test_a_value_that_appears_between_the_look_and_the_creation_stays(work: Provisioner) -> None:
    ssm, name = work.clients.ssm, f"{work.names.ssm_prefix}/limits/highTier"
    late = next(resource for resource in parameters(ssm, work.names.ssm_prefix, {}) if resource.name == name)
    ssm.put_parameter(Name=name, Value="4000", Type="String")
    finding = settle(late)
    assert (finding.done, finding.detail) == (Done.CREATED, "operator value")
    assert ssm.get_parameter(Name=name)["Parameter"].get("Value") == "4000"


def test_an_invalid_value_of_an_operator_is_named_and_stays(applied: Provisioner) -> None:
    ssm, path = applied.clients.ssm, applied.names.ssm_prefix
    ssm.put_parameter(Name=f"{path}/billing/cycleDays", Value="a month", Overwrite=True)
    finding = only(apply(applied))
    assert finding.detail == "operator value, and it is invalid: it must be a whole number"
    assert not finding.settled
    assert ssm.get_parameter(Name=f"{path}/billing/cycleDays")["Parameter"].get("Value") == "a month"


def test_every_tunable_with_a_default_becomes_a_parameter_that_holds_it(applied: Provisioner) -> None:
    path = applied.names.ssm_prefix
    pages = applied.clients.ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    found = {entry.get("Name", "").removeprefix(f"{path}/"): entry.get("Value") for page in pages for entry in page["Parameters"]}
    defaults = {name: field.metadata["default"] for name, field in TUNABLES.items()}
    assert found == {name: default for name, default in defaults.items() if default is not None}


def test_people_cannot_sign_up_and_cannot_write_custom_attributes(applied: Provisioner) -> None:
    cognito, made = applied.clients.cognito, applied.provisioned()
    pool = cognito.describe_user_pool(UserPoolId=made.user_pool_id)["UserPool"]
    assert pool.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly") is True
    names = {attribute.get("Name") for attribute in pool.get("SchemaAttributes", [])}
    assert names >= {"custom:ecosystemId", "custom:role"}
    client = cognito.describe_user_pool_client(UserPoolId=made.user_pool_id, ClientId=made.client_id)["UserPoolClient"]
    assert client.get("WriteAttributes"), "an empty list would mean every standard attribute"
    assert not [name for name in client.get("WriteAttributes", []) if name.startswith("custom:")]
    assert "custom:ecosystemId" in client.get("ReadAttributes", [])
    assert not client.get("ClientSecret")


def test_a_client_that_may_write_custom_attributes_is_repaired_and_keeps_what_is_not_ours(applied: Provisioner) -> None:
    cognito, made = applied.clients.cognito, applied.provisioned()
    ids: Any = {"UserPoolId": made.user_pool_id, "ClientId": made.client_id}
    current: Any = cognito.describe_user_pool_client(**ids)["UserPoolClient"]
    kept = {name: value for name, value in current.items() if value != "" and not name.endswith(("Secret", "Date"))}
    changed = {"WriteAttributes": ["email", "custom:ecosystemId"], "CallbackURLs": ["https://example.com/back"]}
    cognito.update_user_pool_client(**{**kept, **changed})
    assert "WriteAttributes is" in only(applied.check()).detail
    sent: dict[str, Any] = {}
    cognito.meta.events.register(UPDATE, lambda params, **_: sent.update(params), unique_id="sent")
    assert only(apply(applied)).done is Done.REPAIRED
    cognito.meta.events.unregister(UPDATE, unique_id="sent")
    assert sent["CallbackURLs"] == ["https://example.com/back"], "Cognito resets what is left out, even if the emulator does not"
    repaired = cognito.describe_user_pool_client(**ids)["UserPoolClient"]
    assert "custom:ecosystemId" not in repaired.get("WriteAttributes", [])
    assert repaired.get("CallbackURLs") == ["https://example.com/back"]
    assert applied.provisioned() == made


def test_events_reach_their_queue_and_no_other(applied: Provisioner) -> None:
    entries: Any = [
        {"Source": applied.names.event_source, "DetailType": kind, "Detail": "{}", "EventBusName": applied.names.event_bus}
        for kind in ("transaction.purchase", "card.rejected", "user.created")
    ]
    entries.append({**entries[0], "Source": "somebody.else"})
    assert applied.clients.events.put_events(Entries=entries)["FailedEntryCount"] == 0
    assert [event["detail-type"] for event in received(applied, "purchases")] == ["transaction.purchase"]
    assert [event["detail-type"] for event in received(applied, "refusals")] == ["card.rejected"]


def test_queues_have_dead_letters_and_let_only_their_rule_send(applied: Provisioner) -> None:
    names: Any = ["All"]
    found = applied.clients.sqs.get_queue_attributes(QueueUrl=url(applied, "purchases"), AttributeNames=names)["Attributes"]
    redrive = json.loads(found["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(f":{prefix(applied)}purchases-dlq")
    assert redrive["maxReceiveCount"] == 5
    (statement,) = json.loads(found["Policy"])["Statement"]
    rule = applied.clients.events.describe_rule(Name=f"{prefix(applied)}purchases", EventBusName=applied.names.event_bus)
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rule["Arn"]}}
    letters = applied.clients.sqs.get_queue_attributes(QueueUrl=url(applied, "purchases-dlq"), AttributeNames=names)["Attributes"]
    assert letters["MessageRetentionPeriod"] == str(14 * 86_400)


def test_redrive_policy_pattern_and_target_are_repaired_but_numbers_and_a_pause_are_the_operators(applied: Provisioner) -> None:
    sqs, events, bus = applied.clients.sqs, applied.clients.events, applied.names.event_bus
    queue, refusals = f"{prefix(applied)}purchases", f"{prefix(applied)}refusals"
    sqs.set_queue_attributes(QueueUrl=url(applied, "purchases"), Attributes={"RedrivePolicy": "", "VisibilityTimeout": "90"})
    events.remove_targets(Rule=queue, EventBusName=bus, Ids=["queue"])
    events.put_rule(Name=queue, EventBusName=bus, EventPattern='{"source": ["x"]}', State="ENABLED")
    events.disable_rule(Name=refusals, EventBusName=bus)
    findings = {(finding.kind, finding.name): finding for finding in unlike(apply(applied))}
    assert findings["rule", queue].done is Done.REPAIRED
    assert (findings["queue", queue].done, findings["queue", queue].detail) == (Done.KEPT, "VisibilityTimeout is 90, not 60")
    assert (findings["rule", refusals].detail, findings["rule", refusals].settled) == ("it is disabled", True)
    left = {(finding.kind, finding.name) for finding in unlike(applied.check())}
    assert left == {("queue", queue), ("rule", refusals)}, "the redrive policy, the pattern and the target are back"


def test_a_second_prefix_does_not_touch_the_first(applied: Provisioner, embedded_cloud: AnyCloud) -> None:
    made = applied.provisioned()
    other = provisioner(embedded_cloud, names_of(f"q{uuid.uuid4().hex[:12]}"), SMALL, (PURCHASES,))
    assert {finding.done for finding in apply(other)} == {Done.CREATED}
    assert other.provisioned().user_pool_id != made.user_pool_id
    assert unlike(applied.check()) == []


def test_a_cloud_from_a_mapping_does_not_listen_to_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "ours", "AWS_SECRET_ACCESS_KEY": "ours"}
    ours = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "us-east-1", **keys}
    others = {"AWS_ENDPOINT_URL": "http://elsewhere", "AWS_REGION": "eu-west-1", "AWS_PROFILE": "none-of-that-name"}
    for name, value in {**others, "AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "theirs"}.items():
        monkeypatch.setenv(name, value)
    cloud = Cloud.from_mapping(ours)
    assert (cloud.region, set(cloud.endpoints().values())) == ("us-east-1", {"http://127.0.0.1:1"})
    assert cloud.session.get_credentials().access_key == "ours"
    assert Clients.of(cloud).dynamodb.meta.endpoint_url == "http://127.0.0.1:1"
