"""Small exports of another programme, made up, spoilt, read again."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.export import write

from tazco.migration.commands.checking import Documents, check
from tazco.migration.commands.importing import Outcome, take_over
from tazco.migration.model import Checked, Collection, Wishes
from tazco.migration.rules.documents import parse
from tazco.migration.store.catalogue import catalogue
from tazco.migration.store.destination import look_at
from tazco.migration.store.files import find
from tazco.platform.database import Database
from tazco.platform.jsontext import encode

Document = dict[str, Any]
NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with an export in it."""

    path: Path

    def file(self, collection: Collection) -> Path:
        """Where a collection is."""
        return self.path / f"{collection}.ndjson"

    def documents(self, collection: Collection) -> list[Document]:
        """The documents of a collection, numbers as decimals."""
        return [parse(line) for line in self.file(collection).read_bytes().splitlines()]

    def write(self, collection: Collection, documents: list[Document]) -> None:
        """Replace the documents of a collection."""
        self.file(collection).write_bytes(b"".join(encode(document) + b"\n" for document in documents))

    def change(self, collection: Collection, where: Callable[[Document], bool], **fields: Any) -> int:
        """Change the first document for which `where` holds; a field of None goes. The number of its line."""
        documents = self.documents(collection)
        place = next(place for place, document in enumerate(documents) if where(document))
        changed = documents[place] | fields
        documents[place] = {name: value for name, value in changed.items() if value is not None}
        self.write(collection, documents)
        return place + 1

    def spoil(self, collection: Collection, line: int, spoilt: Callable[[bytes], bytes]) -> None:
        """Change the bytes of a line."""
        lines = self.file(collection).read_bytes().splitlines(keepends=True)
        lines[line - 1] = spoilt(lines[line - 1])
        self.file(collection).write_bytes(b"".join(lines))

    def contents(self) -> Mapping[Collection, list[str]]:
        """Everything, whatever the order of documents and keys and the literals of numbers."""
        return {collection: sorted(_plain(each) for each in self.documents(collection)) for collection in Collection}


def _plain(document: Document) -> str:
    return json.dumps(document, sort_keys=True, default=lambda number: f"{Decimal(number).normalize():f}")


def made_up(path: Path, people: int = 20, transactions: int = 120) -> Folder:
    """A sound export."""
    write(path, people, transactions, seed=1)
    return Folder(path)


def checked(folder: Folder, wishes: Wishes = NO_WISHES) -> Checked:
    """The first pass alone."""
    with catalogue() as noted:
        return check(Documents(find(folder.path, wishes.absent), wishes), noted, lambda _: None)


class _NoBar:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Callable[[int], None]:
        return lambda _: None

    def __exit__(self, *_: object) -> None: ...


async def imported(database: Database, folder: Folder, wishes: Wishes = NO_WISHES) -> Outcome:
    """The whole of it."""
    with catalogue() as noted:
        documents = Documents(find(folder.path, wishes.absent), wishes)
        report = check(documents, noted, lambda _: None)
        assert not report.findings.problem_count, report.findings.problems
        return await take_over(database, await look_at(database), documents, noted, report, _NoBar)
