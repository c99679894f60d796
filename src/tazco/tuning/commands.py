"""Changing a parameter: on record first, then in SSM, because a change without an entry must not exist."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import orjson
import structlog
from pydantic import TypeAdapter, ValidationError

from tazco.audit.commands import record_deed
from tazco.audit.model import Action, Target
from tazco.kernel.errors import Code, Invalid, Refused
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.caller import Origin
from tazco.platform.http.errors import EXPIRED, refusal_answer
from tazco.platform.http.fields import Reason, storable
from tazco.platform.idempotency import STATUS_REFUSED_MIN, STORED_ANSWERS, Answer, Once
from tazco.platform.jsontext import encode
from tazco.platform.policy import TUNABLES
from tazco.platform.services import Services
from tazco.platform.work import Work
from tazco.tuning.model import (
    ABSENT,
    Change,
    NotConfirmed,
    Parameter,
    ParameterMoved,
    ParameterUnknown,
    PolicyBeingEdited,
    RefusedBySsm,
    moved,
    refused_by_ssm,
)
from tazco.tuning.store import (
    NOT_THERE,
    TARGET_TYPE,
    TEXT_BYTES_MAX,
    audited,
    held_now,
    newest_change,
    parameters,
    problem,
    put,
)

LEASE: Final = "policy"
LEASE_LENGTH: Final = timedelta(seconds=20)
"""Renewed before each attempt at SSM, and longer than two calls with their answers can take."""

TURN_SECONDS_MAX: Final = 3.0
TURN_PAUSE_SECONDS: Final = (0.05, 0.15)
PAUSES_SECONDS: Final = (0.2, 0.4, 0.8)
PASSING: Final = frozenset({"TooManyUpdates", "ParameterAlreadyExists", NOT_THERE, *EXPIRED})
"""Of SSM's errors those after which another look tells more; besides those that say so of themselves."""

REASON: Final = TypeAdapter[str](Reason)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParameter:
    """An operator gives a parameter a text; an empty one means its default. `expected_version` is what the operator looked at."""

    name: str
    text: str = field(repr=False)
    reason: str
    expected_version: int


@dataclass(slots=True)
class _Turn:
    """An operator's time alone with SSM; `unanswered` counts writes of which nobody knows whether they may still arrive."""

    services: Services
    owner: str
    unanswered: int = 0

    async def renewed(self) -> bool:
        """The lease is ours from now on for its whole length."""
        return await self.services.leases.take(LEASE, self.owner, LEASE_LENGTH)


async def set_parameter(services: Services, origin: Origin, key: str, command: SetParameter) -> Change:
    """Change a parameter once per key, and take the new policy into this process.

    The entry and the answer are one commit, SSM comes after it; whatever stands between them is made good by the same call with
    the same key. Raise `Refused`, `AwsError` or `AwsUnreachable`.
    """
    wanted, command = _checked(command)
    once = Once(
        scope=origin.caller.actor_id,
        key=key,
        operation=f"set-parameter/{command.name}",
        asked={"text": command.text, "reason": command.reason, "expectedVersion": command.expected_version},
    )
    async with _turn(services) as turn:
        found = await parameters(services)
        use_case = partial(_decide, services, command, wanted, found)
        answer = await services.commands.once(origin, use_case, once=once, lane=LEASE, render=_rendered)
        change = _change_of(answer)
        if change.applied:
            return change
        try:
            version = await _apply(turn, change, wanted, again=answer.replayed)
        except (ParameterMoved, RefusedBySsm) as refusal:
            if not turn.unanswered and not (answer.replayed and isinstance(refusal, ParameterMoved)):
                await _settle(services, origin, once, refusal_answer(refusal), change, command.reason)
            raise
        done = change.done(version)
        with suppress(Refused, AwsError, AwsUnreachable):  # a repetition then finds in SSM that it is done
            await _settle(services, origin, once, _rendered(done))
    await services.policies.refresh()
    return done


def _checked(command: SetParameter) -> tuple[str | None, SetParameter]:
    """The text for SSM, None for none, and the command with its reason trimmed; refuse what is wrong by itself."""
    name = command.name
    if name not in TUNABLES:
        raise ParameterUnknown(name)
    metadata = TUNABLES[name].metadata
    try:
        size = len(storable(command.text).encode())
        if 0 < size <= TEXT_BYTES_MAX:
            metadata["read"](command.text)
    except ValueError as error:
        raise Invalid(f"{name} {error}.", field="text") from None
    if size > TEXT_BYTES_MAX:
        raise Invalid(f"{name} must have at most {TEXT_BYTES_MAX} bytes.", field="text")
    try:
        reason = REASON.validate_python(command.reason, strict=True)
    except ValidationError as error:
        raise Invalid(f"reason {error.errors()[0]['msg'].removeprefix('Value error, ')}.", field="reason") from None
    return command.text or metadata["default"], replace(command, reason=reason)


@asynccontextmanager
async def _turn(services: Services) -> AsyncIterator[_Turn]:
    """Wait a little for the lease; it is given back at once, unless a write may still be on its way: then it runs out by itself."""
    turn = _Turn(services, services.new_id())
    until = asyncio.get_running_loop().time() + TURN_SECONDS_MAX
    while not await turn.renewed():
        if asyncio.get_running_loop().time() > until:
            raise PolicyBeingEdited
        await asyncio.sleep(services.aws.rng.uniform(*TURN_PAUSE_SECONDS))
    try:
        yield turn
    finally:
        if not turn.unanswered:
            with suppress(AwsError, AwsUnreachable):  # the lease then runs out by itself
                await services.leases.give_back(LEASE, turn.owner)


