"""Logs keep secrets and phone numbers to themselves."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.logs import redact, scrubbed

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI1ZjFjIn0.c2lnbmF0dXJl"
PHONE_NUMBER = "+5511900000000"


@pytest.mark.parametrize(
    "text", [f"token {TOKEN} refused", f"Authorization: Bearer {TOKEN}", "bearer abc.def", "/webhooks/wpp-connect/s3cr3t?x=1"]
)
def test_tokens_and_secrets_in_a_text_are_hidden(text: str) -> None:
    assert not {"eyJ", "abc.def", "s3cr3t"} & set(scrubbed(text).split())
    assert TOKEN not in scrubbed(text)
    assert "s3cr3t" not in scrubbed(text)
    assert "abc.def" not in scrubbed(text)


@given(st.from_regex(r"\+?[1-9][0-9]{11,14}", fullmatch=True))
def test_of_a_phone_number_only_the_last_four_digits_stay(phone: str) -> None:
    cleaned = scrubbed(f"sent to {phone}")
    assert phone not in cleaned
    assert cleaned == f"sent to ****{phone[-4:]}"


@pytest.mark.parametrize("name", ["authorization", "accessToken", "app_secret", "password", "Cookie", "body", "text", "api_key"])
def test_what_stands_under_a_secrets_name_is_hidden_whole_at_any_depth(name: str) -> None:
    entry = redact(None, "info", {"event": "x", name: "plain", "inner": {name: ["plain"]}})
    assert "plain" not in str(entry)
    assert entry["event"] == "x"


def test_ids_and_times_stay_readable() -> None:
    text = "card 01a20d5a-624c-70da-a846-f5ceb13cd319 at 2031-04-05T06:07:08.090Z cost 120050"
    assert scrubbed(text) == text


@given(
    st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True),
    st.sampled_from(["{}", "to {}.", "({})", "whatsapp:{}", "a={},b", '"{}"', "{}\n"]),
)
def test_a_phone_number_of_8_to_15_digits_is_cut_wherever_it_stands(phone: str, sentence: str) -> None:
    assert scrubbed(sentence.format(phone)) == sentence.format(f"****{phone[-4:]}")


@pytest.mark.parametrize("phone", ["4155550123", "14155550123", "5511900000000", "491701234567", "441632960961", "12025550123"])
@pytest.mark.parametrize("sentence", ["{}", "wa_id {} unknown", "whatsapp:{}", "sent to {}.", '{{"to":"{}"}}'])
def test_a_number_without_plus_is_cut_too(phone: str, sentence: str) -> None:
    assert phone not in scrubbed(sentence.format(phone))
    assert phone[-4:] in scrubbed(sentence.format(phone))


@pytest.mark.parametrize(
    "value",
    [
        (PHONE_NUMBER,),
        [PHONE_NUMBER],
        {PHONE_NUMBER},
        {"a": {"b": [PHONE_NUMBER]}},
        ValueError(PHONE_NUMBER),
        PHONE_NUMBER.encode(),
    ],
)
def test_nothing_escapes_in_a_list_a_set_an_exception_or_bytes(value: object) -> None:
    assert PHONE_NUMBER not in json.dumps(dict(redact(None, "info", {"event": "x", "given": value})), default=repr)


@pytest.mark.parametrize("value", [None, True, False, 0, 5, 1.5, 200, "active"])
def test_plain_values_stay_what_they_are(value: object) -> None:
    assert redact(None, "info", {"event": "x", "given": value})["given"] is value


@pytest.mark.parametrize("secret", ["s3cr3t", "health-s3cr3t", "healths3cr3t", "a/b+c=s3cr3t", "health/s3cr3t", "%20s3cr3t"])
@pytest.mark.parametrize(
    "text", ["/webhooks/wpp-connect/{}", "/Webhooks/WPP-Connect/{}", "Route not found: POST /webhooks/wpp-connect/{}"]
)
def test_no_part_of_a_webhook_secret_stays_in_a_path(secret: str, text: str) -> None:
    assert "s3cr3t" not in scrubbed(text.format(secret))
    assert "wpp-connect/" in scrubbed(text.format(secret)).lower()


@pytest.mark.parametrize(
    "text", ["/webhooks/wpp-connect/health", "/webhooks/wpp-connect/health/", "GET /webhooks/wpp-connect/health 200"]
)
def test_the_health_of_a_webhook_is_no_secret(text: str) -> None:
    assert scrubbed(text) == text


@pytest.mark.parametrize(
    "text", [f"Bearer  {TOKEN}", f"BEARER {TOKEN}", f"[{TOKEN}]", f"'{TOKEN}'", f"x={TOKEN}&y=1", f"bad token {TOKEN[:60]}"]
)
def test_no_token_stays_however_it_is_quoted(text: str) -> None:
    cleaned = scrubbed(text)
    assert "eyJzdWIi" not in cleaned
    assert "eyJhbGci" not in cleaned


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "access_token",
        "confirmationToken",
        "TAZCO_CURSOR_SECRET",
        "X-Api-Key",
        "set-cookie",
        "apikey",
        "secrets",
        "cursor_secrets",
        "app_secrets",
    ],
)
def test_a_secrets_name_may_be_spelt_in_many_ways(name: str) -> None:
    assert redact(None, "info", {"event": "x", name: "plain"})[name] == "[hidden]"


@pytest.mark.parametrize("name", ["event", "context", "token_use", "bodyless", "path", "method", "card_id"])
def test_a_name_that_only_resembles_a_secrets_shows_its_value(name: str) -> None:
    assert redact(None, "info", {name: "plain"})[name] == "plain"


def test_what_the_program_writes_is_one_json_object_a_line_without_secrets() -> None:
    program = f"""
import logging, structlog
from tazco.platform.logs import configure_logs
configure_logs("info")
log = structlog.get_logger()
log.debug("hidden by level")
log.info("http.request", path="/webhooks/wpp-connect/s3cr3t", authorization="plain-secret", to="{PHONE_NUMBER}")
try:
    raise ValueError("Bearer {TOKEN} of {PHONE_NUMBER}")
except ValueError:
    log.exception("http.unexpected")
logging.getLogger("library").warning("call with Bearer {TOKEN}")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"] for line in lines][:2] == ["http.request", "http.unexpected"]
    assert len(lines) == 3
    assert "ValueError" in lines[1]["exception"]
    for secret in (TOKEN, PHONE_NUMBER, "s3cr3t", "plain-secret"):
        assert secret not in run.stderr
