"""Purchases, payments and the ledger of a card."""

from functools import partial
from typing import Annotated, Any, Literal, NotRequired

from pydantic import WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.cards.model import CardNotFound
from tazco.cards.store import card
from tazco.cards.views import CardSummary, card_summary
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Code
from tazco.kernel.ids import CardId
from tazco.platform.http.call import Call, registered, success
from tazco.platform.http.errors import refusal_answer
from tazco.platform.http.fields import Body, OutMoney, OutTime, WireMoney, text
from tazco.platform.http.routing import USER_KEY_CHARACTERS_MAX, Choice, Doc, Routes
from tazco.platform.http.schema import PaginationView
from tazco.platform.idempotency import Answer
from tazco.platform.jsontext import amount
from tazco.transactions.commands import Decline, Payment, Purchase, Receipt, ScoreMove, payment, purchase
from tazco.transactions.model import MERCHANT_UNKNOWN, Transaction, TransactionType
from tazco.transactions.store import TRANSACTIONS, ledger_of

MERCHANT_CHARACTERS_MAX = 100
FILTERED_PAGE_ROWS = 1_000

routes = Routes()


class PurchaseBody(Body):
    """How much, and where."""

    amount: WireMoney
    merchant: (
        Annotated[str, text(1, MERCHANT_CHARACTERS_MAX), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 100})]
        | None
    ) = None


class PaymentBody(Body):
    """How much."""

    amount: WireMoney


class TransactionView(TypedDict):
    """One entry of a ledger."""

    transactionId: str
    type: Literal["purchase", "payment"]
    amount: OutMoney
    status: Literal["completed", "failed"]
    timestamp: OutTime
    merchant: NotRequired[str]
    paymentStatus: NotRequired[Literal["on_time", "late"]]
    scoreImpact: NotRequired[int]
    failureReason: NotRequired[
        Literal["card_not_active", "insufficient_credit", "card_cancelled", "no_balance", "amount_exceeds_balance"]
    ]


class ScoreImpactView(TypedDict):
    """How a payment moved the score; `delta` before clamping."""

    previousScore: int
    newScore: int
    delta: int
    reason: Literal["on_time", "late"]


class PurchaseReply(TypedDict):
    """The purchase, and the card after it."""

    transaction: TransactionView
    card: CardSummary


class PaymentReply(TypedDict):
    """The payment, the card after it, and the score."""

    transaction: TransactionView
    card: CardSummary
    scoreImpact: ScoreImpactView


class TransactionList(TypedDict):
    """A ledger, newest first."""

    transactions: list[TransactionView]
    pagination: PaginationView


def transaction_view(entry: Transaction) -> TransactionView:
    """An entry as the wire shows it."""
    view: TransactionView = {
        "transactionId": entry.transaction_id,
        "type": entry.type.value,
        "amount": amount(entry.amount),
        "status": entry.status.value,
        "timestamp": to_text(entry.timestamp),
    }
    if entry.merchant is not None:
        view["merchant"] = entry.merchant
    if entry.payment_status is not None:
        view["paymentStatus"] = entry.payment_status.value
    if entry.score_impact is not None:
        view["scoreImpact"] = entry.score_impact
    if entry.failure_reason is not None:
        view["failureReason"] = entry.failure_reason.value
    return view


def _rendered(outcome: Receipt | Decline) -> Answer:
    if isinstance(outcome, Decline):
        return refusal_answer(outcome.refusal)
    view: dict[str, Any] = {"transaction": transaction_view(outcome.transaction), "card": card_summary(outcome.card)}
    if outcome.score is not None:
        view["scoreImpact"] = _score_view(outcome.score)
    return success(view, 201)


def _score_view(move: ScoreMove) -> ScoreImpactView:
    return {
        "previousScore": move.previous_score,
        "newScore": move.new_score,
        "delta": move.delta,
        "reason": move.reason.value,
    }


