"""What counts as an instruction, §6.6."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.approvals.model import Instruction, instruction_kept
from tazco.approvals.rules import NO, TEXT_CHARACTERS_MAX, YES, instruction_in
from tazco.platform.phones import without_phones

CODE = "7K3M9QXD"
UUID = "01f5e0a0-1111-7abc-8def-0123456789ab"


def by_code(about: str, *, approves: bool) -> Instruction:
    """An instruction with a code."""
    return Instruction(approves=approves, about=about)


@pytest.mark.parametrize("word", ["y", "yes", "s", "sim", "aprovar", "Y", "YES", "Sim", "aPROVAR"])
def test_every_word_for_yes_approves(word: str) -> None:
    assert instruction_in(f"{word} {CODE}") == by_code(CODE, approves=True)


@pytest.mark.parametrize("word", ["n", "no", "nao", "não", "rejeitar", "N", "NÃO", "NA\u0303O", "Rejeitar"])
def test_every_word_for_no_rejects(word: str) -> None:
    assert instruction_in(f"{word} {CODE}") == by_code(CODE, approves=False)


@pytest.mark.parametrize(
    "text",
    [
        "y 7k3m9qxd",
        "y #7K3M9QXD",
        "y #7k3m9qxd",
        "  y   7K3M9QXD  ",
        "y\n7K3M9QXD\n",
        "y\t\u00a07K3M9QXD",
        "approve:7K3M9QXD",
        "approve:7k3m9qxd",
    ],
)
def test_white_space_case_and_the_hash_do_not_count(text: str) -> None:
    assert instruction_in(text) == by_code(CODE, approves=True)


@pytest.mark.parametrize(("typed", "meant"), [("oil00000", "01100000"), ("#ILO2ILO2", "11021102"), ("O0O0O0O0", "00000000")])
def test_letters_that_no_code_has_are_read_as_the_digits_they_look_like(typed: str, meant: str) -> None:
    assert instruction_in(f"n {typed}") == by_code(meant, approves=False)


def test_a_whole_request_id_will_do_and_keeps_its_case() -> None:
    assert instruction_in(f"y {UUID}") == Instruction(approves=True, about=UUID)
    assert instruction_in("n #Request-7") == Instruction(approves=False, about="Request-7")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        "y",
        CODE,
        f"y{CODE}",
        f"y {CODE} please",
        f"please y {CODE}",
        f"ok {CODE}",
        f"yess {CODE}",
        f"y: {CODE}",
        f"y # {CODE}",
        f"y ##{CODE}",
        "y não",
        f"y {CODE[:-1]}\u00e9",
        "y \u0667\u0668",
        "y 1\ufffd",
        f"approve: {CODE}",
        f"approve:{CODE}:x",
        "approve:",
        ":",
        f"APPROVED:{CODE}",
        "approve:" + "7" * TEXT_CHARACTERS_MAX,
        f"approve:{UUID}",
        f"reject {CODE}",
        "y " + "7" * TEXT_CHARACTERS_MAX,
    ],
)
def test_anything_else_is_no_instruction(text: str | None) -> None:
    assert instruction_in(text) is None


def test_white_space_does_not_count_not_even_as_length() -> None:
    assert instruction_in(f" \n y \t {CODE}" + " " * TEXT_CHARACTERS_MAX) == by_code(CODE, approves=True)


@pytest.mark.parametrize(
    ("text", "talk"), [("yes please", True), ("no problem", True), ("y request-7", False), (f"y {CODE}", False)]
)
def test_any_word_may_be_an_id_but_some_sound_like_conversation(text: str, *, talk: bool) -> None:
    found = instruction_in(text)
    assert found is not None
    assert found.talk is talk


def test_a_button_says_approve_or_reject() -> None:
    assert instruction_in(f"reject:{CODE}") == by_code(CODE, approves=False)


@given(st.text(max_size=400) | st.from_regex(r"\A(y|n) [!-~]{1,40}\Z"))
def test_no_text_breaks_the_reading(text: str) -> None:
    found = instruction_in(text)
    assert found is None or instruction_kept(found.text) == found


@given(st.sampled_from(sorted(YES | NO)), st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=8, max_size=8))
def test_what_is_kept_of_an_instruction_is_the_instruction(verb: str, code: str) -> None:
    found = instruction_in(f"{verb} {code}")
    assert found == by_code(code, approves=verb in YES)
    assert instruction_kept(found.text) == found


@pytest.mark.parametrize("filler", [" ", "y", "y ", "#", "approve:", "\u0303", "1"])
def test_a_text_of_megabytes_costs_nothing(filler: str) -> None:
    text = "y " + filler * 1_000_000
    began = time.process_time()
    assert instruction_in(text) is None
    assert time.process_time() - began < 0.05


@pytest.mark.parametrize(
    ("message_id", "shown"),
    [
        ("wamid.HBgNNTUxMTkwMDAwMDAwMBUCABIYFjNFQjA=", "wamid.HBgNNTUxMTkwMDAwMDAwMBUCABIYFjNFQjA="),
        ("false_5511900000000@c.us_3EB0123456789ABCDEF0", "false_****0000@c.us_3EB0123456789ABCDEF0"),
        ("true_120363040@g.us_3EB0_5511900000000@c.us", "true_****3040@g.us_3EB0_****0000@c.us"),
        ("9" * 512, "9" * 512),
    ],
)
def test_an_id_that_holds_a_number_is_shown_without_it(message_id: str, shown: str) -> None:
    assert without_phones(message_id) == shown
