"""The import after its check: write, prove, and where a checkpoint hid something, write again without it."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tazco.migration.commands.checking import Advance, Documents
from tazco.migration.commands.reconciling import reconcile
from tazco.migration.commands.writing import Writer
from tazco.migration.model import Checked, Collection, Reconciliation, Wishes, Written
from tazco.migration.store.catalogue import Catalogue
from tazco.migration.store.checkpoint import NAME, Checkpoint
from tazco.migration.store.destination import Destination
from tazco.platform.database import Database

Bar = Callable[[str, int], AbstractContextManager[Advance]]
"""Shows how far something has come: what, of how many."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did, and the proof; none where rows with other content are in the way."""

    written: Written
    proof: Reconciliation | None

    @property
    def exact(self) -> bool:
        """All is there as the export has it."""
        return self.proof is not None and self.proof.exact


async def take_over(
    database: Database, destination: Destination, documents: Documents, catalogue: Catalogue, checked: Checked, bar: Bar
) -> Outcome:
    """Write a checked export and prove that it is there."""
    checkpoint = Checkpoint(documents.export.folder / NAME, key_of(destination, documents.wishes, checked))
    written = await _write(database, documents, catalogue, checked, checkpoint, bar, resume=True)
    if written.conflict_count:
        return Outcome(written, None)
    proof = await _prove(database, catalogue, checked, bar)
    if proof.missing and written.skipped_lines:  # the tables were emptied since: go by them alone
        written = await _write(database, documents, catalogue, checked, checkpoint, bar, resume=False)
        if written.conflict_count:
            return Outcome(written, None)
        proof = await _prove(database, catalogue, checked, bar)
    if proof.exact:
        checkpoint.forget()
    return Outcome(written, proof)


async def _write(
    database: Database,
    documents: Documents,
    catalogue: Catalogue,
    checked: Checked,
    checkpoint: Checkpoint,
    bar: Bar,
    *,
    resume: bool,
) -> Written:
    with bar("writing", checked.lines) as advance:
        return await Writer(database, checkpoint, advance).write(documents, catalogue, checked, resume=resume)


async def _prove(database: Database, catalogue: Catalogue, checked: Checked, bar: Bar) -> Reconciliation:
    rows = sum(checked.documents.values()) + checked.documents[Collection.USERS]  # a person has a binding too
    with bar("comparing", rows) as advance:
        return await reconcile(database, catalogue, advance)


def key_of(destination: Destination, wishes: Wishes, checked: Checked) -> str:
    """The same for the same export going to the same tables in the same way."""
    told = (checked.digest, str(destination), sorted(wishes.ignored), wishes.accept_imbalance, wishes.round_residue)
    return hashlib.sha256(repr(told).encode()).hexdigest()
