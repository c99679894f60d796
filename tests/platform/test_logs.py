"""Logs keep secrets and phone numbers to themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.logs import redact, scrubbed

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI1ZjFjIn0.c2lnbmF0dXJl"


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
