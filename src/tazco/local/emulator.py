"""The child process of the embedded cloud: MiniStack on the loopback interface, its state saved while it runs.

    python -m tazco.local.emulator --port N --data DIR --services NAMES [--save-seconds S | --ephemeral]

MiniStack itself saves on a clean shutdown only. This process also saves every few seconds if something was written, so that a
`kill -9` costs seconds. It ends, with a last save, on SIGTERM, on SIGINT, and when its standard input ends: the parent keeps
the other end of that pipe open, and whatever ends the parent closes it.
"""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from tazco.local.data_directory import SAVE_INTERVAL_MIN_SECONDS, STATE_UNREADABLE, DataDirectory

HOST: Final = "127.0.0.1"
SAVE_INTERVAL_FACTOR: Final = 10
SAVE_SECONDS_MAX: Final = 120.0
GRACE_SECONDS: Final = 1.0
KEEP_ALIVE_SECONDS: Final = 75
READING: Final = ("Get", "List", "Describe", "Query", "Scan", "BatchGet", "TransactGet", "Receive")
"""How the names of operations begin that leave nothing worth saving."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("tazco.emulator")


def configure_environment(port: int, data: DataDirectory, services: str, *, saved: bool) -> None:
    """Say to MiniStack, which reads its environment on import, what it may do: loopback only, no Docker, no other listeners."""
    os.environ.update(
        BIND_HOST=HOST,
        GATEWAY_PORT=str(port),
        SERVICES=services,
        PERSIST_STATE="1" if saved else "0",
        STATE_DIR=str(data.keys),
        S3_PERSIST="0",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        DOCKER_HOST="unix:///nonexistent/docker.sock",
        LOG_LEVEL="WARNING",
    )


class Errors(logging.Handler):
    """Counts errors: MiniStack logs a state that it could not load or save, and goes on without it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # the count says enough, the log has the text
        """Count one."""
        self.count += 1


@dataclass(slots=True)
class Watched:
    """An application and whether it has been asked to change anything since `written` was last cleared."""

    application: Application
    written: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; note a change after it happened, so that the save that follows has it."""
        try:
            await self.application(scope, receive, send)
        finally:
            if scope["type"] == "http" and _writes(scope):
                self.written.set()


def _writes(scope: Scope) -> bool:
    target = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
    operation = target.rpartition(".")[2]
    return scope["method"] == "POST" and not operation.startswith(READING)


@dataclass(slots=True)
class Saver:
    """Saves the state of all services as one snapshot."""

    data: DataDirectory
    errors: Errors
    lock: int | None
    interval_min_seconds: float

    async def keep_saving(self, written: asyncio.Event) -> None:
        """Save whenever something was written, but not more often than asked for, and at most a tenth of the time."""
        loop = asyncio.get_running_loop()
        while True:
            await written.wait()
            written.clear()
            started = loop.time()
            try:
                await self.save()
            except (OSError, RuntimeError, TimeoutError) as error:
                log.error("the state was not saved, the last snapshot stays: %s", error)  # noqa: TRY400  # cause is in the text
                written.set()
            await asyncio.sleep(max(self.interval_min_seconds, SAVE_INTERVAL_FACTOR * (loop.time() - started)))

    async def save(self) -> None:
        """Write a snapshot from a forked copy of this process, which stops for a few milliseconds instead of seconds.

        The copy has one thread, touches only Python objects and files, and never returns from here.
        """
        with self.data.new_snapshot() as folder:
            pid = os.fork()
            if pid == 0:
                self._save_and_exit(folder)
            await _succeed(pid)

    def _save_and_exit(self, folder: Path) -> NoReturn:
        try:
            gc.disable()
            self._close_everything_else()
            self.save_into(folder)
        except BaseException:  # noqa: BLE001  # a copy of a server must end here, whatever happened
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _close_everything_else(self) -> None:
        """Give up the listening socket and the connections; keep the log, and the lock until the last byte is written."""
        for descriptor in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
            if descriptor > sys.stderr.fileno() and descriptor != self.lock:
                with suppress(OSError):  # the listing's own descriptor is gone already
                    os.close(descriptor)

    def save_at_the_end(self) -> None:
        """Write the last snapshot from this process, which no longer serves."""
        with self.data.new_snapshot() as folder:
            self.save_into(folder)

    def save_into(self, folder: Path) -> None:
        """Write the state of all services; raise `RuntimeError` if MiniStack reports that one of them failed."""
        from ministack.app import _build_persistence_save_dict  # noqa: PLC0415  # reads its environment on import
        from ministack.core import persistence  # noqa: PLC0415  # as above

        before = self.errors.count
        persistence.STATE_DIR = str(folder)
        persistence.save_all(_build_persistence_save_dict())
        if self.errors.count > before:
            raise RuntimeError("MiniStack could not write the state of a service, see above")


async def _succeed(pid: int) -> None:
    """Wait for a forked copy without blocking the loop; kill it when it hangs; raise if it failed."""
    waiting = asyncio.create_task(asyncio.to_thread(os.waitpid, pid, 0))
    try:
        async with asyncio.timeout(SAVE_SECONDS_MAX):
            _, status = await asyncio.shield(waiting)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        await waiting
        raise
    if status != 0:
        raise RuntimeError(f"the process that writes the snapshot ended with {os.waitstatus_to_exitcode(status)}")


async def parent_gone_or_told_to_stop() -> None:
    """Wait: return on SIGTERM, SIGINT, or the end of standard input."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin.fileno(), _on_input, stop)
    await stop.wait()
    loop.remove_reader(sys.stdin.fileno())


