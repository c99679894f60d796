"""Idempotency: the same key repeats the answer and never the effect."""

import asyncio
import uuid
from typing import Any

import pytest

from tazco.platform.idempotency import STORED_ANSWERS
from tazco.transactions.store import TRANSACTIONS
from tests.world import Person, World


def fresh() -> str:
    """A key that nobody used."""
    return str(uuid.uuid4())


@pytest.fixture
async def holder(world: World) -> tuple[Person, str]:
    """Somebody with a card of 3000."""
    return await world.cardholder()


async def ledger(world: World, card_id: str) -> int:
    """How many transactions a card has."""
    return sum(row["cardId"]["S"] == card_id for row in await world.rows(TRANSACTIONS))


@pytest.mark.parametrize(("key", "status"), [("", 400), ("   ", 400), ("x" * 64, 201), ("x" * 65, 400)])
async def test_a_cardholders_key_is_required_and_has_at_most_64_characters(
    holder: tuple[Person, str], key: str, status: int
) -> None:
    ada, card = holder
    headers = {"idempotency_key": key} if key else {}
    reply = await ada.post(f"/v1/cards/{card}/transactions/purchases", {"amount": 1}, key="", **headers)
    assert reply.status == status
    if status == 400:
        assert "Idempotency-Key" in reply.message


@pytest.mark.parametrize(("length", "status"), [(66, 200), (255, 200), (256, 400)])
async def test_an_operators_key_has_at_most_255_characters(world: World, length: int, status: int) -> None:
    operator, somebody = await world.operator(), await world.person()
    path = f"/v1/admin/users/{somebody.ecosystem_id}/disable"
    assert (await operator.post(path, {"reason": "r"}, key=fresh().ljust(length, "k"))).status == status


async def test_a_success_replays_as_200_with_its_original_body_even_when_the_limit_is_used_up_now(
    world: World, holder: tuple[Person, str]
) -> None:
    ada, card = holder
    key = fresh()
    first = await ada.buy(card, 3000, key=key)
    again = await ada.buy(card, 3000, key=key)
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await ledger(world, card) == 1


@pytest.mark.parametrize(("amount", "status"), [(3001, 402), (99_999, 402)])
async def test_a_decline_replays_with_its_original_status_and_error_and_the_present_meta(
    world: World, holder: tuple[Person, str], amount: int, status: int
) -> None:
    ada, card = holder
    key = fresh()
    first = await ada.post(f"/v1/cards/{card}/transactions/purchases", {"amount": amount}, key=key, x_request_id="one")
    again = await ada.post(f"/v1/cards/{card}/transactions/purchases", {"amount": amount}, key=key, x_request_id="two")
    assert (first.status, again.status) == (status, status)
    assert again.body["error"] == first.body["error"]
    assert (first.body["meta"]["requestId"], again.body["meta"]["requestId"]) == ("one", "two")
    assert again.headers["idempotent-replayed"] == "true"
    assert await ledger(world, card) == 1


async def test_a_declined_payment_replays_as_400(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    first, again = await ada.pay(card, 5, key=key), await ada.pay(card, 5, key=key)
    assert (first.status, again.status) == (400, 400)
    assert again.headers["idempotent-replayed"] == "true"
    assert await ledger(world, card) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount":100,"merchant":"Shop"}',
        b'{"merchant":"Shop","amount":1e2}',
        b'{"amount":100.0,"merchant":" Shop ","category":"x"}',
    ],
)
async def test_bodies_are_compared_by_their_validated_fields(holder: tuple[Person, str], body: bytes) -> None:
    ada, card = holder
    key = fresh()
    path = f"/v1/cards/{card}/transactions/purchases"
    assert (await ada.post(path, b'{"amount":100,"merchant":"Shop"}', key=key)).status == 201
    assert (await ada.post(path, body, key=key)).status == 200


