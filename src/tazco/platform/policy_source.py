"""The policy as SSM has it: read by path to the last page, validated whole, swapped at once, the last good one kept."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from tazco.platform.aws import Aws, AwsError, AwsUnreachable
from tazco.platform.policy import InvalidPolicy, Policy, policy_from

PAGE_PARAMETERS_MAX: Final = 10
PAGES_MAX: Final = 100
REFRESH_JITTER: Final = 0.2
START_SECONDS_MAX: Final = 30.0
START_RETRY_SECONDS: Final = 1.0

log = structlog.get_logger()


class PolicyCheck(Protocol):
    """A rule that needs more than the policy itself, such as credentials; raises `InvalidPolicy`."""

    def __call__(self, policy: Policy) -> None:
        """Accept the policy or raise."""
        ...


class NoPolicy(Exception):
    """There is no valid policy at start: unreachable or invalid. The program must not run on defaults it was not given."""


@dataclass(slots=True)
class PolicySource:
    """Holds the policy in force; `problem` says why a newer one was refused, if it was."""

    aws: Aws
    path: str
    refresh_seconds: float
    check: PolicyCheck
    rng: random.Random = field(default_factory=random.SystemRandom)
    problem: str | None = None
    _policy: Policy | None = None
    _task: asyncio.Task[None] | None = None

    def current(self) -> Policy:
        """The policy in force."""
        assert self._policy is not None, "start() comes first"
        return self._policy

    async def start(self) -> None:
        """Load the first policy, then keep refreshing it; raise `NoPolicy` if there is none after 30 seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS_MAX
        while self._policy is None:
            try:
                self._policy = await self.load()
            except InvalidPolicy as error:
                raise NoPolicy(
                    f"The policy in SSM under {self.path} is invalid: {error}. Correct the parameter and start again."
                ) from error
            except (AwsError, AwsUnreachable) as error:
                if loop.time() + START_RETRY_SECONDS > deadline:
                    raise NoPolicy(f"The policy in SSM under {self.path} cannot be read: {error}") from error
                await asyncio.sleep(START_RETRY_SECONDS)
        self._task = asyncio.create_task(self._keep_fresh(), name="policy refresh")

    async def stop(self) -> None:
        """End the refreshing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self.refresh_seconds * self.rng.uniform(1 - REFRESH_JITTER, 1 + REFRESH_JITTER))
            await self.refresh()

    async def refresh(self) -> None:
        """Take the policy that SSM has now; on any fault keep the last good one and remember the problem."""
        try:
            policy = await self.load()
        except InvalidPolicy as error:
            self._refuse(str(error))
        except (AwsError, AwsUnreachable) as error:
            self._refuse(f"cannot be read: {error}")
        except Exception as error:  # a bug in one reading must not end the reading for good
            log.exception("policy.unexpected")
            self._refuse(f"cannot be read: {type(error).__name__}")
        else:
            if policy != self._policy:
                log.info("policy.changed")
            self._policy, self.problem = policy, None

    def _refuse(self, problem: str) -> None:
        if problem != self.problem:
            log.error("policy.refused", problem=problem, kept="the last good policy")
        self.problem = problem

    async def load(self) -> Policy:
        """Read and validate the whole set; raise `InvalidPolicy`, `AwsError` or `AwsUnreachable`."""
        policy = policy_from(await read_parameters(self.aws, self.path))
        self.check(policy)
        return policy


async def read_parameters(aws: Aws, path: str) -> dict[str, str]:
    """Every parameter below `path`, by its name below it."""
    return {entry["Name"][len(path) :]: entry["Value"] for entry in await parameters_below(aws, path)}


async def parameters_below(aws: Aws, path: str) -> list[Mapping[str, Any]]:
    """Every parameter below `path` as SSM describes it."""
    arguments = {"Path": path, "Recursive": True, "MaxResults": PAGE_PARAMETERS_MAX, "WithDecryption": True}
    return await every_page(aws, "GetParametersByPath", arguments)


async def every_page(aws: Aws, operation: str, arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parameters of an operation that answers in pages, to the last one; a page may be empty. Raise `InvalidPolicy` for too many."""
    found: list[Mapping[str, Any]] = []
    for _ in range(PAGES_MAX):
        reply = await aws.call("ssm", operation, arguments)
        found += reply.get("Parameters", [])
        if not reply.get("NextToken"):
            return found
        arguments = {**arguments, "NextToken": reply["NextToken"]}
    raise InvalidPolicy(f"SSM has more than {PAGES_MAX} pages for {operation}; delete what does not belong there")
