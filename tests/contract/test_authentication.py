"""Who may call what: tokens, registration, operators, disabled people, rate limits."""

from collections.abc import AsyncIterator

import pytest

from tests.stage import Stage
from tests.world import Person, World, open_world

READS = ["/v1/dashboard", "/v1/offers", "/v1/cards", "/v1/cards/c", "/v1/cards/requests/r", "/v1/cards/c/transactions"]
COMMANDS = [
    "/v1/users",
    "/v1/cards/requests",
    "/v1/cards/c/transactions/purchases",
    "/v1/cards/c/transactions/payments",
    "/v1/cards/c/cancel",
]
OPERATORS_READS = [
    "/v1/admin/users",
    "/v1/admin/users/u",
    "/v1/admin/users/u/score",
    "/v1/admin/card-requests",
    "/v1/admin/audit-logs",
]
OPERATORS_COMMANDS = [
    "/v1/admin/users/u/disable",
    "/v1/admin/users/u/enable",
    "/v1/admin/card-requests/r/approve",
    "/v1/admin/card-requests/r/reject",
    "/v1/admin/cards/u/c/suspend",
    "/v1/admin/cards/u/c/reactivate",
    "/v1/admin/cards/u/c/cancel",
    "/v1/admin/cleanup",
]
ROUTES = [("GET", path) for path in READS + OPERATORS_READS] + [("POST", path) for path in COMMANDS + OPERATORS_COMMANDS]
ROUTES.append(("PATCH", "/v1/admin/users/u/score"))


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic dXNlcjpwYXNz", "Bearer a.b.c"])
async def test_without_a_good_token_every_route_is_401(world: World, method: str, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    reply = await world.call(method, path, b"{", headers)
    assert (reply.status, reply.code) == (401, "INVALID_TOKEN")


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[1].startswith("/v1/admin")])
async def test_an_operators_route_is_403_for_everybody_else(world: World, method: str, path: str) -> None:
    reply = await (await person(world)).call(method, path, b"{")
    assert (reply.status, reply.code) == (403, "FORBIDDEN")


async def person(world: World) -> Person:
    """Somebody registered, and no operator."""
    return await world.person()


async def test_the_scheme_may_be_lower_case_and_both_kinds_of_token_count(world: World) -> None:
    ada = await person(world)
    for authorization in (f"bearer {ada.access_token}", f"Bearer {ada.id_token}"):
        assert (await world.call("GET", "/v1/dashboard", headers={"authorization": authorization})).status == 200


async def test_a_claim_of_a_role_is_no_authority(world: World) -> None:
    liar = await world.stranger(attributes={"custom:role": "admin"})
    registered = await liar.register()
    assert registered.body["user"]["role"] == "user"
    for token in (liar.access_token, liar.id_token):
        assert (await world.call("GET", "/v1/admin/users", headers={"authorization": f"Bearer {token}"})).status == 403


async def test_someone_unregistered_owns_nothing_whatever_the_token_claims(world: World) -> None:
    ada, card = await world.cardholder()
    stranger = await world.stranger(attributes={"custom:ecosystemId": ada.ecosystem_id})
    stranger.access_token = stranger.id_token
    assert (await stranger.get("/v1/cards")).body["cards"] == []
    for path in ("/v1/dashboard", "/v1/offers", f"/v1/cards/{card}", "/v1/cards/requests/r", f"/v1/cards/{card}/transactions"):
        assert (await stranger.get(path)).status == 404, path
    assert (await stranger.ask_for_card()).status == 404
    for reply in (await stranger.buy(card, 1), await stranger.pay(card, 1), await stranger.post(f"/v1/cards/{card}/cancel")):
        assert (reply.status, reply.code) == (404, "NOT_FOUND")


async def test_input_is_validated_before_anything_is_looked_up(world: World) -> None:
    stranger = await world.stranger()
    assert "productId" in (await stranger.post("/v1/cards/requests", {})).message
    assert "amount" in (await stranger.post("/v1/cards/c/transactions/purchases", {})).message
    operator = await world.operator()
    assert "creditLimit" in (await operator.post("/v1/admin/card-requests/unknown/approve", {})).message


