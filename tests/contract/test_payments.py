"""Paying back, §2.7, §3.5 and §3.6."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tazco.cards.store import CARDS
from tazco.kernel.clock import from_text
from tazco.scores.store import SCORES
from tazco.transactions.store import TRANSACTIONS
from tazco.users.store import USERS
from tests.contract.seeds import SHIPPED, ago, amend, events, plain, row, seed_card, with_policy
from tests.contract.test_dashboard import SUMMARY_KEYS
from tests.contract.test_purchases import ledger
from tests.stage import Stage
from tests.world import Person, World, open_world


async def debtor(world: World, balance: int, score: int = 500, **attributes: Any) -> tuple[Person, str]:
    """Somebody who owes, in cents, on a seeded card that has earned nothing yet."""
    person = await world.person()
    await amend(world, USERS, (person.ecosystem_id,), currentScore=score)
    return person, await seed_card(world, person, limit=1_000_000, balance=balance, **attributes)


async def history(world: World, person: Person) -> list[dict[str, Any]]:
    """The person's score history as operators see it."""
    operator = await world.operator()
    return list((await operator.get(f"/v1/admin/users/{person.ecosystem_id}/score")).body["history"])


async def test_a_payment_answers_with_transaction_card_and_score(world: World) -> None:
    ada, card_id = await debtor(world, 100_420, score=650)
    reply = await ada.post(f"/v1/cards/{card_id}/transactions/payments", {"amount": 200, "source": "bank"})
    assert (reply.status, set(reply.body)) == (201, {"transaction", "card", "scoreImpact"})
    transaction = reply.body["transaction"]
    assert set(transaction) == {"transactionId", "type", "amount", "status", "timestamp", "paymentStatus", "scoreImpact"}
    assert (transaction["type"], transaction["amount"], transaction["status"]) == ("payment", 200, "completed")
    assert (transaction["paymentStatus"], transaction["scoreImpact"]) == ("on_time", 18)
    assert reply.body["scoreImpact"] == {"previousScore": 650, "newScore": 668, "delta": 18, "reason": "on_time"}
    card = reply.body["card"]
    assert set(card) == SUMMARY_KEYS
    assert (card["balance"], card["availableCredit"]) == (Decimal("804.2"), Decimal("9195.8"))
    assert await ledger(ada, card_id) == [transaction]
    stored = await row(world, CARDS, ada.ecosystem_id, card_id)
    assert (stored["balance"], stored["availableCredit"], stored["nextDueDate"]) == (80_420, 919_580, card["nextDueDate"])


@pytest.mark.parametrize(
    ("owed", "paid", "delta"), [(100_000, 1000, 50), (100_420, 200, 18), (100_000, 50, 12), (100_000, 12.5, 11)]
)
async def test_the_bonus_follows_the_table(world: World, owed: int, paid: float, delta: int) -> None:
    ada, card_id = await debtor(world, owed)
    reply = await ada.pay(card_id, paid)
    assert reply.body["scoreImpact"] == {"previousScore": 500, "newScore": 500 + delta, "delta": delta, "reason": "on_time"}


async def test_the_bonus_is_the_policys(world: World) -> None:
    await with_policy(world, scoring__paymentBonusMin="0", scoring__paymentBonusMax="7")
    ada, card_id = await debtor(world, 10_000)
    ben, other = await debtor(world, 10_000)
    half, full = await ada.pay(card_id, 50), await ben.pay(other, 100)
    await with_policy(world, scoring__paymentBonusMax="50", scoring__paymentBonusMin="10")
    assert (half.body["scoreImpact"]["delta"], full.body["scoreImpact"]["delta"]) == (4, 7)


async def test_the_wire_has_the_raw_delta_and_the_history_the_applied_one(world: World) -> None:
    ada, card_id = await debtor(world, 100_000, score=990)
    reply = await ada.pay(card_id, 1000)
    assert reply.body["scoreImpact"] == {"previousScore": 990, "newScore": 1000, "delta": 50, "reason": "on_time"}
    assert reply.body["transaction"]["scoreImpact"] == 50
    (step,) = await history(world, ada)
    assert step.pop("timestamp") == reply.body["transaction"]["timestamp"]
    assert step == {"value": 1000, "previousValue": 990, "delta": 10, "reason": "payment_on_time", "source": "system"}
    changed = (await events(world, ada.ecosystem_id))[-1]["payload"]
    assert (changed["delta"], changed["newScore"]) == (10, 1000)
    assert (await events(world, card_id))[-1]["payload"]["scoreImpact"] == 50


async def test_a_penalty_stops_at_zero_and_stays_raw_on_the_wire(world: World) -> None:
    ada, card_id = await debtor(world, 100_000, score=30, nextDueDate=ago(world, days=40))
    reply = await ada.pay(card_id, 1)
    assert reply.body["scoreImpact"] == {"previousScore": 30, "newScore": 0, "delta": -100, "reason": "late"}
    assert (await history(world, ada))[0]["delta"] == -30


