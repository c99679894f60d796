"""A card as the wire shows it: in a list or beside what happened to it, and in full."""

from typing import Literal, NotRequired, cast

from typing_extensions import TypedDict

from tazco.cards.model import Card
from tazco.kernel.clock import to_text
from tazco.platform.http.fields import OutMoney, OutTime
from tazco.platform.jsontext import amount


class CardSummary(TypedDict):
    """A card in short."""

    cardId: str
    type: str
    status: Literal["active", "suspended", "cancelled"]
    limit: OutMoney
    balance: OutMoney
    availableCredit: OutMoney
    minimumPayment: OutMoney
    nearLimit: bool
    nextDueDate: OutTime


class CardDetail(CardSummary):
    """A card in full."""

    createdAt: OutTime
    activatedAt: NotRequired[OutTime]
    approvedBy: Literal["auto", "admin"]
    scoreAtApproval: int
    statusReason: NotRequired[str]
    cancelledAt: NotRequired[OutTime]


def card_summary(card: Card) -> CardSummary:
    """A card in short."""
    return {
        "cardId": card.card_id,
        "type": card.type,
        "status": card.status.value,
        "limit": amount(card.limit),
        "balance": amount(card.balance),
        "availableCredit": amount(card.available_credit),
        "minimumPayment": amount(card.minimum_payment),
        "nearLimit": card.near_limit,
        "nextDueDate": to_text(card.next_due_at),
    }


def card_detail(card: Card) -> CardDetail:
    """A card in full."""
    view = cast("CardDetail", dict(card_summary(card)))
    view["createdAt"] = to_text(card.created_at)
    view["approvedBy"] = card.approved_by.value
    view["scoreAtApproval"] = card.score_at_approval
    if card.activated_at:
        view["activatedAt"] = to_text(card.activated_at)
    if card.status_reason:
        view["statusReason"] = card.status_reason
    if card.cancelled_at:
        view["cancelledAt"] = to_text(card.cancelled_at)
    return view
