"""The bus: events go out in calls of at most ten, and each entry of the answer is judged on its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from tazco.platform.aws import Aws, AwsError, AwsUnreachable
from tazco.platform.jsontext import encode
from tazco.platform.outbox import OutboxRow, envelope
from tazco.platform.settings import Names

ENTRIES_MAX: Final = 10
CALL_BYTES_MAX: Final = 1_000_000
"""AWS takes less than 1 MB and does not say of which kind; this holds for both."""

TIME_BYTES: Final = 14
"""What AWS counts for `Time`."""

ATTEMPTS_MAX: Final = 2
"""The relay has a pause of its own, and more than two time-outs would outlive its leases."""

INVALID: Final = frozenset(
    {
        "InvalidParameterCombination",
        "InvalidParameterException",
        "InvalidParameterValue",
        "MissingParameter",
        "RequestEntityTooLarge",
        "SerializationException",
        "ValidationError",
        "ValidationException",
    }
)
"""How a whole call is refused for what is in it. Anything unknown counts as an outage: better late than wrongly given up."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bus says of one event; `code` is empty where it took it."""

    code: str = ""
    message: str = ""

    @property
    def accepted(self) -> bool:
        """The event is the bus's now."""
        return not self.code


ACCEPTED: Final = Verdict()


class BusDown(Exception):
    """The bus cannot be used now, which says nothing of any event; `verdicts` are those on the first events, given before that."""

    def __init__(self, cause: str, verdicts: Sequence[Verdict] = ()) -> None:
        super().__init__(f"The event bus takes nothing: {cause}")
        self.cause = cause
        self.verdicts = tuple(verdicts)


@dataclass(frozen=True, slots=True)
class _Entry:
    body: Mapping[str, Any]
    size: int


@dataclass(frozen=True, slots=True)
class Bus:
    """The bus of the programme, and the source under which its events go out."""

    aws: Aws
    name: str
    source: str

    @classmethod
    def of(cls, aws: Aws, names: Names) -> "Bus":
        """The bus that the settings name."""
        return cls(aws, names.event_bus, names.event_source)

    async def put(self, rows: Sequence[OutboxRow]) -> tuple[Verdict, ...]:
        """A verdict on each event, in the order given; raise `BusDown` where there is none. What was taken may have gone out twice."""
        verdicts: list[Verdict] = []
        for call in _calls([self._entry(row) for row in rows]):
            try:
                verdicts += await self._put(call)
            except BusDown as down:
                raise BusDown(down.cause, (*verdicts, *down.verdicts)) from down
        return tuple(verdicts)

    def _entry(self, row: OutboxRow) -> _Entry:
        detail = encode(envelope(row))
        body = {
            "Time": row.occurred_at.timestamp(),
            "Source": self.source,
            "DetailType": row.event_type,
            "Detail": detail.decode(),
            "EventBusName": self.name,
        }
        return _Entry(body, TIME_BYTES + len(self.source.encode()) + len(row.event_type.encode()) + len(detail))

    async def _put(self, entries: Sequence[_Entry]) -> list[Verdict]:
        try:
            reply = await self.aws.call(
                "events", "PutEvents", {"Entries": [entry.body for entry in entries]}, attempts_max=ATTEMPTS_MAX
            )
        except AwsUnreachable as error:
            raise BusDown(str(error)) from error
        except AwsError as error:
            if not _invalid(error):
                raise BusDown(str(error)) from error
            message = str(error.body.get("message") or error.body.get("Message") or "")
            return [Verdict(error.code, message)] if len(entries) == 1 else await self._put_each(entries)
        return _verdicts(reply, len(entries))

    async def _put_each(self, entries: Sequence[_Entry]) -> list[Verdict]:
        """One of them spoils the call: send each alone, so that only that one is refused."""
        verdicts: list[Verdict] = []
        for entry in entries:
            try:
                verdicts += await self._put([entry])
            except BusDown as down:
                raise BusDown(down.cause, verdicts) from down
        return verdicts


def _invalid(error: AwsError) -> bool:
    return error.code in INVALID or error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def _calls(entries: Sequence[_Entry]) -> Iterator[list[_Entry]]:
    """As many entries a call as count and size allow, in order."""
    call: list[_Entry] = []
    size = 0
    for entry in entries:
        if call and (len(call) == ENTRIES_MAX or size + entry.size > CALL_BYTES_MAX):
            yield call
            call, size = [], 0
        call.append(entry)
        size += entry.size
    if call:
        yield call


def _verdicts(reply: Mapping[str, Any], count: int) -> list[Verdict]:
    """The answer names no event: its entries stand in the order of the request."""
    results = reply.get("Entries")
    if not isinstance(results, list) or len(results) != count:
        raise BusDown(f"its answer does not judge each of {count} entries")
    return [_verdict(result) for result in results]


def _verdict(result: Mapping[str, Any]) -> Verdict:
    """Taken is only what got an id."""
    if result.get("EventId") and not result.get("ErrorCode"):
        return ACCEPTED
    return Verdict(str(result.get("ErrorCode") or "NoEventId"), str(result.get("ErrorMessage") or ""))
