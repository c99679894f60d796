"""What the relay remembers between its looks, what it forgets, and that neither hides an event."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tazco.platform import publishing
from tazco.platform.outbox import OutboxRow, shard_of
from tazco.platform.publishing import LOOK_ROWS_MAX
from tazco.platform.relaying import Relay
from tests.platform.relay_rig import Rig, cards_of_one_shard, refusing, step_all, stream

FIRST, SECOND = cards_of_one_shard(2)
SHARD = shard_of("card", FIRST)


async def blocked(rig: Rig, count: int) -> list[OutboxRow]:
    """So many events of one card, of which the first may not go for an hour."""
    rows = stream(FIRST, count, rig.services)
    rows[0] = replace(rows[0], retry_count=1, next_retry_at=rig.clock() + timedelta(hours=1))
    await rig.write(*rows)
    return rows


def remembered(relay: Relay) -> int:
    """How many events of the shard the relay holds in memory."""
    return len(relay._publishers[SHARD][1]._backlog)


async def test_a_thousand_that_wait_at_the_head_hide_no_other(rig: Rig) -> None:
    cards = cards_of_one_shard(2)
    blocked, free = stream(cards[0], 2 * LOOK_ROWS_MAX + 50, rig.services), stream(cards[1], 1, rig.services)
    later = replace(blocked[0], retry_count=1, next_retry_at=rig.clock() + timedelta(hours=1))
    await rig.write(later, *blocked[1:], *free)
    relay = await rig.settled()
    shard = shard_of("card", cards[0])
    steps = 0
    while not rig.seam.accepted:
        await relay.step(shard)
        steps += 1
        assert steps <= 4
    assert [event["aggregateId"] for event in rig.seam.accepted] == [cards[1]]
    await relay.step(shard)
    reads = sum(len(json.loads(call.body)["RequestItems"]) for call in rig.seam.calls if call.operation == "BatchGetItem")
    await relay.step(shard)
    again = sum(len(json.loads(call.body)["RequestItems"]) for call in rig.seam.calls if call.operation == "BatchGetItem")
    assert again == reads, "what waits is remembered"


async def test_a_look_that_ends_early_goes_on_where_it_ended(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LOOK_ENTRIES_MAX", 20)
    await blocked(rig, 50)
    await rig.write(*stream(SECOND, 1, rig.services))
    relay = await rig.settled()
    for _ in range(3):
        await relay.step(SHARD)
    assert rig.seam.order(SECOND) == [1]


async def test_more_than_it_wants_to_remember_is_forgotten_and_found_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "BACKLOG_ROWS_MAX", 30)
    monkeypatch.setattr(publishing, "LOOK_ROWS_MAX", 20)
    await blocked(rig, 100)
    await rig.write(*stream(SECOND, 1, rig.services))
    relay = await rig.settled()
    for _ in range(6):
        await relay.step(SHARD)
        assert remembered(relay) <= 30
    assert rig.seam.order(SECOND) == [1]
    rig.clock.pass_time(hours=1)
    relay = await rig.settled_again()
    for _ in range(8):
        await relay.step(SHARD)
    assert rig.seam.order(FIRST) == list(range(1, 101))


async def test_what_the_index_does_not_name_any_more_is_forgotten(rig: Rig) -> None:
    rows = await blocked(rig, 5)
    relay = await rig.settled()
    await relay.step(SHARD)
    assert remembered(relay) == 5
    for row in rows[1:]:
        await rig.delete(row)
    rig.clock.pass_time(seconds=6)
    await relay.step(SHARD)
    assert remembered(relay) == 1


async def test_what_another_relay_did_meanwhile_is_not_remembered_otherwise(rig: Rig) -> None:
    (row,) = stream(FIRST, 1, rig.services)
    await rig.write(row)
    rig.seam.refuse = refusing([row.event_id])
    relay = await rig.settled()
    await relay.step(SHARD)
    assert remembered(relay) == 1
    await relay.shards.leave()
    await relay.settle()
    await relay.step(SHARD, look=False)
    assert remembered(relay) == 0


async def test_a_nudge_for_what_a_look_has_found_and_sent_sends_nothing(rig: Rig) -> None:
    (row,) = stream(FIRST, 1, rig.services)
    await rig.write(row)
    relay = await rig.settled()
    assert await step_all(relay) == 1
    relay.nudge([row])
    assert await step_all(relay, look=False) == 0


async def test_a_lease_that_ends_in_the_middle_of_a_step_ends_the_step(rig: Rig) -> None:
    await rig.write(*(stream(card, 1, rig.services)[0] for card in cards_of_one_shard(25)))
    seconds = [0.0]
    relay = replace(rig.relay(), monotonic=lambda: seconds[0])
    await relay.settle()

    async def ages() -> None:
        seconds[0] += 5

    rig.seam.before_put = ages
    await relay.step(SHARD)
    assert [len(batch) for batch in rig.seam.batches] == [10, 10]
    assert len(await rig.pending()) == 5
    assert relay.shards.held == ()


async def test_a_step_ends_under_any_load_and_the_next_goes_on_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "STEP_EVENTS_MAX", 5)
    await rig.write(*stream(FIRST, 12, rig.services))
    relay = await rig.settled()
    steps = [await relay.step(SHARD) for _ in range(2)]
    assert [step.published for step in steps] == [5, 5]
    assert relay._publishers[SHARD][1].wake.is_set()
    assert (await relay.step(SHARD)).published == 2
    assert not relay._publishers[SHARD][1].wake.is_set()
