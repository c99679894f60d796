"""A desk whose events really travel: relay, bus, queue and worker run beside it until the stories are over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tazco.notifications.model import Notification
from tazco.notifications.reactions import REACTIONS
from tazco.notifications.store import NOTIFICATIONS
from tazco.platform.consumer import Consumer
from tazco.platform.outbox import OUTBOX
from tazco.platform.relaying import relaying
from tazco.timeline.model import Step, StepKind, Story, Subject, SubjectKind, Timeline
from tazco.timeline.store import about
from tests.approvals.desk import Desk, open_desk
from tests.platform.subscribed import eventually
from tests.stage import Stage


@asynccontextmanager
async def travelling(stage: Stage, **settings: Any) -> AsyncIterator[Desk]:
    """A desk with a relay and a worker of its own; the providers' webhooks are a test's affair."""
    stop = asyncio.Event()
    async with open_desk(stage, **settings) as desk, relaying(desk.world.services):
        worker = asyncio.create_task(Consumer.of(desk.world.services, REACTIONS).run(stop))
        try:
            yield desk
        finally:
            stop.set()
            await worker


async def notified(desk: Desk, entity_id: str, count: int) -> list[Notification]:
    """So many notifications about something, once they are sent; by the name of the recipient."""
    found: list[Notification] = []

    async def sent() -> bool:
        rows = [NOTIFICATIONS.codec.decode(item) for item in await desk.world.rows(NOTIFICATIONS)]
        found[:] = [row for row in rows if row.related_entity_id == entity_id and row.sent_at]
        return len(found) >= count

    await eventually(sent)
    return sorted(found, key=lambda row: row.recipient_name)


async def left(desk: Desk) -> None:
    """Wait until nothing waits in the outbox."""

    async def empty() -> bool:
        return not [item for item in await desk.world.rows(OUTBOX) if "pendingShard" in item]

    await eventually(empty)


async def told(desk: Desk, kind: SubjectKind, subject_id: str, owner: str | None = None) -> Timeline:
    """The timeline of something that exists."""
    services = desk.world.services
    timeline = await about(services, Subject(kind=kind, id=subject_id, ecosystem_id=owner), services.clock())
    assert timeline is not None
    return timeline


def steps(story: Story, kind: StepKind) -> list[Step]:
    """The steps of a kind."""
    return [step for step in story.steps if step.kind is kind]
