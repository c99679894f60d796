"""Messages to approvers: written down in the commit of what causes them, then sent, and what the provider says of them.

On the wire a message goes out at least once: a process that dies between sending and writing that down leaves a claim, and when
the claim has run out the message is sent again. By id it exists once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

import structlog

from tazco.kernel.clock import from_text, to_text
from tazco.kernel.ids import CorrelationId, EcosystemId
from tazco.kernel.money import Money
from tazco.notifications.model import DeliveryStatus, InboundMessage, Kind, Message, Notification, ReplyContent, Said
from tazco.notifications.rules import WINDOW, WORDINGS, wait_after
from tazco.notifications.store import NOTIFICATIONS, addressed, due_at, messages_from, notification, sent_as
from tazco.platform.caller import SYSTEM, Origin
from tazco.platform.jsontext import encode
from tazco.platform.localisation import instant_text, money_text
from tazco.platform.logs import scrubbed
from tazco.platform.phones import without_phones
from tazco.platform.policy import Approver, Policy
from tazco.platform.services import Services
from tazco.platform.whatsapp.incoming import StatusUpdate
from tazco.platform.whatsapp.messages import Button, Content, Messenger, Question, Recipient, SendFailed, Template, Text, Verdict
from tazco.platform.whatsapp.verdicts import verdict_of
from tazco.platform.work import Work
from tazco.users.model import Tier

log = structlog.get_logger()

NOBODY: Final = EcosystemId("system")
CLAIM_MARGIN: Final = timedelta(seconds=3)
"""How much longer a claim is than a send takes at most."""

DUE_MAX: Final = 100
SENDS_AT_ONCE: Final = 5
ERROR_CHARACTERS_MAX: Final = 200
FAILURES: Final = frozenset((DeliveryStatus.FAILED, DeliveryStatus.DEAD_LETTER))
R = TypeVar("R")


async def tell_approvers(message: Message, work: Work) -> tuple[str, ...]:
    """Put a message to every approver into the commit, each once whatever happened before; the ids of those that are new.

    None where messages are switched off or there are no approvers.
    """
    approvers = work.policy.approvers if work.policy.notifications_enabled else ()
    rows = [addressed(message, approver, work.now) for approver in approvers]
    known = await work.read(*(notification(row.notification_id) for row in rows))
    new = [row for row, found in zip(rows, known, strict=True) if found is None]
    for row in new:
        work.add(NOTIFICATIONS, row)
    return tuple(row.notification_id for row in new)


def reply(work: Work, approver: Approver, cause: InboundMessage, content: ReplyContent) -> str | None:
    """Put a reply into the commit of what an approver's answer did; its id, or None where the policy wants no replies.

    One message has one reply: a second one loses the commit. After the commit call `deliver`; should nobody come to that, the
    timer does it.
    """
    if not (work.policy.notifications_enabled and work.policy.reply_to_approvers):
        return None
    limit = {} if content.limit is None else {"limit": content.limit}
    message = Message(
        kind=Kind.REPLY,
        cause=cause.message_id,
        entity_type="cardRequest" if content.request_id else "inboundMessage",
        entity_id=content.request_id or without_phones(cause.message_id),
        ecosystem_id=content.owner or NOBODY,
        provider=cause.provider,
        content=encode({"said": content.said.value, "code": content.code, **limit}).decode(),
    )
    row = addressed(message, approver, work.now)
    work.add(NOTIFICATIONS, row)
    return row.notification_id


def forms_of(row: Notification, policy: Policy) -> tuple[Content, Template | None]:
    """What a notification says: in free form, and as the template that is configured for it, if one is."""
    wording, fields = WORDINGS[policy.locale], json.loads(row.content)
    if row.notification_type is Kind.REPLY:
        limit = money_text(Money(fields["limit"]), policy.currency, policy.locale) if "limit" in fields else ""
        return Text(wording.replies[Said(fields["said"])].format(code=fields["code"], limit=limit)), None
    if row.notification_type is Kind.PAYMENT:
        gaps = {
            "card": fields["card"],
            "amount": money_text(Money(fields["amount"]), policy.currency, policy.locale),
            "time": instant_text(from_text(fields["at"]), policy.time_zone, policy.locale),
        }
        return Text(wording.payment.format(**gaps)), _template(policy.payment_template, policy, gaps)
    code = fields["code"]
    gaps = {
        "customer": fields["customer"],
        "tier": wording.tiers[Tier(fields["tier"])],
        "score": str(fields["score"]),
        "code": code,
    }
    buttons = (Button(f"approve:{code}", wording.approve), Button(f"reject:{code}", wording.reject))
    template = _template(policy.approval_template, policy, gaps, tuple(button.id for button in buttons))
    return Question(wording.approval.format(**gaps), buttons), template


def _template(name: str | None, policy: Policy, gaps: Mapping[str, str], payloads: tuple[str, ...] = ()) -> Template | None:
    return Template(name, policy.template_language, tuple(gaps.values()), payloads) if name else None


async def claim(notification_id: str, length: timedelta, work: Work) -> Notification | None:
    """Take a due notification for sending, so that nobody else does meanwhile; None if there is nothing to send.

    While messages are switched off it stays as it is.
    """
    (found,) = await work.read(notification(notification_id))
    if found is None or not work.policy.notifications_enabled or not found.due(work.now):
        return None
    claimed = found.claimed(work.now + length)
    work.change(NOTIFICATIONS, found, claimed)
    return claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How an attempt ended: with the provider's id, or with a failure."""

    as_template: bool
    provider: str
    provider_message_id: str | None = None
    failure: SendFailed | None = None


