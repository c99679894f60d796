"""A message once recorded is carried out once, whoever dies in between: §6.6, and the sweep."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tazco.approvals import commands, reactions
from tazco.approvals.commands import NotFinished, finish, process
from tazco.approvals.model import Action
from tazco.approvals.reactions import expire_unanswered, sweep
from tazco.notifications.model import InboundMessage
from tazco.notifications.store import INBOUND_MESSAGES, inbound, inbound_id
from tazco.platform.whatsapp.incoming import Incoming
from tests.approvals.desk import DEFAULTS, META, ONE, USER, Desk, Waiting, all_of, open_desk
from tests.contract.seeds import amend, plain, seed, with_policy
from tests.platform.faults import COMMIT, Faulty, error
from tests.stage import Stage
from tests.world import open_world

OUR_FAULT = {"ok": False, "action": "error", "error": "Something went wrong on our side."}


@pytest.fixture(scope="module")
def faulty() -> Faulty:
    """Faults at the seam to AWS."""
    return Faulty()


@pytest.fixture(scope="module")
async def desk(stage: Stage, faulty: Faulty) -> AsyncIterator[Desk]:
    """Approvers."""
    async with open_desk(stage, transport=faulty) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _usual_policy(desk: Desk, faulty: Faulty) -> None:
    faulty.plan.clear()
    await with_policy(desk.world, **DEFAULTS)


async def left_lying(desk: Desk, waiting: Waiting, message_id: str, *, seconds_ago: float = 0, **attributes: Any) -> None:
    """A message that somebody recorded and never carried out."""
    record = InboundMessage(
        message_id=inbound_id("meta", message_id),
        provider="meta",
        wpp_message_id=message_id,
        sender_phone=ONE,
        received_at=desk.world.clock() - timedelta(seconds=seconds_ago),
        command=f"approve {waiting.code}",
        version=1,
    )
    await seed(desk.world, INBOUND_MESSAGES, **plain(INBOUND_MESSAGES.item(replace(record, **attributes))))


async def test_a_message_is_recorded_before_anything_is_done(desk: Desk, faulty: Faulty) -> None:
    waiting = await desk.asked()
    posted = desk.stand_in.tap(ONE, f"approve:{waiting.code}", message_id="wamid.recorded")
    faulty.strike(COMMIT, "none", *[error(500, "InternalServerError")] * 20)
    assert await desk.outcome(posted) == OUR_FAULT
    faulty.plan.clear()
    record = await desk.record("wamid.recorded")
    assert (record["command"], "outcome" in record) == (f"approve {waiting.code}", False)
    assert await desk.status(waiting) == "pending"


async def test_what_could_not_even_be_recorded_is_answered_so_that_the_provider_repeats_it(desk: Desk, faulty: Faulty) -> None:
    waiting = await desk.asked()
    posted = desk.stand_in.tap(ONE, f"approve:{waiting.code}", message_id="wamid.unrecorded")
    faulty.strike(COMMIT, *[error(500, "InternalServerError")] * 20)
    reply = await desk.hear(posted)
    assert (reply.status, reply.body) == (500, OUR_FAULT)
    faulty.plan.clear()
    assert (await desk.outcome(posted))["action"] == "approved"


async def test_a_redelivery_takes_over_after_a_minute_and_not_before(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "WAIT_SECONDS_MAX", 0.2)
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.over")
    posted = desk.stand_in.tap(ONE, f"approve:{waiting.code}", message_id="wamid.over")
    assert await desk.outcome(posted) == OUR_FAULT
    assert await desk.status(waiting) == "pending"
    desk.world.clock.pass_time(seconds=60)
    approved = {"ok": True, "action": "approved", "requestId": waiting.request_id}
    assert [reply.body["results"] for reply in await all_of(desk, posted, 10)] == [[approved]] * 10
    assert await desk.told(waiting.request_id) == [("Desk 1", "approved")]


async def test_the_sweep_takes_over_after_a_minute_and_tells_the_approver(desk: Desk) -> None:
    desk.world.clock.pass_time(seconds=60)
    await sweep(desk.world.services)
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.swept")
    assert await sweep(desk.world.services) == 0
    desk.world.clock.pass_time(seconds=60)
    assert await sweep(desk.world.services) == 1
    assert await desk.status(waiting) == "approved"
    assert await desk.told(waiting.request_id) == [("Desk 1", "approved")]
    assert desk.stand_in.received(ONE)[-1].text == f"#{waiting.code} is approved. Limit: $500.00"
    (entry,) = await desk.audited(waiting.request_id)
    assert (entry["actorId"], entry["requestId"]) == (ONE, "wamid.swept")
    assert await sweep(desk.world.services) == 0
    outcome = await desk.taps(f"approve:{waiting.code}", message_id="wamid.swept")
    assert outcome == {"ok": True, "action": "approved", "requestId": waiting.request_id}


async def test_whoever_comes_late_to_a_message_leaves_it_as_it_is(desk: Desk) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.late", seconds_ago=61)
    (message,) = await desk.world.services.database.read(inbound(inbound_id("meta", "wamid.late")))
    assert message is not None
    before = counted(desk, "approved")
    first, late = await finish(desk.world.services, message), await finish(desk.world.services, message)
    assert (first.outcome, first.notification_id is None) == (late.outcome, False)
    assert late.notification_id is None
    record = await desk.record("wamid.late")
    assert (json.loads(record["outcome"])["action"], record["version"]) == ("approved", 2)
    assert counted(desk, "approved") == before + 1


def counted(desk: Desk, outcome: str) -> float:
    """How often an outcome was counted."""
    return desk.world.services.metrics.registry.get_sample_value("tazco_approvals_total", {"outcome": outcome}) or 0


async def test_several_sweeps_and_a_redelivery_at_once_are_one_decision(desk: Desk, stage: Stage) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.many", seconds_ago=61)
    posted = desk.stand_in.tap(ONE, f"approve:{waiting.code}", message_id="wamid.many")
    async with open_world(stage, **desk.stand_in.settings) as neighbour:
        neighbour.clock.shift = desk.world.clock.shift
        *_, reply = await asyncio.gather(
            sweep(desk.world.services), sweep(neighbour.services), sweep(desk.world.services), desk.hear(posted)
        )
    assert reply.body["results"] == [{"ok": True, "action": "approved", "requestId": waiting.request_id}]
    assert (len(await desk.audited(waiting.request_id)), len(await desk.told(waiting.request_id))) == (1, 1)


async def test_a_message_that_another_process_has_is_waited_for(desk: Desk) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.elsewhere")
    done = {"ok": True, "action": "ignored", "reason": "expired"}

    async def elsewhere() -> None:
        await asyncio.sleep(0.15)
        await amend(desk.world, INBOUND_MESSAGES, (inbound_id("meta", "wamid.elsewhere"),), outcome=json.dumps(done), version=2)

    outcome, _ = await asyncio.gather(desk.taps(f"approve:{waiting.code}", message_id="wamid.elsewhere"), elsewhere())
    assert outcome == done
    assert await desk.status(waiting) == "pending"


async def test_what_lay_about_for_days_is_carried_out_if_its_code_still_counts(desk: Desk) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.old", seconds_ago=3 * 24 * 3600)
    await sweep(desk.world.services)
    assert await desk.status(waiting) == "approved"


async def test_one_message_that_cannot_be_finished_stops_none_of_the_rest(desk: Desk) -> None:
    waiting = [await desk.asked() for _ in range(5)]
    for number, each in enumerate(waiting):
        broken = {"command": "nonsense"} if number == 2 else {}
        await left_lying(desk, each, f"wamid.rest.{number}", seconds_ago=100 - number, **broken)
    await desk.world.services.database.delete_all(INBOUND_MESSAGES, [(inbound_id("meta", "wamid.rest.0"),)])
    await sweep(desk.world.services)
    assert [await desk.status(each) for each in waiting] == ["pending", "approved", "pending", "approved", "approved"]


async def test_whoever_is_no_approver_any_more_when_it_is_carried_out_decides_nothing(desk: Desk) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.former", seconds_ago=61)
    await with_policy(desk.world, whatsapp__approvers="[]")
    await sweep(desk.world.services)
    assert json.loads((await desk.record("wamid.former"))["outcome"])["reason"] == "not_whitelisted"
    assert (await desk.status(waiting), await desk.told(waiting.request_id)) == ("pending", [])


async def test_a_user_id_in_place_of_a_phone_is_still_known_when_it_is_swept(desk: Desk) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.id", seconds_ago=61, sender_phone=USER, sender_user_id=USER)
    await sweep(desk.world.services)
    (entry,) = await desk.audited(waiting.request_id)
    assert (entry["actorId"], entry["reason"]) == (USER, "Approved by Desk 3 over WhatsApp")


async def test_an_approver_whose_phone_became_known_meanwhile_is_still_the_same(desk: Desk) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.grew", seconds_ago=61, sender_phone=USER, sender_user_id=USER)
    await with_policy(desk.world, whatsapp__approvers=json.dumps([{"name": "Desk 9", "phone": ONE, "userId": USER}]))
    await sweep(desk.world.services)
    assert await desk.told(waiting.request_id) == [("Desk 9", "approved")]


async def test_a_run_has_a_bound_and_the_next_one_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "PER_RUN_MAX", 2)
    waiting = [await desk.asked() for _ in range(3)]
    for number, each in enumerate(waiting):
        await left_lying(desk, each, f"wamid.bound.{number}", seconds_ago=61)
    assert [await sweep(desk.world.services) for _ in range(3)] == [2, 1, 0]
    unanswered = [await desk.asked() for _ in range(3)]
    before = counted(desk, "unanswered")
    desk.world.clock.pass_time(hours=25)
    assert (await expire_unanswered(desk.world.services), counted(desk, "unanswered")) == (2, before + 2)
    while await expire_unanswered(desk.world.services):
        pass
    assert {(await desk.tracker(each.request_id))["status"] for each in unanswered} == {"expired"}


@pytest.mark.parametrize("fault", ["lost after", "lost before", error(400, "ThrottlingException")])
async def test_a_commit_whose_answer_is_lost_is_still_one_decision(desk: Desk, faulty: Faulty, fault: Any) -> None:
    for at in range(2):
        waiting = await desk.asked()
        faulty.strike(COMMIT, *["none"] * at, fault)
        assert (await desk.taps(f"approve:{waiting.code}"))["action"] == "approved"
        faulty.plan.clear()
        assert (len(await desk.audited(waiting.request_id)), len(await desk.told(waiting.request_id))) == (1, 1)


async def test_a_request_that_is_cut_off_between_record_and_decision_is_finished_by_the_sweep(desk: Desk, faulty: Faulty) -> None:
    waiting = await desk.asked()
    faulty.strike(COMMIT, "hangs after")
    raw, headers = desk.stand_in.tap(ONE, f"approve:{waiting.code}", message_id="wamid.cut")
    call = asyncio.create_task(desk.world.call("POST", META, raw, headers))
    await asyncio.wait_for(faulty.reached.wait(), 10)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    faulty.plan.clear()
    assert "outcome" not in await desk.record("wamid.cut")
    desk.world.clock.pass_time(seconds=60)
    await sweep(desk.world.services)
    assert await desk.status(waiting) == "approved"


async def test_a_record_that_a_cleanup_deletes_is_not_made_up_again(desk: Desk, faulty: Faulty) -> None:
    waiting = await desk.asked()
    await left_lying(desk, waiting, "wamid.wiped")
    said = Incoming(provider="meta", message_id="wamid.wiped", phone=ONE, user_id=None, name=None, text=f"y {waiting.code}")
    reads = faulty.count("BatchGetItem")
    task = asyncio.create_task(process(desk.world.services, said))
    while faulty.count("BatchGetItem") < reads + 2:
        await asyncio.sleep(0.01)
    await desk.world.services.database.delete_all(INBOUND_MESSAGES, [(inbound_id("meta", "wamid.wiped"),)])
    with pytest.raises(NotFinished):
        await task
    assert await desk.record("wamid.wiped") == {}


async def test_the_same_id_from_the_other_provider_is_another_message(desk: Desk) -> None:
    one, other = await desk.asked(), await desk.asked()
    for provider, waiting in (("meta", one), ("wppconnect", other)):
        said = Incoming(provider=provider, message_id="same", phone=ONE, user_id=None, name=None, text=f"y {waiting.code}")
        processed = await process(desk.world.services, said)
        assert (processed.outcome.action, processed.outcome.request_id) == (Action.APPROVED, waiting.request_id)
