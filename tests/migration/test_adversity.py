"""Throttling, lost answers, files that change, and size: an import bends and does not break."""

import tracemalloc
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from tazco.migration.commands import writing
from tazco.migration.commands.checking import Documents, check
from tazco.migration.commands.writing import Writer
from tazco.migration.model import CannotImport, Collection, Wishes
from tazco.migration.store.catalogue import catalogue
from tazco.migration.store.checkpoint import NAME, Checkpoint
from tazco.migration.store.files import find
from tazco.platform.aws import AwsUnreachable
from tazco.platform.commit import ACTIONS_MAX
from tazco.platform.database import Database
from tazco.transactions.store import TRANSACTIONS
from tests.migration.exports import Folder, checked, imported, made_up
from tests.platform.faults import COMMIT, Faulty, cancelled, error
from tests.stage import Stage
from tests.world import MovableClock, open_services

BYTES_OF_NOTHING = 200_000
"""The larger export has 1.3 MB more."""


@pytest.fixture
def faults() -> Faulty:
    return Faulty()


@pytest.fixture
async def shaky(empty_stage: Stage, faults: Faulty) -> AsyncIterator[Database]:
    """Tables behind a line on which faults can strike."""
    async with open_services(empty_stage, MovableClock(), transport=faults) as running:
        yield running.database


async def test_an_answer_that_was_lost_doubles_nothing(shaky: Database, faults: Faulty, folder: Folder) -> None:
    faults.strike(COMMIT, "lost after", "lost before", "lost after")
    outcome = await imported(shaky, folder)
    assert outcome.exact
    assert outcome.proof is not None
    assert outcome.written.put + outcome.written.there == sum(each.expected for each in outcome.proof.rows.values())


async def test_a_batch_in_conflict_with_another_writer_is_tried_again(shaky: Database, faults: Faulty, folder: Folder) -> None:
    faults.strike(COMMIT, cancelled("TransactionConflict", *["None"] * (ACTIONS_MAX - 1)))
    assert (await imported(shaky, folder)).exact


async def test_throttling_that_does_not_end_is_told_with_the_cure_and_the_next_run_goes_on(
    shaky: Database, faults: Faulty, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("tazco.platform.aws.BACKOFF_BASE_SECONDS", 0.0001)
    slower = error(400, "ThrottlingException")
    faults.strike(COMMIT, *[slower] * 2_000)
    with pytest.raises(CannotImport, match=r"asks for a slower pace.*Run the import again: it goes on from here"):
        await imported(shaky, folder)
    faults.strike(COMMIT)
    assert (await imported(shaky, folder)).exact


async def test_a_database_that_is_gone_is_one_failure_and_not_eight(shaky: Database, faults: Faulty, folder: Folder) -> None:
    faults.strike(COMMIT, *["lost before"] * 2_000)
    with pytest.raises(AwsUnreachable):
        await imported(shaky, folder)


@pytest.mark.parametrize("what", ["another amount", "half a line"])
async def test_files_that_change_after_the_check_are_noticed(database: Database, folder: Folder, what: str) -> None:
    with catalogue() as noted:
        documents = Documents(find(folder.path, frozenset()), Wishes())
        report = check(documents, noted, lambda _: None)
        if what == "half a line":
            folder.spoil(Collection.SCORES, 1, lambda line: line[:20])
        else:
            folder.change(Collection.TRANSACTIONS, lambda _: True, amount=Decimal("999999999.99"))
        writer = Writer(database, Checkpoint(folder.path / NAME, "key"), lambda _: None)
        with pytest.raises(CannotImport, match="changed"):
            await writer.write(documents, noted, report, resume=False)
    if what == "another amount":
        written = [item["amount"]["N"] async for item in database.scan(TRANSACTIONS)]
        assert "99999999999" not in written, "what was not checked is not written"


def test_ten_times_as_much_needs_no_more_memory(tmp_path: Path) -> None:
    small, large = made_up(tmp_path / "small", 30, 300), made_up(tmp_path / "large", 300, 3_000)
    checked(small)  # what is loaded once and kept
    assert _peak_bytes(large) < _peak_bytes(small) + BYTES_OF_NOTHING


def _peak_bytes(folder: Folder) -> int:
    tracemalloc.start()
    try:
        checked(folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
