"""Hostile bodies on every command, §1.4: malformed input is 400, never 5xx, and never quoted."""

import json
from typing import Any

import httpx
import pytest

from tests.world import Person, World

NOTES = b'{"amount":5,"productId":"p","creditLimit":500,"score":500,"reason":"r","email":"a@b","confirmationToken":"t",'
PARTS = [
    b'"note":NaN',
    b'"note":-Infinity',
    b'"note":' + b"7" * 5_000,
    b'"note":1e99999999999999999999999',
    b'"note":.5',
    b'"note":01',
]
MALFORMED = [
    b"[]",
    b"[{}]",
    b'"{}"',
    b"5",
    b"true",
    b"null",
    b"{",
    b"{}{}",
    b"{'amount':5}",
    b'{"amount":5,}',
    b'{"amount":5}//',
    b"[" * 60_000,
    b'{"a":' * 12_000,
    b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    b"\xef\xbb\xbf{}",
    b'{"amount":"\xff"}',
    b'{"amount":"\xed\xa0\x80"}',
    b'{"amount":5\x00}',
    b'{"reason":"a\nb"}',
    '{"amount":5}'.encode("utf-16"),
    *(NOTES + part + b"}" for part in PARTS),
]
COMMANDS = [
    ("POST", "/v1/users"),
    ("POST", "/v1/cards/requests"),
    ("POST", "/v1/cards/c/transactions/purchases"),
    ("POST", "/v1/cards/c/transactions/payments"),
    ("POST", "/v1/cards/c/cancel"),
    ("POST", "/v1/admin/users/u/disable"),
    ("POST", "/v1/admin/users/u/enable"),
    ("PATCH", "/v1/admin/users/u/score"),
    ("POST", "/v1/admin/card-requests/r/approve"),
    ("POST", "/v1/admin/card-requests/r/reject"),
    ("POST", "/v1/admin/cards/u/c/suspend"),
    ("POST", "/v1/admin/cards/u/c/reactivate"),
    ("POST", "/v1/admin/cards/u/c/cancel"),
    ("POST", "/v1/admin/cleanup"),
]
BODYLESS = {"/v1/users", "/v1/cards/c/cancel", "/v1/admin/cleanup"}


@pytest.fixture(scope="module")
async def operator(world: World) -> Person:
    """An operator, registered."""
    return await world.operator()


@pytest.fixture(scope="module")
async def holder(world: World) -> tuple[Person, str]:
    """Somebody with a card."""
    return await world.cardholder()


@pytest.mark.parametrize(("method", "path"), COMMANDS)
async def test_no_command_takes_a_malformed_body_or_quotes_it(operator: Person, method: str, path: str) -> None:
    for body in MALFORMED:
        reply = await operator.call(method, path, body)
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR"), body[:40]
        assert len(reply.message) < 200
        assert "7777" not in reply.message


@pytest.mark.parametrize(("method", "path"), COMMANDS)
async def test_a_body_of_65537_bytes_is_413_on_every_command(operator: Person, method: str, path: str) -> None:
    reply = await operator.call(method, path, b"{}" + b" " * 65_535)
    assert (reply.status, reply.code) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(("method", "path"), [command for command in COMMANDS if command[1] not in BODYLESS])
async def test_a_missing_or_blank_body_is_400_where_one_is_needed(operator: Person, method: str, path: str) -> None:
    for body in (None, b"", b" \r\n"):
        assert (await operator.call(method, path, body)).status == 400


async def test_where_a_body_may_be_missing_it_may_also_be_blank_or_empty(world: World, holder: tuple[Person, str]) -> None:
    ada, _ = holder
    for body in (None, b"", b" \n", b"{}"):
        assert (await ada.post("/v1/users", body)).status == 200
        assert (await ada.post("/v1/cards/nothing/cancel", body)).status == 404
        assert (await (await world.operator()).post("/v1/admin/cleanup", body)).body["confirmationToken"]


async def test_a_null_is_no_amount_but_an_ignored_field_may_be_anything(holder: tuple[Person, str]) -> None:
    ada, card = holder
    path = f"/v1/cards/{card}/transactions/purchases"
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    anything: list[Any] = [None, True, {"amount": "x"}, "\ud800", "\x00", 1e300, deep, []]
    for ignored in anything:
        body = json.dumps({"amount": 0.01, "category": ignored, "\ud800": 1}).encode()
        assert (await ada.post(path, body)).status == 201, ignored


