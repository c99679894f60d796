"""The stack of the alarms, and of what is measured in the logs for them."""

from collections.abc import Iterator
from typing import Any, Final

from tazco.deployment.logs import log_group_name
from tazco.deployment.messages import dead_letter_queue_names
from tazco.deployment.naming import name_parameters
from tazco.deployment.rights import Kind
from tazco.deployment.template import Declarations, Json, logical, ref, sub, text_parameter, when
from tazco.platform.outbox_watch import AGE_MAX, MEASURED
from tazco.platform.tables import Table

ALARMED: Final = "HasAlarmTopic"
WAITING_SECONDS_MAX: Final = int(AGE_MAX.total_seconds())
MINUTE: Final = 60
ABOVE: Final = "GreaterThanThreshold"
NAMESPACE: Final = "Tazco/${AWS::StackName}"
CALLS: Final = ("BatchGetItem", "Query", "TransactWriteItems")
"""The reads and commits of commands; where another call fails inside DynamoDB, one of these does too."""


def alarms_stack(declarations: Declarations) -> Json:
    """The template: a stack of its own, because a template that is sent without a bucket has 51,200 bytes at most."""
    shown = "SNS topic that alarms go to; empty: alarms only show."
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Tazco, what somebody must be told of. Generated from the declarations: `make fix` writes it. Do not edit.",
        "Parameters": {**name_parameters("TablePrefix", "EventBus"), "AlarmTopicArn": text_parameter("", shown)},
        "Conditions": {ALARMED: {"Fn::Not": [{"Fn::Equals": [ref("AlarmTopicArn"), ""]}]}},
        "Resources": {**measured(), **alarms(declarations)},
    }


def measured() -> Json:
    """What the log says in numbers: a worker tells every quarter of a minute what waits in the outbox."""
    found = {
        "OutboxAgeMetric": _filter(Kind.WORKER, MEASURED, "OutboxAgeSeconds", "$.age_seconds", "Seconds"),
        "OutboxDeadLettersMetric": _filter(Kind.WORKER, MEASURED, "OutboxDeadLetters", "$.dead_letters", "Count"),
    }
    for kind in (Kind.API, Kind.WORKER):
        found[logical(kind, "NotificationAlarmMetric")] = _filter(kind, "notification.alarm", "NotificationAlarms", "1", "Count")
    return found


def _filter(kind: Kind, event: str, metric: str, value: str, unit: str) -> Json:
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {
            "LogGroupName": log_group_name(kind),
            "FilterPattern": f'{{ $.event = "{event}" }}',
            "MetricTransformations": [
                {"MetricNamespace": sub(NAMESPACE), "MetricName": metric, "MetricValue": value, "Unit": unit}
            ],
        },
    }


def alarms(declarations: Declarations) -> Json:
    """What somebody must be told of. `docs/operations.md` says what to do then."""
    return {
        **{logical(name, "alarm"): each for name, each in _about_queues(declarations)},
        **{logical(name, "alarm"): each for name, each in _about_the_outbox()},
        **{logical(table.name, "throttled", "alarm"): _throttled(table) for table in declarations.tables},
        **{logical(table.name, "failing", "alarm"): _failing(table) for table in declarations.tables},
        "UserErrorsAlarm": alarm("AWS/DynamoDB", "UserErrors", {}, above=100, minutes=5),
    }


def _about_queues(declarations: Declarations) -> Iterator[tuple[str, Json]]:
    for name in dead_letter_queue_names(declarations):
        queue = {"QueueName": sub("${TablePrefix}" + name)}
        yield name, alarm("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, statistic="Maximum")
    for each in declarations.subscriptions:
        queue = {"QueueName": sub("${TablePrefix}" + each.queue)}
        age: Json = {"above": WAITING_SECONDS_MAX, "statistic": "Maximum", "minutes": 5}
        yield f"{each.queue} age", alarm("AWS/SQS", "ApproximateAgeOfOldestMessage", queue, **age)
        rule = {"EventBusName": ref("EventBus"), "RuleName": sub("${TablePrefix}" + each.queue)}
        yield f"{each.queue} lost", alarm("AWS/Events", "InvocationsFailedToBeSentToDlq", rule)


def _about_the_outbox() -> Iterator[tuple[str, Json]]:
    """Nobody measures where no worker runs, so silence is an alarm too."""
    ours = sub(NAMESPACE)
    silence: Json = {"statistic": "Maximum", "minutes": 5, "missing": "breaching"}
    yield "OutboxAge", alarm(ours, "OutboxAgeSeconds", {}, above=WAITING_SECONDS_MAX, **silence)
    yield "OutboxDeadLetters", alarm(ours, "OutboxDeadLetters", {}, statistic="Maximum")
    yield "NotificationAlarms", alarm(ours, "NotificationAlarms", {})


def alarm(
    namespace: Any,
    metric: str,
    dimensions: Json,
    *,
    above: int = 0,
    below: int | None = None,
    statistic: str = "Sum",
    minutes: int = 1,
    missing: str = "notBreaching",
) -> Json:
    """One metric above a bound for so many minutes on end, or below one."""
    return _alarm(
        {
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": statistic,
            "Period": MINUTE,
            "Threshold": above if below is None else below,
            "EvaluationPeriods": minutes,
            "TreatMissingData": missing,
            "ComparisonOperator": ABOVE if below is None else "LessThanThreshold",
        }
    )


def _alarm(properties: Json) -> Json:
    told = {name: when(ALARMED, [ref("AlarmTopicArn")]) for name in ("AlarmActions", "OKActions")}
    if not properties.get("Dimensions"):
        properties.pop("Dimensions", None)
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {**properties, "ComparisonOperator": properties.get("ComparisonOperator", ABOVE), **told},
    }


def _throttled(table: Table[Any]) -> Json:
    """Reads and writes that DynamoDB turned away, on the table and on each of its indexes."""
    name: Json = {"Name": "TableName", "Value": sub("${TablePrefix}" + table.name)}
    places = [[name], *([name, {"Name": "GlobalSecondaryIndexName", "Value": index.name}] for index in table.indexes)]
    events = ("ReadThrottleEvents", "WriteThrottleEvents")
    return _summed([(event, place) for place in places for event in events], minutes=5)


def _failing(table: Table[Any]) -> Json:
    """Calls that failed inside DynamoDB."""
    name: Json = {"Name": "TableName", "Value": sub("${TablePrefix}" + table.name)}
    metrics: list[tuple[str, list[Json]]] = [("SystemErrors", [name, {"Name": "Operation", "Value": call}]) for call in CALLS]
    return _summed(metrics, minutes=5)


def _summed(metrics: list[tuple[str, list[Json]]], *, minutes: int) -> Json:
    """An alarm over the sum of several metrics of DynamoDB; those that are not there count as nothing."""
    queries: list[Json] = [
        {
            "Id": f"m{number}",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions},
                "Period": MINUTE,
                "Stat": "Sum",
            },
        }
        for number, (metric, dimensions) in enumerate(metrics)
    ]
    total = "+".join(f"FILL(m{number},0)" for number in range(len(metrics)))
    periods = {"EvaluationPeriods": minutes, "DatapointsToAlarm": 1, "TreatMissingData": "notBreaching"}
    return _alarm({"Metrics": [{"Id": "total", "Expression": total}, *queries], "Threshold": 0, **periods})
