"""The stand-in itself: takes messages to phones, and tells the API what happened on them."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tazco.local.stand_in.account import Account, same
from tazco.local.stand_in.courier import PLAINLY, Courier, Delivery, Manner
from tazco.local.stand_in.faults import Faults
from tazco.local.stand_in.phones import Bubble, Button, Kind, Phone, Phones, Provider, Sender, Tick
from tazco.local.stand_in.webhooks import message, status

WINDOW: Final = timedelta(hours=24)


class Unknown(Exception):
    """No such message; the error tells the cure."""


@dataclass(slots=True, kw_only=True)
class StandIn:
    """Both providers, one set of phones.

    `manner` is how the webhooks of their own accord leave: sent and delivered after a message, read when somebody looks.
    `tells_ticks` False: there are none of these. `window_enforced`: free-form messages need a message of the last 24 hours.
    """

    account: Account
    clock: Callable[[], datetime]
    phones: Phones
    courier: Courier
    faults: Faults = field(default_factory=Faults)
    manner: Manner = PLAINLY
    tells_ticks: bool = True
    window_enforced: bool = False
    wpp_connected: bool = True
    last_provider: Provider = Provider.META
    _wpp_tokens: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, account: Account, clock: Callable[[], datetime]) -> "StandIn":
        """A new one, with no phones yet and nobody to tell."""
        return cls(account=account, clock=clock, phones=Phones(clock), courier=Courier(account=account, clock=clock))

    async def pause(self, seconds: float) -> None:
        """Let time pass before an answer, unless we close."""
        await self.phones.until(lambda: False, seconds)

    async def close(self) -> None:
        """Let nobody wait, and give up the webhooks that are on their way."""
        self.phones.close()
        await self.courier.close()

    def new_wpp_token(self, session: str) -> str:
        """A token that opens this session from now on; the one before does not any more."""
        self._wpp_tokens[session] = secrets.token_urlsafe(32)
        return self._wpp_tokens[session]

    def knows_wpp_token(self, session: str, token: str) -> bool:
        """Whether a token opens this session, which must be our account's."""
        return session == self.account.wpp_session and same(token, self._wpp_tokens.get(session))

    def expire_wpp_tokens(self) -> None:
        """Every token given so far is refused from now on."""
        self._wpp_tokens.clear()

    def window_open(self, phone: Phone) -> bool:
        """Whether a message that is no template may be sent to this phone now."""
        if not self.window_enforced:
            return True
        return phone.wrote_at is not None and self.clock() - phone.wrote_at < WINDOW

    def arrive(
        self,
        phone: Phone,
        *,
        provider: Provider,
        kind: Kind,
        text: str,
        buttons: tuple[Button, ...] = (),
        reference: str | None = None,
    ) -> Bubble:
        """A message of ours is taken, and is on the phone at once; its ticks are told.

        Whoever writes has read: the holder's own messages get their blue ticks.
        """
        self.last_provider = provider
        for bubble in [each for each in phone.thread if each.sender is Sender.HOLDER and each.tick is Tick.DELIVERED]:
            self.phones.ticked(bubble, Tick.READ)
        sent = self.phones.add(
            phone, sender=Sender.BUSINESS, provider=provider, kind=kind, text=text, buttons=buttons, reference=reference
        )
        arrived = self.phones.ticked(sent, Tick.DELIVERED)
        self._tell_ticks(phone, arrived, (Tick.SENT, Tick.DELIVERED))
        return arrived

    def read(self, phone: Phone) -> None:
        """Somebody looks at the phone: everything on it is read now."""
        for bubble in [each for each in phone.thread if each.sender is Sender.BUSINESS and each.tick is Tick.DELIVERED]:
            self._tell_ticks(phone, self.phones.ticked(bubble, Tick.READ), (Tick.READ,))

    def type(self, phone: Phone, text: str, manner: Manner = PLAINLY) -> tuple[Bubble, list[Delivery]]:
        """The holder writes."""
        self.read(phone)
        provider = phone.thread[-1].provider if phone.thread else self.last_provider
        bubble = self.phones.add(phone, sender=Sender.HOLDER, provider=provider, kind=Kind.TEXT, text=text)
        return self._tell(phone, bubble, manner)

    def tap(
        self, phone: Phone, word: str, message_id: str | None = None, manner: Manner = PLAINLY
    ) -> tuple[Bubble, list[Delivery]]:
        """The holder taps a button; raise `NothingToTap`."""
        asked, button = phone.button(word, message_id)
        self.read(phone)
        bubble = self.phones.add(
            phone,
            sender=Sender.HOLDER,
            provider=asked.provider,
            kind=Kind.TEMPLATE if asked.kind is Kind.TEMPLATE else Kind.TAP,
            text=button.title,
            answers=asked.id,
            payload=button.id,
        )
        return self._tell(phone, bubble, manner)

    def report(self, wanted: str, tick: Tick, *, code: int | None = None, manner: Manner = PLAINLY) -> list[Delivery]:
        """Tell a status of the message with this id or reference, whatever was told before; raise `Unknown`."""
        found = self.phones.find(wanted)
        if found is None:
            raise Unknown(f"No message has the id or reference {wanted!r}; GET /stand-in/messages lists them.")
        phone, bubble = found
        return self.courier.send(
            [status(self.account, phone, self.phones.ticked(bubble, tick), tick, self.clock(), code=code)], manner
        )

    def forget(self) -> None:
        """Start over: no phones, no plans."""
        self.phones.forget()
        self.faults.forget()
        self.courier.deliveries.clear()
        self.manner, self.tells_ticks, self.window_enforced, self.wpp_connected = PLAINLY, True, False, True

    def _tell(self, phone: Phone, bubble: Bubble, manner: Manner) -> tuple[Bubble, list[Delivery]]:
        return bubble, self.courier.send(
            [message(self.account, phone, bubble, flat=manner.flat)],
            manner,
            when_taken=lambda: self._taken(phone, bubble),
        )

    def _taken(self, phone: Phone, bubble: Bubble) -> None:
        """The API has an answer of the holder's; it may have written back before it said so."""
        written_back = any(each.sender is Sender.BUSINESS and each.number > bubble.number for each in phone.thread)
        self.phones.ticked(bubble, Tick.READ if written_back else Tick.DELIVERED)

    def _tell_ticks(self, phone: Phone, bubble: Bubble, ticks: Iterable[Tick]) -> None:
        if self.tells_ticks:
            self.courier.send([status(self.account, phone, bubble, tick, self.clock()) for tick in ticks], self.manner)
