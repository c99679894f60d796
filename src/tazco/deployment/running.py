"""Tasks and services: the API, relays and workers, each in its container, and what they are told."""

from typing import Final

from tazco.deployment.logs import log_group_id
from tazco.deployment.network import API_PORT
from tazco.deployment.rights import Kind
from tazco.deployment.roles import allow, role_id, trusted
from tazco.deployment.template import Json, att, imported, logical, ref, sub, when

COMMANDS: Final = {Kind.API: "serve", Kind.RELAY: "relay", Kind.WORKER: "worker"}
SIZES: Final = {Kind.API: ("512", "1024"), Kind.RELAY: ("256", "512"), Kind.WORKER: ("256", "512")}
"""CPU units and MiB. One process uses one core at most: more tasks, not larger ones."""

STOP_SECONDS: Final = 30
"""Every process ends within 25 s of SIGTERM."""

AFTER: Final = {Kind.WORKER: (), Kind.RELAY: (Kind.WORKER,), Kind.API: (Kind.RELAY,)}
"""Whose deployment waits for whose: readers of what is new before its writers. CloudFormation would change all three at once."""

NOBODY: Final = "10001"
ALIVE: Final = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{API_PORT}/health/liveness', timeout=3)"
META: Final = {
    "TAZCO_WHATSAPP_META_ACCESS_TOKEN": "accessToken",
    "TAZCO_WHATSAPP_META_APP_SECRETS": "appSecrets",
    "TAZCO_WHATSAPP_META_VERIFY_TOKEN": "verifyToken",
}
WPP: Final = {"TAZCO_WPP_SECRET_KEY": "secretKey", "TAZCO_WPP_WEBHOOK_SECRET": "webhookSecret"}


def service_id(kind: Kind) -> str:
    """The resource that keeps a kind of process running."""
    return logical(kind, "service")


def services() -> Json:
    """The cluster, and for each kind of process a task and a service."""
    cluster = {
        "Type": "AWS::ECS::Cluster",
        "Properties": {"ClusterSettings": [{"Name": "containerInsights", "Value": "enabled"}]},
    }
    tasks = {logical(kind, "task"): _task(kind) for kind in Kind}
    return {"Cluster": cluster, **tasks, **{service_id(kind): _service(kind) for kind in Kind}}


def _task(kind: Kind) -> Json:
    cpu, memory = SIZES[kind]
    return {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": sub("${AWS::StackName}-" + kind),
            "RequiresCompatibilities": ["FARGATE"],
            "NetworkMode": "awsvpc",
            "Cpu": cpu,
            "Memory": memory,
            "ExecutionRoleArn": att("ExecutionRole", "Arn"),
            "TaskRoleArn": imported(role_id(kind) + "Arn"),
            "RuntimePlatform": {"OperatingSystemFamily": "LINUX", "CpuArchitecture": ref("CpuArchitecture")},
            "ContainerDefinitions": [_container(kind)],
        },
    }


def _container(kind: Kind) -> Json:
    log = {"awslogs-group": imported(log_group_id(kind)), "awslogs-region": ref("AWS::Region"), "awslogs-stream-prefix": kind.value}
    container = {
        "Name": kind.value,
        "Image": ref("Image"),
        "EntryPoint": ["tazco"],
        "Command": [COMMANDS[kind]],
        "Essential": True,
        "User": NOBODY,
        "ReadonlyRootFilesystem": True,
        "LinuxParameters": {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}},
        "StopTimeout": STOP_SECONDS,
        "Environment": _environment(kind),
        "Secrets": _secrets(),
        "LogConfiguration": {"LogDriver": "awslogs", "Options": log},
    }
    if kind is Kind.API:
        container["PortMappings"] = [{"ContainerPort": API_PORT, "Protocol": "tcp"}]
        container["HealthCheck"] = {
            "Command": ["CMD", "python", "-c", ALIVE],
            "Interval": 10,
            "Timeout": 5,
            "Retries": 3,
            "StartPeriod": 60,
        }
    return container


