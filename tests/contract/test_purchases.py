"""Buying, §2.7 and §3.4."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tazco.cards.store import CARDS
from tazco.kernel.clock import from_text
from tazco.transactions.store import TRANSACTIONS
from tests.contract.seeds import ago, amend, events, row, seed_card
from tests.contract.test_dashboard import SUMMARY_KEYS
from tests.stage import Stage
from tests.world import Person, World, open_world


def path(card_id: str) -> str:
    """Where purchases of a card are made."""
    return f"/v1/cards/{card_id}/transactions/purchases"


async def ledger(person: Person, card_id: str) -> list[dict[str, Any]]:
    """What the person sees of the card's transactions."""
    return list((await person.get(f"/v1/cards/{card_id}/transactions")).body["transactions"])


async def test_a_purchase_answers_with_transaction_and_card(world: World) -> None:
    ada, card_id = await world.cardholder()
    reply = await ada.post(path(card_id), {"amount": 100, "merchant": "Test Store", "category": "food"})
    assert reply.status == 201
    assert set(reply.body) == {"transaction", "card"}
    transaction = reply.body["transaction"]
    assert set(transaction) == {"transactionId", "type", "amount", "status", "timestamp", "merchant"}
    assert (transaction["type"], transaction["amount"], transaction["status"]) == ("purchase", 100, "completed")
    assert transaction["merchant"] == "Test Store"
    card = reply.body["card"]
    assert set(card) == SUMMARY_KEYS
    assert (card["balance"], card["availableCredit"], card["minimumPayment"]) == (100, 2900, 25)
    assert await ledger(ada, card_id) == [transaction]
    stored = await row(world, CARDS, ada.ecosystem_id, card_id)
    assert (stored["balance"], stored["availableCredit"], stored["minimumPayment"]) == (10_000, 290_000, 2_500)


@pytest.mark.parametrize(
    ("merchant", "shown"),
    [({}, "Unknown Merchant"), ({"merchant": None}, "Unknown Merchant"), ({"merchant": "x" * 100}, "x" * 100)],
)
async def test_a_merchant_may_be_missing(world: World, merchant: dict[str, Any], shown: str) -> None:
    ada, card_id = await world.cardholder()
    reply = await ada.post(path(card_id), {"amount": 1, **merchant})
    assert (reply.status, reply.body["transaction"]["merchant"]) == (201, shown)


@pytest.mark.parametrize("merchant", ["", "   ", "x" * 101, 5, ["x"]])
async def test_a_bad_merchant_is_refused_and_not_recorded(world: World, merchant: Any) -> None:
    ada, card_id = await world.cardholder()
    reply = await ada.post(path(card_id), {"amount": 1, "merchant": merchant})
    assert (reply.status, reply.code, "merchant" in reply.message) == (400, "VALIDATION_ERROR", True)
    assert await ledger(ada, card_id) == []


BAD_AMOUNTS = [
    "{}",
    "null",
    '"500"',
    "true",
    "0",
    "-1",
    "0.001",
    "-0",
    "-0.0",
    "1e999",
    "1e999999999",
    "1000000000",
    "999999999.991",
    "[1]",
]


@pytest.mark.parametrize("literal", BAD_AMOUNTS)
async def test_a_bad_amount_is_refused_naming_it(world: World, literal: str) -> None:
    ada = await world.person()
    body = b"{}" if literal == "{}" else b'{"amount":' + literal.encode() + b"}"
    for kind in ("purchases", "payments"):
        reply = await ada.post(f"/v1/cards/nothing/transactions/{kind}", body)
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR"), literal
        assert "amount" in reply.message


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "01", "1."])
async def test_what_is_no_json_number_is_a_malformed_body(world: World, literal: str) -> None:
    ada = await world.person()
    reply = await ada.post(path("nothing"), b'{"amount":' + literal.encode() + b"}")
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("literal", "balance"),
    [("0.01", "0.01"), ("1.230", "1.23"), ("1e2", "100"), ("2999.99", "2999.99"), ("650.0", "650"), ("3000", "3000")],
)
async def test_amounts_count_by_value(world: World, literal: str, balance: str) -> None:
    ada, card_id = await world.cardholder()
    reply = await ada.post(path(card_id), b'{"amount":' + literal.encode() + b"}")
    assert (reply.status, reply.body["card"]["balance"]) == (201, Decimal(balance))


