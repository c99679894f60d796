"""Seeded storms: entries refused at random, calls throttled, answers lost, relays dying; afterwards everything is there, in order."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from tazco.platform.aws import AwsUnreachable
from tazco.platform.bus import BusDown
from tazco.platform.outbox import OutboxRow
from tazco.platform.relaying import Relay
from tazco.platform.wire import Reply
from tests.platform.faults import error
from tests.platform.relay_rig import Rig, step_all, stream, take_all

CARDS = 20
EVENTS_EACH = 10
WAVES = 12
WHOLE_CALL_FAULTS: list[str | Reply] = [
    "lost before",
    "lost after",
    error(400, "ThrottlingException"),
    error(500, "InternalFailure"),
    error(400, "AccessDeniedException"),
    error(400, "ValidationException"),
]


class Impatient(random.Random):
    """Chance that draws the shortest pause."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002  # the upper end
        """The lower end."""
        return a


@dataclass(slots=True)
class Storm:
    """What a seed makes of the bus, the database and the relays."""

    rig: Rig
    chance: random.Random
    relays: list[Relay] = field(default_factory=list)
    refused: int = 0

    def blow(self) -> None:
        """Plan faults for the calls to come."""
        self.rig.seam.refuse = self._refuse
        self.rig.seam.whole = [self.chance.choice(WHOLE_CALL_FAULTS) if self.chance.random() < 0.3 else "" for _ in range(20)]
        self.rig.seam.lose = {
            name: [self.chance.choice(["lost before", "lost after", ""]) for _ in range(self.chance.randrange(30))]
            for name in ("UpdateItem", "Query", "BatchGetItem")
        }

    def _refuse(self, _: dict[str, Any]) -> str | None:
        if self.chance.random() >= 0.1:
            return None
        self.refused += 1
        return self.chance.choice(["InternalFailure", "ThrottlingException", "MalformedDetail"])

    def calm(self) -> None:
        """No more faults."""
        self.rig.seam.refuse, self.rig.seam.whole, self.rig.seam.lose = take_all, [], {}

    async def turn(self) -> None:
        """One relay does a round of work; now and then it dies instead, and another is born."""
        if len(self.relays) < 2 or self.chance.random() < 0.1:
            self.relays.append(self.rig.relay())
        if len(self.relays) > 2:
            self.relays.pop(self.chance.randrange(len(self.relays)))
        relay = self.chance.choice(self.relays)
        with suppress(AwsUnreachable):
            await relay.settle()
        for shard in relay.shards.held:
            with suppress(BusDown, AwsUnreachable):
                await relay.step(shard, look=self.chance.random() < 0.7)


async def commit(storm: Storm, lines: list[list[OutboxRow]]) -> None:
    """The next event of some cards: written, then told to a relay, or not."""
    for line in storm.chance.sample(lines, k=min(len(lines), storm.chance.randrange(1, CARDS))):
        rows = [line.pop(0) for _ in range(min(len(line), storm.chance.randrange(1, 3)))]
        await storm.rig.write(*rows)
        if storm.relays and storm.chance.random() < 0.5:
            storm.chance.choice(storm.relays).nudge(rows)


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_storm_every_event_is_there_and_every_card_was_told_in_order(rig: Rig, seed: int) -> None:
    storm = Storm(rig, random.Random(seed))  # noqa: S311  # a seed that repeats, no secret
    rig.services.aws.rng = Impatient()
    rows = [stream(f"card-{number}", EVENTS_EACH, rig.services) for number in range(CARDS)]
    lines = [list(line) for line in rows]
    while lines:
        storm.blow()
        await commit(storm, lines)
        lines = [line for line in lines if line]
        await storm.turn()
        rig.clock.pass_time(seconds=storm.chance.uniform(0, 4))
    for _ in range(WAVES):
        storm.blow()
        await storm.turn()
        rig.clock.pass_time(seconds=storm.chance.uniform(0, 10))
    assert storm.refused > 5
    assert len(rig.seam.accepted) > 50
    storm.calm()
    await revive(rig, rows)
    rig.clock.pass_time(seconds=200)
    last = await rig.settled()
    await step_all(last)
    assert await rig.pending() == []
    for number in range(CARDS):
        assert rig.seam.order(f"card-{number}") == list(range(1, EVENTS_EACH + 1)), f"card-{number}"


async def revive(rig: Rig, lines: list[list[OutboxRow]]) -> None:
    """Redrive every dead letter, as an operator would."""
    for line in lines:
        for row in line:
            found = await rig.read(row)
            if found is not None and found.dead:
                await rig.write(row)
