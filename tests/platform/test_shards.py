"""Relays share the shards, and take over those of a relay that died."""

import asyncio
from datetime import timedelta

import pytest

from tazco.cleanup.commands import KEPT_STREAMS
from tazco.platform.aws import AwsUnreachable, Call
from tazco.platform.leases import LEASES
from tazco.platform.outbox import SHARDS
from tazco.platform.shards import ALL_KEYS, SHARD_KEYS, Shards
from tazco.platform.wire import Pool, Reply
from tests.platform.relay_rig import Rig


class Watch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def member(rig: Rig, name: str, watch: Watch | None = None) -> Shards:
    """One relay's hold on the shards."""
    return Shards(rig.services.database, rig.clock, name, monotonic=watch or Watch())


async def settle(*members: Shards, rounds: int = 1) -> None:
    """So many rounds of each, in turn, giving back what is too much."""
    for _ in range(rounds):
        for each in members:
            await each.settle()
            for shard in each.leaving:
                await each.give_back(shard)


def counts(*members: Shards) -> list[int]:
    """How many shards each holds."""
    assert len({shard for each in members for shard in each.held}) == sum(len(each.held) for each in members)
    return [len(each.held) for each in members]


async def test_a_single_relay_takes_every_shard_in_one_round(rig: Rig) -> None:
    ada = member(rig, "ada")
    before = rig.seam.count("BatchGetItem")
    await ada.settle()
    assert counts(ada) == [SHARDS]
    assert rig.seam.count("BatchGetItem") - before == 1


@pytest.mark.parametrize(("newcomers", "shares"), [(1, [8, 8]), (2, [5, 5, 6]), (4, [3, 3, 3, 3, 4])])
async def test_newcomers_get_their_share_within_two_rounds(rig: Rig, newcomers: int, shares: list[int]) -> None:
    members = [member(rig, "ada")]
    await settle(*members)
    members += [member(rig, f"newcomer {number}") for number in range(newcomers)]
    await settle(*members, rounds=3)
    assert sorted(counts(*members)) == shares
    assert sum(shares) == SHARDS


async def test_a_newcomer_looks_again_soon_and_a_settled_relay_does_not(rig: Rig) -> None:
    ada, bob = member(rig, "ada"), member(rig, "bob")
    assert await ada.settle() == 3
    assert await bob.settle() == 1


async def test_what_is_given_up_is_not_worked_on_any_more_but_held_until_it_is_given_back(rig: Rig) -> None:
    ada, bob = member(rig, "ada"), member(rig, "bob")
    await ada.settle()
    await bob.settle()
    await ada.settle()
    assert (len(ada.held), len(ada.leaving)) == (8, 8)
    assert all(ada.fence(shard) is None for shard in ada.leaving)
    await settle(bob)
    assert counts(bob) == [0]


async def test_a_dead_relay_is_taken_over_as_soon_as_its_leases_end_and_the_fence_grows(rig: Rig) -> None:
    ada, bob = member(rig, "ada"), member(rig, "bob")
    await settle(ada, bob, rounds=3)
    fences = {shard: ada.fence(shard) or 0 for shard in ada.held}
    rig.clock.pass_time(seconds=9)
    again = await bob.settle()
    assert len(bob.held) == 8
    assert again < 1.5, "it looks again when the leases of the dead one end, not a whole round later"
    rig.clock.pass_time(seconds=1.5)
    await bob.settle()
    assert len(bob.held) == SHARDS
    assert all((bob.fence(shard) or 0) > fence for shard, fence in fences.items())


async def test_a_relay_that_was_away_learns_that_its_shards_are_gone(rig: Rig) -> None:
    watch = Watch()
    ada, bob = member(rig, "ada", watch), member(rig, "bob")
    await ada.settle()
    rig.clock.pass_time(seconds=11)
    await bob.settle()
    assert len(bob.held) == SHARDS
    watch.seconds += 7.9
    assert len(ada.held) == SHARDS
    watch.seconds += 0.2
    assert ada.held == ()
    await settle(ada, bob, ada, rounds=2)
    assert counts(ada, bob) == [8, 8]


