"""Asking for a card; approving and rejecting."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tazco.audit.commands import record_deed
from tazco.audit.model import Action, Target
from tazco.card_requests.events import ApprovalExpired, CardRejected, CardRequested
from tazco.card_requests.model import (
    AlreadyDecided,
    CardRequest,
    DecisionSource,
    LimitExceedsPolicy,
    OwnerDisabled,
    RequestNotFound,
    RequestPending,
)
from tazco.card_requests.rules import refuse_second_card, refuse_unless_free
from tazco.card_requests.store import CARD_REQUESTS, named_by_id, request, requests_of
from tazco.cards.commands import grant_card
from tazco.cards.model import ApprovedBy, Card
from tazco.cards.store import card, cards_of
from tazco.kernel.events import Event
from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.kernel.money import Money
from tazco.platform.jsontext import amount
from tazco.platform.policy import Policy
from tazco.platform.work import Work
from tazco.trackers.commands import await_decision, close
from tazco.trackers.model import Tracker, TrackerStatus
from tazco.trackers.store import tracker
from tazco.users.model import Tier, User, UserNotFound
from tazco.users.store import USERS, user

HOUR: Final = timedelta(hours=1)


def limit_of(tier: Tier, policy: Policy) -> Money:
    """The highest limit that a tier may have."""
    limits: Mapping[Tier, Money] = {
        Tier.HIGH: policy.high_tier_limit,
        Tier.MEDIUM: policy.medium_tier_limit,
        Tier.LOW: policy.low_tier_limit,
    }
    return limits[tier]


@dataclass(frozen=True, slots=True)
class Decided:
    """A request after a decision (or still pending), its owner, and the card if one was granted."""

    request: CardRequest
    owner: User | None
    card: Card | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCard:
    """A person asks for a card."""

    ecosystem_id: EcosystemId
    product_id: str


async def request_card(command: RequestCard, work: Work) -> Decided:
    """Grant a card at once if the score is high enough, otherwise leave the request to an operator."""
    owner, cards, requests = await work.read(
        user(command.ecosystem_id), cards_of(command.ecosystem_id), requests_of(command.ecosystem_id)
    )
    if owner is None:
        raise UserNotFound
    refuse_unless_free(cards, requests, work.policy.cooldown_days, work.now)
    await _refuse_unseen(owner, cards, requests, work)
    asked, event = _asked(command, owner, work)
    if owner.current_score < work.policy.auto_approve_threshold:
        work.add(CARD_REQUESTS, asked, event)
        work.change(USERS, owner, owner.holding(owner.active_card_id, asked.request_id, work.now))
        await_decision(work, asked.request_id, owner.ecosystem_id)
        return Decided(asked, owner)
    limit = limit_of(owner.tier, work.policy)
    granted = grant_card(
        work,
        owner,
        cards,
        request_id=asked.request_id,
        product_id=asked.product_id,
        limit=limit,
        approved_by=ApprovedBy.AUTO,
    )
    approved = asked.approve(limit, granted.card_id, DecisionSource.AUTO, None, work.now)
    work.add(CARD_REQUESTS, approved, event)
    work.change(USERS, owner, owner.holding(granted.card_id, None, work.now))
    return Decided(approved, owner, granted)


async def _refuse_unseen(owner: User, cards: Iterable[Card], requests: Iterable[CardRequest] | None, work: Work) -> None:
    """Look up what the person's row names and the lists do not hold, and refuse as if they did.

    Row and lists are read side by side, not in one instant: a card granted in between is in the row, whose version the commit requires, and
    not in the list. What the row names and nobody has any more stands in nobody's way.
    Without `requests` only cards count: an approval may be of the older of two requests.
    """
    card_id, request_id = owner.active_card_id, owner.open_request_id
    if card_id is not None and all(each.card_id != card_id for each in cards):
        (granted,) = await work.read(card(owner.ecosystem_id, card_id))
        refuse_second_card(() if granted is None else (granted,))
    if requests is not None and request_id is not None and all(each.request_id != request_id for each in requests):
        (asked,) = await work.read(request(owner.ecosystem_id, request_id))
        if asked is not None and asked.pending:
            raise RequestPending(request_id)


def _asked(command: RequestCard, owner: User, work: Work) -> tuple[CardRequest, CardRequested]:
    asked = CardRequest(
        ecosystem_id=owner.ecosystem_id,
        request_id=CardRequestId(work.new_id()),
        product_id=command.product_id,
        score_at_request=owner.current_score,
        tier_at_request=owner.tier,
        created_at=work.now,
        updated_at=work.now,
    )
    event = CardRequested(
        ecosystem_id=owner.ecosystem_id,
        request_id=asked.request_id,
        product_id=asked.product_id,
        score_at_request=asked.score_at_request,
        tier_at_request=asked.tier_at_request,
        created_at=asked.created_at,
    )
    return asked, event


async def _find(request_id: CardRequestId, work: Work) -> EcosystemId:
    entries = await work.look_up(named_by_id(request_id))
    if not entries:
        raise RequestNotFound
    return EcosystemId(entries[0]["ecosystemId"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRequest:
    """An operator grants a card. Without a limit it gets what the owner's present tier may have; a known owner is not looked up."""

    request_id: CardRequestId
    owner: EcosystemId | None = None
    limit: Money | None = None
    reason: str = "Approved"


