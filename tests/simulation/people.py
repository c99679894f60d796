"""Cardholders and operators: clients that do what a good client does, repeat with the same key until they know."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tazco.platform.outbox import DEAD_LETTERS
from tazco.platform.queues import Queue, move
from tests.simulation.cloud import NAMES, SimCloud
from tests.simulation.history import History, Op
from tests.simulation.invariants import plain
from tests.simulation.ledger import Rare, RareStates
from tests.simulation.loop import VirtualLoop
from tests.simulation.process import Answer, ConnectionLost, Process, serve, token
from tests.simulation.wire import QUEUES, Trace

PATIENCE_SECONDS: Final = 12.0
ATTEMPTS_MAX: Final = 6
LOSS: Final = 0.02
"""So many requests and so many answers of a hundred get lost between client and API."""


@dataclass(slots=True)
class Clients:
    """The network between clients and API processes."""

    loop: VirtualLoop
    rng: random.Random
    history: History
    rare: RareStates
    apis: Callable[[], list[Process]]
    trace: Trace
    true_time: Callable[[], float]
    under_way: dict[str, int] = field(default_factory=dict)
    requests: int = 0

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, calm: bool = False) -> Answer:
        """One request to any API process; raise `ConnectionLost` where no answer comes back."""
        await asyncio.sleep(self.rng.uniform(0.001, 0.05))
        able = self.apis()
        if not able or (not calm and self.rng.random() < LOSS):
            raise ConnectionLost("nobody listens")
        process = self.rng.choice(able)
        waiting: asyncio.Future[Answer] = self.loop.create_future()
        process.exchanges[waiting] = None
        self.requests += 1
        given = {**headers, "x-request-id": f"r-{self.requests}", "user-agent": "simulation"}
        self.loop.start(process.actor, _answered(process, waiting, method, path, given, body))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await waiting
        except TimeoutError:
            raise ConnectionLost("no answer in time") from None
        finally:
            process.exchanges.pop(waiting, None)
        if not calm and self.rng.random() < LOSS:
            raise ConnectionLost("the answer got lost")
        self.trace.note(f"{self.loop.now:.6f} {method} {path} {answer.status}")
        return answer

    async def attempt(self, op: Op, *, calm: bool = True) -> None:
        """Ask once, with the command's key."""
        headers = {"authorization": f"Bearer {token(op.who, admin=op.who == 'operator')}", "idempotency-key": op.key}
        op.began_at = op.began_at or self.true_time()
        self.under_way[op.key] = self.under_way.get(op.key, 0) + 1
        if self.under_way[op.key] > 1:
            self.rare.saw(Rare.TWINS)
        try:
            answer = await self.send(op.method, op.path, headers, json.dumps(op.body).encode(), calm=calm)
        except ConnectionLost:
            op.lost += 1
            return
        finally:
            self.under_way[op.key] -= 1
        self._told(op, answer)
        op.heard(answer)
        if op.final is not None and not op.settled_at:
            op.settled_at = self.true_time()

    def _told(self, op: Op, answer: Answer) -> None:
        if answer.replayed:
            self.rare.saw(Rare.REPLAY if answer.status < 300 else Rare.DECLINE_REPLAYED)  # HTTP
        for code, state in (
            ("VERSION_CONFLICT", Rare.CONFLICT_TOLD),
            ("SERVICE_UNAVAILABLE", Rare.UNAVAILABLE_TOLD),
            ("IDEMPOTENCY_KEY_REUSED", Rare.KEY_REUSED),
            ("ACCOUNT_DISABLED", Rare.DISABLED),
        ):
            if answer.code == code:
                self.rare.saw(state)
        if op.kind == "payment" and answer.status == 201 and answer.body["transaction"]["paymentStatus"] == "late":  # HTTP
            self.rare.saw(Rare.LATE_PAYMENT)

    async def command(self, op: Op) -> None:
        """Ask until it is settled, as often as a client has patience; sometimes twice at once."""
        self.history.ops.append(op)
        for attempt in range(ATTEMPTS_MAX):
            if self.rng.random() < 0.06:  # an impatient client
                await asyncio.gather(self.attempt(op, calm=False), self.attempt(op, calm=False))
            else:
                await self.attempt(op, calm=False)
            if op.final is not None:
                return
            await asyncio.sleep(self.rng.uniform(0, 0.3 * 2**attempt))

    def new_key(self) -> str:
        """A fresh key."""
        return f"k-{self.rng.getrandbits(64):016x}"


