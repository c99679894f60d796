"""The load balancer: TLS, readiness of its targets, and what it has to complain about."""

from typing import Final

from tazco.deployment.alarms_stack import alarm
from tazco.deployment.network import API_PORT, HTTP, HTTPS
from tazco.deployment.template import Json, att, ref, waived, when

IDLE_SECONDS: Final = 60
"""Below the API's own patience with an idle connection: it must not close one that the load balancer is about to use."""

DRAIN_SECONDS: Final = 20
"""For requests under way when a task is to stop: each has a deadline of ten seconds."""

CHECK_EVERY_SECONDS: Final = 30
UNHEALTHY_AFTER: Final = 10
"""Five minutes: while a dependency is down no task is ready, and replacing them all would help nobody. A dead process is found
sooner, by its own health check."""

LOGGED_IF_ASKED: Final = "AccessLogBucket decides; without a bucket the API's own log has each request."


def balancer() -> Json:
    """Everything in front of the API."""
    return {
        "LoadBalancer": _load_balancer(),
        "Targets": _targets(),
        "HttpsListener": _listener(
            HTTPS,
            "HTTPS",
            {"Type": "forward", "TargetGroupArn": ref("Targets")},
            Certificates=[{"CertificateArn": ref("CertificateArn")}],
            SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        ),
        "HttpListener": _listener(
            HTTP,
            "HTTP",
            {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": str(HTTPS), "StatusCode": "HTTP_301"}},
        ),
        "Firewall": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            "Condition": "HasFirewall",
            "Properties": {"ResourceArn": ref("LoadBalancer"), "WebACLArn": ref("WebAclArn")},
        },
    }


def _load_balancer() -> Json:
    attributes = {
        "idle_timeout.timeout_seconds": IDLE_SECONDS,
        "deletion_protection.enabled": "true",
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
    }
    listed: list[Json] = [{"Key": name, "Value": str(value)} for name, value in attributes.items()]
    logged = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": ref("AccessLogBucket")}
    listed += [when("HasLogBucket", {"Key": name, "Value": value}) for name, value in logged.items()]
    return {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Metadata": waived(CKV_AWS_91=LOGGED_IF_ASKED),
        "Properties": {
            "Type": "application",
            "Scheme": ref("Scheme"),
            "Subnets": ref("LoadBalancerSubnets"),
            "SecurityGroups": [att("LoadBalancerGroup", "GroupId")],
            "LoadBalancerAttributes": listed,
        },
    }


def _targets() -> Json:
    return {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Properties": {
            "VpcId": ref("VpcId"),
            "TargetType": "ip",
            "Protocol": "HTTP",
            "Port": API_PORT,
            "HealthCheckPath": "/health/readiness",
            "HealthCheckIntervalSeconds": CHECK_EVERY_SECONDS,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": UNHEALTHY_AFTER,
            "Matcher": {"HttpCode": "200"},
            "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": str(DRAIN_SECONDS)}],
        },
    }


def _listener(port: int, protocol: str, action: Json, **more: object) -> Json:
    return {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": ref("LoadBalancer"),
            "Port": port,
            "Protocol": protocol,
            "DefaultActions": [action],
            **more,
        },
    }


def its_alarms() -> Json:
    """Answers that should not be, and targets that are not there: of a zone by itself the number may be nought, of all of them not."""
    space, whole = "AWS/ApplicationELB", {"LoadBalancer": att("LoadBalancer", "LoadBalancerFullName")}
    targets = {**whole, "TargetGroup": att("Targets", "TargetGroupFullName")}
    return {
        "LoadBalancerErrorsAlarm": alarm(space, "HTTPCode_ELB_5XX_Count", whole, above=5, minutes=2),
        "ApiErrorsAlarm": alarm(space, "HTTPCode_Target_5XX_Count", whole, above=5, minutes=2),
        "UnhealthyTargetsAlarm": alarm(space, "UnHealthyHostCount", targets, statistic="Maximum", minutes=5),
        "NoTargetsAlarm": alarm(space, "HealthyHostCount", targets, below=1, statistic="Maximum", minutes=3, missing="breaching"),
    }
