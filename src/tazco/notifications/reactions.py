"""Which events notifications are made from."""

from typing import Final

from tazco.platform.messaging import Subscription

SUBSCRIPTIONS: Final = (Subscription(queue="notifications", event_types=("card.requested", "transaction.payment")),)
