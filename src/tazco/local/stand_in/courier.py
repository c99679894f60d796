"""Brings webhooks to the API: once or many times, in any order, late, and again while nobody answers 200, as the providers do."""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import httpx

from tazco.local.stand_in.account import Account
from tazco.local.stand_in.webhooks import META_PATH, Signature, Webhook, as_one, signed

PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
TIMEOUT_SECONDS: Final = 10.0
UNDER_WAY_MAX: Final = 2_000
AT_ONCE_MAX: Final = 64
REMEMBERED_MAX: Final = 2_000
ANSWER_CHARACTERS_MAX: Final = 10_000
HTTP_OK: Final = 200


class Order(StrEnum):
    """In which order several webhooks leave."""

    AS_THEY_HAPPENED = "as_they_happened"
    REVERSED = "reversed"
    SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How webhooks are brought: each so many times, one after the other or in parallel, late, badly signed, all in one."""

    copies: int = 1
    parallel: bool = False
    delay_seconds: float = 0.0
    order: Order = Order.AS_THEY_HAPPENED
    signature: Signature = Signature.GOOD
    as_batch: bool = False
    flat: bool = False


PLAINLY: Final = Manner()


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One webhook on its way: what each attempt got for an answer. `status` 0: nobody there, or no answer in time."""

    path: str
    raw: bytes
    headers: dict[str, str]
    begun_at: datetime
    status: int | None = None
    answer: str = ""
    attempts: int = 0
    ended: bool = False
    when_taken: Callable[[], object] = lambda: None

    @property
    def taken(self) -> bool:
        """The API answered 200."""
        return self.status == HTTP_OK


@dataclass(slots=True, kw_only=True)
class Courier:
    """Sends webhooks with `http`, whose base URL is the API's; without it they only are remembered."""

    account: Account
    clock: Callable[[], datetime]
    http: httpx.AsyncClient | None = None
    pauses_seconds: Sequence[float] = PAUSES_SECONDS
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE_MAX))
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def send(
        self, webhooks: Sequence[Webhook], manner: Manner = PLAINLY, *, when_taken: Callable[[], object] = lambda: None
    ) -> list[Delivery]:
        """Send webhooks in this manner; they are on their way when this returns. `when_taken` is called for each answered 200."""
        ordered = as_one(self.account, webhooks) if manner.as_batch else list(webhooks)
        if manner.order is Order.REVERSED:
            ordered.reverse()
        elif manner.order is Order.SHUFFLED:
            random.shuffle(ordered)
        deliveries = [self._delivery(webhook, manner.signature, when_taken) for webhook in ordered for _ in range(manner.copies)]
        self.deliveries.extend(deliveries)
        if self.http is not None:
            groups = [[each] for each in deliveries] if manner.parallel else [deliveries]
            for group in groups:
                self._start(self.http, group, manner.delay_seconds)
        return deliveries

    async def answered(self, deliveries: Sequence[Delivery], seconds: float) -> bool:
        """Wait until each has had its first answer, for so long at most; whether each was taken by then."""
        if self.http is not None:
            try:
                async with asyncio.timeout(seconds):
                    while any(each.status is None for each in deliveries):
                        await self._changed.wait()
            except TimeoutError:
                return False
        return all(each.taken for each in deliveries)

    async def shake_hands(self) -> bool:
        """Make Meta's handshake with the API; whether it proved itself."""
        if self.http is None:
            return False
        challenge = secrets.token_hex(8)
        query = {"hub.mode": "subscribe", "hub.verify_token": self.account.verify_token or "", "hub.challenge": challenge}
        try:
            response = await self.http.get(META_PATH, params=query)
        except httpx.HTTPError:
            return False
        return response.status_code == HTTP_OK and response.text == challenge

    async def settled(self) -> None:
        """Wait until nothing is on its way any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Give up what is on its way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _delivery(self, webhook: Webhook, signature: Signature, when_taken: Callable[[], object]) -> Delivery:
        raw, headers = signed(self.account, webhook, signature)
        return Delivery(path=webhook.path, raw=raw, headers=headers, begun_at=self.clock(), when_taken=when_taken)

    def _start(self, http: httpx.AsyncClient, group: Sequence[Delivery], delay_seconds: float) -> None:
        if len(self._tasks) >= UNDER_WAY_MAX:
            for delivery in group:
                delivery.answer, delivery.ended = f"Not sent: {UNDER_WAY_MAX} webhooks are on their way already.", True
            return
        task = asyncio.create_task(self._bring(http, group, delay_seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring(self, http: httpx.AsyncClient, group: Sequence[Delivery], delay_seconds: float) -> None:
        if delay_seconds:
            await asyncio.sleep(delay_seconds)
        for delivery in group:
            for pause in (*self.pauses_seconds, None):
                async with self._gate:
                    await _attempt(http, delivery)
                delivery.ended = delivery.taken or pause is None
                if delivery.taken:
                    delivery.when_taken()
                self._wake()
                if delivery.ended or pause is None:
                    break
                await asyncio.sleep(pause)

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()


async def _attempt(http: httpx.AsyncClient, delivery: Delivery) -> None:
    delivery.attempts += 1
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            response = await http.post(delivery.path, content=delivery.raw, headers=delivery.headers)
    except (httpx.HTTPError, TimeoutError) as error:
        delivery.status, delivery.answer = 0, f"{type(error).__name__}: {error}"
    else:
        delivery.status, delivery.answer = response.status_code, response.text[:ANSWER_CHARACTERS_MAX]
