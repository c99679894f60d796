"""The shape of each collection, declared once: checks, rows, export and `docs/migration.md` follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from tazco.audit.model import Action
from tazco.card_requests.model import DecisionSource, RequestStatus
from tazco.cards.model import CREDIT_CARD, ApprovedBy, CardStatus, FailureReason
from tazco.kernel.money import AMOUNT_MAX, AMOUNT_MIN, ZERO, Money
from tazco.migration.model import Collection
from tazco.migration.rules import kinds
from tazco.migration.rules.kinds import Kind
from tazco.scores.model import ScoreSource
from tazco.transactions.model import PaymentStatus, TransactionStatus, TransactionType
from tazco.users.model import SCORE_MAX, SCORE_MIN, Role, Tier, UserStatus

REASON_CHARACTERS_MAX: Final = 500
SEQUENCE_MAX: Final = 2**53

ID: Final = kinds.identifier()
SCORE: Final = kinds.whole(SCORE_MIN, SCORE_MAX)
POINTS: Final = kinds.whole(-SCORE_MAX, SCORE_MAX)
MONEY: Final = kinds.amount(ZERO, AMOUNT_MAX)
CREDIT_LEFT: Final = kinds.amount(Money(-AMOUNT_MAX), AMOUNT_MAX)
PRODUCT: Final = kinds.text(1, 64)
REASON: Final = kinds.text(0, REASON_CHARACTERS_MAX, personal=True)
SEQUENCE: Final = kinds.whole(0, SEQUENCE_MAX)
SEEN: Final = "the number of its last event that consumers have seen; the next one follows it. Absent: 0"


class CardType(StrEnum):
    """The types of cards."""

    CREDIT_CARD = CREDIT_CARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a document. `into` is the field of the record that takes it; None: it is checked, and follows from the others."""

    name: str
    kind: Kind
    meaning: str
    into: str | None
    required: bool = True


