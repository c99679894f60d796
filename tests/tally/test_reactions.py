"""Each event moves what it should, once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tazco.approvals.reactions import expire_unanswered
from tazco.kernel.ids import EventId
from tazco.platform.reactions import IncompleteEvent
from tazco.platform.work import CleaningUp
from tazco.tally.model import HOUR, KEPT_FOR, hour_of
from tazco.tally.reactions import REACTIONS
from tazco.tally.store import TALLIES, hours
from tests.contract.seeds import ago, seed_card, with_policy
from tests.stage import Stage
from tests.tally.counter import ALL, counts, everything_that_happened, happened, kept, moved, react, this_hour
from tests.world import World, open_world


async def test_money_is_counted_as_it_moved(world: World) -> None:
    ada, card_id = await world.cardholder(score=720)
    assert (await ada.buy(card_id, Decimal("100.5"))).status == 201
    assert (await ada.buy(card_id, Decimal("0.01"))).status == 201
    assert (await ada.buy(card_id, 99_999)).status == 402
    on_time = (await ada.pay(card_id, Decimal("50.25"))).body["scoreImpact"]["delta"]
    late_card = await seed_card(world, ada, balance=5_000, nextDueDate=ago(world, days=9))
    late = (await ada.pay(late_card, 20)).body["scoreImpact"]["delta"]
    assert on_time > 0 > late
    await react(world, *await everything_that_happened(world))
    assert moved(await this_hour(world)) == counts(
        requested=1,
        approved_auto=1,
        purchases=2,
        purchased=10_051,
        payments=2,
        paid=7_025,
        late_payments=1,
        declines=1,
        points_up=220 + on_time,
        points_down=-late,
    )


async def test_requests_are_counted_by_what_became_of_them(world: World) -> None:
    operator = await world.operator()
    for verdict, body in (("approve", {"creditLimit": 500}), ("reject", {"reason": "no"})):
        request_id = (await (await world.person(430)).ask_for_card()).body["request"]["requestId"]
        assert (await operator.post(f"/v1/admin/card-requests/{request_id}/{verdict}", body)).status == 200
    await with_policy(world, whatsapp__approvers='[{"name":"Desk 1","phone":"5511900000000"}]', whatsapp__expiryRejects="true")
    await (await world.person(430)).ask_for_card()
    asked_at = world.clock()
    world.clock.pass_time(hours=24)
    assert await expire_unanswered(world.services) == 1
    await with_policy(world, whatsapp__approvers="[]", whatsapp__expiryRejects="false")
    await react(world, *await everything_that_happened(world))
    assert moved(await this_hour(world, asked_at)) == counts(requested=3, approved_admin=1, rejected=1, points_down=210)
    assert moved(await this_hour(world)) == counts(expired=1, rejected=1)


@pytest.mark.parametrize("event_type", ALL)
async def test_an_event_that_comes_again_and_many_times_at_once_counts_once(world: World, stage: Stage, event_type: str) -> None:
    event = happened(world.clock(), event_type, **ALL[event_type])
    async with open_world(stage) as elsewhere:
        elsewhere.clock.shift = world.clock.shift
        await asyncio.gather(*(react(each, event) for each in (world, elsewhere) for _ in range(5)))
    once = moved(await this_hour(world))
    assert once
    assert await kept(world) == (1, 1)
    await react(world, event, event)
    assert moved(await this_hour(world)) == once
    await react(world, replace(event, event_id=EventId("another")))
    assert moved(await this_hour(world)) == {name: 2 * value for name, value in once.items()}


async def test_many_events_of_one_hour_are_all_counted_by_workers_side_by_side(world: World, stage: Stage) -> None:
    events = [happened(world.clock(), "transaction.purchase", amount=Decimal("0.01")) for _ in range(60)]
    async with open_world(stage) as elsewhere:
        elsewhere.clock.shift = world.clock.shift
        await asyncio.gather(*(react((world, elsewhere)[number % 2], event) for number, event in enumerate(events)))
    assert moved(await this_hour(world)) == counts(purchases=60, purchased=60)
    assert await kept(world) == (4, 60)


async def test_at_midnight_a_new_hour_begins(world: World) -> None:
    midnight = hour_of(world.clock()).replace(hour=0)
    before, after = happened(midnight - timedelta(milliseconds=1)), happened(midnight)
    await react(world, before, after, happened(midnight + HOUR - timedelta(milliseconds=1)))
    found = await hours(world.services.database, midnight, 2)
    assert [(hour.began_at, hour.declines) for hour in found] == [(midnight - HOUR, 1), (midnight, 2)]


async def test_an_event_of_days_ago_counts_in_its_hour_and_is_kept_no_longer_than_that(world: World) -> None:
    now = world.clock()
    oldest = hour_of(now) - KEPT_FOR + HOUR
    await react(world, happened(oldest))
    assert (await this_hour(world, oldest)).declines == 1
    rows = await world.rows(TALLIES)
    assert await kept(world) == (1, 1)
    ours = [row["expiresAt"] for row in rows if row["ecosystemId"]["S"].startswith(("tally#", "event#"))]
    assert ours == [{"N": str(int((oldest + KEPT_FOR).timestamp()))}] * 2
    assert TALLIES.ttl == "expiresAt"


@pytest.mark.parametrize("away", [-KEPT_FOR, -timedelta(days=4000), 3 * HOUR, timedelta(days=365 * 7900)])
async def test_an_event_whose_hour_is_forgotten_or_far_ahead_is_left_out(world: World, away: timedelta) -> None:
    await react(world, happened(world.clock() + away))
    assert await kept(world) == (0, 0)


async def test_a_clock_that_goes_ahead_a_little_does_not_lose_events(world: World) -> None:
    ahead = world.clock() + timedelta(minutes=40)
    await react(world, happened(ahead))
    assert (await this_hour(world, ahead)).declines == 1


async def test_a_cleanup_takes_everything_and_what_comes_while_it_runs_comes_again(world: World) -> None:
    await react(world, happened(world.clock()))
    operator = await world.operator()
    token = (await operator.post("/v1/admin/cleanup", key="")).body["confirmationToken"]
    assert (await operator.post("/v1/admin/cleanup", {"confirmationToken": token}, key="")).status == 200
    world._operator = None
    assert await kept(world) == (0, 0)
    assert moved(await this_hour(world)) == {}
    world.services.maintenance.note(running=True)
    with pytest.raises(CleaningUp):
        await react(world, happened(world.clock()))
    world.services.maintenance.note(running=False)
    assert await kept(world) == (0, 0)


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("card.approved", {}),
        ("card.approved", {"source": "whatsapp"}),
        ("card.approved", {"source": None}),
        ("transaction.purchase", {}),
        ("transaction.purchase", {"amount": "5"}),
        ("transaction.purchase", {"amount": True}),
        ("transaction.purchase", {"amount": Decimal("0.001")}),
        ("transaction.payment", {"amount": 5}),
        ("transaction.payment", {"amount": 5, "paymentStatus": "early"}),
        ("transaction.payment", {"paymentStatus": "late"}),
        ("score.changed", {}),
        ("score.changed", {"delta": Decimal("1.5")}),
        ("score.changed", {"delta": True}),
    ],
)
async def test_an_event_without_what_is_counted_is_refused_for_good(world: World, event_type: str, payload: dict[str, Any]) -> None:
    with pytest.raises(IncompleteEvent, match=r"Mend its sender"):
        await react(world, happened(world.clock(), event_type, **payload))
    assert await kept(world) == (0, 0)


def test_every_type_has_its_test() -> None:
    assert set(REACTIONS.react) == set(ALL)
