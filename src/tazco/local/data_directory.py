"""The data directory of the embedded cloud: one writer, one version, snapshots that are either whole or not there.

version.json     who wrote it
lock             held by every process that may write; its text is the pid to ask
cloud.log        what the child process had to say
keys/            signing keys of the user pools, written by the emulator the moment it makes them
snapshots/*/     the state of all services at one instant
current          symbolic link to the snapshot that counts
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1
SAVE_INTERVAL_MIN_SECONDS: Final = 5.0
STATE_UNREADABLE: Final = 3
"""Exit code of the child when the current snapshot cannot be loaded."""


class CannotStart(Exception):
    """The embedded cloud cannot be used; the message says why and what to do."""


class DataFromAnotherVersion(CannotStart):
    """The data directory was written by another version of Tazco or of the emulator."""


class DataInUse(CannotStart):
    """Another process works on the data directory; `holder` is its pid, if it left one."""

    def __init__(self, message: str, holder: int | None) -> None:
        super().__init__(message)
        self.holder = holder

    @property
    def holder_alive(self) -> bool:
        """The process that took the lock still runs; otherwise its child is about to end."""
        if self.holder is None:
            return True
        try:
            os.kill(self.holder, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Where the embedded cloud keeps its data; every name in it is defined here."""

    path: Path

    @property
    def log(self) -> Path:
        """What the child process had to say."""
        return self.path / "cloud.log"

    @property
    def keys(self) -> Path:
        """Signing keys of the user pools."""
        return self.path / "keys"

    @property
    def snapshots(self) -> Path:
        """All snapshots, the current one among them."""
        return self.path / "snapshots"

    @property
    def current(self) -> Path:
        """The snapshot that counts; it does not exist before the first one."""
        return self.path / "current"

    @property
    def version_file(self) -> Path:
        """Who wrote the directory."""
        return self.path / "version.json"

    def lock(self) -> int:
        """Take the directory for this process and those that inherit the descriptor; raise `DataInUse` naming the holder.

        The lock ends when the last process that has the descriptor open ends, however it ends.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            holder = int(text) if text.isdecimal() else None
            raise DataInUse(
                f"{self.path} is in use by process {holder or 'unknown'}. Stop that `tazco dev` (Ctrl-C in its terminal, or: kill {holder or 'that process'}), "
                "or give this one a data directory of its own.",
                holder,
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def claim(self, emulator_version: str) -> None:
        """Stamp a new directory, accept one of the same version, raise `DataFromAnotherVersion` for any other."""
        stamp = {"format": FORMAT, "ministack": emulator_version}
        if not self.version_file.exists() and not self.current.exists():
            _write_atomically(self.version_file, json.dumps(stamp))
            return
        found = _read_stamp(self.version_file)
        if found != stamp:
            raise DataFromAnotherVersion(
                f"The data in {self.path} was written by {_spell(found)}; this is {_spell(stamp)}. "
                "Start over with `tazco dev --fresh`, which deletes that data, or go back to the version that wrote it."
            )

    def delete_data(self) -> None:
        """Delete what the embedded cloud wrote here, and nothing else; the lock must be held."""
        for entry in (self.current, self.version_file, self.log):
            entry.unlink(missing_ok=True)
        for folder in (self.snapshots, self.keys):
            if folder.exists():
                shutil.rmtree(folder)

    def delete_leftovers(self) -> None:
        """Delete snapshots that were begun and never finished, and those that have been replaced."""
        kept = self.current.resolve()
        for folder in self.snapshots.iterdir() if self.snapshots.exists() else ():
            if folder.resolve() != kept:
                shutil.rmtree(folder)

    @contextmanager
    def new_snapshot(self) -> Iterator[Path]:
        """A folder to write a snapshot into; it counts from the moment the block ends without an exception."""
        self.snapshots.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.snapshots, prefix=""))
        yield folder
        self._publish(folder)

    def _publish(self, folder: Path) -> None:
        """Make sure that every byte is on the disk, then switch the link in one step, then drop the predecessor."""
        for file in folder.iterdir():
            _flush(file)
        _flush(folder)
        link = self.path / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.relative_to(self.path), target_is_directory=True)
        link.replace(self.current)
        _flush(self.path)
        self.delete_leftovers()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    _flush(draft)
    draft.replace(path)


def _read_stamp(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _spell(stamp: Any) -> str:
    if not isinstance(stamp, dict):
        return "something that left no version"
    return f"data format {stamp.get('format')} with MiniStack {stamp.get('ministack')}"