async def _answered(
    process: Process, waiting: asyncio.Future[Answer], method: str, path: str, headers: Mapping[str, str], body: bytes
) -> None:
    try:
        answer = await serve(process, method, path, headers, body)
    except Exception as error:  # noqa: BLE001  # the server would log it and close; the client hears nothing
        if not waiting.done():
            waiting.set_exception(ConnectionLost(repr(error)))
        return
    if not waiting.done():
        waiting.set_result(answer)


@dataclass(slots=True)
class Session:
    """One device of a cardholder; a person may have several at once."""

    clients: Clients
    who: str
    rng: random.Random
    cloud: SimCloud
    done: list[Op] = field(default_factory=list)

    async def act(self, steps: int) -> None:
        """So many things, one after the other."""
        await self.register()
        for _ in range(steps):
            await asyncio.sleep(self.rng.uniform(0, 1.5))
            await self._step()

    async def register(self) -> None:
        """Sign in."""
        for _ in range(ATTEMPTS_MAX):
            try:
                answer = await self.clients.send("POST", "/v1/users", {"authorization": f"Bearer {token(self.who)}"}, b"{}")
            except ConnectionLost:
                continue
            if answer.status < 300:  # HTTP
                self.clients.history.registered.add(self.who)
                return

    async def _step(self) -> None:
        card = self._card()
        if card is None:
            await self._op("ask", "POST", "/v1/cards/requests", {"productId": "basic"})
            return
        path = f"/v1/cards/{card['cardId']}"
        draw = self.rng.random()
        if draw < 0.48:  # shares of what people do
            cents = self.rng.choice(
                (self.rng.randint(1, 9_999), self.rng.randint(10_000, 200_000), card["limit"] - card["balance"])
            )
            amount = max(1, cents + self.rng.choice((0, 0, 0, 1)))
            await self._op("purchase", "POST", f"{path}/transactions/purchases", {"amount": amount / 100, "merchant": "Shop"}, card)
        elif draw < 0.84:  # as above
            cents = self.rng.choice((card["balance"], self.rng.randint(1, 20_000), card["minimumPayment"], card["balance"] + 1))
            await self._op("payment", "POST", f"{path}/transactions/payments", {"amount": max(1, cents) / 100}, card)
        elif draw < 0.88:  # as above
            await self._op("cancel", "POST", f"{path}/cancel", {"reason": "enough"}, card)
        elif self.done:
            await self._again()

    def old(self) -> list[Op]:
        """Own commands whose keys have expired."""
        return [op for op in self.clients.history.ops if op.who == self.who and op in self.done and op.forgotten(self.cloud.epoch)]

    async def _again(self) -> None:
        """An old key once more, with the same body or with another one."""
        op = self.rng.choice(self.old() or self.done)
        if op.final is None or not (op.done or op.declined):
            return
        if op.forgotten(self.cloud.epoch):
            await self._after_a_day(op)
        if not op.remembered(self.cloud.epoch):
            return
        if self.rng.random() < 0.3 and op.kind == "purchase":  # sometimes another body
            other = Op("other body", op.who, op.method, op.path, {**op.body, "merchant": "Elsewhere"}, op.key)
            await self.clients.attempt(other, calm=False)
            if other.final is not None and other.final.status != 422:  # HTTP
                raise AssertionError(f"I2: a key was taken with another body: {other.final}")
            return
        await self.clients.attempt(op, calm=False)

    async def _after_a_day(self, op: Op) -> None:
        """A key whose 24 hours are over is as good as new, whether or not its row is still there."""
        if op.kind not in ("purchase", "payment"):
            return
        self.clients.rare.saw(Rare.KEY_EXPIRED)
        anew = Op(op.kind, op.who, op.method, op.path, op.body, op.key, op.card)
        self.done.remove(op)
        self.done.append(anew)
        await self.clients.command(anew)

    async def _op(self, kind: str, method: str, path: str, body: dict[str, Any], card: Mapping[str, Any] | None = None) -> None:
        op = Op(kind, self.who, method, path, body, self.clients.new_key(), card["cardId"] if card else "")
        self.done.append(op)
        await self.clients.command(op)

    def _card(self) -> dict[str, Any] | None:
        """What the person's app shows, a little old: the newest card."""
        rows = [plain(item) for item in self.cloud.raw(NAMES.table_prefix + "cards").get(self.who, {}).values()]
        open_cards = [row for row in rows if row["status"] != "cancelled"]
        if not open_cards and rows and self.rng.random() < 0.2:  # sometimes with a dead one
            return rows[-1]
        return open_cards[-1] if open_cards else None


