"""`tazco config show`: every setting and every policy value, with where it comes from; secrets masked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import SecretStr

from tazco.platform.policy import TUNABLES
from tazco.platform.settings import DOTENV, PREFIX, Settings

MASK: Final = "••••"
NONE: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value and its origin."""

    name: str
    value: str
    origin: str


def settings_entries(settings: Settings, *, adopted_from: str | None) -> list[Entry]:
    """Every setting; `adopted_from` names the file whose variables were taken over into the environment."""
    in_file = {name.upper() for name in dotenv_values(DOTENV)} if DOTENV.exists() else set()

    def origin(variable: str) -> str:
        if variable in os.environ:
            return adopted_from or "environment"
        return str(DOTENV) if variable in in_file else "default"

    return [
        Entry(name=PREFIX + name.upper(), value=_shown(getattr(settings, name)), origin=origin(PREFIX + name.upper()))
        for name in type(settings).model_fields
    ]


def policy_entries(parameters: Mapping[str, str]) -> list[Entry]:
    """Every policy parameter: as SSM has it, or its default."""
    return [
        Entry(
            name=name,
            value=parameters.get(name, field.metadata["default"] or NONE),
            origin="SSM" if name in parameters else "default",
        )
        for name, field in TUNABLES.items()
    ]


def _shown(value: Any) -> str:
    if value is None or value == ():
        return NONE
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ", ".join(_shown(each) for each in value)
    return str(value)
