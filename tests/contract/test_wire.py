"""Wire rules: request ids, errors, headers, paths, bodies."""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.stage import Stage
from tests.world import Person, World, open_world

TRACE = "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "origin-agent-cluster": "?1",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-dns-prefetch-control": "off",
    "x-download-options": "noopen",
    "x-permitted-cross-domain-policies": "none",
    "x-xss-protection": "0",
}


@pytest.fixture(scope="module")
async def holder(world: World) -> tuple[Person, str]:
    """Somebody with a card."""
    return await world.cardholder()


async def test_the_clients_request_id_is_adopted_and_a_bad_one_replaced_by_a_uuid4(world: World) -> None:
    for given in ("a", "trace 1/2", "x" * 128):
        assert (await world.call("GET", "/health/liveness", headers={"x-request-id": given})).headers["x-request-id"] == given
    for given in ("", "x" * 129, "tab\there"):
        made = (await world.call("GET", "/health/liveness", headers={"x-request-id": given})).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made)


async def test_every_answer_has_the_request_id_and_the_security_headers(world: World, holder: tuple[Person, str]) -> None:
    ada, _ = holder
    etag = (await ada.get("/v1/dashboard")).headers["etag"]
    mine = {"x_request_id": "mine"}
    answers = [
        (200, await ada.get("/v1/dashboard", **mine)),
        (304, await ada.get("/v1/dashboard", if_none_match=etag, **mine)),
        (401, await world.call("GET", "/v1/dashboard", headers={"x-request-id": "mine"})),
        (404, await world.call("GET", "/nowhere", headers={"x-request-id": "mine"})),
        (400, await ada.post("/v1/cards/requests", b"{", **mine)),
        (413, await ada.post("/v1/cards/requests", b" " * 65_537, **mine)),
        (400, await world.call("GET", "/v1/cards/%zz", headers={"x-request-id": "mine"})),
        (204, await world.call("OPTIONS", "/v1/cards", headers={"x-request-id": "mine", "origin": "http://localhost:3001"})),
    ]
    for status, reply in answers:
        assert reply.status == status
        assert reply.headers["x-request-id"] == "mine"
        assert SECURITY.items() <= dict(reply.headers).items()
        assert reply.headers["vary"] == "Origin"
        assert not {"x-powered-by", "www-authenticate", "server"} & dict(reply.headers).keys()
        if status not in (204, 304):
            assert reply.headers["content-type"] == "application/json; charset=utf-8"


async def test_an_error_has_code_message_and_meta_and_a_trace_id_only_for_a_valid_traceparent(world: World) -> None:
    reply = await world.call("GET", "/nowhere?secret=1", headers={"traceparent": TRACE, "x-request-id": "r"})
    assert reply.body == {
        "error": {"code": "NOT_FOUND", "message": "Route not found: GET /nowhere"},
        "meta": {"requestId": "r", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736"},
    }
    for bad in ("x", TRACE[:-3], "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + "-01", TRACE + "-1"):
        assert "traceId" not in (await world.call("GET", "/nowhere", headers={"traceparent": bad})).body["meta"]
    assert "traceId" not in json.dumps((await world.call("GET", "/health/liveness", headers={"traceparent": TRACE})).body)


async def test_the_preflight_allows_what_clients_send_and_any_origin_is_reflected_by_default(world: World) -> None:
    reply = await world.call("OPTIONS", "/v1/cards", headers={"origin": "http://localhost:3001"})
    assert reply.headers["access-control-allow-origin"] == "http://localhost:3001"
    assert reply.headers["access-control-allow-methods"] == "GET,HEAD,PUT,PATCH,POST,DELETE"
    assert reply.headers["access-control-allow-headers"] == (
        "Content-Type,Authorization,Idempotency-Key,X-Request-ID,If-None-Match,traceparent"
    )
    assert "access-control-allow-credentials" not in reply.headers
    plain = await world.call("GET", "/health/liveness")
    assert plain.headers["access-control-expose-headers"] == (
        "X-Request-ID,ETag,Retry-After,Idempotent-Replayed,X-RateLimit-Limit,X-RateLimit-Remaining,X-RateLimit-Reset"
    )


async def test_v1_is_not_stored_but_the_dashboard_may_be_revalidated(holder: tuple[Person, str]) -> None:
    ada, _ = holder
    assert (await ada.get("/v1/cards")).headers["cache-control"] == "no-store"
    assert (await ada.get("/v1/dashboard")).headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    "path", ["/V1/CARDS", "/v1/cards/", "/v1/Cards/{card}", "/v1/cards/{card}/", "/v1/cards/{card}/TRANSACTIONS/"]
)
async def test_literal_segments_match_in_any_case_and_with_one_trailing_slash(holder: tuple[Person, str], path: str) -> None:
    ada, card = holder
    assert (await ada.get(path.format(card=card))).status == 200


@pytest.mark.parametrize("card", ["{upper}", "a%2Fb", "a%23b", "a:b", "%F0%9F%98%80", "x" * 600, "requests", "%25"])
async def test_an_id_is_opaque_keeps_its_case_and_is_404_when_unknown(holder: tuple[Person, str], card: str) -> None:
    ada, mine = holder
    reply = await ada.get(f"/v1/cards/{card.format(upper=mine.upper())}")
    assert (reply.status, reply.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/v1/cards/%zz", "/v1/cards/%f", "/v1/cards/%ff", "/%"])
async def test_a_malformed_escape_is_400(holder: tuple[Person, str], path: str) -> None:
    assert (await holder[0].get(path)).status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/v1/cards"), ("PUT", "/v1/users"), ("GET", "/v1/users"), ("GET", "/api/v1/cards"), ("GET", "/v1//")],
)
async def test_a_wrong_method_or_path_is_404_without_asking_who_calls(world: World, method: str, path: str) -> None:
    reply = await world.call(method, path)
    assert reply.status == 404
    assert reply.message == f"Route not found: {method} {path}"


async def test_below_the_operators_prefix_it_is_401_then_403_then_404(world: World, holder: tuple[Person, str]) -> None:
    assert (await world.call("GET", "/v1/admin/nowhere")).status == 401
    assert (await holder[0].get("/V1/Admin/nowhere")).status == 403
    assert (await (await world.operator()).get("/v1/admin/nowhere")).status == 404


async def test_every_get_answers_head_with_the_headers_and_no_body(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    for path in (
        "/health/liveness",
        "/v1/dashboard",
        "/v1/cards",
        f"/v1/cards/{card}",
        f"/v1/cards/{card}/transactions",
        "/v1/offers",
    ):
        headers = {"authorization": f"Bearer {ada.access_token}"}
        head, get = await world.http.head(path, headers=headers), await world.http.get(path, headers=headers)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(get.content))


MALFORMED = [
    b"",
    b"[]",
    b"null",
    b'"x"',
    b"{",
    b'{"amount":NaN}',
    b'{"amount":Infinity}',
    b'{"amount":-Infinity}',
    b'{"amount":' + b"9" * 5_000 + b"}",
    b"[" * 30_000,
    b'{"a":' * 10_000,
    b'\xef\xbb\xbf{"amount":5}',
    b'\xff{"amount":5}',
    b'{"amount":5,"merchant":"\\ud800"}',
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:20]))
async def test_a_malformed_body_is_400_and_never_quoted(holder: tuple[Person, str], body: bytes) -> None:
    ada, card = holder
    reply = await ada.post(f"/v1/cards/{card}/transactions/purchases", body)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "amount",
    ["0", "-0", "-0.0", "-5", "0.001", "1e999", "1e-400", "1e99999999999", "1000000000", '"500"', "true", "null", "[]", "1.005"],
)
async def test_a_bad_amount_is_400_and_says_amount(holder: tuple[Person, str], amount: str) -> None:
    ada, card = holder
    for command in ("purchases", "payments"):
        reply = await ada.post(f"/v1/cards/{card}/transactions/{command}", f'{{"amount":{amount}}}'.encode())
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
        assert "amount" in reply.message