MINUTE = 1 / 1440


@pytest.mark.parametrize(
    ("overdue", "days", "delta"),
    [(1 + MINUTE, 2, -20), (7 - MINUTE, 7, -20), (7 + MINUTE, 8, -50), (30 - MINUTE, 30, -50), (30 + MINUTE, 31, -100)],
)
async def test_a_late_payment_costs_by_days_overdue(world: World, overdue: float, days: int, delta: int) -> None:
    ada, card_id = await debtor(world, 100_000, score=700, nextDueDate=ago(world, days=overdue))
    reply = await ada.pay(card_id, 1000)
    assert reply.body["scoreImpact"] == {"previousScore": 700, "newScore": 700 + delta, "delta": delta, "reason": "late"}
    assert (reply.body["transaction"]["paymentStatus"], reply.body["transaction"]["scoreImpact"]) == ("late", delta)
    assert (await history(world, ada))[0]["reason"] == "payment_late"
    assert (await events(world, card_id))[-1]["payload"]["daysOverdue"] == days


async def test_the_due_day_is_on_time_to_its_end_and_the_next_is_late(world: World) -> None:
    midnight = world.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    today, yesterday = midnight, midnight - timedelta(seconds=1)
    for due, status in ((today, "on_time"), (yesterday, "late")):
        ada, card_id = await debtor(world, 1_000, nextDueDate=due.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
        assert (await ada.pay(card_id, 1)).body["transaction"]["paymentStatus"] == status


async def test_each_late_payment_costs_again(world: World) -> None:
    ada, card_id = await debtor(world, 100_000, score=700, nextDueDate=ago(world, days=3))
    deltas = [(await ada.pay(card_id, 1)).body["scoreImpact"]["delta"] for _ in range(3)]
    assert deltas == [-20, -20, -20]


async def test_paying_the_minimum_or_everything_moves_the_due_date_and_stores_it(world: World) -> None:
    for owed, paid, moves in ((100_000, 25, True), (100_000, 24.99, False), (1_000, 10, True)):
        ada, card_id = await debtor(world, owed)
        before = (await row(world, CARDS, ada.ecosystem_id, card_id))["nextDueDate"]
        reply = await ada.pay(card_id, paid)
        stored = (await row(world, CARDS, ada.ecosystem_id, card_id))["nextDueDate"]
        assert reply.body["card"]["nextDueDate"] == stored
        paid_at = from_text(reply.body["transaction"]["timestamp"])
        assert (from_text(stored) - paid_at == timedelta(days=30)) is moves
        assert (stored == before) is not moves


async def test_monthly_payers_stay_on_time_for_a_year(world: World) -> None:
    ada, card_id = await world.cardholder()
    await ada.buy(card_id, 1000)
    for _ in range(12):
        world.clock.pass_time(days=29)
        reply = await ada.pay(card_id, 25)
        assert reply.body["transaction"]["paymentStatus"] == "on_time"


async def test_a_card_earns_once_a_cycle_and_a_zero_still_writes_history_and_event(world: World) -> None:
    ada, card_id = await debtor(world, 100_000)
    deltas = [(await ada.pay(card_id, 25)).body["scoreImpact"]["delta"] for _ in range(2)]
    world.clock.pass_time(days=29, hours=23)
    deltas.append((await ada.pay(card_id, 25)).body["scoreImpact"]["delta"])
    world.clock.pass_time(hours=1, minutes=1)
    deltas.append((await ada.pay(card_id, 25)).body["scoreImpact"]["delta"])
    assert (deltas[0] > 0, deltas[1:3], deltas[3] > 0) == (True, [0, 0], True)
    assert len(await history(world, ada)) == 4
    assert [each["eventType"] for each in await events(world, ada.ecosystem_id)][1:] == ["score.changed"] * 4


async def test_a_late_payment_does_not_use_the_award_up(world: World) -> None:
    ada, card_id = await debtor(world, 100_000, nextDueDate=ago(world, days=3))
    assert (await ada.pay(card_id, 25)).body["scoreImpact"]["delta"] == -20
    assert (await ada.pay(card_id, 25)).body["scoreImpact"]["delta"] > 0


async def test_without_the_rule_every_payment_earns(world: World) -> None:
    await with_policy(world, scoring__oneBonusPerCycle="false")
    ada, card_id = await debtor(world, 10_000)
    deltas = [(await ada.pay(card_id, 50)).body["scoreImpact"]["delta"] for _ in range(2)]
    await with_policy(world, **SHIPPED)
    assert deltas == [30, 50]


async def test_a_new_card_inherits_the_award_of_cancelled_ones(world: World) -> None:
    ada, card_id = await world.cardholder()
    await ada.buy(card_id, 10)
    assert (await ada.pay(card_id, 10)).body["scoreImpact"]["delta"] == 50
    await ada.post(f"/v1/cards/{card_id}/cancel")
    second = (await ada.ask_for_card()).body["request"]["card"]["cardId"]
    await ada.buy(second, 10)
    assert (await ada.pay(second, 10)).body["scoreImpact"]["delta"] == 0
    world.clock.pass_time(days=30)
    await ada.buy(second, 10)
    assert (await ada.pay(second, 10)).body["scoreImpact"]["delta"] == 50


async def test_refusals_come_in_order_and_each_is_recorded(world: World) -> None:
    ada, card_id = await world.cardholder()
    nothing = await ada.pay(card_id, 5)
    await ada.buy(card_id, 10)
    too_much = await ada.pay(card_id, 10.01)
    await ada.pay(card_id, 10)
    await ada.post(f"/v1/cards/{card_id}/cancel")
    cancelled = await ada.pay(card_id, 5)
    for reply in (nothing, too_much, cancelled):
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert "balance" in nothing.message
    assert "balance" in too_much.message
    failed = [each["failureReason"] for each in await ledger(ada, card_id) if each["status"] == "failed"]
    assert failed == ["card_cancelled", "amount_exceeds_balance", "no_balance"]
    assert [each["eventType"] for each in await events(world, card_id)].count("transaction.declined") == 3
    assert len(await history(world, ada)) == 2


async def test_a_declined_payment_is_replayed_with_its_status_even_when_it_would_pass_now(world: World) -> None:
    ada, card_id = await world.cardholder()
    first = await ada.pay(card_id, 5, key="k")
    await ada.buy(card_id, 10)
    again = await ada.pay(card_id, 5, key="k")
    assert (again.status, again.body["error"]) == (400, first.body["error"])
    assert again.headers["idempotent-replayed"] == "true"
    assert (await ada.pay(card_id, 6, key="k")).status == 422


async def test_a_suspended_card_takes_payments(world: World) -> None:
    ada, card_id = await debtor(world, 1_000, status="suspended")
    assert (await ada.pay(card_id, 10)).status == 201


async def test_parallel_payments_never_lose_a_score_effect(world: World) -> None:
    ada, card_id = await debtor(world, 100_000, score=700, nextDueDate=ago(world, days=3))
    other = await seed_card(world, ada, balance=100_000, nextDueDate=ago(world, days=9))
    replies = await asyncio.gather(*(ada.pay(each, 1) for each in [card_id, other] * 6))
    assert {reply.status for reply in replies} == {201}
    assert (await row(world, USERS, ada.ecosystem_id))["currentScore"] == 700 - 6 * 20 - 6 * 50
    steps = [plain(item) for item in await world.rows(SCORES) if item["ecosystemId"]["S"] == ada.ecosystem_id]
    assert sum(step["delta"] for step in steps) == -420
    values = sorted((step["previousValue"], step["value"]) for step in steps)
    assert [low for _, low in values[1:]] == [high for high, _ in values[:-1]]
    assert [each["sequence"] for each in await events(world, ada.ecosystem_id)] == list(range(1, 14))


async def test_payments_to_two_processes_lose_no_score_effect_either(world: World, stage: Stage) -> None:
    async with open_world(stage) as second:
        ada, card_id = await debtor(world, 100_000, score=900, nextDueDate=ago(world, days=3))
        second.clock.shift = world.clock.shift
        twins = [ada, replace(ada, world=second)]
        replies = await asyncio.gather(*(twins[number % 2].pay(card_id, 1) for number in range(16)))
        paid = sum(reply.status == 201 for reply in replies)
        assert all(reply.status == 201 or reply.code == "VERSION_CONFLICT" for reply in replies)
        assert paid > 8
        assert (await row(world, USERS, ada.ecosystem_id))["currentScore"] == 900 - 20 * paid
        assert (await row(world, CARDS, ada.ecosystem_id, card_id))["balance"] == 100_000 - 100 * paid
        assert [each["sequence"] for each in await events(world, card_id)] == list(range(1, paid + 1))


async def test_a_payment_racing_with_an_operators_score_loses_neither(world: World) -> None:
    operator = await world.operator()
    for _ in range(4):
        ada, card_id = await debtor(world, 100_000, score=600, nextDueDate=ago(world, days=3))
        path = f"/v1/admin/users/{ada.ecosystem_id}/score"
        paid, moved = await asyncio.gather(ada.pay(card_id, 1), operator.call("PATCH", path, {"score": 100, "reason": "fraud"}))
        assert (paid.status, moved.status) == (201, 200)
        final = (await row(world, USERS, ada.ecosystem_id))["currentScore"]
        assert final == (80 if paid.body["scoreImpact"]["previousScore"] == 100 else 100)


async def test_twelve_parallel_payments_with_one_key_pay_once(world: World) -> None:
    ada, card_id = await debtor(world, 100_000)
    replies = await asyncio.gather(*(ada.pay(card_id, 100, key="one") for _ in range(12)))
    assert sorted(reply.status for reply in replies) == [200] * 11 + [201]
    assert (await row(world, CARDS, ada.ecosystem_id, card_id))["balance"] == 90_000
    assert sum(item["cardId"]["S"] == card_id for item in await world.rows(TRANSACTIONS)) == 1
