"""Events that are counted, and as what."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tazco.cards.model import ApprovedBy
from tazco.platform.caller import SYSTEM, Origin
from tazco.platform.reactions import Envelope, Reactions, as_amount, as_whole, needed
from tazco.platform.services import Services
from tazco.tally.commands import Count, count
from tazco.tally.model import Counts
from tazco.tally.store import shard_of
from tazco.transactions.model import PaymentStatus

QUEUE: Final = "tally"


async def tally_up(counts_of: Callable[[Envelope], Counts], services: Services, event: Envelope) -> None:
    """Count an event once, however often and to how many workers it comes."""
    command = Count(event_id=event.event_id, occurred_at=event.occurred_at, counts=counts_of(event))
    origin = Origin(caller=SYSTEM, correlation_id=event.correlation_id)
    await services.commands.run(origin, partial(count, command), lane=shard_of(event.event_id))


def _requested(_: Envelope) -> Counts:
    return Counts(requested=1)


def _approved(event: Envelope) -> Counts:
    by_score = needed(event, "source", ApprovedBy) is ApprovedBy.AUTO
    return Counts(approved_auto=1) if by_score else Counts(approved_admin=1)


def _rejected(_: Envelope) -> Counts:
    return Counts(rejected=1)


def _expired(_: Envelope) -> Counts:
    return Counts(expired=1)


def _purchased(event: Envelope) -> Counts:
    return Counts(purchases=1, purchased=needed(event, "amount", as_amount))


def _paid(event: Envelope) -> Counts:
    late = needed(event, "paymentStatus", PaymentStatus) is PaymentStatus.LATE
    return Counts(payments=1, paid=needed(event, "amount", as_amount), late_payments=int(late))


def _declined(_: Envelope) -> Counts:
    return Counts(declines=1)


def _moved(event: Envelope) -> Counts:
    delta = needed(event, "delta", as_whole)
    return Counts(points_up=max(delta, 0), points_down=max(-delta, 0))


COUNTS: Final[Mapping[str, Callable[[Envelope], Counts]]] = {
    "card.requested": _requested,
    "card.approved": _approved,
    "card.rejected": _rejected,
    "card_request.expired": _expired,
    "transaction.purchase": _purchased,
    "transaction.payment": _paid,
    "transaction.declined": _declined,
    "score.changed": _moved,
}

REACTIONS: Final = Reactions(
    queue=QUEUE, react={event_type: partial(tally_up, counts_of) for event_type, counts_of in COUNTS.items()}
)
