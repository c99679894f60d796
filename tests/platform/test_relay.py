"""What the relay sends, in which order, and what it writes down: step by step, without its tasks."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tazco.platform.aws import AwsUnreachable
from tazco.platform.bus import BusDown
from tazco.platform.outbox import shard_of
from tazco.platform.publishing import INBOX_ROWS_MAX
from tests.platform.faults import error
from tests.platform.relay_rig import Rig, cards_of_one_shard, step_all, stream


async def test_an_event_arrives_and_its_row_leaves_the_index_with_a_date_to_expire(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    relay = await rig.settled()
    assert await step_all(relay) == 1
    (received,) = await rig.received(1)
    assert received["detail"]["eventId"] == row.event_id
    left = await rig.read(row)
    assert left is not None
    assert (left.pending_shard, left.created_at, left.next_retry_at) == (None, None, None)
    assert left.published_at is not None
    assert abs(left.published_at - rig.clock()) < timedelta(seconds=5)
    assert left.expires_at == int((left.published_at + timedelta(days=7)).timestamp())
    assert await step_all(relay) == 0


async def test_events_of_many_cards_go_out_in_tens_oldest_first(rig: Rig) -> None:
    rows = [replace(stream(card, 1, rig.services)[0]) for card in cards_of_one_shard(25)]
    aged = [
        replace(row, occurred_at=row.occurred_at - timedelta(seconds=age), created_at=row.occurred_at - timedelta(seconds=age))
        for age, row in enumerate(rows)
    ]
    await rig.write(*aged)
    await step_all(await rig.settled())
    assert [len(batch) for batch in rig.seam.batches] == [10, 10, 5]
    assert [event["eventId"] for event in rig.seam.accepted] == [row.event_id for row in reversed(aged)]


async def test_events_of_one_card_go_out_one_by_one_in_their_order(rig: Rig) -> None:
    rows = stream("card-1", 25, rig.services)
    await rig.write(*reversed(rows))
    assert await step_all(await rig.settled()) == 25
    assert [len(batch) for batch in rig.seam.batches] == [1] * 25
    received = await rig.received(25)
    assert [message["detail"]["sequence"] for message in received] == list(range(1, 26))
    assert await rig.pending() == []


async def test_events_of_several_cards_share_a_call_and_none_shares_it_with_its_own_successor(rig: Rig) -> None:
    cards = cards_of_one_shard(12)
    await rig.write(*(row for card in cards for row in stream(card, 4, rig.services)))
    await step_all(await rig.settled())
    assert all(len({event["aggregateId"] for event in batch}) == len(batch) for batch in rig.seam.batches)
    assert all(rig.seam.order(card) == [1, 2, 3, 4] for card in cards)
    assert len(rig.seam.batches) == 8


async def test_rows_of_an_older_program_that_name_no_predecessor_keep_their_order_too(rig: Rig) -> None:
    rows = [replace(row, previous_event_id=None) for row in stream("card-1", 5, rig.services)]
    await rig.write(*reversed(rows))
    await step_all(await rig.settled())
    assert all(len(batch) == 1 for batch in rig.seam.batches)
    assert rig.seam.order("card-1") == [1, 2, 3, 4, 5]


async def test_an_index_that_shows_the_second_event_first_does_not_send_it_first(rig: Rig) -> None:
    first, second = stream("card-1", 2, rig.services)
    await rig.write(first, second)
    rig.seam.hidden = {first.event_id}
    relay = await rig.settled()
    await step_all(relay)
    assert rig.seam.order("card-1") == [1, 2]
    assert await rig.pending() == []


async def test_a_second_event_waits_as_long_as_its_predecessor_cannot_go(rig: Rig) -> None:
    first, second = stream("card-1", 2, rig.services)
    later = replace(first, retry_count=1, next_retry_at=rig.clock() + timedelta(seconds=60))
    await rig.write(later, second)
    rig.seam.hidden = {first.event_id}
    relay = await rig.settled()
    assert await step_all(relay) == 0
    rig.clock.pass_time(seconds=61)
    assert await step_all(await rig.settled_again()) == 2
    assert rig.seam.order("card-1") == [1, 2]


async def test_the_successor_of_one_that_left_long_ago_needs_one_read(rig: Rig) -> None:
    first, second = stream("card-1", 2, rig.services)
    await rig.write(replace(first, pending_shard=None, created_at=None), second)
    assert await step_all(await rig.settled()) == 1
    third = stream("card-2", 1, rig.services, first=7, previous="an event that expired")[0]
    await rig.write(third)
    assert await step_all(await rig.settled_again()) == 1


async def test_a_nudge_sends_without_asking_the_index_or_reading_anything(rig: Rig) -> None:
    relay = await rig.settled()
    await step_all(relay)
    rows = stream("card-1", 3, rig.services)
    await rig.write(*rows)
    before = len(rig.seam.calls)
    relay.nudge(rows[:2])
    assert await step_all(relay, look=False) == 2
    relay.nudge(rows[2:])
    assert await step_all(relay, look=False) == 1
    assert {call.operation for call in rig.seam.calls[before:]} == {"PutEvents", "UpdateItem"}
    assert rig.seam.order("card-1") == [1, 2, 3]
    assert await rig.pending() == []


async def test_a_nudged_event_whose_predecessor_is_not_known_is_looked_up_first(rig: Rig) -> None:
    relay = await rig.settled()
    await step_all(relay)
    first, second = stream("card-1", 2, rig.services)
    await rig.write(first, second)
    relay.nudge([second])
    assert await step_all(relay, look=False) == 2
    assert rig.seam.order("card-1") == [1, 2]


async def test_a_nudge_for_somebody_elses_shard_or_beyond_the_inbox_is_left_to_the_look(rig: Rig) -> None:
    stranger = rig.relay()
    stranger.nudge(stream("card-1", 1, rig.services))
    assert await step_all(stranger) == 0
    relay = await rig.settled()
    await step_all(relay)
    flood = [stream(card, 1, rig.services)[0] for card in cards_of_one_shard(INBOX_ROWS_MAX + 5)]
    relay.nudge(flood)
    sent = 0
    while step := await step_all(relay, look=False):  # a step ends after a second, however much is left
        sent += step
    assert sent == INBOX_ROWS_MAX
    await rig.write(*flood[-5:])
    assert await step_all(relay) == 5


async def test_a_row_that_a_cleanup_deleted_is_not_created_again(rig: Rig) -> None:
    relay = await rig.settled()
    await step_all(relay)
    (row,) = stream("card-1", 1, rig.services)
    relay.nudge([row])
    assert await step_all(relay, look=False) == 1
    assert await rig.read(row) is None


async def test_an_entry_of_the_index_whose_row_is_gone_or_has_left_is_passed_over(rig: Rig) -> None:
    gone, left, there = (stream(card, 1, rig.services)[0] for card in cards_of_one_shard(3))
    await rig.write(gone, left, there)
    index = await rig.index(there)
    await rig.delete(gone)
    await rig.write(replace(left, pending_shard=None, created_at=None))
    rig.seam.lose["Query"] = [index] * 16
    relay = await rig.settled()
    await relay.step(shard_of("card", "card-0"))
    assert [event["eventId"] for event in rig.seam.accepted] == [there.event_id]


async def test_what_was_sent_is_not_sent_again_while_the_index_still_names_it(rig: Rig) -> None:
    (row,) = stream("card-0", 1, rig.services)
    await rig.write(row)
    index = await rig.index(row)
    relay = await rig.settled()
    assert await step_all(relay) == 1
    rig.seam.lose["Query"] = [index]
    reads = rig.seam.count("BatchGetItem")
    assert (await relay.step(shard_of("card", "card-0"))).published == 0
    assert rig.seam.count("BatchGetItem") == reads


async def test_a_row_that_an_operator_calls_back_goes_out_again(rig: Rig) -> None:
    (row,) = stream("card-1", 1, rig.services)
    await rig.write(row)
    relay = await rig.settled()
    assert await step_all(relay) == 1
    await rig.write(row)
    rig.clock.pass_time(seconds=6)
    assert await step_all(relay) == 1


async def test_a_mark_that_fails_is_made_up_for_and_the_event_is_not_sent_again(rig: Rig) -> None:
    first, second = stream("card-1", 2, rig.services)
    await rig.write(first)
    relay = await rig.settled()
    rig.seam.lose["UpdateItem"] = ["lost before"] * 4
    with pytest.raises(AwsUnreachable):
        await step_all(relay)
    await rig.write(second)
    rig.clock.pass_time(seconds=6)
    assert await step_all(relay) == 1
    assert [event["sequence"] for event in rig.seam.accepted] == [1, 2]
    assert await rig.pending() == []


@pytest.mark.parametrize("fault", ["lost before", "lost after", error(400, "ThrottlingException")], ids=str)
async def test_an_outage_of_the_bus_counts_against_no_event_and_keeps_the_order(rig: Rig, fault: str) -> None:
    rows = stream("card-1", 3, rig.services)
    await rig.write(*rows)
    relay = await rig.settled()
    rig.seam.whole = [fault] * 2
    with pytest.raises(BusDown):
        await step_all(relay)
    held = await rig.read(rows[0])
    assert held is not None
    assert (held.retry_count, held.last_error) == (0, None)
    assert await step_all(relay) == 3
    assert rig.seam.order("card-1") == [1, 2, 3]
    assert await rig.pending() == []
