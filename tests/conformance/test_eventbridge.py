"""EventBridge: which events reach which queue, which entries are refused, and where goes what cannot be delivered."""

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here, refused
from tests.conformance.resources import Queue, make_queue, rules_may_send

RESEND_SECONDS = 5
LIMIT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Bus:
    """A bus with one rule that fills one queue: two types of events of one source."""

    here: Here
    name: str
    queue: Queue

    def entry(self, kind: str = "wanted", source: str = "tazco.conformance", **detail: Any) -> dict[str, Any]:
        """One event."""
        return {"EventBusName": self.name, "Source": source, "DetailType": kind, "Detail": json.dumps(detail)}

    def put(self, *entries: dict[str, Any]) -> dict[str, Any]:
        """One call."""
        return self.here.events("PutEvents", Entries=list(entries))

    def arrivals(self) -> list[dict[str, Any]]:
        """What is in the queue now; taken out of it."""
        found = self.queue.receive(wait=1)
        for message in found:
            self.queue("DeleteMessage", ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    def event(self, mark: str, *first: dict[str, Any], **others: Any) -> list[dict[str, Any]]:
        """Put `first`, and then an event with this mark, until that arrives; everything that has arrived by then."""
        seen: list[dict[str, Any]] = []
        sent_at = float("-inf")

        def arrived() -> bool:
            nonlocal sent_at
            if time.monotonic() - sent_at > RESEND_SECONDS:  # a new rule may take its time on AWS
                sent_at = time.monotonic()
                self.put(*first, {**self.entry(mark=mark), **others})
            seen.extend(self.arrivals())
            return any(each["detail"].get("mark") == mark for each in seen)

        self.here.until(arrived, "the event")
        return seen


@pytest.fixture(scope="module")
def bus(here: Here) -> Bus:
    """One bus for all tests."""
    name = here.name("bus")
    here.events("CreateEventBus", Name=name)
    queue = make_queue(here, policy=rules_may_send)
    _rule(here, name, "wanted", ["wanted", "wanted too"], queue)
    return Bus(here, name, queue)


def _rule(here: Here, bus: str, rule: str, kinds: list[str], queue: Queue, **target: Any) -> None:
    pattern = json.dumps({"source": ["tazco.conformance"], "detail-type": kinds})
    here.events("PutRule", Name=rule, EventBusName=bus, EventPattern=pattern, State="ENABLED")
    answer = here.events("PutTargets", Rule=rule, EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue.arn, **target}])
    assert answer["FailedEntryCount"] == 0, answer


@behaviour(
    Service.EVENTBRIDGE,
    "An event that a rule matches arrives in its queue, as it was put and with an id and the rule's account",
    guide="eb-events-structure",
)
def test_an_event_that_matches_arrives(here: Here, bus: Bus) -> None:
    mark = here.name("mark")
    event = next(each for each in bus.event(mark, Time=1_700_000_000) if each["detail"].get("mark") == mark)
    assert (event["source"], event["detail-type"], event["detail"]) == ("tazco.conformance", "wanted", {"mark": mark})
    assert (event["version"], event["time"], event["region"]) == ("0", "2023-11-14T22:13:20Z", here.cloud.region)
    assert event["account"] == bus.queue.arn.split(":")[4]
    assert event["id"]


@behaviour(Service.EVENTBRIDGE, "Events of another source or type do not arrive", guide="eb-event-patterns")
def test_events_that_do_not_match_do_not_arrive(here: Here, bus: Bus) -> None:
    strangers = [bus.entry(kind="unwanted"), bus.entry(source="tazco.elsewhere"), bus.entry(kind="wanted to")]
    seen = bus.event(here.name("mark"), *strangers)
    assert {(each["source"], each["detail-type"]) for each in [*seen, *bus.arrivals()]} == {("tazco.conformance", "wanted")}


@behaviour(Service.EVENTBRIDGE, "A rule that is disabled delivers nothing", api="DisableRule")
def test_a_disabled_rule_delivers_nothing(here: Here, bus: Bus) -> None:
    queue = make_queue(here, policy=rules_may_send)
    _rule(here, bus.name, "paused", ["wanted"], queue)
    here.events("DisableRule", Name="paused", EventBusName=bus.name)
    assert here.events("DescribeRule", Name="paused", EventBusName=bus.name)["State"] == "DISABLED"
    bus.event(here.name("mark"))
    assert queue.receive(wait=1) == []


@behaviour(Service.EVENTBRIDGE, "A call takes ten events, each with an id of its own, and eleven are refused", api="PutEvents")
def test_a_call_takes_ten_events_and_no_more(bus: Bus) -> None:
    answer = bus.put(*(bus.entry(kind="unwanted") for _ in range(10)))
    assert answer["FailedEntryCount"] == 0
    assert len({entry["EventId"] for entry in answer["Entries"]}) == 10
    with refused("ValidationException"):
        bus.put(*(bus.entry(kind="unwanted") for _ in range(11)))