async def record_attempt(claimed: Notification, attempt: Attempt, work: Work) -> Notification | None:
    """Write down how a claimed attempt ended; None if a status, or somebody who took the claim over, was faster.

    An id is kept in any case. A failure counts only while our claim stands: the provider's word on the same attempt has come,
    or somebody else is trying.
    """
    (found,) = await work.read(notification(claimed.notification_id))
    if found is None:
        return None
    if attempt.provider_message_id is not None:
        after = found.accepted(attempt.provider, attempt.provider_message_id, as_template=attempt.as_template, now=work.now)
        work.change(NOTIFICATIONS, found, after)
        return after if after.delivery_status is not found.delivery_status else None
    assert attempt.failure is not None, "an attempt is accepted or fails"
    if found.next_attempt_at != claimed.next_attempt_at:
        return None
    tried = replace(found, as_template=attempt.as_template)
    after = _judged(tried, attempt.failure.verdict, str(attempt.failure), work)
    work.change(NOTIFICATIONS, found, after)
    return after


def _judged(row: Notification, verdict: Verdict, error: str, work: Work) -> Notification:
    """The notification after a failure of its newest attempt."""
    error = scrubbed(error)[:ERROR_CHARACTERS_MAX]
    if verdict is Verdict.AS_TEMPLATE and not row.as_template and forms_of(row, work.policy)[1] is not None:
        return row.due_as_template(error, work.now)
    wait = wait_after(row.retry_count) if verdict is Verdict.RETRY else None
    return row.put_off(error, work.now + wait) if wait else row.given_up(error)


async def note_status(update: StatusUpdate, work: Work) -> Notification | None:
    """Write down what the provider says became of a message; None if it is none of ours or says nothing new."""
    found, status = await _meant(update, work), DeliveryStatus(update.status)
    if found is None or not found.heeds(status, update.message_id):
        return None
    if status is DeliveryStatus.FAILED:
        known = replace(found, provider_message_id=update.message_id)
        after = _judged(known, verdict_of(update.error_code), str(update.error_code), work)
    else:
        after = found.told(status, update.message_id, min(update.at or work.now, work.now))
    work.change(NOTIFICATIONS, found, after)
    return after


async def _meant(update: StatusUpdate, work: Work) -> Notification | None:
    """By our own id, which the provider gives back, else by the provider's; an index may be behind, so the row has to agree."""
    (found,) = await work.read(notification(update.reference)) if update.reference else (None,)
    if found is not None:
        return found
    (entries,) = await work.read(sent_as(update.message_id))
    for entry in entries:
        (found,) = await work.read(notification(entry["notificationId"]))
        if found is not None and found.provider_message_id == update.message_id:
            return found
    return None


