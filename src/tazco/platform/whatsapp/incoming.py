"""What providers tell us by webhook, in one form for both: messages to us, and how far ours got."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from tazco.kernel.errors import Invalid
from tazco.platform.phones import normalise_phone
from tazco.platform.whatsapp.limits import serialized_id, usable_id

log = structlog.get_logger()

STATUSES: Final = frozenset(("sent", "delivered", "read", "failed"))
MESSAGE_EVENTS: Final = frozenset(("onmessage", "unreadmessages"))
PHONE_ADDRESS: Final = re.compile(r"(\+?[0-9][0-9 ().-]*)(:[0-9]+)?(@c\.us|@s\.whatsapp\.net)?")
"""A phone at WPPConnect, perhaps with the number of a linked device. `@lid` looks alike and hides the phone."""

GROUP_SUFFIX: Final = "@g.us"
EPOCH_SECONDS: Final = re.compile(r"[0-9]{1,11}")
"""Up to the year 5138, so that every text that fits is an instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message to us. `phone` in normal form; `text` is None where it holds nothing that could be a command."""

    provider: str
    message_id: str
    phone: str | None
    user_id: str | None
    name: str | None
    text: str | None
    from_self: bool = False
    group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """How far a message of ours got; `reference` is what it was sent with, `at` when that was, to the second."""

    message_id: str
    reference: str | None
    status: str
    error_code: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing for us: `non_message_event` or `session_mismatch`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """What nobody can work with; the reason is for the log and quotes nothing."""

    reason: str


Item = Incoming | StatusUpdate | Ignored | Broken

INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "body"),
    "interactive": ("interactive", "button_reply", "id"),
    "button": ("button", "payload"),
}
"""By the type of a message: where its input stands."""

OTHER_EVENT: Final = Ignored("non_message_event")
OTHER_ACCOUNT: Final = Ignored("session_mismatch")


def parse_meta(body: Mapping[str, Any], phone_number_id: str) -> tuple[Item, ...]:
    """Everything in a notice of the Cloud API, in its order; one broken item costs none of the others. Never raises."""
    if body.get("object") != "whatsapp_business_account":
        return (OTHER_EVENT,)
    items: list[Item] = []
    for entry in _listed(body.get("entry")):
        if not isinstance(entry, Mapping):
            items.append(Broken("an entry is no object"))
            continue
        for change in _listed(entry.get("changes")):
            items += _change(change, phone_number_id)
    return tuple(items)


def _change(change: Any, phone_number_id: str) -> Iterator[Item]:
    if not isinstance(change, Mapping):
        yield Broken("a change is no object")
        return
    value = change.get("value")
    if change.get("field") != "messages":
        yield OTHER_EVENT
    elif not isinstance(value, Mapping):
        yield Broken("the value of a change is no object")
    elif _at(value, "metadata", "phone_number_id") != phone_number_id:
        yield from [OTHER_ACCOUNT] * (len(_listed(value.get("messages"))) or not value.get("statuses"))
    else:
        contacts = [contact for contact in _listed(value.get("contacts")) if isinstance(contact, Mapping)]
        for message in _listed(value.get("messages")):
            yield _message(message, contacts)
        for status in _listed(value.get("statuses")):
            yield from _status(status)


def _message(message: Any, contacts: list[Mapping[str, Any]]) -> Incoming | Broken:
    if not isinstance(message, Mapping):
        return Broken("a message is no object")
    message_id = usable_id(message.get("id"))
    if message_id is None:
        return Broken("a message has no usable id")
    contact = _contact_of(message, contacts)
    number = message.get("from") or contact.get("wa_id") or None
    user_id = message.get("from_user_id") or contact.get("user_id") or None
    if number is None and user_id is None:
        return Broken("a message names no sender")
    if any(each is not None and usable_id(each) is None for each in (number, user_id)):
        return Broken("a message has no usable sender")
    return Incoming(
        provider="meta",
        message_id=message_id,
        phone=normalise_phone(number) if number else None,
        user_id=user_id,
        name=_text(_at(contact, "profile", "name")),
        text=_input(message),
        group=bool(message.get("group_id")),
    )


def _contact_of(message: Mapping[str, Any], contacts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The contact with the same number or user id; where the message has neither, the only contact there is."""
    number, user_id = message.get("from"), message.get("from_user_id")
    for contact in contacts:
        if (number and contact.get("wa_id") == number) or (user_id and contact.get("user_id") == user_id):
            return contact
    return contacts[0] if not number and not user_id and len(contacts) == 1 else {}