def _failed(answer: dict[str, Any]) -> list[int]:
    failed = [number for number, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode") and not entry.get("EventId")]
    assert answer["FailedEntryCount"] == len(failed), answer
    return failed


@behaviour(
    Service.EVENTBRIDGE, "An entry whose detail is no JSON fails alone, at its place in the answer", api="PutEventsResultEntry"
)
def test_an_entry_without_json_fails_alone(bus: Bus) -> None:
    good = bus.entry(kind="unwanted")
    assert _failed(bus.put(good, {**good, "Detail": "{no json"}, good)) == [1], "the entry was taken"


@behaviour(Service.EVENTBRIDGE, "An entry whose detail is JSON and no object fails alone", api="PutEventsRequestEntry")
def test_an_entry_whose_detail_is_no_object_fails_alone(bus: Bus) -> None:
    good = bus.entry(kind="unwanted")
    assert _failed(bus.put(good, {**good, "Detail": "[1]"})) == [1], "the entry was taken"


@behaviour(Service.EVENTBRIDGE, "An entry without its source fails alone", api="PutEventsRequestEntry")
def test_an_entry_without_its_source_fails_alone(bus: Bus) -> None:
    good = bus.entry(kind="unwanted")
    assert _failed(bus.put({name: value for name, value in good.items() if name != "Source"}, good)) == [0], "the entry was taken"


@behaviour(Service.EVENTBRIDGE, "An entry without its type fails alone", api="PutEventsRequestEntry")
def test_an_entry_without_its_type_fails_alone(bus: Bus) -> None:
    good = bus.entry(kind="unwanted")
    assert _failed(bus.put(good, {name: value for name, value in good.items() if name != "DetailType"})) == [1], (
        "the entry was taken"
    )


@behaviour(Service.EVENTBRIDGE, "An event of nearly 1 MB is taken", api="PutEvents")
def test_an_event_of_nearly_a_megabyte_is_taken(bus: Bus) -> None:
    answer = bus.put(bus.entry(kind="unwanted", text="x" * (LIMIT_BYTES - 200)))
    assert answer["FailedEntryCount"] == 0


@behaviour(Service.EVENTBRIDGE, "Events of more than 1 MB together are refused", api="PutEvents")
def test_events_of_more_than_a_megabyte_are_refused(bus: Bus) -> None:
    half = bus.entry(kind="unwanted", text="x" * (1024 * 1024 // 2))
    with refused("ValidationException", "RequestEntityTooLarge", "RequestEntityTooLargeException"):
        bus.put(half, half)


@behaviour(
    Service.EVENTBRIDGE,
    "An event for a bus that is not there is acknowledged, and lost (users report it; AWS does not document it)",
    source="https://github.com/aws/aws-cli/issues/9186",
)
def test_an_event_for_a_bus_that_is_not_there_is_acknowledged(here: Here, bus: Bus) -> None:
    entry = {**bus.entry(), "EventBusName": here.name("missing")}
    try:
        answer = bus.put(entry)
    except ClientError as error:
        raise AssertionError(f"refused: {error}") from error
    assert answer["FailedEntryCount"] == 0
    assert answer["Entries"][0]["EventId"]


@behaviour(
    Service.EVENTBRIDGE, "An event that cannot be delivered goes to the dead-letter queue of the target", guide="eb-rule-dlq"
)
def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(here: Here, bus: Bus) -> None:
    missing = make_queue(here)
    undelivered = make_queue(here, policy=rules_may_send)
    _rule(here, bus.name, "undeliverable", ["lost"], missing, DeadLetterConfig={"Arn": undelivered.arn})
    missing("DeleteQueue")
    mark = here.name("mark")
    bus.put(bus.entry(kind="lost", mark=mark))
    known = test_what_cannot_be_delivered_goes_to_the_dead_letter_queue.__name__
    letter = here.until(lambda: undelivered.receive(wait=1), "the dead letter", known=known)[0]
    assert json.loads(letter["Body"])["detail"] == {"mark": mark}


@behaviour(
    Service.EVENTBRIDGE, "Putting a rule again leaves its targets alone, and they are described as they were put", api="PutRule"
)
def test_putting_a_rule_again_leaves_its_targets_alone(here: Here, bus: Bus) -> None:
    retry = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400}
    target = {"DeadLetterConfig": {"Arn": bus.queue.arn}, "RetryPolicy": retry}
    _rule(here, bus.name, "again", ["nothing"], bus.queue, **target)
    pattern = {"source": ["tazco.conformance"], "detail-type": ["nothing else"]}
    here.events("PutRule", Name="again", EventBusName=bus.name, EventPattern=json.dumps(pattern), State="ENABLED")
    rule = here.events("DescribeRule", Name="again", EventBusName=bus.name)
    assert (json.loads(rule["EventPattern"]), rule["State"]) == (pattern, "ENABLED")
    targets = here.events("ListTargetsByRule", Rule="again", EventBusName=bus.name)["Targets"]
    assert targets == [{"Id": "queue", "Arn": bus.queue.arn, **target}]


@behaviour(Service.EVENTBRIDGE, "A bus and a rule that are not there are told from those that are", api="DescribeRule")
def test_a_bus_and_a_rule_that_are_not_there_are_told(here: Here, bus: Bus) -> None:
    with refused("ResourceNotFoundException"):
        here.events("DescribeEventBus", Name=here.name("missing"))
    with refused("ResourceNotFoundException"):
        here.events("DescribeRule", Name="missing", EventBusName=bus.name)
