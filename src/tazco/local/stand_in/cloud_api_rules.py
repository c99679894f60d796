"""What the Cloud API asks of a message, and under which code it refuses one that is malformed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from tazco.local.stand_in.phones import Button, Kind, is_number

BODY_CHARACTERS_MAX: Final = 1024
TEXT_CHARACTERS_MAX: Final = 4096
TITLE_CHARACTERS_MAX: Final = 20
BUTTON_ID_CHARACTERS_MAX: Final = 256
REFERENCE_CHARACTERS_MAX: Final = 512
BUTTONS_MAX: Final = 3
INVALID: Final = 100
MISSING: Final = 131008
BAD_VALUE: Final = 131009
UNSUPPORTED: Final = 131051
USER_ID: Final = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
TEMPLATE_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")


class Rejected(Exception):
    """The message is malformed; `code` is Meta's, the text goes into `error_data.details`."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A well-formed message."""

    to: str | None
    recipient: str | None
    kind: Kind
    text: str
    buttons: tuple[Button, ...]
    reference: str | None

    @property
    def address(self) -> str:
        """Whom it is for."""
        return self.to or self.recipient or ""

    @property
    def gets_lost(self) -> bool:
        """A user id in `to` is accepted and reaches nobody: the real API's trap."""
        return self.to is not None and not is_number(self.to)


def read_message(body: Mapping[str, Any]) -> Incoming:
    """Check a body as the Cloud API does; raise `Rejected`."""
    if body.get("messaging_product") != "whatsapp":
        _reject(INVALID, "The parameter messaging_product is required and must be 'whatsapp'.")
    to, recipient = body.get("to"), body.get("recipient")
    if (to is None) == (recipient is None):
        _reject(INVALID, "Exactly one of the parameters to and recipient is required.")
    if not isinstance(to or recipient, str) or (recipient is not None and not USER_ID.fullmatch(recipient)):
        _reject(BAD_VALUE, "The recipient is neither a phone number in 'to' nor a user id in 'recipient'.")
    if body.get("recipient_type", "individual") != "individual":
        _reject(BAD_VALUE, "recipient_type must be 'individual'.")
    reference = body.get("biz_opaque_callback_data")
    if reference is not None:
        reference = _text(body, "biz_opaque_callback_data", REFERENCE_CHARACTERS_MAX, "biz_opaque_callback_data")
    kind, text, buttons = _content(body)
    return Incoming(to=to, recipient=recipient, kind=kind, text=text, buttons=buttons, reference=reference)


def _content(body: Mapping[str, Any]) -> tuple[Kind, str, tuple[Button, ...]]:
    match body.get("type", "text"):
        case "text":
            return Kind.TEXT, _text(_part(body, "text"), "body", TEXT_CHARACTERS_MAX, "text.body", INVALID), ()
        case "interactive":
            return Kind.QUESTION, *_question(_part(body, "interactive"))
        case "template":
            return Kind.TEMPLATE, *_template(_part(body, "template"))
        case other:
            raise Rejected(UNSUPPORTED, f"Unsupported message type: {other}.")


def _question(interactive: Mapping[str, Any]) -> tuple[str, tuple[Button, ...]]:
    if interactive.get("type") != "button":
        _reject(BAD_VALUE, "interactive.type must be 'button'; the stand-in knows no other.")
    text = _text(_part(interactive, "body"), "text", BODY_CHARACTERS_MAX, "interactive.body.text")
    given = _part(interactive, "action").get("buttons")
    if not isinstance(given, list) or not 1 <= len(given) <= BUTTONS_MAX:
        _reject(BAD_VALUE, f"Invalid buttons count. Min allowed buttons: 1, max allowed buttons: {BUTTONS_MAX}.")
    buttons = tuple(_button(each) for each in given)
    for values in ([button.id for button in buttons], [button.title for button in buttons]):
        if len(set(values)) != len(values):
            _reject(BAD_VALUE, "Duplicated button ids or titles are not allowed.")
    return text, buttons


def _button(given: Any) -> Button:
    if not isinstance(given, dict) or given.get("type") != "reply":
        _reject(BAD_VALUE, "Each button must be of type 'reply'.")
    reply = _part(given, "reply")
    return Button(
        _text(reply, "id", BUTTON_ID_CHARACTERS_MAX, "Button id"), _text(reply, "title", TITLE_CHARACTERS_MAX, "Button title")
    )


def _template(template: Mapping[str, Any]) -> tuple[str, tuple[Button, ...]]:
    name = template.get("name")
    if not isinstance(name, str) or not TEMPLATE_NAME.fullmatch(name):
        _reject(BAD_VALUE, "template.name must be 1 to 512 of a-z, 0-9 and _.")
    _text(_part(template, "language"), "code", TITLE_CHARACTERS_MAX, "template.language.code")
    texts, buttons = [f"[{name}]"], []
    for component in template.get("components", []):
        parameters = component.get("parameters", []) if isinstance(component, dict) else _reject(BAD_VALUE, "Bad component.")
        if component.get("type") == "body":
            texts += [_text(parameter, "text", BODY_CHARACTERS_MAX, "Template parameter") for parameter in parameters]
        elif component.get("type") == "button":
            payloads = [_text(parameter, "payload", BUTTON_ID_CHARACTERS_MAX, "Button payload") for parameter in parameters]
            buttons += [Button(payload, payload.partition(":")[0].capitalize()) for payload in payloads]
    return "\n".join(texts), tuple(buttons)


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name)
    if not isinstance(part, dict):
        _reject(MISSING, f"The parameter {name} is required.")
    return part


def _text(body: Any, key: str, characters_max: int, name: str, code: int = BAD_VALUE) -> str:
    value = body.get(key) if isinstance(body, dict) else None
    if value is None:
        _reject(MISSING, f"The parameter {name} is required.")
    if not isinstance(value, str) or not 1 <= len(value) <= characters_max:
        _reject(code, f"{name} length invalid. Min length: 1, max length: {characters_max}.")
    return value


def _reject(code: int, details: str) -> NoReturn:
    raise Rejected(code, details)
