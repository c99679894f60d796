"""The files of an export: found, read line by line with their digest, and written beside their names until all are whole."""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from tazco.migration.model import ORDER, CannotImport, Collection
from tazco.migration.rules.documents import LINE_BYTES_MAX

SUFFIXES: Final = (".ndjson", ".jsonl")
CHUNK_BYTES: Final = 1 << 20
ONLY_OWNER: Final = 0o600
"""What is in the files is personal."""


@dataclass(frozen=True, slots=True)
class Export:
    """Which file holds which collection; a collection that is absent by choice has none."""

    folder: Path
    files: Mapping[Collection, Path]

    def count_lines(self) -> int:
        """How many lines there are in all, the last of a file also without its end."""
        return sum(_line_count(path) for path in self.files.values())


@dataclass(slots=True)
class Lines:
    """Every line of every file in the order of an import, and the digest of all that was read."""

    export: Export
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[tuple[Collection, int, bytes]]:
        for collection in ORDER:
            if collection in self.export.files:
                self._digest.update(f"\0{collection}\0".encode())
                yield from self._of(collection)

    def _of(self, collection: Collection) -> Iterator[tuple[Collection, int, bytes]]:
        path = self.export.files[collection]
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LINE_BYTES_MAX + 2):
                number += 1
                self._digest.update(line)
                yield collection, number, line
                while len(line) == LINE_BYTES_MAX + 2 and not line.endswith(b"\n"):  # the rest of a line that is refused
                    line = file.readline(LINE_BYTES_MAX + 2)
                    self._digest.update(line)

    @property
    def digest(self) -> str:
        """SHA-256 over what has been read so far."""
        return self._digest.hexdigest()


def find(folder: Path, absent: frozenset[Collection]) -> Export:
    """The files of a folder; raise `CannotImport` naming each collection that is missing, there twice, or there although absent."""
    if not folder.is_dir():
        raise CannotImport(f"{folder} is no folder. Name the one with the exported files.")
    files: dict[Collection, Path] = {}
    amiss: list[str] = []
    for collection in ORDER:
        there = [folder / f"{collection}{suffix}" for suffix in SUFFIXES if (folder / f"{collection}{suffix}").is_file()]
        if len(there) > 1:
            amiss.append(f"{there[0].name} and {there[1].name} are both there: keep one of them.")
        elif there and collection in absent:
            amiss.append(f"{there[0].name} is there: leave out --absent {collection}, or move the file away.")
        elif there:
            files[collection] = there[0]
        elif collection not in absent:
            amiss.append(
                f"{collection}.ndjson is missing: export it, or say --absent {collection} if there is nothing to take over."
            )
    if amiss:
        raise CannotImport(f"{folder}:\n" + "\n".join(amiss))
    return Export(folder, files)


def _line_count(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    return count + (last != b"\n")


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotImport(
            f"{error.filename or folder}: {error.strerror}. Make room, correct owner and mode, or choose another folder."
        ) from error


@dataclass(slots=True)
class NewFiles:
    """The files of an export in the making: under other names until all of them are whole and on the disk."""

    folder: Path
    force: bool
    _kept: bool = False
    _open: dict[Collection, IO[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        with _writable(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            taken = [path for each in ORDER for suffix in SUFFIXES if (path := self.folder / f"{each}{suffix}").exists()]
            if any(path.is_dir() or not self.force for path in taken):
                names = ", ".join(path.name for path in taken)
                raise CannotImport(f"{self.folder} has {names} already. Choose another folder, or replace files with --force.")
            with ExitStack() as undone:
                undone.push(self)
                for collection in ORDER:
                    self._open[collection] = self._begun(collection)
                undone.pop_all()
        return self

    def _begun(self, collection: Collection) -> IO[bytes]:
        """An empty file that is nobody else's: no link that others laid out, no export under way."""
        descriptor = os.open(self._partial(collection), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, ONLY_OWNER)
        file = self._stack.enter_context(os.fdopen(descriptor, "wb"))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotImport(f"Another export is writing into {self.folder}. Wait for it, or choose another folder.") from None
        os.fchmod(descriptor, ONLY_OWNER)
        os.ftruncate(descriptor, 0)
        return file

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            for collection in self._open:
                self._partial(collection).unlink(missing_ok=True)
        with suppress(OSError):  # what a full disk did not take is told already
            self._stack.close()

    def write(self, collection: Collection, line: bytes) -> None:
        """Add a document."""
        with _writable(self.folder):
            self._open[collection].write(line + b"\n")

    def keep(self) -> None:
        """Give the whole files their names."""
        with _writable(self.folder):
            for file in self._open.values():
                file.flush()
                os.fsync(file.fileno())
            for collection in ORDER:
                path = self.folder / f"{collection}{SUFFIXES[0]}"
                self._partial(collection).replace(path)
                path.with_suffix(SUFFIXES[1]).unlink(missing_ok=True)
        self._kept = True

    def _partial(self, collection: Collection) -> Path:
        return self.folder / f".{collection}{SUFFIXES[0]}.partial"