async def test_names_are_exact(holder: tuple[Person, str]) -> None:
    ada, card = holder
    for name in ("Amount", "amount ", "AMOUNT", "amount\\u0000"):
        reply = await ada.post(f"/v1/cards/{card}/transactions/payments", f'{{"{name}":1}}'.encode())
        assert (reply.status, "amount" in reply.message) == (400, True)


async def test_a_name_that_occurs_twice_has_one_meaning_and_is_no_fault_of_ours(holder: tuple[Person, str]) -> None:
    ada, card = holder
    path, key = f"/v1/cards/{card}/transactions/purchases", "twice"
    first = await ada.post(path, b'{"amount":1,"amount":2}', key=key)
    assert first.status in (201, 400)
    if first.status == 201:
        assert first.body["transaction"]["amount"] == 2
        assert (await ada.post(path, b'{"amount":2}', key=key)).status == 200


async def test_the_largest_amount_is_an_amount_and_a_cent_more_is_not(holder: tuple[Person, str]) -> None:
    ada, card = holder
    path = f"/v1/cards/{card}/transactions/purchases"
    assert (await ada.post(path, b'{"amount":999999999.99}')).code == "INSUFFICIENT_CREDIT"
    for literal in (
        "1000000000",
        "1e9",
        "1000000000.00",
        "999999999.991",
        "9" * 4_000,
        "1." + "0" * 2_000,
        "0." + "0" * 5_000 + "1",
    ):
        reply = await ada.post(path, f'{{"amount":{literal}}}'.encode())
        assert (reply.status, reply.code, "amount" in reply.message) == (400, "VALIDATION_ERROR", True), literal[:20]


@pytest.mark.parametrize("text", ["\\ud800", "a\\udfffb", "\\udc00\\ud800"])
async def test_half_a_character_is_400_wherever_a_text_is_kept(
    world: World, operator: Person, holder: tuple[Person, str], text: str
) -> None:
    ada, card = holder
    stranger = await world.stranger()
    for person, method, path, body in (
        (stranger, "POST", "/v1/users", f'{{"email":"{text}@x"}}'),
        (ada, "POST", "/v1/cards/requests", f'{{"productId":"{text}"}}'),
        (ada, "POST", f"/v1/cards/{card}/transactions/purchases", f'{{"amount":1,"merchant":"{text}"}}'),
        (ada, "POST", f"/v1/cards/{card}/cancel", f'{{"reason":"{text}"}}'),
        (operator, "POST", "/v1/admin/users/u/disable", f'{{"reason":"{text}"}}'),
        (operator, "PATCH", "/v1/admin/users/u/score", f'{{"score":1,"reason":"{text}"}}'),
        (operator, "POST", "/v1/admin/card-requests/r/reject", f'{{"reason":"{text}"}}'),
        (operator, "POST", "/v1/admin/cleanup", f'{{"confirmationToken":"{text}"}}'),
    ):
        reply = await person.call(method, path, body.encode())
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR"), path


async def test_unusual_characters_come_back_as_they_were_sent(holder: tuple[Person, str]) -> None:
    ada, card = holder
    path = f"/v1/cards/{card}/transactions/purchases"
    for merchant in ("a\x00b", "\U0001f600", "\u202eevil", "a\u2028b", '"\\/', "<script>", "e\u0301"):
        reply = await ada.post(path, {"amount": 0.01, "merchant": merchant})
        assert (reply.status, reply.body["transaction"]["merchant"]) == (201, merchant)
    listed = (await ada.get(f"/v1/cards/{card}/transactions?limit=1")).body["transactions"]
    assert listed[0]["merchant"] == "e\u0301"


@pytest.mark.parametrize("score", ["650.0", "6.5e2", "0", "0.0", "1000", "1000.000"])
async def test_a_whole_number_counts_by_value(world: World, operator: Person, score: str) -> None:
    ada = await world.person()
    reply = await operator.call("PATCH", f"/v1/admin/users/{ada.ecosystem_id}/score", f'{{"score":{score},"reason":"r"}}'.encode())
    assert (reply.status, reply.body["user"]["currentScore"]) == (200, float(score))


