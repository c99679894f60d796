"""Many hands on one card, through several processes, some of them killed: nothing lost, nothing doubled."""

import asyncio
import collections
import json
import random
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tazco.cards.store import CARDS
from tazco.platform.outbox import OUTBOX
from tazco.transactions.store import TRANSACTIONS
from tests.processes import ApiProcess, api_process
from tests.stage import Stage
from tests.world import Person, World

PARALLEL = 64
PAYMENTS = 500
RETRIES_MAX = 60
GIVEN_UP_MAX = 3


@pytest.fixture(scope="module")
async def two(stage: Stage) -> AsyncIterator[tuple[ApiProcess, ApiProcess]]:
    """Two API processes over the same tables."""
    async with api_process(stage.environment) as first, api_process(stage.environment) as second:
        yield first, second


async def post(http: httpx.AsyncClient, url: str, person: Person, body: dict[str, Any], key: str) -> httpx.Response:
    """One command, once."""
    headers = {"authorization": f"Bearer {person.access_token}", "idempotency-key": key}
    return await http.post(url, json=body, headers=headers)


async def post_until_answered(http: httpx.AsyncClient, url: str, person: Person, body: dict[str, Any], key: str) -> httpx.Response:
    """One command, repeated with its key until there is an answer that is final, as a careful client does."""
    for _ in range(RETRIES_MAX):
        try:
            reply = await post(http, url, person, body, key)
        except httpx.TransportError:
            await asyncio.sleep(0.2)
            continue
        if reply.status_code not in (409, 503):
            return reply
        await asyncio.sleep(float(reply.headers.get("retry-after", "0.1")) * random.random())  # noqa: S311  # jitter
    raise AssertionError("never answered")


async def ledger(world: World, card_id: str) -> list[dict[str, Any]]:
    """The rows of a card's transactions."""
    return [row for row in await world.rows(TRANSACTIONS) if row["cardId"]["S"] == card_id]


async def card_row(world: World, card_id: str) -> dict[str, Any]:
    """A card's row."""
    return next(row for row in await world.rows(CARDS) if row["cardId"]["S"] == card_id)


async def sequences(world: World, card_id: str) -> list[int]:
    """The sequence numbers of a card's events."""
    return sorted(int(row["sequence"]["N"]) for row in await world.rows(OUTBOX) if row["aggregateId"]["S"] == card_id)


@pytest.mark.parametrize(("amount", "affordable"), [(90, 33), (40, PARALLEL)])
async def test_of_64_parallel_purchases_exactly_the_affordable_ones_succeed(
    world: World, two: tuple[ApiProcess, ApiProcess], amount: int, affordable: int
) -> None:
    ada, card_id = await world.cardholder(score=720)
    keys = [str(uuid.uuid4()) for _ in range(PARALLEL)]
    body = {"amount": amount, "merchant": "Shop"}
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=PARALLEL)) as http:

        async def buy(number: int) -> httpx.Response:
            return await post(http, f"{two[number % 2].url}/v1/cards/{card_id}/transactions/purchases", ada, body, keys[number])

        replies = await asyncio.gather(*(buy(number) for number in range(PARALLEL)))
        given_up = [number for number, reply in enumerate(replies) if reply.status_code == 409]
        assert len(given_up) <= GIVEN_UP_MAX, "five retries are nearly always enough"
        for number in given_up:
            replies[number] = await buy(number)
    counts = collections.Counter(reply.status_code for reply in replies)
    assert counts == collections.Counter({201: affordable, 402: PARALLEL - affordable}), counts
    row = await card_row(world, card_id)
    owed = affordable * amount * 100
    assert (row["balance"]["N"], row["availableCredit"]["N"]) == (str(owed), str(300_000 - owed))
    assert await sequences(world, card_id) == list(range(1, PARALLEL + 2))
    statuses = collections.Counter(entry["status"]["S"] for entry in await ledger(world, card_id))
    assert statuses == collections.Counter({"completed": affordable, "failed": PARALLEL - affordable})


async def test_64_parallel_calls_with_one_key_buy_once_and_replay_the_rest(
    world: World, two: tuple[ApiProcess, ApiProcess]
) -> None:
    ben, card_id = await world.cardholder(score=720)
    key = str(uuid.uuid4())
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=PARALLEL)) as http:
        replies = await asyncio.gather(
            *(
                post(
                    http,
                    f"{two[number % 2].url}/v1/cards/{card_id}/transactions/purchases",
                    ben,
                    {"amount": 90, "merchant": "Shop"},
                    key,
                )
                for number in range(PARALLEL)
            )
        )
    assert collections.Counter(reply.status_code for reply in replies) == {201: 1, 200: PARALLEL - 1}
    assert len({reply.content for reply in replies}) == 1
    assert len(await ledger(world, card_id)) == 1
    assert (await card_row(world, card_id))["balance"]["N"] == "9000"


async def test_killing_the_api_in_the_middle_of_500_payments_loses_and_doubles_none(world: World, stage: Stage) -> None:
    holders = [await world.cardholder(score=720) for _ in range(5)]
    for person, card_id in holders:
        assert (await person.buy(card_id, 3000)).status == 201
    keys = [str(uuid.uuid4()) for _ in range(PAYMENTS)]
    async with api_process(stage.environment) as api, httpx.AsyncClient(timeout=30) as http:
        gate = asyncio.Semaphore(16)
        done = 0

        async def pay(number: int) -> httpx.Response:
            nonlocal done
            person, card_id = holders[number % len(holders)]
            async with gate:
                url = f"{api.url}/v1/cards/{card_id}/transactions/payments"
                reply = await post_until_answered(http, url, person, {"amount": 1.5}, keys[number])
            done += 1
            return reply

        async def murder() -> None:
            for threshold in (100, 250, 400):
                while done < threshold:
                    await asyncio.sleep(0.01)
                await api.kill()
                await api.start()

        *replies, _ = await asyncio.gather(*(pay(number) for number in range(PAYMENTS)), murder())
        again = await asyncio.gather(*(pay(number) for number in range(PAYMENTS)))
    assert all(reply is not None and reply.status_code in (200, 201) for reply in replies)
    assert all(reply.status_code == 200 and reply.headers["idempotent-replayed"] == "true" for reply in again)
    for person, card_id in holders:
        payments = [entry for entry in await ledger(world, card_id) if entry["type"]["S"] == "payment"]
        assert len(payments) == PAYMENTS / len(holders)
        balance = json.loads((await card_row(world, card_id))["balance"]["N"])
        assert Decimal(balance) == 300_000 - 150 * len(payments)
        assert await sequences(world, card_id) == list(range(1, len(payments) + 3))
        assert (await person.get("/v1/dashboard")).body["cards"][0]["balance"] == Decimal(balance) / 100
