"""How an answer is read (`docs/rules.md`, "Approval by WhatsApp"): a word for yes or no, and which request it is about."""

import unicodedata
from typing import Final

from tazco.approvals.model import APPROVE, REJECT, Instruction
from tazco.trackers.model import code_as_typed

TEXT_CHARACTERS_MAX: Final = 256
WORDS_MAX: Final = 2
YES: Final = frozenset({"y", "yes", "s", "sim", "aprovar"})
NO: Final = frozenset({"n", "no", "nao", "não", "rejeitar"})


def instruction_in(text: str | None) -> Instruction | None:
    """The instruction in a typed text (`y 7K3M9QXD`) or in what a button sends (`approve:7K3M9QXD`); None if it is none.

    White space and case do not count. Texts of more than `TEXT_CHARACTERS_MAX` characters without it are no instructions.
    """
    words = unicodedata.normalize("NFC", text or "").split(maxsplit=WORDS_MAX)
    if not words or len(words) > WORDS_MAX or sum(map(len, words)) > TEXT_CHARACTERS_MAX:
        return None
    return _tapped(words[0]) if len(words) == 1 else _typed(*words)


def _tapped(word: str) -> Instruction | None:
    verb, _, code = word.partition(":")
    verb, about = verb.lower(), code_as_typed(code)
    return Instruction(approves=verb == APPROVE, about=about) if about and verb in (APPROVE, REJECT) else None


def _typed(verb: str, word: str) -> Instruction | None:
    verb, about = verb.lower(), word.strip().removeprefix("#")
    if verb not in YES | NO or not about or not about.isascii() or not about.isprintable() or "#" in about:
        return None
    return Instruction(approves=verb in YES, about=code_as_typed(about) or about)
