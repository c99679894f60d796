"""`tazco doctor`: looks at everything the program needs and says the cure of what is wrong."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from tazco.kernel.clock import system_clock
from tazco.platform.aws import Aws, AwsError, AwsUnreachable
from tazco.platform.cloud import ChainCredentials, Cloud, CloudMisconfigured
from tazco.platform.jwks import NoKeySet, fetch_key_set, read_key_set
from tazco.platform.messaging import Subscription
from tazco.platform.policy import InvalidPolicy, policy_from
from tazco.platform.policy_source import read_parameters
from tazco.platform.provision import Clients, Provisioner
from tazco.platform.settings import BadSettings, Names, Settings, load_settings
from tazco.platform.tables import Table
from tazco.platform.wire import Address, Pool, WireFailure, request_bytes

PYTHON_MIN: Final = (3, 11)
SKEW_SECONDS_MAX: Final = 60
CHECK_SECONDS_MAX: Final = 20


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


START_DEV: Final = "Start everything with `tazco dev`, or set the variables of your deployment."
PROVISION: Final = "Run `tazco provision`."


@dataclass(slots=True)
class Doctor:
    """Runs the checks in order; later ones say so where an earlier fault keeps them from looking."""

    cloud: Cloud
    tables: tuple[Table[Any], ...]
    subscriptions: tuple[Subscription, ...]

    async def examine(self, tell: Callable[[Diagnosis], None]) -> bool:
        """Run every check and tell of each; False if one failed."""
        checks: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
            ("Python", self._python),
            ("settings", self._settings),
            ("region and credentials", self._identity),
            ("endpoint", self._endpoint),
            ("clock", self._clock),
            ("resources", self._resources),
            ("policy", self._policy),
            ("token keys", self._keys),
            ("port", self._port),
        )
        well = True
        for name, check in checks:
            diagnosis = await _diagnose(name, check)
            well = well and diagnosis.verdict is not Verdict.FAIL
            tell(diagnosis)
        return well

    async def _python(self) -> str:
        version = ".".join(map(str, sys.version_info[:3]))
        if sys.version_info < PYTHON_MIN:
            raise Sick(version, "Install Python 3.11 or newer.")
        return version

    def _loaded(self) -> Settings:
        try:
            return load_settings(self.cloud)
        except BadSettings as error:
            raise Sick(str(error).replace("\n", "; "), START_DEV) from error

    async def _settings(self) -> str:
        settings = self._loaded()
        missing = settings.missing_whatsapp_credentials()
        if missing:
            raise Sick(
                f"{settings.env}; no credentials for {settings.whatsapp_provider}: {', '.join(missing)}",
                "Set them, or set the parameter whatsapp/notificationsEnabled to false.",
                Verdict.WARN,
            )
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
            raise Sick(str(error), "See the check of the endpoint.") from error
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
        provisioner = Provisioner(Clients.of(self.cloud), Names(), self.tables, self.subscriptions)
        findings = await asyncio.to_thread(provisioner.check)
        amiss = [finding for finding in findings if not finding.settled]
        if amiss:
            named = ", ".join(f"{finding.kind} {finding.name} {finding.state}" for finding in amiss[:5])
            more = f" and {len(amiss) - 5} more" if len(amiss) > 5 else ""  # noqa: PLR2004 - as many as are named
            raise Sick(f"{named}{more}", f"{PROVISION} `tazco provision --check` lists them all.")
        return f"{len(findings)} as declared"

    async def _policy(self) -> str:
        aws = self._aws()
        try:
            parameters = await read_parameters(aws, Names().ssm_prefix + "/")
            policy_from(parameters)
        except InvalidPolicy as error:
            raise Sick(str(error), "Correct the parameter in SSM; the last good policy stays in force until then.") from error
        finally:
            aws.close()
        if not parameters:
            raise Sick("no parameter set, all defaults", PROVISION, Verdict.WARN)
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


async def _diagnose(name: str, check: Callable[[], Awaitable[str]]) -> Diagnosis:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return Diagnosis(check=name, verdict=Verdict.OK, found=await check())
    except Sick as sick:
        return Diagnosis(check=name, verdict=sick.verdict, found=str(sick), cure=sick.cure)
    except CloudMisconfigured as error:
        return Diagnosis(check=name, verdict=Verdict.FAIL, found=str(error), cure=START_DEV)
    except TimeoutError:
        return Diagnosis(
            check=name, verdict=Verdict.FAIL, found=f"no answer in {CHECK_SECONDS_MAX} s", cure="See the check of the endpoint."
        )
    except Exception as error:  # noqa: BLE001 - a doctor reports what it meets, whatever it is
        return Diagnosis(check=name, verdict=Verdict.FAIL, found=f"{type(error).__name__}: {error}", cure="See the checks above.")
