"""Tokens: the good ones, every published way to forge one, and whatever else may stand in the header."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.errors import Refused, Unavailable
from tazco.platform.identity import REMEMBERED_MAX, InvalidToken, Token, TokenExpired, Verifier
from tazco.platform.jwks import Jwks, NoKeySet
from tests.platform.servers import Request, http, serving
from tests.platform.tokens import CLIENT, ISSUER, NOW, access_claims, b64, id_claims, jwk, key_set, private_key, signed, token


@dataclass
class Pool:
    """A user pool's key set, and a clock: both in the hands of the test."""

    published: bytes = field(default_factory=lambda: key_set(jwk("k1"), jwk("k2")))
    up: bool = True
    asked: int = 0
    now: float = NOW

    async def fetch(self, _: str) -> bytes:
        self.asked += 1
        if not self.up:
            raise NoKeySet("down")
        return self.published

    def verifier(self) -> Verifier:
        jwks = Jwks("https://idp.example/jwks.json", lambda: self.now, self.fetch)
        return Verifier(jwks, ISSUER, frozenset({CLIENT, "8second"}), lambda: datetime.fromtimestamp(self.now, UTC))


async def verify(authorization: str | None, pool: Pool | None = None) -> Token:
    return await (pool or Pool()).verifier().verify(authorization)


async def says(claims: dict[str, Any], **header: Any) -> Token:
    return await verify(f"Bearer {token(claims, **header)}")


async def test_an_access_token_says_who_and_until_when() -> None:
    assert await says(access_claims()) == Token(
        subject="5f1c-sub",  # type: ignore[arg-type] # the id types cost the tests nothing but words
        is_admin=False,
        email=None,
        claimed_ecosystem_id=None,
        expires_at=NOW + 3600,
    )


async def test_an_id_token_adds_the_email_without_blanks_and_the_claimed_ecosystem_id() -> None:
    found = await says(id_claims(email="  ana@example.com ", custom__ecosystemId="user-77"))
    assert (found.email, found.claimed_ecosystem_id) == ("ana@example.com", "user-77")


async def test_an_id_token_may_lack_both() -> None:
    found = await says(id_claims(email=None))
    assert (found.email, found.claimed_ecosystem_id) == (None, None)
    found = await says(id_claims(email="  ", custom__ecosystemId=""))
    assert (found.email, found.claimed_ecosystem_id) == (None, None)


async def test_an_access_token_is_no_authority_on_email_or_ecosystem_id() -> None:
    found = await says(access_claims(email="mallory@example.com", custom__ecosystemId="user-1"))
    assert (found.email, found.claimed_ecosystem_id) == (None, None)


@pytest.mark.parametrize(
    ("groups", "admin"),
    [
        (["admin"], True),
        (["staff", "admin"], True),
        (["administrators"], False),
        (["Admin"], False),
        ([], False),
        ([["admin"]], False),
        (None, False),
        ("admin", False),
        ({"admin": True}, False),
        (True, False),
    ],
)
async def test_only_the_group_makes_an_admin(groups: Any, *, admin: bool) -> None:
    assert (await says(access_claims(cognito__groups=groups))).is_admin is admin
    assert (await says(id_claims(cognito__groups=groups))).is_admin is admin


async def test_a_role_attribute_never_makes_an_admin() -> None:
    assert not (await says(id_claims(custom__role="admin", role="admin", groups=["admin"]))).is_admin


@pytest.mark.parametrize(
    "claims",
    [
        access_claims(client_id="8second"),
        id_claims(aud="8second"),
        access_claims(exp=NOW - 9),
        access_claims(exp=NOW + 0.5),
        access_claims(iat=NOW + 10),
        access_claims(nbf=NOW + 10),
        access_claims(nbf=NOW - 1000),
        access_claims(nbf=0),
        access_claims(sub="x" * 256),
        access_claims(aud="another's"),
        access_claims(extra={"deep": [1.5, None, "é"]}),
    ],
)
async def test_what_is_unusual_and_right_passes(claims: dict[str, Any]) -> None:
    assert (await says(claims)).expires_at == claims["exp"]


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
async def test_the_scheme_may_be_written_in_any_case(scheme: str) -> None:
    assert (await verify(scheme + token())).subject == "5f1c-sub"


def with_hmac_of(secret: bytes) -> str:
    """A token 'signed' by HMAC with a public key as its secret."""
    message = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'k1'}))}.{b64(json.dumps(access_claims()))}"
    return f"{message}.{b64(hmac.digest(secret, message.encode(), 'sha256'))}"


