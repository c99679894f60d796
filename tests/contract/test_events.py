"""What is told, §5.1 and §5.2: read from the outbox, as the relay will find it."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tazco.platform.outbox import OUTBOX
from tests.contract.seeds import TIMESTAMP, ago, events, plain, seed_card
from tests.world import Person, World

ENVELOPE = {
    "eventId",
    "eventType",
    "aggregateType",
    "aggregateId",
    "sequence",
    "schemaVersion",
    "ecosystemId",
    "occurredAt",
    "requestId",
    "payload",
}
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
async def story(world: World) -> Mapping[str, Any]:
    """One life that makes every event of cards, requests and scores once or more."""
    operator, ada = await world.operator(), await world.stranger()
    registered = await ada.call("POST", "/v1/users", {"email": ada.email}, x_request_id="r-register")
    ada.ecosystem_id = registered.body["user"]["ecosystemId"]
    rejected = (await ada.ask_for_card("basic")).body["request"]["requestId"]
    await operator.post(f"/v1/admin/card-requests/{rejected}/reject", {"reason": "not yet"}, x_request_id="r-reject")
    world.clock.pass_time(days=30, hours=1)
    pending = (await ada.ask_for_card("gold")).body["request"]["requestId"]
    approved = await operator.post(f"/v1/admin/card-requests/{pending}/approve", {"creditLimit": 1200.5})
    card_id = approved.body["card"]["cardId"]
    purchase = await ada.post(
        f"/v1/cards/{card_id}/transactions/purchases", {"amount": 100.5, "merchant": "Shop"}, key="secret-key", x_request_id="r-buy"
    )
    declined = await ada.buy(card_id, 5000)
    payment = await ada.pay(card_id, 50.25)
    path = f"/v1/admin/cards/{ada.ecosystem_id}/{card_id}"
    await operator.post(f"{path}/suspend", {"reason": "lost"})
    await operator.post(f"{path}/reactivate", {"reason": "found"})
    await ada.pay(card_id, 50.25)
    await ada.post(f"/v1/cards/{card_id}/cancel")
    await world.set_score(ada, 900)
    automatic = (await ada.ask_for_card("platinum")).body["request"]
    return {
        "ada": ada,
        "operator": operator,
        "card": card_id,
        "rejected": rejected,
        "approved": pending,
        "automatic": automatic,
        "purchase": purchase.body,
        "payment": payment.body,
        "declined": declined.body,
        "granted": approved.body,
    }


async def payload_of(world: World, aggregate_id: str, event_type: str, nth: int = 0) -> dict[str, Any]:
    """The payload of the nth event of a type in a stream."""
    found = [each for each in await events(world, aggregate_id) if each["eventType"] == event_type]
    return dict(found[nth]["payload"])


async def test_every_envelope_has_its_fields_and_every_stream_its_numbers(world: World, story: Mapping[str, Any]) -> None:
    assert story
    streams: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in map(plain, await world.rows(OUTBOX)):
        chained = {"previousEventId"} if event["sequence"] > 1 else set()
        assert set(event) == ENVELOPE | {"pendingShard", "createdAt", "retryCount", "fence"} | chained
        assert re.fullmatch(UUID7, event["eventId"])
        assert re.fullmatch(TIMESTAMP, event["occurredAt"])
        assert event["schemaVersion"] == 1
        assert event["ecosystemId"]
        streams[event["aggregateType"], event["aggregateId"]].append(event["sequence"])
    for stream, sequences in streams.items():
        assert sorted(sequences) == list(range(1, len(sequences) + 1)), stream


async def test_every_event_names_the_one_before_it(world: World, story: Mapping[str, Any]) -> None:
    assert story
    told = {event["eventId"]: event for event in map(plain, await world.rows(OUTBOX))}
    for event in told.values():
        if event["sequence"] > 1:
            before = told[event["previousEventId"]]
            assert (before["aggregateId"], before["sequence"]) == (event["aggregateId"], event["sequence"] - 1)


async def test_the_streams_tell_the_story_in_order(world: World, story: Mapping[str, Any]) -> None:
    ada: Person = story["ada"]
    told = {
        ada.ecosystem_id: ["user.created", "score.changed", "score.changed", "score.changed"],
        story["rejected"]: ["card.requested", "card.rejected"],
        story["approved"]: ["card.requested"],
        story["automatic"]["requestId"]: ["card.requested"],
        story["card"]: [
            "card.approved",
            "transaction.purchase",
            "transaction.declined",
            "transaction.payment",
            "card.suspended",
            "card.reactivated",
            "transaction.payment",
            "card.cancelled",
        ],
        story["automatic"]["card"]["cardId"]: ["card.approved"],
    }
    for aggregate_id, kinds in told.items():
        found = await events(world, aggregate_id)
        assert [each["eventType"] for each in found] == kinds
        assert {each["ecosystemId"] for each in found} == {ada.ecosystem_id}
        assert all(each["payload"]["ecosystemId"] == ada.ecosystem_id for each in found)


async def test_the_correlation_id_is_that_of_the_http_request(world: World, story: Mapping[str, Any]) -> None:
    ada: Person = story["ada"]
    assert (await events(world, ada.ecosystem_id))[0]["requestId"] == "r-register"
    assert (await events(world, story["rejected"]))[1]["requestId"] == "r-reject"
    assert (await events(world, story["card"]))[1]["requestId"] == "r-buy"


async def test_user_created(world: World, story: Mapping[str, Any]) -> None:
    ada: Person = story["ada"]
    assert await payload_of(world, ada.ecosystem_id, "user.created") == {
        "ecosystemId": ada.ecosystem_id,
        "firebaseUid": ada.subject,
        "email": ada.email,
        "role": "user",
        "initialScore": 500,
        "tier": "medium",
    }


async def test_score_changed_by_a_payment_and_by_an_operator(world: World, story: Mapping[str, Any]) -> None:
    ada: Person = story["ada"]
    assert await payload_of(world, ada.ecosystem_id, "score.changed") == {
        "ecosystemId": ada.ecosystem_id,
        "previousScore": 500,
        "newScore": 530,
        "delta": 30,
        "previousTier": "medium",
        "newTier": "medium",
        "reason": "payment_on_time",
        "source": "system",
        "relatedEntityType": "transaction",
        "relatedEntityId": story["payment"]["transaction"]["transactionId"],
    }
    assert await payload_of(world, ada.ecosystem_id, "score.changed", 2) == {
        "ecosystemId": ada.ecosystem_id,
        "previousScore": 530,
        "newScore": 900,
        "delta": 370,
        "previousTier": "medium",
        "newTier": "high",
        "reason": "test",
        "source": "admin",
        "adminId": story["operator"].ecosystem_id,
    }


async def test_card_requested_also_for_an_automatic_approval(world: World, story: Mapping[str, Any]) -> None:
    ada: Person = story["ada"]
    for request_id, product, score, tier in (
        (story["rejected"], "basic", 500, "medium"),
        (story["automatic"]["requestId"], "platinum", 900, "high"),
    ):
        (event, *_) = await events(world, request_id, "cardRequest")
        assert event["payload"].pop("createdAt") == event["occurredAt"]
        assert event["payload"] == {
            "ecosystemId": ada.ecosystem_id,
            "requestId": request_id,
            "productId": product,
            "scoreAtRequest": score,
            "tierAtRequest": tier,
        }


async def test_card_rejected(world: World, story: Mapping[str, Any]) -> None:
    assert await payload_of(world, story["rejected"], "card.rejected") == {
        "ecosystemId": story["ada"].ecosystem_id,
        "requestId": story["rejected"],
        "productId": "basic",
        "reason": "not yet",
        "source": "admin",
        "adminId": story["operator"].ecosystem_id,
        "scoreAtRequest": 500,
    }


async def test_card_approved_by_an_operator_and_by_score(world: World, story: Mapping[str, Any]) -> None:
    owner = story["ada"].ecosystem_id
    assert await payload_of(world, story["card"], "card.approved") == {
        "ecosystemId": owner,
        "requestId": story["approved"],
        "cardId": story["card"],
        "productId": "gold",
        "approvedLimit": Decimal("1200.5"),
        "source": "admin",
        "adminId": story["operator"].ecosystem_id,
        "scoreAtApproval": 500,
        "tierAtApproval": "medium",
    }
    automatic = story["automatic"]
    assert await payload_of(world, automatic["card"]["cardId"], "card.approved") == {
        "ecosystemId": owner,
        "requestId": automatic["requestId"],
        "cardId": automatic["card"]["cardId"],
        "productId": "platinum",
        "approvedLimit": 3000,
        "source": "auto",
        "scoreAtApproval": 900,
        "tierAtApproval": "high",
    }


async def test_an_automatic_approval_tells_both_events_at_one_instant(world: World, story: Mapping[str, Any]) -> None:
    (requested,) = await events(world, story["automatic"]["requestId"])
    (approved,) = await events(world, story["automatic"]["card"]["cardId"])
    assert (requested["occurredAt"], requested["requestId"]) == (approved["occurredAt"], approved["requestId"])


async def test_transaction_purchase(world: World, story: Mapping[str, Any]) -> None:
    assert await payload_of(world, story["card"], "transaction.purchase") == {
        "ecosystemId": story["ada"].ecosystem_id,
        "transactionId": story["purchase"]["transaction"]["transactionId"],
        "cardId": story["card"],
        "amount": Decimal("100.5"),
        "merchant": "Shop",
        "newBalance": Decimal("100.5"),
        "newAvailableCredit": 1100,
    }


async def test_transaction_declined(world: World, story: Mapping[str, Any]) -> None:
    payload = await payload_of(world, story["card"], "transaction.declined")
    assert payload.pop("transactionId")
    assert payload == {
        "ecosystemId": story["ada"].ecosystem_id,
        "cardId": story["card"],
        "type": "purchase",
        "amount": 5000,
        "failureReason": "insufficient_credit",
        "balance": Decimal("100.5"),
        "availableCredit": 1100,
    }


async def test_transaction_payment_on_time(world: World, story: Mapping[str, Any]) -> None:
    transaction = story["payment"]["transaction"]
    assert await payload_of(world, story["card"], "transaction.payment") == {
        "ecosystemId": story["ada"].ecosystem_id,
        "transactionId": transaction["transactionId"],
        "cardId": story["card"],
        "amount": Decimal("50.25"),
        "paymentStatus": "on_time",
        "scoreImpact": 30,
        "balanceBefore": Decimal("100.5"),
        "newBalance": Decimal("50.25"),
        "newAvailableCredit": Decimal("1150.25"),
        "newScore": 530,
        "newTier": "medium",
        "createdAt": transaction["timestamp"],
    }


async def test_transaction_payment_late_says_how_late(world: World) -> None:
    ada = await world.person()
    card_id = await seed_card(world, ada, balance=5_000, nextDueDate=ago(world, days=9, hours=1))
    await ada.pay(card_id, 1)
    payload = await payload_of(world, card_id, "transaction.payment")
    assert (payload["paymentStatus"], payload["daysOverdue"], payload["scoreImpact"]) == ("late", 10, -50)
    assert (payload["newScore"], payload["newTier"]) == (450, "low")


async def test_an_owners_cancel_names_no_admin_and_no_missing_reason(world: World, story: Mapping[str, Any]) -> None:
    assert await payload_of(world, story["card"], "card.cancelled") == {
        "ecosystemId": story["ada"].ecosystem_id,
        "cardId": story["card"],
        "requestedBy": "user",
        "previousStatus": "active",
        "finalBalance": 0,
    }


async def test_nothing_told_holds_a_key_or_a_third_decimal(world: World, story: Mapping[str, Any]) -> None:
    assert story
    literals: list[str] = []
    for event in map(plain, await world.rows(OUTBOX)):
        assert "secret-key" not in json.dumps(event)
        json.loads(event["payload"], parse_float=literals.append)
    assert literals
    assert all(re.fullmatch(r"\d+\.\d?[1-9]", literal) for literal in literals)
