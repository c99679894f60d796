"""What a timeline is made from, and the timeline of a subject."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from tazco.approvals.model import instruction_kept
from tazco.approvals.store import outcome_kept
from tazco.audit.store import AUDIT_LOGS, entries_of
from tazco.card_requests.store import CARD_REQUESTS, named_by_id, request
from tazco.cards.store import CARDS, card, named_by_card_id
from tazco.notifications.model import InboundMessage
from tazco.notifications.store import inbound, inbound_id
from tazco.platform.outbox import DEAD_LETTERS, OUTBOX, PENDING_EVENTS, PENDING_PREFIX, SHARDS
from tazco.platform.services import Services
from tazco.platform.tables import EntriesOf, Range, RowsOf
from tazco.scores.store import latest_steps_of
from tazco.timeline.model import Subject, SubjectKind, Timeline
from tazco.timeline.rules.stories import stories_in, touching
from tazco.timeline.store.facts import payload_of
from tazco.timeline.store.gathering import DEEDS_MAX, EVENTS_MAX, PROVIDERS, Gathering, Scope, left_events_of
from tazco.timeline.store.standing import standing
from tazco.trackers.store import code_row
from tazco.users.store import user

CARDS_MAX: Final = 3
REQUESTS_MAX: Final = 5
ID_BYTES_MAX: Final = 600
"""What is longer, or empty, cannot be a key, and names nothing."""

PENDING_MAX: Final = 25
"""Of one shard of the outbox, the newest; of the dead letters as well."""


async def about(services: Services, subject: Subject, now: datetime) -> Timeline | None:
    """The timeline of a person, a card, a card request or a correlation id; None for what does not exist.

    Of a correlation id there is always one, perhaps without a story: only where events are traced does that mean anything.
    """
    traced, policy = services.settings.trace_events, services.policies.current()
    gathering = Gathering(services.database, now, traced)
    scope = await _scope(gathering, subject)
    if scope is None:
        return None
    await gathering.follow(scope)
    stories = stories_in(gathering.found(reacting=policy.notifications_enabled and bool(policy.approvers)))
    match subject.kind:
        case SubjectKind.CARD:
            stories = touching(stories, "card", subject.id)
        case SubjectKind.REQUEST:
            stories = touching(stories, "cardRequest", subject.id)
        case SubjectKind.CORRELATION:
            stories = tuple(story for story in stories if story.correlation_id == subject.id)
        case SubjectKind.PERSON:
            pass
    return Timeline(subject=subject, stories=stories, forgotten=gathering.forgotten, cut=gathering.cut, traced=traced)


async def state_of(services: Services, subject: Subject, now: datetime) -> Any:
    """Where the newest of a timeline stands, to be compared by its `repr`: it moves when the timeline does, for a fraction of the reads."""
    gathering = Gathering(services.database, now, services.settings.trace_events)
    scope = await _scope(gathering, subject)
    return None if scope is None else await standing(gathering, scope)


async def _scope(gathering: Gathering, subject: Subject) -> Scope | None:
    """What a subject consists of; None if it does not exist."""
    if not all(0 < len(each.encode()) <= ID_BYTES_MAX for each in (subject.id, subject.ecosystem_id or subject.id)):
        return None
    match subject.kind:
        case SubjectKind.PERSON:
            return await _person(gathering, subject.id)
        case SubjectKind.CARD:
            holder = subject.ecosystem_id or await _holder_of(gathering, subject.id)
            return await _card(gathering, holder, subject.id) if holder else None
        case SubjectKind.REQUEST:
            owner = subject.ecosystem_id or await _owner_of(gathering, subject.id)
            return await _request(gathering, owner, subject.id) if owner else None
        case SubjectKind.CORRELATION:
            return await _correlation(gathering, subject.id)


async def _person(gathering: Gathering, ecosystem_id: str) -> Scope | None:
    """A person with their newest cards and requests: the ids of both sort by time."""
    cards, requests = (Range(newest_first=True, rows_max=most + 1) for most in (CARDS_MAX, REQUESTS_MAX))
    someone, cards_of, requests_of, gathering.scores = await gathering.database.read(
        user(ecosystem_id),
        RowsOf(CARDS, ecosystem_id, cards),
        RowsOf(CARD_REQUESTS, ecosystem_id, requests),
        latest_steps_of(ecosystem_id),
    )
    if someone is None:
        return None
    gathering.cut = len(cards_of) > CARDS_MAX or len(requests_of) > REQUESTS_MAX
    return Scope(users=(someone,), cards=cards_of[:CARDS_MAX], requests=requests_of[:REQUESTS_MAX])


async def _card(gathering: Gathering, ecosystem_id: str, card_id: str) -> Scope | None:
    """A card, with its owner, whose score moves with it, and the request that it came of."""
    found, someone = await gathering.database.read(card(ecosystem_id, card_id), user(ecosystem_id))
    if found is None:
        return None
    asked = await gathering.database.read(request(ecosystem_id, found.request_id)) if found.request_id else ()
    return Scope(users=_present([someone]), cards=(found,), requests=_present(asked))


async def _holder_of(gathering: Gathering, card_id: str) -> str | None:
    (entries,) = await gathering.database.read(named_by_card_id(card_id))
    return entries[0]["ecosystemId"] if entries else None


async def _owner_of(gathering: Gathering, request_id: str) -> str | None:
    (entries,) = await gathering.database.read(named_by_id(request_id))
    return entries[0]["ecosystemId"] if entries else None


async def _request(gathering: Gathering, ecosystem_id: str, request_id: str) -> Scope | None:
    """A card request, with the card that came of it and the person who asked."""
    found, someone = await gathering.database.read(request(ecosystem_id, request_id), user(ecosystem_id))
    if found is None:
        return None
    cards = await gathering.database.read(card(ecosystem_id, found.card_id)) if found.card_id else ()
    return Scope(users=_present([someone]), cards=_present(cards), requests=(found,), since=found.created_at)


async def _correlation(gathering: Gathering, correlation_id: str) -> Scope:
    """What names a correlation id: events that have left or wait, deeds, a message; then all that these are about, from then on."""
    database = gathering.database
    messages: list[Any] = [inbound(inbound_id(provider, correlation_id)) for provider in PROVIDERS]
    deeds, left = entries_of(correlation_id, rows_max=DEEDS_MAX), left_events_of(correlation_id)
    (
        *heard,
        named,
        events,
    ) = await database.read(*messages, deeds, left)
    gathering.messages |= {row.message_id: row for row in heard if row is not None}
    gathering.cut = len(named) >= DEEDS_MAX or len(events) >= EVENTS_MAX
    waiting = await _waiting(gathering)
    rows = await gathering.rows_of_events({entry["eventId"] for entry in (*events, *waiting)})
    gathering.events = {row.event_id: row for row in rows if row.request_id == correlation_id}
    entries = await database.rows(AUDIT_LOGS, [(each["targetKey"], each["timestampLogId"]) for each in named])
    gathering.deeds |= {entry.log_id: entry for entry in entries}
    return await _concerned(gathering)


async def _waiting(gathering: Gathering) -> list[Any]:
    """Names of events that have not left, the newest of each shard."""
    shards = [*(f"{PENDING_PREFIX}#{shard}" for shard in range(SHARDS)), DEAD_LETTERS]
    bounds = Range(newest_first=True, rows_max=PENDING_MAX)
    answers = await gathering.database.read(*(EntriesOf(OUTBOX, PENDING_EVENTS, shard, bounds) for shard in shards))
    gathering.cut = gathering.cut or any(len(entries) >= PENDING_MAX for entries in answers)
    return [entry for entries in answers for entry in entries]


async def _concerned(gathering: Gathering) -> Scope:
    """The people, cards and requests that the first finds are about, from the first of them on."""
    events, deeds, messages = gathering.events.values(), gathering.deeds.values(), gathering.messages.values()
    owners = {row.ecosystem_id for row in events} | {deed.target_ecosystem_id for deed in deeds}
    cards = {(row.ecosystem_id, row.aggregate_id) for row in events if row.aggregate_type == "card"}
    cards |= {(deed.target_ecosystem_id, deed.target_id) for deed in deeds if deed.target_type == "card"}
    asked = {(row.ecosystem_id, row.aggregate_id) for row in events if row.aggregate_type == "cardRequest"}
    asked |= {(row.ecosystem_id, str(payload_of(row)["requestId"])) for row in events if "requestId" in payload_of(row)}
    asked |= {(deed.target_ecosystem_id, deed.target_id) for deed in deeds if deed.target_type == "card-request"}
    asked |= {each for message in messages if (each := await _request_meant(gathering, message)) is not None}
    requests = _present(await gathering.database.read(*(request(*each) for each in asked)))
    cards |= {(row.ecosystem_id, row.card_id) for row in requests if row.card_id}
    rows: tuple[Any, ...] = await gathering.database.read(*map(user, owners), *(card(*each) for each in cards))
    instants = [*(row.occurred_at for row in events), *(deed.timestamp for deed in deeds), *(each.received_at for each in messages)]
    users, held = _present(rows[: len(owners)]), _present(rows[len(owners) :])
    return Scope(users=users, cards=held, requests=requests, since=min(instants, default=None))


async def _request_meant(gathering: Gathering, message: InboundMessage) -> tuple[str, str] | None:
    """Whose and which request a message was about, if it was about one."""
    request_id = outcome_kept(message.outcome).request_id if message.outcome else None
    code = instruction_kept(message.command).code if message.command else None
    if request_id is None and code is not None:
        (named,) = await gathering.database.read(code_row(code))
        request_id = named.points_to if named else None
    owner = await _owner_of(gathering, request_id) if request_id else None
    return (owner, request_id) if owner and request_id else None


def _present(rows: Iterable[Any]) -> list[Any]:
    return [row for row in rows if row is not None]
