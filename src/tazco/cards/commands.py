"""Granting a card, suspending, reactivating and cancelling one."""

from dataclasses import dataclass
from datetime import timedelta

from tazco.audit.commands import record_deed
from tazco.audit.model import Action, Target
from tazco.cards import events
from tazco.cards.model import ApprovedBy, Card, CardNotFound, CardStatus
from tazco.cards.rules import Terms
from tazco.cards.store import CARDS, card
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId
from tazco.kernel.money import Money
from tazco.platform.policy import Policy
from tazco.platform.work import Work
from tazco.users.model import User
from tazco.users.store import USERS, user


def terms_of(policy: Policy) -> Terms:
    """The billing numbers of a policy."""
    return Terms(
        cycle=timedelta(days=policy.cycle_days), floor=policy.minimum_payment_floor, percent=policy.minimum_payment_percent
    )


def grant_card(
    work: Work,
    owner: User,
    former_cards: tuple[Card, ...],
    *,
    request_id: CardRequestId,
    product_id: str,
    limit: Money,
    approved_by: ApprovedBy,
) -> Card:
    """Put a new card into the commit of the decision that grants it; the caller has made sure that no open card stands in the way."""
    awards = [former.last_award_at for former in former_cards if former.last_award_at and not former.open]
    granted = Card(
        ecosystem_id=owner.ecosystem_id,
        card_id=CardId(work.new_id()),
        limit=limit,
        next_due_at=work.now + terms_of(work.policy).cycle,
        request_id=request_id,
        product_id=product_id,
        approved_by=approved_by,
        score_at_approval=owner.current_score,
        created_at=work.now,
        updated_at=work.now,
        activated_at=work.now,
        last_award_at=max(awards, default=None),
    )
    event = events.CardApproved(
        ecosystem_id=owner.ecosystem_id,
        request_id=request_id,
        card_id=granted.card_id,
        product_id=product_id,
        approved_limit=limit,
        source=approved_by,
        admin_id=work.origin.caller.public_id if approved_by is ApprovedBy.ADMIN else None,
        score_at_approval=owner.current_score,
        tier_at_approval=owner.tier,
    )
    work.add(CARDS, granted, event)
    return granted


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCardStatus:
    """An operator suspends, reactivates or cancels a person's card."""

    ecosystem_id: EcosystemId
    card_id: CardId
    status: CardStatus
    reason: str


ACTIONS = {
    CardStatus.SUSPENDED: Action.CARD_SUSPENDED,
    CardStatus.ACTIVE: Action.CARD_REACTIVATED,
    CardStatus.CANCELLED: Action.CARD_CANCELLED,
}


async def set_card_status(command: SetCardStatus, work: Work) -> Card:
    """Move the card through its life; the state that is already there changes nothing and is no deed."""
    found, owner = await work.read(card(command.ecosystem_id, command.card_id), user(command.ecosystem_id))
    if found is None:
        raise CardNotFound
    if found.status is command.status:
        return found
    changed = _change_status(work, found, owner, command.status, command.reason)
    record_deed(
        work,
        ACTIONS[command.status],
        Target(type="card", id=found.card_id, ecosystem_id=found.ecosystem_id),
        previous={"status": found.status.value},
        new={"status": changed.status.value},
        reason=command.reason,
    )
    return changed


def _change_status(work: Work, found: Card, owner: User | None, status: CardStatus, reason: str) -> Card:
    if status is CardStatus.CANCELLED:
        return _cancel(work, found, owner, reason, requested_by="admin", admin_id=work.origin.caller.public_id)
    suspends = status is CardStatus.SUSPENDED
    changed = found.suspend(reason, work.now) if suspends else found.reactivate(reason, work.now)
    happened = events.CardSuspended if suspends else events.CardReactivated
    event = happened(
        ecosystem_id=found.ecosystem_id,
        card_id=found.card_id,
        reason=reason,
        admin_id=work.origin.caller.public_id,
        previous_status=found.status,
    )
    work.change(CARDS, found, changed, event)
    return changed


def _cancel(work: Work, found: Card, owner: User | None, reason: str | None, *, requested_by: str, admin_id: str | None) -> Card:
    cancelled = found.cancel(reason, work.now)
    event = events.CardCancelled(
        ecosystem_id=found.ecosystem_id,
        card_id=found.card_id,
        reason=reason,
        requested_by=requested_by,
        admin_id=admin_id,
        previous_status=found.status,
        final_balance=cancelled.balance,
    )
    work.change(CARDS, found, cancelled, event)
    if owner is not None and owner.active_card_id == found.card_id:
        work.change(USERS, owner, owner.holding(None, owner.open_request_id, work.now))
    return cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOwnCard:
    """A cardholder gives a card back."""

    ecosystem_id: EcosystemId
    card_id: CardId
    reason: str | None


async def cancel_own_card(command: CancelOwnCard, work: Work) -> Card:
    """Cancel the card if nothing is owed; one that is cancelled already stays as it is."""
    found, owner = await work.read(card(command.ecosystem_id, command.card_id), user(command.ecosystem_id))
    if found is None:
        raise CardNotFound
    if found.status is CardStatus.CANCELLED:
        return found
    return _cancel(work, found, owner, command.reason, requested_by="user", admin_id=None)
