"""Paths, methods and ids of the hostile kind, §1.1, §1.5 and §2.1."""

from collections.abc import Mapping

import pytest

from tests.contract.seeds import seed_card
from tests.world import Person, World

READS = [
    "/v1/cards/{id}",
    "/v1/cards/requests/{id}",
    "/v1/cards/{id}/transactions",
    "/v1/admin/users/{id}",
    "/v1/admin/users/{id}/score",
]
COMMANDS: Mapping[str, object] = {
    "/v1/cards/{id}/transactions/purchases": {"amount": 1},
    "/v1/cards/{id}/transactions/payments": {"amount": 1},
    "/v1/cards/{id}/cancel": {"reason": "r"},
    "/v1/admin/users/{id}/disable": {"reason": "r"},
    "/v1/admin/users/{id}/enable": {"reason": "r"},
    "/v1/admin/card-requests/{id}/approve": {"creditLimit": 500},
    "/v1/admin/card-requests/{id}/reject": {"reason": "r"},
    "/v1/admin/cards/{id}/{id}/suspend": {"reason": "r"},
    "/v1/admin/cards/{id}/{id}/reactivate": {"reason": "r"},
    "/v1/admin/cards/{id}/{id}/cancel": {"reason": "r"},
    "/v1/admin/events/{id}/redrive": {},
}
UNKNOWN_IDS = [
    "none",
    "a%2Fb",
    "a%23b",
    "a%3Ab:c",
    "%F0%9F%98%80",
    "%00",
    "%20",
    "%25zz",
    "%2E%2E",
    "a%0Ab",
    "%7B%7D",
    "x" * 512,
    "x" * 513,
    "x" * 600,
    "x" * 4_000,
    "%23" * 512,
    "%25" * 512,
    "%F0%9F%98%80" * 128,
    "%F0%9F%98%80" * 150,
    "a;b=c",
    "a+b",
    "a,b",
    "'%22",
]
GETS = [
    "/health/liveness",
    "/health/readiness",
    "/v1/dashboard",
    "/v1/offers",
    "/v1/cards",
    "/v1/admin/users",
    "/v1/admin/card-requests",
    "/v1/admin/audit-logs?actorId=a",
    "/v1/admin/events",
]


@pytest.fixture(scope="module")
async def operator(world: World) -> Person:
    """An operator, registered."""
    return await world.operator()


