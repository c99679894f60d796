"""How many tasks run: the API by its CPU, the worker by what waits in its queues. ECS spreads them over the zones."""

from typing import Any, Final

from tazco.deployment.rights import Kind
from tazco.deployment.template import Declarations, Json, att, imported, logical, ref

CPU_PERCENT: Final = 60
WAITING_PER_WORKER: Final = 100
IN_SECONDS: Final = 300
OUT_SECONDS: Final = 60


def scaling(declarations: Declarations) -> Json:
    """Two targets, each with its policy; relays share sixteen shards and need no more than their fixed number."""
    cpu = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}, "TargetValue": CPU_PERCENT}
    backlog = {"CustomizedMetricSpecification": {"Metrics": _waiting(declarations)}, "TargetValue": WAITING_PER_WORKER}
    found: Json = {}
    for kind, tracked in ((Kind.API, cpu), (Kind.WORKER, backlog)):
        found[logical(kind, "scale")] = _target(kind)
        found[logical(kind, "scaling")] = {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": logical(kind, "scaling"),
                "PolicyType": "TargetTrackingScaling",
                "ScalingTargetId": ref(logical(kind, "scale")),
                "TargetTrackingScalingPolicyConfiguration": {
                    **tracked,
                    "ScaleInCooldown": IN_SECONDS,
                    "ScaleOutCooldown": OUT_SECONDS,
                },
            },
        }
    return found


def _target(kind: Kind) -> Json:
    service = logical(kind, "service")
    name = kind.value.title()
    return {
        "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
        "Properties": {
            "ServiceNamespace": "ecs",
            "ScalableDimension": "ecs:service:DesiredCount",
            "ResourceId": {"Fn::Join": ["/", ["service", ref("Cluster"), att(service, "Name")]]},
            "MinCapacity": ref(f"{name}TasksMin"),
            "MaxCapacity": ref(f"{name}TasksMax"),
        },
    }


def _waiting(declarations: Declarations) -> list[Json]:
    """Messages of all queues for each running worker; Container Insights counts the workers.

    Nothing is filled in for what is missing: metrics arrive late, and an alarm that reads nought for the last minute never sees three
    minutes on end. A queue that workers poll always has its metrics; without workers there is no number and nothing is scaled.
    """
    queues = [each.queue for each in declarations.subscriptions]
    found = [
        _metric(f"q{number}", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "Sum", {"QueueName": _prefixed(name)})
        for number, name in enumerate(queues)
    ]
    service = {"ClusterName": ref("Cluster"), "ServiceName": att(logical(Kind.WORKER, "service"), "Name")}
    found.append(_metric("tasks", "ECS/ContainerInsights", "RunningTaskCount", "Average", service))
    total = "+".join(f"q{number}" for number in range(len(queues)))
    share = {"Id": "share", "Expression": f"({total})/tasks", "ReturnData": True}
    return [*found, share]


def _prefixed(queue: str) -> Json:
    return {"Fn::Join": ["", [imported("TablePrefix"), queue]]}


def _metric(name: str, namespace: str, metric: str, statistic: str, dimensions: dict[str, Any]) -> Json:
    listed = [{"Name": dimension, "Value": value} for dimension, value in dimensions.items()]
    return {
        "Id": name,
        "ReturnData": False,
        "MetricStat": {"Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": listed}, "Stat": statistic},
    }
