"""Confirming, deleting, and saying so."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import structlog

from tazco.audit.commands import email_of_actor, record_deed
from tazco.audit.model import Action, Target
from tazco.cleanup.events import CleanedUp
from tazco.cleanup.model import CONFIRMATION_LIFE, BadConfirmation, CleanupInProgress, Confirmation
from tazco.cleanup.store import CONFIRMATIONS, STREAM_KEY, confirmation, stream, token_hash
from tazco.kernel.errors import Unavailable
from tazco.platform.aws import AwsUnreachable
from tazco.platform.caller import Origin
from tazco.platform.database import Database
from tazco.platform.leases import MAINTENANCE, PREFIX
from tazco.platform.outbox import OUTBOX, STREAMS, Stream
from tazco.platform.services import Services
from tazco.platform.tables import Get, Key, Table
from tazco.platform.work import Work
from tazco.trackers.store import CODE_PREFIX

log = structlog.get_logger()

LEASE_LENGTH: Final = timedelta(seconds=60)
BATCH_ROWS: Final = 500
ANNOUNCE_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
KEPT_STREAMS: Final = (STREAM_KEY, PREFIX)


@dataclass(frozen=True, slots=True)
class Confirmable:
    """A fresh token and the row that knows its hash."""

    token: str
    confirmation: Confirmation


async def ask_to_confirm(work: Work) -> Confirmable:
    """Make a token for this operator, good once, for five minutes."""
    await work.read()
    token = secrets.token_urlsafe(32)
    until = work.now + CONFIRMATION_LIFE
    row = Confirmation(
        actor_id=work.origin.caller.actor_id,
        token_hash=token_hash(token),
        valid_until=until,
        expires_at=int(until.timestamp()) + 1,
    )
    work.add(CONFIRMATIONS, row)
    return Confirmable(token, row)


async def confirm(token: str, work: Work) -> str:
    """Use the token up and tell the operator's e-mail; refuse a token that is unknown, used, expired or somebody else's."""
    (row,) = await work.read(confirmation(work.origin.caller.actor_id, token))
    if row is None or row.used or row.valid_until <= work.now:
        raise BadConfirmation
    work.change(CONFIRMATIONS, row, replace(row, used=True))
    return email_of_actor(work)


async def clean_up(services: Services, origin: Origin, email: str) -> Mapping[str, int]:
    """Delete everything but the audit, under a lease; then the audit entry and the event. Returns what was deleted, by name.

    No registration commits while the lease is held; owners go first and what they own after them, and every other write is
    conditioned on a row that is there: a write that races with the cleanup fails, or is swept up with its table.
    """
    owner = services.new_id()
    if not await services.leases.take(MAINTENANCE, owner, LEASE_LENGTH):
        raise CleanupInProgress
    services.maintenance.note(running=True)
    try:
        counts: dict[str, int] = {}
        unsent = await _unsent_announcements(services.database)
        wiped = [table for table in services.tables if table.wiped_as]
        for table in wiped:
            assert table.wiped_as is not None
            counts[table.wiped_as] = await _wipe(services, table, owner, unsent if table is OUTBOX else frozenset())
        services.gate.directory.forget()
        await _announced(services, origin, counts, email)
    finally:
        await services.leases.give_back(MAINTENANCE, owner)
        services.maintenance.note(running=False)
    return counts


async def _unsent_announcements(database: Database) -> frozenset[str]:
    """The events of earlier cleanups that have not left: without them the stream, whose counter stays, would have a hole."""
    (counter,) = await database.read(stream())
    unsent: set[str] = set()
    event_id = counter.last_event_id if counter else None
    while event_id is not None:
        (row,) = await database.read(Get(OUTBOX, (event_id,)))
        if row is None or not row.pending:
            break
        unsent.add(event_id)
        event_id = row.previous_event_id
    return frozenset(unsent)


async def _announced(services: Services, origin: Origin, counts: Mapping[str, int], email: str) -> None:
    """The deletion cannot be taken back, so saying it is tried for as long as a database is usually away."""
    for pause in (*ANNOUNCE_PAUSES_SECONDS, None):
        try:
            await services.commands.run(origin, lambda work: _announce(counts, email, work), lane="cleanup")
        except (Unavailable, AwsUnreachable) as error:
            log.error("cleanup.unannounced", counts=counts, error=str(error))  # noqa: TRY400 - the trace says nothing more
            if pause is None:
                raise
            await asyncio.sleep(pause)
        else:
            return


async def _wipe(services: Services, table: Table[Any], owner: str, kept: frozenset[str]) -> int:
    database: Database = services.database
    keys: list[Key] = []
    deleted = 0
    async for item in database.scan(table, keys_only=True):
        key = table.key_of(item)
        if key[0] in kept or (table.name == STREAMS.name and key[0].startswith(KEPT_STREAMS)):
            continue
        keys.append(key)
        if len(keys) >= BATCH_ROWS:
            deleted += await _delete(services, table, keys, owner)
            keys = []
    return deleted + await _delete(services, table, keys, owner)


async def _delete(services: Services, table: Table[Any], keys: list[Key], owner: str) -> int:
    if not keys:
        return 0
    if not await services.leases.take(MAINTENANCE, owner, LEASE_LENGTH):
        raise CleanupInProgress
    await services.database.delete_all(table, keys)
    return sum(not key[0].startswith(CODE_PREFIX) for key in keys)


PUBLIC_COUNTS: Final = ("users", "cards", "transactions", "cardRequests", "events")
EVENT_COUNTS: Final = (*PUBLIC_COUNTS, "scores", "idempotencyRecords", "notifications", "inboundMessages", "approvalTrackers")


async def _announce(counts: Mapping[str, int], email: str, work: Work) -> None:
    (counter,) = await work.read(stream())
    deleted = {name: counts.get(name, 0) for name in EVENT_COUNTS}
    record_deed(
        work,
        Action.CLEANUP,
        Target(type="system", id="cleanup", ecosystem_id="system"),
        previous=deleted,
        new=dict.fromkeys(deleted, 0),
        reason="Cleanup confirmed",
        actor_email=email,
    )
    event = CleanedUp(
        admin_id=work.origin.caller.actor_id,
        admin_email=email,
        deleted_counts=deleted,
        timestamp=work.now,
    )
    if counter is None:
        work.add(STREAMS, Stream(entity_key=STREAM_KEY), event)
    else:
        work.change(STREAMS, counter, counter, event)
