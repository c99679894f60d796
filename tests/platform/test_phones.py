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


VALID_AREAS = {
    *range(11, 20),
    21,
    22,
    24,
    27,
    28,
    *range(31, 36),
    37,
    38,
    *range(41, 50),
    51,
    *range(53, 56),
    *range(61, 70),
    71,
    *range(73, 76),
    77,
    79,
    *range(81, 90),
    *range(91, 100),
}


@pytest.mark.parametrize("area", range(100))
def test_only_valid_area_codes_get_a_ninth_digit(area: int) -> None:
    old = f"55{area:02}81234567"
    assert normalise_phone(old) == (f"55{area:02}981234567" if area in VALID_AREAS else old)


@pytest.mark.parametrize("first", range(10))
def test_only_numbers_from_6_to_9_are_mobile(first: int) -> None:
    old = f"5511{first}1234567"
    assert normalise_phone(old) == (f"55119{first}1234567" if first >= 6 else old)


@pytest.mark.parametrize(
    "phone", ["5511912345678", "4155550123", "14155550123", "11987654321", "1187654321", "54118234567", "555181234567890"]
)
def test_everything_else_stays_as_it_is(phone: str) -> None:
    assert normalise_phone(phone) == phone


@pytest.mark.parametrize(
    "text", ["+55 11 90000-0000", "(55)11900000000", "55.11.90000.0000", "\u202a+5511900000000\u202c", "tel:5511900000000"]
)
def test_everything_but_digits_is_dropped(text: str) -> None:
    assert normalise_phone(text) == "5511900000000"


@pytest.mark.parametrize(("digits", "fits"), [(7, False), (8, True), (15, True), (16, False)])
def test_8_to_15_digits_are_a_phone_number(digits: int, fits: bool) -> None:  # noqa: FBT001  # a parameter
    assert (normalise_phone("1" * digits) is not None) is fits


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert normalise_phone("\u0665" * 11) is None
