"""What the providers send back: bodies in their exact shape, and the headers that prove them."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tazco.local.stand_in.account import Account
from tazco.local.stand_in.phones import Bubble, Kind, Phone, Provider, Tick
from tazco.platform.jsontext import encode

META_PATH: Final = "/webhooks/whatsapp"
WPP_PATH: Final = "/webhooks/wpp-connect"
BUSINESS_ACCOUNT: Final = "102290129340398"
DISPLAY_NUMBER: Final = "15550783881"
FAILURE_CODE: Final = 131026
ACKS: Final = {Tick.FAILED: -1, Tick.SENT: 1, Tick.DELIVERED: 2, Tick.READ: 3}
TYPES: Final = {Kind.TEXT: "text", Kind.TAP: "interactive"}


class Signature(StrEnum):
    """Whether the proof that comes with a webhook is any good."""

    GOOD = "good"
    WRONG = "wrong"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request to the API, before it is signed."""

    provider: Provider
    content: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where it goes."""
        return META_PATH if self.provider is Provider.META else WPP_PATH


def meta(account: Account, *values: Mapping[str, Any]) -> Webhook:
    """One webhook of the Cloud API with one change for each value."""
    head = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": DISPLAY_NUMBER, "phone_number_id": account.phone_number_id or ""},
    }
    changes = [{"field": "messages", "value": {**head, **value}} for value in values]
    return Webhook(Provider.META, {"object": "whatsapp_business_account", "entry": [{"id": BUSINESS_ACCOUNT, "changes": changes}]})


def as_one(account: Account, webhooks: Sequence[Webhook]) -> list[Webhook]:
    """The Cloud API's webhooks of a list joined into a single one; WPPConnect has no batches, its webhooks stay."""
    joined = [
        change["value"] for each in webhooks if each.provider is Provider.META for change in each.content["entry"][0]["changes"]
    ]
    others = [each for each in webhooks if each.provider is not Provider.META]
    return [*([meta(account, *joined)] if joined else []), *others]


def message(account: Account, phone: Phone, bubble: Bubble, *, flat: bool = False) -> Webhook:
    """What a holder wrote or tapped. `flat`: WPPConnect's keys beside `event` and `session`, as its own server sends them."""
    if bubble.provider is Provider.META:
        return meta(account, {"contacts": [_contact(phone)], "messages": [_meta_message(phone, bubble)]})
    data = {
        "id": bubble.id,
        "body": bubble.text,
        "type": "chat",
        "from": f"{phone.address}@c.us",
        "fromMe": False,
        "isGroupMsg": False,
        "timestamp": int(bubble.at.timestamp()),
        "sender": {"id": f"{phone.address}@c.us", "pushname": phone.name},
    }
    return _wpp(account, "onmessage", data, flat=flat)


def status(account: Account, phone: Phone, bubble: Bubble, tick: Tick, at: datetime, *, code: int | None = None) -> Webhook:
    """How far a message of ours got; `code` says why it failed."""
    if bubble.provider is Provider.WPPCONNECT:
        return _wpp(account, "onack", {"id": {"_serialized": bubble.id}, "ack": ACKS[tick]}, flat=True)
    value: dict[str, Any] = {"id": bubble.id, "status": tick.value, "timestamp": _seconds(at)}
    if phone.number:
        value["recipient_id"] = phone.number
    if phone.user_id:
        value["recipient_user_id"] = phone.user_id
    if bubble.reference is not None:
        value["biz_opaque_callback_data"] = bubble.reference
    if tick is Tick.FAILED:
        number, title = code or FAILURE_CODE, "Message undeliverable"
        value["errors"] = [{"code": number, "title": title, "message": title, "error_data": {"details": f"Planned: {number}."}}]
    return meta(account, {"statuses": [value]})


def signed(account: Account, webhook: Webhook, signature: Signature = Signature.GOOD) -> tuple[bytes, dict[str, str]]:
    """The bytes that go out, and the headers with their proof: an HMAC over just these bytes, or WPPConnect's shared secret."""
    raw = encode(webhook.content)
    headers = {"Content-Type": "application/json"}
    if webhook.provider is Provider.META:
        name, proof = "X-Hub-Signature-256", account.app_secret and "sha256=" + signature_of(raw, account.app_secret)
        wrong = "sha256=" + signature_of(raw, "somebody else's secret")
    else:
        name, proof, wrong = "X-Webhook-Secret", account.wpp_webhook_secret, "somebody else's secret"
    if signature is Signature.WRONG:
        headers[name] = wrong
    elif signature is Signature.GOOD and proof:
        headers[name] = proof
    return raw, headers


def signature_of(raw: bytes, secret: str) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def _contact(phone: Phone) -> dict[str, Any]:
    contact: dict[str, Any] = {"profile": {"name": phone.name or phone.address}}
    if phone.number:
        contact["wa_id"] = phone.number
    if phone.user_id:
        contact["user_id"] = phone.user_id
    return contact


def _meta_message(phone: Phone, bubble: Bubble) -> dict[str, Any]:
    sent: dict[str, Any] = {"id": bubble.id, "timestamp": _seconds(bubble.at)}
    if phone.number:
        sent["from"] = phone.number
    if phone.user_id:
        sent["from_user_id"] = phone.user_id
    if bubble.answers:
        sent["context"] = {"from": DISPLAY_NUMBER, "id": bubble.answers}
    if bubble.kind is Kind.TAP:
        reply = {"type": "button_reply", "button_reply": {"id": bubble.payload, "title": bubble.text}}
        return {**sent, "type": "interactive", "interactive": reply}
    if bubble.kind is Kind.TEMPLATE:
        return {**sent, "type": "button", "button": {"payload": bubble.payload, "text": bubble.text}}
    return {**sent, "type": "text", "text": {"body": bubble.text}}


def _wpp(account: Account, event: str, data: Mapping[str, Any], *, flat: bool) -> Webhook:
    head = {"event": event, "session": account.wpp_session}
    return Webhook(Provider.WPPCONNECT, {**head, **data} if flat else {**head, "data": data})


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))
