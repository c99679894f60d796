"""The first pass: everything is checked before anything is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tazco.kernel.money import to_literal
from tazco.migration.model import ORDER, CannotImport, Checked, Collection, Fault, Findings, Oddity, Wishes
from tazco.migration.rules.documents import Unreadable, Values, blank, cleaned, examine, parse, read
from tazco.migration.rules.shapes import SHAPES
from tazco.migration.store.catalogue import Catalogue
from tazco.migration.store.crossings import cross_check
from tazco.migration.store.files import Export, Lines
from tazco.migration.store.rows import Row, digest, rows_of

Advance = Callable[[int], None]
"""Told of how many more are done."""

STEP: Final = 200
"""So many lines between two movements of a progress bar."""


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of an export in the order of an import, read the same way in both passes."""

    export: Export
    wishes: Wishes

    def name(self, collection: Collection) -> str:
        """The name of a collection's file."""
        return self.export.files[collection].name

    def read(self, collection: Collection, line: bytes) -> tuple[Values, list[Fault | Oddity]]:
        """One document and what is wrong or odd about it."""
        try:
            document = parse(line)
        except Unreadable as error:
            return {}, [Fault(str(error))]
        shape, rounded = SHAPES[collection], False
        if self.wishes.round_residue:
            document, rounded = cleaned(shape, document)
        ignored = {name for where, name in self.wishes.ignored if where is collection}
        values, faults = read(shape, document, ignored)
        if faults:
            return values, [*faults]
        odd = [Oddity.FLOAT_RESIDUE] if rounded else []
        return values, [*odd, *examine(collection, values), *self._over_limit(collection, values)]

    def _over_limit(self, collection: Collection, values: Values) -> Iterator[Fault]:
        if collection is Collection.CARDS and values["balance"] > values["limit"] and not self.wishes.accept_imbalance:
            yield Fault(
                f"is above the limit of {to_literal(values['limit'])}. Correct one of the two;"
                " --accept-imbalance takes it over as it is: the card can be paid, and buys again once there is credit",
                "balance",
                to_literal(values["balance"]),
            )


def check(documents: Documents, catalogue: Catalogue, advance: Advance) -> Checked:
    """Read everything, note it in the catalogue, and say what is wrong; what spans documents only once each is right by itself."""
    findings = Findings()
    counts = dict.fromkeys(ORDER, 0)
    lines = Lines(documents.export)
    count = 0
    for count, (collection, number, line) in enumerate(lines, 1):
        if not blank(line):
            counts[collection] += 1
            _check_line(documents, catalogue, findings, collection, number, line)
        if count % STEP == 0:
            advance(STEP)
    advance(count % STEP)
    if not findings.problem_count:
        names = {collection: documents.name(collection) for collection in documents.export.files}
        cross_check(catalogue, names, findings, accept_imbalance=documents.wishes.accept_imbalance)
    return Checked(digest=lines.digest, documents=counts, lines=count, findings=findings)


def _check_line(
    documents: Documents, catalogue: Catalogue, findings: Findings, collection: Collection, number: int, line: bytes
) -> None:
    file = documents.name(collection)
    values, found = documents.read(collection, line)
    sound = True
    for each in found:
        if isinstance(each, Fault):
            findings.problem(file, number, each)
            sound = False
        else:
            findings.odd(each, file, number)
    if not sound:
        return
    first = catalogue.add(collection, values, number, rows_of(collection, values, catalogue))
    if first is not None:
        shape = SHAPES[collection]
        findings.problem(
            file, number, Fault(f"is that of line {first} too: ids are unique", shape.id, f'"{values[shape.id][:40]}"')
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """The rows of a document, the number of its line among all, and the bytes of the line."""

    line: int
    size: int
    rows: tuple[Row, ...]


def rows_in(documents: Documents, catalogue: Catalogue, lines: Lines, skipped: int) -> Iterator[Placed]:
    """The rows of each document after the first `skipped` lines; raise `CannotImport` if one is not as it was checked."""
    for count, (collection, number, line) in enumerate(lines, 1):
        if count <= skipped or blank(line):
            continue
        values, found = documents.read(collection, line)
        rows = () if any(isinstance(each, Fault) for each in found) else rows_of(collection, values, catalogue)
        if not rows or any(catalogue.digest_of(row) != digest(row.table.item(row.record)) for row in rows):
            raise CannotImport(f"{documents.name(collection)}:{number} changed since it was checked. Restore it and import again.")
        yield Placed(count, len(line), rows)
