"""People: registering (§2.3) and the operators' pages of them (§2.8)."""

import asyncio
from dataclasses import replace

import pytest

from tazco.audit.store import AUDIT_LOGS
from tazco.users.store import USERS
from tests.contract.seeds import ago, events, plain, row, seed_card, seed_request, seed_user
from tests.contract.test_cards import DETAIL_KEYS
from tests.contract.test_transactions import walk
from tests.stage import Stage
from tests.world import Person, World, open_world

USER_KEYS = {
    "ecosystemId",
    "firebaseUid",
    "email",
    "role",
    "status",
    "currentScore",
    "tier",
    "createdAt",
    "updatedAt",
    "lastLoginAt",
}
REQUEST_KEYS = {
    "requestId",
    "user",
    "scoreAtRequest",
    "currentScore",
    "tierAtRequest",
    "daysPending",
    "requiresAttention",
    "productId",
    "status",
    "createdAt",
}


async def audit_of(world: World, target_id: str) -> list[dict[str, object]]:
    """The raw audit entries about a target, oldest first."""
    found = [plain(item) for item in await world.rows(AUDIT_LOGS) if item["targetId"]["S"] == target_id]
    return sorted(found, key=lambda each: str(each["timestampLogId"]))


def with_id_token(person: Person) -> Person:
    """The same person, who sends the ID token."""
    person.access_token = person.id_token
    return person


async def test_the_first_sign_in_creates_and_the_next_does_not(world: World) -> None:
    ada = await world.stranger()
    first = await ada.register()
    assert (first.status, first.body["created"], set(first.body["user"])) == (201, True, USER_KEYS)
    user = first.body["user"]
    assert (user["ecosystemId"], user["firebaseUid"], user["email"]) == (ada.subject, ada.subject, ada.email)
    assert (user["currentScore"], user["tier"], user["status"], user["role"]) == (500, "medium", "active", "user")
    assert (await ada.get("/v1/dashboard")).status == 200
    again = await ada.post("/v1/users", {})
    assert (again.status, again.body["created"]) == (200, False)
    assert again.body["user"]["lastLoginAt"] > user["lastLoginAt"]
    assert again.body["user"]["updatedAt"] == user["updatedAt"]
    assert [each["eventType"] for each in await events(world, ada.subject)] == ["user.created"]


async def test_no_key_is_needed_and_the_body_may_be_missing(world: World) -> None:
    ada = with_id_token(await world.stranger())
    assert (await ada.post("/v1/users", key="")).status == 201
    assert (await ada.post("/v1/users", key="")).status == 200


@pytest.mark.parametrize("email", ["", "  ", None])
async def test_an_access_token_needs_the_email_in_the_body(world: World, email: str | None) -> None:
    ada = await world.stranger()
    reply = await ada.post("/v1/users", {"email": email})
    assert (reply.status, reply.code, "email" in reply.message) == (400, "VALIDATION_ERROR", True)
    assert (await ada.post("/v1/users", {})).status == 400


@pytest.mark.parametrize("email", ["nobody", "a@" + "x" * 253, 5, True, ["a@b"]])
async def test_a_bad_email_is_refused(world: World, email: object) -> None:
    ada = await world.stranger()
    assert (await ada.post("/v1/users", {"email": email})).status == 400


async def test_the_id_tokens_email_wins_and_a_differing_one_is_refused(world: World) -> None:
    ada = with_id_token(await world.stranger())
    assert (await ada.post("/v1/users", {"email": "else@example.com"})).status == 400
    reply = await ada.post("/v1/users", {"email": f" {ada.email} "})
    assert (reply.status, reply.body["user"]["email"]) == (201, ada.email)
    assert (await ada.post("/v1/users", {"email": "else@example.com"})).status == 200


