"""`tazco dev`: the whole programme on one machine, one screen, one key to stop it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tazco.local.children import ChildDied
from tazco.local.embedded import PORT_PREFERRED, EmbeddedCloud, StoppedBadly
from tazco.local.http_client import ApiClient
from tazco.local.people import DemoFailed, Introduced, Pool, SignInFailed, introduce
from tazco.local.programme import POLICY, Programme
from tazco.local.workspace import Workspace
from tazco.platform.cloud import Cloud
from tazco.platform.messaging import Subscription
from tazco.platform.provision import Clients, Provisioned, Provisioner
from tazco.platform.settings import load_names
from tazco.platform.tables import Table
from tazco.platform.wire import WireFailure

TOKENS_RENEWED_SECONDS: Final = 45 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run and where."""

    workspace: Workspace
    tables: tuple[Table[Any], ...]
    subscriptions: tuple[Subscription, ...]
    api_port: int
    cloud_port: int | None
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs where, for the screen."""

    api_url: str
    cloud_url: str
    workspace: Workspace
    people: Introduced
    seconds: float
    notes: tuple[str, ...]


class _ToldToStop(Exception):
    """Somebody pressed Ctrl-C before everything had started."""


@dataclass(slots=True)
class Dev:
    """Starts everything in order and stops it in reverse. `say` tells of each step.

    `stop` set: it stops. `saved` tells afterwards whether the cloud could write its last snapshot.
    """

    plan: Plan
    say: Callable[[str], None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    saved: bool = True
    _notes: list[str] = field(default_factory=list)
    _programme: Programme | None = None
    _cloud_child: EmbeddedCloud | None = None

    async def run(self, show: Callable[[Running], None]) -> None:
        """Run until told to stop; raise `ChildDied`, `DemoFailed` or `CannotStart` with cause and cure."""
        try:
            await self._run(show)
        except (_ToldToStop, ChildDied, DemoFailed):
            if not self.stop.is_set():
                raise

    def hurry(self) -> None:
        """End at once what the stopping waits for: our processes first; the cloud, which then cannot save, only when asked again."""
        if self._programme is not None and self._programme.kill():
            return
        if self._cloud_child is not None and self._cloud_child.pid:
            os.killpg(self._cloud_child.pid, signal.SIGKILL)

    async def _run(self, show: Callable[[Running], None]) -> None:
        began = time.perf_counter()
        async with self._cloud() as cloud, self._processes(cloud) as (programme, url, ids):
            client, pool = ApiClient(url), Pool(_clients(cloud.environment()).cognito, ids)
            try:
                people = await self._introduce(client, pool)
                show(
                    Running(
                        api_url=url,
                        cloud_url=cloud.url,
                        workspace=self.plan.workspace,
                        people=people,
                        seconds=time.perf_counter() - began,
                        notes=tuple(self._notes),
                    )
                )
                await self._watch(programme, cloud, lambda: self._renew(client, pool))
            finally:
                client.close()

    def _step(self, text: str) -> None:
        """Tell of the next step of the start, unless the start is to be given up."""
        if self.stop.is_set():
            raise _ToldToStop
        self.say(text)

    @asynccontextmanager
    async def _cloud(self) -> AsyncIterator[EmbeddedCloud]:
        cloud = EmbeddedCloud(self.plan.workspace.cloud, self.plan.cloud_port)
        if self.plan.fresh:
            await cloud.fresh()
            self._step("starting over: the local data are deleted")
        self._step("starting the embedded cloud")
        self._cloud_child = cloud
        await cloud.start()
        if self.plan.cloud_port is None and not cloud.url.endswith(f":{PORT_PREFERRED}"):
            self._notes.append(f"port {PORT_PREFERRED} is taken, the embedded cloud uses {cloud.url.rpartition(':')[2]}")
        try:
            yield cloud
        finally:
            self.say("saving and stopping the embedded cloud")
            try:
                await cloud.stop()
            except StoppedBadly as error:
                self.saved = False
                self.say(str(error))

    @asynccontextmanager
    async def _processes(self, cloud: EmbeddedCloud) -> AsyncIterator[tuple[Programme, str, Provisioned]]:
        self._step("provisioning tables, pool, bus, queues and parameters")
        ids = await asyncio.to_thread(self._provision, cloud)
        self._programme = Programme(self.plan.workspace, self.plan.api_port, self._step, self.say, self._notes)
        async with self._programme.running(cloud.environment(), cloud.url, ids) as url:
            yield self._programme, url, ids

    def _provision(self, cloud: EmbeddedCloud) -> Provisioned:
        provisioner = Provisioner(_clients(cloud.environment()), load_names(), self.plan.tables, self.plan.subscriptions, POLICY)
        made = 0

        def count(finding: Any) -> None:
            nonlocal made
            made += bool(finding.done)
            if not finding.settled:
                self._notes.append(f"{finding.kind} {finding.name} {finding.state}: {finding.detail}")

        ids = provisioner.apply(count)
        self.say(f"{made} resources created or mended" if made else "all resources are there already")
        return ids

    async def _introduce(self, client: ApiClient, pool: Pool) -> Introduced:
        self._step("introducing the demo people")
        try:
            people = await introduce(client, await asyncio.to_thread(pool.sign_everybody_in))
        except WireFailure as failure:
            raise DemoFailed(f"The API does not answer: {failure}. See {self.plan.workspace.api_log}.") from failure
        self.plan.workspace.write_variables(self.plan.workspace.tokens, people.variables())
        return people

    async def _renew(self, client: ApiClient, pool: Pool) -> None:
        """Tokens for another hour; where that fails, whatever else runs goes on."""
        try:
            await self._introduce(client, pool)
        except (DemoFailed, SignInFailed) as error:
            self.say(f"the tokens could not be renewed: {error}")

    async def _watch(self, programme: Programme, cloud: EmbeddedCloud, renew: Callable[[], Awaitable[None]]) -> None:
        """Until told to stop; renew the tokens in time, and say so if a process ends by itself."""
        while not self.stop.is_set():
            stopped, ended, cloudless = waits = (
                asyncio.create_task(self.stop.wait()),
                asyncio.create_task(programme.first_to_end()),
                asyncio.create_task(cloud.wait()),
            )
            done, pending = await asyncio.wait(waits, timeout=TOKENS_RENEWED_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            if stopped in done:
                return
            if ended in done:
                raise ended.result().death()
            if cloudless in done:
                raise ChildDied(
                    f"The embedded cloud ended by itself; see {cloud.log_file}. Run `tazco dev` again; at most seconds are lost."
                )
            await renew()


def _clients(environment: Mapping[str, str]) -> Clients:
    return Clients.of(Cloud.from_mapping(environment))


async def run_until_signal(dev: Dev, show: Callable[[Running], None]) -> None:
    """Run; the first Ctrl-C or SIGTERM stops everything in order, another one no longer waits for that."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if dev.stop.is_set():
            dev.hurry()
        dev.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    await dev.run(show)
