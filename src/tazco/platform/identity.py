"""Who calls: a verified Cognito token → what it says of its bearer. There is no way to turn verification off.

Three stages, each on what the one before has proved: structure, signature, claims. No claim is read before the signature holds.
"""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from tazco.kernel.clock import Clock
from tazco.kernel.errors import Code, Refused
from tazco.kernel.ids import Subject
from tazco.platform.jwks import ALGORITHM, Jwks

TOKEN_BYTES_MAX: Final = 8 * 1024
LEEWAY_SECONDS: Final = 10
REMEMBERED_MAX: Final = 4_096
IDENTIFIER_CHARACTERS_MAX: Final = 256
EPOCH_SECONDS_MAX: Final = 253_402_300_799
"""The last second of the year 9999: beyond it no datetime follows."""

ADMIN_GROUP: Final = "admin"
BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
RS256: Final = RSAAlgorithm(RSAAlgorithm.SHA256)


class InvalidToken(Refused):
    """There is no token, or it is not one of ours. The message never says which check failed."""

    code = Code.INVALID_TOKEN

    def __init__(self) -> None:
        super().__init__("A valid bearer token is required.")


class TokenExpired(Refused):
    """The token was ours, and its time is over."""

    code = Code.TOKEN_EXPIRED

    def __init__(self) -> None:
        super().__init__("The token has expired. Sign in again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a verified token says; `expires_at` is in epoch seconds.

    `email` and `claimed_ecosystem_id` come from ID tokens only: an access token never carries them on good authority.
    """

    subject: Subject
    is_admin: bool
    email: str | None
    claimed_ecosystem_id: str | None
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Signed:
    """The parts of a token that has the right form."""

    kid: str
    message: bytes
    signature: bytes
    claims: str


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A verified token, the key that verified it, and that key's id."""

    token: Token
    kid: str
    key: RSAPublicKey


@dataclass(slots=True)
class Verifier:
    """Verifies tokens of one user pool and its clients. A verified one is remembered until it expires or its key goes."""

    jwks: Jwks
    issuer: str
    client_ids: Collection[str]
    clock: Clock
    _remembered: dict[bytes, _Remembered] = field(default_factory=dict)

    async def verify(self, authorization: str | None, *, expired_too: bool = False) -> Token:
        """The token in an Authorization header; raise `InvalidToken`, `TokenExpired` or `Unavailable`, nothing else.

        With `expired_too` a token is told that was good once: for whoever can get the next one, and lets nobody in with this one.
        """
        match = BEARER.fullmatch(authorization or "")
        if match is None or match.end(3) - match.start(1) > TOKEN_BYTES_MAX:
            raise InvalidToken
        digest = hashlib.sha256(match.string[match.start(1) :].encode()).digest()
        known = self._remembered.get(digest)
        if known is not None and await self.jwks.key(known.kid) == known.key:
            return known.token if expired_too else self._in_time(known.token)
        signed = _structure(*match.groups())
        key = await self.jwks.key(signed.kid)
        if key is None or not RS256.verify(signed.message, key, signed.signature):
            raise InvalidToken
        token = self._token(_object(signed.claims))
        if not expired_too:
            self._in_time(token)
        self._remember(digest, _Remembered(token, signed.kid, key))
        return token

    def _in_time(self, token: Token) -> Token:
        if token.expires_at <= self._now() - LEEWAY_SECONDS:
            raise TokenExpired
        return token

    def _now(self) -> float:
        return self.clock().timestamp()

    def _remember(self, digest: bytes, entry: _Remembered) -> None:
        self._remembered[digest] = entry
        while len(self._remembered) > REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]

    def _token(self, claims: Mapping[str, Any]) -> Token:
        """What the claims say, if they are ours; `exp` is judged by the caller, last of all."""
        latest = self._now() + LEEWAY_SECONDS
        expires_at = _instant(claims.get("exp"))
        issued_at = _instant(claims.get("iat"))
        not_before = _instant(claims["nbf"]) if "nbf" in claims else 0
        use = claims.get("token_use")
        client_id = claims.get("client_id") if use == "access" else claims.get("aud") if use == "id" else None
        ours = isinstance(client_id, str) and client_id in self.client_ids and claims.get("iss") == self.issuer
        if not ours or issued_at > latest or not_before > latest:
            raise InvalidToken
        groups = claims.get("cognito:groups")
        attributes = claims if use == "id" else {}
        return Token(
            subject=Subject(_identifier(claims.get("sub"))),
            is_admin=isinstance(groups, list) and ADMIN_GROUP in groups,
            email=_text(attributes.get("email", "")).strip() or None,
            claimed_ecosystem_id=_identifier(attributes["custom:ecosystemId"]) if attributes.get("custom:ecosystemId") else None,
            expires_at=expires_at,
        )


def _structure(header: str, payload: str, signature: str) -> _Signed:
    fields = _object(_decoded_text(header))
    kid = fields.get("kid")
    # `crit` would oblige us to understand extensions, and `b64` changes what is signed; Cognito uses neither.
    if fields.get("alg") != ALGORITHM or not isinstance(kid, str) or "crit" in fields or "b64" in fields:
        raise InvalidToken
    return _Signed(kid, f"{header}.{payload}".encode(), _decoded(signature), _decoded_text(payload))


def _decoded(segment: str) -> bytes:
    """Base64url without padding, in its one canonical form: else several texts would pass for one token."""
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise InvalidToken from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment.encode():
        raise InvalidToken
    return raw


def _decoded_text(segment: str) -> str:
    try:
        return _decoded(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidToken from None


def _object(text: str) -> dict[str, Any]:
    """A JSON object whose names are unique: a second `sub` must not be anybody's choice."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidToken from None
    if not isinstance(value, dict):
        raise InvalidToken
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _instant(value: Any) -> float:
    """A NumericDate in seconds; the bounds come before the conversion, which a huge integer would break, and refuse NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= EPOCH_SECONDS_MAX:
        raise InvalidToken
    return float(value)


def _text(value: Any) -> str:
    """Text that can be stored and sent: no lone surrogates."""
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidToken
    return value


def _identifier(value: Any) -> str:
    text = _text(value)
    if not 0 < len(text) <= IDENTIFIER_CHARACTERS_MAX:
        raise InvalidToken
    return text
