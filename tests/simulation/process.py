"""Processes of the programme inside of a simulation: the real application, relay and worker, each with its clock and its network."""

import asyncio
import dataclasses
import functools
import json
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import httpx
import structlog
from fastapi import FastAPI
from pydantic import SecretStr

from tazco import wiring
from tazco.app import api
from tazco.platform.aws import Aws
from tazco.platform.consumer import Consumer
from tazco.platform.database import Database
from tazco.platform.http.edge import Edge
from tazco.platform.identity import Verifier
from tazco.platform.jwks import Jwks
from tazco.platform.messaging import queue_name
from tazco.platform.policy import Policy
from tazco.platform.policy_source import PolicySource
from tazco.platform.queues import Queue
from tazco.platform.reactions import Timer
from tazco.platform.relaying import Relay
from tazco.platform.services import Services
from tazco.platform.settings import Settings
from tazco.platform.sigv4 import Credentials
from tazco.platform.timers import run_timers
from tazco.platform.whatsapp.meta import MetaMessenger
from tazco.platform.whatsapp.outbound import Line
from tazco.slices import REACTIONS, TIMERS
from tazco.wiring import Parts
from tests.platform import tokens
from tests.simulation.cloud import ENDPOINT, NAMES, PREFIXES
from tests.simulation.loop import Actor
from tests.simulation.wire import Net

APP_SECRET: Final = "simulated-app-secret"
WPP_SECRET: Final = "simulated-wpp-secret"
PHONE_NUMBER_ID: Final = "123456"
CLIENT_ID: Final = "simulated-client"
POOL_ID: Final = "us-east-1_simulated"
ISSUER: Final = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL_ID}"
MARGIN_SECONDS: Final = 0.5
"""Clocks of our processes differ by no more than this from the true time, as with NTP."""


class Role(StrEnum):
    """What a process is."""

    API = "api"
    RELAY = "relay"
    WORKER = "worker"


class ConnectionLost(Exception):
    """The client got no answer: the process died, or the network between them lost it."""


@functools.cache
def settings() -> Settings:
    """Those of every process."""
    return Settings(
        **NAMES.model_dump(),
        cognito_user_pool_id=POOL_ID,
        cognito_client_ids=(CLIENT_ID,),
        cursor_secrets=(SecretStr("a-cursor-secret-of-the-simulation-0123456789"),),
        whatsapp_meta_phone_number_id=PHONE_NUMBER_ID,
        whatsapp_meta_access_token=SecretStr("simulated-access-token"),
        whatsapp_meta_app_secrets=(SecretStr(APP_SECRET),),
        whatsapp_meta_verify_token=SecretStr("simulated-verify-token"),
        wpp_webhook_secret=SecretStr(WPP_SECRET),
        console=False,
        trace_events=True,
        policy_refresh_seconds=600,
    )


class Fixed:
    """Credentials that nobody checks here."""

    async def current(self) -> Credentials:
        """The same ones always."""
        return Credentials("simulated", "simulated", None)


def _any_policy(policy: Policy) -> None:
    """Whatever SSM has is good: messages can be sent here."""


async def _fetch_key_set(_: str) -> bytes:
    return tokens.key_set(tokens.jwk("k1"))


@functools.cache
def token(subject: str, *, admin: bool = False) -> str:
    """An ID token of the simulated pool, good for decades."""
    claims = tokens.id_claims(
        sub=subject,
        aud=CLIENT_ID,
        iss=ISSUER,
        iat=1_600_000_000,
        auth_time=1_600_000_000,
        exp=4_000_000_000,
        email=f"{subject}@example.com",
        email_verified=True,
        cognito__groups=["admin"] if admin else None,
    )
    return tokens.token(claims)


@dataclass(slots=True)
class Provider(httpx.AsyncBaseTransport):
    """Where the messages of all processes go: whatever the run under way put here."""

    answer: Callable[[httpx.Request], Any] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The provider's answer."""
        assert self.answer is not None, "a run sets it"
        response: httpx.Response = await self.answer(request)
        return response


PROVIDER: Final = Provider()