async def take_status(services: Services, update: StatusUpdate) -> str | None:
    """Have the provider's word written down; the id of what has to go out again at once, as a template."""
    told = await _run(services, update.reference or update.message_id, partial(note_status, update))
    if told is None:
        return None
    _announce(services, told, verdict_of(update.error_code) if told.delivery_status in FAILURES else None)
    return told.notification_id if told.due(services.clock()) else None


async def deliver(services: Services, notification_id: str) -> None:
    """Send one notification if it is due. What fails is written down on it or found by the timer, and logged; nothing is raised."""
    try:
        await _deliver(services, notification_id)
    except Exception:
        log.exception("notification.undelivered", notification_id=notification_id)


async def deliver_all(services: Services, notification_ids: Iterable[str]) -> None:
    """Send several, a few at a time."""
    places = asyncio.Semaphore(SENDS_AT_ONCE)

    async def one(notification_id: str) -> None:
        async with places:
            await deliver(services, notification_id)

    await asyncio.gather(*map(one, notification_ids))


async def deliver_due(services: Services) -> int:
    """Send what is due, the longest waiting first; how many there were. Nothing while messages are switched off."""
    if services.messenger is None or not services.policies.current().notifications_enabled:
        return 0
    shards = await services.database.read(*due_at(to_text(services.clock()), rows_max=DUE_MAX))
    entries = sorted((entry for shard in shards for entry in shard), key=lambda entry: entry["nextAttemptAt"])[:DUE_MAX]
    await deliver_all(services, [entry["notificationId"] for entry in entries])
    return len(entries)


async def _deliver(services: Services, notification_id: str) -> None:
    if services.messenger is None:
        return
    length = timedelta(seconds=services.messenger.send_seconds) + CLAIM_MARGIN
    claimed = await _run(services, notification_id, partial(claim, notification_id, length))
    if claimed is None:
        return
    attempt = await _attempted(services, services.messenger, claimed)
    recorded = await _run(services, notification_id, partial(record_attempt, claimed, attempt))
    if recorded is None:
        return
    _announce(services, recorded, attempt.failure.verdict if attempt.failure else None)
    if recorded.as_template and not attempt.as_template:
        await _deliver(services, notification_id)


async def _attempted(services: Services, messenger: Messenger, row: Notification) -> Attempt:
    recipient = Recipient(phone=row.recipient_phone, user_id=row.recipient_user_id)
    attempt = partial(Attempt, provider=messenger.provider, as_template=row.as_template)
    try:
        content = await _form_to_send(services, messenger, row)
        attempt = partial(Attempt, provider=messenger.provider, as_template=isinstance(content, Template))
        return attempt(provider_message_id=await messenger.send(recipient, content, row.notification_id))
    except SendFailed as failure:
        return attempt(failure=failure)
    except Exception as error:  # nobody knows whether it went out: counted as an attempt, or it would be sent for ever
        log.exception("notification.unexpected", notification_id=row.notification_id)
        return attempt(failure=SendFailed(Verdict.RETRY, "unexpected", type(error).__name__))


async def _form_to_send(services: Services, messenger: Messenger, row: Notification) -> Content:
    free, template = forms_of(row, services.policies.current())
    if template is None or not messenger.has_window:
        return free
    since = to_text(services.clock() - WINDOW)
    sender = row.recipient_phone or row.recipient_user_id or ""
    (heard,) = await services.database.read(messages_from(sender, since=since, rows_max=1))
    return free if heard and not row.as_template else template


async def _run(services: Services, lane: str, use_case: Callable[[Work], Awaitable[R]]) -> R:
    origin = Origin(caller=SYSTEM, correlation_id=CorrelationId(services.new_id()))
    return await services.commands.run(origin, use_case, lane=f"notification#{lane}")


def _announce(services: Services, row: Notification, verdict: Verdict | None) -> None:
    services.metrics.deliveries.labels(row.delivery_status.value).inc()
    if verdict is Verdict.ALARM:
        log.error("notification.alarm", notification_id=row.notification_id, error=row.last_error)
    elif verdict is not None:
        status = row.delivery_status.value
        log.warning("notification.failed", notification_id=row.notification_id, status=status, error=row.last_error)
