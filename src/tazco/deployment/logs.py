"""Log groups: one for each kind of process."""

from tazco.deployment.data import KEY
from tazco.deployment.rights import Kind
from tazco.deployment.template import Json, att, logical, ref, sub


def log_group_id(kind: Kind) -> str:
    """The resource that is the log group of a process."""
    return logical(kind, "logs")


def log_group_name(kind: Kind) -> Json:
    """What the group is called."""
    return sub("/tazco/${TablePrefix}" + kind)


def logs() -> Json:
    """Encrypted, and kept for as long as the parameter says."""
    return {
        log_group_id(kind): {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": log_group_name(kind),
                "RetentionInDays": ref("LogRetentionDays"),
                "KmsKeyId": att(KEY, "Arn"),
            },
        }
        for kind in Kind
    }
