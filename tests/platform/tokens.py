"""Keys and tokens for the tests: good ones by default, bent in any one place on demand."""

import base64
import json
from functools import cache
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
CLIENT = "7abcclient"
NOW = 1_795_521_600
"""2026-11-24T12:00:00Z."""


def private_key(name: str, bits: int = 2048) -> RSAPrivateKey:
    """The key of this name; made once."""
    return _made(name, bits)


@cache  # by both arguments, defaults included
def _made(_: str, bits: int) -> RSAPrivateKey:
    return generate_private_key(65537, bits)


def jwk(name: str, bits: int = 2048, **changes: Any) -> dict[str, Any]:
    """The public key as Cognito publishes it; a change to None leaves the member out."""
    numbers = RSAAlgorithm.to_jwk(private_key(name, bits).public_key(), as_dict=True)
    full = {"kid": name, "kty": "RSA", "alg": "RS256", "use": "sig", "n": numbers["n"], "e": numbers["e"]} | changes
    return {member: value for member, value in full.items() if value is not None}


def key_set(*keys: Any) -> bytes:
    """A key set as bytes."""
    return orjson.dumps({"keys": keys})


def access_claims(**changes: Any) -> dict[str, Any]:
    """The claims of an access token; a change to None leaves the claim out. `:` in a name is written `__`."""
    return _changed({"token_use": "access", "client_id": CLIENT, "username": "ana", "scope": "openid"}, changes)


def id_claims(**changes: Any) -> dict[str, Any]:
    """The claims of an ID token, changed in the same way."""
    return _changed({"token_use": "id", "aud": CLIENT, "email": "ana@example.com"}, changes)


def _changed(claims: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    common = {"sub": "5f1c-sub", "iss": ISSUER, "iat": NOW - 60, "exp": NOW + 3_600, "auth_time": NOW - 60, "jti": "j"}
    full = common | claims | {name.replace("__", ":"): value for name, value in changes.items()}
    return {name: value for name, value in full.items() if value is not None}


def b64(raw: bytes | str) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw.encode() if isinstance(raw, str) else raw).rstrip(b"=").decode()


def signed(header: bytes | str, payload: bytes | str, name: str = "k1") -> str:
    """A token of these exact bytes with a real signature by the key of this name."""
    message = f"{b64(header)}.{b64(payload)}"
    return f"{message}.{b64(private_key(name).sign(message.encode(), PKCS1v15(), hashes.SHA256()))}"


def token(claims: dict[str, Any] | None = None, name: str = "k1", **header: Any) -> str:
    """A signed token; further arguments change its header, None leaves a parameter out."""
    full = {"alg": "RS256", "kid": name, "typ": "JWT"} | header
    return signed(
        json.dumps({parameter: value for parameter, value in full.items() if value is not None}),
        json.dumps(access_claims() if claims is None else claims),
        name,
    )
