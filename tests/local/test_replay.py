"""Replays: what the parser makes of a file, twelve histories through real processes, and planted errors that must not pass."""

import asyncio
import csv
import io
import json
import os
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.cards.store import CARDS
from tazco.kernel.clock import system_clock
from tazco.kernel.money import Money
from tazco.local.replay.histories import (
    MONTHS,
    BadHistories,
    History,
    Month,
    columns,
    purchase_towards,
    read_histories,
    starting_score,
)
from tazco.local.replay.limits import needed_limits
from tazco.local.replay.player import Grant, Played
from tazco.local.replay.reconcile import Check
from tazco.local.replay.report import Report, percentile
from tazco.local.replay.stage import Plan, Replay, reconciled
from tazco.platform.aws import Aws
from tazco.platform.cloud import ChainCredentials
from tazco.platform.database import Database
from tazco.platform.outbox import OUTBOX
from tazco.platform.policy import Policy
from tazco.platform.tables import Table
from tazco.scores.store import SCORES
from tazco.transactions.store import TRANSACTIONS
from tazco.users.model import Tier
from tests.processes import ApiProcess, api_process
from tests.stage import Stage

HEADER = "ID,LIMIT_BAL,PAY_0,PAY_2,PAY_3,PAY_4,PAY_5,PAY_6,BILL_AMT1,BILL_AMT2,BILL_AMT3,BILL_AMT4,BILL_AMT5,BILL_AMT6,PAY_AMT1,PAY_AMT2,PAY_AMT3,PAY_AMT4,PAY_AMT5,PAY_AMT6"
ROWS = """\
901,80000,0,0,0,0,0,0,31020,30110,28800,27450,26100,25000,1500,1400,1350,1350,1200,2000
902,20000,2,2,0,0,0,2,20650,20110,19320,18400,17900,17010,0,900,1500,800,1200,0
903,360000,-1,-1,-1,-1,-1,-1,4100,3890,12033,640,2500,911,3890,12033,640,2500,911,0
904,50000,0,0,0,0,0,0,50870,49310,48100,47050,45990,44870,2000,1800,1700,1700,1600,1500
905,200000,-1,-1,-2,-2,-1,-1,790,0,-250,-250,1800,3200,0,0,0,2050,3200,4000
906,150000,1,-2,-2,-2,-2,-2,0,0,0,0,0,0,0,0,0,0,0,0
907,30000,3,2,2,2,0,0,30900,29100,29700,28800,27400,26000,0,2500,0,2200,1700,1500
908,500000,0,0,0,0,-1,-1,211300,198700,204800,176400,92100,18300,7000,6500,30000,90000,92100,18300
909,10000,0,0,0,0,0,0,8720,9410,9120,8830,8540,8250,400,400,400,400,400,400
910,70000,8,7,6,5,4,3,2400,2400,2400,2400,2400,2400,0,0,0,0,0,0
911,120000,-1,2,-1,-1,-1,-1,1999,416,416,1300,416,416,416,0,1300,416,416,500
912,60000,0,0,0,2,0,0,54001,61750,59020,58240,60100,57600,9000,4500,2200,0,3000,2600
"""
PASSWORD = "Correct-horse-1"
AMOUNTS = st.integers(0, 99_999_999_999).map(Money)
SIGNED = st.integers(-99_999_999_999, 99_999_999_999).map(Money)


def histories() -> tuple[History, ...]:
    return read_histories(f"{HEADER}\n{ROWS}".splitlines())


@st.composite
def any_history(draw: st.DrawFn) -> History:
    months = tuple(
        Month(name=name, months_late=draw(st.integers(0, 9)), payment=draw(AMOUNTS), statement=draw(SIGNED)) for name, _ in MONTHS
    )
    customer = draw(st.from_regex(r"[A-Za-z0-9_.-]{1,40}", fullmatch=True))
    return History(customer=customer, limit=draw(st.integers(1, 99_999_999_999).map(Money)), months=months)