async def test_the_id_tokens_ecosystem_id_names_the_person_and_is_ignored_later(world: World) -> None:
    claimed = f"eco-{(await world.operator()).subject}"
    ada = await world.stranger(attributes={"custom:ecosystemId": claimed})
    access = ada.access_token
    reply = await with_id_token(ada).register()
    assert (reply.status, reply.body["user"]["ecosystemId"], reply.body["user"]["firebaseUid"]) == (201, claimed, ada.subject)
    ada.access_token = access
    assert (await ada.get("/v1/dashboard")).body["user"]["ecosystemId"] == claimed
    assert (await ada.post("/v1/users", {})).body["user"]["ecosystemId"] == claimed


async def test_a_claim_on_someone_elses_id_is_forbidden_and_changes_nothing(world: World) -> None:
    ada = await world.person()
    thief = with_id_token(await world.stranger(attributes={"custom:ecosystemId": ada.ecosystem_id}))
    before = await row(world, USERS, ada.ecosystem_id)
    reply = await thief.post("/v1/users", {})
    assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert await row(world, USERS, ada.ecosystem_id) == before


async def test_an_access_tokens_registration_is_not_renamed_by_a_later_id_token(world: World) -> None:
    ada = await world.stranger(attributes={"custom:ecosystemId": "eco-late"})
    await ada.register()
    reply = await with_id_token(ada).post("/v1/users", {})
    assert (reply.status, reply.body["user"]["ecosystemId"]) == (200, ada.subject)
    assert await row(world, USERS, "eco-late") == {}


async def test_an_id_token_refreshes_email_and_role_and_only_that_moves_updated_at(world: World) -> None:
    ada = await world.stranger(admin=True)
    await seed_user(world, ecosystemId="eco-old", firebaseUid=ada.subject, email="old@example.com")
    reply = await ada.post("/v1/users", {})
    assert (reply.status, reply.body["user"]["role"], reply.body["user"]["email"]) == (200, "admin", "old@example.com")
    assert (reply.body["user"]["ecosystemId"], reply.body["user"]["updatedAt"]) == ("eco-old", reply.body["user"]["lastLoginAt"])
    again = await with_id_token(ada).post("/v1/users", {})
    assert again.body["user"]["email"] == ada.email
    assert again.body["user"]["updatedAt"] > reply.body["user"]["updatedAt"]


async def test_of_parallel_registrations_one_creates(world: World) -> None:
    ada = await world.stranger()
    replies = await asyncio.gather(*(ada.post("/v1/users", {"email": ada.email}) for _ in range(12)))
    assert sorted(reply.status for reply in replies) == [200] * 11 + [201]
    mine = [item for item in await world.rows(USERS) if item["firebaseUid"]["S"] == ada.subject]
    assert len(mine) == 1


async def test_parallel_registrations_under_two_ids_in_two_processes_make_one_person(world: World, stage: Stage) -> None:
    async with open_world(stage) as second:
        for number in range(4):
            ada = await world.stranger(attributes={"custom:ecosystemId": f"eco-race-{number}"})
            other = replace(ada, world=second, access_token=ada.id_token)
            replies = await asyncio.gather(*(each.post("/v1/users", {"email": ada.email}) for each in (ada, other) * 2))
            assert sorted(reply.status for reply in replies) == [200, 200, 200, 201]
            assert len({reply.body["user"]["ecosystemId"] for reply in replies}) == 1
            assert sum(item["firebaseUid"]["S"] == ada.subject for item in await world.rows(USERS)) == 1


async def test_the_list_shows_everybody_once_in_a_stable_order(world: World) -> None:
    operator = await world.operator()
    await asyncio.gather(*(seed_user(world) for _ in range(7)))
    pages = await walk(operator, "/v1/admin/users", "users", 3)
    ids = [user["ecosystemId"] for page in pages for user in page]
    assert sorted(ids) == sorted(item["ecosystemId"]["S"] for item in await world.rows(USERS))
    assert {len(page) for page in pages[:-1]} == {3}
    again = await walk(operator, "/v1/admin/users", "users", 100)
    assert [user["ecosystemId"] for page in again for user in page] == ids


