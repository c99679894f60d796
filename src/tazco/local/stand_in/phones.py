"""The phones of those who are written to: threads of bubbles, as WhatsApp shows them, in memory and bounded."""

import asyncio
import base64
import dataclasses
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from tazco.platform.phones import normalise_phone

BUBBLES_MAX: Final = 500
PHONES_MAX: Final = 500


class Provider(StrEnum):
    """Which of the two contracts a message came by; answers go back the same way."""

    META = "meta"
    WPPCONNECT = "wppconnect"


class Sender(StrEnum):
    """Who wrote: Tazco, or whoever holds the phone."""

    BUSINESS = "business"
    HOLDER = "holder"


class Tick(StrEnum):
    """How far a message got, in this order; `failed` stands apart."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class Kind(StrEnum):
    """What sort of message it is."""

    TEXT = "text"
    QUESTION = "question"
    TEMPLATE = "template"
    TAP = "tap"


FORWARD: Final = (Tick.SENT, Tick.DELIVERED, Tick.READ, Tick.FAILED)


@dataclass(frozen=True, slots=True)
class Button:
    """What can be tapped; `id` is what comes back."""

    id: str
    title: str

    def is_called(self, word: str) -> bool:
        """Whether `word` means this button: its id, the verb at the beginning of its id, or its title."""
        return word.casefold() in {self.id.casefold(), self.id.partition(":")[0].casefold(), self.title.casefold()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One message in a thread. `number` counts all bubbles of the stand-in; `answers` is the message whose button was tapped."""

    number: int
    id: str
    sender: Sender
    provider: Provider
    kind: Kind
    text: str
    at: datetime
    buttons: tuple[Button, ...] = ()
    tick: Tick = Tick.SENT
    reference: str | None = None
    answers: str | None = None
    payload: str | None = None


class NothingToTap(Exception):
    """No message has such a button; the message says which there are."""


@dataclass(slots=True, kw_only=True)
class Phone:
    """A phone and its thread. `revision` grows with everything that changes on its screen."""

    number: str | None
    user_id: str | None
    name: str
    thread: list[Bubble] = field(default_factory=list)
    revision: int = 0
    wrote_at: datetime | None = None

    @property
    def address(self) -> str:
        """The number, or the user id where no number is known."""
        return self.number or self.user_id or ""

    def button(self, word: str, message_id: str | None = None) -> tuple[Bubble, Button]:
        """The button that `word` means, on the newest message that has buttons or on a certain one. Raise `NothingToTap`."""
        asked = [
            bubble
            for bubble in reversed(self.thread)
            if bubble.sender is Sender.BUSINESS and bubble.buttons and message_id in (None, bubble.id)
        ]
        if not asked:
            raise NothingToTap("No message with buttons has arrived on this phone; ask for a card first.")
        for button in asked[0].buttons:
            if button.is_called(word):
                return asked[0], button
        there = ", ".join(button.title for button in asked[0].buttons)
        raise NothingToTap(f"The newest message with buttons has no button {word!r}; it has: {there}.")


@dataclass(slots=True)
class Phones:
    """Every phone, by number or user id; whoever waits for a change is woken by it."""

    clock: Callable[[], datetime]
    _phones: dict[str, Phone] = field(default_factory=dict)
    _bubbles: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False

    def __iter__(self) -> Iterator[Phone]:
        return iter({id(phone): phone for phone in self._phones.values()}.values())

    def known(self, address: str) -> Phone | None:
        """The phone with this number or user id, if there is one."""
        return self._phones.get(_key(address))

    def phone(self, address: str) -> Phone:
        """The phone with this number or user id; made if it is new, at the cost of the one silent longest when there are too many."""
        known = self.known(address)
        if known:
            return known
        number = normalise_phone(address) if is_number(address) else None
        return self.register(number=number, user_id=None if number else address, name="")

    def register(self, *, number: str | None, user_id: str | None, name: str) -> Phone:
        """Make a phone, or tell of a known one what was not known."""
        addresses = [address for address in (number, user_id) if address]
        phone = next((known for address in addresses if (known := self.known(address))), None)
        if phone is None:
            if len(self._phones) >= PHONES_MAX:
                self._forget_one()
            phone = Phone(number=number, user_id=user_id, name=name)
        phone.number, phone.user_id, phone.name = number or phone.number, user_id or phone.user_id, name or phone.name
        self._phones.update({_key(address): phone for address in addresses})
        self._tell(phone)
        return phone

    def add(
        self,
        phone: Phone,
        *,
        sender: Sender,
        provider: Provider,
        kind: Kind,
        text: str,
        buttons: tuple[Button, ...] = (),
        reference: str | None = None,
        answers: str | None = None,
        payload: str | None = None,
    ) -> Bubble:
        """Put a new bubble at the end of a thread; the oldest goes when the thread is full."""
        self._bubbles += 1
        bubble = Bubble(
            number=self._bubbles,
            id=new_id(provider, phone, sender),
            sender=sender,
            provider=provider,
            kind=kind,
            text=text,
            at=self.clock(),
            buttons=buttons,
            reference=reference,
            answers=answers,
            payload=payload,
        )
        phone.thread.append(bubble)
        del phone.thread[:-BUBBLES_MAX]
        if sender is Sender.HOLDER:
            phone.wrote_at = bubble.at
        self._tell(phone)
        return bubble

    def ticked(self, bubble: Bubble, tick: Tick) -> Bubble:
        """The bubble with its tick moved forward; a tick never moves back."""
        for phone in self:
            for index, each in enumerate(phone.thread):
                if each.id == bubble.id and FORWARD.index(tick) > FORWARD.index(each.tick):
                    phone.thread[index] = dataclasses.replace(each, tick=tick)
                    self._tell(phone)
                    return phone.thread[index]
        return bubble

    def find(self, wanted: str) -> tuple[Phone, Bubble] | None:
        """The message with this id, or the newest with this reference."""
        for phone in self:
            for bubble in reversed(phone.thread):
                if wanted in (bubble.id, bubble.reference):
                    return phone, bubble
        return None

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds after some change, for so long at most, or until we close; whether it holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition() and not self._closed:
                    await self._changed.wait()
        except TimeoutError:
            pass  # it may hold all the same
        return condition()

    def forget(self) -> None:
        """Start over."""
        self._phones.clear()
        self._wake()

    def close(self) -> None:
        """Let nobody wait any more."""
        self._closed = True
        self._wake()

    def _forget_one(self) -> None:
        silent = min(self, key=lambda phone: phone.thread[-1].number if phone.thread else 0)
        for address in [address for address, phone in self._phones.items() if phone is silent]:
            del self._phones[address]

    def _tell(self, phone: Phone) -> None:
        phone.revision += 1
        self._wake()

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()


def is_number(address: str) -> bool:
    """Whether an address is a phone number rather than a user id, which has a country and a dot before its digits."""
    return bool(address) and not any(character.isalpha() for character in address) and normalise_phone(address) is not None


def new_id(provider: Provider, phone: Phone, sender: Sender) -> str:
    """A message id that looks like the provider's own."""
    if provider is Provider.META:
        return "wamid." + base64.b64encode(b"\x1d\x18\x0d" + phone.address.encode() + secrets.token_bytes(18)).decode()
    return f"{str(sender is Sender.BUSINESS).lower()}_{phone.address}@c.us_3EB0{secrets.token_hex(9).upper()}"


def _key(address: str) -> str:
    return (normalise_phone(address) or address) if is_number(address) else address
