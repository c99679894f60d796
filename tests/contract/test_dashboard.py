"""GET /v1/dashboard, §2.4."""

import re
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

from tazco.kernel.clock import from_text, to_text
from tests.contract.seeds import TIMESTAMP, seed_card, seed_request, seed_user
from tests.world import Person, World

SUMMARY_KEYS = {
    "cardId",
    "type",
    "status",
    "limit",
    "balance",
    "availableCredit",
    "minimumPayment",
    "nearLimit",
    "nextDueDate",
}


async def rejected_request(world: World, person: Person) -> str:
    """Ask for a card and be turned down."""
    request_id = str((await person.ask_for_card()).body["request"]["requestId"])
    operator = await world.operator()
    assert (await operator.post(f"/v1/admin/card-requests/{request_id}/reject", {"reason": "no"})).status == 200
    return request_id


async def test_a_newcomer_sees_score_tier_and_what_to_do_next(world: World) -> None:
    ada = await world.person()
    reply = await ada.get("/v1/dashboard")
    assert reply.status == 200
    assert set(reply.body) == {"user", "cards", "pendingRequests", "suggestedActions", "lastUpdated"}
    assert reply.body["user"] == {
        "ecosystemId": ada.ecosystem_id,
        "email": ada.email,
        "score": 500,
        "tier": "medium",
        "status": "active",
    }
    assert (reply.body["cards"], reply.body["pendingRequests"]) == ([], [])
    (action,) = reply.body["suggestedActions"]
    assert (set(action), action["type"], action["link"]) == ({"type", "message", "link"}, "apply_for_card", "/v1/offers")
    assert re.fullmatch(TIMESTAMP, reply.body["lastUpdated"])
    assert reply.headers["cache-control"] == "private, no-cache"
    assert reply.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_pending_request_shows_and_silences_the_suggestion(world: World) -> None:
    ada = await world.person()
    asked = await ada.ask_for_card("prod-standard")
    body = (await ada.get("/v1/dashboard")).body
    (waiting,) = body["pendingRequests"]
    assert waiting.pop("submittedAt") == body["lastUpdated"]
    assert waiting == {
        "requestId": asked.body["request"]["requestId"],
        "productId": "prod-standard",
        "status": "pending",
        "estimatedReviewTime": "1-2 business days",
    }
    assert "suggestedActions" not in body


async def test_all_cards_show_newest_first_and_a_cancelled_one_silences_the_suggestion_too(world: World) -> None:
    ada, first = await world.cardholder()
    assert (await ada.post(f"/v1/cards/{first}/cancel")).status == 200
    body = (await ada.get("/v1/dashboard")).body
    assert [card["status"] for card in body["cards"]] == ["cancelled"]
    assert "suggestedActions" not in body
    second = (await ada.ask_for_card()).body["request"]["card"]["cardId"]
    cards = (await ada.get("/v1/dashboard")).body["cards"]
    assert [card["cardId"] for card in cards] == [second, first]
    assert all(set(card) == SUMMARY_KEYS for card in cards)


async def test_someone_unregistered_gets_404(world: World) -> None:
    stranger = await world.stranger()
    reply = await stranger.get("/v1/dashboard")
    assert (reply.status, reply.code) == (404, "NOT_FOUND")


async def test_a_claim_makes_nobody_of_someone_unregistered(world: World) -> None:
    seeded = await seed_user(world)
    stranger = await world.stranger(attributes={"custom:ecosystemId": seeded})
    stranger.access_token = stranger.id_token
    assert (await stranger.get("/v1/dashboard")).status == 404
    assert (await stranger.get("/v1/cards")).body["cards"] == []


async def test_the_tag_is_strong_and_changes_with_the_body(world: World) -> None:
    ada, card_id = await world.cardholder()
    first = (await ada.get("/v1/dashboard")).headers["etag"]
    assert re.fullmatch(r'"[^"]+"', first)
    assert (await ada.get("/v1/dashboard")).headers["etag"] == first
    assert (await ada.buy(card_id, 5)).status == 201
    assert (await ada.get("/v1/dashboard")).headers["etag"] != first


async def test_a_known_tag_gets_304_with_its_three_headers_and_no_body(world: World) -> None:
    ada = await world.person()
    full = await ada.get("/v1/dashboard")
    etag = full.headers["etag"]
    for sent in (etag, f"W/{etag}", f'"other", {etag}', f'W/"other",W/{etag}', "*"):
        reply = await ada.get("/v1/dashboard", if_none_match=sent, x_request_id="check-1")
        assert (reply.status, reply.body) == (304, None), sent
        assert reply.headers["etag"] == etag
        assert reply.headers["last-modified"] == full.headers["last-modified"]
        assert reply.headers["cache-control"] == "private, no-cache"
        assert reply.headers["x-request-id"] == "check-1"