def _input(message: Mapping[str, Any]) -> str | None:
    """What was typed, or what the tapped button sends; a message of any other type says nothing, whatever it carries."""
    kinds = [str(message["type"])] if "type" in message else list(INPUTS)
    paths = (INPUTS[kind] for kind in kinds if kind in INPUTS)
    return next((found for path in paths if (found := _text(_at(message, *path)))), None)


def _status(status: Any) -> Iterator[StatusUpdate]:
    """A status that we know; of others nothing can be said, and nothing is answered."""
    message_id, name = usable_id(_at(status, "id")), _at(status, "status")
    if message_id is None or not isinstance(name, str) or name not in STATUSES:
        log.info("whatsapp.status_ignored", status=name if isinstance(name, str) else None)
        return
    codes = (_at(error, "code") for error in _listed(status.get("errors")))
    yield StatusUpdate(
        message_id=message_id,
        reference=usable_id(status.get("biz_opaque_callback_data")),
        status=name,
        error_code=next((code for code in codes if isinstance(code, int) and not isinstance(code, bool)), None),
        at=_instant(_at(status, "timestamp")),
    )


def _instant(value: Any) -> datetime | None:
    """Epoch seconds, which the Cloud API writes as a text."""
    if not isinstance(value, str) or not EPOCH_SECONDS.fullmatch(value):
        return None
    return datetime.fromtimestamp(int(value), UTC)


def parse_wppconnect(body: Any, session: str) -> Incoming | Ignored:
    """A notice of WPPConnect, its message under `data` or beside `event`. Raise `Invalid` for what it never sends."""
    if not isinstance(body, Mapping):
        raise Invalid("The body must be an object.")
    event, its_session = body.get("event"), body.get("session")
    if not isinstance(event, str) or not isinstance(its_session, str):
        raise Invalid("event and session must be strings.")
    if event not in MESSAGE_EVENTS:
        return OTHER_EVENT
    if its_session != session:
        return OTHER_ACCOUNT
    return _wpp_message(_data(body))


def _data(body: Mapping[str, Any]) -> Mapping[str, Any]:
    data = body.get("data")
    only = data[0] if isinstance(data, list) and len(data) == 1 else data
    if isinstance(only, Mapping):
        return only
    if isinstance(data, list):
        raise Invalid("data must be a message, or a list of one.")
    return body


def _wpp_message(message: Mapping[str, Any]) -> Incoming:
    message_id, sender = serialized_id(message.get("id")), message.get("from")
    if message_id is None or not isinstance(sender, str) or not sender:
        raise Invalid("A message needs an id of 1 to 512 printable characters, and from.")
    address = PHONE_ADDRESS.fullmatch(sender)
    return Incoming(
        provider="wppconnect",
        message_id=message_id,
        phone=normalise_phone(address[1]) if address else None,
        user_id=None,
        name=_text(_at(message, "sender", "pushname")),
        text=_text(message.get("body")),
        from_self=message.get("fromMe") is True,
        group=message.get("isGroupMsg") is True or sender.endswith(GROUP_SUFFIX),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(value: Any, *path: str) -> Any:
    """What stands at the end of the path, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str | None:
    """The text, fit to be stored: a lone surrogate is no character."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and value else None
