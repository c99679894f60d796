"""Phone numbers as the messaging providers spell them."""

import re
from typing import Final

WITHIN: Final = re.compile(r"(?<![0-9A-Za-z])[0-9]{4,11}([0-9]{4})(?![0-9A-Za-z])")
"""8 to 15 digits on their own, whatever else stands around them."""

DIGITS_MIN: Final = 8
DIGITS_MAX: Final = 15
BRAZILIAN_AREA_CODES: Final = frozenset(
    code
    for low, high in (
        (11, 19), (21, 22), (24, 24), (27, 28), (31, 35), (37, 38), (41, 49), (51, 51), (53, 55),
        (61, 69), (71, 71), (73, 75), (77, 77), (79, 79), (81, 89), (91, 99),
    )
    for code in range(low, high + 1)
)  # fmt: skip


def normalise_phone(text: str) -> str | None:
    """Digits with country code, or None if there are not 8 to 15 of them.

    A Brazilian mobile number written the old way (55, area code, eight digits from 6 to 9) gets its ninth digit. A country
    code is never added: a foreign number of ten or eleven digits must not turn Brazilian.
    """
    digits = re.sub(r"[^0-9]", "", text)
    if not DIGITS_MIN <= len(digits) <= DIGITS_MAX:
        return None
    if re.fullmatch(r"55\d{2}[6-9]\d{7}", digits) and int(digits[2:4]) in BRAZILIAN_AREA_CODES:
        return f"{digits[:4]}9{digits[4:]}"
    return digits


def without_phones(message_id: str) -> str:
    """A message id as events, the audit and logs may have it: WPPConnect writes the sender's number into its ids, before an `@`."""
    return WITHIN.sub(r"****\1", message_id)
