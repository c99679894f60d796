"""What an approver is told about an answer of theirs: in the commit of what the answer did, or not at all."""

from functools import partial

import pytest

from tazco.kernel.ids import CardRequestId, EcosystemId
from tazco.kernel.money import Money
from tazco.notifications.commands import deliver, deliver_due, reply
from tazco.notifications.model import DeliveryStatus, InboundMessage, Kind, ReplyContent, Said
from tazco.platform.policy import Approver
from tazco.platform.whatsapp.messages import Recipient, Text
from tazco.platform.work import Work
from tests.contract.seeds import with_policy
from tests.notifications.messenger import PHONE, Desk, desk_in
from tests.world import World

APPROVER = Approver(name="Desk 1", phone=PHONE)
APPROVED = ReplyContent(
    said=Said.APPROVED,
    code="7K3M9QXD",
    limit=Money(50_000),
    request_id=CardRequestId("r1"),
    owner=EcosystemId("user-77"),
)


async def replied(
    desk: Desk, content: ReplyContent, *, message_id: str = "meta#wamid.A", then: Exception | None = None
) -> str | None:
    """Commit a reply; `then` goes wrong after it, so that nothing is committed."""
    received = desk.services.clock()
    cause = InboundMessage(
        message_id=message_id, provider="meta", wpp_message_id="wamid.A", sender_phone=PHONE, received_at=received
    )

    async def decide(cause: InboundMessage, work: Work) -> str | None:
        await work.read()
        told = reply(work, APPROVER, cause, content)
        if then:
            raise then
        return told

    found: str | None = await desk.run(partial(decide, cause))
    return found


async def test_a_reply_is_in_the_commit_and_goes_out_afterwards(world: World) -> None:
    desk = await desk_in(world)
    told = await replied(desk, APPROVED)
    assert told is not None
    found = await desk.read(told)
    assert (found.notification_type, found.related_entity_type, found.related_entity_id, found.ecosystem_id) == (
        Kind.REPLY,
        "cardRequest",
        "r1",
        "user-77",
    )
    await deliver(desk.services, told)
    assert desk.messenger.sent == [(Recipient(phone=PHONE), Text("#7K3M9QXD is approved. Limit: $500.00"), told)]
    assert await desk.status(told) is DeliveryStatus.SENT


async def test_a_reply_that_nobody_sent_is_sent_by_the_timer(world: World) -> None:
    desk = await desk_in(world)
    told = await replied(desk, APPROVED)
    assert await deliver_due(desk.services) == 1
    assert [reference for _, _, reference in desk.messenger.sent] == [told]


async def test_there_is_no_reply_without_the_decision_that_it_tells_of(world: World) -> None:
    desk = await desk_in(world)
    with pytest.raises(ZeroDivisionError):
        await replied(desk, APPROVED, then=ZeroDivisionError())
    assert await desk.all() == []


async def test_a_reply_about_no_request_is_about_the_message_itself(world: World) -> None:
    desk = await desk_in(world)
    told = await replied(desk, ReplyContent(said=Said.NOT_FOUND, code="ZZZZZZZZ"))
    assert told is not None
    found = await desk.read(told)
    assert (found.related_entity_type, found.related_entity_id, found.ecosystem_id) == ("inboundMessage", "meta#wamid.A", "system")
    operator = await world.operator()
    about = "relatedEntityType=inboundMessage&relatedEntityId=meta%23wamid.A"
    (view,) = (await operator.get(f"/v1/admin/notifications?{about}")).body["notifications"]
    assert (view["notificationId"], view["notificationType"]) == (told, "approval_reply")


@pytest.mark.parametrize("flag", ["whatsapp__replyToApprovers", "whatsapp__notificationsEnabled"])
async def test_the_policy_may_want_no_replies(world: World, flag: str) -> None:
    desk = await desk_in(world)
    await with_policy(world, **{flag: "false"})
    assert await replied(desk, APPROVED) is None
    assert await desk.all() == []
    await with_policy(world, **{flag: "true"})
