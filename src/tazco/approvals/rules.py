"""How an answer is read (`docs/rules.md`, "Approval by WhatsApp"): a word for yes or no, and which request it is about."""

import unicodedata
from typing import Final

from tazco.approvals.model import APPROVE, REJECT, Instruction
from tazco.trackers.model import code_as_typed

TEXT_CHARACTERS_MAX: Final = 256
YES: Final = frozenset({"y", "yes", "s", "sim", "aprovar"})
NO: Final = frozenset({"n", "no", "nao", "não", "rejeitar"})


def instruction_in(text: str | None) -> Instruction | None:
    """The instruction in a typed text (`y 7K3M9QXD`) or in what a button sends (`approve:7K3M9QXD`); None if it is none.

    White space and case do not count. Texts of more than `TEXT_CHARACTERS_MAX` characters are no instructions.
    """
    if text is None or len(text) > TEXT_CHARACTERS_MAX:
        return None
    words = unicodedata.normalize("NFC", text).split()
    if len(words) == 1:
        return _tapped(words[0])
    return _typed(*words) if len(words) == 2 else None  # noqa: PLR2004  # yes or no, and about what


def _tapped(word: str) -> Instruction | None:
    verb, _, code = word.partition(":")
    if verb not in (APPROVE, REJECT):
        return None
    about = code_as_typed(code)
    return Instruction(approves=verb == APPROVE, about=about, by_code=True) if about else None


def _typed(verb: str, word: str) -> Instruction | None:
    verb = verb.lower()
    if verb not in YES | NO:
        return None
    code = code_as_typed(word)
    if code is not None:
        return Instruction(approves=verb in YES, about=code, by_code=True)
    word = word.removeprefix("#")
    return Instruction(approves=verb in YES, about=word, by_code=False) if _could_be_an_id(word) else None


def _could_be_an_id(word: str) -> bool:
    """An id, or a code with a slip of the finger, has a digit in it; `no problem` and `yes please` are talk."""
    return word.isascii() and word.isprintable() and "#" not in word and any(character.isdigit() for character in word)
