"""Cursors and page sizes, without a server."""

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
