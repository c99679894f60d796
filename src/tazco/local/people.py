"""Demo people: real users of the pool, registered and scored through the API like anybody else."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tazco.local.http_client import ApiClient, Reply
from tazco.platform.provision import Provisioned
from tazco.platform.wire import WireFailure

PASSWORD: Final = "Demo-pass-2031"  # noqa: S105 - of throw-away people on a laptop, printed on the screen
ADMIN_GROUP: Final = "admin"
SUCCESS: Final = (200, 201)
FORBIDDEN: Final = 403


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
    """The demo people, in: tokens by name, scores of those who may act, and the card of the one with the high score."""

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
        """Make sure that the user exists, with this password, and that an operator is in the group."""
        cognito, pool_id = self.cognito, self.ids.user_pool_id
        with contextlib.suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(
                UserPoolId=pool_id,
                Username=email,
                MessageAction="SUPPRESS",
                UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
            )
        cognito.admin_set_user_password(UserPoolId=pool_id, Username=email, Password=password, Permanent=True)
        if operator:
            cognito.admin_add_user_to_group(UserPoolId=pool_id, Username=email, GroupName=ADMIN_GROUP)

    def sign_everybody_in(self) -> dict[str, Tokens]:
        """Tokens of all demo people, who are made where they are missing."""
        for demo in PEOPLE:
            self.enrol(demo.email, PASSWORD, operator=demo.operator)
        return {demo.name: self.sign_in(demo.email, PASSWORD) for demo in PEOPLE}

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
    """Register everybody; whose score never moved gets it from the operator, and the high score a card.

    Whoever was disabled meanwhile stays so and has no score here. Raise `DemoFailed` for any other refusal.
    """
    scores = {}
    for demo in PEOPLE:
        ecosystem_id = await _register(api, tokens[demo.name])
        if ecosystem_id:
            scores[demo.name] = await _score(api, tokens["ADMIN"].access, demo, ecosystem_id)
    card_id = await _card(api, tokens["HIGH"].access) if "HIGH" in scores else ""
    return Introduced(tokens, scores, card_id)


async def introduce_at(url: str, pool: Pool) -> Introduced:
    """Introduce everybody to the API at `url`; raise `DemoFailed` also if it does not answer."""
    try:
        client = ApiClient(url)
    except ValueError as error:
        raise DemoFailed(f"{error}. Give the API's address, such as http://127.0.0.1:3000.") from error
    try:
        return await introduce(client, await asyncio.to_thread(pool.sign_everybody_in))
    except WireFailure as failure:
        raise DemoFailed(f"The API at {url} does not answer: {failure}. Is `tazco serve` running there?") from failure
    finally:
        client.close()


async def _register(api: ApiClient, tokens: Tokens) -> str:
    """The id of the person; empty if an operator disabled them."""
    reply = await api.call("POST", "/v1/users", token=tokens.id, body={})
    if reply.status == FORBIDDEN and reply.body["error"]["code"] == "ACCOUNT_DISABLED":
        return ""
    return str(_expect(reply)["user"]["ecosystemId"])


async def _score(api: ApiClient, operator: str, demo: Demo, ecosystem_id: str) -> int:
    path = f"/v1/admin/users/{ecosystem_id}/score"
    known = _expect(await api.call("GET", path, token=operator))
    if demo.score is not None and not known["history"]:
        known = _expect(await api.call("PATCH", path, token=operator, body={"score": demo.score, "reason": "Demo person"}))
    return int(known["user"]["currentScore"])


async def _card(api: ApiClient, token: str) -> str:
    """An active card of a person, asked for if there is none; empty where the policy leaves that to an operator."""
    card_id = await _active_card(api, token)
    if not card_id:
        await api.call("POST", "/v1/cards/requests", token=token, body={"productId": "default-credit-card"})
        card_id = await _active_card(api, token)
    return card_id


async def _active_card(api: ApiClient, token: str) -> str:
    cards = _expect(await api.call("GET", "/v1/cards", token=token))["cards"]
    return next((str(card["cardId"]) for card in cards if card["status"] == "active"), "")


def _expect(reply: Reply) -> Any:
    if reply.status not in SUCCESS:
        raise DemoFailed(
            f"A demo person could not be introduced, the API answered {reply.status}: {reply.body}\n"
            "`tazco dev --fresh` starts over with new people."
        )
    return reply.body
