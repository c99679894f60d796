"""GET /v1/offers."""

from datetime import datetime
from typing import Any, Final

from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.card_requests.commands import limit_of
from tazco.card_requests.model import CardRequest
from tazco.card_requests.rules import free_again_at
from tazco.card_requests.store import requests_of
from tazco.cards.model import Card, CardStatus
from tazco.cards.store import cards_of
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Code
from tazco.kernel.money import Money
from tazco.offers.model import PRODUCT_ID, Offer
from tazco.platform.http.call import Call, registered
from tazco.platform.http.fields import OutMoney, OutTime
from tazco.platform.http.routing import Doc, Routes
from tazco.platform.jsontext import amount
from tazco.platform.policy import Policy
from tazco.users.model import Tier, User, UserNotFound
from tazco.users.store import user

NAMES: Final = {
    Tier.HIGH: ("tazco Premium Card", "Our best rate and highest limit, without a yearly fee."),
    Tier.MEDIUM: ("tazco Standard Card", "A solid limit for every day, without a yearly fee."),
    Tier.LOW: ("tazco Starter Card", "A card to build a good score with."),
}

routes = Routes()


class TermsView(TypedDict):
    """What the card costs and allows; `apr` in percent a year."""

    creditLimit: OutMoney
    apr: OutMoney
    annualFee: OutMoney


class EligibilityView(TypedDict):
    """Whether the person may ask now."""

    eligible: bool
    subjectToApproval: bool
    cooldownUntil: OutTime | None


class OfferView(TypedDict):
    """One offer."""

    productId: str
    productType: str
    name: str
    description: str
    terms: TermsView
    eligibility: EligibilityView


class OfferList(TypedDict):
    """What the person may ask for; empty with an active card."""

    offers: list[OfferView]


def offer_to(
    person: User, cards: tuple[Card, ...], requests: tuple[CardRequest, ...], policy: Policy, now: datetime
) -> Offer | None:
    """The offer of a person's tier; None with an active card."""
    if any(card.status is CardStatus.ACTIVE for card in cards):
        return None
    apr, fee = {
        Tier.HIGH: (policy.high_tier_apr, policy.high_tier_annual_fee),
        Tier.MEDIUM: (policy.medium_tier_apr, policy.medium_tier_annual_fee),
        Tier.LOW: (policy.low_tier_apr, policy.low_tier_annual_fee),
    }[person.tier]
    cooldown_until = free_again_at(requests, policy.cooldown_days, now)
    barred = any(card.open for card in cards) or any(each.pending for each in requests) or cooldown_until is not None
    name, description = NAMES[person.tier]
    return Offer(
        name=name,
        description=description,
        credit_limit=limit_of(person.tier, policy),
        apr=apr,
        annual_fee=fee,
        eligible=not barred,
        subject_to_approval=person.current_score < policy.auto_approve_threshold,
        cooldown_until=cooldown_until,
    )


def offer_view(offer: Offer) -> dict[str, Any]:
    """An offer as the wire shows it."""
    return {
        "productId": PRODUCT_ID,
        "productType": "credit-card",
        "name": offer.name,
        "description": offer.description,
        "terms": {
            "creditLimit": amount(offer.credit_limit),
            "apr": amount(Money(offer.apr)),
            "annualFee": amount(offer.annual_fee),
        },
        "eligibility": {
            "eligible": offer.eligible,
            "subjectToApproval": offer.subject_to_approval,
            "cooldownUntil": to_text(offer.cooldown_until) if offer.cooldown_until else None,
        },
    }


LIST = Doc(summary="What I may ask for", tag="Cardholder: card requests", replies={200: OfferList}, refusals=(Code.NOT_FOUND,))


@routes.get("/v1/offers", LIST)
async def list_offers(call: Call) -> Response:
    """The offer of the caller's tier, and whether it can be taken now."""
    caller = await call.caller()
    ecosystem_id = registered(caller, "User")
    services = call.services
    person, cards, requests = await services.database.read(user(ecosystem_id), cards_of(ecosystem_id), requests_of(ecosystem_id))
    if person is None:
        raise UserNotFound
    offer = offer_to(person, cards, requests, services.policies.current(), services.clock())
    return call.reply({"offers": [offer_view(offer)] if offer else []})
