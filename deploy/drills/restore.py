"""A drill: restores every ledger table to one moment under new names, compares, tells, and cleans up.

    python deploy/drills/restore.py --prefix tazco- [--at 2031-04-05T06:07:08Z] [--keep]

It needs boto3 and rich, which the image has, and the rights that docs/operations/backup.md lists. It never writes to a table that it
did not make: what it makes ends in `-drill-<time>`, and only that is deleted. Exit code 0: every table came back and every sample
agrees; 1: something does not agree, the report says what; 2: the drill could not be carried out.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table as Screen

POLL_SECONDS: Final = 5.0
RESTORE_SECONDS_MAX: Final = 6 * 3600
SAMPLE_ROWS: Final = 200
SAMPLE_CARDS: Final = 100
screen: Final = Console(highlight=False)


class CannotDrill(Exception):
    """The drill cannot be carried out; the message tells cause and cure."""


@dataclass(slots=True)
class Restored:
    """One table and its copy."""

    source: str
    copy: str
    began: float
    seconds: float = 0.0
    rows_now: int = 0
    rows_then: int = 0
    sampled: int = 0
    missing: int = 0
    changed: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Drill:
    """Restores under names of its own. `client` is boto3's, of DynamoDB."""

    client: Any
    prefix: str
    at: datetime | None
    stamp: str
    made: list[Restored] = field(default_factory=list)

    def tables(self) -> list[str]:
        """Every table of the prefix that has point-in-time recovery."""
        pages = self.client.get_paginator("list_tables").paginate()
        names = [name for page in pages for name in page["TableNames"] if name.startswith(self.prefix) and "-drill-" not in name]
        recoverable = [name for name in names if self._recovery(name)["PointInTimeRecoveryStatus"] == "ENABLED"]
        if not recoverable:
            raise CannotDrill(
                f"No table whose name begins with {self.prefix!r} has point-in-time recovery. Check --prefix and AWS_REGION."
            )
        return recoverable

    def _recovery(self, name: str) -> dict[str, Any]:
        try:
            found = self.client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "UnknownOperationException":
                raise
            raise CannotDrill(
                "This endpoint has no point-in-time recovery. Run the drill on AWS, or on the embedded cloud."
            ) from error
        return dict(found.get("PointInTimeRecoveryDescription", {"PointInTimeRecoveryStatus": "DISABLED"}))

    def moment(self, tables: list[str]) -> datetime | None:
        """The moment for all of them: the one asked for, or the latest that all can be restored to; None where the endpoint does not say."""
        limits = [self._recovery(name) for name in tables]
        latest = [each["LatestRestorableDateTime"] for each in limits if "LatestRestorableDateTime" in each]
        earliest = [each["EarliestRestorableDateTime"] for each in limits if "EarliestRestorableDateTime" in each]
        if self.at is None:
            return min(latest) if latest else None
        if latest and earliest and not max(earliest) <= self.at <= min(latest):
            raise CannotDrill(
                f"{self.at} is outside of what can be restored: {max(earliest)} to {min(latest)}. Choose --at between."
            )
        return self.at

    def restore(self, tables: list[str], moment: datetime | None) -> None:
        """Ask for all copies at once, and wait for each."""
        when = {"RestoreDateTime": moment} if moment else {"UseLatestRestorableTime": True}
        for name in tables:
            copy = Restored(name, f"{name}-drill-{self.stamp}", time.monotonic())
            self.client.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=copy.copy, **when)
            self.made.append(copy)
        with screen.status("restoring") as status:
            for number, each in enumerate(self.made, 1):
                status.update(f"restoring {each.source}, {number} of {len(self.made)}")
                self._until_active(each)

    def _until_active(self, each: Restored) -> None:
        while (state := self.client.describe_table(TableName=each.copy)["Table"]["TableStatus"]) != "ACTIVE":
            if time.monotonic() - each.began > RESTORE_SECONDS_MAX:
                raise CannotDrill(
                    f"{each.copy} is still {state} after {RESTORE_SECONDS_MAX} s. Look at it in the DynamoDB console."
                )
            time.sleep(POLL_SECONDS)
        each.seconds = time.monotonic() - each.began

    def compare(self) -> None:
        """Count both, and look for a sample of the copy's rows in the source."""
        with screen.status("comparing") as status:
            for each in self.made:
                status.update(f"comparing {each.source}")
                schema = self.client.describe_table(TableName=each.source)["Table"]["KeySchema"]
                each.keys = [key["AttributeName"] for key in schema]
                each.rows_now, each.rows_then = self._count(each.source), self._count(each.copy)
                for row in self._rows(each.copy, SAMPLE_ROWS):
                    key = {name: row[name] for name in each.keys}
                    now = self.client.get_item(TableName=each.source, Key=key, ConsistentRead=True).get("Item")
                    each.sampled += 1
                    each.missing += now is None
                    each.changed += now is not None and now != row

    def _count(self, name: str) -> int:
        pages = self.client.get_paginator("scan").paginate(TableName=name, Select="COUNT")
        return sum(page["Count"] for page in pages)

    def _rows(self, name: str, most: int) -> Iterator[dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(TableName=name, PaginationConfig={"MaxItems": most})
        for page in pages:
            yield from page["Items"]

    def torn(self) -> list[str]:
        """Cards of the copies whose balance is not what their ledger says: their last commit lies on the moment itself."""
        copies = {each.source.removeprefix(self.prefix): each.copy for each in self.made}
        if not {"cards", "transactions"} <= copies.keys():
            return []
        found = []
        for card in self._rows(copies["cards"], SAMPLE_CARDS):
            owner, card_id = card["ecosystemId"]["S"], card["cardId"]["S"]
            if int(card["balance"]["N"]) != self._ledger(copies["transactions"], "#".join(map(escaped, (owner, card_id)))):
                found.append(f"{owner}/{card_id}")
        return found

    def _ledger(self, table: str, partition: str) -> int:
        pages = self.client.get_paginator("query").paginate(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="ecosystemIdCardId = :card",
            ExpressionAttributeValues={":card": {"S": partition}},
        )
        rows = [row for page in pages for row in page["Items"] if row["status"]["S"] == "completed"]
        return sum(int(row["amount"]["N"]) * (1 if row["type"]["S"] == "purchase" else -1) for row in rows)

    def clean_up(self) -> None:
        """Delete what this drill made, and nothing else."""
        for each in self.made:
            try:
                self.client.delete_table(TableName=each.copy)
            except (BotoCoreError, ClientError) as error:
                screen.print(f"[yellow]![/] {each.copy} is left: {error}. Delete it yourself; it costs storage.")


def escaped(part: str) -> str:
    """A part of a joined key, as Tazco writes it."""
    return part.replace("%", "%25").replace("#", "%23")


def report(drill: Drill, moment: datetime | None, torn: list[str]) -> bool:
    """Show what came of it; whether all is well."""
    table = Screen(
        "table", "restored in", "rows now", "rows then", "sampled", "gone since", "changed since", box=None, pad_edge=False
    )
    for each in drill.made:
        figures = (each.rows_now, each.rows_then, each.sampled, each.missing, each.changed)
        table.add_row(each.source, f"{each.seconds:.0f} s", *map(str, figures))
    screen.print(f"Restored to {moment.astimezone(UTC).isoformat() if moment else 'the latest moment'}\n")
    screen.print(table)
    empty = [each.source for each in drill.made if each.rows_now and not each.rows_then]
    for name in empty:
        screen.print(f"[red]✗[/] {name} has rows and came back empty")
    for card in torn:
        screen.print(f"[red]✗[/] card {card}: balance and ledger disagree; docs/operations/backup.md says how to mend it")
    return not (empty or torn)


def main() -> int:
    """Restore, compare, tell, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", required=True, help="TAZCO_TABLE_PREFIX")
    parser.add_argument("--at", type=datetime.fromisoformat, help="the moment, with a time zone; the latest possible unless given")
    parser.add_argument("--keep", action="store_true", help="leave the copies; they cost storage")
    arguments = parser.parse_args()
    if arguments.at and arguments.at.tzinfo is None:
        parser.error("--at needs a time zone: 2031-04-05T06:07:08Z")
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    drill = Drill(boto3.client("dynamodb"), arguments.prefix, arguments.at, stamp)
    try:
        tables = drill.tables()
        moment = drill.moment(tables)
        drill.restore(tables, moment)
        drill.compare()
        return 0 if report(drill, moment, drill.torn()) else 1
    except (CannotDrill, BotoCoreError, ClientError) as error:
        screen.print(f"[red]✗[/] {error}")
        return 2
    finally:
        if not arguments.keep:
            drill.clean_up()


if __name__ == "__main__":
    sys.exit(main())
