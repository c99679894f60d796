"""What is looked after from time to time: decisions that nobody made in time, and messages that somebody left lying."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from tazco.approvals.commands import TAKE_OVER_AFTER, expire_overdue, finish
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Refused
from tazco.kernel.ids import CorrelationId, Subject
from tazco.notifications.commands import deliver
from tazco.notifications.store import INBOUND_MESSAGES, unfinished
from tazco.platform.caller import Caller, Origin
from tazco.platform.phones import without_phones
from tazco.platform.reactions import Timer
from tazco.platform.services import Services
from tazco.platform.tables import EntriesOf
from tazco.trackers.store import overdue_at

log = structlog.get_logger()

PER_RUN_MAX: Final = 2_000

SYSTEM: Final = Caller(subject=Subject("system"), email="system@expired.internal")
UNANSWERED: Final = "unanswered"


async def expire_unanswered(services: Services) -> int:
    """Close trackers whose time is up, `PER_RUN_MAX` a run at most; one that fails never stops the rest, and is tried again."""
    done = 0
    async for request_id in _named(services, overdue_at(to_text(services.clock())), "requestId"):
        origin = Origin(caller=SYSTEM, correlation_id=CorrelationId(services.new_id()))
        try:
            expired = await services.commands.run(origin, partial(expire_overdue, request_id), lane=f"request#{request_id}")
        except Refused as refusal:
            log.warning("approvals.not_expired", request_id=request_id, error=refusal.message)
        except Exception:
            log.exception("approvals.not_expired", request_id=request_id)
        else:
            done += expired
            if expired:
                services.metrics.approvals.labels(UNANSWERED).inc()
        if done >= PER_RUN_MAX:
            break
    return done


async def sweep(services: Services) -> int:
    """Carry out instructions that were recorded and then left lying, as by a process that died."""
    now = services.clock()
    bounds = unfinished(until=to_text(now - TAKE_OVER_AFTER))
    done = 0
    async for message_id in _named(services, bounds, "messageId"):
        try:
            done += await _finished(services, message_id)
        except Refused as refusal:
            log.warning("approvals.not_finished", message_id=without_phones(message_id), error=refusal.message)
        except Exception:
            log.exception("approvals.not_finished", message_id=without_phones(message_id))
        if done >= PER_RUN_MAX:
            break
    return done


async def _finished(services: Services, message_id: str) -> bool:
    (message,) = await services.database.rows(INBOUND_MESSAGES, [(message_id,)]) or (None,)
    if message is None or message.outcome is not None:
        return False
    processed = await finish(services, message)
    if processed.notification_id:
        await deliver(services, processed.notification_id)
    return True


async def _named(services: Services, questions: tuple[EntriesOf, ...], key: str) -> AsyncIterator[str]:
    """The keys that an index names, one shard after the other, fetched page by page."""
    for question in questions:
        async for entry in services.database.query(question, page_rows=PER_RUN_MAX):
            yield entry[key]["S"]


TIMERS: Final = (
    Timer(name="approval-expiry", every=timedelta(seconds=60), run=expire_unanswered),
    Timer(name="inbound-sweep", every=timedelta(seconds=30), run=sweep),
)
