"""The main job, once through."""

from decimal import Decimal

from tests.world import World


async def test_a_high_score_gets_a_card_at_once_buys_and_pays(world: World) -> None:
    ada = await world.person(score=720)

    asked = await ada.ask_for_card()
    assert asked.status == 201, asked
    card = asked.body["request"]["card"]
    assert asked.body["request"]["decision"] == {"outcome": "approved", "source": "auto", "approvedLimit": 3000}
    assert (card["limit"], card["balance"], card["availableCredit"]) == (3000, 0, 3000)

    bought = await ada.buy(card["cardId"], 100.5)
    assert bought.status == 201, bought
    assert bought.body["card"]["balance"] == Decimal("100.5")

    paid = await ada.pay(card["cardId"], 100.5)
    assert paid.status == 201, paid
    assert paid.body["scoreImpact"] == {"previousScore": 720, "newScore": 770, "delta": 50, "reason": "on_time"}

    dashboard = await ada.get("/v1/dashboard")
    assert dashboard.body["user"]["score"] == 770
    assert dashboard.body["cards"][0]["balance"] == 0

    ledger = await ada.get(f"/v1/cards/{card['cardId']}/transactions")
    assert [entry["type"] for entry in ledger.body["transactions"]] == ["payment", "purchase"]


async def test_a_low_score_waits_for_an_operator(world: World) -> None:
    ben = await world.person(score=430)
    asked = await ben.ask_for_card()
    assert asked.body["request"]["status"] == "pending"

    operator = await world.operator()
    queue = await operator.get("/v1/admin/card-requests")
    assert asked.body["request"]["requestId"] in [each["requestId"] for each in queue.body["requests"]]

    path = f"/v1/admin/card-requests/{asked.body['request']['requestId']}/approve"
    too_much = await operator.post(path, {"creditLimit": 501})
    assert (too_much.status, too_much.code) == (400, "LIMIT_EXCEEDS_POLICY"), too_much
    assert too_much.body["error"]["details"] == {"requestedLimit": 501, "maximumLimit": 500, "tier": "low"}

    approved = await operator.post(path, {"creditLimit": 500})
    assert approved.status == 200, approved
    assert approved.body["card"]["limit"] == 500
    assert (await ben.get("/v1/cards")).body["cards"][0]["limit"] == 500
