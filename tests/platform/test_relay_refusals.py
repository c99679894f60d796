"""Events that the bus refuses: the schedule of retries, dead letters, and who may judge."""

from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from tazco.platform import publishing
from tazco.platform.bus import BusDown
from tazco.platform.outbox import DEAD_LETTERS, OutboxRow
from tazco.platform.relaying import Relay
from tests.platform.faults import error
from tests.platform.relay_rig import Rig, cards_of_one_shard, refusing, step_all, stream, take_all


async def again(rig: Rig, relay: Relay) -> Relay:
    """The relay after a pause that outlived its leases: with everything forgotten, in its place a new one."""
    await relay.shards.leave()
    return await rig.settled()


async def refused_to_death(rig: Rig, row: OutboxRow) -> Relay:
    """Refuse an event until it is given up."""
    rig.seam.refuse = refusing([row.event_id])
    relay = await rig.settled()
    for seconds in (0, 10, 20, 40, 80, 160):
        rig.clock.pass_time(seconds=seconds)
        await step_all(relay)
    return relay


async def test_of_a_batch_only_what_was_refused_is_tried_again(rig: Rig) -> None:
    rows = [stream(f"card-{number}", 1, rig.services)[0] for number in range(30)]
    await rig.write(*rows)
    rig.seam.refuse = refusing([rows[4].event_id, rows[17].event_id], "ThrottlingException")
    assert await step_all(await rig.settled()) == 28
    assert set(await rig.pending()) == {rows[4].event_id, rows[17].event_id}
    kept = await rig.read(rows[4])
    assert kept is not None
    assert (kept.retry_count, kept.last_error, kept.pending_shard) == (1, "ThrottlingException: planned", rows[4].pending_shard)
    assert kept.created_at == rows[4].created_at
    assert kept.next_retry_at is not None
    assert timedelta(seconds=5) < kept.next_retry_at - rig.clock() <= timedelta(seconds=10)


