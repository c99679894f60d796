"""Real processes of ours over a stage: started, killed, started again."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

START_SECONDS_MAX = 20
POLL_SECONDS = 0.05


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_port() -> int:
    """A port that nobody listens on."""
    return free_ports(1)[0]


@dataclass(slots=True)
class Process:
    """`tazco <command>` as a child."""

    command: str
    environment: Mapping[str, str]
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="tazco-", suffix=".log")[1]))
    _child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; `ApiProcess` also waits until it is ready."""
        variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tazco", self.command),
                env={**variables, **self.environment},
                stdout=log,
                stderr=log,
            )

    @property
    def ended(self) -> bool:
        """It does not run."""
        return self._child is None or self._child.returncode is not None

    async def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self._child is not None
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGKILL)
        await self._child.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self._child is not None
        if self._child.returncode is None:
            self._child.terminate()
        return await self._child.wait()


@dataclass(slots=True)
class ApiProcess(Process):
    """`tazco serve` as a child, always on the same port, so that clients find it again after a restart."""

    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start and wait until it is ready."""
        self.environment = {**self.environment, "TAZCO_PORT": str(self.port)}
        await Process.start(self)
        assert self._child is not None
        async with asyncio.timeout(START_SECONDS_MAX), httpx.AsyncClient() as http:
            while not await self._ready(http):
                assert self._child.returncode is None, self.log.read_text()[-2000:]
                await asyncio.sleep(POLL_SECONDS)

    async def _ready(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/health/readiness")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@asynccontextmanager
async def api_process(environment: Mapping[str, str]) -> AsyncIterator[ApiProcess]:
    """An API process for as long as the block runs."""
    process = ApiProcess("serve", environment)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
        process.log.unlink(missing_ok=True)


@asynccontextmanager
async def program(command: str, environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """`tazco <command>` for as long as the block runs; it must end by itself when it is asked to."""
    process = Process(command, environment)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
        process.log.unlink(missing_ok=True)