@pytest.mark.parametrize("unknown", UNKNOWN_IDS, ids=lambda text: text[:12])
async def test_an_unknown_id_of_any_kind_is_404_on_every_route(operator: Person, unknown: str) -> None:
    for path in READS:
        reply = await operator.get(path.format(id=unknown))
        assert (reply.status, reply.code) == (404, "NOT_FOUND"), path
        assert "Route not found" not in reply.message
    for path, body in COMMANDS.items():
        reply = await operator.post(path.format(id=unknown), body)
        assert (reply.status, reply.code) == (404, "NOT_FOUND"), path
    reply = await operator.call("PATCH", f"/v1/admin/users/{unknown}/score", {"score": 1, "reason": "r"})
    assert (reply.status, reply.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("escape", ["%zz", "%", "a%", "a%2", "%ff", "%C3", "%C3%28", "%ED%A0%80", "%u0041", "%F8%88%80%80%80"])
async def test_a_malformed_escape_is_400_anywhere_in_a_path(world: World, operator: Person, escape: str) -> None:
    for path in (f"/v1/cards/{escape}", f"/v1/admin/users/{escape}/score", f"/v1/admin/{escape}", f"/{escape}"):
        reply = await operator.get(path)
        assert (reply.status, reply.code, reply.headers["content-type"]) == (
            400,
            "VALIDATION_ERROR",
            "application/json; charset=utf-8",
        )
    reply = await operator.post(f"/v1/cards/{escape}/cancel")
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert (await world.call("GET", f"/v1/cards?status={escape}", headers={"authorization": "x"})).status == 401


@pytest.mark.parametrize(
    "query", ["status=%zz", "status=%ff", "type=%00", "status=active&status=x", "&&=", "status", "%ff=%ff", "x" * 4_000]
)
async def test_no_query_breaks_a_list(operator: Person, query: str) -> None:
    assert (await operator.get(f"/v1/cards?{query}")).status in (200, 400)


@pytest.mark.parametrize("card_id", ["Card-1", "a/b", "a#b:c", "é\U0001f600", "user 1", "100%", "requests-1", "..a", "a?b"])
async def test_an_id_with_unusual_characters_is_found_in_its_own_case(world: World, card_id: str) -> None:
    ada = await world.person()
    await seed_card(world, ada, cardId=card_id)
    escaped = "".join(f"%{byte:02x}" for byte in card_id.encode())
    assert (await ada.get(f"/v1/cards/{escaped}")).body["card"]["cardId"] == card_id
    assert (await ada.get(f"/V1/CARDS/{escaped}/Transactions/")).status == 200
    assert (await ada.buy(escaped, 1)).status == 201
    other = "".join(f"%{byte:02x}" for byte in card_id.swapcase().encode())
    assert (await ada.get(f"/v1/cards/{other}")).status == (200 if card_id == card_id.swapcase() else 404)


async def test_the_list_of_requests_is_not_a_route(world: World) -> None:
    ada = await world.person()
    for path in ("/v1/cards/requests", "/v1/cards/requests/", "/V1/Cards/Requests"):
        reply = await ada.get(path)
        assert (reply.status, reply.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v2/cards"),
        ("GET", "/api/v1/dashboard"),
        ("GET", "/v1/admin"),
        ("DELETE", "/v1/cards"),
        ("PUT", "/v1/cards/requests"),
        ("PATCH", "/v1/dashboard"),
        ("POST", "/v1/dashboard"),
        ("GET", "/v1/users"),
        ("POST", "/v1/cards"),
        ("POST", "/v1/cards/c/purchases"),
        ("POST", "/v1/cards/c/payments"),
        ("POST", "/v1/cards/c"),
        ("GET", "/v1/cards//transactions"),
        ("GET", "/v1/cards//"),
        ("GET", "/v1/dashboard//"),
        ("POST", "/health/liveness"),
        ("GET", "/health"),
        ("TRACE", "/v1/cards"),
        ("BREW", "/v1/cards"),
    ],
)
async def test_what_is_no_route_is_404_with_method_and_path_and_without_token(world: World, method: str, path: str) -> None:
    reply = await world.call(method, f"{path}?secret=1&x=%zz", headers={"authorization": "Bearer x"})
    assert (reply.status, reply.code) == (404, "NOT_FOUND")
    assert "Route not found" in reply.message
    assert method in reply.message
    assert path in reply.message
    assert "secret" not in reply.message
    assert "allow" not in reply.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/admin/nothing"),
        ("GET", "/v1/admin/"),
        ("GET", "/V1/ADMIN/users/u/nothing"),
        ("DELETE", "/v1/admin/users"),
        ("POST", "/v1/admin/users"),
        ("GET", "/v1/admin/cleanup"),
        ("PUT", "/v1/admin/users/u/score"),
        ("GET", "/v1/admin/cards/u/c"),
    ],
)
async def test_below_the_operators_prefix_even_nothing_is_401_then_403_then_404(
    world: World, operator: Person, method: str, path: str
) -> None:
    assert (await world.call(method, path)).code == "INVALID_TOKEN"
    assert (await (await world.stranger()).call(method, path)).code == "FORBIDDEN"
    reply = await operator.call(method, path)
    assert (reply.status, reply.code, "Route not found" in reply.message) == (404, "NOT_FOUND", True)


