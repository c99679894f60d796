"""The user pool as somebody who signs in meets it: a password, perhaps a challenge, tokens, new tokens, none any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from tazco.kernel.errors import Code, Invalid, Refused
from tazco.platform.aws import Aws, AwsError, AwsUnreachable

log = structlog.get_logger()

ATTEMPTS_MAX: Final = 2
NEW_PASSWORD: Final = "NEW_PASSWORD_REQUIRED"  # noqa: S105 - the name of a challenge
WRONG: Final = frozenset({"NotAuthorizedException", "UserNotFoundException"})


class WrongCredentials(Refused):
    """E-mail and password do not belong together; which of them is wrong is not said."""

    code = Code.INVALID_TOKEN

    def __init__(self) -> None:
        super().__init__("E-mail or password is wrong.")


class SignInBarred(Refused):
    """The pool will not let this person in now; the message says what to do."""

    code = Code.FORBIDDEN


class SignedOut(Refused):
    """The pool gives no new tokens: signed out everywhere, disabled, or too long ago."""

    code = Code.TOKEN_EXPIRED

    def __init__(self) -> None:
        super().__init__("The session is over. Sign in again.")


class PasswordRefused(Invalid):
    """The new password does not meet the pool's policy."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The pool does not take this password: {why}", field="password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a sign-in gives: an ID token for an hour, and what gets the next one."""

    id_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasswordWanted:
    """The first password was given by an administrator; `session` stands for this sign-in for some minutes."""

    username: str
    session: str


@dataclass(frozen=True, slots=True)
class UserPool:
    """Signs people in through one client of the pool, one without a secret. Raises `AwsError` or `AwsUnreachable` for trouble."""

    aws: Aws
    client_id: str

    async def sign_in(self, email: str, password: str) -> Tokens | NewPasswordWanted:
        """Try a password; refuse a wrong one, and whoever must do something else first."""
        reply = await self._call(
            "InitiateAuth",
            {"AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": {"USERNAME": email, "PASSWORD": password}},
        )
        challenge = reply.get("ChallengeName")
        if challenge == NEW_PASSWORD:
            username = reply.get("ChallengeParameters", {}).get("USER_ID_FOR_SRP") or email
            return NewPasswordWanted(username=username, session=reply["Session"])
        if challenge:
            raise SignInBarred(f"The pool asks for {challenge}, which cannot be answered here. Sign in without it, or use the API.")
        return _tokens(reply)

    async def choose_password(self, wanted: NewPasswordWanted, password: str) -> Tokens:
        """Answer the challenge of a first sign-in; refuse a password that the pool does not take, or an answer that comes too late."""
        reply = await self._call(
            "RespondToAuthChallenge",
            {
                "ChallengeName": NEW_PASSWORD,
                "Session": wanted.session,
                "ChallengeResponses": {"USERNAME": wanted.username, "NEW_PASSWORD": password},
            },
        )
        if reply.get("ChallengeName"):
            raise SignInBarred(f"The pool asks for {reply['ChallengeName']} next, which cannot be answered here.")
        return _tokens(reply)

    async def renew(self, refresh_token: str) -> Tokens:
        """Tokens for another hour; refuse whoever the pool does not know as signed in any more."""
        try:
            reply = await self._call(
                "InitiateAuth", {"AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": {"REFRESH_TOKEN": refresh_token}}
            )
        except WrongCredentials:
            raise SignedOut from None
        return _tokens(reply, refresh_token)

    async def revoke(self, refresh_token: str) -> None:
        """Make the refresh token worthless; where the pool cannot be asked it runs out by itself, and the log says so."""
        try:
            await self.aws.call(
                "cognito-idp", "RevokeToken", {"Token": refresh_token, "ClientId": self.client_id}, attempts_max=ATTEMPTS_MAX
            )
        except (AwsError, AwsUnreachable) as error:
            log.warning("user_pool.not_revoked", error=str(error))

    async def _call(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self.aws.call(
                "cognito-idp", operation, {"ClientId": self.client_id, **arguments}, attempts_max=ATTEMPTS_MAX
            )
        except AwsError as error:
            raise _meaning(error) from error


def _meaning(error: AwsError) -> Exception:
    told = str(error.body.get("message") or error.body.get("Message") or "")
    if error.code in WRONG:
        return WrongCredentials()
    if error.code in ("InvalidPasswordException", "InvalidParameterException"):
        return PasswordRefused(told or "choose another one.")
    if error.code in ("CodeMismatchException", "ExpiredCodeException"):
        return SignedOut()
    if error.code == "PasswordResetRequiredException":
        return SignInBarred("An administrator has reset the password. Ask for a new one.")
    if error.code == "UserNotConfirmedException":
        return SignInBarred("The account is not confirmed. Ask an administrator.")
    return error


def _tokens(reply: Mapping[str, Any], refresh_token: str = "") -> Tokens:
    result = reply["AuthenticationResult"]
    return Tokens(id_token=result["IdToken"], refresh_token=result.get("RefreshToken") or refresh_token)
