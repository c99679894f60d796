"""`tazco dev`: the whole programme on one machine, one screen, one key to stop it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tazco.local.children import Child, ChildDied, free_port
from tazco.local.embedded import EmbeddedCloud, StoppedBadly
from tazco.local.http_client import ApiClient
from tazco.local.people import PASSWORD, PEOPLE, Introduced, Pool, introduce
from tazco.local.workspace import Workspace
from tazco.platform.cloud import Cloud
from tazco.platform.messaging import Subscription
from tazco.platform.provision import Clients, Provisioned, Provisioner
from tazco.platform.settings import Names
from tazco.platform.tables import Table

HOST: Final = "127.0.0.1"
TOKENS_RENEWED_SECONDS: Final = 45 * 60
THROW_AWAY: Final = {
    "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID": "100000000000001",
    "TAZCO_WHATSAPP_META_ACCESS_TOKEN": "local-only",
    "TAZCO_WHATSAPP_META_APP_SECRETS": "local-only",
    "TAZCO_WHATSAPP_META_VERIFY_TOKEN": "local-only",
}
"""No provider is called by what runs today; the values let the policy's default, notifications on, be valid."""


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


@dataclass(slots=True)
class Dev:
    """Starts everything in order and stops it in reverse. `say` tells of each step."""

    plan: Plan
    say: Callable[[str], None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _notes: list[str] = field(default_factory=list)

    async def run(self, show: Callable[[Running], None]) -> None:
        """Run until told to stop; raise `ChildDied` or `CannotStart` with cause and cure."""
        began = time.perf_counter()
        async with self._cloud() as cloud, self._api(cloud) as (api, url, ids):
            client = ApiClient(url)
            try:
                people = await self._introduce(client, Pool(_clients(cloud.environment()).cognito, ids))
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
                await self._watch(api, cloud, lambda: self._introduce(client, Pool(_clients(cloud.environment()).cognito, ids)))
            finally:
                client.close()

    @asynccontextmanager
    async def _cloud(self) -> AsyncIterator[EmbeddedCloud]:
        cloud = EmbeddedCloud(self.plan.workspace.cloud, self.plan.cloud_port)
        if self.plan.fresh:
            self.say("starting over: deleting the local data")
            await cloud.fresh()
        self.say("starting the embedded cloud")
        await cloud.start()
        try:
            yield cloud
        finally:
            self.say("saving and stopping the embedded cloud")
            try:
                await cloud.stop()
            except StoppedBadly as error:
                self.say(str(error))

    @asynccontextmanager
    async def _api(self, cloud: EmbeddedCloud) -> AsyncIterator[tuple[Child, str, Provisioned]]:
        ids = await asyncio.to_thread(self._provision, cloud)
        port = free_port(HOST, self.plan.api_port)
        if port != self.plan.api_port:
            self._notes.append(f"port {self.plan.api_port} is taken, the API uses {port}")
        variables = self._variables(cloud, ids, port)
        self.plan.workspace.write_variables(self.plan.workspace.variables, variables)
        api = Child("API", ("serve", "--with-parent"), variables, self.plan.workspace.api_log)
        self.say("starting the API")
        await api.start()
        url = f"http://{HOST}:{port}"
        try:
            await api.until_ready(url)
            yield api, url, ids
        finally:
            self.say("stopping the API")
            await api.stop()
            self.plan.workspace.variables.unlink(missing_ok=True)
            self.plan.workspace.tokens.unlink(missing_ok=True)

    def _provision(self, cloud: EmbeddedCloud) -> Provisioned:
        provisioner = Provisioner(_clients(cloud.environment()), Names(), self.plan.tables, self.plan.subscriptions)
        self.say("provisioning tables, pool, bus, queues and parameters")
        made = 0

        def count(finding: Any) -> None:
            nonlocal made
            made += bool(finding.done)
            if not finding.settled:
                self._notes.append(f"{finding.kind} {finding.name} {finding.state}: {finding.detail}")

        ids = provisioner.apply(count)
        self.say(f"{made} resources created or mended" if made else "all resources are there already")
        return ids

    def _variables(self, cloud: EmbeddedCloud, ids: Provisioned, port: int) -> dict[str, str]:
        return {
            **cloud.environment(),
            **THROW_AWAY,
            "TAZCO_HOST": HOST,
            "TAZCO_PORT": str(port),
            "TAZCO_COGNITO_USER_POOL_ID": ids.user_pool_id,
            "TAZCO_COGNITO_CLIENT_IDS": ids.client_id,
            "TAZCO_COGNITO_JWKS_URL": f"{cloud.url}/{ids.user_pool_id}/.well-known/jwks.json",
            "TAZCO_CURSOR_SECRETS": self.plan.workspace.cursor_secret(),
            "TAZCO_POLICY_REFRESH_SECONDS": "5",
        }

    async def _introduce(self, client: ApiClient, pool: Pool) -> Introduced:
        self.say("introducing the demo people")

        def tokens() -> Mapping[str, Any]:
            for demo in PEOPLE:
                pool.enrol(demo.email, PASSWORD, operator=demo.operator)
            return {demo.name: pool.sign_in(demo.email, PASSWORD) for demo in PEOPLE}

        people = await introduce(client, await asyncio.to_thread(tokens))
        self.plan.workspace.write_variables(self.plan.workspace.tokens, people.variables())
        return people

    async def _watch(self, api: Child, cloud: EmbeddedCloud, renew: Callable[[], Any]) -> None:
        """Until told to stop; renew the tokens in time, and say so if a child ends by itself."""
        while not self.stop.is_set():
            waits = [asyncio.create_task(wait) for wait in (self.stop.wait(), api.wait(), cloud.wait())]
            done, pending = await asyncio.wait(waits, timeout=TOKENS_RENEWED_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            if self.stop.is_set():
                return
            if waits[1] in done:
                raise api.death()
            if waits[2] in done:
                raise ChildDied(
                    f"The embedded cloud ended by itself; see {cloud.log_file}. Run `tazco dev` again; at most seconds are lost."
                )
            await renew()


def _clients(environment: Mapping[str, str]) -> Clients:
    return Clients.of(Cloud.from_mapping(environment))


async def run_until_signal(dev: Dev, show: Callable[[Running], None]) -> None:
    """Run; the first Ctrl-C or SIGTERM stops everything in order, a second one drops everything at once."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(dev.run(show))

    def interrupted() -> None:
        if dev.stop.is_set():
            task.cancel()
        dev.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    stopping = asyncio.create_task(dev.stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
