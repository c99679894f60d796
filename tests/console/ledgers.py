"""Long ledgers, put past all our code."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tazco.kernel.ids import CardId, EcosystemId, TransactionId
from tazco.kernel.money import Money
from tazco.platform.database import BATCH_WRITE_MAX
from tazco.transactions.model import Transaction, TransactionStatus, TransactionType
from tazco.transactions.store import TRANSACTIONS
from tests.world import Person, World


async def seed_ledger(world: World, owner: Person, card_id: str, purchases: int, **attributes: Any) -> list[Transaction]:
    """So many purchases of 0.01, 0.02, …, the newest first; their ids sort by number."""
    rows = [
        Transaction(
            ecosystem_id=EcosystemId(owner.ecosystem_id),
            card_id=CardId(card_id),
            transaction_id=TransactionId(f"0000-{number:06d}"),
            type=TransactionType.PURCHASE,
            amount=Money(number),
            status=TransactionStatus.COMPLETED,
            timestamp=world.clock() - timedelta(days=30) + timedelta(seconds=number),
            merchant=f"Shop {number}",
        )
        for number in range(1, purchases + 1)
    ]
    rows = [replace(row, **attributes) for row in rows]
    await put(world, rows)
    return rows[::-1]


async def put(world: World, rows: list[Transaction]) -> None:
    """Write rows in batches."""
    database = world.services.database
    name = database.physical_name(TRANSACTIONS)
    chunks = [rows[start : start + BATCH_WRITE_MAX] for start in range(0, len(rows), BATCH_WRITE_MAX)]
    requests = [{name: [{"PutRequest": {"Item": TRANSACTIONS.item(row)}} for row in chunk]} for chunk in chunks]
    replies = await asyncio.gather(*(database.call("BatchWriteItem", {"RequestItems": each}) for each in requests))
    assert not any(reply.get("UnprocessedItems") for reply in replies)
