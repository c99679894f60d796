"""Headers that a hostile reader looks for, §1.2, §1.3 and §1.6: on every kind of answer, 500 and 503 included."""

import json
import re
from collections.abc import AsyncIterator

import pytest

from tazco.users.store import USERS
from tests.contract.seeds import amend
from tests.contract.test_wire import SECURITY
from tests.stage import Stage
from tests.world import Person, Reply, World, open_world

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
WEB = "https://app.example.com"


def complete(reply: Reply) -> bool:
    """All that every answer carries, nothing that none may."""
    forbidden = {"x-powered-by", "www-authenticate", "server", "access-control-allow-credentials"}
    return (
        dict(reply.headers).items() >= SECURITY.items()
        and reply.headers["vary"] == "Origin"
        and "X-Request-ID" in reply.headers["access-control-expose-headers"]
        and not forbidden & dict(reply.headers).keys()
    )


@pytest.fixture(scope="module")
async def broken(world: World) -> Person:
    """Somebody whose stored row nobody can read."""
    ada = await world.person()
    await amend(world, USERS, (ada.ecosystem_id,), currentScore="many")
    return ada


@pytest.fixture
async def listed(stage: Stage) -> AsyncIterator[World]:
    """A world that knows two origins."""
    async with open_world(stage, cors_allowed_origins=(WEB, "https://desk.example.com")) as opened:
        yield opened


async def test_a_500_shows_nothing_of_the_inside_and_has_all_headers(world: World, broken: Person) -> None:
    world.services.gate.directory.forget()
    reply = await broken.get("/v1/dashboard", x_request_id="mine", traceparent=f"00-{PARENT}-{SPAN}-01", origin=WEB)
    assert (reply.status, reply.code) == (500, "INTERNAL_ERROR")
    assert reply.body["meta"] == {"requestId": "mine", "traceId": PARENT}
    assert complete(reply)
    assert reply.headers["x-request-id"] == "mine"
    assert reply.headers["access-control-allow-origin"] == WEB
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    for inside in ("many", "Traceback", "tazco.", "currentScore", "Undecodable", "ValueError", ".py"):
        assert inside not in json.dumps(reply.body)


async def test_a_503_has_all_headers(stage: Stage) -> None:
    async with open_world(stage, cognito_jwks_url="http://127.0.0.1:9/keys") as blind:
        ada = await blind.stranger()
        reply = await ada.get("/v1/cards", x_request_id="mine")
    assert (reply.status, reply.headers["retry-after"], reply.body["meta"]) == (503, "5", {"requestId": "mine"})
    assert complete(reply)


@pytest.mark.parametrize("given", ["!", "~" * 128, "a b", "../../etc", "<script>", '"', "\\", "%0d%0a", "0"])
async def test_printable_ascii_is_adopted_unchanged(world: World, given: str) -> None:
    for path in ("/health/liveness", "/v1/cards", "/nowhere"):
        reply = await world.call("GET", path, headers={"x-request-id": given})
        assert reply.headers["x-request-id"] == given
        assert reply.status == 200 or reply.body["meta"] == {"requestId": given}


@pytest.mark.parametrize("given", [b"caf\xc3\xa9", b"\xff", b"\x7f", b"x" * 129, b"a\x01b", b""])
async def test_what_is_not_printable_ascii_is_replaced_everywhere(world: World, given: bytes) -> None:
    for method, path in (("GET", "/nowhere"), ("GET", "/v1/cards"), ("OPTIONS", "/v1/cards"), ("HEAD", "/health/liveness")):
        response = await world.http.request(method, path, headers=[(b"x-request-id", given)])
        made = response.headers["x-request-id"]
        assert re.fullmatch(UUID4, made)
        if response.content:
            assert response.json()["meta"]["requestId"] == made


async def test_made_request_ids_never_repeat(world: World) -> None:
    made = [(await world.call("GET", "/health/liveness")).headers["x-request-id"] for _ in range(50)]
    assert len(set(made)) == 50


async def test_the_request_id_is_in_the_events_and_the_meta_of_what_it_caused(world: World) -> None:
    ada = await world.person()
    reply = await ada.get("/v1/cards/none", x_request_id="tie")
    assert reply.body["meta"]["requestId"] == reply.headers["x-request-id"] == "tie"


@pytest.mark.parametrize(
    ("parent", "trace_id"),
    [
        (f"00-{PARENT}-{SPAN}-01", PARENT),
        (f"00-{PARENT.upper()}-{SPAN.upper()}-00", PARENT),
        (f"00-{'0' * 31}1-{'0' * 15}1-00", "0" * 31 + "1"),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{PARENT}-{'0' * 16}-01", None),
        (f"00-{PARENT[:-1]}-{SPAN}-01", None),
        (f"00-{PARENT}0-{SPAN}-01", None),
        (f"00-{PARENT[:-1]}g-{SPAN}-01", None),
        (f"00-{PARENT}-{SPAN}", None),
        (f"00-{PARENT}-{SPAN}-01-extra", None),
        (f"00_{PARENT}_{SPAN}_01", None),
        ("", None),
        ("x" * 5_000, None),
    ],
)
async def test_a_valid_traceparent_only_adds_its_trace_id_to_errors(world: World, parent: str, trace_id: str | None) -> None:
    for path, headers in (("/nowhere", {}), ("/v1/cards", {"authorization": "Bearer x"}), ("/v1/cards/%zz", {})):
        reply = await world.call("GET", path, headers={"traceparent": parent, "x-request-id": "r", **headers})
        assert reply.body["meta"] == {"requestId": "r", **({"traceId": trace_id} if trace_id else {})}
    fine = await world.call("GET", "/health/liveness", headers={"traceparent": parent})
    assert (fine.status, set(fine.body)) == (200, {"status", "timestamp"})
    assert PARENT not in str(dict(fine.headers))


