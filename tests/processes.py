"""Real API processes over a stage: started, killed, started again."""

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
class ApiProcess:
    """`tazco serve` as a child, always on the same port, so that clients find it again after a restart."""

    environment: Mapping[str, str]
    port: int = field(default_factory=free_port)
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="tazco-api-", suffix=".log")[1]))
    _child: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start and wait until it is ready."""
        variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tazco",
                "serve",
                env={**variables, **self.environment, "TAZCO_PORT": str(self.port)},
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(START_SECONDS_MAX), httpx.AsyncClient() as http:
            while not await self._ready(http):
                assert self._child.returncode is None, self.log.read_text()[-2000:]
                await asyncio.sleep(POLL_SECONDS)

    async def _ready(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/health/readiness")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self._child is not None
        self._child.send_signal(signal.SIGKILL)
        await self._child.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self._child is not None
        if self._child.returncode is None:
            self._child.terminate()
        return await self._child.wait()


@asynccontextmanager
async def api_process(environment: Mapping[str, str]) -> AsyncIterator[ApiProcess]:
    """An API process for as long as the block runs."""
    process = ApiProcess(environment)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
        process.log.unlink(missing_ok=True)
