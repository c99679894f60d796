"""Decisions by WhatsApp, §6.6: every outcome, once, with audit and events; expiry, §6.2."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tazco.approvals.commands import expire_overdue
from tazco.approvals.reactions import SYSTEM, TIMERS, expire_unanswered
from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.store import CARDS
from tazco.kernel.clock import from_text
from tazco.kernel.ids import CorrelationId
from tazco.notifications.commands import deliver_due
from tazco.notifications.store import NOTIFICATIONS
from tazco.platform.caller import Origin
from tazco.platform.outbox import OUTBOX
from tazco.trackers.store import CODES, TRACKERS
from tazco.users.store import USERS
from tests.approvals.desk import APPROVERS, DEFAULTS, META, ONE, TWO, USER, Desk, Waiting, all_of, open_desk
from tests.contract.seeds import amend, events, plain, row, with_policy
from tests.stage import Stage
from tests.stand_in import Fault
from tests.world import open_world

IGNORED = {"ok": True, "action": "ignored"}


@pytest.fixture(scope="module")
async def desk(stage: Stage) -> AsyncIterator[Desk]:
    """Three approvers: two known by phone, one by user id."""
    async with open_desk(stage) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _usual_policy(desk: Desk) -> None:
    await with_policy(desk.world, **DEFAULTS)


async def gone(desk: Desk, waiting: Waiting) -> None:
    """Delete the owner, past all our code."""
    await desk.world.services.database.delete_all(USERS, [(waiting.person.ecosystem_id,)])


async def decide_over_http(desk: Desk, waiting: Waiting, verb: str) -> None:
    """Decide as an operator at the console."""
    operator = await desk.world.operator()
    body: dict[str, Any] = {"creditLimit": 200} if verb == "approve" else {"reason": "no"}
    reply = await operator.post(f"/v1/admin/card-requests/{waiting.request_id}/{verb}", body)
    assert reply.status == 200, reply


async def test_a_tap_approves_with_the_limit_of_the_present_tier(desk: Desk) -> None:
    waiting = await desk.asked(430)
    await desk.world.set_score(waiting.person, 640)
    outcome = await desk.taps(f"approve:{waiting.code}", message_id="wamid.tap")
    assert outcome == {"ok": True, "action": "approved", "requestId": waiting.request_id}
    (card,) = (await waiting.person.get("/v1/dashboard")).body["cards"]
    assert (card["status"], card["limit"], card["balance"]) == ("active", 1500, 0)
    decision = (await waiting.person.get(f"/v1/cards/requests/{waiting.request_id}")).body["request"]["decision"]
    assert decision == {"outcome": "approved", "source": "admin", "approvedLimit": 1500}
    tracker = await desk.tracker(waiting.request_id)
    assert (tracker["status"], tracker["respondedBy"], "statusShard" in tracker) == ("approved", "whatsapp:0000", False)
    assert await desk.told(waiting.request_id) == [("Desk 1", "approved")]
    record = await desk.record("wamid.tap")
    assert (json.loads(record["outcome"]), record["senderPhone"], "unfinishedShard" in record) == (outcome, ONE, False)


async def test_a_typed_no_rejects_and_the_owner_reads_a_neutral_reason(desk: Desk) -> None:
    waiting = await desk.asked()
    assert await desk.says(f"não #{waiting.code.lower()}") == {"ok": True, "action": "rejected", "requestId": waiting.request_id}
    decision = (await waiting.person.get(f"/v1/cards/requests/{waiting.request_id}")).body["request"]["decision"]
    assert decision == {"outcome": "rejected", "source": "admin", "reason": "Rejected after review"}
    assert (await desk.tracker(waiting.request_id))["status"] == "rejected"
    assert await desk.told(waiting.request_id) == [("Desk 1", "rejected")]
    again = await waiting.person.ask_for_card()
    assert (again.status, "rejected recently" in again.message) == (400, True)


@pytest.mark.parametrize(("verb", "action", "reason"), [("y", "approved", "Approved"), ("n", "rejected", "Rejected")])
async def test_the_audit_names_the_approver_and_the_events_carry_no_phone(desk: Desk, verb: str, action: str, reason: str) -> None:
    waiting = await desk.asked()
    message_id = f"wamid.{'x' * 200}.{verb}"
    assert (await desk.says(f"{verb} {waiting.code}", message_id=message_id))["action"] == action
    (entry,) = await desk.audited(waiting.request_id)
    assert (entry["actorId"], entry["adminEcosystemId"], entry["adminEmail"]) == (ONE, ONE, f"whatsapp:{ONE}")
    assert (entry["action"], entry["targetType"], entry["targetEcosystemId"]) == (
        f"card_request.{action}",
        "card-request",
        waiting.person.ecosystem_id,
    )
    assert entry["reason"] == f"{reason} by Desk 1 over WhatsApp"
    assert (json.loads(entry["previousValue"]), json.loads(entry["newValue"])["status"]) == ({"status": "pending"}, action)
    assert entry["requestId"] == message_id[:128]
    told = [each for each in await events_of(desk, waiting) if each["payload"].get("adminId")]
    assert [(each["payload"]["adminId"], each["requestId"]) for each in told] == [("whatsapp:0000", message_id[:128])]
    assert all(ONE not in json.dumps(each, default=str) for each in await events_of(desk, waiting))
    stored = await row(desk.world, CARD_REQUESTS, waiting.person.ecosystem_id, waiting.request_id)
    assert (stored["decidedBy"], ONE in json.dumps(stored)) == ("whatsapp:0000", False)


async def events_of(desk: Desk, waiting: Waiting) -> list[dict[str, Any]]:
    """The events of a request and of the card that came of it."""
    card_id = (await row(desk.world, CARD_REQUESTS, waiting.person.ecosystem_id, waiting.request_id)).get("cardId")
    return await events(desk.world, waiting.request_id) + (await events(desk.world, str(card_id)) if card_id else [])


async def test_somebody_known_by_user_id_decides_without_a_phone(desk: Desk) -> None:
    waiting = await desk.asked()
    assert (await desk.says(f"y {waiting.code}", sender=USER, message_id="wamid.user"))["action"] == "approved"
    (entry,) = await desk.audited(waiting.request_id)
    assert (entry["actorId"], entry["adminEmail"], entry["reason"]) == (
        USER,
        f"whatsapp:{USER}",
        "Approved by Desk 3 over WhatsApp",
    )
    assert (await desk.record("wamid.user"))["senderPhone"] == USER
    (told,) = [each for each in await events_of(desk, waiting) if each["payload"].get("adminId")]
    assert told["payload"]["adminId"] == "whatsapp:0274"


async def test_a_whole_request_id_will_do(desk: Desk) -> None:
    for typed in (str.lower, str.upper):
        waiting = await desk.asked()
        assert (await desk.says(f"y {typed(waiting.request_id)}"))["requestId"] == waiting.request_id
        assert await desk.status(waiting) == "approved"


async def test_a_hundred_webhooks_of_one_message_are_one_decision_and_one_answer(desk: Desk, stage: Stage) -> None:
    waiting = await desk.asked()
    posted = desk.stand_in.tap(ONE, f"approve:{waiting.code}")
    async with open_world(stage, **desk.stand_in.settings) as neighbour:
        other = Desk(neighbour, desk.stand_in)
        ours, theirs = await asyncio.gather(all_of(desk, posted, 50), all_of(other, posted, 50))
    desk.world.clock.pass_time(hours=30)
    replies = [*ours, *theirs, *await all_of(desk, posted, 10)]
    desk.world.clock.pass_time(hours=-30)
    assert [reply.status for reply in replies] == [200] * 110
    expected = {"ok": True, "results": [{"ok": True, "action": "approved", "requestId": waiting.request_id}]}
    assert all(reply.body == expected for reply in replies)
    assert len((await waiting.person.get("/v1/cards")).body["cards"]) == 1
    assert len(await desk.audited(waiting.request_id)) == 1
    assert await desk.told(waiting.request_id) == [("Desk 1", "approved")]
    assert [each["eventType"] for each in await events_of(desk, waiting)] == ["card.requested", "card.approved"]


async def test_of_two_approvers_at_once_one_decides_and_the_other_is_told(desk: Desk, stage: Stage) -> None:
    async with open_world(stage, **desk.stand_in.settings) as neighbour:
        for other in (desk, Desk(neighbour, desk.stand_in)):
            waiting = await desk.asked()
            yes, no = await asyncio.gather(desk.says(f"y {waiting.code}", sender=ONE), other.says(f"n {waiting.code}", sender=TWO))
            assert {yes["action"], no["action"]} in ({"approved", "ignored"}, {"ignored", "rejected"})
            loser = yes if yes["action"] == "ignored" else no
            assert loser == {**IGNORED, "reason": "already_processed", "requestId": waiting.request_id}
            status = await desk.status(waiting)
            assert status == ("approved" if loser is no else "rejected")
            names = ("Desk 1", "Desk 2")
            assert await desk.told(waiting.request_id) == [
                (name, "already_decided" if outcome is loser else status) for name, outcome in zip(names, (yes, no), strict=True)
            ]
            assert len(await desk.audited(waiting.request_id)) == 1


@pytest.mark.parametrize("verb", ["approve", "reject"])
async def test_a_decision_over_http_closes_the_tracker_and_the_code_acts_no_more(desk: Desk, verb: str) -> None:
    waiting = await desk.asked()
    await decide_over_http(desk, waiting, verb)
    assert (await desk.tracker(waiting.request_id))["status"] == ("approved" if verb == "approve" else "rejected")
    outcome = await desk.says(f"y {waiting.code}")
    assert outcome == {**IGNORED, "reason": "already_processed", "requestId": waiting.request_id}
    assert await desk.told(waiting.request_id) == [("Desk 1", "already_decided")]
    assert len(await desk.audited(waiting.request_id)) == 1


async def test_a_request_that_was_decided_behind_its_tracker_is_already_processed(desk: Desk) -> None:
    waiting = await desk.asked()
    await amend(desk.world, CARD_REQUESTS, (waiting.person.ecosystem_id, waiting.request_id), status="rejected")
    for verb in ("y", "n"):
        outcome = await desk.says(f"{verb} {waiting.code}")
        assert outcome == {**IGNORED, "reason": "already_processed", "requestId": waiting.request_id}


async def test_a_code_whose_question_is_closed_acts_no_more_even_if_its_request_is_pending(desk: Desk) -> None:
    waiting = await desk.asked()
    await amend(desk.world, TRACKERS, (waiting.request_id,), status="approved")
    outcome = await desk.says(f"y {waiting.code}")
    assert outcome == {**IGNORED, "reason": "already_processed", "requestId": waiting.request_id}
    assert await desk.status(waiting) == "pending"


async def test_a_code_acts_once_whatever_comes_after(desk: Desk) -> None:
    waiting = await desk.asked()
    assert (await desk.says(f"n {waiting.code}"))["action"] == "rejected"
    for text in (f"y {waiting.code}", f"n {waiting.code}", f"y {waiting.request_id}"):
        assert (await desk.says(text))["reason"] == "already_processed"
    assert await desk.status(waiting) == "rejected"


@pytest.mark.parametrize("text", ["y 00000000", "y 0190f2a0-1111-7abc-8def-0123456789ab", "n 12345"])
async def test_a_code_that_nobody_gave_is_not_found(desk: Desk, text: str) -> None:
    before = len(await desk.world.rows(NOTIFICATIONS))
    assert await desk.says(text, message_id=f"wamid.{text}") == {**IGNORED, "reason": "request_not_found"}
    told = [json.loads(item["content"]["S"]) for item in await desk.world.rows(NOTIFICATIONS)]
    assert len(told) == before + 1
    assert {"said": "not_found", "code": text[2:]} in told
    assert json.loads((await desk.record(f"wamid.{text}"))["outcome"])["reason"] == "request_not_found"


async def test_a_code_that_leads_to_a_tracker_with_another_does_nothing_and_raises_an_alarm(desk: Desk) -> None:
    one, other = await desk.asked(), await desk.asked()
    await amend(desk.world, CODES, (f"code#{one.code}",), pointsTo=other.request_id)
    with capture_logs() as lines:
        assert await desk.says(f"y {one.code}") == {**IGNORED, "reason": "request_not_found"}
    assert [await desk.status(each) for each in (one, other)] == ["pending", "pending"]
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["approvals.code_of_another_request"]


async def test_a_request_that_is_gone_is_not_found(desk: Desk) -> None:
    for verb in ("y", "n"):
        waiting = await desk.asked()
        await desk.world.services.database.delete_all(CARD_REQUESTS, [(waiting.person.ecosystem_id, waiting.request_id)])
        assert await desk.says(f"{verb} {waiting.code}") == {**IGNORED, "reason": "request_not_found"}


async def test_an_overdue_code_is_expired_before_and_after_the_timer_saw_it(desk: Desk) -> None:
    waiting = await desk.asked()
    desk.world.clock.pass_time(hours=24)
    for verb in ("y", "n"):
        assert await desk.says(f"{verb} {waiting.code}") == {**IGNORED, "reason": "expired"}
    assert (await desk.tracker(waiting.request_id))["status"] == "pending"
    await expire_unanswered(desk.world.services)
    assert (await desk.tracker(waiting.request_id))["status"] == "expired"
    assert await desk.says(f"y {waiting.code}") == {**IGNORED, "reason": "expired"}
    assert await desk.status(waiting) == "pending"
    assert {said for _, said in await desk.told(waiting.request_id)} == {"expired"}
    await decide_over_http(desk, waiting, "approve")
    assert (await desk.says(f"y {waiting.code}"))["reason"] == "expired"


async def test_what_stands_in_the_way_of_an_approval_is_an_outcome_and_leaves_the_question_open(desk: Desk) -> None:
    waiting = await desk.asked()
    operator = await desk.world.operator()
    await operator.post(f"/v1/admin/users/{waiting.person.ecosystem_id}/disable", {"reason": "x"})
    posted = desk.stand_in.typed(ONE, f"y {waiting.code}", message_id="wamid.disabled")
    refused = await desk.outcome(posted)
    assert (refused.pop("error"), refused) == (
        "The person who asked is disabled. Enable the account first.",
        {"ok": False, "action": "error", "requestId": waiting.request_id},
    )
    assert await desk.told(waiting.request_id) == [("Desk 1", "owner_disabled")]
    await operator.post(f"/v1/admin/users/{waiting.person.ecosystem_id}/enable", {"reason": "x"})
    assert (await desk.outcome(posted))["ok"] is False, "a redelivery gives the stored outcome"
    assert (await desk.says(f"y {waiting.code}"))["action"] == "approved"


async def test_a_second_card_and_an_owner_who_is_gone_are_refused(desk: Desk) -> None:
    has_card, owner_gone = await desk.asked(), await desk.asked()
    await amend(desk.world, CARDS, (has_card.person.ecosystem_id, "card-9"), status="suspended", limit=1, nextDueDate="2031-01-01")
    await gone(desk, owner_gone)
    for waiting, said in ((has_card, "has_card"), (owner_gone, "owner_gone")):
        refused = await desk.says(f"y {waiting.code}")
        assert (refused["ok"], refused["action"], refused["requestId"]) == (False, "error", waiting.request_id)
        assert refused["error"]
        assert await desk.told(waiting.request_id) == [("Desk 1", said)]
        assert (await desk.tracker(waiting.request_id))["status"] == "pending"


@pytest.mark.parametrize("sender", ["5511911111111", "BR.1", "11900000000", "+1 900 555 0100"])
async def test_a_stranger_is_met_with_silence(desk: Desk, sender: str) -> None:
    waiting = await desk.asked()
    message_id = f"wamid.stranger.{sender}"
    assert await desk.says(f"y {waiting.code}", sender=sender, message_id=message_id) == {**IGNORED, "reason": "not_whitelisted"}
    assert (await desk.status(waiting), await desk.told(waiting.request_id)) == ("pending", [])
    record = await desk.record(message_id)
    assert (json.loads(record["outcome"])["reason"], "command" in record) == ("not_whitelisted", False)


async def test_a_number_that_changed_hands_decides_nothing(desk: Desk) -> None:
    known = json.dumps([{"name": "Desk 1", "phone": ONE, "userId": USER}])
    await with_policy(desk.world, whatsapp__approvers=known)
    waiting = await desk.asked()
    value = {
        "messages": [
            {"from": ONE, "from_user_id": "BR.999", "id": "wamid.hands", "type": "text", "text": {"body": f"y {waiting.code}"}}
        ]
    }
    assert await desk.outcome(desk.stand_in.posted(value)) == {**IGNORED, "reason": "not_whitelisted"}
    assert await desk.status(waiting) == "pending"
    for number, agreeing in enumerate(({"from": ONE}, {"from_user_id": USER}, {"from": ONE, "from_user_id": USER})):
        waiting = await desk.asked()
        message = {**agreeing, "id": f"wamid.agrees.{number}", "type": "text", "text": {"body": f"y {waiting.code}"}}
        assert (await desk.outcome(desk.stand_in.posted({"messages": [message]})))["action"] == "approved"
        assert (await desk.record(f"wamid.agrees.{number}"))["senderPhone"] == ONE, "kept as the policy knows the approver"


@pytest.mark.parametrize("text", ["yes please", "no problem"])
async def test_talk_that_reads_like_a_command_is_about_no_request_and_gets_no_reply(desk: Desk, text: str) -> None:
    before = len(await desk.world.rows(NOTIFICATIONS))
    assert await desk.says(text, message_id=f"wamid.talk.{text}") == {**IGNORED, "reason": "request_not_found"}
    assert len(await desk.world.rows(NOTIFICATIONS)) == before


@pytest.mark.parametrize("text", ["hello", "y", "yes please do", "\U0001f44d", "x" * 4096, "y ZZZZZZZZ ZZZZZZZZ"])
async def test_talk_is_no_command_and_gets_no_reply(desk: Desk, text: str) -> None:
    before = len(await desk.world.rows(NOTIFICATIONS))
    assert await desk.says(text, message_id=f"wamid.talk.{hash(text)}") == {**IGNORED, "reason": "invalid_command"}
    assert len(await desk.world.rows(NOTIFICATIONS)) == before
    assert json.loads((await desk.record(f"wamid.talk.{hash(text)}"))["outcome"])["reason"] == "invalid_command"


async def test_without_replies_by_policy_there_are_decisions_and_no_replies(desk: Desk) -> None:
    await with_policy(desk.world, whatsapp__replyToApprovers="false")
    waiting = await desk.asked()
    assert (await desk.says(f"y {waiting.code}"))["action"] == "approved"
    assert await desk.told(waiting.request_id) == []


async def test_with_messages_switched_off_what_was_asked_before_can_still_be_answered(desk: Desk) -> None:
    waiting = await desk.asked()
    await with_policy(desk.world, whatsapp__notificationsEnabled="false")
    assert (await desk.says(f"y {waiting.code}"))["action"] == "approved"
    assert await desk.told(waiting.request_id) == []


async def test_an_approver_who_is_taken_off_the_list_decides_no_more(desk: Desk) -> None:
    waiting = await desk.asked()
    await with_policy(desk.world, whatsapp__approvers="[]")
    assert (await desk.says(f"y {waiting.code}"))["reason"] == "not_whitelisted"
    assert await desk.status(waiting) == "pending"


async def test_outcomes_are_counted_once_each(desk: Desk) -> None:
    def counted(outcome: str) -> float:
        return desk.world.services.metrics.registry.get_sample_value("tazco_approvals_total", {"outcome": outcome}) or 0

    names = ("approved", "already_processed", "invalid_command")
    before = [counted(name) for name in names]
    waiting = await desk.asked()
    posted = desk.stand_in.typed(ONE, f"y {waiting.code}")
    await all_of(desk, posted, 5)
    await desk.says(f"y {waiting.code}", sender=TWO)
    await desk.says("hello")
    assert [counted(name) for name in names] == [count + 1 for count in before]


async def test_the_timers_run_every_minute_and_every_half(desk: Desk) -> None:
    assert desk.world
    assert {timer.run.__name__: timer.every for timer in TIMERS} == {
        "expire_unanswered": timedelta(seconds=60),
        "sweep": timedelta(seconds=30),
    }


async def test_an_expired_tracker_leaves_the_request_to_the_console(desk: Desk) -> None:
    waiting = await desk.asked()
    desk.world.clock.pass_time(hours=24, seconds=1)
    assert await expire_unanswered(desk.world.services) >= 1
    tracker = await desk.tracker(waiting.request_id)
    assert (tracker["status"], tracker["respondedBy"], "statusShard" in tracker) == ("expired", "system", False)
    asked, expired = await events(desk.world, waiting.request_id)
    assert (asked["eventType"], expired["eventType"], expired["sequence"]) == ("card.requested", "card_request.expired", 2)
    assert expired["payload"] == {
        "ecosystemId": waiting.person.ecosystem_id,
        "requestId": waiting.request_id,
        "expiredAt": tracker["expiresAt"],
        "autoRejected": False,
    }
    assert (await desk.status(waiting), await desk.audited(waiting.request_id)) == ("pending", [])
    assert (await waiting.person.get("/v1/dashboard")).body["pendingRequests"]
    await expire_unanswered(desk.world.services)
    assert len(await events(desk.world, waiting.request_id)) == 2


async def test_by_policy_an_expired_tracker_rejects_with_the_hours_that_it_had(desk: Desk) -> None:
    await with_policy(desk.world, whatsapp__expiryRejects="true", whatsapp__approvalExpiryHours="36")
    waiting = await desk.asked()
    await with_policy(desk.world, whatsapp__approvalExpiryHours="48")
    desk.world.clock.pass_time(hours=36)
    await expire_unanswered(desk.world.services)
    decision = (await waiting.person.get(f"/v1/cards/requests/{waiting.request_id}")).body["request"]["decision"]
    assert decision == {"outcome": "rejected", "source": "auto", "reason": "No decision within 36 hours"}
    told = await events(desk.world, waiting.request_id)
    assert [(each["eventType"], each["sequence"]) for each in told] == [
        ("card.requested", 1),
        ("card_request.expired", 2),
        ("card.rejected", 3),
    ]
    assert told[1]["payload"]["autoRejected"] is True
    rejected = told[2]["payload"]
    assert (rejected["source"], rejected["reason"], "adminId" in rejected) == ("auto", "No decision within 36 hours", False)
    (entry,) = await desk.audited(waiting.request_id)
    assert (entry["actorId"], entry["adminEmail"], entry["action"]) == (
        "system",
        "system@expired.internal",
        "card_request.rejected",
    )
    again = await waiting.person.ask_for_card()
    assert (again.status, "rejected recently" in again.message, "30 days" in again.message) == (400, True, True)


async def test_one_tracker_that_cannot_be_expired_stops_none_of_the_rest(desk: Desk) -> None:
    trackers = [await desk.asked() for _ in range(9)]
    for waiting in trackers[::2]:
        await amend(desk.world, CARD_REQUESTS, (waiting.person.ecosystem_id, waiting.request_id), createdAt="no instant")
    desk.world.clock.pass_time(hours=25)
    await expire_unanswered(desk.world.services)
    statuses = [(await desk.tracker(waiting.request_id))["status"] for waiting in trackers]
    assert statuses == ["pending", "expired"] * 4 + ["pending"]
    for waiting in trackers[::2]:
        await amend(
            desk.world, CARD_REQUESTS, (waiting.person.ecosystem_id, waiting.request_id), createdAt="2031-01-01T00:00:00.000Z"
        )
    await expire_unanswered(desk.world.services)
    assert {(await desk.tracker(waiting.request_id))["status"] for waiting in trackers} == {"expired"}


async def test_an_overdue_tracker_without_a_pending_request_is_only_closed(desk: Desk) -> None:
    decided, gone_request, gone_owner = [await desk.asked() for _ in range(3)]
    await amend(desk.world, CARD_REQUESTS, (decided.person.ecosystem_id, decided.request_id), status="approved")
    await desk.world.services.database.delete_all(CARD_REQUESTS, [(gone_request.person.ecosystem_id, gone_request.request_id)])
    await gone(desk, gone_owner)
    await with_policy(desk.world, whatsapp__expiryRejects="true")
    desk.world.clock.pass_time(hours=25)
    await expire_unanswered(desk.world.services)
    statuses = [(await desk.tracker(each.request_id))["status"] for each in (decided, gone_request, gone_owner)]
    assert statuses == ["approved", "expired", "expired"]
    assert [each["eventType"] for each in await events(desk.world, decided.request_id)] == ["card.requested"]
    assert [each["eventType"] for each in await events(desk.world, gone_owner.request_id)][1:] == [
        "card_request.expired",
        "card.rejected",
    ]


async def test_several_workers_expire_a_tracker_once_and_a_late_decision_does_not_fight_it(desk: Desk, stage: Stage) -> None:
    await with_policy(desk.world, whatsapp__expiryRejects="true")
    waiting = [await desk.asked() for _ in range(6)]
    desk.world.clock.pass_time(hours=25)
    async with open_world(stage, **desk.stand_in.settings) as neighbour:
        neighbour.clock.shift = desk.world.clock.shift
        runs = [expire_unanswered(world.services) for world in (desk.world, neighbour, desk.world)]
        console = [decide_over_http(desk, waiting[0], "approve"), decide_over_http(desk, waiting[1], "reject")]
        await asyncio.gather(*runs, *console, return_exceptions=True)
    for each in waiting:
        told = [event["eventType"] for event in await events_of(desk, each)]
        assert told.count("card.rejected") + told.count("card.approved") == 1
        assert told.count("card_request.expired") <= 1
        assert len(await desk.audited(each.request_id)) == 1
        assert (await desk.tracker(each.request_id))["status"] != "pending"


async def test_the_timer_looks_again_before_it_expires_what_the_index_named(desk: Desk) -> None:
    in_time, closed = await desk.asked(), await desk.asked()
    await desk.says(f"n {closed.code}")
    origin = Origin(caller=SYSTEM, correlation_id=CorrelationId("c"))
    expired = {}
    for waiting, hours in ((in_time, 0), (closed, 25)):
        desk.world.clock.pass_time(hours=hours)
        use_case = partial(expire_overdue, waiting.request_id)
        expired[waiting.request_id] = await desk.world.services.commands.run(origin, use_case, lane="here")
        assert "card_request.expired" not in [each["eventType"] for each in await events(desk.world, waiting.request_id)]
    assert set(expired.values()) == {False}


async def test_the_instants_of_a_tracker_follow_the_policy_of_its_moment(desk: Desk) -> None:
    await with_policy(desk.world, whatsapp__approvalExpiryHours="3")
    tracker = await desk.tracker((await desk.asked()).request_id)
    assert from_text(tracker["expiresAt"]) - from_text(tracker["createdAt"]) == timedelta(hours=3)


async def test_no_phone_number_is_in_any_event(desk: Desk) -> None:
    assert APPROVERS
    everything = json.dumps([await desk.world.rows(OUTBOX), await desk.world.rows(CARD_REQUESTS), await desk.world.rows(TRACKERS)])
    assert all(identity not in everything for identity in (ONE, TWO, USER))


async def test_the_reply_rings_after_the_webhook_is_answered(desk: Desk) -> None:
    waiting = await desk.asked()
    raw, headers = desk.stand_in.tap(TWO, f"approve:{waiting.code}")
    before = len(desk.stand_in.received(TWO))
    rung_when_answered: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            rung_when_answered.append(len(desk.stand_in.received(TWO)) - before)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": META,
        "raw_path": META.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    transport = desk.world.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    await transport.app(scope, receive, send)
    assert rung_when_answered == [0]
    assert desk.stand_in.received(TWO)[-1].text == f"#{waiting.code} is approved. Limit: $500.00"


async def test_a_reply_that_the_provider_does_not_take_waits_for_the_timer_and_costs_no_decision(desk: Desk) -> None:
    waiting = await desk.asked()
    desk.stand_in.plan(ONE, Fault(code=131000))
    assert (await desk.says(f"y {waiting.code}"))["action"] == "approved"
    (reply,) = [plain(item) for item in await desk.world.rows(NOTIFICATIONS) if item["relatedEntityId"]["S"] == waiting.request_id]
    assert (reply["deliveryStatus"], "nextAttemptAt" in reply) == ("failed", True)
    desk.world.clock.pass_time(seconds=61)
    await deliver_due(desk.world.services)
    assert (await row(desk.world, NOTIFICATIONS, reply["notificationId"]))["deliveryStatus"] == "sent"


async def test_a_slow_provider_may_take_longer_for_a_reply_than_a_request_may_take(stage: Stage) -> None:
    async with open_desk(stage, request_timeout_seconds=1) as hurried:
        waiting = await hurried.asked()
        hurried.stand_in.plan(ONE, Fault(delay_seconds=1.2))
        with capture_logs() as lines:
            assert (await hurried.says(f"y {waiting.code}"))["action"] == "approved"
        assert [line["event"] for line in lines if line["log_level"] == "error"] == []
        assert hurried.stand_in.received(ONE)[-1].text.startswith(f"#{waiting.code} is approved.")