async def test_retries_come_after_10_20_40_80_and_160_seconds_and_then_it_is_a_dead_letter(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    rig.seam.refuse = refusing([row.event_id], "MalformedDetail")
    relay = await rig.settled()
    await step_all(relay)
    for count, seconds in enumerate((10, 20, 40, 80, 160), 1):
        kept = await rig.read(row)
        assert kept is not None
        assert kept.retry_count == count == len(rig.seam.batches)
        rig.clock.pass_time(seconds=seconds - 3)
        await step_all(relay)
        assert len(rig.seam.batches) == count, "not before its time"
        rig.clock.pass_time(seconds=3)
        await step_all(relay)
        assert len(rig.seam.batches) == count + 1
    dead = await rig.read(row)
    assert dead is not None
    assert (dead.pending_shard, dead.retry_count, dead.next_retry_at) == (DEAD_LETTERS, 5, None)
    assert (dead.last_error, dead.created_at) == ("MalformedDetail: planned", row.created_at)
    rig.clock.pass_time(hours=1)
    await step_all(relay)
    assert len(rig.seam.batches) == 6


async def test_the_schedule_survives_the_relay_that_began_it(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    rig.seam.refuse = refusing([row.event_id])
    relay = await rig.settled()
    await step_all(relay)
    relay = await again(rig, relay)
    assert await step_all(relay) == 0
    assert len(rig.seam.batches) == 1
    rig.clock.pass_time(seconds=10)
    rig.seam.refuse = take_all
    assert await step_all(await rig.settled_again()) == 1
    left = await rig.read(row)
    assert left is not None
    assert left.next_retry_at is None


@pytest.fixture
def open_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger that has not cached where it writes, so that a test can listen."""
    monkeypatch.setattr(publishing, "log", structlog.get_logger())


async def test_a_dead_letter_raises_the_alarm(rig: Rig, open_log: None) -> None:
    assert open_log is None
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    with capture_logs() as lines:
        await refused_to_death(rig, row)
    (alarm,) = [line for line in lines if line["event"] == "relay.dead_letter"]
    assert alarm["log_level"] == "error"
    assert (alarm["event_id"], alarm["aggregate_id"], alarm["error"]) == (row.event_id, "card-1", "InternalFailure: planned")


async def test_a_dead_letter_holds_its_card_alone_until_it_is_redriven(rig: Rig) -> None:
    dying, other = stream("card-1", 3, rig.services), stream("card-2", 3, rig.services)
    await rig.write(*dying, *other)
    relay = await refused_to_death(rig, dying[0])
    assert rig.seam.order("card-2") == [1, 2, 3]
    assert rig.seam.order("card-1") == []
    rig.seam.refuse = take_all
    rig.clock.pass_time(minutes=10)
    assert await step_all(relay) == 0
    await rig.write(replace(dying[0], retry_count=0))
    assert await step_all(relay) == 3
    assert rig.seam.order("card-1") == [1, 2, 3]
    assert await rig.pending() == []


async def test_a_retry_that_an_operator_wants_now_does_not_wait_for_its_time(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    rig.seam.refuse = refusing([row.event_id])
    relay = await rig.settled()
    for seconds in (0, 10, 20, 40):
        rig.clock.pass_time(seconds=seconds)
        await step_all(relay)
    rig.seam.refuse = take_all
    kept = await rig.read(row)
    assert kept is not None
    await rig.write(replace(kept, next_retry_at=None))
    rig.clock.pass_time(seconds=6)
    assert await step_all(relay) == 1


async def test_a_retry_that_somebody_else_has_sent_meanwhile_is_not_sent(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    rig.seam.refuse = refusing([row.event_id])
    relay = await rig.settled()
    await step_all(relay)
    rig.seam.refuse = take_all
    await rig.write(replace(row, pending_shard=None, created_at=None))
    rig.clock.pass_time(seconds=11)
    assert await step_all(relay, look=False) == 0


async def test_an_outage_in_the_middle_of_a_batch_keeps_what_was_judged_before_it(rig: Rig) -> None:
    rows = stream("card-1", 2, rig.services)
    others = [stream(card, 1, rig.services)[0] for card in cards_of_one_shard(3)]
    await rig.write(*others)
    relay = await rig.settled()
    rig.seam.whole = [error(400, "ValidationException"), "", error(400, "AccessDeniedException")]
    with pytest.raises(BusDown):
        await step_all(relay)
    (sent,) = rig.seam.accepted
    assert set(await rig.pending()) == {row.event_id for row in others} - {sent["eventId"]}
    await rig.write(*rows)
    assert await step_all(relay) == 4
    assert len({event["eventId"] for event in rig.seam.accepted}) == len(rig.seam.accepted) == 5


async def test_an_event_that_is_refused_lets_nothing_of_its_card_pass(rig: Rig) -> None:
    rows = stream("card-1", 5, rig.services)
    await rig.write(*rows)
    rig.seam.refuse = refusing([rows[2].event_id])
    relay = await rig.settled()
    assert await step_all(relay) == 2
    rig.seam.refuse = take_all
    rig.clock.pass_time(seconds=11)
    assert await step_all(relay) == 3
    assert rig.seam.order("card-1") == [1, 2, 3, 4, 5]


async def test_a_relay_whose_fence_is_old_cannot_write_a_failure(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    stale = await rig.settled()
    rig.clock.pass_time(seconds=11)
    holder = await rig.settled()
    rig.seam.refuse = refusing([row.event_id])
    await step_all(holder)
    judged = await rig.read(row)
    assert judged is not None
    assert (judged.retry_count, judged.fence) == (1, 2)
    rewound = replace(judged, retry_count=0, next_retry_at=None)
    await rig.write(rewound)
    await step_all(stale)
    assert len(rig.seam.batches) == 2, "the stale one still tried"
    assert await rig.read(row) == rewound


async def test_a_failure_is_not_written_over_somebody_elses(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    relay = await rig.settled()
    await rig.write(replace(row, retry_count=3))
    rig.seam.refuse = refusing([row.event_id])
    relay.nudge([row])
    await step_all(relay, look=False)
    assert len(rig.seam.batches) == 1
    kept = await rig.read(row)
    assert kept is not None
    assert kept.retry_count == 3
    await step_all(relay)
    assert len(rig.seam.batches) == 2, "read again, and due"
    kept = await rig.read(row)
    assert kept is not None
    assert kept.retry_count == 4


@pytest.mark.parametrize("retries", [0, 5])
async def test_a_lost_answer_counts_a_failure_once_and_no_alarm_is_lost(rig: Rig, open_log: None, retries: int) -> None:
    assert open_log is None
    row = replace(stream("card-1", 1, rig.services)[0], retry_count=retries)
    await rig.write(row)
    rig.seam.refuse = refusing([row.event_id])
    rig.seam.lose["UpdateItem"] = ["lost after", "lost after"]
    with capture_logs() as lines:
        await step_all(await rig.settled())
    kept = await rig.read(row)
    assert kept is not None
    assert (kept.retry_count, kept.dead) == ((5, True) if retries else (1, False))
    assert [line["event"] for line in lines] == (["relay.dead_letter"] if retries else [])


async def test_the_reason_in_the_row_is_short_and_shows_no_phone_number(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    rig.seam.refuse = refusing([row.event_id], "Bad +4915112345678 " + "x" * 500)
    await step_all(await rig.settled())
    kept = await rig.read(row)
    assert kept is not None
    assert kept.last_error is not None
    assert kept.last_error.startswith("Bad ****5678 x")
    assert len(kept.last_error) == 200


async def test_a_refused_row_that_was_deleted_is_not_created_again(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    relay = await rig.settled()
    await step_all(relay)
    rig.seam.refuse = refusing([row.event_id])
    await step_all(relay)
    relay.nudge([row])
    await step_all(relay, look=False)
    assert await rig.read(row) is None


async def test_what_happened_is_counted(rig: Rig) -> None:
    rows = [stream(f"card-{number}", 1, rig.services)[0] for number in range(5)]
    await rig.write(*rows)
    rig.seam.refuse = refusing([rows[0].event_id, rows[1].event_id])
    await step_all(await rig.settled())
    registry = rig.services.metrics.registry
    assert registry.get_sample_value("tazco_events_published_total") == 3
    assert registry.get_sample_value("tazco_publish_retries_total") == 2
    assert registry.get_sample_value("tazco_publish_delay_seconds_count") == 3