@functools.cache
def _messenger() -> MetaMessenger:
    """The programme's own messenger, with the provider at the other end of its connections."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    line = Line("Meta")
    line._client = httpx.AsyncClient(transport=PROVIDER, timeout=60, follow_redirects=False, trust_env=False)
    return MetaMessenger(
        base_url="https://graph.invalid",
        api_version="v25.0",
        phone_number_id=PHONE_NUMBER_ID,
        access_token="simulated-access-token",
        line=line,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def replayed(self) -> bool:
        """The answer to a key that was used before."""
        return self.headers.get("idempotent-replayed") == "true"

    @property
    def code(self) -> str:
        """The error code; empty for a success."""
        return str(self.body["error"]["code"]) if isinstance(self.body, dict) and "error" in self.body else ""


@dataclass(eq=False, slots=True)
class Process:
    """One process: what runs in it, its clock (true time, shifted by `skew` seconds), its chance."""

    role: Role
    actor: Actor
    net: Net
    rng: random.Random
    skew: float
    services: Services = field(init=False)
    relay: Relay | None = None
    stop: asyncio.Event = field(init=False)
    slot: int = 0
    edge: Edge = field(init=False)
    exchanges: dict[asyncio.Future[Answer], None] = field(default_factory=dict)
    ready: bool = False
    _made: int = 0

    @property
    def alive(self) -> bool:
        """Not killed."""
        return self.actor.alive

    def clock(self) -> datetime:
        """What this process believes the time is."""
        milliseconds = int((self.net.cloud.epoch + self.skew) * 1000)
        return datetime.fromtimestamp(milliseconds / 1000, UTC)

    def new_id(self) -> str:
        """A UUIDv7 of this process: its milliseconds, a counter, chance."""
        self._made += 1
        milliseconds = int((self.net.cloud.epoch + self.skew) * 1000)
        high = f"{milliseconds:012x}7{self._made & 0xFFF:03x}"
        low = f"{0x8000000000000000 | self.rng.getrandbits(62):016x}"
        return f"{high[:8]}-{high[8:12]}-{high[12:]}-{low[:4]}-{low[4:]}"

    def random_bytes(self, count: int) -> bytes:
        """As from the system, but the seed's."""
        return self.rng.randbytes(count)

    def now(self) -> float:
        """Seconds that only go forward."""
        return self.net.loop.time()

    async def open(self) -> None:
        """Start as `tazco.wiring.services` does, with the parts of a simulation."""
        aws = Aws(
            endpoints=dict.fromkeys(PREFIXES, ENDPOINT),
            region="us-east-1",
            credentials=Fixed(),
            clock=self.clock,
            rng=self.rng,
            transport=self.net.wire(self.actor),
        )
        chosen = settings()
        jwks = Jwks(chosen.jwks_url("us-east-1"), self.now, _fetch_key_set)
        verifier = Verifier(jwks, chosen.issuer("us-east-1"), frozenset(chosen.cognito_client_ids), self.clock)
        policies = PolicySource(aws, chosen.ssm_prefix + "/", chosen.policy_refresh_seconds, _any_policy, self.rng)
        await policies.start()
        await jwks.prefetch()
        parts = Parts(clock=self.clock, new_id=self.new_id, random_bytes=self.random_bytes)
        without = chosen.model_copy(update={"whatsapp_meta_access_token": None})  # the messenger is shared: TLS contexts are dear
        joined = wiring._joined(without, Database(aws, chosen.table_prefix), policies, verifier, parts)
        joined.commands.rng = self.rng
        self.services = dataclasses.replace(joined, messenger=_messenger())
        self.stop = asyncio.Event()
        if self.role is Role.API:
            app = _application(self.slot)
            app.state.services = self.services
            self.edge = Edge(app, chosen.allowed_origins, chosen.request_timeout_seconds)

    async def run(self) -> None:
        """Start, and do what the role asks for until stopped."""
        await self.open()
        self.ready = True
        work = {Role.API: self._serve, Role.RELAY: self._relay, Role.WORKER: self._work}[self.role]
        await work()

    def make_relay(self) -> Relay:
        """The relay of this process."""
        services = self.services
        made = Relay.of(services)
        self.relay = Relay(made.database, made.bus, made.clock, made.new_id, made.metrics, made.traced, self.rng, self.now)
        return self.relay

    async def _serve(self) -> None:
        relay = self.make_relay()
        self.services.commands.committed = relay.nudge
        await relay.run(self.stop)

    async def _relay(self) -> None:
        await self.make_relay().run(self.stop)

    async def _work(self) -> None:
        timers: tuple[Timer, ...] = TIMERS
        async with asyncio.TaskGroup() as group:
            for each in REACTIONS:
                group.create_task(self.consumer(each).run(self.stop))
            group.create_task(run_timers(timers, self.services, self.stop, self.rng))

    def consumer(self, reactions: Any) -> Consumer:
        """What a worker has for each queue."""
        queue = Queue(self.services.aws, queue_name(self.services.settings, reactions.subscription))
        return Consumer(queue, reactions, self.services, rng=self.rng)


@functools.cache
def _application(slot: int) -> FastAPI:
    """The application of one API process; making routes is dear, so a restarted process takes over the slot of its predecessor."""
    del slot

    def never() -> Any:
        raise AssertionError("a simulation has no lifespan")

    edge = api(settings(), never)
    assert isinstance(edge, Edge)
    assert isinstance(edge.app, FastAPI)
    return edge.app


async def serve(process: Process, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """One request inside the API process, as its server would hand it to the application."""
    raw_path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("tazco.test", 80),
        "state": {},
    }
    received = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if received:
            return received.pop()
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    await process.edge(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    content = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    given = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], given, json.loads(content, parse_float=Decimal) if content else None)


def quiet_logs(heard: Callable[[str, dict[str, Any]], None]) -> None:
    """Let the log go to `heard`, cleaned as in production, instead of to the terminal."""
    from tazco.platform.logs import redact  # noqa: PLC0415  # beside its use

    def hand_over(_: object, method: str, entry: Any) -> Any:
        heard(method, dict(entry))
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, redact, hand_over],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=False,
    )