async def test_a_default_that_is_filled_in_equals_one_that_is_sent(holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    path = f"/v1/cards/{card}/transactions/purchases"
    assert (await ada.post(path, {"amount": 1}, key=key)).status == 201
    assert (await ada.post(path, {"amount": 1, "merchant": "Unknown Merchant"}, key=key)).status == 200


@pytest.mark.parametrize("other", [{"amount": 101, "merchant": "Shop"}, {"amount": 100, "merchant": "Other"}])
async def test_the_same_key_with_another_body_is_422(holder: tuple[Person, str], other: dict[str, Any]) -> None:
    ada, card = holder
    key = fresh()
    path = f"/v1/cards/{card}/transactions/purchases"
    assert (await ada.post(path, {"amount": 100, "merchant": "Shop"}, key=key)).status == 201
    reply = await ada.post(path, other, key=key)
    assert (reply.status, reply.code) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_the_same_key_for_another_operation_is_409(holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    assert (await ada.buy(card, 100, key=key)).status == 201
    for reply in (await ada.pay(card, 100, key=key), await ada.buy("another-card", 100, key=key)):
        assert (reply.status, reply.code) == (409, "REQUEST_ALREADY_PROCESSED")


async def test_keys_are_each_callers_own(world: World) -> None:
    key = fresh()
    for _ in range(2):
        somebody, card = await world.cardholder()
        assert (await somebody.buy(card, 1, key=key)).status == 201


async def test_only_the_hash_of_a_key_is_stored(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    await ada.buy(card, 1, key=key)
    assert key not in str(await world.rows(STORED_ANSWERS))


async def test_what_changed_nothing_is_not_stored_and_may_be_tried_again_with_the_same_key(world: World) -> None:
    ben = await world.person(score=430)
    key = fresh()
    assert (await ben.post("/v1/cards/requests", {}, key=key)).status == 400
    assert (await ben.post("/v1/cards/requests", {"productId": "basic"}, key=key)).status == 201
    second = fresh()
    assert (await ben.post("/v1/cards/requests", {"productId": "basic"}, key=second)).code == "CARD_REQUEST_EXISTS"
    operator = await world.operator()
    (waiting,) = (await ben.get("/v1/dashboard")).body["pendingRequests"]
    path = f"/v1/admin/card-requests/{waiting['requestId']}/approve"
    approval = fresh()
    assert (await operator.post(path, {"creditLimit": 501}, key=approval)).code == "LIMIT_EXCEEDS_POLICY"
    await world.set_score(ben, 640)
    assert (await operator.post(path, {"creditLimit": 501}, key=approval)).status == 200


async def test_an_answer_lives_24_hours(world: World) -> None:
    ada, card = await world.cardholder()
    key = fresh()
    assert (await ada.buy(card, 1, key=key)).status == 201
    world.clock.pass_time(hours=23, minutes=59)
    assert (await ada.buy(card, 1, key=key)).status == 200
    world.clock.pass_time(minutes=2)
    assert (await ada.buy(card, 2, key=key)).status == 201
    assert (await ada.buy(card, 2, key=key)).status == 200


async def test_a_disabled_person_gets_403_and_no_replay(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    assert (await ada.buy(card, 1, key=key)).status == 201
    operator = await world.operator()
    assert (await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "r"})).status == 200
    reply = await ada.buy(card, 1, key=key)
    assert (reply.status, reply.code) == (403, "ACCOUNT_DISABLED")


async def test_of_20_parallel_identical_card_requests_one_is_201_and_the_rest_are_replays(world: World) -> None:
    for score in (430, 720):
        somebody = await world.person(score=score)
        key = fresh()
        replies = await asyncio.gather(*(somebody.post("/v1/cards/requests", {"productId": "basic"}, key=key) for _ in range(20)))
        assert sorted(reply.status for reply in replies) == [200] * 19 + [201]
        assert len({str(reply.body) for reply in replies}) == 1


async def test_every_operators_command_replays(world: World) -> None:
    operator = await world.operator()
    ada, card = await world.cardholder()
    ben = await world.person(score=430)
    asked = (await ben.ask_for_card()).body["request"]["requestId"]
    commands: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/v1/admin/users/{ada.ecosystem_id}/score", {"score": 600, "reason": "r"}),
        ("POST", f"/v1/admin/card-requests/{asked}/approve", {"creditLimit": 200, "reason": "ignored"}),
        ("POST", f"/v1/admin/cards/{ada.ecosystem_id}/{card}/suspend", {"reason": "r"}),
        ("POST", f"/v1/admin/cards/{ada.ecosystem_id}/{card}/reactivate", {"reason": "r"}),
        ("POST", f"/v1/admin/cards/{ada.ecosystem_id}/{card}/cancel", {"reason": "r"}),
        ("POST", f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "r"}),
        ("POST", f"/v1/admin/users/{ada.ecosystem_id}/enable", {"reason": "r"}),
    ]
    for method, path, body in commands:
        key = fresh()
        first, again = await operator.call(method, path, body, key=key), await operator.call(method, path, body, key=key)
        assert (first.status, again.status) == (200, 200), path
        assert again.headers["idempotent-replayed"] == "true"
        assert again.body == first.body