def as_csv(written: tuple[History, ...]) -> list[str]:
    """A file of histories, as somebody else would write it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["SEX", *columns()])
    writer.writeheader()
    for history in written:
        row: dict[str, Any] = {"SEX": 1, "ID": history.customer, "LIMIT_BAL": decimal(history.limit)}
        for month, (_, number) in zip(history.months, MONTHS, strict=True):
            row[f"BILL_AMT{number}"] = decimal(month.statement)
            row[f"PAY_AMT{number}"] = decimal(month.payment)
            row["PAY_0" if number == 1 else f"PAY_{number}"] = month.months_late
        writer.writerow(row)
    return text.getvalue().splitlines()


def decimal(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


@given(st.lists(any_history(), min_size=1, max_size=5, unique_by=lambda history: history.customer.lower()))
def test_what_is_written_as_a_file_is_read_back_from_april_to_september(written: list[History]) -> None:
    assert read_histories(as_csv(tuple(written))) == tuple(written)


@given(any_history())
def test_a_high_tier_has_always_paid_in_time_and_never_owed_more_than_its_limit(history: History) -> None:
    score = starting_score(history)
    assert 0 <= score <= 1000
    faultless = all(not month.months_late and month.statement <= history.limit for month in history.months)
    assert (score >= 700) is faultless


@given(st.lists(st.tuples(AMOUNTS, SIGNED), min_size=6, max_size=6), AMOUNTS)
def test_a_walk_ends_each_month_at_the_statement_or_skips_it_and_never_goes_below_zero(
    months: list[tuple[Money, Money]], balance: Money
) -> None:
    for paid, statement in months:
        balance = Money(balance - paid) if paid <= balance else balance
        price = purchase_towards(statement, balance)
        if price is None:
            assert statement <= balance
        else:
            assert price > 0
            balance = Money(balance + price)
            assert balance == statement
        assert balance >= 0


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "lacks the columns ID"),
        ([HEADER.replace("PAY_AMT3", "PAID3"), ROWS], "lacks the columns PAY_AMT3"),
        ([HEADER], "no customer"),
        ([HEADER, ROWS.splitlines()[0], ROWS.splitlines()[0]], "Line 3: ID 901 is there twice"),
        ([HEADER, ROWS.splitlines()[0].replace("80000", "lots")], "Line 2: LIMIT_BAL must be a number"),
        ([HEADER, ROWS.splitlines()[0].replace("80000", "0")], "Line 2: LIMIT_BAL must be above 0"),
        ([HEADER, ROWS.splitlines()[0].replace(",1500,", ",1500.005,")], "Line 2: PAY_AMT1 has more than two decimals"),
        ([HEADER, ROWS.splitlines()[0].replace(",1500,", ",-1500,")], "Line 2: PAY_AMT1 must not be below 0"),
        ([HEADER, ROWS.splitlines()[0].replace("80000,0", "80000,0.5")], "Line 2: PAY_0 must be a whole number"),
        ([HEADER, "9 1" + ROWS.splitlines()[0][3:]], "Line 2: ID must be"),
        ([HEADER, "901,80000"], "Line 2: PAY_AMT6 must be a number"),
        ([HEADER, ROWS.splitlines()[0].replace("80000", "NaN")], "Line 2: LIMIT_BAL must be a number"),
    ],
)
def test_a_file_that_cannot_be_played_is_refused_with_line_and_column(lines: list[str], complaint: str) -> None:
    with pytest.raises(BadHistories, match=complaint):
        read_histories(lines)


def test_limits_are_raised_to_what_each_tier_needs_and_never_lowered() -> None:
    needed = needed_limits(histories(), Policy())
    assert needed == {Tier.LOW: Money(7_000_000), Tier.MEDIUM: Money(15_000_000), Tier.HIGH: Money(50_000_000)}
    generous = Policy(low_tier_limit=Money(10**9), medium_tier_limit=Money(10**9), high_tier_limit=Money(10**9))
    assert set(needed_limits(histories(), generous).values()) == {Money(10**9)}


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile(range(1, 101), 50) == 50
    assert percentile(range(1, 101), 99) == 99
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 50) == 0


@pytest.fixture(scope="module")
def environment(stage: Stage) -> dict[str, str]:
    return {**stage.environment, "TAZCO_POLICY_REFRESH_SECONDS": "1"}


@pytest.fixture(scope="module")
async def process(environment: dict[str, str]) -> AsyncIterator[ApiProcess]:
    async with api_process(environment) as running:
        yield running


@pytest.fixture(scope="module")
async def database(stage: Stage) -> AsyncIterator[Database]:
    aws = Aws(stage.cloud.endpoints(), stage.cloud.region, ChainCredentials(stage.cloud), system_clock)
    yield Database(aws, stage.names.table_prefix)
    aws.close()


def plan(stage: Stage, process: ApiProcess, **others: Any) -> Plan:
    values = {
        "histories": histories(),
        "api_url": process.url,
        "settings": stage.settings(policy_refresh_seconds=1),
        "cloud": stage.cloud,
        "run": uuid.uuid4().hex[:8],
        "password": PASSWORD,
        "raise_limits": True,
        "concurrency": 6,
    }
    return Plan(**{**values, **others})


def limits_in_ssm(stage: Stage) -> dict[str, str]:
    found = stage.clients.ssm.get_parameters_by_path(Path=f"{stage.names.ssm_prefix}/limits", Recursive=True)["Parameters"]
    return {entry["Name"].rsplit("/", 1)[-1]: entry["Value"] for entry in found}


async def replay(chosen: Plan, advance: Callable[[], None] = lambda: None) -> tuple[Report, list[Played]]:
    """A replay, and what everybody played in it."""
    everybody: list[Played] = []

    class Watched(Replay):
        async def _play_all(self, *arguments: Any) -> list[Played]:
            everybody.extend(await super()._play_all(*arguments))
            return everybody

    return await Watched(chosen, say=lambda _: None, advance=advance).run(), everybody


def expected(chosen: tuple[History, ...], grants: dict[str, Grant]) -> Counter[str]:
    """What must come of the histories, reckoned here from nothing but the rows."""
    counts: Counter[str] = Counter()
    for history in chosen:
        limit = history.limit if grants[history.customer] is Grant.BY_OPERATOR else 10**12
        balance = 0
        for month in history.months:
            if month.payment:
                fits = month.payment <= balance
                counts["payments" if fits else "refusals"] += 1
                balance -= month.payment if fits else 0
            if month.statement > balance:
                fits = month.statement <= limit
                counts["purchases" if fits else "declines"] += 1
                balance = month.statement if fits else balance
    return counts


async def test_twelve_histories_reconcile_and_so_do_the_same_twelve_again(stage: Stage, process: ApiProcess) -> None:
    before = limits_in_ssm(stage)
    for _ in range(2):
        report, played = await replay(plan(stage, process))
        assert report.ok, report.as_json()
        assert report.customers == 12
        grants = {each.customer: each.grant for each in played if each.grant}
        assert report.granted == Counter({Grant.AT_ONCE: 5, Grant.BY_OPERATOR: 7})
        wanted = expected(histories(), grants)
        assert min(wanted.values()) > 0
        found = {
            "purchases": report.purchases,
            "declines": report.declines,
            "payments": report.payments,
            "refusals": report.refusals,
        }
        assert found == dict(wanted)
        assert all(report.reconciliation.looked_at[check] >= 12 for check in Check)
        assert limits_in_ssm(stage) == before


async def test_without_raised_limits_the_policy_caps_every_card_and_declines_what_is_above(
    stage: Stage, process: ApiProcess
) -> None:
    report, played = await replay(plan(stage, process, raise_limits=False))
    assert report.ok, report.as_json()
    assert {each.limit for each in played} == {Money(50_000), Money(150_000), Money(300_000)}
    assert report.declines > 40


async def test_an_api_killed_in_the_middle_loses_nothing(stage: Stage, environment: dict[str, str]) -> None:
    async with api_process(environment) as mortal:
        kills: list[asyncio.Task[None]] = []
        through = 0

        async def kill_and_start() -> None:
            await mortal.kill()
            await mortal.start()

        def advance() -> None:
            nonlocal through
            through += 1
            if through == 3:
                kills.append(asyncio.create_task(kill_and_start()))

        report, _ = await replay(plan(stage, mortal), advance)
        await asyncio.gather(*kills)
        assert kills
        assert report.ok, report.as_json()
        assert report.repeats > 0


@pytest.fixture(scope="module")
async def played(stage: Stage, process: ApiProcess) -> list[Played]:
    """One replay whose rows the planted errors are planted in."""
    report, everybody = await replay(plan(stage, process))
    assert report.ok
    return everybody


@asynccontextmanager
async def planted(database: Database, table: Table[Any], item: dict[str, Any], **changes: Any) -> AsyncIterator[None]:
    """A row, changed or (without changes) gone, for as long as the block runs."""
    name, key = database.physical_name(table), table.key_item(table.key_of(item))
    changed = {**item, **changes}
    if changes:
        await database.call("PutItem", {"TableName": name, "Item": changed})
    else:
        await database.call("DeleteItem", {"TableName": name, "Key": key})
    try:
        yield
    finally:
        await database.call("DeleteItem", {"TableName": name, "Key": table.key_item(table.key_of(changed))})
        await database.call("PutItem", {"TableName": name, "Item": item})


Choice = Callable[[list[dict[str, Any]]], dict[str, Any]]


def last(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return max(rows, key=lambda row: int(row["sequence"]["N"]))


def of_type(kind: str) -> Choice:
    return lambda rows: next(row for row in rows if row["eventType"]["S"] == kind)


def in_state(kind: str, status: str) -> Choice:
    return lambda rows: next(row for row in rows if (row["type"]["S"], row["status"]["S"]) == (kind, status))


def other_amount(row: dict[str, Any]) -> dict[str, Any]:
    return {"payload": {"S": json.dumps({**json.loads(row["payload"]["S"]), "amount": 0.01})}}


def more(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {name: {"N": str(int(row[name]["N"]) + 1)}}


def nothing(_: dict[str, Any]) -> dict[str, Any]:
    return {}


BROKEN = [
    ("a purchase event is gone", OUTBOX, of_type("transaction.purchase"), nothing, {Check.SEQUENCE, Check.TRANSACTION}),
    ("a decline event is gone", OUTBOX, of_type("transaction.declined"), nothing, {Check.SEQUENCE, Check.TRANSACTION}),
    ("the last event of a stream is gone", OUTBOX, last, nothing, {Check.SEQUENCE}),
    ("a user.created is gone", OUTBOX, of_type("user.created"), nothing, {Check.SEQUENCE, Check.FIRST}),
    ("a card.requested is gone", OUTBOX, of_type("card.requested"), nothing, {Check.SEQUENCE, Check.FIRST}),
    ("a card.approved is gone", OUTBOX, of_type("card.approved"), nothing, {Check.SEQUENCE, Check.FIRST}),
    ("a score.changed is gone", OUTBOX, of_type("score.changed"), nothing, {Check.SEQUENCE, Check.SCORE}),
    ("an event tells another amount", OUTBOX, of_type("transaction.payment"), other_amount, {Check.TRANSACTION}),
    ("an event has no payload", OUTBOX, of_type("score.changed"), lambda _: {"payload": {"S": "{}"}}, {Check.TRANSACTION}),
    ("an event has another number", OUTBOX, last, more("sequence"), {Check.SEQUENCE}),
    ("a balance is a cent off", CARDS, lambda rows: rows[0], more("balance"), {Check.BALANCE, Check.CREDIT, Check.LEDGER}),
    ("a stored available credit is a cent off", CARDS, lambda rows: rows[0], more("availableCredit"), {Check.CREDIT}),
    ("a limit is a cent off", CARDS, lambda rows: rows[0], more("limit"), {Check.CREDIT, Check.FIRST}),
    ("a row counts one event more", CARDS, lambda rows: rows[0], more("sequence"), {Check.SEQUENCE}),
    ("a card is gone", CARDS, lambda rows: rows[0], nothing, {Check.LEDGER}),
    (
        "a purchase is gone",
        TRANSACTIONS,
        in_state("purchase", "completed"),
        nothing,
        {Check.BALANCE, Check.LEDGER, Check.TRANSACTION},
    ),
    ("a declined payment is gone", TRANSACTIONS, in_state("payment", "failed"), nothing, {Check.LEDGER, Check.TRANSACTION}),
    (
        "a transaction has another amount",
        TRANSACTIONS,
        in_state("payment", "completed"),
        more("amount"),
        {Check.BALANCE, Check.LEDGER, Check.TRANSACTION},
    ),
    (
        "a transaction is there twice",
        TRANSACTIONS,
        in_state("purchase", "failed"),
        lambda _: {"transactionId": {"S": "zz-twice"}},
        {Check.LEDGER, Check.TRANSACTION},
    ),
    ("a step of a score is gone", SCORES, lambda rows: rows[0], nothing, {Check.SCORE}),
]


@pytest.mark.parametrize(("table", "choose", "change", "checks"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_a_planted_error_is_found_by_the_checks_that_must_find_it(
    database: Database,
    played: list[Played],
    table: Table[Any],
    choose: Choice,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    checks: set[Check],
) -> None:
    people = {each.ecosystem_id for each in played}
    rows = [item async for item in database.scan(table) if item["ecosystemId"]["S"] in people]
    chosen = choose(rows)
    assert not (await reconciled(database, played)).mismatches
    async with planted(database, table, chosen, **change(chosen)):
        found = await reconciled(database, played)
    assert {each.check for each in found.mismatches} >= checks
    owner = next(each.customer for each in played if each.ecosystem_id == chosen["ecosystemId"]["S"])
    assert {each.customer for each in found.mismatches} == {owner}


async def test_an_event_that_is_there_twice_is_found(database: Database, played: list[Played]) -> None:
    people = {each.ecosystem_id for each in played}
    rows = [item async for item in database.scan(OUTBOX) if item["ecosystemId"]["S"] in people]
    for kind in (
        "transaction.purchase",
        "transaction.declined",
        "score.changed",
        "card.approved",
        "card.requested",
        "user.created",
    ):
        twin = {**of_type(kind)(rows), "eventId": {"S": f"twin-{uuid.uuid4()}"}}
        name = database.physical_name(OUTBOX)
        await database.call("PutItem", {"TableName": name, "Item": twin})
        found = await reconciled(database, played)
        await database.call("DeleteItem", {"TableName": name, "Key": OUTBOX.key_item(OUTBOX.key_of(twin))})
        assert Check.SEQUENCE in {each.check for each in found.mismatches}
        assert len({each.check for each in found.mismatches}) >= 2, kind


async def test_a_confirmed_transaction_that_the_tables_lack_is_found(database: Database, played: list[Played]) -> None:
    first = played[0]
    promised = replace(first, purchases={**first.purchases, "promised": Money(1)})
    found = await reconciled(database, [promised, *played[1:]])
    assert {(each.check, each.customer) for each in found.mismatches} == {(Check.LEDGER, first.customer)}


async def run_command(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """`tazco` as a child: its exit code and output."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tazco",
        *arguments,
        env={**variables, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    return child.returncode or 0, out.decode(), err.decode()


async def test_the_command_ends_with_its_report(process: ApiProcess, environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "histories.csv"
    file.write_text(f"\ufeff{HEADER}\n{ROWS}")
    where = {**environment, "TAZCO_PORT": str(process.port)}
    code, out, err = await run_command(where, "replay", str(file), "--first", "4", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["ok"]
    assert report["customers"] == 4
    code, out, err = await run_command(where, "replay", str(file), "--first", "4", "--no-raise-limits")
    assert code == 0, err
    assert "sequences run 1..n without gaps" in out


async def test_the_command_says_what_is_wrong_before_it_begins(
    process: ApiProcess, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "histories.csv"
    file.write_text(f"{HEADER}\n{ROWS}")
    where = {**environment, "TAZCO_PORT": str(process.port)}
    for arguments, complaint in (
        ((str(tmp_path / "none.csv"),), "cannot be read"),
        ((str(file), "--api-url", "http://127.0.0.1:9"), "No API answers"),
    ):
        code, _, err = await run_command(where, "replay", *arguments)
        assert code == 2
        assert complaint in err
