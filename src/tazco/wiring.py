"""Settings → services: the only place where the parts of the program are made and joined."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from tazco.kernel.clock import Clock, system_clock
from tazco.kernel.ids import NewId, RandomBytes, Subject
from tazco.platform.aws import Aws, Transport, over_the_wire
from tazco.platform.cloud import ChainCredentials, Cloud
from tazco.platform.commands import Commands
from tazco.platform.database import Database
from tazco.platform.directory import Directory, Known
from tazco.platform.health import Check, Health
from tazco.platform.http.gate import Gate
from tazco.platform.http.limits import Window
from tazco.platform.identity import Verifier
from tazco.platform.ids import new_id
from tazco.platform.jwks import Jwks
from tazco.platform.leases import Leases, Maintenance
from tazco.platform.logs import configure_logs
from tazco.platform.metrics import Metrics
from tazco.platform.outbox_watch import OutboxWatch
from tazco.platform.paging import Cursors
from tazco.platform.policy import InvalidPolicy, Policy
from tazco.platform.policy_source import PolicySource
from tazco.platform.running import run_until_told, unless_stopped
from tazco.platform.services import Services
from tazco.platform.settings import BadSettings, Settings, load_settings
from tazco.platform.tables import Get
from tazco.platform.user_pool import UserPool
from tazco.platform.whatsapp.choosing import messenger_for
from tazco.slices import TABLES
from tazco.users.model import User
from tazco.users.store import known_by_subject, user


def whatsapp_is_complete(settings: Settings, policy: Policy) -> None:
    """Refuse a policy that wants messages sent while the provider's credentials are missing."""
    missing = settings.missing_whatsapp_credentials()
    if policy.notifications_enabled and missing:
        raise InvalidPolicy(
            f"whatsapp/notificationsEnabled is true, but {', '.join(missing)} is not set. Set it, or set the parameter to false"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What tests and the sandbox may want otherwise: time, ids, chance, the transport to AWS, and whether it reports its cost."""

    clock: Clock = system_clock
    new_id: NewId = new_id
    random_bytes: RandomBytes = secrets.token_bytes
    transport: Transport = over_the_wire
    report_capacity: bool = False


@asynccontextmanager
async def services(settings: Settings, cloud: Cloud, parts: Parts = Parts()) -> AsyncIterator[Services]:
    """Everything that serves, started; stopped on leaving."""
    aws = Aws(
        endpoints=cloud.endpoints(),
        region=cloud.region,
        credentials=ChainCredentials(cloud),
        clock=system_clock,
        transport=parts.transport,
    )
    jwks = Jwks(settings.jwks_url(cloud.region))
    verifier = Verifier(jwks, settings.issuer(cloud.region), frozenset(settings.cognito_client_ids), system_clock)
    check = partial(whatsapp_is_complete, settings)
    policies = PolicySource(aws, settings.ssm_prefix + "/", settings.policy_refresh_seconds, check)
    await policies.start()
    await jwks.prefetch()
    joined = _joined(settings, Database(aws, settings.table_prefix, parts.report_capacity), policies, verifier, parts)
    try:
        yield joined
    finally:
        if joined.messenger is not None:
            await joined.messenger.close()
        await policies.stop()
        aws.close()


def run_process(work: Callable[[Services, asyncio.Event], Awaitable[None]], *, with_parent: bool) -> int:
    """Do `work` as a process of its own, until SIGTERM or SIGINT set the event, also while it still starts; the exit code.

    `with_parent` also ends it with its parent. Raise `BadSettings`, `CloudMisconfigured` or `NoPolicy` before any work is begun.
    """
    cloud = Cloud.from_environment()
    settings = load_settings(cloud)
    configure_logs(settings.log_level)

    async def run(stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            running = await unless_stopped(stop, stack.enter_async_context(services(settings, cloud)))
            if running is not None:
                serve_metrics(running)
                await work(running, stop)

    asyncio.run(run_until_told(run, with_parent=with_parent))
    return 0


def serve_metrics(joined: Services) -> None:
    """Serve the metrics of this process if the settings say so: for processes that stay, not for commands beside them."""
    host, port = joined.settings.host, joined.settings.metrics_port
    if not port:
        return
    try:
        joined.metrics.serve(host, port)
    except OSError as error:
        raise BadSettings(
            f"TAZCO_METRICS_PORT: {host}:{port} cannot be listened on: {error.strerror}. Choose another, or 0 for none."
        ) from error


def _joined(settings: Settings, database: Database, policies: PolicySource, verifier: Verifier, parts: Parts) -> Services:
    clock = parts.clock
    directory = Directory(partial(_look_up, database), clock)
    leases = Leases(database, clock)
    maintenance = Maintenance(clock)
    metrics = Metrics()
    warnings = (OutboxWatch(database, clock, metrics).warnings, partial(_policy_warning, policies))
    return Services(
        settings=settings,
        aws=database.aws,
        database=database,
        commands=Commands(database, clock, parts.new_id, policies.current, _account_row, maintenance, parts.random_bytes),
        gate=Gate(verifier, directory, policies.current, Window(clock), Window(clock)),
        cursors=Cursors(tuple(secret.get_secret_value().encode() for secret in settings.cursor_secrets)),
        policies=policies,
        leases=leases,
        maintenance=maintenance,
        health=Health(_checks(database, verifier.jwks, settings), warnings),
        metrics=metrics,
        messenger=messenger_for(settings, clock),
        user_pool=UserPool(database.aws, settings.cognito_client_ids[0]),
        clock=clock,
        new_id=parts.new_id,
        tables=TABLES,
    )


async def _look_up(database: Database, subject: Subject, claimed_ecosystem_id: str | None) -> Known | None:
    return await known_by_subject(database, subject, claimed_ecosystem_id)


def _account_row(ecosystem_id: str) -> Get[User]:
    return user(ecosystem_id)


def _checks(database: Database, jwks: Jwks, settings: Settings) -> Mapping[str, Check]:
    async def database_answers() -> bool:
        await database.read(user("health-check"))
        return True

    async def bus_answers() -> bool:
        await database.aws.call("events", "DescribeEventBus", {"Name": settings.event_bus}, attempts_max=1)
        return True

    return {"database": database_answers, "message_stream": bus_answers, "auth_provider": jwks.healthy}


async def _policy_warning(policies: PolicySource) -> tuple[str, ...]:
    return (f"policy: {policies.problem}",) if policies.problem else ()