async def test_every_get_answers_head_with_the_same_headers_and_no_body(world: World, operator: Person) -> None:
    ada, card = await world.cardholder()
    request_id = (await (await world.person(430)).ask_for_card()).body["request"]["requestId"]
    mine = [
        f"/v1/cards/{card}",
        f"/v1/cards/{card}/transactions",
        f"/v1/cards/requests/{request_id}",
        "/v1/dashboard",
        "/v1/offers",
    ]
    theirs = [
        *GETS,
        f"/v1/admin/users/{ada.ecosystem_id}",
        f"/v1/admin/users/{ada.ecosystem_id}/score",
        "/v1/nothing",
        "/v1/admin/x",
    ]
    for person, paths in ((ada, mine), (operator, theirs)):
        headers = {"authorization": f"Bearer {person.access_token}", "x-request-id": "same"}
        for path in paths:
            get, head = await world.http.get(path, headers=headers), await world.http.head(path, headers=headers)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert set(head.headers) == set(get.headers), path
            assert head.headers["content-type"] == get.headers["content-type"]


async def test_a_head_of_what_only_takes_a_post_is_404(world: World, operator: Person) -> None:
    for path in ("/v1/users", "/v1/cards/requests", "/v1/cards/c/cancel", "/v1/admin/cleanup"):
        response = await world.http.head(path, headers={"authorization": f"Bearer {operator.access_token}"})
        assert (response.status_code, response.content) == (404, b"")


async def test_literals_in_any_case_and_one_trailing_slash_reach_commands_too(world: World) -> None:
    ada, card = await world.cardholder()
    assert (await ada.post("/V1/USERS/", {})).status == 200
    assert (await ada.post(f"/v1/CARDS/{card}/Transactions/PURCHASES/", {"amount": 5})).status == 201
    assert (await ada.post(f"/v1/cards/{card}/transactions/Payments", {"amount": 5})).status == 201
    assert (await ada.post(f"/v1/cards/{card.upper()}/cancel")).status == 404
    assert (await ada.post(f"/v1/cards/{card}/CANCEL/")).status == 200
    operator = await world.operator()
    assert (await operator.get("/V1/Admin/Users/")).status == 200
    assert (await operator.get(f"/v1/admin/users/{ada.ecosystem_id.upper()}/SCORE")).status == 404
    assert (await world.call("GET", "/HEALTH/Liveness/")).status == 200


async def test_an_operation_is_the_same_however_its_path_is_spelt(world: World) -> None:
    ada, card = await world.cardholder()
    assert (await ada.post(f"/v1/cards/{card}/transactions/purchases", {"amount": 5}, key="spelt")).status == 201
    escaped = "".join(f"%{byte:02X}" for byte in card.encode())
    reply = await ada.post(f"/V1/Cards/{escaped}/transactions/PURCHASES/", {"amount": 5}, key="spelt")
    assert (reply.status, reply.headers["idempotent-replayed"]) == (200, "true")


async def test_two_ids_never_melt_into_one_operation(world: World, operator: Person) -> None:
    ada = Person(world, "s", "e", "", "", ecosystem_id="a")
    bob = Person(world, "s", "e", "", "", ecosystem_id="a/b")
    await seed_card(world, ada, cardId="b/c")
    await seed_card(world, bob, cardId="c")
    first = await operator.post("/v1/admin/cards/a/b%2Fc/suspend", {"reason": "r"}, key="melt")
    second = await operator.post("/v1/admin/cards/a%2Fb/c/suspend", {"reason": "r"}, key="melt")
    assert first.status == 200
    assert (second.status, second.code) == (409, "REQUEST_ALREADY_PROCESSED")


async def test_an_operators_card_command_replays_whatever_its_ids_hold(world: World, operator: Person) -> None:
    owner = Person(world, "s", "e", "", "", ecosystem_id="o#%/1")
    card_id = await seed_card(world, owner, cardId="k:%2F")
    path = "/v1/admin/cards/o%23%25%2F1/k%3A%252F/suspend"
    first, again = [await operator.post(path, {"reason": "r"}, key="odd ids") for _ in range(2)]
    assert (first.status, first.body["card"]["cardId"]) == (200, card_id)
    assert (again.body, again.headers["idempotent-replayed"]) == (first.body, "true")
