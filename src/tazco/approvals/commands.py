"""From a message of an approver to a decision: recorded once before anything is done, then carried out in one commit."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from tazco.approvals.model import Action, Instruction, Outcome, Why, instruction_kept
from tazco.approvals.rules import instruction_in
from tazco.approvals.store import kept, outcome_kept
from tazco.card_requests.commands import ApproveRequest, RejectRequest, approve_request, expire, reject_request
from tazco.card_requests.model import AlreadyDecided, CardAlreadyHeld, OwnerDisabled, RequestNotFound, RequestStatus
from tazco.card_requests.store import request
from tazco.kernel.errors import Refused
from tazco.kernel.ids import CardRequestId, CorrelationId, Subject
from tazco.kernel.money import Money
from tazco.notifications.commands import reply
from tazco.notifications.model import InboundMessage, ReplyContent, Said
from tazco.notifications.store import INBOUND_MESSAGES, inbound, inbound_id
from tazco.platform.caller import Caller, Origin
from tazco.platform.phones import without_phones
from tazco.platform.policy import Approver, Policy
from tazco.platform.services import Services
from tazco.platform.whatsapp.incoming import Incoming
from tazco.platform.work import Work
from tazco.trackers.commands import close
from tazco.trackers.model import Tracker, TrackerStatus
from tazco.trackers.store import CODE_PREFIX, code_row, named_by_code, tracker
from tazco.users.model import UserNotFound
from tazco.users.store import user

log = structlog.get_logger()

TAKE_OVER_AFTER: Final = timedelta(seconds=60)
"""How old an unfinished message must be before somebody else may assume that whoever had it is gone."""

WAIT_SECONDS_MAX: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.05
PAUSE_SECONDS_MAX: Final = 0.5
CORRELATION_CHARACTERS_MAX: Final = 128
ALIAS_CHARACTERS: Final = 4
REASON_SHOWN: Final = "Rejected after review"
UNKNOWN_SENDER: Final = "unknown"

REFUSALS: Final[Mapping[type[Refused], Said]] = {
    UserNotFound: Said.OWNER_GONE,
    OwnerDisabled: Said.OWNER_DISABLED,
    CardAlreadyHeld: Said.HAS_CARD,
}

_Decision = tuple[Outcome, Said, Money | None]
"""What came of it, what the approver is told, and the limit that was granted."""


class NotFinished(Exception):
    """Somebody else has this message and has not come to an end, or never will; a redelivery or the sweep takes it over."""


class NotRecorded(Exception):
    """The message could not even be recorded, so that nobody but the provider still knows of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What became of a message, and the reply that was put beside it and still has to be sent."""

    outcome: Outcome
    notification_id: str | None = None


async def process(services: Services, incoming: Incoming) -> Processed:
    """Record a message and carry out what it says; a message that is known already gives the outcome that it had.

    Duplicates in one process queue, one in another process is waited for, and one that was left lying is taken over. Raise
    `NotRecorded` or `NotFinished`.
    """
    message = _message(services, incoming)
    async with services.commands.lanes(f"inbound#{message.message_id}"):
        try:
            known = await services.commands.run(
                origin_of(message), partial(receive, message), lane=f"received#{message.message_id}"
            )
        except Exception as error:
            raise NotRecorded from error
        if known is None and message.outcome is not None:
            return Processed(outcome=_counted(services, outcome_kept(message.outcome)))
        if known is None or _left_lying(services, known):
            return await finish(services, known or message)
    return Processed(outcome=await _settled(services, known))


async def receive(message: InboundMessage, work: Work) -> InboundMessage | None:
    """Record a message that nobody has recorded; the record of one that is known already."""
    (known,) = await work.read(inbound(message.message_id))
    if known is None:
        work.add(INBOUND_MESSAGES, message)
    return known


async def finish(services: Services, message: InboundMessage) -> Processed:
    """Carry out a recorded message. Several may try at once: the record is conditioned in the commit, so one of them does it."""
    assert message.command is not None, "only an instruction is left to be carried out"
    lane = f"approval#{instruction_kept(message.command).about}"
    carried_out, processed = await services.commands.run(origin_of(message), partial(carry_out, message), lane=lane)
    if carried_out:
        _counted(services, processed.outcome)
    return processed


async def carry_out(message: InboundMessage, work: Work) -> tuple[bool, Processed]:
    """Decide, note what became of the message and put the reply beside it, all in one commit; whether this attempt did it.

    The flag that switches messages off does not stand in the way: nothing is sent any more, but questions that were sent before
    can still be answered. Whoever wants no decisions by WhatsApp takes the approvers off the list.
    """
    (found,) = await work.read(inbound(message.message_id))
    if found is None:
        raise NotFinished(f"the record of {without_phones(message.message_id)} is gone; a cleanup deleted it")
    if found.outcome is not None:
        return False, Processed(outcome=outcome_kept(found.outcome))
    approver = _enrolled(work.policy, _phone_of(found), found.sender_user_id)
    if approver is None:
        outcome, content = _ignored(Why.NOT_WHITELISTED), None
    else:
        outcome, content = await _decide(instruction_kept(found.command or ""), approver, work)
    work.change(INBOUND_MESSAGES, found, replace(found, outcome=kept(outcome)))
    told = reply(work, approver, found, content) if approver and content else None
    return True, Processed(outcome=outcome, notification_id=told)


async def _decide(instruction: Instruction, approver: Approver, work: Work) -> tuple[Outcome, ReplyContent | None]:
    """In the contract's order: no such request, too late, decided already, decided now, refused."""
    awaited = await _tracker_meant(instruction, work)
    (asked,) = await work.read(request(awaited.ecosystem_id, awaited.request_id)) if awaited else (None,)
    if awaited is None or asked is None:
        told = None if instruction.talk else ReplyContent(said=Said.NOT_FOUND, code=instruction.about)
        return _ignored(Why.REQUEST_NOT_FOUND), told
    known = partial(ReplyContent, code=awaited.code, request_id=awaited.request_id, owner=awaited.ecosystem_id)
    if awaited.status is TrackerStatus.EXPIRED or (awaited.open and awaited.overdue(work.now)):
        return _ignored(Why.EXPIRED), known(said=Said.EXPIRED)
    if not awaited.open:
        return _ignored(Why.ALREADY_PROCESSED, awaited.request_id), known(said=Said.ALREADY_DECIDED)
    decide = _approve if instruction.approves else _reject
    outcome, said, limit = await _or_refused(decide(awaited, approver, work), awaited.request_id)
    return outcome, known(said=said, limit=limit)