async def test_exactly_the_available_credit_passes_and_a_cent_more_gets_402_with_real_numbers(world: World) -> None:
    ada, card_id = await world.cardholder()
    await ada.buy(card_id, 2700.5)
    before = await row(world, CARDS, ada.ecosystem_id, card_id)
    reply = await ada.buy(card_id, 299.51)
    assert (reply.status, reply.code) == (402, "INSUFFICIENT_CREDIT")
    assert reply.body["error"]["details"] == {"requestedAmount": Decimal("299.51"), "availableCredit": Decimal("299.5")}
    after = await row(world, CARDS, ada.ecosystem_id, card_id)
    assert {name: after[name] for name in ("balance", "updatedAt")} == {name: before[name] for name in ("balance", "updatedAt")}
    passed = await ada.buy(card_id, 299.5)
    assert (passed.status, passed.body["card"]["availableCredit"]) == (201, 0)
    statuses = [(each["status"], each.get("failureReason")) for each in await ledger(ada, card_id)]
    assert statuses == [("completed", None), ("failed", "insufficient_credit"), ("completed", None)]


async def test_a_declined_transaction_shows_its_reason_and_nothing_of_a_purchase(world: World) -> None:
    ada, card_id = await world.cardholder()
    await ada.buy(card_id, 3001)
    (entry,) = await ledger(ada, card_id)
    assert set(entry) == {"transactionId", "type", "amount", "status", "timestamp", "failureReason"}
    assert (entry["type"], entry["amount"], entry["status"]) == ("purchase", 3001, "failed")


async def test_a_decline_is_recorded_once_per_key_and_replayed_with_the_new_meta(world: World) -> None:
    ada, card_id = await world.cardholder()
    first = await ada.post(path(card_id), {"amount": 3001}, key="k", x_request_id="one")
    second = await ada.post(path(card_id), {"amount": 3001, "merchant": None}, key="k", x_request_id="two")
    assert (first.status, second.status) == (402, 402)
    assert second.body["error"] == first.body["error"]
    assert (first.body["meta"]["requestId"], second.body["meta"]["requestId"]) == ("one", "two")
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert len(await ledger(ada, card_id)) == 1
    assert [each["eventType"] for each in await events(world, card_id)] == ["card.approved", "transaction.declined"]


async def test_a_success_replays_when_the_limit_is_used_up_or_the_card_is_suspended(world: World) -> None:
    ada, card_id = await world.cardholder()
    first = await ada.buy(card_id, 3000, key="k")
    operator = await world.operator()
    await operator.post(f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}/suspend", {"reason": "x"})
    again = await ada.buy(card_id, 3000, key="k")
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, first.body, "true")


@pytest.mark.parametrize("step", ["suspend", "cancel"])
async def test_a_card_that_is_not_active_declines_before_its_credit_is_looked_at(world: World, step: str) -> None:
    ada, card_id = await world.cardholder()
    operator = await world.operator()
    await operator.post(f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}/{step}", {"reason": "x"})
    reply = await ada.buy(card_id, 5000)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    (entry,) = await ledger(ada, card_id)
    assert (entry["status"], entry["failureReason"]) == ("failed", "card_not_active")


async def test_the_order_is_header_body_card(world: World) -> None:
    ada = await world.person()
    assert "Idempotency-Key" in (await ada.post(path("nothing"), {"amount": "x"}, key="")).message
    assert "Idempotency-Key" in (await ada.post(path("nothing"), {"amount": "x"}, key="k" * 65)).message
    assert (await ada.post(path("nothing"), {"amount": "x"}, key="k" * 64)).status == 400
    missing = await ada.post(path("nothing"), {"amount": 1}, key="k" * 64)
    assert (missing.status, missing.code) == (404, "NOT_FOUND")


async def test_a_404_is_not_stored(world: World) -> None:
    ada = await world.person()
    assert (await ada.buy("later", 1, key="k")).status == 404
    await seed_card(world, ada, cardId="later")
    assert (await ada.buy("later", 1, key="k")).status == 201


async def test_someone_elses_card_and_an_unregistered_caller_get_404(world: World) -> None:
    _, card_id = await world.cardholder()
    for person in (await world.person(), await world.stranger()):
        for reply in (await person.buy(card_id, 1), await person.pay(card_id, 1)):
            assert (reply.status, reply.code) == (404, "NOT_FOUND")