@dataclass(frozen=True)
class Shape:
    """The fields of a collection, and which of them is the id of a document."""

    id: str
    fields: tuple[Field, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The fields by their names."""
        return {field.name: field for field in self.fields}

    @cached_property
    def required(self) -> frozenset[str]:
        """What every document has."""
        return frozenset(field.name for field in self.fields if field.required)


def _must(name: str, kind: Kind, into: str | None, meaning: str) -> Field:
    return Field(name=name, kind=kind, into=into, meaning=meaning)


def _may(name: str, kind: Kind, into: str | None, meaning: str) -> Field:
    return Field(name=name, kind=kind, into=into, meaning=meaning, required=False)


OWNER: Final = _must("ecosystemId", ID, "ecosystem_id", "whose it is; a document of `users`")

USERS: Final = Shape(
    "ecosystemId",
    (
        _must("ecosystemId", ID, "ecosystem_id", "the person; unique"),
        _must(
            "firebaseUid", kinds.identifier(personal=True), "subject", "the identity provider's subject (`sub`); one person each"
        ),
        _must("email", kinds.email(), "email", "contains `@`; several people may share one"),
        _must("role", kinds.choice(Role), "role", "what the token said at the last sign-in; no authority"),
        _must("status", kinds.choice(UserStatus), "status", "whether the person may act"),
        _must("currentScore", SCORE, "current_score", "the score now"),
        _must("tier", kinds.choice(Tier), None, "follows from the score; another one is told and not kept"),
        _must("createdAt", kinds.INSTANT, "created_at", "when the person registered"),
        _must("updatedAt", kinds.INSTANT, "updated_at", "the last change"),
        _may("lastLoginAt", kinds.INSTANT, "last_login_at", "the last sign-in"),
        _may("sequence", SEQUENCE, "sequence", SEEN),
    ),
)

CARDS: Final = Shape(
    "cardId",
    (
        _must("cardId", ID, "card_id", "the card; unique among all cards"),
        OWNER,
        _must("type", kinds.choice(CardType), "type", "the only type there is"),
        _must("status", kinds.choice(CardStatus), "status", "where it is in its life"),
        _must("limit", MONEY, "limit", "the credit limit"),
        _must("balance", MONEY, "balance", "what is owed: completed purchases less completed payments"),
        _must("availableCredit", CREDIT_LEFT, None, "must be `limit` - `balance`"),
        _must("minimumPayment", MONEY, "minimum_payment", "as of the last purchase or payment"),
        _must("nextDueDate", kinds.INSTANT, "next_due_at", "by when the next payment is in time"),
        _must("createdAt", kinds.INSTANT, "created_at", "when it was granted"),
        _may("updatedAt", kinds.INSTANT, "updated_at", "the last change of its life. Absent: `createdAt`"),
        _may("activatedAt", kinds.INSTANT, "activated_at", "since when it can be used"),
        _must("approvedBy", kinds.choice(ApprovedBy), "approved_by", "who granted it"),
        _must("scoreAtApproval", SCORE, "score_at_approval", "the owner's score then"),
        _may("statusReason", REASON, "status_reason", "why it has its status"),
        _may("cancelledAt", kinds.INSTANT, "cancelled_at", "when it was cancelled"),
        _may("requestId", ID, "request_id", "the request that led to it"),
        _may("productId", PRODUCT, "product_id", "the product asked for"),
        _may("lastAwardAt", kinds.INSTANT, "last_award_at", "when a payment last earned points. Absent: from its transactions"),
        _may("sequence", SEQUENCE, "sequence", SEEN),
    ),
)

CARD_REQUESTS: Final = Shape(
    "requestId",
    (
        _must("requestId", ID, "request_id", "the request; unique among all requests"),
        OWNER,
        _must("productId", PRODUCT, "product_id", "the product asked for"),
        _must("status", kinds.choice(RequestStatus), "status", "where it stands"),
        _must("scoreAtRequest", SCORE, "score_at_request", "the owner's score then"),
        _must("tierAtRequest", kinds.choice(Tier), "tier_at_request", "the owner's tier then"),
        _must("createdAt", kinds.INSTANT, "created_at", "when it was made"),
        _may("updatedAt", kinds.INSTANT, "updated_at", "the last change. Absent: `createdAt`"),
        _may(
            "decidedAt", kinds.INSTANT, "decided_at", "when it was decided; required of a decided one, the cool-down runs from it"
        ),
        _may("decisionSource", kinds.choice(DecisionSource), "decision_source", "who decided; required of a decided one"),
        _may("decidedBy", ID, "decided_by", "which operator"),
        _may("approvedLimit", MONEY, "approved_limit", "the limit granted; required of an approved one"),
        _may("cardId", ID, "card_id", "the card granted; required of an approved one"),
        _may("reason", REASON, "reason", "why it was rejected"),
        _may("sequence", SEQUENCE, "sequence", SEEN),
    ),
)

TRANSACTIONS: Final = Shape(
    "transactionId",
    (
        _must(
            "transactionId", ID, "transaction_id", "the transaction; unique; a card's ledger is listed by it, so it sorts by time"
        ),
        OWNER,
        _must("cardId", ID, "card_id", "the card; a document of `cards` with the same owner"),
        _must("type", kinds.choice(TransactionType), "type", "which way the money went"),
        _must("amount", kinds.amount(AMOUNT_MIN, AMOUNT_MAX), "amount", "how much"),
        _must("status", kinds.choice(TransactionStatus), "status", "only `completed` ones count"),
        _must("timestamp", kinds.INSTANT, "timestamp", "when"),
        _may("merchant", kinds.text(1, 100, personal=True), "merchant", "where; required of a completed purchase"),
        _may("paymentStatus", kinds.choice(PaymentStatus), "payment_status", "required of a completed payment"),
        _may("scoreImpact", POINTS, "score_impact", "raw points; required of a completed payment"),
        _may("failureReason", kinds.choice(FailureReason), "failure_reason", "required of a failed one"),
    ),
)

SCORES: Final = Shape(
    "scoreId",
    (
        _must("scoreId", ID, "score_id", "the step; unique"),
        OWNER,
        _must("value", SCORE, "value", "the score after it"),
        _must("previousValue", SCORE, "previous_value", "the score before it"),
        _must("delta", POINTS, "delta", "what was applied"),
        _must("reason", REASON, "reason", "`payment_on_time`, `payment_late` or an operator's words"),
        _must("source", kinds.choice(ScoreSource), "source", "who moved it"),
        _must("timestamp", kinds.INSTANT, "timestamp", "when"),
    ),
)

AUDIT_LOGS: Final = Shape(
    "logId",
    (
        _must("logId", ID, "log_id", "the entry; unique"),
        _must("actorId", ID, "actor_id", "who did it"),
        _must("adminEcosystemId", ID, "admin_ecosystem_id", "the same, under its older name"),
        _must("adminEmail", kinds.text(0, 320, personal=True), "admin_email", "the operator's e-mail"),
        _must("action", kinds.choice(Action), "action", "what was done"),
        _must("targetType", kinds.text(1, 64), "target_type", "to what: `user`, `card`, `card-request`, `event`, `system`, …"),
        _must("targetId", ID, "target_id", "its id; it need not exist any more"),
        _must("targetEcosystemId", ID, "target_ecosystem_id", "whom it concerned"),
        _may("previousValue", kinds.OBJECT, "previous_value", "before. Absent: `{}`"),
        _may("newValue", kinds.OBJECT, "new_value", "after. Absent: `{}`"),
        _must("reason", REASON, "reason", "the operator's words"),
        _must("requestId", ID, "request_id", "the correlation id of the call"),
        _may("ipAddress", kinds.text(0, 64, personal=True), "ip_address", "from where"),
        _may("userAgent", kinds.text(0, 1_024, personal=True), "user_agent", "with what"),
        _must("timestamp", kinds.INSTANT, "timestamp", "when"),
    ),
)

SHAPES: Final[Mapping[Collection, Shape]] = {
    Collection.USERS: USERS,
    Collection.CARDS: CARDS,
    Collection.CARD_REQUESTS: CARD_REQUESTS,
    Collection.TRANSACTIONS: TRANSACTIONS,
    Collection.SCORES: SCORES,
    Collection.AUDIT_LOGS: AUDIT_LOGS,
}