PURCHASE = Doc(
    summary="Buy",
    tag="Cardholder: transactions",
    replies={201: PurchaseReply, 200: PurchaseReply},
    refusals=(Code.NOT_FOUND, Code.INSUFFICIENT_CREDIT),
    body=PurchaseBody,
    example={"amount": 42.5, "merchant": "Corner Shop"},
    key_characters_max=USER_KEY_CHARACTERS_MAX,
)


@routes.post("/v1/cards/{cardId}/transactions/purchases", PURCHASE)
async def make_purchase(call: Call) -> Response:
    """Charge the card; a decline is recorded and answered with 400 or 402. A replay answers 200."""
    caller = await call.caller()
    key = call.key()
    body = await call.body(PurchaseBody)
    command = Purchase(
        ecosystem_id=registered(caller, "Card"),
        card_id=CardId(call.path_id("cardId")),
        amount=body.amount,
        merchant=body.merchant or MERCHANT_UNKNOWN,
    )
    return await call.once(
        caller,
        key,
        operation=f"make-purchase/{command.card_id}",
        asked={"amount": command.amount, "merchant": command.merchant},
        lane=f"user#{command.ecosystem_id}",
        use_case=partial(purchase, command),
        render=_rendered,
    )


PAYMENT = Doc(
    summary="Pay back",
    tag="Cardholder: transactions",
    replies={201: PaymentReply, 200: PaymentReply},
    refusals=(Code.NOT_FOUND,),
    body=PaymentBody,
    example={"amount": 25},
    key_characters_max=USER_KEY_CHARACTERS_MAX,
)


@routes.post("/v1/cards/{cardId}/transactions/payments", PAYMENT)
async def make_payment(call: Call) -> Response:
    """Pay what is owed or a part of it; in time it earns score, late it costs."""
    caller = await call.caller()
    key = call.key()
    body = await call.body(PaymentBody)
    command = Payment(ecosystem_id=registered(caller, "Card"), card_id=CardId(call.path_id("cardId")), amount=body.amount)
    return await call.once(
        caller,
        key,
        operation=f"make-payment/{command.card_id}",
        asked={"amount": command.amount},
        lane=f"user#{command.ecosystem_id}",
        use_case=partial(payment, command),
        render=_rendered,
    )


LIST = Doc(
    summary="The ledger of a card",
    tag="Cardholder: transactions",
    replies={200: TransactionList},
    refusals=(Code.NOT_FOUND, Code.VALIDATION_ERROR),
    query={"type": Choice("only these", list(TransactionType)), "cursor": "where to go on", "limit": "1 to 100, default 20"},
)


@routes.get("/v1/cards/{cardId}/transactions", LIST)
async def list_transactions(call: Call) -> Response:
    """Purchases and payments, declined ones too, newest first."""
    caller = await call.caller()
    kind = call.choice("type", TransactionType)
    card_id = call.path_id("cardId")
    binding = ("transactions", caller.actor_id, card_id, kind)
    after = call.cursor(binding)
    ecosystem_id = registered(caller, "Card")
    (found,) = await call.services.database.read(card(ecosystem_id, card_id))
    if found is None:
        raise CardNotFound
    question = ledger_of(ecosystem_id, card_id)
    start = TRANSACTIONS.key_item((question.partition, *after)) if after else None
    size = call.page_size
    entries: list[Transaction] = []
    async for item in call.services.database.query(
        question, start=start, page_rows=size + 1 if kind is None else FILTERED_PAGE_ROWS
    ):
        entry = TRANSACTIONS.codec.decode(item)
        if kind in (None, entry.type):
            entries.append(entry)
        if len(entries) > size:
            break
    page = entries[:size]
    position = (page[-1].transaction_id,) if len(entries) > size else None
    return call.reply(
        {"transactions": [transaction_view(entry) for entry in page], "pagination": call.pagination(binding, position)}
    )