@pytest.mark.parametrize("score", ["1e999999999", "1e-999999999", "-1e-9", "9" * 4_000, "1000.5", "[]", "{}", '"1"', "false"])
async def test_what_is_no_score_is_400_at_once(operator: Person, score: str) -> None:
    reply = await operator.call("PATCH", "/v1/admin/users/u/score", f'{{"score":{score},"reason":"r"}}'.encode())
    assert (reply.status, reply.code, "score" in reply.message) == (400, "VALIDATION_ERROR", True)


@pytest.mark.parametrize("limit", ["1e999999999", "1e-999999999", "100.001", "-0", "-0.0", "9" * 4_000, "[]", '"500"', "true"])
async def test_what_is_no_limit_is_400_at_once(operator: Person, limit: str) -> None:
    reply = await operator.post("/v1/admin/card-requests/r/approve", f'{{"creditLimit":{limit}}}'.encode())
    assert (reply.status, reply.code, "creditLimit" in reply.message) == (400, "VALIDATION_ERROR", True)


@pytest.mark.parametrize("value", ["5", "null", "[]", "{}", "true", '""', '" "'])
async def test_a_reason_is_a_text_that_says_something(operator: Person, value: str) -> None:
    reply = await operator.post("/v1/admin/users/u/disable", f'{{"reason":{value}}}'.encode())
    assert (reply.status, reply.code, "reason" in reply.message) == (400, "VALIDATION_ERROR", True)


async def test_a_body_in_chunks_without_a_length_is_read_whole(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder

    async def chunks() -> Any:
        for byte in b'{"amount":0.01,"merchant":"Slow"}':
            yield bytes([byte])

    headers = {"authorization": f"Bearer {ada.access_token}", "idempotency-key": "byte by byte"}
    reply = await world.http.post(f"/v1/cards/{card}/transactions/purchases", content=chunks(), headers=headers)
    assert reply.request.headers.get("content-length") is None
    assert (reply.status_code, reply.json()["transaction"]["merchant"]) == (201, "Slow")


@pytest.mark.parametrize(
    "content_type", ["", "application/xml", "multipart/form-data; boundary=x", "application/json; charset=latin-1"]
)
async def test_it_is_json_and_utf_8_whatever_the_content_type_says(holder: tuple[Person, str], content_type: str) -> None:
    ada, card = holder
    body = '{"amount":0.01,"merchant":"São"}'.encode()
    reply = await ada.post(f"/v1/cards/{card}/transactions/purchases", body, content_type=content_type)
    assert (reply.status, reply.body["transaction"]["merchant"]) == (201, "São")


async def test_a_caller_who_leaves_in_the_middle_of_a_body_is_no_fault_of_ours(world: World, holder: tuple[Person, str]) -> None:
    ada, card = holder
    transport = world.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    received = iter([{"type": "http.request", "body": b'{"amount":1', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"authorization": f"Bearer {ada.access_token}", "idempotency-key": "gone"}
    path = f"/v1/cards/{card}/transactions/purchases"
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    await transport.app(scope, receive, send)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("limit", ["50000", "99.99", "0", "-5", "1e9", "1e99", "500.001", '"500"', "null", "true"])
async def test_every_refused_limit_speaks_of_the_policy_or_operators_never_see_why(operator: Person, limit: str) -> None:
    reply = await operator.post("/v1/admin/card-requests/r/approve", f'{{"creditLimit":{limit}}}'.encode())
    assert (reply.status, "policy" in reply.message) == (400, True), reply.message


@pytest.mark.parametrize("amount", ["9e99", "-0.0", "0.001", "1e-5", "0", '"5"'])
async def test_what_is_wrong_with_an_amount_is_said_in_a_whole_sentence(holder: tuple[Person, str], amount: str) -> None:
    ada, card = holder
    reply = await ada.post(f"/v1/cards/{card}/transactions/payments", f'{{"amount":{amount}}}'.encode())
    assert reply.message.startswith("amount must be ")
    assert ": it " not in reply.message or ": it is " in reply.message or ": it has " in reply.message
