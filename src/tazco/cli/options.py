"""What several commands share: their options, and where they find the cloud that they work on."""

import os
from typing import Annotated

import typer

from tazco.local.endpoints import listens
from tazco.local.terminal import err
from tazco.local.workspace import FOLDER, Workspace, adopt, points_somewhere, read_variables

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
WithParent = Annotated[bool, typer.Option("--with-parent", hidden=True)]
"""End as soon as whoever started the process is gone."""


def adopted() -> str | None:
    """Find a running `tazco dev`, unless the environment already points somewhere; say so, and give the file that told of it."""
    file = Workspace(FOLDER).variables
    if points_somewhere(os.environ) or not file.exists():
        return None
    variables = read_variables(file)
    if not listens(variables["AWS_ENDPOINT_URL"]):
        err.print(f"[yellow]![/] {file} is left from a `tazco dev` that was killed; nothing answers there", soft_wrap=True)
        return None
    adopt(variables, os.environ)
    err.print(f"[dim]using the running `tazco dev` ({file})[/]", soft_wrap=True)
    return str(file)