async def approve_request(command: ApproveRequest, work: Work) -> Decided:
    """Grant the card with the operator's limit, at most that of the owner's present tier."""
    ecosystem_id = command.owner or await _find(command.request_id, work)
    found, owner, cards, awaited = await work.read(
        request(ecosystem_id, command.request_id), user(ecosystem_id), cards_of(ecosystem_id), tracker(command.request_id)
    )
    found, owner, limit = _grantable(command, found, owner, cards, work.policy)
    await _refuse_unseen(owner, cards, None, work)
    granted = grant_card(
        work,
        owner,
        cards,
        request_id=found.request_id,
        product_id=found.product_id,
        limit=limit,
        approved_by=ApprovedBy.ADMIN,
    )
    approved = found.approve(limit, granted.card_id, DecisionSource.ADMIN, work.origin.caller.public_id, work.now)
    work.change(CARD_REQUESTS, found, approved)
    work.change(USERS, owner, owner.holding(granted.card_id, None, work.now))
    close(work, awaited, TrackerStatus.APPROVED)
    record_deed(
        work,
        Action.REQUEST_APPROVED,
        _target(found),
        previous={"status": found.status.value},
        new={"status": approved.status.value, "limit": amount(limit), "cardId": granted.card_id},
        reason=command.reason,
    )
    return Decided(approved, owner, granted)


def _grantable(
    command: ApproveRequest, found: CardRequest | None, owner: User | None, cards: tuple[Card, ...], policy: Policy
) -> tuple[CardRequest, User, Money]:
    """Refuse, in the order of the contract, whatever stands in the way of an approval; the limit to grant."""
    if found is None:
        raise RequestNotFound
    if owner is None:
        raise UserNotFound
    if owner.disabled:
        raise OwnerDisabled
    if not found.pending:
        raise AlreadyDecided(found.status)
    refuse_second_card(cards)
    maximum = limit_of(owner.tier, policy)
    limit = maximum if command.limit is None else command.limit
    if limit > maximum:
        raise LimitExceedsPolicy(limit, maximum, owner.tier)
    return found, owner, limit


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectRequest:
    """An operator turns a request down. The audit keeps `audit_reason` where the owner is not to read everything."""

    request_id: CardRequestId
    reason: str
    owner: EcosystemId | None = None
    audit_reason: str | None = None


async def reject_request(command: RejectRequest, work: Work) -> Decided:
    """Turn the request down; the cool-down begins."""
    ecosystem_id = command.owner or await _find(command.request_id, work)
    found, owner, awaited = await work.read(
        request(ecosystem_id, command.request_id), user(ecosystem_id), tracker(command.request_id)
    )
    if found is None:
        raise RequestNotFound
    source, audit_reason = DecisionSource.ADMIN, command.audit_reason or command.reason
    rejected = _turn_down(work, found, owner, reason=command.reason, audit_reason=audit_reason, source=source)
    close(work, awaited, TrackerStatus.REJECTED)
    return Decided(rejected, owner)


def _turn_down(
    work: Work,
    found: CardRequest,
    owner: User | None,
    *,
    reason: str,
    audit_reason: str,
    source: DecisionSource,
    first: tuple[Event, ...] = (),
) -> CardRequest:
    """Put a rejection and its deed into the commit, after the events that come `first`; the caller closes the tracker."""
    by = work.origin.caller.public_id if source is DecisionSource.ADMIN else None
    rejected = found.reject(reason, source, by, work.now)
    event = CardRejected(
        ecosystem_id=found.ecosystem_id,
        request_id=found.request_id,
        product_id=found.product_id,
        reason=reason,
        source=source,
        admin_id=by,
        score_at_request=found.score_at_request,
    )
    work.change(CARD_REQUESTS, found, rejected, *first, event)
    if owner is not None and owner.open_request_id == found.request_id:
        work.change(USERS, owner, owner.holding(owner.active_card_id, None, work.now))
    record_deed(
        work,
        Action.REQUEST_REJECTED,
        _target(found),
        previous={"status": found.status.value},
        new={"status": rejected.status.value},
        reason=audit_reason,
    )
    return rejected


def expire(work: Work, found: CardRequest, owner: User | None, awaited: Tracker) -> None:
    """Put the expiry of an awaited decision into the commit; if the policy says so the request is turned down with it.

    Otherwise the request stays pending for the operators' console. The reason tells the hours that this tracker had, whatever
    today's policy gives to new ones.
    """
    rejects = work.policy.expiry_rejects
    expired = ApprovalExpired(
        ecosystem_id=found.ecosystem_id, request_id=found.request_id, expired_at=awaited.expires_at, auto_rejected=rejects
    )
    close(work, awaited, TrackerStatus.EXPIRED)
    if not rejects:
        work.change(CARD_REQUESTS, found, found, expired)
        return
    hours = round((awaited.expires_at - (awaited.created_at or found.created_at)) / HOUR)
    reason = f"No decision within {hours} hours"
    _turn_down(work, found, owner, reason=reason, audit_reason=reason, source=DecisionSource.AUTO, first=(expired,))


def _target(found: CardRequest) -> Target:
    return Target(type="card-request", id=found.request_id, ecosystem_id=found.ecosystem_id)
