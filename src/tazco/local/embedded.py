"""The embedded cloud seen from the parent: start it, know where it is, stop it."""

import asyncio
import importlib.metadata
import os
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final

from tazco.local.data_directory import SAVE_INTERVAL_MIN_SECONDS, STATE_UNREADABLE, CannotStart, DataDirectory, DataInUse
from tazco.platform.wire import Address, Pool, WireFailure, request_bytes

HOST: Final = "127.0.0.1"
SERVICES: Final = ("dynamodb", "cognito-idp", "events", "sqs", "ssm", "sts")
PORT_PREFERRED: Final = 4566
REGION: Final = "us-east-1"
START_SECONDS_MAX: Final = 15.0
STOP_SECONDS_MAX: Final = 60.0
LOCK_SECONDS_MAX: Final = 10.0
POLL_SECONDS: Final = 0.05
HEALTH_SECONDS: Final = 2.0
LOG_BYTES_MAX: Final = 1_000_000
LOG_TAIL_LINES: Final = 15
HEALTH_PATH: Final = "/_ministack/health"
INHERITED: Final = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")
"""What the child sees of our environment: nothing that could change what it serves."""


class PortTaken(CannotStart):
    """The one port that was asked for belongs to somebody else."""


class StoppedBadly(Exception):
    """The child did not end cleanly; the last snapshot counts."""


@dataclass(slots=True)
class EmbeddedCloud:
    """MiniStack as a child process: DynamoDB, Cognito, EventBridge, SQS and SSM on the loopback interface.

    `data_dir` None: nothing is kept. `port` None: 4566, or a free one if that is taken; 0: a free one; otherwise exactly that one.
    `save_seconds` is what a `kill -9` may cost, and a little more. `more_services` are served beside those that the program needs.
    """

    data_dir: Path | None
    port: int | None = None
    save_seconds: float = SAVE_INTERVAL_MIN_SECONDS
    more_services: tuple[str, ...] = ()
    _data: DataDirectory | None = None
    _process: asyncio.subprocess.Process | None = None
    _port: int = 0
    _log_start: int = 0

    @property
    def url(self) -> str:
        """Where all five services answer."""
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The child's process id, None before the start and after the end."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """The child runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def log_file(self) -> Path:
        """What the child has to say; with `data_dir` None it vanishes on `stop`."""
        assert self._data is not None, "start() comes first"
        return self._data.log

    def environment(self) -> dict[str, str]:
        """The variables that make any AWS client talk to this cloud; its keys open nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,  # what boto3 and the AWS CLI read
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
        }

    async def start(self) -> None:
        """Start the child and wait until it answers; raise `CannotStart` with cause and cure."""
        assert self._process is None, "already started"
        version = emulator_version()
        self._data = DataDirectory((self.data_dir or Path(tempfile.mkdtemp(prefix="tazco-cloud-"))).absolute())
        try:
            lock = await _lock(self._data)
            try:
                self._data.claim(version)
                self._data.delete_leftovers()
                self._port = _choose_port(self.port)
                await self._spawn(lock)
            finally:
                os.close(lock)  # the child has inherited it, if there is one
            await self._wait_until_ready()
        except BaseException:
            await self._end()
            raise

    async def _spawn(self, lock: int) -> None:
        assert self._data is not None
        arguments = [
            "--port",
            str(self._port),
            "--data",
            str(self._data.path),
            "--lock-fd",
            str(lock),
            "--save-seconds",
            str(self.save_seconds),
            "--services",
            ",".join((*SERVICES, *self.more_services)),
        ]
        if self.data_dir is None:
            arguments.append("--ephemeral")
        with _open_log(self._data.log) as log:
            self._log_start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tazco.local.emulator",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={name: os.environ[name] for name in INHERITED if name in os.environ},
                pass_fds=(lock,),
                start_new_session=True,  # a Ctrl-C in the terminal is ours to answer: the API stops before its cloud does
            )

    async def _wait_until_ready(self) -> None:
        pool = Pool(Address.of(self.url))
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                while self.alive and not await _answers(pool):  # another process has no event to wait for
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise CannotStart(
                f"The embedded cloud did not answer at {self.url} within {START_SECONDS_MAX:g} s. Start again; if it stays "
                f"silent, start over with `tazco dev --fresh`.{self._log_tail()}"
            ) from None
        finally:
            pool.close()
        if not self.alive:
            assert self._process is not None
            raise CannotStart(
                f"The embedded cloud ended with exit code {self._process.returncode} while starting.{self._cure()}{self._log_tail()}"
            )

    def _cure(self) -> str:
        assert self._process is not None
        if self._process.returncode == STATE_UNREADABLE:
            return " Its data cannot be read and has been left as it is. Move it away, or start over with `tazco dev --fresh`."
        return " Its last words say why; `tazco doctor` checks the usual causes."

    def _log_tail(self) -> str:
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "".join(f"\n    {line}" for line in [f"(from {self.log_file})", *lines]) if lines else ""

    async def wait(self) -> int:
        """Wait until the child ends, by itself or by `stop`; its exit code."""
        assert self._process is not None, "start() comes first"
        return await self._process.wait()

    async def stop(self) -> None:
        """End the child and wait for its last save; raise `StoppedBadly` if that did not work out."""
        died = self._process is not None and not self.alive
        tail, code = await self._end()
        if died:
            raise StoppedBadly(f"The embedded cloud had ended before, with exit code {code}; the last snapshot counts.{tail}")
        if code:
            raise StoppedBadly(f"The embedded cloud ended with exit code {code}; what came after the last snapshot is lost.{tail}")

    async def _end(self) -> tuple[str, int]:
        """Close the child's standard input, which is its sign to end; the end of its log and its exit code."""
        tail, code = "", 0
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                code = await asyncio.wait_for(self._process.wait(), STOP_SECONDS_MAX)
            except TimeoutError:
                self._process.kill()
                code = await self._process.wait()
            tail = self._log_tail()
            self._process = None
            assert self._data is not None
            os.close(await _lock(self._data, patient=True))  # a save that was under way may outlive a killed child
        if self.data_dir is None and self._data is not None:
            shutil.rmtree(self._data.path)
        return tail, code

    async def fresh(self) -> None:
        """Delete the data; call it before `start`. Raise `DataInUse` while another process works on it."""
        assert self._process is None, "stop() comes first"
        if self.data_dir is None or not self.data_dir.exists():
            return
        data = DataDirectory(self.data_dir.absolute())
        lock = await _lock(data)
        try:
            data.delete_data()
        finally:
            os.close(lock)


