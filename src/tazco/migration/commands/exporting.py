"""The way out: every row as the document it would have been imported from."""

from collections.abc import Mapping
from pathlib import Path

from tazco.migration.commands.checking import STEP, Advance
from tazco.migration.model import ORDER, CannotImport, Collection
from tazco.migration.rules.documents import Unreadable
from tazco.migration.store.files import NewFiles
from tazco.migration.store.rows import TABLE_OF, document_of
from tazco.platform.codec import Undecodable
from tazco.platform.database import Database


async def export(database: Database, folder: Path, advance: Advance, *, force: bool) -> Mapping[Collection, int]:
    """Write all collections into a folder, and give them their names once all are whole; how many documents each has.

    Each row is read strongly consistent, each at its own moment: what is written meanwhile may be in one file and not in the next.
    """
    counts = dict.fromkeys(ORDER, 0)
    with NewFiles(folder, force) as files:
        for collection in ORDER:
            table = TABLE_OF[collection]
            async for item in database.scan(table):
                try:
                    line = document_of(collection, item)
                except (Undecodable, Unreadable) as error:
                    key = " / ".join(table.key_of(item))
                    raise CannotImport(
                        f"{database.physical_name(table)}: the row {key} cannot be read: {error}. Mend it."
                    ) from error
                files.write(collection, line)
                counts[collection] += 1
                if counts[collection] % STEP == 0:
                    advance(STEP)
            advance(counts[collection] % STEP)
        files.keep()
    return counts
