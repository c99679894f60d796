"""What the tests of the embedded cloud keep in it, and how they look at what was kept."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tazco.local.embedded import EmbeddedCloud, StoppedBadly
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.messaging import Subscription
from tazco.platform.outbox import OUTBOX
from tazco.platform.provision import Provisioner
from tests.stage import names_of, provisioner

DEADLINE_SECONDS = 30
NAMES = names_of("kept")
PURCHASES = Subscription("purchases", ("transaction.purchase",))


def provisioner_of(cloud: EmbeddedCloud) -> Provisioner:
    return provisioner(cloud, NAMES, (OUTBOX, STORED_ANSWERS), (PURCHASES,))


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def put(cloud: EmbeddedCloud, event_id: str) -> None:
    item: Any = {"eventId": {"S": event_id}, "pendingShard": {"S": "pending#1"}, "createdAt": {"S": event_id}}
    provisioner_of(cloud).clients.dynamodb.put_item(TableName="kept-outbox", Item=item)


def there(cloud: EmbeddedCloud, event_id: str) -> bool:
    key: Any = {"eventId": {"S": event_id}}
    return "Item" in provisioner_of(cloud).clients.dynamodb.get_item(TableName="kept-outbox", Key=key)


def snapshot_has(data: Path, text: str) -> bool:
    file = data / "current" / "dynamodb.json"
    return file.exists() and text in file.read_text()


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def process_runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").exists() else True


async def kill(cloud: EmbeddedCloud) -> None:
    """End the child and its forked copies as a power cut would."""
    assert cloud.pid is not None
    os.killpg(cloud.pid, signal.SIGKILL)
    await cloud.wait()
    with pytest.raises(StoppedBadly):
        await cloud.stop()
