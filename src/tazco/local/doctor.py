"""`tazco doctor`: looks at everything the program needs and says the cure of what is wrong."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tazco.kernel.clock import system_clock
from tazco.platform.aws import Aws, AwsError, AwsUnreachable
from tazco.platform.cloud import ChainCredentials, Cloud, CloudMisconfigured
from tazco.platform.jwks import NoKeySet, fetch_key_set, read_key_set
from tazco.platform.messaging import Subscription
from tazco.platform.policy import InvalidPolicy, Policy, policy_from
from tazco.platform.policy_source import read_parameters
from tazco.platform.provision import Clients, Provisioner
from tazco.platform.settings import BadSettings, Settings, load_names, load_settings
from tazco.platform.tables import Table
from tazco.platform.wire import Address, Pool, WireFailure, request_bytes

PYTHON_MIN: Final = (3, 11)
SKEW_SECONDS_MAX: Final = 60
CHECK_SECONDS_MAX: Final = 20
NAMED_MAX: Final = 5

PYTHON: Final = "Python"
SETTINGS: Final = "settings"
IDENTITY: Final = "region and credentials"
CLOCK: Final = "clock"
ENDPOINT: Final = "endpoint"
RESOURCES: Final = "resources"
POOL: Final = "pool and client"
POLICY: Final = "policy"
KEYS: Final = "token keys"
PORT: Final = "port"


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One check: what was found, and what to do about it."""

    check: str
    verdict: Verdict
    found: str
    cure: str = ""


class Sick(Exception):
    """A check found a fault; `cure` says what to do."""

    def __init__(self, found: str, cure: str, verdict: Verdict = Verdict.FAIL) -> None:
        super().__init__(found)
        self.cure = cure
        self.verdict = verdict


class Unknown(Exception):
    """A check cannot look because of what an earlier one found; the message names that one."""


START_DEV: Final = "Start everything with `tazco dev`, or set the variables of your deployment."


PolicyRule = Callable[[Settings, Policy], None]


