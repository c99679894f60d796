"""Events that have not left yet, and their redrive, §2.10 and §7."""

import asyncio
import json
import uuid
from collections.abc import Awaitable
from typing import Any

import pytest

from tazco.platform.aws import Call, over_the_wire
from tazco.platform.bus import Verdict
from tazco.platform.marks import RETRIES_MAX, mark_published, mark_refused, refused
from tazco.platform.outbox import DEAD_LETTERS, OUTBOX, shard_of
from tazco.platform.wire import Reply as WireReply
from tests.contract.seeds import ago, amend, events, row, seed
from tests.contract.test_admin_users import audit_of
from tests.contract.test_events import ENVELOPE
from tests.contract.test_transactions import walk
from tests.platform.faults import COMMIT, Faulty
from tests.stage import Stage
from tests.world import Reply, World, open_world

EVENTS = "/v1/admin/events"
DEAD = f"{EVENTS}?status=dead_letter"
UNPAGED = 100


async def seed_event(world: World, **attributes: Any) -> str:
    """An event that nothing here wrote: pending in the shard of its aggregate unless told otherwise (`pendingShard=None`: sent)."""
    event_id = str(attributes.pop("eventId", f"event-{uuid.uuid4().hex[:8]}"))
    aggregate_id = str(attributes.pop("aggregateId", f"card-{event_id}"))
    given = {
        "eventId": event_id,
        "eventType": "card.suspended",
        "aggregateType": "card",
        "aggregateId": aggregate_id,
        "sequence": 1,
        "schemaVersion": 1,
        "ecosystemId": "user-77",
        "occurredAt": ago(world, minutes=1),
        "requestId": "r-1",
        "payload": json.dumps({"cardId": aggregate_id, "amount": 10.5}),
        "pendingShard": shard_of("card", aggregate_id),
        "createdAt": ago(world, minutes=1),
        "retryCount": 0,
        "fence": 0,
        **attributes,
    }
    await seed(world, OUTBOX, **given)
    return event_id


async def seed_dead_letter(world: World, **attributes: Any) -> str:
    """An event whose retries are used up."""
    given = {"pendingShard": DEAD_LETTERS, "retryCount": 5, "lastError": "InternalFailure", "fence": 7, **attributes}
    return await seed_event(world, **given)


async def redrive(world: World, event_id: str, body: Any = None, **headers: str) -> Reply:
    """Redrive as the operator."""
    operator = await world.operator()
    return await operator.post(f"{EVENTS}/{event_id}/redrive", body, **headers)


async def listed(world: World, path: str = EVENTS, limit: int = UNPAGED) -> list[dict[str, Any]]:
    """Every event of a list, walked page by page."""
    return [each for page in await walk(await world.operator(), path, "events", limit) for each in page]


async def test_an_event_waits_with_its_envelope_and_its_state(world: World) -> None:
    ada, card_id = await world.cardholder()
    assert (await ada.buy(card_id, 12.5)).status == 201
    (stored,) = [each for each in await events(world, card_id) if each["eventType"] == "transaction.purchase"]
    (shown,) = [each for each in await listed(world) if each["eventId"] == stored["eventId"]]
    assert set(shown) == ENVELOPE | {"status", "retryCount"}
    assert {name: shown[name] for name in ENVELOPE} == {name: stored[name] for name in ENVELOPE}
    assert (shown["status"], shown["retryCount"]) == ("pending", 0)


async def test_an_event_that_awaits_a_retry_is_pending_and_says_when_and_why(world: World) -> None:
    when = ago(world, minutes=-2)
    event_id = await seed_event(world, retryCount=3, lastError="ThrottlingException", nextRetryAt=when)
    (shown,) = [each for each in await listed(world, f"{EVENTS}?status=pending") if each["eventId"] == event_id]
    assert set(shown) == ENVELOPE | {"status", "retryCount", "lastError", "nextRetryAt"}
    assert (shown["status"], shown["retryCount"], shown["lastError"]) == ("pending", 3, "ThrottlingException")
    assert shown["nextRetryAt"] == when
    assert event_id not in [each["eventId"] for each in await listed(world, DEAD)]


