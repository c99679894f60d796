"""One card: what is owed of what, its life, its ledger, the ledger as a file; suspending, reactivating and cancelling it."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from starlette.responses import Response

from tazco.cards.model import Card, CardNotFound, CardStatus
from tazco.cards.rules import days_overdue
from tazco.cards.store import card
from tazco.console.frame.api_calls import path_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.spreadsheets import Cell, download
from tazco.console.frame.visit import PAGE_ROWS, Visit
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Refused
from tazco.kernel.money import DECIMALS
from tazco.transactions.model import Transaction, TransactionStatus, TransactionType
from tazco.transactions.store import entries_of, page_of_ledger
from tazco.users.model import User
from tazco.users.store import user

LOOKED_AT_MAX: Final = 1_000
"""So many transactions are looked at to fill a page of one kind."""

EXPORT_ROWS_MAX: Final = 50_000
EXPORT_TIME_MAX: Final = timedelta(minutes=2)
COLUMNS: Final = (
    "transactionId",
    "timestamp",
    "type",
    "amount",
    "status",
    "merchant",
    "paymentStatus",
    "scoreImpact",
    "failureReason",
)

pages = Pages()


class Kind(StrEnum):
    """Which transactions are shown."""

    ALL = "all"
    PURCHASES = "purchases"
    PAYMENTS = "payments"
    DECLINED = "declined"


KEPT: Final[dict[Kind, Callable[[Transaction], bool]]] = {
    Kind.ALL: lambda _: True,
    Kind.PURCHASES: lambda entry: entry.type is TransactionType.PURCHASE,
    Kind.PAYMENTS: lambda entry: entry.type is TransactionType.PAYMENT,
    Kind.DECLINED: lambda entry: entry.status is TransactionStatus.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much of a limit is used, in hundredths of a per cent; `overdue` days since the due date of what is owed."""

    ratio: int
    overdue: int

    @property
    def percent(self) -> str:
        """As a number that a drawing takes."""
        return f"{Decimal(self.ratio).scaleb(-2)}"


def use_of(found: Card, visit: Visit) -> Use:
    """How a card is used now; a limit of 0 is not."""
    ratio = min(10_000 * found.balance // found.limit, 10_000) if found.limit > 0 else 0
    return Use(ratio=ratio, overdue=days_overdue(found.next_due_at, visit.now) if found.balance > 0 else 0)


async def _found(visit: Visit) -> tuple[Card, User | None]:
    ecosystem_id, card_id = visit.call.path_id("ecosystemId"), visit.call.path_id("cardId")
    found, owner = await visit.database.read(card(ecosystem_id, card_id), user(ecosystem_id))
    if found is None:
        raise CardNotFound
    return found, owner


def _kind(visit: Visit) -> Kind:
    return visit.call.choice("show", Kind) or Kind.ALL


async def _state(visit: Visit) -> Any:
    """Every transaction, declined ones too, moves the version of its card."""
    found, owner = await _found(visit)
    return found.version, owner and (owner.email, owner.status), use_of(found, visit).overdue


@pages.get("/cards/{ecosystemId}/{cardId}", watch=_state)
async def show_card(visit: Visit) -> Response:
    """Limit, balance, due date, life, and the transactions, the newest first."""
    return await _page(visit)


async def _page(visit: Visit, *, http_status: int = 200, refusal: Refused | None = None, tried: str = "") -> Response:
    found, owner = await _found(visit)
    kind = _kind(visit)
    binding = ("ledger", found.ecosystem_id, found.card_id, kind)
    transactions, position = await page_of_ledger(
        visit.database,
        found.ecosystem_id,
        found.card_id,
        visit.position(binding),
        PAGE_ROWS,
        keep=KEPT[kind],
        rows_max=PAGE_ROWS if kind is Kind.ALL else LOOKED_AT_MAX,
    )
    here = path_of("console", "cards", found.ecosystem_id, found.card_id)
    following = visit.pages_after(binding, position, show=kind)
    return visit.page(
        "card.html",
        http_status=http_status,
        refusal=refusal,
        tried=tried,
        here=here,
        card=found,
        owner=owner,
        use=use_of(found, visit),
        verbs=_verbs(found),
        kind=kind,
        kinds=list(Kind),
        transactions=transactions,
        following=following and here + following.removeprefix(visit.path),  # a form that was refused stands at another address
        continued=visit.call.query("cursor") is not None,
        looked_at=LOOKED_AT_MAX,
        exported=EXPORT_ROWS_MAX,
    )


def _verbs(found: Card) -> tuple[str, ...]:
    """What its state lets an operator try; the API decides."""
    match found.status:
        case CardStatus.ACTIVE:
            return "suspend", "cancel"
        case CardStatus.SUSPENDED:
            return "reactivate", "cancel"
        case CardStatus.CANCELLED:
            return ()


@pages.get("/cards/{ecosystemId}/{cardId}/transactions.csv")
async def export(visit: Visit) -> Response:
    """The newest transactions as a file for spreadsheets, written while they are read."""
    found, _ = await _found(visit)
    visit.call.allow(EXPORT_TIME_MAX.total_seconds())
    return download(f"transactions-{found.card_id}.csv", COLUMNS, _rows(visit, found, KEPT[_kind(visit)]))


async def _rows(visit: Visit, found: Card, keep: Callable[[Transaction], bool]) -> AsyncIterator[tuple[Cell, ...]]:
    ledger = entries_of(visit.database, found.ecosystem_id, found.card_id, rows_max=EXPORT_ROWS_MAX)
    async with aclosing(ledger):
        async for entry in ledger:
            if keep(entry):
                yield _cells(entry)


def _cells(entry: Transaction) -> tuple[Cell, ...]:
    """A transaction under `COLUMNS`, spelled as the API spells it; instants in UTC."""
    return (
        entry.transaction_id,
        to_text(entry.timestamp),
        entry.type.value,
        Decimal(entry.amount).scaleb(-DECIMALS),
        entry.status.value,
        entry.merchant,
        entry.payment_status.value if entry.payment_status else None,
        entry.score_impact,
        entry.failure_reason.value if entry.failure_reason else None,
    )


@pages.post("/cards/{ecosystemId}/{cardId}/suspend")
async def suspend(visit: Visit) -> Response:
    """No purchases for now."""
    return await _done(visit, "suspend")


@pages.post("/cards/{ecosystemId}/{cardId}/reactivate")
async def reactivate(visit: Visit) -> Response:
    """Purchases again."""
    return await _done(visit, "reactivate")


@pages.post("/cards/{ecosystemId}/{cardId}/cancel")
async def cancel(visit: Visit) -> Response:
    """The end of the card."""
    return await _done(visit, "cancel")


async def _done(visit: Visit, verb: str) -> Response:
    ids = visit.call.path_id("ecosystemId"), visit.call.path_id("cardId")
    reply = await visit.api("POST", path_of("v1", "admin", "cards", *ids, verb), {"reason": visit.fields.get("reason", "")})
    if reply.refused:
        return await _page(visit, http_status=reply.status, refusal=reply.refusal, tried=verb)
    return visit.to(path_of("console", "cards", *ids), said=verb)
