"""GET /v1/admin/notifications, §2.10."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tazco.notifications.store import NOTIFICATIONS
from tests.contract.seeds import TIMESTAMP, ago, seed
from tests.contract.test_transactions import walk
from tests.world import Reply, World

LIST = "/v1/admin/notifications"
ALWAYS = {
    "notificationId",
    "notificationType",
    "relatedEntityType",
    "relatedEntityId",
    "ecosystemId",
    "recipientPhone",
    "recipientName",
    "deliveryStatus",
    "provider",
    "retryCount",
    "createdAt",
}


async def told(world: World, notification_id: str, **attributes: Any) -> None:
    """A notification, put there past all our code."""
    status = str(attributes.pop("deliveryStatus", "sent"))
    entity = str(attributes.get("relatedEntityId", "r1"))
    given = {
        "notificationId": notification_id,
        "notificationType": "card_request_approval",
        "relatedEntityType": "cardRequest",
        "relatedEntityId": entity,
        "relatedKey": f"cardRequest#{entity}",
        "ecosystemId": "user-77",
        "recipientName": "Desk 1",
        "recipientPhone": "5511900000000",
        "content": json.dumps({"customer": "user-77@example.com", "tier": "low", "score": 430, "code": "7K3M9QXD"}),
        "deliveryStatus": status,
        "statusShard": f"{status}#{sum(notification_id.encode()) % 4}",
        "provider": "meta",
        "createdAt": ago(world, minutes=5),
        **attributes,
    }
    await seed(world, NOTIFICATIONS, **given)


async def get(world: World, query: str = "") -> Reply:
    """The list, as an operator asks for it."""
    return await (await world.operator()).get(LIST + query)


def ids(reply: Reply) -> list[str]:
    """The notifications of a page, in its order."""
    return [each["notificationId"] for each in reply.body["notifications"]]


async def test_a_notification_shows_who_was_told_and_neither_number_nor_text(world: World) -> None:
    sent = {"providerMessageId": "wamid.A", "sentAt": ago(world, minutes=4), "retryCount": 1}
    await told(world, "shown", relatedEntityId="shown", lastError="131000: planned", **sent)
    reply = await get(world, "?relatedEntityType=cardRequest&relatedEntityId=shown")
    assert reply.status == 200
    assert set(reply.body) == {"notifications", "pagination"}
    (view,) = reply.body["notifications"]
    assert set(view) == ALWAYS | {"providerMessageId", "sentAt"}
    assert re.fullmatch(TIMESTAMP, view["createdAt"])
    assert re.fullmatch(TIMESTAMP, view["sentAt"])
    assert {name: view[name] for name in ("recipientPhone", "recipientName", "deliveryStatus", "provider", "retryCount")} == {
        "recipientPhone": "****-0000",
        "recipientName": "Desk 1",
        "deliveryStatus": "sent",
        "provider": "meta",
        "retryCount": 1,
    }
    assert (view["notificationType"], view["relatedEntityType"], view["relatedEntityId"], view["ecosystemId"]) == (
        "card_request_approval",
        "cardRequest",
        "shown",
        "user-77",
    )
    assert "55119" not in str(reply.body)
    assert "7K3M9QXD" not in str(reply.body)


async def test_what_has_not_happened_yet_is_left_out_and_a_user_id_is_masked_too(world: World) -> None:
    await told(
        world,
        "by-user-id",
        relatedEntityId="by-user-id",
        recipientPhone=None,
        recipientUserId="BR.1349120865530274",
        deliveryStatus="pending",
    )
    (view,) = (await get(world, "?relatedEntityType=cardRequest&relatedEntityId=by-user-id")).body["notifications"]
    assert set(view) == ALWAYS
    assert view["recipientPhone"] == "****-0274"


async def test_a_status_lists_what_is_in_it_and_nothing_else(world: World) -> None:
    await told(world, "dead-1", deliveryStatus="dead_letter", createdAt=ago(world, hours=2))
    await told(world, "dead-2", deliveryStatus="dead_letter", createdAt=ago(world, hours=1))
    await told(world, "alive", deliveryStatus="delivered")
    await told(world, "moved-on", deliveryStatus="read", statusShard="dead_letter#1")
    assert ids(await get(world, "?status=dead_letter")) == ["dead-2", "dead-1"]
    about = "&relatedEntityType=cardRequest&relatedEntityId=r1"
    assert ids(await get(world, f"?status=dead_letter{about}")) == ["dead-2", "dead-1"]
    assert "alive" in ids(await get(world, "?status="))


async def test_without_a_filter_all_are_listed_newest_first_page_by_page_also_where_times_are_equal(world: World) -> None:
    same = ago(world, days=1)
    statuses = ["pending", "sent", "delivered", "read", "failed", "dead_letter"]
    for number in range(18):
        created = same if number < 12 else ago(world, days=2, minutes=number)
        await told(
            world, f"n{number:02}", deliveryStatus=statuses[number % 6], createdAt=created, relatedEntityId=f"all-{number % 2}"
        )
    operator = await world.operator()
    expected = [f"n{number:02}" for number in (*range(11, -1, -1), *range(12, 18))]
    walked = [each["notificationId"] for page in await walk(operator, LIST, "notifications", 5) for each in page]
    assert [each for each in walked if each in expected] == expected
    assert len(walked) == len(set(walked))
    about = f"{LIST}?relatedEntityType=cardRequest&relatedEntityId=all-0"
    walked = [each["notificationId"] for page in await walk(operator, about, "notifications", 2) for each in page]
    assert walked == [each for each in expected if int(each[1:]) % 2 == 0]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?status=lost", "status"),
        ("?status=SENT", "status"),
        ("?relatedEntityType=cardRequest", "relatedEntityId"),
        ("?relatedEntityId=r1", "relatedEntityType"),
        ("?relatedEntityId=r1&relatedEntityType=", "relatedEntityType"),
        (f"?relatedEntityType=cardRequest&relatedEntityId={'x' * 601}", "id"),
        ("?cursor=v1.abc", "cursor"),
    ],
)
async def test_half_a_filter_or_an_unknown_one_is_refused_by_name(world: World, query: str, names: str) -> None:
    reply = await get(world, query)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert names in reply.message


async def test_a_cursor_goes_on_only_where_it_comes_from(world: World) -> None:
    for number in range(3):
        await told(world, f"c{number}", relatedEntityId="cursor", createdAt=ago(world, days=3, minutes=number))
    about = "?relatedEntityType=cardRequest&relatedEntityId=cursor&limit=1"
    cursor = (await get(world, about)).body["pagination"]["nextCursor"]
    assert ids(await get(world, f"{about}&cursor={cursor}")) == ["c1"]
    assert (await get(world, f"?status=sent&cursor={cursor}")).status == 400
    other = await world.stranger(admin=True)
    assert (await other.get(f"{LIST}{about}&cursor={cursor}")).status == 400


async def test_only_operators_look(world: World) -> None:
    person = await world.person()
    assert (await person.get(LIST)).status == 403
    assert (await world.call("GET", LIST)).status == 401


async def test_the_masked_phone_is_all_that_the_row_gives_away(world: World) -> None:
    await told(world, "no-recipient", relatedEntityId="no-recipient", recipientPhone=None)
    views: list[Mapping[str, Any]] = (await get(world, "?relatedEntityType=cardRequest&relatedEntityId=no-recipient")).body[
        "notifications"
    ]
    assert views[0]["recipientPhone"] == "****-"
