"""Phones, bubbles and deliveries as JSON, and bubbles back from it."""

from collections.abc import Mapping
from typing import Any

from tazco.kernel.clock import from_text, to_text
from tazco.local.stand_in.courier import Delivery
from tazco.local.stand_in.phones import Bubble, Button, Kind, Phone, Provider, Sender, Tick


def phone_json(phone: Phone) -> dict[str, Any]:
    """A phone without its thread."""
    return {
        "address": phone.address,
        "number": phone.number,
        "userId": phone.user_id,
        "name": phone.name,
        "messages": len(phone.thread),
        "revision": phone.revision,
    }


def bubble_json(bubble: Bubble) -> dict[str, Any]:
    """A message; what it has not is left out."""
    optional = {"reference": bubble.reference, "answers": bubble.answers, "payload": bubble.payload}
    return {
        "number": bubble.number,
        "id": bubble.id,
        "from": bubble.sender.value,
        "provider": bubble.provider.value,
        "kind": bubble.kind.value,
        "text": bubble.text,
        "at": to_text(bubble.at),
        "tick": bubble.tick.value,
        "buttons": [{"id": button.id, "title": button.title} for button in bubble.buttons],
        **{name: value for name, value in optional.items() if value is not None},
    }


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """A webhook and its answer so far."""
    return {
        "path": delivery.path,
        "at": to_text(delivery.begun_at),
        "attempts": delivery.attempts,
        "status": delivery.status,
        "ended": delivery.ended,
        "answer": delivery.answer,
        "body": delivery.raw.decode(),
    }


def bubble_of(shape: Mapping[str, Any]) -> Bubble:
    """The message that `bubble_json` wrote."""
    return Bubble(
        number=shape["number"],
        id=shape["id"],
        sender=Sender(shape["from"]),
        provider=Provider(shape["provider"]),
        kind=Kind(shape["kind"]),
        text=shape["text"],
        at=from_text(shape["at"]),
        tick=Tick(shape["tick"]),
        buttons=tuple(Button(button["id"], button["title"]) for button in shape["buttons"]),
        reference=shape.get("reference"),
        answers=shape.get("answers"),
        payload=shape.get("payload"),
    )
