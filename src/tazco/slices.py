"""What each slice contributes: routes, tables, reactions, timers."""

from typing import Any, Final

from tazco.approvals import api as approvals
from tazco.approvals.reactions import TIMERS as APPROVAL_TIMERS
from tazco.audit import api as audit
from tazco.audit.store import AUDIT_LOGS
from tazco.card_requests import api as card_requests
from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards import api as cards
from tazco.cards.store import CARDS
from tazco.cleanup import api as cleanup
from tazco.dashboard import api as dashboard
from tazco.delivery import api as delivery
from tazco.notifications import api as notifications
from tazco.notifications.reactions import REACTIONS as NOTIFICATION_REACTIONS
from tazco.notifications.reactions import TIMERS as NOTIFICATION_TIMERS
from tazco.notifications.store import INBOUND_MESSAGES, NOTIFICATIONS
from tazco.offers import api as offers
from tazco.platform.http.routing import Routes
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.messaging import Subscription
from tazco.platform.outbox import OUTBOX, STREAMS
from tazco.platform.reactions import Reactions, Timer
from tazco.platform.tables import Table
from tazco.scores import api as scores
from tazco.scores.store import SCORES
from tazco.tally.reactions import REACTIONS as TALLY_REACTIONS
from tazco.trackers.store import TRACKERS
from tazco.transactions import api as transactions
from tazco.transactions.store import TRANSACTIONS
from tazco.users import api as users
from tazco.users.store import USERS

TABLES: Final[tuple[Table[Any], ...]] = (
    USERS,
    CARD_REQUESTS,
    CARDS,
    TRANSACTIONS,
    SCORES,
    STORED_ANSWERS,
    OUTBOX,
    STREAMS,
    NOTIFICATIONS,
    INBOUND_MESSAGES,
    TRACKERS,
    AUDIT_LOGS,
)
"""All twelve, owners before what they own: in this order a cleanup deletes."""

ROUTES: Final[tuple[Routes, ...]] = (
    users.routes,
    dashboard.routes,
    offers.routes,
    card_requests.routes,
    cards.routes,
    transactions.routes,
    scores.routes,
    audit.routes,
    delivery.routes,
    cleanup.routes,
    notifications.routes,
    approvals.routes,
)
"""Literal paths before those with ids: `/v1/cards/requests/…` comes with card requests, ahead of `/v1/cards/{cardId}/…`."""

REACTIONS: Final[tuple[Reactions, ...]] = (NOTIFICATION_REACTIONS, TALLY_REACTIONS)
"""What is done about events: one queue each, which a worker reads."""

SUBSCRIPTIONS: Final[tuple[Subscription, ...]] = tuple(reactions.subscription for reactions in REACTIONS)
"""The queues of the reactions, as provisioning sees them."""

TIMERS: Final[tuple[Timer, ...]] = (*NOTIFICATION_TIMERS, *APPROVAL_TIMERS)
"""What a worker looks after from time to time."""