def _environment(kind: Kind) -> list[Json]:
    told = {
        "TAZCO_ENV": "production",
        "TAZCO_TABLE_PREFIX": imported("TablePrefix"),
        "TAZCO_SSM_PREFIX": imported("SsmPrefix"),
        "TAZCO_EVENT_BUS": imported("EventBus"),
        "TAZCO_EVENT_SOURCE": imported("EventSource"),
        "TAZCO_COGNITO_USER_POOL_ID": imported("UserPoolId"),
        "TAZCO_COGNITO_CLIENT_IDS": imported("UserPoolClientId"),
        "TAZCO_TRACE_EVENTS": ref("TraceEvents"),
        "TAZCO_WHATSAPP_PROVIDER": ref("WhatsAppProvider"),
        "AWS_REGION": ref("AWS::Region"),
    }
    if kind is Kind.API:
        told |= {
            "TAZCO_HOST": "0.0.0.0",  # noqa: S104  # the container's own address; its security group says who gets there
            "TAZCO_PORT": str(API_PORT),
            "TAZCO_TRUSTED_PROXY_HOPS": "1",
            "TAZCO_RELAY_WITH_API": ref("ApiRelaysToo"),
            "TAZCO_CLEANUP_ENABLED": "false",
            "TAZCO_CONSOLE": ref("Console"),
        }
    listed: list[Json] = [{"Name": name, "Value": value} for name, value in told.items()]
    optional = [
        ("HasMeta", "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID", "MetaPhoneNumberId"),
        ("HasWpp", "TAZCO_WPP_BASE_URL", "WppBaseUrl"),
    ]
    if kind is Kind.API:
        optional.append(("HasOrigins", "TAZCO_CORS_ALLOWED_ORIGINS", "AllowedOrigins"))
    return listed + [when(condition, {"Name": name, "Value": ref(parameter)}) for condition, name, parameter in optional]


def _secrets() -> list[Json]:
    """Read by ECS when a task starts; they stand in no template and no task definition."""
    listed: list[Json] = [{"Name": "TAZCO_CURSOR_SECRETS", "ValueFrom": ref("CursorSecretArn")}]
    for condition, arn, keys in (("HasMeta", "MetaSecretArn", META), ("HasWpp", "WppSecretArn", WPP)):
        listed += [when(condition, {"Name": name, "ValueFrom": sub(f"${{{arn}}}:{key}::")}) for name, key in keys.items()]
    return listed


def _service(kind: Kind) -> Json:
    group = "ApiGroup" if kind is Kind.API else "WorkerGroup"
    placed = {"Subnets": ref("TaskSubnets"), "SecurityGroups": [att(group, "GroupId")], "AssignPublicIp": "DISABLED"}
    properties: Json = {
        "Cluster": ref("Cluster"),
        "TaskDefinition": ref(logical(kind, "task")),
        "LaunchType": "FARGATE",
        "PlatformVersion": "LATEST",
        "AvailabilityZoneRebalancing": "ENABLED",
        "NetworkConfiguration": {"AwsvpcConfiguration": placed},
        "DeploymentConfiguration": {
            "MinimumHealthyPercent": 100,
            "MaximumPercent": 200,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        },
        "PropagateTags": "SERVICE",
    }
    needs = [service_id(each) for each in AFTER[kind]]
    if kind is Kind.RELAY:
        properties["DesiredCount"] = ref("RelayTasksMin")
    if kind is Kind.API:
        needs.append("HttpsListener")
        properties["HealthCheckGracePeriodSeconds"] = 120
        properties["LoadBalancers"] = [{"ContainerName": kind.value, "ContainerPort": API_PORT, "TargetGroupArn": ref("Targets")}]
    return {"Type": "AWS::ECS::Service", **({"DependsOn": needs} if needs else {}), "Properties": properties}


def execution_role() -> Json:
    """What ECS itself may do to start a task: fetch the image, write the log, read the secrets."""
    repository = sub("arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/${ImageRepository}")
    image = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    groups = [imported(log_group_id(kind) + "Arn") for kind in Kind]  # it ends in `:*`, which is the streams
    secrets = [ref("CursorSecretArn"), when("HasMeta", ref("MetaSecretArn")), when("HasWpp", ref("WppSecretArn"))]
    found = [
        allow("LogIn", ["ecr:GetAuthorizationToken"], "*"),  # it knows no resource
        allow("FetchImage", image, repository),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], groups),
        allow("ReadSecrets", ["secretsmanager:GetSecretValue", "ssm:GetParameters"], secrets),
        when("HasSecretsKey", allow("OpenSecrets", ["kms:Decrypt"], ref("SecretsKeyArn"))),
    ]
    return {
        "ExecutionRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trusted("ecs-tasks.amazonaws.com"),
                "Policies": [{"PolicyName": "start", "PolicyDocument": {"Version": "2012-10-17", "Statement": found}}],
            },
        }
    }
