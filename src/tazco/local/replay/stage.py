"""Puts a replay on: checks that the API is there, raises the limits, plays everybody side by side, reconciles."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tazco.card_requests.commands import limit_of
from tazco.kernel.clock import system_clock
from tazco.kernel.money import to_literal
from tazco.local.http_client import ApiClient
from tazco.local.people import Pool
from tazco.local.replay.evidence import events_of, evidence_of
from tazco.local.replay.histories import History
from tazco.local.replay.limits import PARAMETERS, CannotReplay, Limits
from tazco.local.replay.operator import Operator
from tazco.local.replay.patient_client import PatientClient, Unexpected
from tazco.local.replay.player import Played, Player
from tazco.local.replay.reconcile import Reconciliation, reconcile
from tazco.local.replay.report import Report, summed
from tazco.platform.aws import Aws
from tazco.platform.cloud import ChainCredentials, Cloud
from tazco.platform.database import Database
from tazco.platform.policy import Policy
from tazco.platform.provision import Clients, Provisioned
from tazco.platform.settings import Settings
from tazco.platform.wire import WireFailure

CONCURRENCY_DEFAULT: Final = 16
HTTP_OK: Final = 200
DOMAIN: Final = "tazco.local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to replay, where, and how.

    `run` makes the e-mails of this replay its own, so that the next one meets other people; `password` is everybody's.
    """

    histories: tuple[History, ...]
    api_url: str
    settings: Settings
    cloud: Cloud
    run: str
    password: str
    raise_limits: bool
    concurrency: int = CONCURRENCY_DEFAULT


@dataclass(slots=True)
class Replay:
    """One replay. `say` tells of a step; `advance` is called when a customer is through."""

    plan: Plan
    say: Callable[[str], None]
    advance: Callable[[], None]
    _notes: list[str] = field(default_factory=list)

    async def run(self) -> Report:
        """Play everybody and prove the result; raise `CannotReplay` before anybody plays."""
        aws = self._aws()
        client = PatientClient(ApiClient(self.plan.api_url), random.SystemRandom())
        now = asyncio.get_running_loop().time
        try:
            operator, pool = await self._enter(client)
            async with self._policy(aws, operator) as policy:
                client.seconds.clear()
                began = now()
                played = await self._play_all(client, operator, pool, policy)
                seconds, exchanges = now() - began, tuple(client.seconds)
                self.say("reading the tables")
                proof = await reconciled(Database(aws, self.plan.settings.table_prefix), played)
        finally:
            client.api.close()
            aws.close()
        return summed(
            self.plan.run,
            played,
            proof,
            exchange_seconds=exchanges,
            repeats=client.repeats,
            seconds=seconds,
            notes=tuple(self._notes),
        )

    def _aws(self) -> Aws:
        cloud = self.plan.cloud
        return Aws(cloud.endpoints(), cloud.region, ChainCredentials(cloud), system_clock)

    async def _enter(self, client: PatientClient) -> tuple[Operator, Pool]:
        plan = self.plan
        try:
            reply = await client.api.call("GET", "/health/readiness")
        except (WireFailure, ValueError) as failure:
            raise CannotReplay(
                f"No API answers at {plan.api_url}: {failure}. Start one with `tazco dev`, or give --api-url."
            ) from None
        if reply.status != HTTP_OK:
            raise CannotReplay(f"The API at {plan.api_url} is not ready: {reply.body}. `tazco doctor` looks for the cause.")
        ids = Provisioned(user_pool_id=plan.settings.cognito_user_pool_id, client_id=plan.settings.cognito_client_ids[0])
        clients = await asyncio.to_thread(Clients.of, plan.cloud)
        pool = Pool(clients.cognito, ids)
        operator = Operator(client, pool, f"replay-operator-{plan.run}@{DOMAIN}", plan.password)
        try:
            await operator.register()
        except Unexpected as problem:
            raise CannotReplay(f"The replay has no operator: {problem}. Do API and environment share one user pool?") from None
        return operator, pool

    @asynccontextmanager
    async def _policy(self, aws: Aws, operator: Operator) -> AsyncIterator[Policy]:
        settings = self.plan.settings
        limits = Limits(aws, settings.ssm_prefix, settings.policy_refresh_seconds, operator, self.say)
        if self.plan.raise_limits:
            async with limits.raised(self.plan.histories) as policy:
                self._notes.append(_limits_note(policy, "raised for the run"))
                yield policy
        else:
            policy = await limits.served()
            self._notes.append(_limits_note(policy, "the policy's own, which cap the histories"))
            yield policy

    async def _play_all(self, client: PatientClient, operator: Operator, pool: Pool, policy: Policy) -> list[Played]:
        """Everybody's history, at most `concurrency` at a time."""
        plan = self.plan
        waiting = iter(plan.histories)
        everybody: list[Played] = []

        async def play_next() -> None:
            for history in waiting:
                played = Played(customer=history.customer)
                everybody.append(played)
                email = self._email(history.customer)
                player = Player(
                    client=client,
                    operator=operator,
                    pool=pool,
                    policy=policy,
                    email=email,
                    password=plan.password,
                    history=history,
                    played=played,
                )
                await player.play()
                self.advance()

        self.say(f"replaying {len(plan.histories)} histories through {plan.api_url}")
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.concurrency):
                group.create_task(play_next())
        return everybody

    def _email(self, customer: str) -> str:
        return f"replay-{self.plan.run}-{customer.lower()}@{DOMAIN}"


def _limits_note(policy: Policy, why: str) -> str:
    limits = ", ".join(f"{tier.value} {to_literal(limit_of(tier, policy))}" for tier in PARAMETERS)
    return f"limits by tier: {limits} ({why})"


async def reconciled(database: Database, played: list[Played]) -> Reconciliation:
    """Read the tables and judge everybody."""
    ids = [each.ecosystem_id for each in played if each.ecosystem_id]
    events = await events_of(database, ids)
    return reconcile(played, await evidence_of(database, ids), events)
