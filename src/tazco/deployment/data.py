"""Tables, and the key that they are encrypted with."""

from typing import Any, Final

from tazco.deployment.template import Declarations, Json, att, logical, ref, sub, waived
from tazco.platform.provision_tables import attribute_definitions, index_definition, key_schema
from tazco.platform.tables import Table

KEY: Final = "Key"
KEY_USE: Final = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")
KEPT: Final = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def table_id(name: str) -> str:
    """The resource that is a table."""
    return logical(name, "table")


def tables(declarations: Declarations) -> Json:
    """Every table as provisioning makes it, and encrypted with a key of the programme's own.

    All of them outlive the stack, ledgers or not: in the outbox are events that have not left yet, and among the answers is what keeps
    a command that is repeated from acting twice. CloudFormation also takes no table into a stack that it would delete with it.
    """
    return {table_id(table.name): _table(table) for table in declarations.tables}


def _table(table: Table[Any]) -> Json:
    properties: Json = {
        "TableName": sub("${TablePrefix}" + table.name),
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attribute_definitions(table),
        "KeySchema": key_schema(table.partition, table.sort),
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": att(KEY, "Arn")},
    }
    if table.indexes:
        properties["GlobalSecondaryIndexes"] = [index_definition(index) for index in table.indexes]
    if table.ttl:
        properties["TimeToLiveSpecification"] = {"AttributeName": table.ttl, "Enabled": True}
    if not table.ledger:
        reason = "No ledger: what stands here for hours or days is not to be brought back from an earlier day."
        return {"Type": "AWS::DynamoDB::Table", **KEPT, "Metadata": waived(CKV_AWS_28=reason), "Properties": properties}
    properties["PointInTimeRecoverySpecification"] = {"PointInTimeRecoveryEnabled": True}
    properties["DeletionProtectionEnabled"] = True
    return {"Type": "AWS::DynamoDB::Table", **KEPT, "Properties": properties}


def key() -> Json:
    """The key of the tables and logs. It outlives the stack: without it nobody can read what the ledgers hold."""
    return {
        KEY: {
            "Type": "AWS::KMS::Key",
            **KEPT,
            "Properties": {
                "Description": sub("Tables and logs of ${TablePrefix}*"),
                "EnableKeyRotation": True,
                "PendingWindowInDays": 30,
                "KeyPolicy": {"Version": "2012-10-17", "Statement": [_account_decides(), _logs_may_use_it()]},
            },
        },
        "KeyAlias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": sub("alias/${UserPoolName}"), "TargetKeyId": ref(KEY)},
        },
    }


def _account_decides() -> Json:
    return {
        "Sid": "RolesOfThisAccountByTheirPolicies",
        "Effect": "Allow",
        "Principal": {"AWS": sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
        "Action": "kms:*",
        "Resource": "*",
    }


def _logs_may_use_it() -> Json:
    group = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/tazco/${TablePrefix}*"
    return {
        "Sid": "OurLogGroups",
        "Effect": "Allow",
        "Principal": {"Service": sub("logs.${AWS::Region}.${AWS::URLSuffix}")},
        "Action": list(KEY_USE),
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": sub(group)}},
    }
