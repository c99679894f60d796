"""Where the newest of a timeline stands: what a page that shows it asks every second."""

from typing import Any, Final

from tazco.notifications.store import BY_RELATED_ENTITY, NOTIFICATIONS
from tazco.platform.outbox import OutboxRow
from tazco.platform.tables import EntriesOf, Key, Range, composite
from tazco.timeline.store.facts import PAYMENT, payload_of
from tazco.timeline.store.gathering import NOTIFICATIONS_MAX, Gathering, Scope
from tazco.trackers.store import tracker

NEWEST_NOTIFICATIONS: Final = Range(newest_first=True, rows_max=NOTIFICATIONS_MAX)


async def standing(gathering: Gathering, scope: Scope) -> Any:
    """The rows of a scope, the ends of their streams and what approvers were told of them, in short; three round trips.

    Events leave in order: the end of a stream has left when all before it have.
    """
    database, rows = gathering.database, (*scope.users, *scope.cards, *scope.requests)
    first = tuple(gathering.events.values())
    ends = await gathering.rows_of_events(each.last_event_id for each in rows if each.last_event_id)
    paid = [("transaction", str(payload_of(each).get("transactionId", ""))) for each in ends if each.event_type == PAYMENT]
    about = [*(("cardRequest", each.request_id) for each in scope.requests), *paid]
    questions = [EntriesOf(NOTIFICATIONS, BY_RELATED_ENTITY, composite(*each), NEWEST_NOTIFICATIONS) for each in about]
    trackers: list[Any] = [tracker(each.request_id) for each in scope.requests]
    answers = await database.read(*trackers, *questions)
    keys: list[Key] = [(entry["notificationId"],) for entries in answers[len(trackers) :] for entry in entries]
    told = await database.rows(NOTIFICATIONS, keys)
    return (
        [each.version for each in rows],
        [_way_out(each) for each in (*first, *ends)],
        [each and each.version for each in answers[: len(trackers)]],
        [(each.notification_id, each.version) for each in told],
        sorted(gathering.deeds),
        [(each.message_id, each.version) for each in gathering.messages.values()],
    )


def _way_out(row: OutboxRow) -> Any:
    return row.event_id, row.pending_shard, row.retry_count, row.next_retry_at
