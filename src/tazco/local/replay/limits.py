"""The policy's limits during a replay: what the histories need of them, raised in SSM before and put back afterwards.

Only ever on a cloud of this machine: a policy on real AWS belongs to its operators.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tazco.card_requests.commands import limit_of
from tazco.kernel.money import Money, to_literal
from tazco.local.endpoints import on_loopback
from tazco.local.replay.histories import History, starting_score
from tazco.local.replay.operator import Operator
from tazco.local.replay.patient_client import Unexpected
from tazco.platform.aws import Aws
from tazco.platform.cloud import Cloud
from tazco.platform.policy import TIER_LIMIT_MAX, InvalidPolicy, Policy, policy_from
from tazco.platform.policy_source import read_parameters
from tazco.users.model import HIGH_TIER_SCORE_MIN, MEDIUM_TIER_SCORE_MIN, SCORE_MIN, Tier, tier_of

PARAMETERS: Final[Mapping[Tier, str]] = {
    Tier.LOW: "limits/lowTier",
    Tier.MEDIUM: "limits/mediumTier",
    Tier.HIGH: "limits/highTier",
}
"""From the lowest: the policy demands that each is at least the one before it."""

SCORES: Final[Mapping[Tier, int]] = {
    Tier.LOW: SCORE_MIN,
    Tier.MEDIUM: MEDIUM_TIER_SCORE_MIN,
    Tier.HIGH: HIGH_TIER_SCORE_MIN,
}
POLL_SECONDS: Final = 0.25
REFRESHES_MAX: Final = 4
GRACE_SECONDS: Final = 10.0


class CannotReplay(Exception):
    """The replay cannot begin; the message tells cause and cure."""


def on_this_machine(cloud: Cloud) -> bool:
    """The parameters are served from a loopback address."""
    return on_loopback(cloud.endpoint("ssm"))


def needed_limits(histories: tuple[History, ...], policy: Policy) -> dict[Tier, Money]:
    """For each tier at least the highest limit among the customers who start in it; never lower than the policy has it."""
    needed: dict[Tier, Money] = {}
    floor = Money(0)
    for tier in PARAMETERS:
        wanted = [history.limit for history in histories if tier_of(starting_score(history)) is tier]
        floor = min(TIER_LIMIT_MAX, max([floor, limit_of(tier, policy), *wanted]))
        needed[tier] = floor
    return needed


@dataclass(slots=True)
class Limits:
    """Reads, raises and restores. `say` tells what is done."""

    aws: Aws
    ssm_prefix: str
    refresh_seconds: float
    operator: Operator
    say: Callable[[str], None]

    def _valid(self, parameters: Mapping[str, str]) -> Policy:
        try:
            return policy_from(parameters)
        except InvalidPolicy as error:
            raise CannotReplay(f"The policy under {self.ssm_prefix}/ is invalid: {error}. Correct the parameter.") from None

    @asynccontextmanager
    async def raised(self, histories: tuple[History, ...]) -> AsyncIterator[Policy]:
        """The policy with limits that are high enough, for as long as the block runs."""
        before = await self._read()
        policy = self._valid(before)
        needed = needed_limits(histories, policy)
        changed = {tier: to_literal(limit) for tier, limit in needed.items() if limit != limit_of(tier, policy)}
        told = ", ".join(f"{PARAMETERS[tier]} {to_literal(limit_of(tier, policy))} → {value}" for tier, value in changed.items())
        if changed:
            self.say(f"raising for the replay: {told}; put back at its end")
        try:
            for tier, value in reversed(changed.items()):  # highest first: the set is valid after every step
                await self._put(PARAMETERS[tier], value)
            yield await self.served()
        finally:
            await self._restore(before, changed)
        if changed:
            self.say("waiting until the API has the former limits again")
            try:
                await self.served()
            except CannotReplay as error:
                self.say(str(error))

    async def served(self) -> Policy:
        """Wait until the API offers what SSM has for every tier; the policy. Raise `CannotReplay` if it never does."""
        policy = self._valid(await self._read())
        try:
            async with asyncio.timeout(REFRESHES_MAX * self.refresh_seconds + GRACE_SECONDS):
                for tier, score in SCORES.items():
                    await self.operator.set_score(self.operator.ecosystem_id, score, "To see the offer of the tier")
                    while await self.operator.offered() != limit_of(tier, policy):
                        await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise CannotReplay(
                f"The API does not serve the limits that stand under {self.ssm_prefix}/. Does it run on the same cloud and prefix? "
                "Its readiness warns of a policy that it refused."
            ) from None
        except Unexpected as problem:
            raise CannotReplay(f"The offers that tell the limits cannot be read: {problem}.") from None
        return policy

    async def _restore(self, before: Mapping[str, str], changed: Mapping[Tier, str]) -> None:
        now = await self._read()
        for tier, value in changed.items():
            name = PARAMETERS[tier]
            if now.get(name) not in (value, before.get(name)):
                self.say(f"{name} was changed by somebody else meanwhile and stays {now.get(name)}")
            elif name in before:
                await self._put(name, before[name])
            elif name in now:
                await self.aws.call("ssm", "DeleteParameter", {"Name": f"{self.ssm_prefix}/{name}"})

    async def _put(self, name: str, value: str) -> None:
        arguments = {"Name": f"{self.ssm_prefix}/{name}", "Value": value, "Type": "String", "Overwrite": True}
        await self.aws.call("ssm", "PutParameter", arguments)

    async def _read(self) -> dict[str, str]:
        return await read_parameters(self.aws, self.ssm_prefix + "/")