async def test_a_key_of_tabs_and_blanks_is_no_key(holder: tuple[Person, str]) -> None:
    ada, card = holder
    reply = await ada.post(f"/v1/cards/{card}/transactions/payments", {"amount": 1}, key="", idempotency_key=" \t ")
    assert (reply.status, reply.code, "Idempotency-Key" in reply.message) == (400, "VALIDATION_ERROR", True)


async def test_every_cardholders_command_asks_for_the_key_first_and_bounds_it(holder: tuple[Person, str]) -> None:
    ada, card = holder
    for path in (
        "/v1/cards/requests",
        f"/v1/cards/{card}/transactions/purchases",
        f"/v1/cards/{card}/transactions/payments",
        f"/v1/cards/{card}/cancel",
        "/v1/cards/nothing/cancel",
    ):
        for reply in (await ada.post(path, b"{", key=""), await ada.post(path, b"{", key="k" * 65)):
            assert (reply.status, reply.code, "Idempotency-Key" in reply.message) == (400, "VALIDATION_ERROR", True), path


async def test_a_stored_key_is_found_before_existence_and_rules_but_after_the_body(holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    assert (await ada.buy(card, 3000, key=key)).status == 201
    assert (await ada.post(f"/v1/cards/{card}/transactions/payments", {"amount": 0}, key=key)).code == "VALIDATION_ERROR"
    assert (await ada.buy(card, 0, key=key)).code == "VALIDATION_ERROR"
    assert (await ada.buy(card, 9999, key=key)).code == "IDEMPOTENCY_KEY_REUSED"
    assert (await ada.post("/v1/cards/requests", {"productId": "x"}, key=key)).code == "REQUEST_ALREADY_PROCESSED"
    assert (await ada.post("/v1/cards/nothing/cancel", key=key)).code == "REQUEST_ALREADY_PROCESSED"


async def test_a_declined_key_is_taken_for_other_cards_and_bodies_too(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    assert (await ada.buy(card, 3001, key=key)).status == 402
    assert (await ada.buy(card, 1, key=key)).code == "IDEMPOTENCY_KEY_REUSED"
    assert (await ada.pay(card, 3001, key=key)).code == "REQUEST_ALREADY_PROCESSED"
    assert (await ada.buy(card, 3001, key=key)).status == 402
    assert await ledger(world, card) == 1


async def test_a_decline_replays_even_when_the_purchase_would_pass_now(holder: tuple[Person, str]) -> None:
    ada, card = holder
    assert (await ada.buy(card, 3000)).status == 201
    key = fresh()
    first = await ada.buy(card, 5, key=key)
    assert (await ada.pay(card, 3000)).status == 201
    again = await ada.buy(card, 5, key=key)
    assert (first.status, again.status) == (402, 402)
    assert again.body["error"] == first.body["error"]
    assert again.body["meta"]["requestId"] == again.headers["x-request-id"] != first.body["meta"]["requestId"]


async def test_a_cancel_replays_when_the_card_is_long_gone_and_its_reason_counts(holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    first = await ada.post(f"/v1/cards/{card}/cancel", {"reason": "moving"}, key=key)
    again = await ada.post(f"/v1/cards/{card}/cancel", b'{"reason":"moving","source":"app"}', key=key)
    assert (first.status, again.status, again.headers["idempotent-replayed"]) == (200, 200, "true")
    assert again.body == first.body
    assert (await ada.post(f"/v1/cards/{card}/cancel", {"reason": "other"}, key=key)).status == 422
    assert (await ada.post(f"/v1/cards/{card}/cancel", key=key)).status == 422


async def test_a_success_that_changed_nothing_is_a_success_and_replays(world: World) -> None:
    operator, somebody = await world.operator(), await world.person()
    path, key = f"/v1/admin/users/{somebody.ecosystem_id}", fresh()
    first = await operator.post(f"{path}/enable", {"reason": "r"}, key=key)
    assert (await operator.post(f"{path}/disable", {"reason": "r"})).body["user"]["status"] == "disabled"
    again = await operator.post(f"{path}/enable", {"reason": "r"}, key=key)
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, first.body, "true")
    assert (await operator.get(path)).body["user"]["status"] == "disabled"


async def test_refused_404_409_and_402_of_requests_leave_the_key_free(world: World) -> None:
    operator, ada = await world.operator(), await world.stranger()
    key = fresh()
    assert (await ada.post("/v1/cards/requests", {"productId": "x"}, key=key)).status == 404
    await ada.register()
    assert (await ada.post("/v1/cards/requests", {"productId": "x"}, key=key)).status == 201
    (waiting,) = (await ada.get("/v1/dashboard")).body["pendingRequests"]
    other = fresh()
    assert (await ada.post("/v1/cards/requests", {"productId": "x"}, key=other)).status == 409
    reject = f"/v1/admin/card-requests/{waiting['requestId']}/reject"
    assert (await operator.post(reject, {"reason": "r"})).status == 200
    assert (await ada.post("/v1/cards/requests", {"productId": "x"}, key=other)).status == 400
    world.clock.pass_time(days=31)
    assert (await ada.post("/v1/cards/requests", {"productId": "y"}, key=other)).status == 201
    third = fresh()
    assert (await operator.post(reject, {"reason": "r"}, key=third)).status == 409
    assert (await operator.post("/v1/admin/users/nobody/disable", {"reason": "r"}, key=third)).status == 404
    assert (await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "r"}, key=third)).status == 200