async def test_a_tag_on_a_second_header_line_counts_as_one_list(world: World) -> None:
    ada = await world.person()
    etag = (await ada.get("/v1/dashboard")).headers["etag"]
    lines = [("authorization", f"Bearer {ada.access_token}"), ("if-none-match", '"other"'), ("if-none-match", etag)]
    assert (await world.http.get("/v1/dashboard", headers=lines)).status_code == 304


async def test_another_tag_gets_the_body_whatever_the_date(world: World) -> None:
    ada = await world.person()
    tomorrow = format_datetime(world.clock() + timedelta(days=1), usegmt=True)
    reply = await ada.get("/v1/dashboard", if_none_match='"other"', if_modified_since=tomorrow)
    assert (reply.status, reply.body["user"]["email"]) == (200, ada.email)


async def test_last_modified_is_last_updated_rounded_up_and_answers_304(world: World) -> None:
    ada = await world.person()
    world.clock.pass_time(seconds=5)
    reply = await ada.get("/v1/dashboard")
    updated, modified = from_text(reply.body["lastUpdated"]), parsedate_to_datetime(reply.headers["last-modified"])
    assert timedelta(0) <= modified - updated < timedelta(seconds=1)
    again = await ada.get("/v1/dashboard", if_modified_since=reply.headers["last-modified"])
    assert (again.status, again.headers["etag"]) == (304, reply.headers["etag"])
    earlier = format_datetime(modified - timedelta(seconds=1), usegmt=True)
    assert (await ada.get("/v1/dashboard", if_modified_since=earlier)).status == 200
    assert (await ada.get("/v1/dashboard", if_modified_since="yesterday")).status == 200


async def test_last_modified_never_lies_in_the_future(world: World) -> None:
    ada = await world.person()
    reply = await ada.get("/v1/dashboard")
    assert parsedate_to_datetime(reply.headers["last-modified"]) <= world.clock()


async def test_a_rejection_changes_tag_and_last_updated(world: World) -> None:
    ada = await world.person()
    await ada.ask_for_card()
    before = await ada.get("/v1/dashboard")
    operator = await world.operator()
    request_id = before.body["pendingRequests"][0]["requestId"]
    world.clock.pass_time(seconds=3)
    decided = await operator.post(f"/v1/admin/card-requests/{request_id}/reject", {"reason": "no"})
    assert decided.status == 200
    after = await ada.get("/v1/dashboard")
    assert after.headers["etag"] != before.headers["etag"]
    assert after.body["lastUpdated"] > before.body["lastUpdated"]
    assert after.body["pendingRequests"] == []


async def test_last_updated_is_the_newest_of_user_cards_and_newest_request(world: World) -> None:
    ada = await world.person()
    registered = (await ada.get("/v1/dashboard")).body["lastUpdated"]
    later = to_text(from_text(registered) + timedelta(hours=1))
    latest = to_text(from_text(registered) + timedelta(hours=2))
    await seed_card(world, ada, updatedAt=later)
    assert (await ada.get("/v1/dashboard")).body["lastUpdated"] == later
    old = {"status": "rejected", "statusShard": "rejected#3"}
    await seed_request(world, ada.ecosystem_id, createdAt="2020-01-01T00:00:00.000Z", updatedAt="2099-01-01T00:00:00.000Z", **old)
    await seed_request(world, ada.ecosystem_id, createdAt="2021-01-01T00:00:00.000Z", updatedAt=latest, **old)
    assert (await ada.get("/v1/dashboard")).body["lastUpdated"] == latest


async def test_a_sign_in_does_not_touch_the_dashboard(world: World) -> None:
    ada = await world.person()
    before = await ada.get("/v1/dashboard")
    world.clock.pass_time(minutes=1)
    assert (await ada.register()).body["created"] is False
    after = await ada.get("/v1/dashboard")
    assert (after.headers["etag"], after.body["lastUpdated"]) == (before.headers["etag"], before.body["lastUpdated"])


async def test_a_declined_purchase_does_not_touch_the_dashboard(world: World) -> None:
    ada, card_id = await world.cardholder()
    before = await ada.get("/v1/dashboard")
    assert (await ada.buy(card_id, 99_999)).status == 402
    assert (await ada.get("/v1/dashboard")).headers["etag"] == before.headers["etag"]


async def test_of_several_seeded_pending_requests_one_shows(world: World) -> None:
    ada = await world.person()
    await seed_request(world, ada.ecosystem_id, createdAt="2021-01-01T00:00:00.000Z")
    newest = await seed_request(world, ada.ecosystem_id, createdAt="2022-01-01T00:00:00.000Z")
    body = (await ada.get("/v1/dashboard")).body
    assert [each["requestId"] for each in body["pendingRequests"]] == [newest]


async def test_head_answers_like_get_without_a_body(world: World) -> None:
    ada = await world.person()
    full, head = await ada.get("/v1/dashboard"), await ada.call("HEAD", "/v1/dashboard")
    assert (head.status, head.body, head.headers["etag"]) == (200, None, full.headers["etag"])
