"""The provider of WhatsApp and the approvers behind it: messages arrive, are answered, and webhooks come late, twice, or not at once."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tazco.local.stand_in.webhooks import signature_of
from tests.simulation.chaos import Storm
from tests.simulation.history import outcomes
from tests.simulation.ledger import Rare, RareStates
from tests.simulation.loop import VirtualLoop
from tests.simulation.people import Clients
from tests.simulation.process import APP_SECRET, PHONE_NUMBER_ID, ConnectionLost

GIVES_UP_AFTER: Final = 8
FAULTS: Final = 0.08


@dataclass(slots=True)
class Webhook:
    """One notice of the provider, repeated until somebody answers 200."""

    value: dict[str, Any]
    tap: str | None = None
    done: bool = False


@dataclass(slots=True)
class Phones:
    """The provider and every phone that it reaches."""

    loop: VirtualLoop
    rng: random.Random
    clients: Clients
    rare: RareStates
    storm: Storm
    webhooks: list[Webhook] = field(default_factory=list)
    arrived: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    busy: int = 0
    _ids: int = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """A message of ours arrives; sometimes nobody answers, sometimes it is refused."""
        await asyncio.sleep(self.rng.uniform(0.02, 0.4))
        draw = self.rng.random() if self.storm.on else 1.0
        if draw < FAULTS / 2:
            return _json(500, {"error": {"code": 1, "message": "planned"}})
        body = json.loads(request.content)
        self._ids += 1
        message_id = f"wamid.out{self._ids}"
        self._arrive(message_id, body)
        if draw < FAULTS:
            self.rare.saw(Rare.SENT_ANSWER_LOST)
            raise httpx.ReadError("planned", request=request)
        return _json(200, {"messages": [{"id": message_id}]})

    def _arrive(self, message_id: str, body: dict[str, Any]) -> None:
        reference = body["biz_opaque_callback_data"]
        self.arrived[reference] += 1
        if self.arrived[reference] > 1:
            self.rare.saw(Rare.SENT_TWICE)
        for name in self.rng.sample(("sent", "delivered", "read"), self.rng.randint(0, 3)):
            status = {
                "id": message_id,
                "status": name,
                "timestamp": str(int(self.storm.cloud.epoch)),
                "biz_opaque_callback_data": reference,
            }
            self._notify(Webhook({"statuses": [status]}), self.rng.choice((0.0, 0.3, 3.0)))
        if body["type"] == "interactive":
            buttons = [button["reply"]["id"] for button in body["interactive"]["action"]["buttons"]]
            self.asked.append((body["to"], buttons))
            if self.rng.random() < 0.35:  # not everybody answers
                self._tap(body["to"], self.rng.choice(buttons), self.rng.choice((0.2, 1.0, 4.0)))

    def morning(self) -> None:
        """Some questions of the days before are answered now, whatever became of them meanwhile."""
        for phone, buttons in self.asked[-12:]:
            if self.rng.random() < 0.5:
                self._tap(phone, self.rng.choice(buttons), self.rng.choice((2.0, 8.0, 20.0)))

    def _tap(self, phone: str, payload: str, after: float) -> None:
        self._ids += 1
        message_id = f"wamid.in{self._ids}"
        reply = {"type": "button_reply", "button_reply": {"id": payload, "title": "x"}}
        message = {"id": message_id, "from": phone, "timestamp": "1", "type": "interactive", "interactive": reply}
        webhook = Webhook({"contacts": [{"wa_id": phone}], "messages": [message]}, message_id)
        self._notify(webhook, after)
        if self.rng.random() < 0.25:  # providers repeat themselves
            self._notify(webhook, after + self.rng.choice((0.0, 0.0, 5.0)))

    def _notify(self, webhook: Webhook, after: float) -> None:
        self.webhooks.append(webhook)
        self.loop.start(self.loop.world, self._deliver(webhook, after * self.rng.random()))

    async def _deliver(self, webhook: Webhook, after: float) -> None:
        self.busy += 1
        try:
            await asyncio.sleep(after)
            for attempt in range(GIVES_UP_AFTER):
                if await self.post(webhook):
                    return
                await asyncio.sleep(self.rng.uniform(0, 2.0**attempt))
        finally:
            self.busy -= 1

    async def post(self, webhook: Webhook) -> bool:
        """One delivery; whether it was answered with 200."""
        head = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": PHONE_NUMBER_ID}}
        change = {"field": "messages", "value": {**head, **webhook.value}}
        raw = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).encode()
        if webhook.done:
            self.rare.saw(Rare.WEBHOOK_REDELIVERED)
        if webhook.tap and self.clients.under_way.get(webhook.tap):
            self.rare.saw(Rare.WEBHOOKS_AT_ONCE)
        for status in webhook.value.get("statuses", ()):
            row = self.storm.cloud.row("sim-whatsapp-notifications", (status["biz_opaque_callback_data"],))
            if row is not None and "providerMessageId" not in row:
                self.rare.saw(Rare.STATUS_FIRST)
        key = webhook.tap or ""
        self.clients.under_way[key] = self.clients.under_way.get(key, 0) + 1
        headers = {"x-hub-signature-256": "sha256=" + signature_of(raw, APP_SECRET)}
        try:
            answer = await self.clients.send("POST", "/webhooks/whatsapp", headers, raw, calm=not self.storm.on)
        except ConnectionLost:
            return False
        finally:
            self.clients.under_way[key] -= 1
        if answer.status != 200:  # HTTP
            return False
        webhook.done = True
        if webhook.tap:
            self._outcome(webhook.tap, answer.body["results"])
        return True

    def _outcome(self, message_id: str, results: list[dict[str, Any]]) -> None:
        for result in outcomes(results):
            self.clients.history.taps.setdefault(message_id, []).append(result)
            if result.get("reason") == "already_processed":
                self.rare.saw(Rare.DECIDED_TWICE)
            if result.get("reason") == "expired":
                self.rare.saw(Rare.DECIDED_TOO_LATE)

    async def settle(self) -> None:
        """Everything that is still to be told is told, and the outcome of each answer is asked for once more."""
        while self.busy:
            await asyncio.sleep(0.5)
        await asyncio.sleep(1)
        for webhook in self.webhooks:
            for _ in range(200):
                known = webhook.done and (webhook.tap is None or webhook.tap in self.clients.history.taps)
                if known or (await self.post(webhook) and webhook.tap is None):
                    break
                await asyncio.sleep(1.0)
        self.webhooks = [
            webhook for webhook in self.webhooks if webhook.tap is not None and self.rng.random() < 0.1
        ]  # some come again tomorrow

    def left(self) -> list[str]:
        """Deliveries under way."""
        return ["a webhook is under way"] if self.busy else []


def _json(status: int, body: dict[str, Any]) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(body).encode()))
