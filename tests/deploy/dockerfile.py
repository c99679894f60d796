"""deploy/Dockerfile and deploy/compose.yaml as data: stages, instructions, services with their variables filled in."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continued lines joined."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What an exec form says, or the words of a shell's line."""
        return list(json.loads(self.rest)) if self.rest.startswith("[") else shlex.split(self.rest)

    @property
    def options(self) -> dict[str, str]:
        """`--name=value` in front."""
        return dict(re.findall(r"--([a-z-]+)=(\S+)", self.rest))

    @property
    def operands(self) -> list[str]:
        """The words behind the options."""
        return [word for word in self.words if not word.startswith("--")]


@dataclass(slots=True)
class Stage:
    """`FROM base AS name`, and what follows."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, word: str) -> Instruction:
        """The instruction that counts of those that replace each other."""
        return [each for each in self.instructions if each.word == word][-1]

    def environment(self, before: Mapping[str, str]) -> dict[str, str]:
        """What ENV sets, on top of what was set."""
        found = dict(before)
        for each in self.instructions:
            if each.word == "ENV":
                for name, value in (word.split("=", 1) for word in shlex.split(each.rest)):
                    found[name] = value.replace("$PATH", found.get("PATH", ""))
        return found


def stages() -> dict[str, Stage]:
    """The stages of the Dockerfile by name, in their order."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        word, rest = line.split(maxsplit=1)
        if word == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            base, _, name = rest.split()
            found[name] = Stage(name, filled_in(base, arguments))
        if word != "FROM" and found:
            list(found.values())[-1].instructions.append(Instruction(word, rest))
    return found


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME}` and `${NAME:-default}` replaced."""
    return VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", text)


def services(variables: Mapping[str, str], profiles: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """The services of compose.yaml that run with these profiles."""
    whole = yaml.safe_load(filled_in((DEPLOY / "compose.yaml").read_text(), variables))
    return {
        name: service
        for name, service in whole["services"].items()
        if not service.get("profiles") or set(service["profiles"]) & set(profiles)
    }


def env_file(name: str) -> dict[str, str]:
    """A file for `--env-file`."""
    lines = (line for line in (DEPLOY / name).read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)
