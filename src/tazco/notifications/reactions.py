"""Events that approvers are told of, and the messages that still have to go out."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from tazco.card_requests.store import request
from tazco.kernel.clock import from_text, to_text
from tazco.kernel.ids import CardRequestId
from tazco.notifications.commands import deliver_all, deliver_due, tell_approvers
from tazco.notifications.model import Kind, Message
from tazco.notifications.rules import last_four, on_one_line
from tazco.platform.caller import SYSTEM, Origin
from tazco.platform.jsontext import encode
from tazco.platform.reactions import Envelope, Reactions, Timer, as_amount, as_text, needed
from tazco.platform.services import Services
from tazco.platform.work import Work
from tazco.trackers.store import tracker
from tazco.users.store import user

RETRY_EVERY: Final = timedelta(seconds=5)


async def ask_approvers(services: Services, event: Envelope) -> None:
    """Have every approver asked to decide a card request, if nobody has decided it and its code still counts."""
    request_id = CardRequestId(needed(event, "requestId", as_text))
    await _tell(services, event, partial(_ask, services.settings.whatsapp_provider, event, request_id))


async def announce_payment(services: Services, event: Envelope) -> None:
    """Have every approver told of a payment."""
    content = {
        "card": last_four(needed(event, "cardId", as_text)),
        "amount": needed(event, "amount", as_amount),
        "at": to_text(needed(event, "createdAt", from_text)),
    }
    about = ("transaction", needed(event, "transactionId", as_text))
    message = _message(services.settings.whatsapp_provider, event, Kind.PAYMENT, about, content)
    await _tell(services, event, partial(tell_approvers, message))


async def _ask(provider: str, event: Envelope, request_id: CardRequestId, work: Work) -> tuple[str, ...]:
    asked, owner, awaited = await work.read(request(event.ecosystem_id, request_id), user(event.ecosystem_id), tracker(request_id))
    if asked is None or not asked.pending or awaited is None or not awaited.open or awaited.overdue(work.now):
        return ()
    content = {
        "customer": on_one_line(owner.email if owner and owner.email else event.ecosystem_id),
        "tier": asked.tier_at_request.value,
        "score": asked.score_at_request,
        "code": awaited.code,
    }
    return await tell_approvers(_message(provider, event, Kind.APPROVAL, ("cardRequest", request_id), content), work)


def _message(provider: str, event: Envelope, kind: Kind, about: tuple[str, str], content: Mapping[str, Any]) -> Message:
    entity_type, entity_id = about
    return Message(
        kind=kind,
        cause=event.event_id,
        entity_type=entity_type,
        entity_id=entity_id,
        ecosystem_id=event.ecosystem_id,
        provider=provider,
        content=encode(content).decode(),
        queued_at=event.queued_at,
        receives=event.receives,
    )


async def _tell(services: Services, event: Envelope, use_case: Callable[[Work], Awaitable[tuple[str, ...]]]) -> None:
    """Put the messages down in one commit, which a redelivered event finds done, then send them without waiting for the timer."""
    origin = Origin(caller=SYSTEM, correlation_id=event.correlation_id)
    new = await services.commands.run(origin, use_case, lane=f"event#{event.event_id}")
    await deliver_all(services, new)


REACTIONS: Final = Reactions(
    queue="notifications", react={"card.requested": ask_approvers, "transaction.payment": announce_payment}
)
TIMERS: Final = (Timer(name="notification-retry", every=RETRY_EVERY, run=deliver_due),)
