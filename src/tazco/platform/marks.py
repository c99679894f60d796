"""Marks: what is written down of an event once the bus has said what becomes of it.

That the bus took an event is a fact, whoever writes it down. That it did not is a judgement, which only the holder of the shard
may pass: it carries the fence of the lease, and a row keeps the highest that it has seen.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from tazco.kernel.clock import to_text
from tazco.platform.aws import AwsError
from tazco.platform.bus import Verdict
from tazco.platform.database import Database
from tazco.platform.logs import scrubbed
from tazco.platform.outbox import DEAD_LETTERS, OUTBOX, OutboxRow

RETRIES_MAX: Final = 5
FIRST_RETRY: Final = timedelta(seconds=10)
KEPT_AFTERWARDS: Final = timedelta(days=7)
ERROR_CHARACTERS_MAX: Final = 200


def refused(row: OutboxRow, verdict: Verdict, fence: int, now: datetime) -> OutboxRow:
    """The row after one more refusal: due again 10, 20, 40, 80, 160 s later, then a dead letter."""
    told = scrubbed(f"{verdict.code}: {verdict.message}")[:ERROR_CHARACTERS_MAX]
    if row.retry_count >= RETRIES_MAX:
        return replace(row, pending_shard=DEAD_LETTERS, next_retry_at=None, last_error=told, fence=fence)
    due = now + FIRST_RETRY * 2**row.retry_count
    return replace(row, retry_count=row.retry_count + 1, next_retry_at=due, last_error=told, fence=fence)


async def mark_published(database: Database, row: OutboxRow, now: datetime, *, traced: bool = False) -> bool:
    """Take the event out of the index and let it expire; False where a cleanup has deleted it: it must not come back.

    `traced`: it is then found by its correlation id, which costs a write unit more.
    """
    expires_at = int((now + KEPT_AFTERWARDS).timestamp())
    return await _update(
        database,
        row,
        "SET publishedAt = :at, expiresAt = :expires"
        + (", correlationKey = :correlation" if traced else "")
        + " REMOVE pendingShard, createdAt, nextRetryAt",
        "attribute_exists(eventId)",
        {
            ":at": {"S": to_text(now)},
            ":expires": {"N": str(expires_at)},
            **({":correlation": {"S": row.request_id}} if traced else {}),
        },
    )


async def mark_refused(database: Database, before: OutboxRow, after: OutboxRow) -> bool:
    """Write a refusal down; False where the row has changed since it was read, or a later holder has judged it.

    The second half of the condition lets the same request succeed again after a lost answer.
    """
    assert before.pending_shard is not None
    assert after.pending_shard is not None
    item = OUTBOX.item(after)
    due = item.get("nextRetryAt")
    return await _update(
        database,
        before,
        "SET pendingShard = :shard, retryCount = :count, lastError = :error, fence = :fence"
        + (", nextRetryAt = :due" if due else " REMOVE nextRetryAt"),
        "(pendingShard = :read_shard AND (attribute_not_exists(retryCount) OR retryCount = :read_count)"
        " AND (attribute_not_exists(fence) OR fence <= :fence))"
        " OR (pendingShard = :shard AND retryCount = :count AND fence = :fence AND lastError = :error)",
        {
            ":shard": item["pendingShard"],
            ":count": item["retryCount"],
            ":error": item["lastError"],
            ":fence": item["fence"],
            ":read_shard": {"S": before.pending_shard},
            ":read_count": {"N": str(before.retry_count)},
            **({":due": due} if due else {}),
        },
    )


async def _update(database: Database, row: OutboxRow, expression: str, condition: str, values: dict[str, Any]) -> bool:
    arguments = {
        "TableName": database.physical_name(OUTBOX),
        "Key": OUTBOX.key_item((row.event_id,)),
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
    }
    try:
        await database.call("UpdateItem", arguments)
    except AwsError as error:
        if error.code == "ConditionalCheckFailedException":
            return False
        raise
    return True
