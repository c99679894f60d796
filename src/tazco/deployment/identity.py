"""The user pool, its client, and the group of operators, as provisioning makes them."""

from tazco.deployment.data import KEPT
from tazco.deployment.template import Json, ref
from tazco.platform.provision_identity import ADMIN_GROUP, ADMIN_GROUP_MEANING, CLIENT_NAME, client_declaration, pool_declaration


def identity() -> Json:
    """Three resources; the pool and its client hold people, and outlive the stack."""
    pool = ref("UserPool")
    return {
        "UserPool": {
            "Type": "AWS::Cognito::UserPool",
            **KEPT,
            "Properties": {"UserPoolName": ref("UserPoolName"), **pool_declaration()},
        },
        "UserPoolClient": {
            "Type": "AWS::Cognito::UserPoolClient",
            **KEPT,
            "Properties": {"UserPoolId": pool, "ClientName": CLIENT_NAME, "GenerateSecret": False, **client_declaration()},
        },
        "AdminGroup": {
            "Type": "AWS::Cognito::UserPoolGroup",
            "Properties": {"UserPoolId": pool, "GroupName": ADMIN_GROUP, "Description": ADMIN_GROUP_MEANING},
        },
    }