def with_rs512() -> str:
    message = f"{b64(json.dumps({'alg': 'RS512', 'kid': 'k1'}))}.{b64(json.dumps(access_claims()))}"
    return f"{message}.{b64(private_key('k1').sign(message.encode(), PKCS1v15(), hashes.SHA512()))}"


def unsigned(alg: Any) -> str:
    return f"{b64(json.dumps({'alg': alg, 'kid': 'k1'}))}.{b64(json.dumps(access_claims()))}."


def flipped(text: str, at: int) -> str:
    """The token with one bit of its signature changed."""
    message, _, signature = text.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[at] ^= 1
    return f"{message}.{b64(bytes(raw))}"


def respelt(text: str) -> str:
    """The same signature with another value in the bits that base64 leaves unused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


def claims_swapped() -> str:
    header, _, signature = token().split(".")
    return f"{header}.{b64(json.dumps(access_claims(sub='somebody-else')))}.{signature}"


HEADER = '{"alg":"RS256","kid":"k1"}'
PAYLOAD = json.dumps(access_claims())
PEM = private_key("k1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
MODULUS = jwk("k1")["n"]
OTHER_POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_XXXXXXXXX"

FORGERIES: dict[str, str | Callable[[], str]] = {
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg NONE": unsigned("NONE"),
    "alg null": unsigned(None),
    "alg a list": unsigned(["RS256"]),
    "alg none with a signature": token(alg="none"),
    "alg in lower case": token(alg="rs256"),
    "alg missing": token(alg=None),
    "alg RS384 in name": token(alg="RS384"),
    "alg PS256 in name": token(alg="PS256"),
    "alg HS256 in name": token(alg="HS256"),
    "HS256 with the public key in PEM": with_hmac_of(PEM),
    "HS256 with the public key in PEM without its last newline": with_hmac_of(PEM.strip()),
    "HS256 with the modulus": with_hmac_of(MODULUS.encode()),
    "HS256 with the modulus in bytes": with_hmac_of(base64.urlsafe_b64decode(MODULUS + "==")),
    "HS256 with nothing": with_hmac_of(b""),
    "RS512 with the right key": with_rs512,
    "the kid of another key": token(kid="k2"),
    "an unknown kid": token(kid="nobody"),
    "a kid that is a path": token(kid="../../dev/null"),
    "kid missing": token(kid=None),
    "kid empty": token(kid=""),
    "kid a number": token(kid=1),
    "kid a list": token(kid=["k1"]),
    "kid an object": token(kid={"k1": 1}),
    "a stranger's key named in jwk": token(name="stranger", kid="k1", jwk=jwk("stranger", kid="k1")),
    "a stranger's key behind jku": token(name="stranger", jku="https://evil.example/jwks.json"),
    "a stranger's key behind jku with our kid": token(name="stranger", kid="k1", jku="https://evil.example/jwks.json"),
    "a stranger's key behind x5u": token(name="stranger", kid="k1", x5u="https://evil.example/cert.pem"),
    "a stranger's key in x5c": token(name="stranger", kid="k1", x5c=["MIIB"]),
    "crit": token(crit=["exp"]),
    "crit of b64": token(crit=["b64"], b64=False),
    "crit empty": token(crit=[]),
    "b64 false": token(b64=False),
    "b64 true": token(b64=True),
    "no signature": token().rpartition(".")[0] + ".",
    "a signature of one byte": token().rpartition(".")[0] + ".AA",
    "a signature of 8 bytes too much": token() + "AAAAAAAAAAA",
    "the first bit of the signature": flipped(token(), 0),
    "a middle bit of the signature": flipped(token(), 100),
    "the last bit of the signature": flipped(token(), -1),
    "the unused bits of the signature": respelt(token()),
    "other claims under the signature": claims_swapped,
    "two segments": token().rpartition(".")[0],
    "four segments": token() + ".AAAA",
    "five segments": token() + ".AAAA.AAAA",
    "an empty header": "." + token().partition(".")[2],
    "an empty payload": token().split(".")[0] + ".." + token().split(".")[2],
    "dots": "..",
    "segments of no length that base64 has": "A.A.A",
    "a signature of no length that base64 has": token() + "AAA",
    "padding": token() + "==",
    "the other base64": token()[:-1] + "+",
    "a leading blank in the token": "\t" + token(),
    "a trailing blank": token() + " ",
    "a trailing newline": token() + "\n",
    "a blank within": token().replace(".", ". ", 1),
    "a newline within": token().replace(".", "\n.", 1),
    "two tokens": f"{token()}, Bearer {token()}",
    "non-ASCII digits": token()[:-1] + "\u0661",
    "a lone surrogate": "\udcff" + token(),
    "NUL": token() + "\x00",
    "header no JSON": signed("alg=RS256", PAYLOAD),
    "header a list": signed('["RS256"]', PAYLOAD),
    "header not UTF-8": signed(b'{"alg":"RS256","kid":"k1","x":"\xff"}', PAYLOAD),
    "header in UTF-16": signed(HEADER.encode("utf-16"), PAYLOAD),
    "header with alg twice": signed('{"alg":"none","alg":"RS256","kid":"k1"}', PAYLOAD),
    "payload no JSON": signed(HEADER, "sub=1"),
    "payload a text": signed(HEADER, '"sub"'),
    "payload null": signed(HEADER, "null"),
    "payload with a byte order mark": signed(HEADER, b"\xef\xbb\xbf" + PAYLOAD.encode()),
    "payload in UTF-16": signed(HEADER, PAYLOAD.encode("utf-16")),
    "payload not UTF-8": signed(HEADER, PAYLOAD.encode().replace(b"ana", b"\xff\xfe")),
    "payload with sub twice": signed(HEADER, PAYLOAD[:-1] + ',"sub":"victim"}'),
    "payload with exp twice": signed(HEADER, PAYLOAD[:-1] + f',"exp":{NOW + 99}}}'),
    "payload with a name twice deep inside": signed(HEADER, PAYLOAD[:-1] + ',"x":[{"a":1,"a":2}]}'),
    "NaN in a claim that nobody reads": token(access_claims(x=float("nan"))),
    "a bomb of lists": signed(HEADER, "[" * 5_000),
    "a bomb of objects": signed(HEADER, '{"a":' * 1_100),
    "a bomb in the header": signed('{"alg":' + "[" * 5_000, PAYLOAD[:10]),
    "exp missing": token(access_claims(exp=None)),
    "exp null": signed(HEADER, PAYLOAD.replace(str(NOW + 3600), "null")),
    "exp a text": token(access_claims(exp=str(NOW + 3600))),
    "exp true": token(access_claims(exp=True)),
    "exp a list": token(access_claims(exp=[NOW + 3600])),
    "exp huge": token(access_claims(exp=10**400)),
    "exp of 5,000 digits": signed(HEADER, PAYLOAD.replace(str(NOW + 3600), "9" * 5_000)),
    "exp beyond the year 9999": token(access_claims(exp=253_402_300_800)),
    "exp infinite by exponent": signed(HEADER, PAYLOAD.replace(str(NOW + 3600), "1e999")),
    "exp Infinity": token(access_claims(exp=float("inf"))),
    "exp NaN": token(access_claims(exp=float("nan"))),
    "exp negative": token(access_claims(exp=-1)),
    "exp negative and huge": token(access_claims(exp=-(10**400))),
    "iat missing": token(access_claims(iat=None)),
    "iat a text": token(access_claims(iat="now")),
    "iat NaN": token(access_claims(iat=float("nan"))),
    "iat huge": token(access_claims(iat=10**400)),
    "iat 11 seconds ahead": token(access_claims(iat=NOW + 11)),
    "iat far ahead": token(access_claims(iat=NOW + 10**8, exp=NOW + 2 * 10**8)),
    "nbf 11 seconds ahead": token(access_claims(nbf=NOW + 11)),
    "nbf a text": token(access_claims(nbf="0")),
    "nbf null": signed(HEADER, PAYLOAD[:-1] + ',"nbf":null}'),
    "sub missing": token(access_claims(sub=None)),
    "sub empty": token(access_claims(sub="")),
    "sub a number": token(access_claims(sub=5)),
    "sub a list": token(access_claims(sub=["5f1c-sub"])),
    "sub too long for a key": token(access_claims(sub="x" * 257)),
    "sub a lone surrogate": token(access_claims(sub="\ud800")),
    "iss of another pool": token(access_claims(iss=OTHER_POOL)),
    "iss with a slash more": token(access_claims(iss=ISSUER + "/")),
    "iss missing": token(access_claims(iss=None)),
    "iss a list": token(access_claims(iss=[ISSUER])),
    "token_use missing": token(access_claims(token_use=None)),
    "token_use refresh": token(access_claims(token_use="refresh")),
    "token_use refresh with our aud": token(id_claims(token_use="refresh")),
    "token_use a list": token(access_claims(token_use=["access"])),
    "token_use empty": token(access_claims(token_use="", **{"": CLIENT})),
    "token_use id on an access token": token(access_claims(token_use="id")),
    "token_use access on an ID token": token(id_claims(token_use="access")),
    "client_id foreign": token(access_claims(client_id="foreign")),
    "client_id missing": token(access_claims(client_id=None)),
    "client_id missing and aud ours": token(access_claims(client_id=None, aud=CLIENT)),
    "client_id a list": token(access_claims(client_id=[CLIENT])),
    "client_id a part": token(access_claims(client_id=CLIENT[:-1])),
    "aud foreign": token(id_claims(aud="foreign")),
    "aud missing": token(id_claims(aud=None)),
    "aud a list": token(id_claims(aud=[CLIENT])),
    "aud foreign and client_id ours": token(id_claims(aud="foreign", client_id=CLIENT)),
    "email a number": token(id_claims(email=5)),
    "email a lone surrogate": token(id_claims(email="\udfff@example.com")),
    "ecosystemId a number": token(id_claims(custom__ecosystemId=5)),
    "ecosystemId too long for a key": token(id_claims(custom__ecosystemId="x" * 257)),
    "expired and of another pool": token(access_claims(exp=NOW - 3600, iss=OTHER_POOL)),
    "expired and of another client": token(access_claims(exp=NOW - 3600, client_id="foreign")),
    "expired and unsigned": flipped(token(access_claims(exp=NOW - 3600)), 7),
    "expired without sub": token(access_claims(exp=NOW - 3600, sub=None)),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forgery_is_refused(forgery: str | Callable[[], str]) -> None:
    text = forgery if isinstance(forgery, str) else forgery()
    with pytest.raises(InvalidToken) as caught:
        await verify(f"Bearer {text}")
    assert (caught.value.code, caught.value.details) == ("INVALID_TOKEN", {})
    assert text not in caught.value.message


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "Bearer", "Bearer ", "Basic YTpi", token(), f"Token {token()}", f"Bearer: {token()}", f" Bearer {token()}"],
)
async def test_a_header_without_bearer_token_is_refused_without_asking_for_keys(header: str | None) -> None:
    pool = Pool()
    with pytest.raises(InvalidToken):
        await verify(header, pool)
    assert pool.asked == 0


async def test_eight_kibibytes_pass_and_one_more_does_not() -> None:
    spare = (8 * 1024 - len(token(access_claims(x="")))) * 3 // 4
    sized = {len(text): text for more in range(-6, 6) if (text := token(access_claims(x="x" * (spare + more))))}
    assert min(sized) < 8 * 1024 < max(sized)
    for length, text in sized.items():
        if length <= 8 * 1024:
            assert (await verify(f"Bearer {text}")).subject == "5f1c-sub"
        else:
            with pytest.raises(InvalidToken):
                await verify(f"Bearer {text}")
    with pytest.raises(InvalidToken):
        await verify("Bearer " + "A" * 5_000_000)


@pytest.mark.parametrize("exp", [NOW - 10, NOW - 10.5, NOW - 3600, 1, 0])
async def test_a_token_of_ours_whose_time_is_over_has_expired(exp: float) -> None:
    with pytest.raises(TokenExpired) as caught:
        await says(access_claims(exp=exp, iat=0))
    assert caught.value.code == "TOKEN_EXPIRED"


async def test_a_verified_token_is_remembered_until_it_expires() -> None:
    pool = Pool()
    verifier, header = pool.verifier(), f"Bearer {token(access_claims(exp=NOW + 60))}"
    first = await verifier.verify(header)
    pool.now = NOW + 69
    assert await verifier.verify(header) is first
    pool.now = NOW + 70
    for _ in range(2):
        with pytest.raises(TokenExpired):
            await verifier.verify(header)


async def test_a_remembered_token_is_forgotten_with_its_key() -> None:
    pool = Pool()
    verifier, header = pool.verifier(), f"Bearer {token()}"
    await verifier.verify(header)
    pool.published = key_set(jwk("k2"))
    pool.now += 600
    await verifier.verify(header)  # starts the renewal
    await asyncio.sleep(0)
    with pytest.raises(InvalidToken):
        await verifier.verify(header)


async def test_a_remembered_token_does_not_pass_for_another_key_of_the_same_name() -> None:
    pool = Pool()
    verifier, header = pool.verifier(), f"Bearer {token()}"
    await verifier.verify(header)
    pool.published = key_set(jwk("k2", kid="k1"))
    pool.now += 600
    await verifier.verify(header)
    await asyncio.sleep(0)
    with pytest.raises(InvalidToken):
        await verifier.verify(header)


async def test_a_token_that_differs_from_a_remembered_one_in_its_signature_is_refused() -> None:
    verifier = Pool().verifier()
    await verifier.verify(f"Bearer {token()}")
    with pytest.raises(InvalidToken):
        await verifier.verify(f"Bearer {flipped(token(), 3)}")


async def test_the_memory_is_bounded_and_holds_no_token() -> None:
    verifier = Pool().verifier()
    kept = f"Bearer {token()}"
    await verifier.verify(kept)
    entry = next(iter(verifier._remembered.values()))
    for number in range(REMEMBERED_MAX + 10):
        verifier._remember(hashlib.sha256(str(number).encode()).digest(), entry)
    assert len(verifier._remembered) == REMEMBERED_MAX
    assert (await verifier.verify(kept)).subject == "5f1c-sub"
    assert len(verifier._remembered) == REMEMBERED_MAX
    assert token().rpartition(".")[2] not in repr(verifier)


async def test_refusals_are_not_remembered() -> None:
    verifier = Pool().verifier()
    for text in (flipped(token(), 1), token(access_claims(exp=1, iat=0)), token(access_claims(iss=OTHER_POOL))):
        with pytest.raises(Refused):
            await verifier.verify(f"Bearer {text}")
    assert verifier._remembered == {}


async def test_while_the_provider_is_down_known_keys_go_on_and_unknown_ones_are_unavailable() -> None:
    pool = Pool()
    verifier = pool.verifier()
    await verifier.verify(f"Bearer {token()}")
    pool.up = False
    pool.now += 1200
    assert (await verifier.verify(f"Bearer {token(access_claims(jti='new'))}")).subject == "5f1c-sub"
    await asyncio.sleep(0)
    for kid in ("k1-new", "nobody"):
        with pytest.raises(Unavailable) as caught:
            await verifier.verify(f"Bearer {token(kid=kid)}")
        assert (caught.value.code, caught.value.retry_after) == ("SERVICE_UNAVAILABLE", 5)
    with pytest.raises(InvalidToken):
        await verifier.verify(f"Bearer {flipped(token(), 9)}")


async def test_without_any_key_even_a_forgery_is_unavailable_and_never_a_pass() -> None:
    for text in (token(), flipped(token(), 0), token(kid="nobody")):
        with pytest.raises(Unavailable):
            await verify(f"Bearer {text}", Pool(up=False))


async def test_nothing_is_fetched_from_an_address_that_a_token_names() -> None:
    async def evil(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(key_set(jwk("stranger"))))

    async with serving(evil) as server:
        for header in ("jku", "x5u", "kid", "iss"):
            with pytest.raises(InvalidToken):
                await says(access_claims(iss=server.url), name="stranger", **{header: f"{server.url}/jwks.json"})
        assert server.requests == []


@given(st.text() | st.text().map("Bearer {}".format) | st.from_regex(r"Bearer [\w-]+\.[\w-]+\.[\w-]+", fullmatch=True))
async def test_no_header_whatever_it_holds_raises_anything_but_a_refusal(header: str) -> None:
    with pytest.raises(InvalidToken):
        await verify(header)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    ["exp", "iat", "nbf", "sub", "iss", "token_use", "client_id", "aud", "email", "cognito:groups", "custom:ecosystemId"]
)


@given(base=st.sampled_from([access_claims(), id_claims()]), changes=st.dictionaries(names, json_values, max_size=3))
async def test_no_signed_claims_whatever_they_hold_raise_anything_but_a_refusal(
    base: dict[str, Any], changes: dict[str, Any]
) -> None:
    try:
        found = await says(base | changes)
    except (InvalidToken, TokenExpired):
        return
    found.subject.encode()
    datetime.fromtimestamp(found.expires_at, UTC)


def is_strict_json(value: object) -> bool:
    """No NaN and no infinity anywhere in it."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@given(
    changes=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku"]), json_values, min_size=1, max_size=3
    )
)
async def test_no_signed_header_whatever_it_holds_raises_anything_but_a_refusal(changes: dict[str, Any]) -> None:
    harmless = changes.keys() <= {"typ", "jwk", "jku"}
    text = signed(json.dumps({"alg": "RS256", "kid": "k1"} | changes), PAYLOAD)
    if harmless and len(text) <= 8 * 1024 and is_strict_json(changes):
        assert (await verify(f"Bearer {text}")).subject == "5f1c-sub"
        return
    with pytest.raises(InvalidToken):
        await verify(f"Bearer {text}")
