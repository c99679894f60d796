"""A server of somebody else's as a child process: it lives until we close its standard input, or are gone."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

START_SECONDS_MAX: Final = 90
STOP_SECONDS_MAX: Final = 20
POLL_SECONDS: Final = 0.1
LOG_TAIL_CHARACTERS: Final = 2000


class NotStarted(Exception):
    """A cloud did not come up; the message has the end of its log."""


@asynccontextmanager
async def server(
    name: str,
    command: Callable[[Path], tuple[str, ...]],
    environment: Callable[[Path], Mapping[str, str]],
    ready: Callable[[httpx.AsyncClient], Awaitable[bool]],
) -> AsyncIterator[None]:
    """Run a server for as long as the block runs; both callables are told its own empty folder, which vanishes with it."""
    folder = Path(tempfile.mkdtemp(prefix=f"tazco-{name}-"))
    try:
        with (folder / "log").open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                *command(folder),
                env={**{key: os.environ[key] for key in ("PATH", "JAVA_HOME") if key in os.environ}, **environment(folder)},
                cwd=folder,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal ends the tests first
            )
        try:
            await _wait_until(ready, name, child, folder / "log")
            yield
        finally:
            await _end(child)
    finally:
        shutil.rmtree(folder)


async def _wait_until(
    ready: Callable[[httpx.AsyncClient], Awaitable[bool]], name: str, child: asyncio.subprocess.Process, log: Path
) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS_MAX), httpx.AsyncClient(trust_env=False) as http:
            while child.returncode is None:
                with contextlib.suppress(httpx.TransportError):  # nobody listens yet
                    if await ready(http):
                        return
                await asyncio.sleep(POLL_SECONDS)
    raise NotStarted(_last_words(name, child.returncode, log))


def _last_words(name: str, code: int | None, log: Path) -> str:
    ended = f"was not ready within {START_SECONDS_MAX} s" if code is None else f"ended with exit code {code}"
    return f"{name} {ended}. Its last words:\n{log.read_text(errors='replace')[-LOG_TAIL_CHARACTERS:]}"


async def _end(child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), STOP_SECONDS_MAX)
    except TimeoutError:
        child.kill()
        await child.wait()
