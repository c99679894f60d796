"""The role of each process: what `rights` says, and nothing else."""

from collections.abc import Iterator
from typing import Any, Final

from tazco.deployment import rights
from tazco.deployment.data import KEY, KEY_USE, table_id
from tazco.deployment.messages import BUS, dead_letter_queue_names, queue_id
from tazco.deployment.rights import Kind
from tazco.deployment.template import Declarations, Json, att, logical, sub, when

RELAYS: Final = "ApiRelays"
"""The condition under which the API relays too and then may do what the relay may."""


def role_id(kind: Kind) -> str:
    """The resource that is the role of a process."""
    return logical(kind, "role")


def roles(declarations: Declarations) -> Json:
    """One role for each kind of process."""
    return {role_id(kind): _role([*statements(kind, declarations)]) for kind in Kind}


def trusted(service: str) -> Json:
    """Who may take on a role: tasks of this account's ECS, and nobody who acts for somebody else."""
    ours = {"StringEquals": {"aws:SourceAccount": sub("${AWS::AccountId}")}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", "Condition": ours},
        ],
    }


def allow(sid: str, actions: list[str], resources: Any, condition: Json | None = None) -> Json:
    """One statement."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": resources,
        **({"Condition": condition} if condition else {}),
    }


def _role(found: list[Json]) -> Json:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": trusted("ecs-tasks.amazonaws.com"),
            "Policies": [{"PolicyName": "rights", "PolicyDocument": {"Version": "2012-10-17", "Statement": found}}],
        },
    }


def statements(kind: Kind, declarations: Declarations) -> Iterator[Json]:
    """All that a process may do."""
    yield from _on_tables(kind)
    if kind is Kind.API:
        yield from (when(RELAYS, each) for each in (*_on_tables(Kind.RELAY, "Relay"), *_on_the_bus(Kind.RELAY)))
    via = {"StringEquals": {"kms:ViaService": sub("dynamodb.${AWS::Region}.${AWS::URLSuffix}")}}
    yield allow("KeyOfTheTables", list(KEY_USE), att(KEY, "Arn"), via)
    yield from _on_the_bus(kind)
    yield from _on_queues(kind, declarations)
    parameters = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${SsmPrefix}"
    read = [f"ssm:{action}" for action in rights.READ_POLICY]
    yield allow("ReadPolicy", read, [sub(parameters), sub(parameters + "/*")])
    if kind is Kind.API:
        yield allow("TunePolicy", [f"ssm:{action}" for action in rights.TUNE_POLICY], sub(parameters + "/*"))


def _on_tables(kind: Kind, prefix: str = "") -> Iterator[Json]:
    """One statement for each table, and one for what is queried of indexes."""
    indexes = []
    for table, granted in rights.TABLES[kind].items():
        arn = att(table_id(table), "Arn")
        yield allow(prefix + logical(table), [f"dynamodb:{action}" for action in granted.actions], arn)
        indexes += [sub(f"${{{table_id(table)}.Arn}}/index/{index}") for index in granted.indexes]
    if indexes:
        yield allow(prefix + "Indexes", ["dynamodb:Query"], indexes)


def _on_the_bus(kind: Kind) -> Iterator[Json]:
    actions = [f"events:{action}" for action in rights.BUS[kind]]
    if actions:
        yield allow("RelayBus" if kind is Kind.RELAY else "Bus", actions, att(BUS, "Arn"))


def _on_queues(kind: Kind, declarations: Declarations) -> Iterator[Json]:
    if kind is Kind.RELAY:
        return
    live = [each.queue for each in declarations.subscriptions]
    every = [att(queue_id(name), "Arn") for name in (*live, *dead_letter_queue_names(declarations))]
    yield allow("LookAtQueues", [f"sqs:{action}" for action in rights.LOOK_AT_QUEUES], every)
    if kind is Kind.WORKER:
        consumed = [att(queue_id(name), "Arn") for name in live]
        yield allow("Consume", [f"sqs:{action}" for action in rights.CONSUME], consumed)
