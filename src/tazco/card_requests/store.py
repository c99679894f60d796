"""Where card requests are, and the questions asked of them."""

from functools import partial
from typing import Final

from tazco.card_requests.model import CardRequest, RequestStatus
from tazco.platform.merging import Merged
from tazco.platform.tables import EntriesOf, Get, Index, Range, RowsOf, Table, spread

SHARDS: Final = 8

PENDING_REQUESTS: Final = Index(name="PendingRequests", partition="statusShard", sort="createdAt")
REQUEST_BY_ID: Final = Index(name="RequestById", partition="requestId")


def status_shard(status: RequestStatus, shard: int) -> str:
    """One of the partitions in which the index keeps the requests of a status."""
    return f"{status.value}#{shard}"


CARD_REQUESTS: Final = Table(
    name="card-requests",
    record=CardRequest,
    partition="ecosystemId",
    sort="requestId",
    indexes=(PENDING_REQUESTS, REQUEST_BY_ID),
    derived=lambda request: {"statusShard": status_shard(request.status, spread(request.request_id, SHARDS))},
    aggregate="cardRequest",
    wiped_as="cardRequests",
)


def request(ecosystem_id: str, request_id: str) -> Get[CardRequest]:
    """A person's request."""
    return Get(CARD_REQUESTS, (ecosystem_id, request_id))


def requests_of(ecosystem_id: str) -> RowsOf[CardRequest]:
    """All requests of a person."""
    return RowsOf(CARD_REQUESTS, ecosystem_id)


def named_by_id(request_id: str) -> EntriesOf:
    """Whose request this is, by the index; a request made this instant may not be there yet."""
    return EntriesOf(CARD_REQUESTS, REQUEST_BY_ID, request_id)


def in_status(status: RequestStatus, from_instant: str | None = None, *, newest_first: bool = False) -> tuple[EntriesOf, ...]:
    """The requests in a status, one question a shard, each in order of creation from an instant onwards (or backwards)."""
    bounds = Range(at_most=from_instant, newest_first=True) if newest_first else Range(at_least=from_instant)
    return tuple(EntriesOf(CARD_REQUESTS, PENDING_REQUESTS, status_shard(status, shard), bounds) for shard in range(SHARDS))


def queue_of(status: RequestStatus, *, newest_first: bool) -> Merged[CardRequest]:
    """All requests in a status as one list; those decided since the index was written drop out."""
    return Merged(
        table=CARD_REQUESTS,
        questions=partial(in_status, status, newest_first=newest_first),
        time="createdAt",
        keep=lambda request: request.status is status,
        newest_first=newest_first,
    )


def latest(requests: tuple[CardRequest, ...]) -> CardRequest | None:
    """The newest of a person's requests, in any status."""
    return max(requests, key=lambda each: (each.created_at, each.request_id), default=None)