@pytest.mark.parametrize("amount", ["1.230", "1e1", "0.01", "1E+1", "5.0"])
async def test_decimals_count_by_value(holder: tuple[Person, str], amount: str) -> None:
    ada, card = holder
    assert (await ada.post(f"/v1/cards/{card}/transactions/purchases", f'{{"amount":{amount}}}'.encode())).status == 201


async def test_the_body_may_have_65536_bytes_and_not_one_more_however_it_is_sent(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    path = f"/v1/cards/{card}/transactions/purchases"
    exact = b'{"amount":1,"x":"' + b"y" * (65_536 - 19) + b'"}'
    assert len(exact) == 65_536
    assert (await ada.post(path, exact)).status == 201
    assert (await ada.post(path, exact + b" ")).code == "PAYLOAD_TOO_LARGE"

    async def chunks() -> Any:
        for _ in range(70):
            yield b" " * 1_000

    headers = {"authorization": f"Bearer {ada.access_token}", "idempotency-key": "chunked"}
    assert (await world.http.post(path, content=chunks(), headers=headers)).status_code == 413


async def test_a_body_is_json_whatever_its_content_type(holder: tuple[Person, str]) -> None:
    ada, card = holder
    path = f"/v1/cards/{card}/transactions/purchases"
    assert (await ada.post(path, b'{"amount":1}', content_type="text/plain")).status == 201


async def test_an_integer_may_be_written_with_a_zero_fraction_and_nothing_else(world: World) -> None:
    operator, somebody = await world.operator(), await world.person()
    path = f"/v1/admin/users/{somebody.ecosystem_id}/score"
    assert (await operator.call("PATCH", path, b'{"score":650.0,"reason":"r"}')).body["user"]["currentScore"] == 650
    for bad in (b"650.5", b'"650"', b"true", b"null", b"1001", b"-1", b"1e99"):
        assert (await operator.call("PATCH", path, b'{"score":' + bad + b',"reason":"r"}')).status == 400


async def test_a_request_past_its_deadline_is_503_with_retry_after(stage: Stage, holder: tuple[Person, str]) -> None:
    never = asyncio.Event()

    async def stuck() -> Any:
        yield b"{"
        await never.wait()

    ada, card = holder
    async with open_world(stage, request_timeout_seconds=0.2) as impatient:
        headers = {"authorization": f"Bearer {ada.access_token}", "idempotency-key": "slow"}
        reply = await impatient.http.post(f"/v1/cards/{card}/transactions/purchases", content=stuck(), headers=headers)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