def emulator_version() -> str:
    """The installed MiniStack's version; raise `CannotStart` if a part of the `local` extra is missing."""
    try:
        importlib.metadata.version("cryptography")  # without it the emulator's tokens cannot be verified
        return importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError as error:
        raise CannotStart(
            f"The embedded cloud needs the package {error.name!r}. Install the local extra: pip install 'tazco[local]'."
        ) from None


async def _lock(data: DataDirectory, *, patient: bool = False) -> int:
    """Take the lock. A child whose parent is gone is writing its last snapshot: wait for that."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOCK_SECONDS_MAX
    while True:
        try:
            return data.lock()
        except DataInUse as error:
            if (error.holder_alive and not patient) or loop.time() > deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


def _choose_port(wanted: int | None) -> int:
    if wanted is None:
        return _free(PORT_PREFERRED) or _free(0)
    port = _free(wanted)
    if not port:
        raise PortTaken(f"Port {wanted} on {HOST} is taken. Stop what listens there, or leave the port out to get a free one.")
    return port


def _free(port: int) -> int:
    """The port if nobody has it (0: any), otherwise 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def _open_log(path: Path) -> BinaryIO:
    """The log, appended to; started over when it has grown large."""
    too_large = path.exists() and path.stat().st_size > LOG_BYTES_MAX
    return path.open("wb" if too_large else "ab")


async def _answers(pool: Pool) -> bool:
    request = request_bytes("GET", HEALTH_PATH, {"host": pool.address.authority})
    try:
        reply = await pool.exchange(request, timeout_seconds=HEALTH_SECONDS)
    except WireFailure:
        return False
    return reply.status == HTTPStatus.OK
