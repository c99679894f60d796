"""Rows as an older program would have left them: wire names, cents, neither version nor sequence; and a look at rows and events."""

import json
import uuid
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.store import CARDS
from tazco.kernel.clock import to_text
from tazco.platform.outbox import OUTBOX
from tazco.platform.tables import Table
from tazco.users.store import USERS
from tests.world import Person, World

TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def attribute(value: Any) -> dict[str, Any]:
    """A plain value as DynamoDB types it."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def plain(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An item without its types."""
    return {name: int(value["N"]) if "N" in value else next(iter(value.values())) for name, value in item.items()}


def ago(world: World, **duration: float) -> str:
    """An instant in the past of the world's clock, as text."""
    return to_text(world.clock() - timedelta(**duration))


async def seed(world: World, table: Table[Any], **attributes: Any) -> None:
    """Put a raw row, past all our code."""
    item = {name: attribute(value) for name, value in attributes.items() if value is not None}
    await world.services.database.call("PutItem", {"TableName": world.services.database.physical_name(table), "Item": item})


async def amend(world: World, table: Table[Any], key: tuple[str, ...], **attributes: Any) -> None:
    """Overwrite attributes of a row, past all our code."""
    await world.services.database.call(
        "UpdateItem",
        {
            "TableName": world.services.database.physical_name(table),
            "Key": table.key_item(key),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            "ExpressionAttributeNames": {f"#{name}": name for name in attributes},
            "ExpressionAttributeValues": {f":{name}": attribute(value) for name, value in attributes.items()},
        },
    )


async def row(world: World, table: Table[Any], *key: str) -> dict[str, Any]:
    """A raw row, without types; empty if there is none."""
    arguments = {
        "TableName": world.services.database.physical_name(table),
        "Key": table.key_item(key),
        "ConsistentRead": True,
    }
    reply = await world.services.database.call("GetItem", arguments)
    return plain(reply.get("Item", {}))


async def seed_card(world: World, owner: Person, **attributes: Any) -> str:
    """A card that nobody granted: the owner's row knows nothing of it."""
    card_id = str(attributes.pop("cardId", f"card-{uuid.uuid4().hex[:8]}"))
    limit, balance = attributes.pop("limit", 150_000), attributes.pop("balance", 0)
    given = {
        "ecosystemId": owner.ecosystem_id,
        "cardId": card_id,
        "type": "credit-card",
        "status": "active",
        "limit": limit,
        "balance": balance,
        "availableCredit": limit - balance,
        "minimumPayment": min(balance, 2_500),
        "nextDueDate": ago(world, days=-20),
        "createdAt": ago(world, days=40),
        "updatedAt": ago(world, days=40),
        "activatedAt": ago(world, days=40),
        "approvedBy": "admin",
        "scoreAtApproval": 500,
        **attributes,
    }
    await seed(world, CARDS, **given)
    return card_id


async def seed_request(world: World, owner_id: str, **attributes: Any) -> str:
    """A request that nobody made here, pending in shard 3 unless told otherwise."""
    request_id = str(attributes.pop("requestId", f"request-{uuid.uuid4().hex[:8]}"))
    given = {
        "ecosystemId": owner_id,
        "requestId": request_id,
        "productId": "basic",
        "status": "pending",
        "statusShard": "pending#3",
        "scoreAtRequest": 500,
        "tierAtRequest": "medium",
        "createdAt": ago(world, days=8),
        "updatedAt": ago(world, days=8),
        **attributes,
    }
    await seed(world, CARD_REQUESTS, **given)
    return request_id


async def seed_user(world: World, **attributes: Any) -> str:
    """A person whom nobody registered here."""
    ecosystem_id = str(attributes.pop("ecosystemId", f"user-{uuid.uuid4().hex[:8]}"))
    given = {
        "ecosystemId": ecosystem_id,
        "firebaseUid": f"sub-{ecosystem_id}",
        "email": f"{ecosystem_id}@example.com",
        "role": "user",
        "status": "active",
        "currentScore": 500,
        "tier": "medium",
        "createdAt": ago(world, days=90),
        "updatedAt": ago(world, days=90),
        **attributes,
    }
    await seed(world, USERS, **given)
    return ecosystem_id


async def events(world: World, aggregate_id: str, aggregate_type: str | None = None) -> list[dict[str, Any]]:
    """The events of an aggregate in order, payloads parsed with exact decimals."""
    found = [plain(item) for item in await world.rows(OUTBOX)]
    ours = [each for each in found if each["aggregateId"] == aggregate_id and aggregate_type in (None, each["aggregateType"])]
    for each in ours:
        each["payload"] = json.loads(each["payload"], parse_float=Decimal)
    return sorted(ours, key=lambda each: int(each["sequence"]))


async def with_policy(world: World, **parameters: str) -> None:
    """Set policy parameters, `limits__lowTier` for `limits/lowTier`, and have them take effect."""
    for name, value in parameters.items():
        world.set_parameter(name.replace("__", "/"), value)
    await world.services.policies.refresh()
    assert world.services.policies.problem is None


SHIPPED = {
    "limits__lowTier": "500",
    "limits__mediumTier": "1500",
    "limits__highTier": "3000",
    "approval__autoApproveThreshold": "700",
    "approval__cooldownDays": "30",
    "scoring__oneBonusPerCycle": "true",
}
SUITE = {
    "limits__highTier": "10000",
    "limits__mediumTier": "5000",
    "limits__lowTier": "2000",
    "approval__autoApproveThreshold": "500",
}