@pytest.mark.parametrize(
    "origin", ["http://localhost:3001", "null", "https://evil.example", "chrome-extension://abc", "http://[::1]:5"]
)
async def test_a_star_reflects_any_origin_and_allows_no_credentials(world: World, origin: str) -> None:
    for method, path, status in (
        ("GET", "/health/liveness", 200),
        ("GET", "/v1/cards", 401),
        ("GET", "/nowhere", 404),
        ("OPTIONS", "/v1/admin/users", 204),
    ):
        reply = await world.call(method, path, headers={"origin": origin})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (status, origin)
        assert complete(reply)


async def test_without_an_origin_nothing_is_reflected_and_vary_is_there_all_the_same(world: World) -> None:
    reply = await world.call("GET", "/health/liveness")
    assert "access-control-allow-origin" not in reply.headers
    assert complete(reply)


async def test_a_list_of_origins_admits_these_and_no_others(listed: World) -> None:
    for origin in (WEB, "https://desk.example.com"):
        for method in ("GET", "OPTIONS"):
            reply = await listed.call(method, "/v1/cards", headers={"origin": origin})
            assert reply.headers["access-control-allow-origin"] == origin
    for origin in (f"{WEB}.evil.example", f"{WEB}:8443", "http://app.example.com", "https://example.com", "*", "null", ""):
        for method, status in (("GET", 401), ("OPTIONS", 204)):
            reply = await listed.call(method, "/v1/cards", headers={"origin": origin})
            assert (reply.status, "access-control-allow-origin" in reply.headers) == (status, False), origin
            assert complete(reply)


@pytest.mark.parametrize("path", ["/v1/users", "/v1/admin/cleanup", "/v1/nothing", "/health/liveness", "/", "/V1/Cards/"])
async def test_every_preflight_is_204_without_body_and_without_token(world: World, path: str) -> None:
    headers = {
        "origin": "http://localhost:3001",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,idempotency-key",
        "x-request-id": "pre",
    }
    reply = await world.call("OPTIONS", path, headers=headers)
    assert (reply.status, reply.body, reply.headers["x-request-id"]) == (204, None, "pre")
    assert reply.headers["access-control-allow-methods"] == "GET,HEAD,PUT,PATCH,POST,DELETE"
    assert reply.headers["access-control-allow-headers"] == (
        "Content-Type,Authorization,Idempotency-Key,X-Request-ID,If-None-Match,traceparent"
    )
    assert complete(reply)


async def test_no_other_answer_speaks_of_allowed_methods(world: World) -> None:
    reply = await world.call("GET", "/health/liveness", headers={"origin": "http://localhost:3001"})
    assert "access-control-allow-methods" not in reply.headers
    assert "access-control-allow-headers" not in reply.headers


async def test_nothing_below_v1_is_ever_stored_by_a_cache(world: World) -> None:
    ada, card = await world.cardholder()
    operator = await world.operator()
    for reply in (
        await ada.get("/v1/offers"),
        await ada.get("/v1/cards"),
        await ada.get(f"/V1/Cards/{card}"),
        await ada.get(f"/v1/cards/{card}/transactions"),
        await ada.get("/v1/cards/none"),
        await ada.buy(card, 1),
        await ada.buy(card, 0),
        await ada.get("/v1/nothing"),
        await ada.get("/v1/cards/%zz"),
        await operator.get("/v1/admin/users"),
        await operator.get("/v1/admin/nothing"),
        await world.call("GET", "/v1/cards"),
        await ada.post("/v1/users", {}),
    ):
        assert reply.headers["cache-control"] == "no-store"
    dashboard = await ada.get("/v1/dashboard")
    unchanged = await ada.get("/v1/dashboard", if_none_match=dashboard.headers["etag"])
    for reply in (dashboard, unchanged):
        assert reply.headers["cache-control"] == "private, no-cache"
    assert (unchanged.status, unchanged.body) == (304, None)
    assert complete(unchanged)


async def test_no_header_comes_twice(world: World) -> None:
    ada = await world.person()
    for method, path in (("GET", "/v1/dashboard"), ("GET", "/nowhere"), ("OPTIONS", "/v1/cards"), ("HEAD", "/v1/cards")):
        response = await world.http.request(
            method, path, headers={"authorization": f"Bearer {ada.access_token}", "origin": "http://localhost:3001"}
        )
        names = [name.lower() for name, _ in response.headers.raw]
        assert len(names) == len(set(names))
