"""What the tables hold of the people of a replay, read strongly consistent: rows, ledgers, histories and their events."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tazco.card_requests.model import CardRequest
from tazco.card_requests.store import requests_of
from tazco.cards.model import Card
from tazco.cards.store import CARDS, cards_of
from tazco.kernel.money import Money
from tazco.platform.codec import Item
from tazco.platform.database import Database
from tazco.platform.outbox import OUTBOX, OutboxRow
from tazco.platform.tables import RowsOf
from tazco.scores.model import ScoreStep
from tazco.scores.store import SCORES
from tazco.transactions.model import Transaction
from tazco.transactions.store import ledger_of
from tazco.users.model import User
from tazco.users.store import user

READERS_MAX: Final = 8

Stream = tuple[str, str]
"""Aggregate type and id."""

Events = Mapping[Stream, tuple[OutboxRow, ...]]
"""The events of each stream, in the order of their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCard:
    """A card, the available credit that stands in its row (None: none does), and its ledger, oldest first."""

    card: Card
    available_credit: Money | None
    ledger: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything of one person."""

    user: User | None
    cards: tuple[StoredCard, ...]
    requests: tuple[CardRequest, ...]
    steps: tuple[ScoreStep, ...]


async def evidence_of(database: Database, ecosystem_ids: Iterable[str]) -> dict[str, Evidence]:
    """The rows of each person, some people at a time."""
    places = asyncio.Semaphore(READERS_MAX)

    async def one(ecosystem_id: str) -> tuple[str, Evidence]:
        async with places:
            return ecosystem_id, await _evidence(database, ecosystem_id)

    return dict(await asyncio.gather(*map(one, ecosystem_ids)))


async def _evidence(database: Database, ecosystem_id: str) -> Evidence:
    person, requests, steps = await database.read(user(ecosystem_id), requests_of(ecosystem_id), RowsOf(SCORES, ecosystem_id))
    cards = [await _stored_card(database, item) async for item in database.query(cards_of(ecosystem_id))]
    return Evidence(user=person, cards=tuple(cards), requests=requests, steps=steps)


async def _stored_card(database: Database, item: Item) -> StoredCard:
    card = CARDS.codec.decode(item)
    (newest_first,) = await database.read(ledger_of(card.ecosystem_id, card.card_id))
    stored = item.get("availableCredit")
    return StoredCard(card=card, available_credit=Money(int(stored["N"])) if stored else None, ledger=tuple(reversed(newest_first)))


async def events_of(database: Database, ecosystem_ids: Iterable[str]) -> Events:
    """The events of these people, sent or not, by stream; one scan, because the outbox is keyed by event id alone.

    DynamoDB deletes an event seven days after it was sent: reconcile before.
    """
    wanted = set(ecosystem_ids)
    streams: dict[Stream, list[OutboxRow]] = {}
    async for item in database.scan(OUTBOX):
        row = OUTBOX.codec.decode(item)
        if row.ecosystem_id in wanted:
            streams.setdefault((row.aggregate_type, row.aggregate_id), []).append(row)
    return {stream: tuple(sorted(rows, key=lambda row: row.sequence)) for stream, rows in streams.items()}
