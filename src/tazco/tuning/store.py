"""Where the parameters are, the questions asked of SSM, and the two ways to write there."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tazco.audit.model import Action, AuditEntry
from tazco.audit.store import entries_about
from tazco.platform.aws import AwsError
from tazco.platform.database import Database
from tazco.platform.jsontext import encode
from tazco.platform.phones import DIGITS_MIN
from tazco.platform.policy import TUNABLES, InvalidPolicy, approvers, policy_from
from tazco.platform.policy_source import PolicySource, every_page, parameters_below
from tazco.platform.services import Services
from tazco.tuning.model import ABSENT, Parameter, ParameterUnknown, Version

APPROVERS: Final = "whatsapp/approvers"
TARGET_TYPE: Final = "policy"
TEXT_BYTES_MAX: Final = 4_096
"""What a parameter of SSM's standard tier holds."""

HISTORY_PAGE_MAX: Final = 50
LAST_FOUR: Final = 4
RECENT_ENTRIES: Final = 10
NOT_THERE: Final = "ParameterNotFound"


async def parameters(services: Services) -> tuple[Parameter, ...]:
    """Every parameter as SSM holds it now, in the order of the policy, then those of unknown name.

    Raise `AwsError` or `AwsUnreachable`.
    """
    policies = services.policies
    entries = await parameters_below(services.aws, policies.path)
    found = {entry["Name"][len(policies.path) :]: entry for entry in entries}
    names = [*TUNABLES, *sorted(found.keys() - TUNABLES.keys())]
    return tuple(_parameter(name, found.get(name)) for name in names)


def _parameter(name: str, entry: Mapping[str, Any] | None) -> Parameter:
    metadata = TUNABLES[name].metadata if name in TUNABLES else {}
    return Parameter(
        name=name,
        meaning=metadata.get("meaning", ""),
        default=metadata.get("default"),
        text=entry["Value"] if entry else None,
        version=entry["Version"] if entry else ABSENT,
        modified_at=_instant(entry["LastModifiedDate"]) if entry else None,
        known=name in TUNABLES,
    )


def problem(policies: PolicySource, found: Iterable[Parameter]) -> str | None:
    """Why these parameters are no valid policy as a whole, the check of the credentials included; None if they are."""
    try:
        policies.check(policy_from({each.name: each.text for each in found if each.text is not None}))
    except InvalidPolicy as error:
        return str(error)
    return None


async def history(services: Services, name: str) -> tuple[Version, ...]:
    """What a parameter was, newest first: the hundred versions that SSM keeps, none of before it was last deleted.

    Raise `ParameterUnknown`, `AwsError` or `AwsUnreachable`.
    """
    if name not in TUNABLES:
        raise ParameterUnknown(name)
    arguments = {"Name": services.policies.path + name, "WithDecryption": True, "MaxResults": HISTORY_PAGE_MAX}
    try:
        entries = await every_page(services.aws, "GetParameterHistory", arguments)
    except AwsError as error:
        if error.code != NOT_THERE:
            raise
        return ()
    return tuple(sorted(map(_version, entries), key=lambda each: each.version, reverse=True))


async def held_now(services: Services, name: str) -> Version | None:
    """What SSM holds at this moment, asked once and briefly: for whoever holds the lease. None if nothing."""
    arguments = {"Name": services.policies.path + name, "WithDecryption": True}
    try:
        reply = await services.aws.call("ssm", "GetParameter", arguments, attempts_max=1)
    except AwsError as error:
        if error.code != NOT_THERE:
            raise
        return None
    return _version(reply["Parameter"])


async def put(services: Services, name: str, text: str | None, *, new: bool) -> int:
    """Give a parameter its text, or with None delete it; the version that SSM has then. One attempt: the caller knows what to do next.

    `new`: refuse if it exists. The type of one that exists stays what it is.
    """
    full_name = services.policies.path + name
    if text is None:
        await services.aws.call("ssm", "DeleteParameter", {"Name": full_name}, attempts_max=1)
        return ABSENT
    arguments = {"Name": full_name, "Value": text, "Description": TUNABLES[name].metadata["meaning"], "Overwrite": not new}
    reply = await services.aws.call("ssm", "PutParameter", {**arguments, "Type": "String"} if new else arguments, attempts_max=1)
    return int(reply["Version"])


async def newest_change(database: Database, name: str) -> AuditEntry | None:
    """The last entry that says that a parameter was changed; those of failures do not count."""
    (entries,) = await database.read(entries_about(TARGET_TYPE, name, before=None, rows_max=RECENT_ENTRIES))
    return next((entry for entry in entries if entry.action is Action.POLICY_CHANGED), None)


async def unapplied(services: Services, name: str) -> AuditEntry | None:
    """The newest entry that says a parameter was changed, if SSM shows that it was not; None if it was.

    A change is seen in SSM's history: the text that the entry announces, under the version that it announces or a later one. A
    deletion was not made if a version from before it is still there. What SSM forgot because a hundred versions came after it
    counts as made.
    """
    entry = await newest_change(services.database, name)
    if entry is None:
        return None
    versions = await history(services, name)
    new = orjson.loads(entry.new_value)
    if new["version"] == ABSENT:
        return entry if any(each.modified_at <= entry.timestamp for each in versions) else None
    made = any(each.version >= new["version"] and audited(name, each.text) == new["value"] for each in versions)
    forgotten = bool(versions) and versions[-1].version > new["version"]
    return None if made or forgotten else entry


def audited(name: str, text: str | None) -> str | None:
    """A text as the audit may have it: of approvers no more than the last four characters of phone and user id."""
    if text is None or name != APPROVERS:
        return text
    try:
        found = approvers(text)
    except ValueError:
        return f"unreadable, {len(text)} characters"
    shown = [
        {"name": _without_numbers(each.name), **_last_four("phone", each.phone), **_last_four("userId", each.user_id)}
        for each in found
    ]
    return encode(shown).decode()


def _last_four(key: str, identity: str | None) -> Mapping[str, str]:
    return {key: f"****{identity[-LAST_FOUR:]}"} if identity else {}


def _without_numbers(name: str) -> str:
    """Whoever writes a phone number into a name writes it with blanks and hyphens."""
    digits = [position for position, character in enumerate(name) if character.isdigit()]
    hidden = set(digits[:-LAST_FOUR]) if len(digits) >= DIGITS_MIN else set()
    return "".join("*" if position in hidden else character for position, character in enumerate(name))


def _version(entry: Mapping[str, Any]) -> Version:
    return Version(
        version=entry["Version"],
        text=entry["Value"],
        modified_at=_instant(entry["LastModifiedDate"]),
        modified_by=entry.get("LastModifiedUser"),
    )


def _instant(epoch_seconds: float) -> datetime:
    return datetime.fromtimestamp(int(epoch_seconds * 1_000) / 1_000, UTC)