async def test_one_person_with_cards_in_full_and_pending_requests(world: World) -> None:
    operator, (ada, card_id) = await world.operator(), await world.cardholder()
    waiting = await seed_request(world, ada.ecosystem_id, createdAt=ago(world, days=8, hours=1))
    await seed_request(world, ada.ecosystem_id, status="rejected", statusShard="rejected#1")
    body = (await operator.get(f"/v1/admin/users/{ada.ecosystem_id}")).body
    assert set(body) == {"user", "cards", "pendingRequests"}
    assert set(body["user"]) == USER_KEYS
    assert [(card["cardId"], set(card)) for card in body["cards"]] == [(card_id, DETAIL_KEYS)]
    (request,) = body["pendingRequests"]
    assert set(request) == REQUEST_KEYS
    assert (request["requestId"], request["daysPending"], request["requiresAttention"]) == (waiting, 8, True)
    assert request["user"] == {"ecosystemId": ada.ecosystem_id, "email": ada.email}


async def test_a_seeded_tier_is_never_trusted(world: World) -> None:
    operator = await world.operator()
    ecosystem_id = await seed_user(world, tier="low", currentScore=500)
    assert (await operator.get(f"/v1/admin/users/{ecosystem_id}")).body["user"]["tier"] == "medium"
    assert (await operator.get(f"/v1/admin/users/{ecosystem_id}/score")).body["user"]["tier"] == "medium"


async def test_nobody_but_operators_sees_people_whatever_a_stored_role_says(world: World) -> None:
    ada = await world.stranger(attributes={"custom:role": "admin"})
    await seed_user(world, ecosystemId="eco-role", firebaseUid=ada.subject, role="admin")
    for person in (ada, with_id_token(await world.stranger(attributes={"custom:role": "admin"}))):
        for path in ("/v1/admin/users", "/v1/admin/users/eco-role", "/v1/admin/nothing"):
            reply = await person.get(path)
            assert (reply.status, reply.code) == (403, "FORBIDDEN")


async def test_an_unregistered_operator_may_act_under_the_subject(world: World) -> None:
    operator, ada = await world.stranger(admin=True), await world.person()
    reply = await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "x"})
    assert reply.status == 200
    (entry,) = await audit_of(world, ada.ecosystem_id)
    assert (entry["actorId"], entry["adminEmail"]) == (operator.subject, "unknown")
    assert (await operator.get("/v1/admin/nothing")).code == "NOT_FOUND"


async def test_disabling_shuts_out_and_enabling_lets_in(world: World) -> None:
    operator, ada = await world.operator(), await world.person()
    disabled = await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": " x "})
    assert (disabled.status, disabled.body["user"]["status"]) == (200, "disabled")
    for reply in (await ada.ask_for_card(), await ada.post("/v1/users", {})):
        assert (reply.status, reply.code) == (403, "ACCOUNT_DISABLED")
    world.clock.pass_time(seconds=11)
    for path in ("/v1/dashboard", "/v1/cards", "/v1/admin/users"):
        assert (await ada.get(path)).code == "ACCOUNT_DISABLED"
    enabled = await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/enable", {"reason": "y"})
    assert enabled.body["user"]["status"] == "active"
    world.clock.pass_time(seconds=11)
    assert (await ada.ask_for_card()).status == 201
    entries = await audit_of(world, ada.ecosystem_id)
    assert [(each["action"], each["reason"], each["previousValue"], each["newValue"]) for each in entries] == [
        ("user.disabled", "x", '{"status":"active"}', '{"status":"disabled"}'),
        ("user.enabled", "y", '{"status":"disabled"}', '{"status":"active"}'),
    ]


async def test_a_disabled_person_gets_403_and_no_replay(world: World) -> None:
    operator, (ada, card_id) = await world.operator(), await world.cardholder()
    assert (await ada.buy(card_id, 5, key="k")).status == 201
    await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", {"reason": "x"})
    reply = await ada.buy(card_id, 5, key="k")
    assert (reply.status, reply.code) == (403, "ACCOUNT_DISABLED")