async def test_someone_elses_things_are_404_never_403(world: World) -> None:
    ada, card = await world.cardholder()
    other = await person(world)
    for path in (f"/v1/cards/{card}", f"/v1/cards/{card}/transactions"):
        assert (await other.get(path)).status == 404
    assert (await other.buy(card, 1)).status == 404
    asked = (await ada.get("/v1/dashboard")).body["cards"]
    assert asked


async def test_an_unregistered_operator_may_use_the_operators_routes(world: World) -> None:
    operator = await world.stranger(admin=True)
    ada = await world.person()
    assert (await operator.get("/v1/admin/users")).status == 200
    reply = await operator.call("PATCH", f"/v1/admin/users/{ada.ecosystem_id}/score", {"score": 1, "reason": "r"})
    assert reply.status == 200
    logs = (await operator.get(f"/v1/admin/audit-logs?actorId={operator.subject}")).body["auditLogs"]
    assert [log["adminEcosystemId"] for log in logs] == [operator.subject]
    assert (await operator.get("/v1/dashboard")).status == 404


async def test_a_disabled_person_is_403_everywhere_whatever_is_sent(world: World) -> None:
    gone = await world.person()
    operator = await world.operator()
    assert (await operator.post(f"/v1/admin/users/{gone.ecosystem_id}/disable", {"reason": "r"})).status == 200
    world.clock.pass_time(seconds=11)
    for method, path in ROUTES:
        reply = await gone.call(method, path, b"{", key="")
        assert (reply.status, reply.code) == (403, "ACCOUNT_DISABLED"), path


async def test_a_command_sees_at_once_that_its_caller_was_disabled(world: World) -> None:
    ada, card = await world.cardholder()
    assert (await ada.buy(card, 1)).status == 201
    operator = await world.operator()
    await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "r"})
    assert (await ada.buy(card, 1)).code == "ACCOUNT_DISABLED"
    await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/enable", {"reason": "r"})
    world.clock.pass_time(seconds=11)
    assert (await ada.buy(card, 1)).status == 201


@pytest.fixture
async def limited(stage: Stage) -> AsyncIterator[World]:
    """A world with both limiters on."""
    async with open_world(stage) as opened:
        opened.clock.pass_time(seconds=60 - opened.clock().timestamp() % 60)  # a minute begins: none ends within a test
        opened.set_parameter("rateLimit/apiPerMinute", "3")
        opened.set_parameter("rateLimit/authFailuresPerMinute", "2")
        await opened.services.policies.refresh()
        yield opened
        opened.set_parameter("rateLimit/apiPerMinute", "0")
        opened.set_parameter("rateLimit/authFailuresPerMinute", "0")


async def test_calls_are_limited_per_person_and_minute_and_say_what_is_left(limited: World) -> None:
    ada, ben = await limited.stranger(), await limited.stranger()
    left = [(await ada.get("/v1/cards")).headers["x-ratelimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = await ada.get("/v1/cards")
    assert (refused.status, refused.code) == (429, "SERVICE_UNAVAILABLE")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await ben.get("/v1/cards")).status == 200
    assert (await limited.call("GET", "/health/liveness")).status == 200
    limited.clock.pass_time(minutes=1)
    reply = await ada.get("/v1/cards")
    assert (reply.status, reply.headers["x-ratelimit-limit"]) == (200, "3")


async def test_only_failed_sign_ins_count_against_an_address(limited: World) -> None:
    ada = await limited.stranger()
    statuses = [(await limited.call("GET", "/v1/cards", headers={"authorization": "Bearer x"})).status for _ in range(4)]
    assert statuses == [401, 401, 429, 429]
    assert (await ada.get("/v1/cards")).status == 200


async def test_without_limits_nothing_is_said_of_them(world: World) -> None:
    assert "x-ratelimit-limit" not in (await (await person(world)).get("/v1/cards")).headers
