"""Plays one customer through the API: registers, asks for a card, pays and buys, and knows what each answer must be."""

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tazco.card_requests.commands import limit_of
from tazco.cards.model import FailureReason
from tazco.kernel.errors import Code
from tazco.kernel.money import ZERO, Money, from_decimal, to_literal
from tazco.local.http_client import Reply
from tazco.local.people import Pool
from tazco.local.replay.histories import History, Month, purchase_towards, starting_score
from tazco.local.replay.operator import SUCCESS, Operator, signed_in
from tazco.local.replay.patient_client import PatientClient, Unexpected, described, refusal_of
from tazco.offers.model import PRODUCT_ID
from tazco.platform.jsontext import amount
from tazco.platform.policy import Policy
from tazco.users.model import tier_of

SCORE_REASON: Final = "Replayed history: see its repayment status"


class Grant(StrEnum):
    """How a card was granted."""

    AT_ONCE = "at once"
    BY_OPERATOR = "by the operator"


@dataclass(slots=True, kw_only=True)
class Played:
    """What one customer did, and what the API confirmed of it. `problem` is the answer at which it ended, if one was wrong."""

    customer: str
    ecosystem_id: str = ""
    request_id: str = ""
    card_id: str = ""
    grant: Grant | None = None
    limit: Money = ZERO
    balance: Money = ZERO
    purchases: dict[str, Money] = field(default_factory=dict)
    payments: dict[str, Money] = field(default_factory=dict)
    declined: Counter[tuple[FailureReason, Money]] = field(default_factory=Counter)
    months_without_payment: int = 0
    months_without_purchase: int = 0
    problem: str | None = None

    @property
    def reasons(self) -> Counter[FailureReason]:
        """How often each reason was given."""
        counts: Counter[FailureReason] = Counter()
        for (reason, _), times in self.declined.items():
            counts[reason] += times
        return counts


@dataclass(slots=True, kw_only=True)
class Player:
    """One customer on the way through the six months."""

    client: PatientClient
    operator: Operator
    pool: Pool
    policy: Policy
    email: str
    password: str
    history: History
    played: Played
    _token: str = ""

    async def play(self) -> None:
        """The whole history; an answer that the rules do not explain ends it and is kept as the problem."""
        try:
            await self._register()
            await self._get_card()
            for month in self.history.months:
                await self._pay(month)
                await self._buy(month)
            await self._look_at_card()
        except Unexpected as problem:
            self.played.problem = str(problem)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            self.played.problem = f"an answer has not the form of the contract: {error!r}"

    async def _register(self) -> None:
        tokens = await signed_in(self.pool, self.email, self.password, operator=False)
        self._token = tokens.access
        reply = await self.client.call("POST", "/v1/users", token=tokens.id, body={})
        _demand(reply.status in SUCCESS and reply.body["user"]["email"] == self.email, "registering", reply)
        self.played.ecosystem_id = str(reply.body["user"]["ecosystemId"])
        await self.operator.set_score(self.played.ecosystem_id, starting_score(self.history), SCORE_REASON)

    async def _get_card(self) -> None:
        score = starting_score(self.history)
        tier_limit = limit_of(tier_of(score), self.policy)
        reply = await self.client.call("GET", "/v1/offers", token=self._token)
        _demand(reply.status in SUCCESS and len(reply.body["offers"]) == 1, "looking at the offer", reply)
        offered = _money(reply.body["offers"][0]["terms"]["creditLimit"])
        _demand(offered == tier_limit, f"an offer of {to_literal(offered)} instead of {to_literal(tier_limit)}", reply)
        reply = await self._command("/v1/cards/requests", {"productId": PRODUCT_ID})
        _demand(reply.status in SUCCESS and reply.body["request"]["scoreAtRequest"] == score, "asking for a card", reply)
        request = reply.body["request"]
        played = self.played
        played.request_id = str(request["requestId"])
        if request["status"] == "approved":
            played.grant, card, played.limit = Grant.AT_ONCE, request["card"], tier_limit
        else:
            played.limit = max(self.policy.minimum_limit, min(self.history.limit, tier_limit))
            played.grant, card = Grant.BY_OPERATOR, await self.operator.approve(played.request_id, played.limit)
        played.card_id = str(card["cardId"])
        self._compare(card, "the granted card")

    async def _pay(self, month: Month) -> None:
        played, paid = self.played, month.payment
        if not paid:
            played.months_without_payment += 1
            return
        reply = await self._money_command("payments", paid, {})
        if paid <= played.balance:
            transaction = self._completed(reply, paid, f"the payment of {month.name}")
            played.payments[transaction] = paid
            played.balance = Money(played.balance - paid)
            self._compare(reply.body["card"], f"the card after the payment of {month.name}")
            return
        status, code, message = refusal_of(reply)
        _demand((status, code) == (400, Code.VALIDATION_ERROR) and "balance" in message, f"the payment of {month.name}", reply)
        reason = FailureReason.AMOUNT_EXCEEDS_BALANCE if played.balance else FailureReason.NO_BALANCE
        played.declined[reason, paid] += 1

    async def _buy(self, month: Month) -> None:
        played = self.played
        price = purchase_towards(month.statement, played.balance)
        if price is None:
            played.months_without_purchase += 1
            return
        reply = await self._money_command("purchases", price, {"merchant": f"Purchases of {month.name}"})
        if price <= played.limit - played.balance:
            transaction = self._completed(reply, price, f"the purchase of {month.name}")
            played.purchases[transaction] = price
            played.balance = Money(played.balance + price)
            self._compare(reply.body["card"], f"the card after the purchase of {month.name}")
            return
        _demand(refusal_of(reply)[:2] == (402, Code.INSUFFICIENT_CREDIT), f"the purchase of {month.name}", reply)
        played.declined[FailureReason.INSUFFICIENT_CREDIT, price] += 1

    async def _look_at_card(self) -> None:
        reply = await self.client.call("GET", f"/v1/cards/{self.played.card_id}", token=self._token)
        _demand(reply.status in SUCCESS, "looking at the card", reply)
        self._compare(reply.body["card"], "the card at the end")

    async def _money_command(self, kind: str, money: Money, others: Mapping[str, str]) -> Reply:
        path = f"/v1/cards/{self.played.card_id}/transactions/{kind}"
        return await self._command(path, {"amount": amount(money), **others})

    async def _command(self, path: str, body: Mapping[str, Any]) -> Reply:
        return await self.client.call("POST", path, token=self._token, body=body, key=str(uuid.uuid4()))

    def _completed(self, reply: Reply, money: Money, what: str) -> str:
        """The id of the transaction; a replay after a lost answer has the same body, and the status 200."""
        _demand(reply.status in SUCCESS, what, reply)
        entry = reply.body["transaction"]
        _demand(entry["status"] == "completed" and _money(entry["amount"]) == money, what, reply)
        return str(entry["transactionId"])

    def _compare(self, card: Mapping[str, Any], what: str) -> None:
        """The card in an answer must be what the customer can reckon."""
        played = self.played
        shown = tuple(_money(card[name]) for name in ("limit", "balance", "availableCredit"))
        expected = (played.limit, played.balance, Money(played.limit - played.balance))
        if shown != expected:
            raise Unexpected(
                f"{what}: limit, balance, available credit are {', '.join(map(to_literal, shown))} "
                f"instead of {', '.join(map(to_literal, expected))}"
            )


def _money(number: Any) -> Money:
    return from_decimal(number)


def _demand(holds: bool, what: str, reply: Reply) -> None:  # noqa: FBT001 - the condition itself is the argument
    if not holds:
        raise Unexpected(f"{what}: {described(reply)}")
