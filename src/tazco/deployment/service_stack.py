"""The stack of what runs: a load balancer, the API, relays and workers, on Fargate. It changes with every release."""

from tazco.deployment.balancing import balancer, its_alarms
from tazco.deployment.network import network
from tazco.deployment.rights import Kind
from tazco.deployment.running import execution_role, service_id, services
from tazco.deployment.scaling import scaling
from tazco.deployment.template import Declarations, Json, att, number_parameter, ref, text_parameter

SUBNETS = "List<AWS::EC2::Subnet::Id>"
FROM_EITHER = r"^arn:[a-z0-9-]+:(secretsmanager|ssm):.+$"
FROM_SECRETS_MANAGER = r"^(arn:[a-z0-9-]+:secretsmanager:.+)?$"
"""Of a SecureString ECS can read the whole only; a key in a JSON is a matter of Secrets Manager."""

HTTPS_OR_NOTHING = r"^(https://[^/:@]+(:443)?(/.*)?)?$"
"""Tasks are let out to port 443 alone."""

TASKS = {Kind.API: (2, 10), Kind.RELAY: (2, 2), Kind.WORKER: (2, 10)}


def service_stack(declarations: Declarations) -> Json:
    """The template."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Tazco, what runs. Generated from the declarations: `make fix` writes it. Do not edit.",
        "Parameters": {**_where(), **_what(), **_how_many(), **_secrets()},
        "Rules": {
            "WhatsAppIsWhole": _together("MetaSecretArn", "MetaPhoneNumberId"),
            "WppIsWhole": _together("WppSecretArn", "WppBaseUrl"),
        },
        "Conditions": {
            "HasAlarmTopic": _given("AlarmTopicArn"),
            "HasLogBucket": _given("AccessLogBucket"),
            "HasFirewall": _given("WebAclArn"),
            "HasMeta": _given("MetaSecretArn"),
            "HasWpp": _given("WppSecretArn"),
            "HasSecretsKey": _given("SecretsKeyArn"),
            "HasOrigins": _given("AllowedOrigins"),
        },
        "Resources": {
            **network(),
            **balancer(),
            **execution_role(),
            **services(),
            **scaling(declarations),
            **its_alarms(),
        },
        "Outputs": _outputs(),
    }


def _outputs() -> Json:
    """Where callers go, and what the AWS CLI must be told to start tasks anew."""
    values = {
        "LoadBalancerDnsName": att("LoadBalancer", "DNSName"),
        "Cluster": ref("Cluster"),
        **{service_id(kind): att(service_id(kind), "Name") for kind in Kind},
    }
    return {name: {"Value": value} for name, value in values.items()}


def _given(parameter: str) -> Json:
    return {"Fn::Not": [{"Fn::Equals": [ref(parameter), ""]}]}


def _together(secret: str, other: str) -> Json:
    """One of the two is no use without the other; said before anything is changed."""
    absent = [{"Fn::Equals": [ref(name), ""]} for name in (secret, other)]
    same = {"Fn::Or": [{"Fn::And": absent}, {"Fn::And": [{"Fn::Not": [each]} for each in absent]}]}
    told = f"{secret} and {other} are given together or not at all."
    return {"Assertions": [{"Assert": same, "AssertDescription": told}]}


def _where() -> Json:
    return {
        "ResourcesStack": text_parameter("tazco-resources", "Name of the stack of the resources."),
        "VpcId": {"Type": "AWS::EC2::VPC::Id", "Description": "Network that everything runs in."},
        "LoadBalancerSubnets": {
            "Type": SUBNETS,
            "Description": "Of the load balancer, in at least two zones; public if the internet calls.",
        },
        "TaskSubnets": {
            "Type": SUBNETS,
            "Description": "Of the tasks, in at least two zones; private, with a way to AWS and to WhatsApp.",
        },
        "Scheme": text_parameter("internal", "Who can reach the load balancer.", AllowedValues=["internal", "internet-facing"]),
        "CallerCidr": text_parameter(
            "10.0.0.0/8", "Addresses that may call; 0.0.0.0/0 is everybody.", AllowedPattern=r"^[0-9.]+/\d{1,2}$"
        ),
        "CertificateArn": text_parameter(None, "Certificate of the load balancer, from ACM.", AllowedPattern="^arn:.+:acm:.+$"),
        "AccessLogBucket": text_parameter("", "Bucket for the load balancer's access log; empty: none is kept."),
        "WebAclArn": text_parameter("", "Web ACL of a firewall in front of the load balancer; empty: none."),
        "AlarmTopicArn": text_parameter("", "SNS topic that alarms go to; empty: alarms only show."),
    }


def _what() -> Json:
    return {
        "Image": text_parameter(None, "URI of the container image, best with its digest (…@sha256:…)."),
        "ImageRepository": text_parameter("tazco", "Name of the ECR repository that the image is in."),
        "CpuArchitecture": text_parameter("X86_64", "What the image is built for.", AllowedValues=["X86_64", "ARM64"]),
        "AllowedOrigins": text_parameter("", "Origins that browsers may call from, comma-separated; empty: none."),
        "ApiRelaysToo": text_parameter(
            "false",
            "Whether the API relays too; the stack of the resources must have been told so before.",
            AllowedValues=["true", "false"],
        ),
        "Console": text_parameter("true", "Whether the API serves the operators' console.", AllowedValues=["true", "false"]),
        "TraceEvents": text_parameter(
            "true", "Whether the timeline finds events; one write unit more each.", AllowedValues=["true", "false"]
        ),
    }


def _how_many() -> Json:
    found = {}
    for kind, (low, high) in TASKS.items():
        name = kind.value.title()
        found[f"{name}TasksMin"] = number_parameter(low, 2, 1000, f"Tasks of the {kind} at least; two, in two zones.")
        if kind is not Kind.RELAY:
            found[f"{name}TasksMax"] = number_parameter(high, 2, 1000, f"Tasks of the {kind} at most.")
    return found


def _secrets() -> Json:
    def secret(meaning: str) -> Json:
        return text_parameter("", meaning, AllowedPattern=FROM_SECRETS_MANAGER)

    cursors = "Secret, or SecureString, whose text is TAZCO_CURSOR_SECRETS."
    away = "Where WPPConnect is: https, on port 443."
    keys = "secret with the keys"
    return {
        "CursorSecretArn": text_parameter(None, cursors, AllowedPattern=FROM_EITHER),
        "WhatsAppProvider": text_parameter("meta", "Who carries the messages.", AllowedValues=["meta", "wppconnect"]),
        "MetaPhoneNumberId": text_parameter("", "Our number at Meta."),
        "MetaSecretArn": secret(f"{keys.capitalize()} accessToken, appSecrets, verifyToken; empty: not Meta."),
        "WppBaseUrl": text_parameter("", away, AllowedPattern=HTTPS_OR_NOTHING),
        "WppSecretArn": secret(f"{keys.capitalize()} secretKey, webhookSecret; empty: not WPPConnect."),
        "SecretsKeyArn": text_parameter("", "KMS key of these secrets, if it is one of yours."),
    }