@dataclass(slots=True)
class Doctor:
    """Runs the checks in order; later ones say so where an earlier fault keeps them from looking.

    `policy_rule` is what the API holds a policy to beyond its own rules; it raises `InvalidPolicy`.
    """

    cloud: Cloud
    tables: tuple[Table[Any], ...]
    subscriptions: tuple[Subscription, ...]
    policy_rule: PolicyRule
    _failed: set[str] = field(default_factory=set)

    async def examine(self, tell: Callable[[Diagnosis], None]) -> bool:
        """Run every check and tell of each; False if one failed."""
        checks: tuple[tuple[str, Callable[[], Awaitable[str]], tuple[str, ...]], ...] = (
            (PYTHON, self._python, ()),
            (SETTINGS, self._settings, ()),
            (IDENTITY, self._identity, ()),
            (CLOCK, self._clock, (IDENTITY,)),
            (ENDPOINT, self._endpoint, (IDENTITY,)),
            (RESOURCES, self._resources, (IDENTITY, ENDPOINT)),
            (POOL, self._pool, (SETTINGS, IDENTITY, ENDPOINT)),
            (POLICY, self._policy, (IDENTITY, ENDPOINT)),
            (KEYS, self._keys, (SETTINGS, IDENTITY)),
            (PORT, self._port, (SETTINGS,)),
        )
        for name, check, needs in checks:
            diagnosis = await self._diagnose(name, check, needs)
            if diagnosis.verdict is Verdict.FAIL:
                self._failed.add(name)
            tell(diagnosis)
        return not self._failed

    async def _python(self) -> str:
        version = ".".join(map(str, sys.version_info[:3]))
        if sys.version_info < PYTHON_MIN:
            raise Sick(version, "Install Python 3.11 or newer.")
        return version

    def _loaded(self) -> Settings:
        return load_settings(self.cloud)

    async def _settings(self) -> str:
        settings = self._loaded()
        return f"{settings.env}, tables {settings.table_prefix}*, parameters {settings.ssm_prefix}/*"

    async def _identity(self) -> str:
        credentials = await ChainCredentials(self.cloud).current()
        return f"{self.cloud.region}, access key …{credentials.access_key[-4:]}"

    def _aws(self) -> Aws:
        return Aws(self.cloud.endpoints(), self.cloud.region, ChainCredentials(self.cloud), system_clock)

    async def _endpoint(self) -> str:
        aws = self._aws()
        try:
            await aws.call("dynamodb", "ListTables", {"Limit": 1}, attempts_max=1)
        except AwsUnreachable as error:
            raise Sick(str(error), "Is the endpoint up? On a laptop start `tazco dev`; check AWS_ENDPOINT_URL.") from error
        except AwsError as error:
            raise Sick(str(error), "Check the credentials and what they may do.") from error
        finally:
            aws.close()
        return aws.endpoints["dynamodb"]

    async def _clock(self) -> str:
        pool = Pool(Address.of(self.cloud.endpoint("dynamodb")))
        try:
            reply = await pool.exchange(request_bytes("GET", "/", {"host": pool.address.authority}), timeout_seconds=3)
        except WireFailure as error:
            raise Unknown(ENDPOINT) from error
        finally:
            pool.close()
        date = reply.headers.get("date")
        if not date:
            return "the endpoint does not tell its time"
        skew = abs((system_clock() - parsedate_to_datetime(date)).total_seconds())
        if skew > SKEW_SECONDS_MAX:
            raise Sick(f"{skew:.0f} s off", "Set this machine's clock: signatures and tokens depend on it.")
        return f"within {max(1, round(skew))} s of the endpoint's"

    async def _resources(self) -> str:
        provisioner = Provisioner(Clients.of(self.cloud), load_names(), self.tables, self.subscriptions)
        findings = await asyncio.to_thread(provisioner.check)
        amiss = [finding for finding in findings if not finding.settled]
        if amiss:
            named = ", ".join(f"{finding.kind} {finding.name} {finding.state}" for finding in amiss[:NAMED_MAX])
            more = f" and {len(amiss) - NAMED_MAX} more" if len(amiss) > NAMED_MAX else ""
            raise Sick(f"{named}{more}", "Run `tazco provision`; `tazco provision --check` lists them all.")
        return f"{len(findings)} as declared"

    async def _pool(self) -> str:
        settings, cognito = self._loaded(), Clients.of(self.cloud).cognito
        pool_id = settings.cognito_user_pool_id
        for client_id in settings.cognito_client_ids:
            try:
                await asyncio.to_thread(cognito.describe_user_pool_client, UserPoolId=pool_id, ClientId=client_id)
            except ClientError as error:
                raise Sick(
                    f"pool {pool_id}, client {client_id}: {error}",
                    "Correct TAZCO_COGNITO_USER_POOL_ID and TAZCO_COGNITO_CLIENT_IDS; `tazco provision` prints the right ones.",
                ) from error
        return f"{pool_id}, {', '.join(settings.cognito_client_ids)}"

    async def _policy(self) -> str:
        aws = self._aws()
        try:
            parameters = await read_parameters(aws, load_names().ssm_prefix + "/")
            policy = policy_from(parameters)
            if SETTINGS not in self._failed:
                self.policy_rule(self._loaded(), policy)
        except InvalidPolicy as error:
            raise Sick(str(error), "Until it is corrected a running API keeps the last good policy and none can start.") from error
        finally:
            aws.close()
        if not parameters:
            raise Sick("no parameter set, all defaults", "Run `tazco provision`.", Verdict.WARN)
        return f"{len(parameters)} parameters, valid"

    async def _keys(self) -> str:
        url = self._loaded().jwks_url(self.cloud.region)
        try:
            keys = read_key_set(await fetch_key_set(url))
        except NoKeySet as error:
            raise Sick(f"{url}: {error}", "Check TAZCO_COGNITO_USER_POOL_ID and TAZCO_COGNITO_JWKS_URL.") from error
        if not keys:
            raise Sick(f"{url} has no usable key", "Check TAZCO_COGNITO_JWKS_URL.")
        return f"{len(keys)} at {url}"

    async def _port(self) -> str:
        settings = self._loaded()
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            return f"{settings.host}:{settings.port} is free"
        writer.close()
        return f"{settings.host}:{settings.port} is being served"

    async def _diagnose(self, name: str, check: Callable[[], Awaitable[str]], needs: tuple[str, ...]) -> Diagnosis:
        lacking = next((need for need in needs if need in self._failed), None)
        if lacking is not None:
            return _not_looked_at(name, lacking)
        verdict, found, cure = Verdict.FAIL, "", ""
        try:
            async with asyncio.timeout(CHECK_SECONDS_MAX):
                found = await check()
            verdict = Verdict.OK
        except Unknown as unknown:
            return _not_looked_at(name, str(unknown))
        except Sick as sick:
            verdict, found, cure = sick.verdict, str(sick), sick.cure
        except (BadSettings, CloudMisconfigured) as error:
            found, cure = str(error).replace("\n", "; "), START_DEV
        except (AwsError, AwsUnreachable, BotoCoreError, ClientError) as error:
            found, cure = str(error), "Check the credentials and what they may do."
        except TimeoutError:
            found, cure = f"no answer in {CHECK_SECONDS_MAX} s", "Is the network slow? Try again."
        except Exception as error:  # noqa: BLE001 - a doctor reports what it meets, whatever it is
            found, cure = f"{type(error).__name__}: {error}", "See the checks above."
        return Diagnosis(check=name, verdict=verdict, found=found, cure=cure)


def _not_looked_at(name: str, because_of: str) -> Diagnosis:
    return Diagnosis(check=name, verdict=Verdict.WARN, found=f"not looked at, see {because_of}")