def _on_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        stop.set()


async def serve(port: int, saver: Saver | None, errors: Errors) -> int:
    """Serve until told to stop; return the exit code."""
    from hypercorn.asyncio import serve as hypercorn_serve  # noqa: PLC0415  # comes with MiniStack
    from ministack import app as ministack  # noqa: PLC0415  # reads its environment on import
    from ministack.core import persistence  # noqa: PLC0415  # as above
    from ministack.core.hypercorn_compat import install  # noqa: PLC0415  # as above

    install()
    watched = Watched(ministack.app)
    if saver is not None:
        persistence.STATE_DIR = str(saver.data.current)

    async def until_stopped() -> None:
        ministack.PERSIST_STATE = False  # what follows is saved here, as snapshots, not by its shutdown
        if errors.count:
            return
        saving = asyncio.create_task(saver.keep_saving(watched.written)) if saver else None
        await parent_gone_or_told_to_stop()
        if saving is not None:
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)

    application = cast("Any", watched)  # hypercorn spells the same shapes as its own typed dicts
    await hypercorn_serve(application, _server_settings(port), shutdown_trigger=until_stopped)
    if errors.count:
        log.error("the saved state could not be read and has been left as it is, see above")
        return STATE_UNREADABLE
    if saver is not None:
        saver.save_at_the_end()
    return 0


def _server_settings(port: int) -> Any:
    from hypercorn.config import Config  # noqa: PLC0415  # comes with MiniStack

    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.graceful_timeout = GRACE_SECONDS
    config.loglevel = "WARNING"
    return config


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m tazco.local.emulator", description="The embedded cloud's child process.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="its data directory; the parent holds the lock")
    parser.add_argument("--lock-fd", type=int, help="descriptor of the lock, kept open until the last byte is written")
    parser.add_argument("--save-seconds", type=float, default=SAVE_INTERVAL_MIN_SECONDS, help="shortest time between two saves")
    parser.add_argument("--services", required=True, help="what it serves, comma-separated")
    parser.add_argument("--ephemeral", action="store_true", help="save nothing")
    arguments = parser.parse_args()
    data = DataDirectory(arguments.data.resolve())
    configure_environment(arguments.port, data, arguments.services, saved=not arguments.ephemeral)
    warnings.filterwarnings("ignore", message=".*use of fork.*", category=DeprecationWarning)  # `Saver.save` says why it may
    errors = Errors()
    for name in ("ministack", "persistence"):
        logging.getLogger(name).addHandler(errors)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    saver = None if arguments.ephemeral else Saver(data, errors, arguments.lock_fd, arguments.save_seconds)
    return asyncio.run(serve(arguments.port, saver, errors))


if __name__ == "__main__":
    sys.exit(main())
