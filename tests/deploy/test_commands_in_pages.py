"""A command that a page for operators tells them to type exists, with the options that it is given."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tazco.cli import cli
from tests.deploy.dockerfile import REPOSITORY

PAGES = [REPOSITORY / "docs/operations.md", *sorted((REPOSITORY / "docs/operations").glob("*.md"))]
TYPED = re.compile(r"(?:^|`|[A-Z]=\S+ |(?:exec|tazco) api )tazco ([a-z][^`\n|#]*)", re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    return [found.split() for found in TYPED.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_page_is_one_of_ours(page: Path) -> None:
    for words in commands(page.read_text()):
        command: Any = typer.main.get_command(cli)
        for word in words:
            command = getattr(command, "commands", {}).get(word, command)
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert not hasattr(command, "commands") or command.invoke_without_command, words
        assert {word for word in words if word.startswith("--")} <= options, words


def test_the_pages_are_read_for_commands_at_all() -> None:
    assert sum(len(commands(page.read_text())) for page in PAGES) > 20