async def test_the_same_key_on_another_card_is_another_operation_and_with_another_body_a_reuse(world: World) -> None:
    ada, card_id = await world.cardholder()
    other = await seed_card(world, ada)
    assert (await ada.buy(card_id, 1, key="k")).status == 201
    reply = await ada.buy(other, 1, key="k")
    assert (reply.status, reply.code) == (409, "REQUEST_ALREADY_PROCESSED")
    reply = await ada.pay(card_id, 1, key="k")
    assert (reply.status, reply.code) == (409, "REQUEST_ALREADY_PROCESSED")
    reply = await ada.buy(card_id, 2, key="k")
    assert (reply.status, reply.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    same = await ada.post(path(card_id), b'{"amount":1.00,"merchant":"Shop","category":"x"}', key="k")
    assert same.status == 200


async def test_near_limit_is_strictly_above_nine_tenths(world: World) -> None:
    ada = await world.person()
    card_id = await seed_card(world, ada, limit=150_000)
    assert (await ada.buy(card_id, 1350)).body["card"]["nearLimit"] is False
    assert (await ada.buy(card_id, 0.01)).body["card"]["nearLimit"] is True


async def test_a_first_debt_after_a_past_due_date_starts_a_new_cycle_and_stores_it(world: World) -> None:
    ada, card_id = await world.cardholder()
    first_due = (await ada.get(f"/v1/cards/{card_id}")).body["card"]["nextDueDate"]
    world.clock.pass_time(days=31)
    reply = await ada.buy(card_id, 10)
    due = reply.body["card"]["nextDueDate"]
    assert (from_text(due) - from_text(reply.body["transaction"]["timestamp"])).total_seconds() == 30 * 86_400
    assert due > first_due
    assert (await row(world, CARDS, ada.ecosystem_id, card_id))["nextDueDate"] == due
    await amend(world, CARDS, (ada.ecosystem_id, card_id), nextDueDate=ago(world, days=2))
    assert (await ada.buy(card_id, 10)).body["card"]["nextDueDate"] < reply.body["transaction"]["timestamp"]


async def test_a_seeded_card_without_version_buys_and_counts_from_1(world: World) -> None:
    ada = await world.person()
    card_id = await seed_card(world, ada, balance=120_050)
    reply = await ada.buy(card_id, 299.5)
    assert (reply.status, reply.body["card"]["availableCredit"]) == (201, 0)
    assert (await ada.buy(card_id, 0.01)).status == 402
    stored = await row(world, CARDS, ada.ecosystem_id, card_id)
    assert (stored["version"], stored["sequence"], stored["balance"]) == (2, 2, 150_000)
    assert [each["sequence"] for each in await events(world, card_id)] == [1, 2]


async def test_a_seeded_card_with_version_0_buys_too(world: World) -> None:
    ada = await world.person()
    card_id = await seed_card(world, ada, version=0, sequence=0)
    assert [(await ada.buy(card_id, 1)).status for _ in range(2)] == [201, 201]


async def test_parallel_purchases_of_one_process_spend_no_more_than_the_limit(world: World) -> None:
    ada, card_id = await world.cardholder()
    replies = await asyncio.gather(*(ada.buy(card_id, 400) for _ in range(12)))
    assert sorted(reply.status for reply in replies) == [201] * 7 + [402] * 5
    assert [each["sequence"] for each in await events(world, card_id)] == list(range(1, 14))
    rows = [item for item in await world.rows(TRANSACTIONS) if item["cardId"]["S"] == card_id]
    assert len(rows) == 12


async def test_a_purchase_racing_with_a_suspend_elsewhere_is_before_it_or_declined(world: World, stage: Stage) -> None:
    async with open_world(stage) as elsewhere:
        operator = await elsewhere.operator()
        for _ in range(6):
            ada, card_id = await world.cardholder()
            suspend = operator.post(f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}/suspend", {"reason": "x"})
            *bought, suspended = await asyncio.gather(*(ada.buy(card_id, 10) for _ in range(3)), suspend)
            assert suspended.status == 200
            story = [each["eventType"] for each in await events(world, card_id)]
            at = story.index("card.suspended")
            passed = sum(reply.status == 201 for reply in bought)
            assert story[1:at] == ["transaction.purchase"] * passed
            assert story[at + 1 :] == ["transaction.declined"] * (3 - passed)
            assert (await ada.get(f"/v1/cards/{card_id}")).body["card"]["balance"] == 10 * passed