async def test_a_holder_that_renews_in_time_keeps_its_shards_and_their_fences(rig: Rig) -> None:
    watch = Watch()
    ada, bob = member(rig, "ada", watch), member(rig, "bob")
    await settle(ada, bob, rounds=3)
    fences = {shard: ada.fence(shard) for shard in ada.held}
    for _ in range(5):
        rig.clock.pass_time(seconds=3)
        watch.seconds += 3
        await settle(ada, bob)
    assert {shard: ada.fence(shard) for shard in ada.held} == fences


async def test_a_relay_that_leaves_lets_the_others_in_at_once(rig: Rig) -> None:
    ada, bob = member(rig, "ada"), member(rig, "bob")
    await settle(ada, bob, rounds=3)
    await ada.leave()
    await bob.settle()
    assert counts(ada, bob) == [0, SHARDS]


async def test_two_that_grasp_at_the_same_time_never_hold_the_same(rig: Rig) -> None:
    members = [member(rig, f"relay {number}") for number in range(4)]
    for _ in range(4):
        await asyncio.gather(*(settle(each) for each in members))
        counts(*members)
    await settle(*members)
    assert counts(*members) == [4, 4, 4, 4]


async def test_more_relays_than_shards_leave_one_without_work(rig: Rig) -> None:
    members = [member(rig, f"relay {number}") for number in range(17)]
    await settle(*members, rounds=3)
    assert sorted(counts(*members)) == [0, *[1] * 16]


async def test_a_lease_that_moved_on_since_it_was_read_is_not_taken(rig: Rig) -> None:
    ada, bob = member(rig, "ada"), member(rig, "bob")
    await ada.settle()
    key = SHARD_KEYS["pending#3"]
    assert not await bob._take(key, {key: 1}), "renewed"
    await ada.leave()
    await ada.settle()
    await ada.leave()
    assert not await bob._take(key, {key: 1}), "free again, but under another fence"
    assert await bob._take(key, {key: 2})
    assert bob.fence("pending#3") == 3


async def test_a_lost_answer_is_no_lost_lease(rig: Rig) -> None:
    ada = member(rig, "ada")
    rig.seam.lose["PutItem"] = ["lost after", "", *["lost after"] * SHARDS]
    await ada.settle()
    assert counts(ada) == [SHARDS]
    assert {ada.fence(shard) for shard in ada.held} == {1}


async def test_a_database_that_does_not_answer_takes_nothing_away_before_its_time(rig: Rig) -> None:
    watch = Watch()
    ada = member(rig, "ada", watch)
    await ada.settle()
    rig.seam.lose["PutItem"] = [*["lost before"] * 17 * 4]
    with pytest.raises(AwsUnreachable):
        await ada.settle()
    assert counts(ada) == [SHARDS]
    watch.seconds += 9
    assert counts(ada) == [0]
    await ada.settle()
    assert {ada.fence(shard) for shard in ada.held} == {1}


async def test_a_cleanup_keeps_the_leases_and_has_its_own(rig: Rig) -> None:
    assert all(key.startswith(KEPT_STREAMS) for (key,) in ALL_KEYS)
    await member(rig, "ada").settle()
    assert await rig.services.leases.take("cleanup", "op", timedelta(seconds=60))
    assert not await rig.services.leases.take("cleanup", "other", timedelta(seconds=60))
    await rig.services.leases.give_back("cleanup", "op")
    assert await rig.services.leases.take("cleanup", "other", timedelta(seconds=60))
    rows = await rig.services.database.rows(LEASES, ALL_KEYS)
    assert len(rows) == SHARDS + 1


async def test_a_shard_given_back_while_it_is_renewed_has_to_be_taken_anew(rig: Rig) -> None:
    ada, shard = member(rig, "ada"), "pending#3"
    await ada.settle()
    given_back = False

    async def slow_to_answer(call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        nonlocal given_back
        reply = await rig.seam(call, pool, request, timeout_seconds)
        if call.operation == "PutItem" and f'"{SHARD_KEYS[shard]}"'.encode() in call.body and not given_back:
            given_back = True
            await ada.give_back(shard)
        return reply

    rig.services.aws.transport = slow_to_answer
    try:
        await ada.settle()
    finally:
        rig.services.aws.transport = rig.seam
    assert given_back
    (row,) = await rig.services.database.rows(LEASES, [(SHARD_KEYS[shard],)])
    assert (ada.fence(shard), row.fence, row.until_ms > 0) == (2, 2, True), "under a new fence, not by the late answer"
