"""Buying with a card and paying it back. A refusal by the card's state is a decline: recorded, told, answered once."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tazco.cards.commands import terms_of
from tazco.cards.model import Card, CardNotFound, Declined
from tazco.cards.rules import after_payment, after_purchase, days_overdue, earns_award
from tazco.cards.store import CARDS, card
from tazco.kernel.ids import CardId, EcosystemId, TransactionId
from tazco.kernel.money import Money
from tazco.platform.policy import Policy
from tazco.platform.work import Work
from tazco.scores.commands import move_score
from tazco.scores.model import PAID_LATE, PAID_ON_TIME, ScoreSource
from tazco.scores.rules import bonus, penalty
from tazco.transactions.events import PaymentMade, PurchaseMade, TransactionDeclined
from tazco.transactions.model import PaymentStatus, Transaction, TransactionStatus, TransactionType
from tazco.transactions.store import TRANSACTIONS
from tazco.users.model import UserNotFound, tier_of
from tazco.users.store import user


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A cardholder buys something."""

    ecosystem_id: EcosystemId
    card_id: CardId
    amount: Money
    merchant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A cardholder pays back."""

    ecosystem_id: EcosystemId
    card_id: CardId
    amount: Money


@dataclass(frozen=True, slots=True)
class ScoreMove:
    """How a payment moved the score; `delta` is raw, before clamping."""

    previous_score: int
    new_score: int
    delta: int
    reason: PaymentStatus


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was written: the transaction, the card after it, and for a payment the score."""

    transaction: Transaction
    card: Card
    score: ScoreMove | None = None


@dataclass(frozen=True, slots=True)
class Decline:
    """A recorded no."""

    transaction: Transaction
    refusal: Declined


async def purchase(command: Purchase, work: Work) -> Receipt | Decline:
    """Charge the card, or record why not."""
    found, owner = await work.read(card(command.ecosystem_id, command.card_id), user(command.ecosystem_id))
    if found is None or owner is None:
        raise CardNotFound
    try:
        charged = after_purchase(found, found.charge(command.amount), work.now, terms_of(work.policy))
    except Declined as declined:
        return _decline(work, found, TransactionType.PURCHASE, command.amount, declined)
    made = replace(_transaction(work, found, TransactionType.PURCHASE, command.amount), merchant=command.merchant)
    event = PurchaseMade(
        transaction_id=made.transaction_id,
        card_id=found.card_id,
        ecosystem_id=found.ecosystem_id,
        amount=made.amount,
        merchant=command.merchant,
        new_balance=charged.balance,
        new_available_credit=charged.available_credit,
    )
    work.change(CARDS, found, charged, event)
    work.add(TRANSACTIONS, made)
    return Receipt(made, charged)


async def payment(command: Payment, work: Work) -> Receipt | Decline:
    """Pay the card and move the score, or record why not."""
    found, owner = await work.read(card(command.ecosystem_id, command.card_id), user(command.ecosystem_id))
    if found is None:
        raise CardNotFound
    if owner is None:
        raise UserNotFound
    try:
        paid = after_payment(found, found.pay(command.amount), work.now, terms_of(work.policy))
    except Declined as declined:
        return _decline(work, found, TransactionType.PAYMENT, command.amount, declined)
    overdue = days_overdue(found.next_due_at, work.now)
    status = PaymentStatus.LATE if overdue else PaymentStatus.ON_TIME
    impact = _score_impact(work, found, command.amount, overdue)
    if impact > 0:
        paid = replace(paid, last_award_at=work.now)
    made = replace(_transaction(work, found, TransactionType.PAYMENT, command.amount), payment_status=status, score_impact=impact)
    reason = PAID_LATE if overdue else PAID_ON_TIME
    step = move_score(work, owner, owner.current_score + impact, reason, ScoreSource.SYSTEM, because_of=made.transaction_id)
    event = PaymentMade(
        transaction_id=made.transaction_id,
        card_id=found.card_id,
        ecosystem_id=found.ecosystem_id,
        amount=made.amount,
        payment_status=status,
        days_overdue=overdue or None,
        score_impact=impact,
        balance_before=found.balance,
        new_balance=paid.balance,
        new_available_credit=paid.available_credit,
        new_score=step.value,
        new_tier=tier_of(step.value),
        created_at=work.now,
    )
    work.change(CARDS, found, paid, event)
    work.add(TRANSACTIONS, made)
    return Receipt(made, paid, ScoreMove(step.previous_value, step.value, impact, status))


def _score_impact(work: Work, found: Card, paid: Money, overdue: int) -> int:
    policy = work.policy
    if overdue:
        return _penalty(policy, overdue)
    cycle = timedelta(days=policy.cycle_days)
    if policy.one_bonus_per_cycle and not earns_award(found.last_award_at, work.now, cycle):
        return 0
    return bonus(paid, found.balance, lowest=policy.payment_bonus_min, highest=policy.payment_bonus_max)


def _penalty(policy: Policy, overdue: int) -> int:
    return penalty(
        overdue,
        mild=policy.late_penalty_mild,
        moderate=policy.late_penalty_moderate,
        severe=policy.late_penalty_severe,
        mild_max_days=policy.late_mild_max_days,
        moderate_max_days=policy.late_moderate_max_days,
    )


def _transaction(work: Work, found: Card, kind: TransactionType, amount: Money) -> Transaction:
    return Transaction(
        ecosystem_id=found.ecosystem_id,
        card_id=found.card_id,
        transaction_id=TransactionId(work.new_id()),
        type=kind,
        amount=amount,
        status=TransactionStatus.COMPLETED,
        timestamp=work.now,
    )


def _decline(work: Work, found: Card, kind: TransactionType, amount: Money, refusal: Declined) -> Decline:
    failed = replace(_transaction(work, found, kind, amount), status=TransactionStatus.FAILED, failure_reason=refusal.reason)
    event = TransactionDeclined(
        transaction_id=failed.transaction_id,
        card_id=found.card_id,
        ecosystem_id=found.ecosystem_id,
        transaction_type=kind,
        amount=amount,
        failure_reason=refusal.reason,
        balance=found.balance,
        available_credit=found.available_credit,
    )
    work.change(CARDS, found, found, event)
    work.add(TRANSACTIONS, failed)
    return Decline(failed, refusal)
