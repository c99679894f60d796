"""Who may send us webhooks."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tazco.kernel.errors import Code, Forbidden, Refused, Unavailable
from tazco.platform.whatsapp.signatures import (
    SignatureMissing,
    SignatureWrong,
    answer_handshake,
    check_secret,
    check_signature,
)

BODY = '{"object":"whatsapp_business_account","name":"ação"}'.encode()
SECRET = SecretStr("app secret")
OLDER = SecretStr("older secret")


def signed(body: bytes, secret: SecretStr = SECRET) -> str:
    return "sha256=" + hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()


def test_the_known_answer_of_the_algorithm_passes() -> None:
    header = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    check_signature(header, b"The quick brown fox jumps over the lazy dog", [SecretStr("key")])


def test_any_of_several_secrets_passes_during_a_rotation() -> None:
    for secret in (SECRET, OLDER):
        check_signature(signed(BODY, secret), BODY, (SECRET, OLDER))
    with pytest.raises(SignatureWrong):
        check_signature(signed(BODY, OLDER), BODY, (SECRET,))


@pytest.mark.parametrize("header", [None, ""])
def test_a_missing_signature_is_told_from_a_wrong_one(header: str | None) -> None:
    with pytest.raises(SignatureMissing) as caught:
        check_signature(header, BODY, (SECRET,))
    assert caught.value.code is Code.UNAUTHORIZED


@pytest.mark.parametrize(
    "header",
    [
        "sha256=",
        signed(BODY)[7:],
        signed(BODY)[:-1],
        signed(BODY) + "0",
        "sha1=" + signed(BODY)[7:],
        signed(BODY, OLDER),
        "sha256=ação",
        "sha256=" + "é" * 64,
        "\udcff\x00",
        " ",
    ],
)
def test_a_wrong_signature_is_refused_and_never_raises_anything_else(header: str) -> None:
    with pytest.raises(SignatureWrong) as caught:
        check_signature(header, BODY, (SECRET, OLDER, SecretStr("ção"))[:1])
    assert caught.value.code is Code.INVALID_SECRET


def test_the_same_json_in_other_bytes_is_another_body() -> None:
    with pytest.raises(SignatureWrong):
        check_signature(signed(BODY), json.dumps(json.loads(BODY)).encode(), (SECRET,))


@given(st.text(min_size=1), st.binary(), st.text(min_size=1))
def test_no_header_gets_through_by_chance_or_breaks_the_check(header: str, body: bytes, secret: str) -> None:
    with pytest.raises(SignatureWrong):
        check_signature(header, body, (SecretStr(secret.encode("utf-8", "replace").decode()),))


def test_nothing_passes_where_no_secret_is_configured_not_even_what_the_empty_key_signs() -> None:
    empty = SecretStr("")
    for secrets in ((), (empty,)):
        with pytest.raises(Unavailable):
            check_signature(signed(BODY, empty), BODY, secrets)
    for expected in (None, empty):
        with pytest.raises(Unavailable):
            check_secret("", expected)
        with pytest.raises(Unavailable):
            answer_handshake("subscribe", "", "1", expected)


def test_the_secret_of_wppconnect_must_be_there_and_right() -> None:
    check_secret("sé/cret", SecretStr("sé/cret"))
    with pytest.raises(SignatureMissing):
        check_secret(None, SECRET)
    with pytest.raises(SignatureMissing):
        check_secret("", SECRET)
    for wrong in ("app secre", "app secret ", "APP SECRET", "ação", "\udcff"):
        with pytest.raises(SignatureWrong):
            check_secret(wrong, SECRET)


def test_the_handshake_gives_the_challenge_back() -> None:
    assert answer_handshake("subscribe", "app secret", "1158201444", SECRET) == "1158201444"
    assert answer_handshake("subscribe", "app secret", None, SECRET) == ""


@pytest.mark.parametrize(
    ("mode", "token", "challenge"),
    [
        ("subscribe", "app secre", "1"),
        ("subscribe", None, "1"),
        ("subscribe", "ação", "1"),
        ("unsubscribe", "app secret", "1"),
        (None, "app secret", "1"),
    ],
)
def test_any_other_handshake_is_forbidden(mode: str | None, token: str | None, challenge: str | None) -> None:
    with pytest.raises(Forbidden):
        answer_handshake(mode, token, challenge, SECRET)


def test_no_refusal_tells_the_secret() -> None:
    refusals: list[Refused] = []
    for check in (
        lambda: check_signature("sha256=x", BODY, (SECRET,)),
        lambda: check_secret("x", SECRET),
        lambda: answer_handshake("subscribe", "x", "1", SECRET),
    ):
        with pytest.raises(Refused) as caught:
            check()
        refusals.append(caught.value)
    assert not any("app secret" in refusal.message for refusal in refusals)
