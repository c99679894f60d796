"""An export becomes rows, once, whole, and comes out again as it went in."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tazco.cards.store import CARDS
from tazco.kernel.ids import EcosystemId
from tazco.migration.commands.checking import Documents, check
from tazco.migration.commands.exporting import export
from tazco.migration.commands.importing import key_of
from tazco.migration.commands.reconciling import reconcile
from tazco.migration.model import CannotImport, Collection, Oddity, Wishes
from tazco.migration.store.catalogue import catalogue
from tazco.migration.store.checkpoint import NAME
from tazco.migration.store.destination import look_at
from tazco.migration.store.files import NewFiles, find
from tazco.migration.store.rows import TABLE_OF
from tazco.platform.database import Database
from tazco.platform.outbox import OUTBOX
from tazco.transactions.store import TRANSACTIONS
from tazco.users.store import BINDINGS, USERS, Binding, user
from tests.local.commands import tazco
from tests.migration.exports import Folder, checked, imported, made_up
from tests.stage import Stage

KILLED_WITHIN_SECONDS = 30


async def exported(database: Database, path: Path) -> Folder:
    await export(database, path, lambda _: None, force=False)
    return Folder(path)


async def count(database: Database, collection: Collection) -> int:
    return len([item async for item in database.scan(TABLE_OF[collection], keys_only=True)])


async def put(database: Database, table: Any, item: Mapping[str, Any]) -> None:
    await database.call("PutItem", {"TableName": database.physical_name(table), "Item": item})


async def first_item(database: Database, table: Any) -> dict[str, Any]:
    return await anext(aiter(database.scan(table)))


async def test_what_goes_in_comes_out(database: Database, folder: Folder, tmp_path: Path) -> None:
    folder.change(Collection.USERS, lambda _: True, sequence=41)
    folder.change(Collection.CARDS, lambda _: True, sequence=Decimal(7))
    folder.change(Collection.AUDIT_LOGS, lambda _: True, previousValue={"a": [Decimal("1.50"), None, True, {"b": "é\u2028"}]})
    outcome = await imported(database, folder)
    assert outcome.exact
    assert (await exported(database, tmp_path / "out")).contents() == folder.contents()


async def test_spellings_of_other_programmes_come_out_in_ours(database: Database, folder: Folder, tmp_path: Path) -> None:
    before = folder.contents()
    for collection in Collection:
        text = folder.file(collection).read_text()
        folder.file(collection).write_text(text.replace('Z"', '+00:00"').replace('"limit":3000,', '"limit":3e3,'))
    assert (await imported(database, folder)).exact
    assert (await exported(database, tmp_path / "out")).contents() == before


async def test_what_a_document_may_leave_out_follows_from_the_others(database: Database, folder: Folder) -> None:
    cards = folder.documents(Collection.CARDS)
    awarded = next(card for card in cards if "lastAwardAt" in card)
    folder.write(
        Collection.CARDS, [{name: card[name] for name in card if name not in ("lastAwardAt", "updatedAt")} for card in cards]
    )
    assert (await imported(database, folder)).exact
    (card,) = await database.rows(CARDS, [(awarded["ecosystemId"], awarded["cardId"])])
    assert CARDS.item(card)["lastAwardAt"]["S"] == awarded["lastAwardAt"]
    assert card.updated_at == card.created_at


async def test_nobody_is_told_of_the_past(database: Database, folder: Folder) -> None:
    assert (await imported(database, folder)).exact
    assert [item async for item in database.scan(OUTBOX)] == []


async def test_importing_again_writes_nothing(database: Database, folder: Folder) -> None:
    first = await imported(database, folder)
    second = await imported(database, folder)
    assert second.exact
    assert (second.written.put, second.written.there) == (0, first.written.put)
    assert not (folder.path / NAME).exists()


async def test_a_row_with_other_content_is_told_and_never_overwritten(database: Database, folder: Folder) -> None:
    await imported(database, folder)
    item = await first_item(database, CARDS)
    changed = {**item, "balance": {"N": "1"}, "version": {"N": "3"}}
    await put(database, CARDS, changed)
    outcome = await imported(database, folder)
    assert not outcome.exact
    assert outcome.written.conflicts == [
        f"cards/{item['cardId']['S']}: is there with other content, changed 2 times since it was written"
    ]
    assert await first_item(database, CARDS) == changed


async def test_a_subject_that_is_bound_to_somebody_here_brings_no_second_person(database: Database, folder: Folder) -> None:
    subject, ecosystem_id = (folder.documents(Collection.USERS)[0][name] for name in ("firebaseUid", "ecosystemId"))
    await put(database, BINDINGS, BINDINGS.item(Binding(subject=subject, bound_to=EcosystemId("somebody"))))
    outcome = await imported(database, folder)
    assert outcome.written.conflicts == [f"users/{ecosystem_id}: its subject is bound to somebody here"]
    assert await database.read(user(ecosystem_id)) == (None,)
    assert await count(database, Collection.USERS) == 19


async def test_what_is_missing_or_different_is_named(database: Database, folder: Folder) -> None:
    await imported(database, folder)
    item = await first_item(database, CARDS)
    await put(database, CARDS, {**item, "updatedAt": {"S": "2031-04-05T06:07:08.090Z"}})
    (lost, *_) = [USERS.key_of(each) async for each in database.scan(USERS)]
    await database.delete_all(USERS, [lost])
    with catalogue() as noted:
        check(Documents(find(folder.path, frozenset()), Wishes()), noted, lambda _: None)
        proof = await reconcile(database, noted, lambda _: None)
    assert proof.rows_off == (f"cards {item['cardId']['S']}: is not as the export has it", f"users {lost[0]}: is missing")
    assert not proof.exact
    assert not proof.cards_off_count, "no money moved"


async def test_a_row_that_cannot_be_read_is_told_by_its_own_name(database: Database, folder: Folder) -> None:
    await imported(database, folder)
    item = await first_item(database, CARDS)
    await put(database, CARDS, {**item, "limit": {"S": "much"}})
    outcome = await imported(database, folder)
    assert outcome.written.conflict_count == 1
    assert item["cardId"]["S"] in outcome.written.conflicts[0]


async def test_rows_that_others_wrote_meanwhile_are_left_alone_and_counted(database: Database, folder: Folder) -> None:
    await put(database, USERS, {"ecosystemId": {"S": "somebody"}})
    outcome = await imported(database, folder)
    assert outcome.exact
    assert outcome.proof is not None
    assert outcome.proof.rows["users"].others == 1


async def test_a_cent_too_much_on_a_card_is_found(database: Database, folder: Folder) -> None:
    await imported(database, folder)
    item = await first_item(database, TRANSACTIONS)
    own = {"transactionId": {"S": "zz"}, "status": {"S": "completed"}, "type": {"S": "purchase"}, "amount": {"N": "1"}}
    await put(database, TRANSACTIONS, {**item, **own})
    outcome = await imported(database, folder)
    assert outcome.proof is not None
    assert outcome.proof.rows["transactions"].others == outcome.proof.cards_off_count == 1
    assert item["cardId"]["S"] in outcome.proof.cards_off[0]
    assert not outcome.exact


@pytest.mark.parametrize("timestamp", ["2001-04-05T06:07:08.090Z", "2039-04-05T06:07:08.090Z"])
async def test_a_row_that_an_earlier_export_left_under_another_key_is_no_proof(
    database: Database, folder: Folder, timestamp: str
) -> None:
    """The key of a step holds its instant: one that was corrected since is there twice, whichever is read first."""
    await imported(database, folder)
    (step, *_) = folder.documents(Collection.SCORES)
    folder.change(Collection.SCORES, lambda document: document["scoreId"] == step["scoreId"], timestamp=timestamp)
    outcome = await imported(database, folder)
    assert outcome.proof is not None
    assert not outcome.exact
    (told,) = outcome.proof.rows_off
    assert told.startswith(f"scores {step['scoreId']}: is there more than once")


async def test_what_sums_of_floats_leave_is_refused_or_rounded_as_asked_and_told(database: Database, folder: Folder) -> None:
    card = next(each for each in folder.documents(Collection.CARDS) if each["balance"] > 0)
    balance = card["balance"] + Decimal("0.00000000000001")
    folder.change(Collection.CARDS, lambda document: document["cardId"] == card["cardId"], balance=balance)
    (problem,) = checked(folder).findings.problems
    assert "--round-residue takes" in str(problem.fault.message)
    rounding = Wishes(round_residue=True)
    assert {oddity: told.count for oddity, told in checked(folder, rounding).findings.oddities.items()}[Oddity.FLOAT_RESIDUE] == 1
    outcome = await imported(database, folder, rounding)
    assert outcome.exact
    assert next(each for each in [item async for item in database.scan(CARDS)] if each["cardId"]["S"] == card["cardId"])[
        "balance"
    ] == {"N": str(int(card["balance"] * 100))}


async def test_numbers_of_any_size_come_out_as_they_went_in(database: Database, folder: Folder, tmp_path: Path) -> None:
    values = {"a": Decimal(2**70), "b": Decimal(-(2**63) - 1), "c": [Decimal("1E+37"), Decimal("1E-38"), Decimal(2**53 + 1)]}
    folder.change(Collection.AUDIT_LOGS, lambda _: True, newValue=values)
    assert (await imported(database, folder)).exact
    assert (await exported(database, tmp_path / "out")).contents() == folder.contents()
    assert not checked(Folder(tmp_path / "out")).findings.problem_count


async def test_a_checkpoint_of_tables_that_were_emptied_hides_nothing(database: Database, folder: Folder) -> None:
    await imported(database, folder)
    await database.delete_all(TRANSACTIONS, [TRANSACTIONS.key_of(each) async for each in database.scan(TRANSACTIONS)])
    key = key_of(await look_at(database), Wishes(), checked(folder))
    lines = sum(len(folder.documents(collection)) for collection in Collection)
    (folder.path / NAME).write_text(json.dumps({"key": key, "lines": lines}))
    outcome = await imported(database, folder)
    assert outcome.exact
    assert outcome.written.put == len(folder.documents(Collection.TRANSACTIONS))
    assert not (folder.path / NAME).exists()


async def test_a_broken_checkpoint_is_none(database: Database, folder: Folder) -> None:
    (folder.path / NAME).write_text('{"key": ')
    assert (await imported(database, folder)).exact


async def test_an_export_refuses_to_replace_files_and_leaves_nothing_half_done(database: Database, folder: Folder) -> None:
    before = folder.contents()
    with pytest.raises(CannotImport, match=r"users\.ndjson already\. .* --force"):
        await export(database, folder.path, lambda _: None, force=False)
    await put(database, USERS, {"ecosystemId": {"S": "broken"}, "currentScore": {"S": "much"}})
    with pytest.raises(CannotImport, match="the row broken cannot be read"):
        await export(database, folder.path, lambda _: None, force=True)
    assert folder.contents() == before
    assert sorted(path.name for path in folder.path.iterdir()) == sorted(f"{each}.ndjson" for each in Collection)


async def test_a_full_disk_is_told_and_leaves_nothing_half_done(empty_stage: Stage, database: Database, tmp_path: Path) -> None:
    await imported(database, made_up(tmp_path / "export"))
    command = f"ulimit -f 8; exec {sys.executable} -m tazco export out"
    child = await asyncio.create_subprocess_exec(
        *("bash", "-c", command),
        env={**os.environ, **empty_stage.environment},
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await child.communicate()
    assert child.returncode == 2
    assert b"File too large. Make room" in told
    assert b"Traceback" not in told
    assert not [*(tmp_path / "out").iterdir()]


async def test_an_export_follows_no_link_and_waits_for_no_other_export(database: Database, tmp_path: Path) -> None:
    other, out = tmp_path / "other", tmp_path / "out"
    other.write_bytes(b"mine")
    out.mkdir()
    (out / ".users.ndjson.partial").symlink_to(other)
    with pytest.raises(CannotImport, match=r"\.users\.ndjson\.partial: "):
        await exported(database, out)
    assert other.read_bytes() == b"mine"
    (out / ".users.ndjson.partial").unlink(missing_ok=True)
    with NewFiles(out, force=False) as under_way:
        with pytest.raises(CannotImport, match="Another export is writing"):
            await exported(database, out)
        under_way.keep()
    assert len([*out.iterdir()]) == len(Collection)


async def test_a_killed_import_goes_on_to_the_same_end(database: Database, empty_stage: Stage, tmp_path: Path) -> None:
    folder = made_up(tmp_path / "export", people=200, transactions=2_000)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tazco", "import", str(folder.path)),
        env={**os.environ, **empty_stage.environment},
        cwd=tmp_path,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(KILLED_WITHIN_SECONDS):
        while not await count(database, Collection.SCORES):
            await asyncio.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGKILL)
    assert await child.wait() == -signal.SIGKILL
    there = await count(database, Collection.TRANSACTIONS)
    assert there < 2_000, "the kill came too late to show anything"
    assert not await count(database, Collection.USERS), "owners come last"
    outcome = await imported(database, folder)
    assert outcome.exact
    assert (await exported(database, tmp_path / "out")).contents() == folder.contents()


def test_the_command_writes_nothing_if_one_line_is_broken(empty_stage: Stage, folder: Folder, tmp_path: Path) -> None:
    line = folder.change(
        Collection.USERS, lambda document: document["ecosystemId"] == "person-0000019", currentScore=Decimal("700.5")
    )
    ended = tazco(tmp_path, "import", str(folder.path), environment=empty_stage.environment)
    assert ended.returncode == 1
    assert f"users.ndjson:{line}  currentScore = 700.5: must be a whole number from 0 to 1000" in ended.stdout
    assert "1 problem; nothing was written" in ended.stderr
    for table in TABLE_OF.values():
        name = f"{empty_stage.names.table_prefix}{table.name}"
        assert empty_stage.clients.dynamodb.scan(TableName=name, Select="COUNT")["Count"] == 0


def test_the_command_proves_what_it_did_also_to_programs(empty_stage: Stage, folder: Folder, tmp_path: Path) -> None:
    ended = tazco(tmp_path, "import", str(folder.path), "--json", environment=empty_stage.environment)
    assert ended.returncode == 0, ended.stderr
    proof = json.loads(ended.stdout)["import"]["reconciliation"]
    assert proof["exact"]
    assert proof["rows"]["users"] == {"expected": 20, "equal": 20, "different": 0, "missing": 0, "others": 0}
    assert proof["sums"]["balances"]["export"] == proof["sums"]["balances"]["tables"] != "0"
    assert f"of account 000000000000, us-east-1, at {empty_stage.cloud.endpoint('dynamodb')}" in ended.stderr
    out = tazco(tmp_path, "export", "out", environment=empty_stage.environment)
    assert out.returncode == 0, out.stderr
    assert Folder(tmp_path / "out").contents() == folder.contents()


def test_tables_that_are_not_there_are_named_with_the_cure(empty_stage: Stage, folder: Folder, tmp_path: Path) -> None:
    elsewhere = {**empty_stage.environment, "TAZCO_TABLE_PREFIX": "nowhere-"}
    ended = tazco(tmp_path, "import", str(folder.path), environment=elsewhere)
    assert ended.returncode == 2
    assert "nowhere-users" in ended.stderr
    assert "tazco provision" in ended.stderr


def test_a_check_needs_no_tables(folder: Folder, tmp_path: Path) -> None:
    ended = tazco(tmp_path, "import", str(folder.path), "--check")
    assert ended.returncode == 0, ended.stderr
    assert "20 users" in ended.stdout
    assert "nothing was written" in ended.stderr


def test_a_collection_that_does_not_exist_is_told(folder: Folder, tmp_path: Path) -> None:
    ended = tazco(tmp_path, "import", str(folder.path), "--check", "--ignore", "people.color")
    assert ended.returncode == 2
    assert "'people' is no collection. They are users, cards" in ended.stderr


def test_it_asks_before_it_writes_to_another_machine(empty_stage: Stage, folder: Folder, tmp_path: Path) -> None:
    """0.0.0.0 reaches this machine and is no loopback address: as good as another one."""
    url = empty_stage.cloud.endpoint("dynamodb").replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - called, not listened on
    elsewhere = {**empty_stage.environment, "AWS_ENDPOINT_URL_DYNAMODB": url}
    asked = tazco(tmp_path, "import", str(folder.path), environment=elsewhere, typed="n\n")
    assert asked.returncode == 1
    assert f"at {url}" in asked.stderr
    assert "there? y/N" in asked.stderr
    assert "Nothing was done" in asked.stderr
    told = tazco(tmp_path, "import", str(folder.path), "--yes", environment=elsewhere)
    assert told.returncode == 0, told.stderr
    assert "the tables are exactly what the export says" in told.stderr