async def test_dead_letters_are_a_list_of_their_own(world: World) -> None:
    event_id = await seed_dead_letter(world)
    (shown,) = [each for each in await listed(world, DEAD) if each["eventId"] == event_id]
    assert (shown["status"], shown["retryCount"], shown["lastError"]) == ("dead_letter", 5, "InternalFailure")
    assert event_id not in [each["eventId"] for each in await listed(world)]


async def test_what_was_sent_is_in_no_list(world: World) -> None:
    event_id = await seed_event(world, pendingShard=None, createdAt=None, publishedAt=ago(world, minutes=1))
    assert event_id not in [each["eventId"] for path in (EVENTS, DEAD) for each in await listed(world, path)]


@pytest.mark.parametrize("limit", [1, 5, 16, 17, 49, 50, 51])
async def test_a_list_is_oldest_first_over_all_shards_and_every_page_but_the_last_is_full(stage: Stage, limit: int) -> None:
    async with open_world(stage) as world:
        since = ago(world, days=9)
        mine = [await seed_event(world, createdAt=since, aggregateId=f"walk-{limit}-{number}") for number in range(10)]
        later = [ago(world, days=8, minutes=-number // 2) for number in range(40)]
        mine += [await seed_event(world, createdAt=each, aggregateId=f"w-{limit}-{n}") for n, each in enumerate(later)]
        everything = await listed(world)
        order = [each["eventId"] for each in everything]
        assert set(mine) <= set(order)
        instants = {event_id: (await row(world, OUTBOX, event_id))["createdAt"] for event_id in order}
        assert order == sorted(order, key=lambda event_id: (instants[event_id], event_id))
        pages = await walk(await world.operator(), f"{EVENTS}?status=pending", "events", limit)
        assert [each["eventId"] for page in pages for each in page] == order
        assert {len(page) for page in pages[:-1]} <= {limit}
        for event_id in order:
            await world.services.database.delete_all(OUTBOX, [(event_id,)])


async def test_an_unknown_status_and_a_foreign_cursor_are_refused(world: World) -> None:
    operator = await world.operator()
    for status in ("open", "PENDING", "published", "all"):
        reply = await operator.get(f"{EVENTS}?status={status}")
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    for _ in range(2):
        await seed_dead_letter(world)
    cursor = (await operator.get(f"{DEAD}&limit=1")).body["pagination"]["nextCursor"]
    assert (await operator.get(f"{DEAD}&limit=1&cursor={cursor}")).status == 200
    another = await world.stranger(admin=True)
    for reply in (
        await operator.get(f"{EVENTS}?cursor={cursor}"),
        await operator.get(f"/v1/admin/users?cursor={cursor}"),
        await another.get(f"{DEAD}&cursor={cursor}"),
        await operator.get(f"{DEAD}&cursor={cursor}x"),
    ):
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


async def test_a_redriven_dead_letter_waits_again_in_its_place_with_all_its_retries(world: World) -> None:
    created = ago(world, days=3)
    event_id = await seed_dead_letter(world, createdAt=created, aggregateId="card-9", nextRetryAt=ago(world, days=2))
    reply = await redrive(world, event_id)
    assert (reply.status, set(reply.body)) == (200, {"event"})
    assert set(reply.body["event"]) == ENVELOPE | {"status", "retryCount", "lastError"}
    assert (reply.body["event"]["status"], reply.body["event"]["retryCount"]) == ("pending", 0)
    stored = await row(world, OUTBOX, event_id)
    assert (stored["pendingShard"], stored["createdAt"], stored["retryCount"]) == (shard_of("card", "card-9"), created, 0)
    assert "nextRetryAt" not in stored
    assert stored["fence"] == 7
    assert event_id in [each["eventId"] for each in await listed(world)]
    assert event_id not in [each["eventId"] for each in await listed(world, DEAD)]


async def test_a_redrive_has_its_audit_entry(world: World) -> None:
    operator = await world.operator()
    event_id = await seed_dead_letter(world)
    await redrive(world, event_id, x_request_id="r-redrive")
    (deed,) = await audit_of(world, event_id)
    assert (deed["action"], deed["targetType"], deed["targetId"]) == ("event.redriven", "event", event_id)
    assert (deed["targetEcosystemId"], deed["actorId"], deed["requestId"]) == ("user-77", operator.ecosystem_id, "r-redrive")
    path = f"/v1/admin/audit-logs?targetType=event&targetId={event_id}"
    (shown,) = (await operator.get(path)).body["auditLogs"]
    assert shown["previousValue"] == {"status": "dead_letter", "retryCount": 5}
    assert shown["newValue"] == {"status": "pending", "retryCount": 0}


async def test_an_event_that_awaits_a_retry_is_due_at_once(world: World) -> None:
    event_id = await seed_event(world, retryCount=4, lastError="x", nextRetryAt=ago(world, hours=-1))
    reply = await redrive(world, event_id)
    assert (reply.status, reply.body["event"]["retryCount"], "nextRetryAt" in reply.body["event"]) == (200, 0, False)
    stored = await row(world, OUTBOX, event_id)
    assert (stored["retryCount"], "nextRetryAt" in stored) == (0, False)
    (deed,) = await audit_of(world, event_id)
    assert json.loads(str(deed["previousValue"])) == {"status": "pending", "retryCount": 4}


@pytest.mark.parametrize("attributes", [{}, {"retryCount": None, "fence": None}])
async def test_one_that_is_due_already_stays_so_also_if_an_older_program_wrote_it(world: World, attributes: dict[str, Any]) -> None:
    event_id = await seed_event(world, **attributes)
    before = await row(world, OUTBOX, event_id)
    reply = await redrive(world, event_id)
    assert (reply.status, reply.body["event"]["retryCount"]) == (200, 0)
    assert await row(world, OUTBOX, event_id) == before
    assert len(await audit_of(world, event_id)) == 1


async def test_what_was_sent_or_never_was_is_404_and_leaves_no_trace(world: World) -> None:
    sent = await seed_event(world, pendingShard=None, createdAt=None, publishedAt=ago(world, minutes=1))
    for event_id in (sent, "nothing"):
        reply = await redrive(world, event_id)
        assert (reply.status, reply.code) == (404, "NOT_FOUND")
        assert await audit_of(world, event_id) == []


async def test_a_redrive_is_idempotent_under_its_key(world: World) -> None:
    event_id = await seed_dead_letter(world)
    first = await redrive(world, event_id, key="k" * 255)
    await amend(world, OUTBOX, (event_id,), pendingShard=DEAD_LETTERS, retryCount=5)
    for body in (None, {}, {"reason": "ignored"}):
        again = await redrive(world, event_id, body, key="k" * 255)
        assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, first.body, "true")
    assert (await row(world, OUTBOX, event_id))["pendingShard"] == DEAD_LETTERS
    assert len(await audit_of(world, event_id)) == 1
    assert (await redrive(world, await seed_dead_letter(world), key="k" * 255)).code == "REQUEST_ALREADY_PROCESSED"


async def test_key_and_body_are_checked_before_the_event(world: World) -> None:
    for reply in (
        await redrive(world, "nothing", key=""),
        await redrive(world, "nothing", key="k" * 256),
        await redrive(world, "nothing", b"{"),
        await redrive(world, "nothing", b"[]"),
    ):
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert "Idempotency-Key" in (await redrive(world, "nothing", b"{", key="")).message


async def test_a_refused_redrive_is_not_stored(world: World) -> None:
    assert (await redrive(world, "late", key="later")).status == 404
    await seed_dead_letter(world, eventId="late")
    assert (await redrive(world, "late", key="later")).status == 200


@pytest.mark.parametrize("retry_count", [3, RETRIES_MAX])
async def test_of_a_redrive_and_a_stale_refusal_the_redrive_stays(world: World, retry_count: int) -> None:
    database = world.services.database
    for number in range(12):
        event_id = await seed_event(world, retryCount=retry_count, fence=7, nextRetryAt=ago(world, minutes=1))
        (read,) = await database.rows(OUTBOX, [(event_id,)])
        mark = mark_refused(database, read, refused(read, Verdict("InternalFailure", "planned"), 8, world.clock()))
        calls: list[Awaitable[Reply | bool]] = [redrive(world, event_id), mark]
        for answer in await asyncio.gather(*(calls if number % 2 else calls[::-1])):
            assert isinstance(answer, bool) or answer.status == 200
        stored = await row(world, OUTBOX, event_id)
        assert (stored["retryCount"], stored["pendingShard"], "nextRetryAt" in stored) == (0, read.pending_shard, False)


async def test_a_refusal_that_was_under_way_before_a_redrive_is_not_written_down_after_it(world: World) -> None:
    database = world.services.database
    event_id = await seed_event(world, retryCount=RETRIES_MAX, fence=7, nextRetryAt=ago(world, minutes=1))
    (read,) = await database.rows(OUTBOX, [(event_id,)])
    assert (await redrive(world, event_id)).status == 200
    assert not await mark_refused(database, read, refused(read, Verdict("InternalFailure", "planned"), 8, world.clock()))
    assert (await row(world, OUTBOX, event_id))["retryCount"] == 0


async def test_an_event_that_leaves_while_it_is_redriven_is_404(stage: Stage) -> None:
    leaving: list[str] = []

    async def sent_meanwhile(call: Call, *rest: Any) -> Any:
        if call.operation == COMMIT and leaving:
            (read,) = await world.services.database.rows(OUTBOX, [(leaving.pop(),)])
            assert await mark_published(world.services.database, read, world.clock())
        return await over_the_wire(call, *rest)

    async with open_world(stage, transport=sent_meanwhile) as world:
        await world.operator()
        event_id = await seed_event(world, retryCount=2, nextRetryAt=ago(world, minutes=-1))
        leaving.append(event_id)
        assert (await redrive(world, event_id)).status == 404
        assert "pendingShard" not in await row(world, OUTBOX, event_id)
        assert await audit_of(world, event_id) == []


async def test_an_event_that_the_index_still_names_is_shown_where_it_is_now(stage: Stage) -> None:
    stale: list[dict[str, Any]] = []

    async def lagging(call: Call, *rest: Any) -> Any:
        if call.operation == "Query" and DEAD_LETTERS.encode() in call.body and stale:
            return WireReply(200, {}, json.dumps({"Items": stale, "Count": len(stale)}).encode())
        return await over_the_wire(call, *rest)

    async with open_world(stage, transport=lagging) as world:
        for attributes in ({}, {"pendingShard": None, "createdAt": None, "publishedAt": ago(world)}):
            event_id = await seed_event(world, **attributes)
            stale[:] = [{"eventId": {"S": event_id}, "createdAt": {"S": ago(world)}, "pendingShard": {"S": DEAD_LETTERS}}]
            assert event_id not in [each["eventId"] for each in await listed(world, DEAD)]


async def test_a_later_page_does_not_read_the_earlier_ones_again(stage: Stage) -> None:
    faulty = Faulty()
    async with open_world(stage, transport=faulty) as world:
        operator = await world.operator()
        last = [await seed_dead_letter(world, createdAt=ago(world, days=days)) for days in (30, 29, 28)][1]
        cursor = (await operator.get(f"{DEAD}&limit=2")).body["pagination"]["nextCursor"]
        faulty.calls.clear()
        await operator.get(f"{DEAD}&limit=2&cursor={cursor}")
        asked = [json.loads(call.body) for call in faulty.calls if DEAD_LETTERS.encode() in call.body]
        since = (await row(world, OUTBOX, last))["createdAt"]
        assert {question["ExpressionAttributeValues"][":low"]["S"] for question in asked} == {since}


async def test_parallel_redrives_all_succeed_and_each_is_written_down(world: World) -> None:
    event_id = await seed_dead_letter(world)
    replies = await asyncio.gather(*(redrive(world, event_id) for _ in range(6)))
    assert [reply.status for reply in replies] == [200] * 6
    assert len(await audit_of(world, event_id)) == 6
    assert (await row(world, OUTBOX, event_id))["retryCount"] == 0


async def test_nobody_but_operators_sees_or_redrives(world: World) -> None:
    event_id = await seed_dead_letter(world)
    ada = await world.person()
    for reply in (await ada.get(EVENTS), await ada.post(f"{EVENTS}/{event_id}/redrive")):
        assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert (await world.call("GET", EVENTS)).status == 401
    assert (await row(world, OUTBOX, event_id))["pendingShard"] == DEAD_LETTERS