async def _or_refused(deciding: Awaitable[_Decision], request_id: CardRequestId) -> _Decision:
    """The decision, or why there is none; what stands in its way has changed nothing and is an outcome like any other."""
    try:
        return await deciding
    except RequestNotFound:
        return _ignored(Why.REQUEST_NOT_FOUND), Said.NOT_FOUND, None
    except AlreadyDecided:
        return _ignored(Why.ALREADY_PROCESSED, request_id), Said.ALREADY_DECIDED, None
    except (UserNotFound, OwnerDisabled, CardAlreadyHeld) as refusal:
        return Outcome(action=Action.ERROR, request_id=request_id, error=refusal.message), REFUSALS[type(refusal)], None


async def _approve(awaited: Tracker, approver: Approver, work: Work) -> _Decision:
    request_id, reason = awaited.request_id, f"Approved by {approver.name} over WhatsApp"
    command = ApproveRequest(request_id=request_id, owner=awaited.ecosystem_id, reason=reason)
    decided = await approve_request(command, work)
    return Outcome(action=Action.APPROVED, request_id=request_id), Said.APPROVED, decided.request.approved_limit


async def _reject(awaited: Tracker, approver: Approver, work: Work) -> _Decision:
    request_id, reason = awaited.request_id, f"Rejected by {approver.name} over WhatsApp"
    command = RejectRequest(request_id=request_id, owner=awaited.ecosystem_id, reason=REASON_SHOWN, audit_reason=reason)
    await reject_request(command, work)
    return Outcome(action=Action.REJECTED, request_id=request_id), Said.REJECTED, None


async def _tracker_meant(instruction: Instruction, work: Work) -> Tracker | None:
    """By its code, else by the whole id of its request."""
    by_code = await _tracker_with(instruction.code, work) if instruction.code else None
    if by_code is not None or instruction.about.startswith(CODE_PREFIX):
        return by_code
    exactly, in_lower_case = await work.read(tracker(instruction.about), tracker(instruction.about.lower()))
    return exactly or in_lower_case


