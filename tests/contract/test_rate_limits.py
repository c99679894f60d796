"""Limits, spoilt tokens and missing keys, §1.5 and §1.8: what each refusal says, and what never counts."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.contract.seeds import with_policy
from tests.stage import Stage
from tests.world import Person, World, open_world


@pytest.fixture
async def limited(stage: Stage) -> AsyncIterator[World]:
    """A world with both limiters on, at the beginning of a minute: none ends within a test."""
    async with open_world(stage, trusted_proxy_hops=1) as opened:
        opened.clock.pass_time(seconds=60 - opened.clock().timestamp() % 60)
        await with_policy(opened, rateLimit__apiPerMinute="3", rateLimit__authFailuresPerMinute="2")
        yield opened
        await with_policy(opened, rateLimit__apiPerMinute="0", rateLimit__authFailuresPerMinute="0")


@pytest.fixture(scope="module")
async def ada(world: World) -> Person:
    """Somebody registered, and no operator."""
    return await world.person()


async def test_every_429_says_how_much_and_until_when(limited: World) -> None:
    somebody = await limited.stranger()
    calls = [await somebody.get("/v1/cards") for _ in range(4)]
    failures = [await limited.call("GET", "/v1/cards", headers={"authorization": "Bearer x"}) for _ in range(3)]
    for reply, limit in ((calls[-1], "3"), (failures[-1], "2")):
        assert (reply.status, reply.code) == (429, "SERVICE_UNAVAILABLE")
        assert (reply.headers["x-ratelimit-limit"], reply.headers["x-ratelimit-remaining"]) == (limit, "0")
        reset, now = int(reply.headers["x-ratelimit-reset"]), limited.clock().timestamp()
        assert now < reset <= now + 61
        assert abs(reset - now - int(reply.headers["retry-after"])) <= 1


async def test_a_failed_sign_in_says_how_many_more_are_left(limited: World) -> None:
    replies = [await limited.call("GET", "/v1/cards") for _ in range(2)]
    assert [(reply.status, reply.headers["x-ratelimit-remaining"]) for reply in replies] == [(401, "1"), (401, "0")]


async def test_an_address_that_failed_too_often_may_still_come_with_a_good_token(limited: World) -> None:
    somebody = await limited.stranger()
    assert [(await limited.call("GET", "/v1/cards")).status for _ in range(4)] == [401, 401, 429, 429]
    assert [(await somebody.get("/v1/cards")).status for _ in range(3)] == [200] * 3


async def test_successes_never_count_as_failures(limited: World) -> None:
    for _ in range(4):
        assert (await (await limited.stranger()).get("/v1/cards")).status == 200
    assert (await limited.call("GET", "/v1/cards")).headers["x-ratelimit-remaining"] == "1"


async def test_health_preflights_and_unknown_paths_are_never_limited(limited: World) -> None:
    for method, path, status in (("GET", "/health/liveness", 200), ("OPTIONS", "/v1/cards", 204), ("GET", "/v1/nothing", 404)):
        for _ in range(5):
            reply = await limited.call(method, path, headers={"authorization": "Bearer x"})
            assert (reply.status, "x-ratelimit-limit" in reply.headers) == (status, False)


async def test_a_refusal_after_the_gate_keeps_the_limiters_headers_and_counts(limited: World) -> None:
    somebody = await limited.stranger()
    for path, status in (("/v1/dashboard", 404), ("/v1/admin/users", 403), ("/v1/admin/nowhere", 403)):
        reply = await somebody.get(path)
        assert (reply.status, reply.headers["x-ratelimit-limit"]) == (status, "3")
    assert (await somebody.get("/v1/admin/nowhere")).status == 429
    assert (await somebody.post("/v1/users", {"email": "a@b"})).status == 429


async def test_addresses_behind_a_trusted_proxy_count_apart_and_a_forged_one_does_not(limited: World) -> None:
    sent = ["9.9.9.9, 1.1.1.1", "8.8.8.8, 1.1.1.1", "7.7.7.7, 1.1.1.1", "1.1.1.1, 2.2.2.2"]
    replies = [await limited.call("GET", "/v1/cards", headers={"x-forwarded-for": each}) for each in sent]
    assert [reply.status for reply in replies] == [401, 401, 429, 401]


async def test_a_switched_off_limiter_says_nothing(world: World, ada: Person) -> None:
    for reply in (await ada.get("/v1/cards"), await world.call("GET", "/v1/cards")):
        assert not [name for name in reply.headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize(
    "spoil",
    [
        str.upper,
        lambda token: f"{token}x",
        lambda token: f"{token[:-4]}AAAA",
        lambda token: f"{token}.x",
        lambda token: f"{token} x",
    ],
)
async def test_a_spoilt_token_is_401_and_never_challenges(world: World, ada: Person, spoil: Callable[[str], str]) -> None:
    reply = await world.call("GET", "/v1/cards", headers={"authorization": f"Bearer {spoil(ada.access_token)}"})
    assert (reply.status, reply.code) == (401, "INVALID_TOKEN")
    assert "www-authenticate" not in reply.headers


async def test_when_the_keys_cannot_be_fetched_it_is_503_and_never_401(stage: Stage, ada: Person) -> None:
    async with open_world(stage, cognito_jwks_url="http://127.0.0.1:9/keys") as blind:
        for path in ("/v1/cards", "/v1/admin/nowhere"):
            reply = await blind.call("GET", path, headers={"authorization": f"Bearer {ada.access_token}"})
            assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
        assert (await blind.call("GET", "/v1/cards")).status == 401


async def test_a_disabled_operator_is_no_operator_any_more_not_even_for_unknown_routes(world: World) -> None:
    fallen, operator = await world.stranger(admin=True), await world.operator()
    await fallen.register()
    await operator.post(f"/v1/admin/users/{fallen.ecosystem_id}/disable", {"reason": "r"})
    world.clock.pass_time(seconds=11)
    for path in ("/v1/admin/users", "/v1/admin/nowhere"):
        assert (await fallen.get(path)).code == "ACCOUNT_DISABLED"
