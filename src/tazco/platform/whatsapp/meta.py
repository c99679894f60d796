"""Messages by Meta's WhatsApp Cloud API."""

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from tazco.platform.whatsapp.limits import QUESTION_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, TITLE_CHARACTERS_MAX, cut, usable_id
from tazco.platform.whatsapp.messages import Content, Question, Recipient, SendFailed, Template, Text, Verdict
from tazco.platform.whatsapp.outbound import CALL_SECONDS, Answer, Line
from tazco.platform.whatsapp.verdicts import verdict_of

BLANKS: Final = re.compile(r"[\t\n\r ]+")
"""Meta refuses templates whose parameters hold line breaks, tabs or runs of spaces. No-break spaces stay: amounts have them."""


@dataclass(slots=True, kw_only=True)
class MetaMessenger:
    """Sends from one phone number of one account."""

    base_url: str
    api_version: str
    phone_number_id: str
    access_token: str = field(repr=False)
    line: Line = field(default_factory=lambda: Line("Meta"))
    provider: str = field(default="meta", init=False)
    has_window: bool = field(default=True, init=False)
    send_seconds: float = field(default=CALL_SECONDS, init=False)

    async def send(self, recipient: Recipient, content: Content, reference: str) -> str:
        """Send one message as `Messenger.send` says; one call, no retries."""
        if not (recipient.phone or recipient.user_id):
            raise SendFailed(Verdict.GIVE_UP, "no_recipient", "the recipient has neither phone nor user id")
        url = f"{self.base_url.rstrip('/')}/{self.api_version}/{quote(self.phone_number_id, safe='')}/messages"
        answer = await self.line.call("POST", url, token=self.access_token, body=body_of(recipient, content, reference))
        message_id = _message_id(answer)
        if message_id is None:
            raise _failure(answer)
        return message_id

    async def connected(self) -> bool:
        """There is no session that could be lost."""
        return True

    async def close(self) -> None:
        """Close every connection."""
        await self.line.close()


def body_of(recipient: Recipient, content: Content, reference: str) -> dict[str, Any]:
    """A message as the Cloud API takes it. A user id goes into `recipient`: in `to` it is accepted and silently lost."""
    whom = {"to": recipient.phone} if recipient.phone else {"recipient": recipient.user_id}
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **whom,
        "biz_opaque_callback_data": reference,
        **_content(content),
    }


def _content(content: Content) -> dict[str, Any]:
    match content:
        case Text(body=body):
            return {"type": "text", "text": {"body": cut(body, TEXT_CHARACTERS_MAX)}}
        case Question():
            return {"type": "interactive", "interactive": _interactive(content)}
        case Template():
            return {"type": "template", "template": _template(content)}


def _interactive(question: Question) -> dict[str, Any]:
    buttons = [
        {"type": "reply", "reply": {"id": button.id, "title": cut(button.title, TITLE_CHARACTERS_MAX)}}
        for button in question.buttons
    ]
    return {"type": "button", "body": {"text": cut(question.body, QUESTION_CHARACTERS_MAX)}, "action": {"buttons": buttons}}


def _template(template: Template) -> dict[str, Any]:
    components: list[dict[str, Any]] = []
    if template.parameters:
        texts = [{"type": "text", "text": BLANKS.sub(" ", text)} for text in template.parameters]
        components.append({"type": "body", "parameters": texts})
    for index, payload in enumerate(template.payloads):
        tap = {"type": "payload", "payload": payload}
        components.append({"type": "button", "sub_type": "quick_reply", "index": str(index), "parameters": [tap]})
    return {"name": template.name, "language": {"code": template.language}, "components": components}


def _message_id(answer: Answer) -> str | None:
    messages = answer.body.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    return usable_id(first.get("id")) if answer.good and isinstance(first, dict) else None


def _failure(answer: Answer) -> SendFailed:
    """Meta's own words are left out: they may quote the token, the number or the text."""
    error = answer.body.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, bool) or not isinstance(code, int):
        name = "no_id" if answer.good else f"http_{answer.status}"
        return SendFailed(Verdict.RETRY, name, f"Meta's answer to the message makes no sense (HTTP {answer.status})")
    verdict = verdict_of(code)
    cure = (
        "; mend token, permission, account or template: Meta's list of error codes says which" if verdict is Verdict.ALARM else ""
    )
    return SendFailed(verdict, str(code), f"Meta refused the message (HTTP {answer.status}){cure}")
