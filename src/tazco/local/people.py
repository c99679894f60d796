"""Demo people: real users of the pool, registered and scored through the API like anybody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tazco.local.http_client import ApiClient, Reply
from tazco.platform.provision import Provisioned

PASSWORD: Final = "Demo-pass-2031"  # noqa: S105 - of throw-away people on a laptop, printed on the screen
ADMIN_GROUP: Final = "admin"
SUCCESS: Final = (200, 201)


class SignInFailed(Exception):
    """The pool gave no token; the message says why."""


class DemoFailed(Exception):
    """The API did not take a demo person; the message quotes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Somebody to play with."""

    name: str
    email: str
    score: int | None = None
    operator: bool = False


PEOPLE: Final = (
    Demo(name="ADMIN", email="admin@tazco.local", operator=True),
    Demo(name="HIGH", email="high@tazco.local", score=760),
    Demo(name="MEDIUM", email="medium@tazco.local", score=620),
    Demo(name="LOW", email="low@tazco.local", score=430),
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in gives."""

    access: str
    id: str


@dataclass(frozen=True, slots=True)
class Introduced:
    """The demo people, in: their tokens and scores by name, and the card of the one with the high score."""

    tokens: Mapping[str, Tokens]
    scores: Mapping[str, int]
    card_id: str

    def variables(self) -> dict[str, str]:
        """Tokens and card as shell variables."""
        return {**{name: tokens.access for name, tokens in self.tokens.items()}, "CARD": self.card_id}


@dataclass(frozen=True, slots=True)
class Pool:
    """The user pool, as far as demo people go; `cognito` is a boto3 client."""

    cognito: Any
    ids: Provisioned

    def enrol(self, email: str, password: str, *, operator: bool) -> None:
        """Make the user, or leave the existing one as it is."""
        cognito, pool_id = self.cognito, self.ids.user_pool_id
        try:
            cognito.admin_create_user(
                UserPoolId=pool_id,
                Username=email,
                MessageAction="SUPPRESS",
                UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
            )
        except cognito.exceptions.UsernameExistsException:
            return
        cognito.admin_set_user_password(UserPoolId=pool_id, Username=email, Password=password, Permanent=True)
        if operator:
            cognito.admin_add_user_to_group(UserPoolId=pool_id, Username=email, GroupName=ADMIN_GROUP)

    def sign_in(self, email: str, password: str) -> Tokens:
        """Tokens for a password; raise `SignInFailed` with cause and cure."""
        cognito = self.cognito
        try:
            reply = cognito.initiate_auth(
                ClientId=self.ids.client_id,
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": email, "PASSWORD": password},
            )
        except (cognito.exceptions.NotAuthorizedException, cognito.exceptions.UserNotFoundException) as error:
            raise SignInFailed(
                f"{email} cannot sign in: {error.response['Error']['Message']} Check e-mail and password."
            ) from error
        result = reply.get("AuthenticationResult")
        if result is None:
            raise SignInFailed(f"{email} must first answer the pool's challenge {reply.get('ChallengeName')}.")
        return Tokens(result["AccessToken"], result["IdToken"])


async def introduce(api: ApiClient, tokens: Mapping[str, Tokens]) -> Introduced:
    """Register everybody; those who are new get their score from the operator, and the high score a card."""
    created = {demo.name: await _register(api, tokens[demo.name]) for demo in PEOPLE}
    for demo in PEOPLE:
        if demo.score is not None and created[demo.name]["created"]:
            path = f"/v1/admin/users/{created[demo.name]['user']['ecosystemId']}/score"
            body = {"score": demo.score, "reason": "Demo person"}
            _expect(await api.call("PATCH", path, token=tokens["ADMIN"].access, body=body))
    card_id = await _card(api, tokens["HIGH"].access)
    scores = {}
    for demo in PEOPLE:
        dashboard = _expect(await api.call("GET", "/v1/dashboard", token=tokens[demo.name].access))
        scores[demo.name] = int(dashboard["user"]["score"])
    return Introduced(tokens, scores, card_id)


async def _register(api: ApiClient, tokens: Tokens) -> Any:
    return _expect(await api.call("POST", "/v1/users", token=tokens.id, body={}))


async def _card(api: ApiClient, token: str) -> str:
    """The newest card of a person, asked for if there is none; empty where the policy leaves that to an operator."""
    cards = _expect(await api.call("GET", "/v1/cards", token=token))["cards"]
    if not cards:
        await api.call("POST", "/v1/cards/requests", token=token, body={"productId": "default-credit-card"})
        cards = _expect(await api.call("GET", "/v1/cards", token=token))["cards"]
    return str(cards[0]["cardId"]) if cards else ""


def _expect(reply: Reply) -> Any:
    if reply.status not in SUCCESS:
        raise DemoFailed(f"The API answered {reply.status}: {reply.body}")
    return reply.body