async def _decide(
    services: Services, command: SetParameter, wanted: str | None, found: tuple[Parameter, ...], work: Work
) -> Change:
    """Put the deed on record; the text that is there already changes nothing and is no deed."""
    await work.read()
    held = next(each for each in found if each.name == command.name)
    version = held.version
    if wanted == held.text or (not command.text and held.text is None):
        return Change(name=held.name, previous_version=version, version=version, at=work.now, applied=True)
    if version != command.expected_version:
        raise moved(held.name, command.expected_version, version)
    _check_whole(services, held, wanted, found)
    change = Change(name=held.name, previous_version=version, version=ABSENT if wanted is None else version + 1, at=work.now)
    record_deed(
        work,
        Action.POLICY_CHANGED,
        _target(held.name),
        previous={"value": audited(held.name, held.text), "version": version},
        new={"value": audited(held.name, wanted), "version": change.version},
        reason=command.reason,
    )
    return change


def _check_whole(services: Services, held: Parameter, wanted: str | None, found: tuple[Parameter, ...]) -> None:
    """Refuse what breaks the set. A complaint about others that was there before is no reason: two faults could never be mended."""
    complaint = problem(services.policies, [replace(each, text=wanted) if each is held else each for each in found])
    if complaint is None or (held.name not in complaint and complaint == problem(services.policies, found)):
        return
    raise Invalid(f"{complaint}.", field="text")


async def _apply(turn: _Turn, change: Change, wanted: str | None, *, again: bool) -> int:
    """Bring SSM to where the entry says it is, if it still stands where the entry says it stood; the version that it has then."""
    for pause in (*PAUSES_SECONDS, None):
        if not await turn.renewed():
            raise PolicyBeingEdited
        outrun = again and not await _is_newest(turn.services, change)
        try:
            return await _attempt(turn, change, wanted, outrun=outrun)
        except AwsError as error:
            if not error.repeatable and error.code not in PASSING:
                raise refused_by_ssm(change.name, error.operation, error.code) from None  # SSM's own words may quote the text
        except AwsUnreachable:
            log.warning("policy.unanswered", parameter=change.name)
        if pause is not None:
            await asyncio.sleep(turn.services.aws.rng.uniform(pause / 2, pause))
    raise NotConfirmed(change.name)


async def _attempt(turn: _Turn, change: Change, wanted: str | None, *, outrun: bool) -> int:
    services = turn.services
    held = await held_now(services, change.name)
    actual = held.version if held else ABSENT
    if wanted == (held.text if held else None):
        turn.unanswered = max(0, turn.unanswered - 1)
        return actual
    if outrun:
        raise ParameterMoved(f"Another change of {change.name} is on record since. Look again, then decide.")
    if actual != change.previous_version:
        raise moved(change.name, change.previous_version, actual)
    turn.unanswered += 1
    try:
        version = await put(services, change.name, wanted, new=held is None)
    except AwsError as error:
        turn.unanswered -= not error.repeatable or error.throttled
        raise
    turn.unanswered -= 1
    if version != change.version:
        log.warning("policy.overwrote", parameter=change.name, recorded=change.version, version=version)
    return version


async def _is_newest(services: Services, change: Change) -> bool:
    """Nobody has put another change on record since: a repetition must not come after it."""
    newest = await newest_change(services.database, change.name)
    return newest is not None and newest.timestamp == change.at


async def _settle(
    services: Services, origin: Origin, once: Once, answer: Answer, failed: Change | None = None, reason: str = ""
) -> None:
    """Let the key answer what became of the change; a failure gets an entry of its own in the same commit."""
    await services.commands.run(origin, partial(_settled, once, answer, failed, reason), lane=LEASE)


async def _settled(once: Once, answer: Answer, failed: Change | None, reason: str, work: Work) -> None:
    (stored,) = await work.read(once.row)
    if stored is not None:
        work.amend(STORED_ANSWERS, stored, replace(stored, status=answer.status, body=answer.body.decode()), as_read=("body",))
    if failed is None:
        return
    error = orjson.loads(answer.body)["error"]
    record_deed(
        work,
        Action.POLICY_CHANGE_FAILED,
        _target(failed.name),
        previous={"version": failed.previous_version},
        new={"version": failed.previous_version, "failure": error.get("details", {}).get("failure", error["code"])},
        reason=reason,
    )


def _target(name: str) -> Target:
    return Target(type=TARGET_TYPE, id=name, ecosystem_id="system")


def _rendered(change: Change) -> Answer:
    return Answer(200, encode(change.told))


def _change_of(answer: Answer) -> Change:
    """What an answer tells; a refusal that the key has been told is told again."""
    body: dict[str, Any] = orjson.loads(answer.body)
    if answer.status < STATUS_REFUSED_MIN:
        return Change.of(body)
    error = body["error"]
    known = ParameterMoved if error["code"] == Code.VERSION_CONFLICT else RefusedBySsm
    raise known(error["message"], **error.get("details", {}))