async def test_an_unregistered_operators_keys_are_the_subjects_and_nobody_elses(world: World) -> None:
    key, ada = fresh(), await world.person()
    path = f"/v1/admin/users/{ada.ecosystem_id}/score"
    one, two = await world.stranger(admin=True), await world.stranger(admin=True)
    for operator, replayed in ((one, None), (two, None), (one, "true")):
        reply = await operator.call("PATCH", path, {"score": 510, "reason": "r"}, key=key)
        assert (reply.status, reply.headers.get("idempotent-replayed")) == (200, replayed)
    scopes = {item["ecosystemId"]["S"] for item in await world.rows(STORED_ANSWERS)}
    assert {one.subject, two.subject} <= scopes


async def test_an_expired_answer_that_was_not_deleted_yet_is_overwritten(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    assert (await ada.buy(card, 3001, key=key)).status == 402
    world.clock.pass_time(hours=24, seconds=1)
    kept = [item for item in await world.rows(STORED_ANSWERS) if item["ecosystemId"]["S"] == ada.ecosystem_id]
    assert (await ada.pay(card, 7, key=key)).status == 400
    again = await ada.pay(card, 7, key=key)
    assert (again.status, again.headers["idempotent-replayed"]) == (400, "true")
    after = [item for item in await world.rows(STORED_ANSWERS) if item["ecosystemId"]["S"] == ada.ecosystem_id]
    assert len(kept) == len(after)
    assert await ledger(world, card) == 2


async def test_of_parallel_calls_with_one_key_and_many_bodies_one_counts(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    replies = await asyncio.gather(*(ada.buy(card, amount, key=key) for amount in range(1, 11)))
    assert sorted(reply.status for reply in replies) == [201] + [422] * 9
    assert await ledger(world, card) == 1


async def test_of_parallel_declined_calls_one_is_recorded_and_all_get_402(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    key = fresh()
    replies = await asyncio.gather(*(ada.buy(card, 3001, key=key) for _ in range(12)))
    assert {reply.status for reply in replies} == {402}
    assert sum("idempotent-replayed" in reply.headers for reply in replies) == 11
    assert await ledger(world, card) == 1


async def test_of_parallel_operators_commands_with_one_key_all_are_200_and_one_is_no_replay(world: World) -> None:
    operator, ada = await world.operator(), await world.person(430)
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    path, key = f"/v1/admin/card-requests/{request_id}/approve", fresh()
    replies = await asyncio.gather(*(operator.post(path, {"creditLimit": 200}, key=key) for _ in range(12)))
    assert [reply.status for reply in replies] == [200] * 12
    assert sum("idempotent-replayed" not in reply.headers for reply in replies) == 1
    assert len({str(reply.body) for reply in replies}) == 1