@dataclass(slots=True)
class Operator:
    """An operator at the console's API."""

    clients: Clients
    who: str
    cloud: SimCloud

    async def register(self) -> None:
        """Sign in."""
        headers = {"authorization": f"Bearer {token(self.who, admin=True)}"}
        for _ in range(200):
            try:
                answer = await self.clients.send("POST", "/v1/users", headers, b"{}", calm=True)
            except ConnectionLost:
                await asyncio.sleep(0.1)
                continue
            if answer.status < 300:  # HTTP
                return
        raise AssertionError("the operator cannot register")

    def _rows(self, table: str) -> list[dict[str, Any]]:
        return [plain(item) for rows in self.cloud.raw(NAMES.table_prefix + table).values() for item in rows.values()]

    async def act(self, steps: int, rng: random.Random) -> None:
        """So many deeds, several at once: operators are many."""
        for _ in range(steps):
            await asyncio.sleep(rng.uniform(0, 1.0))
            deeds = [self._deed(rng) for _ in range(2 if rng.random() < 0.3 else 1)]  # sometimes two at once
            await asyncio.gather(*deeds)

    async def _deed(self, rng: random.Random) -> None:
        people = [row["ecosystemId"] for row in self._rows("users") if row["ecosystemId"] != self.who]
        pending = [row["requestId"] for row in self._rows("card-requests") if row["status"] == "pending"]
        cards = [row for row in self._rows("cards") if row["status"] != "cancelled"]
        draw = rng.random()
        if pending and draw < 0.12:  # shares of what operators do
            request = rng.choice(pending)
            if rng.random() < 0.6:  # as above
                await self._op(
                    "approve", "POST", f"/v1/admin/card-requests/{request}/approve", {"creditLimit": rng.choice((100, 400, 1200))}
                )
            else:
                await self._op("reject", "POST", f"/v1/admin/card-requests/{request}/reject", {"reason": "no"})
        elif people and draw < 0.65:  # as above
            score = rng.choice((150, 480, 650, 720, 990, 1000))
            await self._op("score", "PATCH", f"/v1/admin/users/{rng.choice(people)}/score", {"score": score, "reason": "review"})
        elif cards and draw < 0.9:  # as above
            card = rng.choice(cards)
            verb = rng.choice(("suspend", "reactivate", "reactivate", "cancel"))
            await self._op(verb, "POST", f"/v1/admin/cards/{card['ecosystemId']}/{card['cardId']}/{verb}", {"reason": "risk"})
        elif people:
            verb = rng.choice(("disable", "enable", "enable"))
            await self._op(verb, "POST", f"/v1/admin/users/{rng.choice(people)}/{verb}", {"reason": "risk"})

    async def _op(self, kind: str, method: str, path: str, body: dict[str, Any]) -> None:
        op = Op(kind, self.who, method, path, body, self.clients.new_key())
        await self.clients.command(op)

    async def enable_everybody(self) -> None:
        """So that open commands can be settled."""
        for row in self._rows("users"):
            if row["status"] == "disabled":
                await self._op("enable", "POST", f"/v1/admin/users/{row['ecosystemId']}/enable", {"reason": "settling"})
        await asyncio.sleep(11)  # so long may a process remember that somebody is disabled

    async def redrive_dead_letters(self) -> None:
        """Let events that were given up try again."""
        for row in self._rows("outbox"):
            if row.get("pendingShard") == DEAD_LETTERS:
                self.clients.rare.saw(Rare.DEAD_LETTER)
                op = Op("redrive", self.who, "POST", f"/v1/admin/events/{row['eventId']}/redrive", {}, self.clients.new_key())
                self.clients.history.ops.append(op)
                while op.final is None:
                    await self.clients.attempt(op)
                self.clients.rare.saw(Rare.DEAD_LETTER_REDRIVEN)

    async def move_dead_messages(self, process: Process) -> None:
        """`tazco queues redrive`, from some process."""
        for name in QUEUES:
            if self.cloud.messages(f"{name}-dlq"):
                aws = process.services.aws
                work = move(Queue(aws, f"{name}-dlq"), Queue(aws, name), 100)
                moved = await self.clients.loop.start(process.actor, work)
                for _ in range(moved):
                    self.clients.rare.saw(Rare.QUEUE_DEAD_LETTER)
