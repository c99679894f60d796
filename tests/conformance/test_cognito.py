"""Cognito: whose keys sign which token, what the tokens say, and who cannot sign in or change what about themselves."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here, refused

PASSWORD = "Correct-horse-1"
BARRED = "NotAuthorizedException"
MINUTES = 17
KEYS = "amazon-cognito-user-pools-using-tokens-verifying-a-jwt"
ACCESS_TOKEN = "amazon-cognito-user-pools-using-the-access-token"
ID_TOKEN = "amazon-cognito-user-pools-using-the-id-token"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the pool, signed in."""

    email: str
    username: str
    tokens: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as Tazco's is, with its client."""

    here: Here
    pool_id: str
    client_id: str

    def of_pool(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """What an administrator does."""
        return self.here.cognito(operation, UserPoolId=self.pool_id, **arguments)

    def of_client(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """What somebody does who signs in."""
        return self.here.cognito(operation, ClientId=self.client_id, **arguments)

    def invite(self, **attributes: str) -> Person:
        """Somebody who has a first password and has not signed in yet."""
        email = f"{self.here.name('person')}@example.com"
        given = {"email": email, "email_verified": "true", **attributes}
        user = self.of_pool(
            "AdminCreateUser",
            Username=email,
            UserAttributes=[{"Name": name, "Value": value} for name, value in given.items()],
            TemporaryPassword=f"Temporary-{PASSWORD}",
            MessageAction="SUPPRESS",
        )["User"]
        return Person(email, user["Username"])

    def person(self, *groups: str, **attributes: str) -> Person:
        """Somebody signed in."""
        invited = self.invite(**attributes)
        self.of_pool("AdminSetUserPassword", Username=invited.username, Password=PASSWORD, Permanent=True)
        for group in groups:
            self.of_pool("AdminAddUserToGroup", Username=invited.username, GroupName=group)
        return Person(invited.email, invited.username, self.sign_in(invited.email)["AuthenticationResult"])

    def sign_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        """One attempt."""
        return self.of_client(
            "InitiateAuth", AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": email, "PASSWORD": password}
        )

    def renew(self, person: Person) -> dict[str, Any]:
        """New tokens for a refresh token."""
        answer = self.of_client(
            "InitiateAuth",
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": person.tokens["RefreshToken"]},
        )
        renewed: dict[str, Any] = answer["AuthenticationResult"]
        return renewed

    @property
    def issuer(self) -> str:
        """As AWS spells it."""
        return f"https://cognito-idp.{self.here.cloud.region}.amazonaws.com/{self.pool_id}"

    def published_keys(self) -> list[dict[str, Any]]:
        """The keys that the pool publishes."""
        address = f"{self.here.cloud.endpoint('cognito-idp')}/{self.pool_id}/.well-known/jwks.json"
        found: list[dict[str, Any]] = httpx.get(address, timeout=10).raise_for_status().json()["keys"]
        return found


@pytest.fixture(scope="module")
def pool(here: Here) -> Pool:
    """One pool for all tests."""
    texts = {"AttributeDataType": "String", "Mutable": True, "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "256"}}
    pool_id = here.cognito(
        "CreateUserPool",
        PoolName=here.name("pool"),
        Schema=[{"Name": name, **texts} for name in ("ecosystemId", "role")],
        AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
        UsernameAttributes=["email"],
        UsernameConfiguration={"CaseSensitive": False},
        Policies={"PasswordPolicy": {"MinimumLength": 12, "RequireNumbers": True}},
        DeletionProtection="ACTIVE",
        UserPoolTier="LITE",
    )["UserPool"]["Id"]
    client_id = here.cognito(
        "CreateUserPoolClient",
        UserPoolId=pool_id,
        ClientName="api",
        GenerateSecret=False,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        ReadAttributes=["email", "name", "custom:ecosystemId", "custom:role"],
        WriteAttributes=["email", "name"],
        AccessTokenValidity=MINUTES,
        IdTokenValidity=MINUTES,
        TokenValidityUnits={"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "days"},
        PreventUserExistenceErrors="ENABLED",
        EnableTokenRevocation=True,
    )["UserPoolClient"]["ClientId"]
    here.cognito("CreateGroup", UserPoolId=pool_id, GroupName="admin")
    return Pool(here, pool_id, client_id)


@pytest.fixture(scope="module")
def operator(pool: Pool) -> Person:
    """Somebody in the group, with an attribute of ours."""
    return pool.person("admin", **{"custom:ecosystemId": "eco-1"})


def _claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def _kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@behaviour(
    Service.COGNITO,
    "A pool publishes its keys without being asked who one is: RSA keys for RS256, each with an id of its own",
    guide=KEYS,
)
def test_a_pool_publishes_its_keys(pool: Pool) -> None:
    keys = pool.published_keys()
    assert {(each["kty"], each["alg"], each["use"]) for each in keys} == {("RSA", "RS256", "sig")}
    assert len({each["kid"] for each in keys}) == len(keys) >= 2


@behaviour(Service.COGNITO, "Access tokens and ID tokens are signed with different keys", guide=KEYS)
def test_access_and_id_tokens_have_different_keys(pool: Pool, operator: Person) -> None:
    kids = {_kid(operator.tokens[name]) for name in ("AccessToken", "IdToken")}
    assert len(kids) == 2
    assert kids <= {each["kid"] for each in pool.published_keys()}


@behaviour(Service.COGNITO, "The signature of each token is verified by the published key of its id", guide=KEYS)
@pytest.mark.parametrize("name", ["AccessToken", "IdToken"])
def test_the_published_key_verifies_the_token(pool: Pool, operator: Person, name: str) -> None:
    token = operator.tokens[name]
    (key,) = (each for each in pool.published_keys() if each["kid"] == _kid(token))
    public = jwt.PyJWK(key, "RS256").key
    claims = jwt.decode(token, public, ["RS256"], issuer=pool.issuer, leeway=60, options={"verify_aud": False})
    assert claims["sub"] == _claims(token)["sub"]


@behaviour(Service.COGNITO, "The issuer is the address of the pool, by region and id", guide=ACCESS_TOKEN)
@pytest.mark.parametrize("name", ["AccessToken", "IdToken"])
def test_the_issuer_is_the_address_of_the_pool(pool: Pool, operator: Person, name: str) -> None:
    assert _claims(operator.tokens[name])["iss"] == pool.issuer


@behaviour(
    Service.COGNITO, "An access token says who, for which client, in which groups, since when and until when", guide=ACCESS_TOKEN
)
def test_an_access_token_says_who_and_until_when(pool: Pool, operator: Person) -> None:
    claims = _claims(operator.tokens["AccessToken"])
    assert (claims["token_use"], claims["client_id"], claims["cognito:groups"]) == ("access", pool.client_id, ["admin"])
    assert claims["sub"] == operator.username
    assert claims["exp"] - claims["iat"] == MINUTES * 60
    assert claims.keys() >= {"jti", "origin_jti", "auth_time", "username", "scope"}


@behaviour(Service.COGNITO, "An access token has no audience, no e-mail address and no attribute of ours", guide=ACCESS_TOKEN)
def test_an_access_token_says_nothing_of_attributes(operator: Person) -> None:
    claims = _claims(operator.tokens["AccessToken"])
    assert [name for name in claims if name in ("aud", "email") or name.startswith("custom:")] == []


@behaviour(Service.COGNITO, "Without a group a token has no claim of groups", guide=ACCESS_TOKEN)
def test_without_a_group_there_is_no_claim_of_groups(pool: Pool) -> None:
    tokens = pool.person().tokens
    assert [name for name in ("AccessToken", "IdToken") if "cognito:groups" in _claims(tokens[name])] == []


@behaviour(
    Service.COGNITO, "An ID token has the client as its audience, the e-mail address, and attributes of ours", guide=ID_TOKEN
)
def test_an_id_token_has_the_attributes(pool: Pool, operator: Person) -> None:
    claims = _claims(operator.tokens["IdToken"])
    assert (claims["token_use"], claims["aud"], claims["email"]) == ("id", pool.client_id, operator.email)
    assert claims["custom:ecosystemId"] == "eco-1"
    assert "client_id" not in claims


@behaviour(
    Service.COGNITO, "People cannot write an attribute that their client may not write", guide="user-pool-settings-attributes"
)
def test_people_cannot_write_what_their_client_may_not(pool: Pool) -> None:
    token = pool.person().tokens["AccessToken"]
    pool.here.cognito("UpdateUserAttributes", AccessToken=token, UserAttributes=[{"Name": "name", "Value": "Somebody"}])
    with refused(BARRED):
        pool.here.cognito("UpdateUserAttributes", AccessToken=token, UserAttributes=[{"Name": "custom:role", "Value": "admin"}])


@behaviour(Service.COGNITO, "Nobody can sign up where only administrators create people", api="AdminCreateUserConfigType")
def test_nobody_can_sign_up(pool: Pool) -> None:
    with refused(BARRED):
        pool.of_client("SignUp", Username="somebody@example.com", Password=PASSWORD)


@behaviour(Service.COGNITO, "An e-mail address belongs to one person, in upper or lower case", api="UsernameConfigurationType")
def test_an_email_address_belongs_to_one_person(pool: Pool, operator: Person) -> None:
    with refused("UsernameExistsException"):
        pool.of_pool(
            "AdminCreateUser",
            Username=operator.email.upper(),
            UserAttributes=[{"Name": "email", "Value": operator.email.upper()}],
            MessageAction="SUPPRESS",
        )
    assert pool.sign_in(operator.email.upper())["AuthenticationResult"]


@behaviour(
    Service.COGNITO,
    "A wrong password and an unknown person get the same refusal",
    guide="cognito-user-pool-managing-errors",
)
def test_a_wrong_password_and_a_stranger_get_the_same_refusal(pool: Pool, operator: Person) -> None:
    with refused(BARRED) as wrong:
        pool.sign_in(operator.email, "Wrong-horse-1")
    with refused(BARRED) as unknown:
        pool.sign_in("nobody@example.com")
    assert wrong.message == unknown.message


@behaviour(Service.COGNITO, "A first password has to be changed before there are tokens", api="RespondToAuthChallenge")
def test_a_first_password_has_to_be_changed(pool: Pool) -> None:
    invited = pool.invite()
    answer = pool.sign_in(invited.email, f"Temporary-{PASSWORD}")
    assert answer["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert "AuthenticationResult" not in answer
    chosen = pool.of_client(
        "RespondToAuthChallenge",
        ChallengeName="NEW_PASSWORD_REQUIRED",
        Session=answer["Session"],
        ChallengeResponses={"USERNAME": answer["ChallengeParameters"]["USER_ID_FOR_SRP"], "NEW_PASSWORD": PASSWORD},
    )
    assert chosen["AuthenticationResult"]["IdToken"]


@behaviour(Service.COGNITO, "A new password that the policy does not allow is refused", api="RespondToAuthChallenge")
def test_a_new_password_has_to_meet_the_policy(pool: Pool) -> None:
    invited = pool.invite()
    answer = pool.sign_in(invited.email, f"Temporary-{PASSWORD}")
    with refused("InvalidPasswordException"):
        pool.of_client(
            "RespondToAuthChallenge",
            ChallengeName="NEW_PASSWORD_REQUIRED",
            Session=answer["Session"],
            ChallengeResponses={"USERNAME": invited.username, "NEW_PASSWORD": "short1"},
        )


@behaviour(
    Service.COGNITO,
    "A refresh token gives new tokens for the same person",
    guide="amazon-cognito-user-pools-using-the-refresh-token",
)
def test_a_refresh_token_gives_new_tokens(pool: Pool, operator: Person) -> None:
    renewed = pool.renew(operator)
    assert _claims(renewed["AccessToken"])["sub"] == _claims(renewed["IdToken"])["sub"] == operator.username
    assert _claims(renewed["AccessToken"])["cognito:groups"] == ["admin"]


@behaviour(Service.COGNITO, "Somebody who is disabled cannot sign in", api="AdminDisableUser")
def test_who_is_disabled_cannot_sign_in(pool: Pool) -> None:
    person = pool.person()
    pool.of_pool("AdminDisableUser", Username=person.username)
    with refused(BARRED):
        pool.sign_in(person.email)


@behaviour(Service.COGNITO, "Somebody who is disabled gets no new tokens", api="AdminDisableUser")
def test_who_is_disabled_gets_no_new_tokens(pool: Pool) -> None:
    person = pool.person()
    pool.of_pool("AdminDisableUser", Username=person.username)
    with refused(BARRED):
        pool.renew(person)


@behaviour(Service.COGNITO, "Somebody who was signed out everywhere gets no new tokens", api="AdminUserGlobalSignOut")
def test_who_was_signed_out_gets_no_new_tokens(pool: Pool) -> None:
    person = pool.person()
    pool.of_pool("AdminUserGlobalSignOut", Username=person.username)
    with refused(BARRED):
        pool.renew(person)


@behaviour(Service.COGNITO, "A refresh token that was revoked gives no new tokens", api="RevokeToken")
def test_a_revoked_refresh_token_gives_no_new_tokens(pool: Pool) -> None:
    person = pool.person()
    pool.of_client("RevokeToken", Token=person.tokens["RefreshToken"])
    with refused(BARRED):
        pool.renew(person)


@behaviour(
    Service.COGNITO,
    "A client is described as it was declared: flows, and the attributes that people may write",
    api="DescribeUserPoolClient",
)
def test_a_client_is_described_as_declared(pool: Pool) -> None:
    client = pool.of_pool("DescribeUserPoolClient", ClientId=pool.client_id)["UserPoolClient"]
    assert sorted(client["WriteAttributes"]) == ["email", "name"]
    assert sorted(client["ExplicitAuthFlows"]) == ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH"]
    assert client["AccessTokenValidity"] == MINUTES
    assert "ClientSecret" not in client


@behaviour(Service.COGNITO, "An update of a client resets whatever it does not name", api="UpdateUserPoolClient")
def test_an_update_of_a_client_resets_what_it_does_not_name(pool: Pool) -> None:
    client_id = pool.of_pool("CreateUserPoolClient", ClientName="other", CallbackURLs=["https://example.com/"])["UserPoolClient"][
        "ClientId"
    ]
    pool.of_pool("UpdateUserPoolClient", ClientId=client_id, AccessTokenValidity=1)
    client = pool.of_pool("DescribeUserPoolClient", ClientId=client_id)["UserPoolClient"]
    assert not client.get("CallbackURLs"), f"still there: {client['CallbackURLs']}"


@behaviour(Service.COGNITO, "A pool that is protected from deletion cannot be deleted", api="DeleteUserPool")
def test_a_protected_pool_cannot_be_deleted(here: Here) -> None:
    pool_id = here.cognito("CreateUserPool", PoolName=here.name("pool"), DeletionProtection="ACTIVE")["UserPool"]["Id"]
    with refused("InvalidParameterException"):
        here.cognito("DeleteUserPool", UserPoolId=pool_id)


@behaviour(Service.COGNITO, "A group that is not there is told from one that is", api="GetGroup")
def test_a_group_that_is_not_there_is_told(pool: Pool) -> None:
    assert pool.of_pool("GetGroup", GroupName="admin")["Group"]["GroupName"] == "admin"
    with refused("ResourceNotFoundException"):
        pool.of_pool("GetGroup", GroupName="missing")
