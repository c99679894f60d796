"""Provisioning of the user pool, its client and the group that makes an operator an admin."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tazco.platform.resources import Difference, error_code

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_cognito_idp.type_defs import (
        PasswordPolicyTypeTypeDef,
        SchemaAttributeTypeTypeDef,
        UserPoolClientTypeTypeDef,
        UserPoolTypeTypeDef,
    )

PAGE_ROWS: Final = 60
ADMIN_GROUP: Final = "admin"
ADMIN_GROUP_MEANING: Final = "Operators of the card programme"
CLIENT_NAME: Final = "api"
ACCESS_TOKEN_MINUTES: Final = 60
PASSWORD_CHARACTERS_MIN: Final = 12
TEXT_CHARACTERS_MAX: Final = "256"
CUSTOM_ATTRIBUTES: Final = ("ecosystemId", "role")
WRITABLE: Final = ("email", "family_name", "given_name", "name", "phone_number")
"""What a person may change about themselves. No `custom:` attribute: the API listens to `custom:ecosystemId`."""

READABLE: Final = (*WRITABLE, "email_verified", "phone_number_verified", *(f"custom:{name}" for name in CUSTOM_ATTRIBUTES))
AUTH_FLOWS: Final = ("ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH")
NOT_SENT_BACK: Final = frozenset({"ClientSecret", "CreationDate", "LastModifiedDate"})
"""What describing a client returns and updating it does not take."""


def _schema() -> "list[SchemaAttributeTypeTypeDef]":
    return [
        {
            "Name": name,
            "AttributeDataType": "String",
            "Mutable": True,
            "StringAttributeConstraints": {"MinLength": "0", "MaxLength": TEXT_CHARACTERS_MAX},
        }
        for name in CUSTOM_ATTRIBUTES
    ]


def _password_policy() -> "PasswordPolicyTypeTypeDef":
    return {
        "MinimumLength": PASSWORD_CHARACTERS_MIN,
        "RequireLowercase": True,
        "RequireUppercase": True,
        "RequireNumbers": True,
        "RequireSymbols": False,
        "TemporaryPasswordValidityDays": 7,
    }


@dataclass(frozen=True, slots=True)
class PoolResource:
    """The user pool: people sign in by e-mail, and only operators create them."""

    client: "CognitoIdentityProviderClient"
    name: str
    kind: str = "user pool"

    def find(self) -> str | None:
        """The id of the pool with this name; of several the first made one."""
        pages = self.client.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": PAGE_ROWS})
        found = [pool for page in pages for pool in page["UserPools"] if pool.get("Name") == self.name]
        return min(found, key=lambda pool: pool["CreationDate"])["Id"] if found else None

    def look(self) -> Sequence[Difference] | None:
        """Sign-up, sign-in names, passwords, custom attributes."""
        pool_id = self.find()
        if pool_id is None:
            return None
        return list(self._compare(pool_id, self.client.describe_user_pool(UserPoolId=pool_id)["UserPool"]))

    def _compare(self, pool_id: str, found: "UserPoolTypeTypeDef") -> Iterator[Difference]:
        if not found.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly"):
            yield Difference("anybody may sign up; let only administrators create users in the console of Cognito")
        if found.get("UsernameAttributes") != ["email"]:
            yield Difference("people do not sign in by e-mail; this cannot be changed, use another pool")
        if found.get("Policies", {}).get("PasswordPolicy", {}).get("MinimumLength", 0) < PASSWORD_CHARACTERS_MIN:
            yield Difference(f"passwords may be shorter than {PASSWORD_CHARACTERS_MIN} characters", by_choice=True)
        existing = {attribute.get("Name") for attribute in found.get("SchemaAttributes", [])}
        missing = [attribute for attribute in _schema() if f"custom:{attribute.get('Name')}" not in existing]
        if missing:
            names = ", ".join(f"custom:{attribute.get('Name')}" for attribute in missing)
            yield Difference(
                f"it lacks {names}", lambda: self.client.add_custom_attributes(UserPoolId=pool_id, CustomAttributes=missing)
            )

    def create(self) -> None:
        """Create the pool."""
        self.client.create_user_pool(PoolName=self.name, **pool_declaration())


@dataclass(frozen=True, slots=True)
class ClientResource:
    """The client through which people get their tokens; it has no secret."""

    client: "CognitoIdentityProviderClient"
    pool: PoolResource
    name: str = CLIENT_NAME
    kind: str = "user pool client"

    def find(self, pool_id: str) -> str | None:
        """The id of the client with this name."""
        pages = self.client.get_paginator("list_user_pool_clients").paginate(
            UserPoolId=pool_id, PaginationConfig={"PageSize": PAGE_ROWS}
        )
        clients = (entry for page in pages for entry in page["UserPoolClients"])
        return next((entry.get("ClientId") for entry in clients if entry.get("ClientName") == self.name), None)

    def look(self) -> Sequence[Difference] | None:
        """Sign-in flows, attributes that may be read and written, life of an access token."""
        pool_id = self.pool.find()
        client_id = self.find(pool_id) if pool_id else None
        if not pool_id or not client_id:
            return None
        found = self.client.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
        return list(self._compare(found))

    def _compare(self, found: "UserPoolClientTypeTypeDef") -> Iterator[Difference]:
        current: dict[str, Any] = {**found}
        for name, value in client_declaration().items():
            existing = current.get(name)
            if _comparable(existing) != _comparable(value):
                yield Difference(f"{name} is {existing}, not {value}", lambda name=name, value=value: self._update(name, value))  # type: ignore[misc]  # mypy does not infer a lambda's defaults
        if current.get("ClientSecret"):
            yield Difference("it has a secret, which a browser cannot keep: delete the client and provision again")

    def _update(self, name: str, value: Any) -> None:
        """Change one property; Cognito resets every property that is not sent along."""
        pool_id = self.pool.find()
        client_id = self.find(pool_id) if pool_id else None
        assert pool_id, "the client was there a moment ago"
        assert client_id, "as above"
        found = self.client.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
        kept: Any = {key: kept for key, kept in found.items() if key not in NOT_SENT_BACK and kept != ""}
        self.client.update_user_pool_client(**{**kept, name: value})

    def create(self) -> None:
        """Create the client."""
        pool_id = self.pool.find()
        assert pool_id, "the pool is provisioned first"
        self.client.create_user_pool_client(UserPoolId=pool_id, ClientName=self.name, GenerateSecret=False, **client_declaration())


def pool_declaration() -> dict[str, Any]:
    """Everything of the pool but its name, as Cognito and CloudFormation want it."""
    return {
        "Schema": _schema(),
        "Policies": {"PasswordPolicy": _password_policy()},
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
        "UsernameAttributes": ["email"],
        "UsernameConfiguration": {"CaseSensitive": False},
        "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
        "DeletionProtection": "ACTIVE",
        "UserPoolTier": "LITE",
    }


def client_declaration() -> dict[str, Any]:
    """Everything of the client but its name, as Cognito and CloudFormation want it."""
    return {
        "ExplicitAuthFlows": list(AUTH_FLOWS),
        "ReadAttributes": sorted(READABLE),
        "WriteAttributes": sorted(WRITABLE),
        "AccessTokenValidity": ACCESS_TOKEN_MINUTES,
        "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "days"},
        "IdTokenValidity": ACCESS_TOKEN_MINUTES,
        "PreventUserExistenceErrors": "ENABLED",
        "EnableTokenRevocation": True,
    }


def _comparable(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class GroupResource:
    """The group whose members are admins."""

    client: "CognitoIdentityProviderClient"
    pool: PoolResource
    name: str = ADMIN_GROUP
    kind: str = "user group"

    def look(self) -> Sequence[Difference] | None:
        """It is there or not."""
        pool_id = self.pool.find()
        if not pool_id:
            return None
        try:
            self.client.get_group(GroupName=self.name, UserPoolId=pool_id)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return ()

    def create(self) -> None:
        """Create the group."""
        pool_id = self.pool.find()
        assert pool_id, "the pool is provisioned first"
        self.client.create_group(GroupName=self.name, UserPoolId=pool_id, Description=ADMIN_GROUP_MEANING)
