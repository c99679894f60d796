"""The folder of `tazco dev`: where it keeps data, logs, tokens and the variables that other commands need."""

import os
import secrets
import shlex
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(".tazco")
OURS: Final = ("TAZCO_", "AWS_ENDPOINT_URL")
AMAZONS: Final = "AWS_"
PASSWORD_VARIABLE: Final = "TAZCO_DEMO_PASSWORD"  # noqa: S105 - the name of a variable
"""Points nowhere, unlike the rest of ours."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Every path in the folder."""

    folder: Path

    @property
    def cloud(self) -> Path:
        """The embedded cloud's data."""
        return self.folder / "cloud"

    @property
    def api_log(self) -> Path:
        """What the API has to say."""
        return self.folder / "api.log"

    @property
    def worker_log(self) -> Path:
        """What the worker has to say."""
        return self.folder / "worker.log"

    @property
    def stand_in_log(self) -> Path:
        """What the stand-in for WhatsApp has to say."""
        return self.folder / "stand-in.log"

    @property
    def variables(self) -> Path:
        """The environment of every process of ours while `tazco dev` runs."""
        return self.folder / "dev.env"

    @property
    def tokens(self) -> Path:
        """Tokens of the demo people."""
        return self.folder / "tokens.env"

    def cursor_secret(self) -> str:
        """The secret that signs cursors here; made once, so that cursors survive a restart."""
        path = self.folder / "cursor-secret"
        if not path.exists():
            self.write(path, secrets.token_urlsafe(48))
        return path.read_text().strip()

    def write(self, path: Path, text: str) -> None:
        """Write a file that only its owner reads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)

    def write_variables(self, path: Path, variables: Mapping[str, str]) -> None:
        """Write variables as a shell reads them."""
        self.write(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()))


def without_account(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what points to an AWS account: profile, keys, endpoints of single services."""
    return {name: value for name, value in environment.items() if not name.startswith(AMAZONS)}


def points_somewhere(environment: Mapping[str, str]) -> bool:
    """Somebody has chosen a cloud or a deployment by variables."""
    return any(name.startswith(OURS) and name != PASSWORD_VARIABLE for name in environment)


def read_variables(path: Path) -> dict[str, str]:
    """What `write_variables` wrote."""
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def adopt(variables: Mapping[str, str], environment: MutableMapping[str, str]) -> None:
    """Take over what a running `tazco dev` wrote.

    A profile or keys of an account stay behind: they must neither be sent to an emulator nor decide where a call goes.
    """
    for name in environment.keys() - without_account(environment).keys():
        del environment[name]
    environment.update(variables)
