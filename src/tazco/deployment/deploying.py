"""A deployment: a change set is made, looked at, and carried out or thrown away, with what happens told on the way."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tazco.deployment.changes import Change, change_of
from tazco.deployment.stacks import TEMPLATE_BYTES_MAX
from tazco.deployment.template import Json, compact, with_names
from tazco.platform.cloud import Cloud

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackEventTypeDef, StackTypeDef
    from mypy_boto3_ssm import SSMClient

POLL_SECONDS: Final = 2.0
PLAN_SECONDS_MAX: Final = 300.0
DEPLOY_SECONDS_MAX: Final = 7_200.0
PARAMETERS_PAGE: Final = 10
UNMADE: Final = "REVIEW_IN_PROGRESS"
"""A stack that has only ever had change sets."""

NO_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
AT_THE_END: Final = ("_COMPLETE", "_FAILED")
FIRST_FAILED: Final = (
    "Its first deployment failed. Mend the cause, delete the stack (aws cloudformation delete-stack --stack-name {stack}) and deploy again;"
    " docs/deployment.md says what to do about what the stack has left behind."
)
STUCK: Final[Mapping[str, str]] = {
    "ROLLBACK_COMPLETE": FIRST_FAILED,
    "ROLLBACK_FAILED": FIRST_FAILED,
    "UPDATE_ROLLBACK_FAILED": "Undoing it failed too: aws cloudformation continue-update-rollback --stack-name {stack}; then deploy again.",
    "DELETE_FAILED": "Deleting it failed. Finish that first: aws cloudformation delete-stack --stack-name {stack}",
}


class NotDeployed(Exception):
    """CloudFormation would not, or the deployment failed; the message says what came first, and the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A change set: what would be done to which stack."""

    stack: str
    change_set: str
    new: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of a stack."""

    at: datetime
    resource: str
    kind: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Something did not work out."""
        return self.status.endswith("_FAILED")


@dataclass(frozen=True, slots=True)
class Deployer:
    """Deploys templates where its clients point. Raises `NotDeployed`, or what botocore raises."""

    cloudformation: "CloudFormationClient"
    ssm: "SSMClient"
    poll_seconds: float = POLL_SECONDS

    @classmethod
    def of(cls, cloud: Cloud, poll_seconds: float = POLL_SECONDS) -> "Deployer":
        """Clients that go where `cloud` points."""
        session = boto3.Session(botocore_session=cloud.session, region_name=cloud.region)
        config = Config(retries={"mode": "standard", "max_attempts": 10})

        def client(service: Any) -> Any:
            return session.client(service, endpoint_url=cloud.endpoint_override(service), config=config)

        return cls(client("cloudformation"), client("ssm"), poll_seconds)

    def plan(self, stack: str, template: Json, parameters: Mapping[str, str], *, import_existing: bool = False) -> Plan | None:
        """Make a change set; None where there is nothing to do. What is not given keeps the value that the stack has."""
        found = self._stack(stack)
        new = found is None or found["StackStatus"] == UNMADE
        if found is not None and (cure := STUCK.get(found["StackStatus"])):
            raise NotDeployed(f"Stack {stack} is {found['StackStatus']}. {cure.format(stack=stack)}")
        body = compact(with_names(template, parameters) if import_existing else template)
        assert len(body.encode()) <= TEMPLATE_BYTES_MAX, "a test holds every template below this"
        made = self.cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=f"tazco-{uuid.uuid4().hex}",
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateBody=body,
            Parameters=_parameters(template, parameters, {} if new or found is None else found),
            Capabilities=["CAPABILITY_IAM"],
            ImportExistingResources=import_existing,
        )
        plan = Plan(stack=stack, change_set=made["Id"], new=new, changes=())
        described = self._planned(plan)
        if described is None:
            self.discard(plan)
            return None
        return Plan(stack=stack, change_set=plan.change_set, new=new, changes=described)

    def _planned(self, plan: Plan) -> tuple[Change, ...] | None:
        """Its changes once it is ready; None where there are none."""
        deadline = time.monotonic() + PLAN_SECONDS_MAX
        while True:
            found = self.cloudformation.describe_change_set(ChangeSetName=plan.change_set, StackName=plan.stack)
            if found["Status"] == "CREATE_COMPLETE":
                pages = self.cloudformation.get_paginator("describe_change_set").paginate(
                    ChangeSetName=plan.change_set, StackName=plan.stack
                )
                return tuple(change_of(each["ResourceChange"]) for page in pages for each in page.get("Changes", []))
            reason = found.get("StatusReason", "")
            if found["Status"] == "FAILED":
                if any(text in reason for text in NO_CHANGES):
                    return None
                self.discard(plan)
                raise NotDeployed(f"CloudFormation takes no such change of {plan.stack}: {reason}")
            if time.monotonic() > deadline:
                self.discard(plan)
                raise NotDeployed(f"CloudFormation made no change set of {plan.stack} within {PLAN_SECONDS_MAX:g} s. Try again.")
            time.sleep(self.poll_seconds)

    def discard(self, plan: Plan) -> None:
        """Throw the change set away, and with it the empty stack that it may have made."""
        self.cloudformation.delete_change_set(ChangeSetName=plan.change_set, StackName=plan.stack)
        found = self._stack(plan.stack)
        if plan.new and found is not None and found["StackStatus"] == UNMADE:
            self.cloudformation.delete_stack(StackName=plan.stack)

    def carry_out(self, plan: Plan, tell: Callable[[Happening], None]) -> None:
        """Execute the change set and wait for its end; a stack that is there afterwards is protected from deletion."""
        began = self._last_event(plan.stack)
        self.cloudformation.execute_change_set(ChangeSetName=plan.change_set, StackName=plan.stack)
        told = self._told_until_the_end(plan.stack, began, tell)
        status = self._status(plan.stack)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise NotDeployed(_told(plan, status, [each for each in told if each.failed]))
        self.cloudformation.update_termination_protection(StackName=plan.stack, EnableTerminationProtection=True)

    def _told_until_the_end(self, stack: str, last: str, tell: Callable[[Happening], None]) -> list[Happening]:
        """Tell every event after the last one. Before the stack's own first one its status is still that of the time before."""
        told: list[Happening] = []
        deadline = time.monotonic() + DEPLOY_SECONDS_MAX
        while True:
            status = self._status(stack) if any(each.resource == stack for each in told) else ""
            for event_id, happening in self._since(stack, last):
                last = event_id
                tell(happening)
                told.append(happening)
            if status.endswith(AT_THE_END):
                return told
            if time.monotonic() > deadline:
                raise NotDeployed(f"{stack} is {status} after two hours; CloudFormation goes on without this command.")
            time.sleep(self.poll_seconds)

    def outputs(self, stack: str) -> dict[str, str]:
        """What the stack says of itself."""
        found = self._stack(stack)
        outputs = found.get("Outputs", []) if found is not None else []
        return {each["OutputKey"]: each["OutputValue"] for each in outputs if "OutputKey" in each and "OutputValue" in each}

    def parameter_of(self, stack: str, name: str) -> str:
        """The value that a stack was given; empty where there is no such stack or parameter."""
        found = self._stack(stack)
        given = found.get("Parameters", []) if found is not None else []
        return next((each.get("ParameterValue", "") for each in given if each.get("ParameterKey") == name), "")

    def edited(self, written: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
        """Which parameters hold something else than the stack once put there, and would lose it; None of SSM's is not there."""
        names = sorted(written)
        held: dict[str, str] = {}
        for start in range(0, len(names), PARAMETERS_PAGE):
            reply = self.ssm.get_parameters(Names=names[start : start + PARAMETERS_PAGE])
            held |= {str(each.get("Name")): str(each.get("Value")) for each in reply["Parameters"]}
        return [name for name in names if held.get(name) not in (before.get(name), written[name])]

    def template_of(self, stack: str) -> Json:
        """The template that the stack has now."""
        body: Any = self.cloudformation.get_template(StackName=stack)["TemplateBody"]
        return dict(body)

    def _stack(self, name: str) -> "StackTypeDef | None":
        try:
            return self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def _status(self, stack: str) -> str:
        found = self._stack(stack)
        return found["StackStatus"] if found is not None else "DELETE_COMPLETE"

    def _events(self, stack: str) -> "Iterator[StackEventTypeDef]":
        for page in self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
            yield from page["StackEvents"]

    def _last_event(self, stack: str) -> str:
        return next((event["EventId"] for event in self._events(stack)), "")

    def _since(self, stack: str, last: str) -> list[tuple[str, Happening]]:
        """Events after the last one that was told, oldest first."""
        found = []
        for event in self._events(stack):
            if event["EventId"] == last:
                break
            found.append((event["EventId"], _happening(event)))
        return found[::-1]


def _happening(event: "StackEventTypeDef") -> Happening:
    return Happening(
        at=event["Timestamp"].astimezone(UTC),
        resource=event.get("LogicalResourceId", ""),
        kind=event.get("ResourceType", ""),
        status=str(event.get("ResourceStatus", "")),
        reason=event.get("ResourceStatusReason", ""),
    )


def _parameters(template: Json, given: Mapping[str, str], found: Any) -> "list[ParameterTypeDef]":
    declared = template.get("Parameters", {})
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise NotDeployed(f"The template has no parameter {', '.join(unknown)}. It has {', '.join(declared)}.")
    kept = {each.get("ParameterKey", "") for each in found.get("Parameters", [])}
    missing = [name for name, each in declared.items() if "Default" not in each and name not in given and name not in kept]
    if missing:
        raise NotDeployed("\n".join(f"--parameter {name}=… is needed: {declared[name]['Description']}" for name in missing))
    values: list[ParameterTypeDef] = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
    reused: list[ParameterTypeDef] = [
        {"ParameterKey": name, "UsePreviousValue": True} for name in declared if name in kept and name not in given
    ]
    return values + reused


def _told(plan: Plan, status: str, failures: list[Happening]) -> str:
    first = next((each for each in failures if each.kind != "AWS::CloudFormation::Stack" and "cancelled" not in each.reason), None)
    first = first or next(iter(failures), None)
    why = f"{first.resource} ({first.kind}): {first.reason}" if first else "CloudFormation gives no reason."
    after = STUCK.get(status, "Everything is as it was before. Mend the cause and deploy again.")
    return f"{plan.stack} was not deployed ({status}).\nFirst to fail: {why}\n{after.format(stack=plan.stack)}"
