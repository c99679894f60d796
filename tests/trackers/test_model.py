"""Codes and the life of a tracker, §6.2."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.trackers.model import ALPHABET, CODE_BYTES, CODE_CHARACTERS, Tracker, TrackerStatus, code_as_typed, code_from

NOW = datetime(2031, 4, 5, tzinfo=UTC)


def tracker() -> Tracker:
    """One that waits for a day."""
    return Tracker(
        request_id=CardRequestId("r"),
        ecosystem_id=EcosystemId("e"),
        code="7K3M9QXD",
        status=TrackerStatus.PENDING,
        created_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_a_code_has_eight_characters_that_can_be_read_aloud_and_typed_again(random: bytes) -> None:
    code = code_from(random)
    assert (len(code), set(code) <= set(ALPHABET)) == (CODE_CHARACTERS, True)
    assert not set(code) & set("ILOU")
    assert code_as_typed(code) == code_as_typed(f"#{code.lower()}") == code


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES), st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_different_bytes_make_different_codes(one: bytes, other: bytes) -> None:
    assert (code_from(one) == code_from(other)) == (one == other)


def test_every_character_occurs_in_every_place() -> None:
    codes = [code_from(secrets.token_bytes(CODE_BYTES)) for _ in range(4_000)]
    for place in range(CODE_CHARACTERS):
        assert {code[place] for code in codes} == set(ALPHABET)


@pytest.mark.parametrize(
    ("bits", "code"), [(b"\x00" * 5, "00000000"), (b"\xff" * 5, "ZZZZZZZZ"), (b"\x00\x00\x00\x00\x01", "00000001")]
)
def test_the_bits_are_read_from_the_left(bits: bytes, code: str) -> None:
    assert code_from(bits) == code


@pytest.mark.parametrize(
    "text", ["", "#", "7K3M9QX", "7K3M9QXDD", "##7K3M9QX", "7K3M9QXU", "7K3M 9QXD", "7K3M-9QX", "7K3M9QX\u0661", "ßßßß\u0130"]
)
def test_what_cannot_be_a_code_is_none(text: str) -> None:
    assert code_as_typed(text) is None


def test_letters_that_look_like_digits_are_those_digits() -> None:
    assert code_as_typed("ilo0iLo0") == "11001100"


def test_a_tracker_is_open_until_it_is_closed_and_overdue_at_its_very_instant() -> None:
    waiting = tracker()
    assert waiting.open
    assert not waiting.overdue(NOW + timedelta(days=1) - timedelta(milliseconds=1))
    assert waiting.overdue(NOW + timedelta(days=1))
    closed = waiting.closed(TrackerStatus.APPROVED, "whatsapp:0000", NOW)
    assert (closed.open, closed.status, closed.responded_by, closed.responded_at) == (False, "approved", "whatsapp:0000", NOW)