async def _tracker_with(code: str, work: Work) -> Tracker | None:
    """The open tracker with a code, else the newest closed one; none where several are open, which only another program can cause."""
    (named,) = await work.read(code_row(code))
    if named is not None:
        (found,) = await work.read(tracker(named.points_to))
        if found is None or found.code == code:
            return found
        log.error("approvals.code_of_another_request", request_id=named.points_to)
        return None
    (entries,) = await work.read(named_by_code(code))
    rows = await work.read(*(tracker(entry["requestId"]) for entry in entries))
    meant = [each for each in rows if each is not None and each.code == code]
    still_open = [each for each in meant if each.open]
    if len(still_open) > 1:
        log.error("approvals.code_of_several_requests", request_ids=[each.request_id for each in still_open])
        return None
    return still_open[0] if still_open else max(meant, key=lambda each: each.expires_at, default=None)


async def expire_overdue(request_id: str, work: Work) -> bool:
    """Close an open tracker whose time is up; whether there was one. By policy the request is turned down with it.

    A request that is decided although its tracker is open, as another program may leave it, only gets its tracker closed.
    """
    (awaited,) = await work.read(tracker(request_id))
    if awaited is None or not awaited.open or not awaited.overdue(work.now):
        return False
    found, owner = await work.read(request(awaited.ecosystem_id, awaited.request_id), user(awaited.ecosystem_id))
    if found is None:
        close(work, awaited, TrackerStatus.EXPIRED)
    elif found.pending:
        expire(work, found, owner, awaited)
    else:
        approved = found.status is RequestStatus.APPROVED
        close(work, awaited, TrackerStatus.APPROVED if approved else TrackerStatus.REJECTED)
    return True


def origin_of(message: InboundMessage) -> Origin:
    """Where the commands of a message come from. Its sender is known by phone or user id and has no account with us.

    Events and the owner's data name only the last four characters.
    """
    sender = message.sender_phone
    caller = Caller(subject=Subject(sender), email=f"whatsapp:{sender}", alias=f"whatsapp:{sender[-ALIAS_CHARACTERS:]}")
    return Origin(caller=caller, correlation_id=CorrelationId(without_phones(message.wpp_message_id)[:CORRELATION_CHARACTERS_MAX]))


def _message(services: Services, incoming: Incoming) -> InboundMessage:
    """The record of a message; finished already if nothing is to be done about it.

    An approver's messages are kept under the identity by which the policy knows the approver, whatever else came with them.
    """
    approver = _enrolled(services.policies.current(), incoming.phone, incoming.user_id)
    instruction = instruction_in(incoming.text) if approver else None
    nothing = _ignored(Why.INVALID_COMMAND if approver else Why.NOT_WHITELISTED)
    known_by = (approver.phone or approver.user_id) if approver else None
    return InboundMessage(
        message_id=inbound_id(incoming.provider, incoming.message_id),
        provider=incoming.provider,
        wpp_message_id=incoming.message_id,
        sender_phone=known_by or incoming.phone or incoming.user_id or UNKNOWN_SENDER,
        sender_user_id=incoming.user_id,
        received_at=services.clock(),
        command=instruction.text if instruction else None,
        outcome=None if instruction else kept(nothing),
    )


def _enrolled(policy: Policy, phone: str | None, user_id: str | None) -> Approver | None:
    return next((approver for approver in policy.approvers if approver.sent_from(phone, user_id)), None)


def _phone_of(message: InboundMessage) -> str | None:
    return None if message.sender_phone == message.sender_user_id else message.sender_phone


def _ignored(why: Why, request_id: CardRequestId | None = None) -> Outcome:
    return Outcome(action=Action.IGNORED, reason=why, request_id=request_id)


def _counted(services: Services, outcome: Outcome) -> Outcome:
    services.metrics.approvals.labels(outcome.name).inc()
    return outcome


def _left_lying(services: Services, known: InboundMessage) -> bool:
    return known.outcome is None and services.clock() - known.received_at >= TAKE_OVER_AFTER


async def _settled(services: Services, known: InboundMessage) -> Outcome:
    """The outcome of a message that somebody else has, waited for a little."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + WAIT_SECONDS_MAX, FIRST_PAUSE_SECONDS
    found: InboundMessage | None = known
    while found is not None:
        if found.outcome is not None:
            return outcome_kept(found.outcome)
        if loop.time() >= until:
            raise NotFinished(f"{without_phones(known.message_id)} is still being worked on by somebody else")
        await asyncio.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS_MAX)
        (found,) = await services.database.read(inbound(known.message_id))
    raise NotFinished(f"the record of {without_phones(known.message_id)} is gone; a cleanup deleted it")
