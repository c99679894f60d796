"""Child processes of `tazco dev`: started with their own log, watched, ended in time."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tazco.local.workspace import without_account
from tazco.platform.wire import Address, Pool, WireFailure, request_bytes

READY_SECONDS_MAX: Final = 20.0
STOP_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.05
CHECK_SECONDS: Final = 3.0
LOG_TAIL_LINES: Final = 8
LOG_BYTES_MAX: Final = 5_000_000
HTTP_OK: Final = 200


class ChildDied(Exception):
    """A child ended by itself; the message has the end of its log and the cure."""


@dataclass(slots=True)
class Child:
    """`tazco <arguments>` as a child, with our environment but for AWS, which is `environment` alone.

    It reads its standard input to know that we are still there.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; its log goes on where it was, or anew when it has grown too long."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX
        with self.log.open("wb" if fresh else "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tazco",
                *self.arguments,
                env={**without_account(os.environ), **self.environment},
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def until_ready(self, url: str, path: str = "/health/readiness") -> None:
        """Wait until `path` below `url` answers 200; raise `ChildDied` if the child ends, or if it takes too long."""
        pool = Pool(Address.of(url))
        request = request_bytes("GET", path, {"host": pool.address.authority})
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                while not await _answers(pool, request):
                    if self.ended:
                        raise self.death()
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise ChildDied(f"The {self.name} was not ready after {READY_SECONDS_MAX:g} s.\n{self._tail()}") from None
        finally:
            pool.close()

    @property
    def ended(self) -> bool:
        """It does not run any more."""
        return self._process is None or self._process.returncode is not None

    async def wait(self) -> None:
        """Until it ends."""
        assert self._process is not None, "start() comes first"
        await self._process.wait()

    def death(self) -> ChildDied:
        """What to say of its end."""
        code = self._process.returncode if self._process else None
        return ChildDied(
            f"The {self.name} ended by itself (exit code {code}). The last lines of {self.log}:\n{self._tail()}\n"
            "Run `tazco dev` again; the data are kept."
        )

    async def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        if self._process is None or self.ended:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and not self.ended:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if self.log.exists() else []
        return "\n".join(f"  {line}" for line in lines) or "  (empty)"


async def _answers(pool: Pool, request: bytes) -> bool:
    try:
        return (await pool.exchange(request, timeout_seconds=CHECK_SECONDS)).status == HTTP_OK
    except WireFailure:
        return False


def free_port(host: str, preferred: int) -> int:
    """The preferred port, or any free one if somebody else has it."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ChildDied(f"No port is free on {host}.")
