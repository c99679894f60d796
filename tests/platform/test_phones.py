"""Phone numbers as the contract wants them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.phones import normalise_phone


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("+55 (11) 91234-5678", "5511912345678"),
        ("551182345678", "5511982345678"),
        ("551132345678", "551132345678"),
        ("552082345678", "552082345678"),
        ("11912345678", "11912345678"),
        ("2025550123", "2025550123"),
        ("1234567", None),
        ("1" * 16, None),
        ("", None),
    ],
)
def test_the_ninth_digit_is_added_and_a_country_code_never(text: str, normal: str | None) -> None:
    assert normalise_phone(text) == normal


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise_phone(text)
    assert once is None or normalise_phone(once) == once
