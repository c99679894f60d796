"""What fits: texts into WhatsApp, ids of a provider into our tables."""

from collections.abc import Mapping
from typing import Any, Final

TEXT_CHARACTERS_MAX: Final = 4096
QUESTION_CHARACTERS_MAX: Final = 1024
TITLE_CHARACTERS_MAX: Final = 20
ID_CHARACTERS_MAX: Final = 512


def cut(text: str, characters_max: int) -> str:
    """The text, with an ellipsis for what is too much of it."""
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


def usable_id(value: Any) -> str | None:
    """The id, if it is a text that can be stored and keyed by: 1 to 512 printable characters."""
    return value if isinstance(value, str) and 0 < len(value) <= ID_CHARACTERS_MAX and value.isprintable() else None


def serialized_id(value: Any) -> str | None:
    """WPPConnect's two forms of an id, a text or an object that holds it under `_serialized`; None where it is not usable."""
    return usable_id(value.get("_serialized") if isinstance(value, Mapping) else value)
