"""A card request as its owner and as operators see it."""

from datetime import datetime
from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from tazco.card_requests.model import CardRequest, RequestStatus
from tazco.card_requests.rules import days_pending, requires_attention
from tazco.cards.model import Card
from tazco.cards.views import CardSummary, card_summary
from tazco.kernel.clock import to_text
from tazco.platform.http.fields import OutMoney, OutTime
from tazco.platform.jsontext import amount
from tazco.users.model import User

REVIEW_TIME: Final = "1-2 business days"
EMAIL_UNKNOWN: Final = "unknown"


class DecisionView(TypedDict):
    """How a request ended."""

    outcome: Literal["approved", "rejected"]
    source: Literal["auto", "admin"]
    approvedLimit: NotRequired[OutMoney]
    reason: NotRequired[str]


class RequestView(TypedDict):
    """A request as its owner sees it."""

    requestId: str
    status: Literal["pending", "approved", "rejected"]
    scoreAtRequest: int
    estimatedReviewTime: NotRequired[str]
    decision: NotRequired[DecisionView]
    card: NotRequired[CardSummary]


class RequestOwnerView(TypedDict):
    """Whose request it is."""

    ecosystemId: str
    email: str


class AdminRequestView(TypedDict):
    """A request as an operator sees it."""

    requestId: str
    user: RequestOwnerView
    scoreAtRequest: int
    currentScore: int
    tierAtRequest: Literal["high", "medium", "low"]
    daysPending: int
    requiresAttention: bool
    productId: str
    status: Literal["pending", "approved", "rejected"]
    createdAt: OutTime


def request_view(request: CardRequest, card: Card | None) -> RequestView:
    """A request as its owner sees it, with the card that came of it."""
    view: RequestView = {
        "requestId": request.request_id,
        "status": request.status.value,
        "scoreAtRequest": request.score_at_request,
    }
    if request.pending:
        view["estimatedReviewTime"] = REVIEW_TIME
        return view
    decision: DecisionView = {
        "outcome": "approved" if request.status is RequestStatus.APPROVED else "rejected",
        "source": request.decision_source.value if request.decision_source else "admin",
    }
    if request.approved_limit is not None:
        decision["approvedLimit"] = amount(request.approved_limit)
    if request.reason is not None:
        decision["reason"] = request.reason
    view["decision"] = decision
    if card is not None:
        view["card"] = card_summary(card)
    return view


def admin_request_view(request: CardRequest, owner: User | None, attention_days: int, now: datetime) -> AdminRequestView:
    """A request as an operator sees it at `now`; the owner may be gone."""
    return {
        "requestId": request.request_id,
        "user": {"ecosystemId": request.ecosystem_id, "email": owner.email if owner else EMAIL_UNKNOWN},
        "scoreAtRequest": request.score_at_request,
        "currentScore": owner.current_score if owner else request.score_at_request,
        "tierAtRequest": request.tier_at_request.value,
        "daysPending": days_pending(request.created_at, now),
        "requiresAttention": requires_attention(request, attention_days, now),
        "productId": request.product_id,
        "status": request.status.value,
        "createdAt": to_text(request.created_at),
    }