async def test_the_same_state_changes_nothing_and_is_no_deed(world: World) -> None:
    operator, ada = await world.operator(), await world.person()
    before = await row(world, USERS, ada.ecosystem_id)
    reply = await operator.post(f"/v1/admin/users/{ada.ecosystem_id}/enable", {"reason": "x"})
    assert (reply.status, reply.body["user"]["updatedAt"]) == (200, before["updatedAt"])
    assert await row(world, USERS, ada.ecosystem_id) == before
    assert await audit_of(world, ada.ecosystem_id) == []


async def test_nobody_disables_themselves_and_nobody_unknown(world: World) -> None:
    operator = await world.operator()
    for step in ("disable", "enable"):
        own = await operator.post(f"/v1/admin/users/{operator.ecosystem_id}/{step}", {"reason": "x"})
        assert (own.status, own.code) == (400, "VALIDATION_ERROR")
        missing = await operator.post(f"/v1/admin/users/nobody/{step}", {"reason": "x"})
        assert (missing.status, missing.code) == (404, "NOT_FOUND")
    for path in ("/v1/admin/users/nobody", "/v1/admin/users/nobody/score"):
        assert (await operator.get(path)).code == "NOT_FOUND"


@pytest.mark.parametrize("reason", [None, "", "  ", "x" * 501, 5])
async def test_every_admin_body_needs_a_reason_of_1_to_500_characters(world: World, reason: object) -> None:
    operator = await world.operator()
    for path in (
        "/v1/admin/users/nobody/disable",
        "/v1/admin/users/nobody/enable",
        "/v1/admin/cards/nobody/nothing/suspend",
        "/v1/admin/cards/nobody/nothing/reactivate",
        "/v1/admin/cards/nobody/nothing/cancel",
        "/v1/admin/card-requests/nothing/reject",
    ):
        assert "Idempotency-Key" in (await operator.post(path, {"reason": reason}, key="")).message
        assert "Idempotency-Key" in (await operator.post(path, {"reason": reason}, key="k" * 256)).message
        reply = await operator.post(path, {"reason": reason}, key="k" * 255)
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR"), path
        assert (await operator.post(path, {"reason": "."}, key="k" * 255)).status == 404, path


async def test_a_seeded_person_without_version_can_be_disabled_and_counts_from_1(world: World) -> None:
    operator = await world.operator()
    ecosystem_id = await seed_user(world, tier="low")
    assert (await operator.post(f"/v1/admin/users/{ecosystem_id}/disable", {"reason": "x"})).status == 200
    stored = await row(world, USERS, ecosystem_id)
    assert (stored["status"], stored["version"], stored["email"]) == ("disabled", 1, f"{ecosystem_id}@example.com")


async def test_a_sparse_row_is_readable_and_writable(world: World) -> None:
    operator = await world.operator()
    await seed_user(world, ecosystemId="sparse", email=None, role=None, status=None, tier=None, createdAt=None, updatedAt=None)
    reply = await operator.get("/v1/admin/users/sparse")
    assert (reply.status, reply.body["user"]["status"], reply.body["user"]["currentScore"]) == (200, "active", 500)
    assert (await operator.post("/v1/admin/users/sparse/disable", {"reason": "x"})).status == 200


async def test_ids_with_special_characters_are_found(world: World) -> None:
    operator = await world.operator()
    person = Person(world, "s", "e", "", "", ecosystem_id="user#1:a/b")
    await seed_user(world, ecosystemId=person.ecosystem_id)
    card_id = await seed_card(world, person, cardId="c#1/2")
    path = "/v1/admin/cards/user%231%3Aa%2Fb/c%231%2F2/suspend"
    assert (await operator.post(path, {"reason": "x"})).body["card"]["cardId"] == card_id
    assert (await operator.get("/v1/admin/users/user%231%3Aa%2Fb")).body["cards"][0]["status"] == "suspended"
