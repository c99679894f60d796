"""Cursors and page sizes, without a server."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.errors import Invalid
from tazco.platform.paging import Cursors, page_size

OLD, NEW = b"old-secret-" * 4, b"new-secret-" * 4
CURSORS = Cursors((NEW,))
BINDING = ("transactions", "ada", "card-1", None)
positions = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=3).map(tuple)


@given(positions)
def test_a_cursor_brings_back_its_position(position: tuple[str, ...]) -> None:
    assert CURSORS.read(BINDING, CURSORS.write(BINDING, position)) == position


@given(positions, st.data())
def test_no_changed_character_passes(position: tuple[str, ...], data: st.DataObject) -> None:
    cursor = CURSORS.write(BINDING, position)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCxyz019_-.").filter(lambda character: character != cursor[place]))
    with pytest.raises(Invalid):
        CURSORS.read(BINDING, cursor[:place] + other + cursor[place + 1 :])


@given(st.text(min_size=1))
def test_no_invented_text_passes_or_raises_anything_else(text: str) -> None:
    with pytest.raises(Invalid):
        CURSORS.read(BINDING, text)


@pytest.mark.parametrize(
    "other", [("transactions", "ben", "card-1", None), ("transactions", "ada", "card-2", None), ("transactions", "ada")]
)
def test_a_cursor_of_another_binding_is_refused(other: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        CURSORS.read(other, CURSORS.write(BINDING, ("t",)))


def test_the_first_secret_signs_and_all_verify_so_that_secrets_can_be_rotated() -> None:
    before, during, after = Cursors((OLD,)), Cursors((NEW, OLD)), Cursors((NEW,))
    assert during.read(BINDING, before.write(BINDING, ("t",))) == ("t",)
    assert after.read(BINDING, during.write(BINDING, ("t",))) == ("t",)
    with pytest.raises(Invalid):
        after.read(BINDING, before.write(BINDING, ("t",)))


@pytest.mark.parametrize("absent", [None, ""])
def test_an_absent_cursor_is_the_first_page(absent: str | None) -> None:
    assert CURSORS.read(BINDING, absent) is None


@given(st.text())
def test_any_text_gives_a_page_of_1_to_100(text: str) -> None:
    assert 1 <= page_size(text) <= 100


@given(positions, st.data())
def test_no_flipped_bit_passes(position: tuple[str, ...], data: st.DataObject) -> None:
    cursor = CURSORS.write(BINDING, position)
    raw = bytearray(base64.urlsafe_b64decode(cursor[3:] + "=" * (-len(cursor[3:]) % 4)))
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(Invalid):
        CURSORS.read(BINDING, "v1." + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


@given(positions, st.data())
def test_no_part_of_a_cursor_passes_and_none_with_an_addition(position: tuple[str, ...], data: st.DataObject) -> None:
    cursor = CURSORS.write(BINDING, position)
    end = data.draw(st.integers(1, len(cursor) - 1))
    for bent in (cursor[:end], cursor[end:], cursor + data.draw(st.text(min_size=1, max_size=3)), " " + cursor, cursor.upper()):
        if bent != cursor:
            with pytest.raises(Invalid):
                CURSORS.read(BINDING, bent)


bindings = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=5).map(tuple)


@given(bindings, bindings)
def test_no_two_bindings_share_a_cursor(one: tuple[str | None, ...], two: tuple[str | None, ...]) -> None:
    cursor = CURSORS.write(one, ("t",))
    assert CURSORS.read(one, cursor) == ("t",)
    if one != two:
        with pytest.raises(Invalid):
            CURSORS.read(two, cursor)


def test_parts_of_a_binding_do_not_run_into_each_other_or_into_the_position() -> None:
    for one, two in ((("a", "b"), ("ab",)), (("a,b",), ("a", "b")), (("a", None), ("a", "")), (("a", None), ("a", "null"))):
        with pytest.raises(Invalid):
            CURSORS.read(two, CURSORS.write(one, ("t",)))


def test_a_cursor_keeps_to_characters_that_a_url_carries_unescaped() -> None:
    cursor = CURSORS.write(BINDING, ("2031-04-05T06:07:08.090Z", "é\U0001f600#/?&"))
    assert re.fullmatch(r"v1\.[A-Za-z0-9_-]+", cursor)


def test_the_longest_position_that_ids_allow_still_makes_a_readable_cursor() -> None:
    position = ("2031-04-05T06:07:08.090Z", "%" * 512, "\U0001f600" * 128)
    assert CURSORS.read(BINDING, CURSORS.write(BINDING, position)) == position


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, 20),
        ("", 20),
        ("0", 20),
        ("00", 20),
        ("-0", 20),
        ("x", 20),
        ("1", 1),
        ("100", 100),
        ("101", 100),
        ("2.9", 2),
        ("12x", 12),
        ("-1", 1),
        ("-99", 1),
        ("+5", 5),
        (" 7", 7),
        ("1e9", 1),
        ("0" * 9_000 + "5", 5),
        ("9" * 9_000, 100),
        ("-" + "9" * 9_000, 1),
        ("\u0665", 20),
        ("- 5", 20),
    ],
)
def test_a_page_has_as_many_rows_as_the_leading_integer_says(text: str | None, size: int) -> None:
    assert page_size(text) == size
