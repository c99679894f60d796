"""The stand-in for the WhatsApp providers in a test's own process: a real socket, its state at hand, webhooks to post by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from tazco.kernel.clock import Clock, system_clock
from tazco.local.stand_in.account import Account
from tazco.local.stand_in.control import awaited_message
from tazco.local.stand_in.courier import Courier
from tazco.local.stand_in.faults import Answer, Fault
from tazco.local.stand_in.phones import Bubble, Button, Kind, Phone, Phones, Provider, Sender, Tick, new_id
from tazco.local.stand_in.provider import StandIn
from tazco.local.stand_in.server import listening, running
from tazco.local.stand_in.webhooks import Signature, message, meta, signed, status

SECONDS_MAX = 10.0
ACCOUNT = Account(
    phone_number_id="123456",
    access_token="stand-in-access-token",
    app_secret="stand-in-app-secret",
    verify_token="stand-in-verify-token",
    wpp_secret_key="stand-in/secret key",
    wpp_webhook_secret="stand-in-webhook-secret",
)

Posted = tuple[bytes, dict[str, str]]
"""A webhook to post: raw body and headers."""


@dataclass(frozen=True, slots=True)
class RunningStandIn:
    """A stand-in that listens at `url`. `behind` is its inside: faults, phones, habits, deliveries."""

    url: str
    behind: StandIn

    @property
    def account(self) -> Account:
        """Its side of the secrets."""
        return self.behind.account

    @property
    def phones(self) -> Phones:
        """Every phone."""
        return self.behind.phones

    @property
    def courier(self) -> Courier:
        """The webhooks that were sent, and what they were answered."""
        return self.behind.courier

    @property
    def settings(self) -> dict[str, Any]:
        """Keyword arguments of `Settings` that point both providers here; `whatsapp_provider` chooses one of them."""
        assert self.account.access_token
        assert self.account.app_secret
        assert self.account.verify_token
        assert self.account.wpp_secret_key
        assert self.account.wpp_webhook_secret
        return {
            "whatsapp_meta_base_url": self.url,
            "whatsapp_meta_phone_number_id": self.account.phone_number_id,
            "whatsapp_meta_access_token": SecretStr(self.account.access_token),
            "whatsapp_meta_app_secrets": (SecretStr(self.account.app_secret),),
            "whatsapp_meta_verify_token": SecretStr(self.account.verify_token),
            "wpp_base_url": self.url,
            "wpp_secret_key": SecretStr(self.account.wpp_secret_key),
            "wpp_webhook_secret": SecretStr(self.account.wpp_webhook_secret),
            "wpp_session": self.account.wpp_session,
        }

    def send_webhooks_to(self, http: httpx.AsyncClient | None) -> None:
        """Send webhooks with this client, for example `world.http`; None sends none."""
        self.courier.http = http

    def plan(self, recipient: str | None, *faults: Fault) -> None:
        """Plan the next answers to a recipient, or to anyone."""
        self.behind.faults.plan(recipient, *faults)

    def phone(self, address: str, *, user_id: str | None = None, name: str = "Desk") -> Phone:
        """The phone with this number or user id; made, or given the other of the two, where needed."""
        phone = self.phones.phone(address)
        return self.phones.register(number=phone.number, user_id=user_id or phone.user_id, name=phone.name or name)

    def thread(self, address: str) -> list[Bubble]:
        """Everything on a phone, oldest first; empty if nothing arrived there."""
        phone = self.phones.known(address)
        return list(phone.thread) if phone else []

    def received(self, address: str) -> list[Bubble]:
        """What arrived on a phone, oldest first."""
        return [bubble for bubble in self.thread(address) if bubble.sender is Sender.BUSINESS]

    async def next_message(self, address: str, *, after: Bubble | int = 0, seconds: float = SECONDS_MAX) -> Bubble:
        """The first message to a phone that is newer than `after`, waited for; the test fails if none comes."""
        number = after if isinstance(after, int) else after.number
        bubble = await awaited_message(self.behind, address, number, seconds)
        assert bubble is not None, f"nothing arrived on {address} within {seconds:g} s"
        return bubble

    def tap(
        self,
        address: str,
        button_id: str,
        *,
        message_id: str | None = None,
        kind: Kind = Kind.TAP,
        signature: Signature = Signature.GOOD,
    ) -> Posted:
        """The webhook of a tapped button, whether or not that button exists; `Kind.TEMPLATE` for one of a template."""
        return self._inbound(address, button_id, message_id, kind, signature)

    def typed(self, address: str, text: str, *, message_id: str | None = None, signature: Signature = Signature.GOOD) -> Posted:
        """The Cloud API's webhook of a text."""
        return self._inbound(address, text, message_id, Kind.TEXT, signature)

    def wpp_typed(
        self, address: str, text: str, *, message_id: str | None = None, flat: bool = False, signature: Signature = Signature.GOOD
    ) -> Posted:
        """WPPConnect's webhook of a text."""
        phone = self.phone(address)
        bubble = self._bubble(phone, Provider.WPPCONNECT, text, message_id, Kind.TEXT)
        return signed(self.account, message(self.account, phone, bubble, flat=flat), signature)

    def status(self, wanted: str, tick: str, *, code: int | None = None, signature: Signature = Signature.GOOD) -> Posted:
        """The webhook of a status (`sent`, `delivered`, `read`, `failed`) of the message with this id or reference."""
        found = self.phones.find(wanted)
        assert found is not None, f"no message has the id or reference {wanted}"
        return signed(self.account, status(self.account, *found, Tick(tick), self.behind.clock(), code=code), signature)

    def posted(self, *values: dict[str, Any], signature: Signature = Signature.GOOD) -> Posted:
        """One webhook of the Cloud API with these values, as they are; `metadata` may be among them."""
        return signed(self.account, meta(self.account, *values), signature)

    def _inbound(self, address: str, text: str, message_id: str | None, kind: Kind, signature: Signature) -> Posted:
        phone = self.phone(address)
        bubble = self._bubble(phone, Provider.META, text, message_id, kind)
        return signed(self.account, message(self.account, phone, bubble), signature)

    def _bubble(self, phone: Phone, provider: Provider, text: str, message_id: str | None, kind: Kind) -> Bubble:
        return Bubble(
            number=0,
            id=message_id or new_id(provider, phone, Sender.HOLDER),
            sender=Sender.HOLDER,
            provider=provider,
            kind=kind,
            text=text if kind is Kind.TEXT else text.partition(":")[0].capitalize(),
            payload=None if kind is Kind.TEXT else text,
            at=self.behind.clock(),
        )


@asynccontextmanager
async def stand_in_running(
    webhooks_to: str | httpx.AsyncClient | None = None,
    *,
    clock: Clock = system_clock,
    account: Account = ACCOUNT,
    pauses_seconds: Sequence[float] = (0.01, 0.02, 0.04),
) -> AsyncIterator[RunningStandIn]:
    """A stand-in on a free port. `webhooks_to`: the API's URL, or a client for it; None remembers webhooks and sends none."""
    async with AsyncExitStack() as stack:
        behind = StandIn.of(account, clock)
        behind.courier.pauses_seconds = pauses_seconds
        if isinstance(webhooks_to, str):
            webhooks_to = await stack.enter_async_context(httpx.AsyncClient(base_url=webhooks_to))
        behind.courier.http = webhooks_to
        listener = stack.enter_context(listening("127.0.0.1", 0))
        await stack.enter_async_context(running(behind, listener))
        yield RunningStandIn(f"http://127.0.0.1:{listener.getsockname()[1]}", behind)


__all__ = [
    "ACCOUNT",
    "Answer",
    "Bubble",
    "Button",
    "Fault",
    "Kind",
    "Posted",
    "RunningStandIn",
    "Signature",
    "Tick",
    "stand_in_running",
]
