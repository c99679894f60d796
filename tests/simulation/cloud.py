"""The emulator inside of our own process: MiniStack's service functions are called, on virtual time and with a seed's ids.

Its modules keep the state of one cloud, so there is one at a time: `Cloud.begin` puts back what provisioning made, or any other
moment that was kept.
"""

import asyncio
import copy
import functools
import importlib
import json
import logging
import os
import random
import threading
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from unittest.mock import patch

from tazco.local.embedded import SERVICES
from tazco.platform.aws import Call
from tazco.platform.cloud import Cloud as Account
from tazco.platform.codec import Item
from tazco.platform.provision import Clients, Provisioner
from tazco.platform.provision_identity import ClientResource, GroupResource, PoolResource
from tazco.platform.resources import settle
from tazco.platform.settings import Names
from tazco.platform.tables import Key
from tazco.platform.wire import Reply
from tazco.slices import SUBSCRIPTIONS, TABLES

NAMES: Final = Names(table_prefix="sim-", ssm_prefix="/sim/api", event_bus="sim-events", event_source="sim.api")
ENDPOINT: Final = "http://cloud.invalid"
ENVIRONMENT: Final = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
}
APPROVERS: Final = (("Grace", "5511900000001"), ("Heidi", "5511900000002"))
POLICY: Final = {
    "whatsapp/approvers": json.dumps([{"name": name, "phone": phone} for name, phone in APPROVERS]),
    "whatsapp/expiryRejects": "true",
    "approval/cooldownDays": "1",
    "scoring/oneBonusPerCycle": "true",
}
EPOCH: Final = datetime(2031, 4, 5, 6, 7, 8, tzinfo=UTC).timestamp()
MODULES: Final = {
    "dynamodb": "dynamodb",
    "sqs": "sqs",
    "events": "eventbridge",
    "ssm": "ssm",
}
"""Cognito is not among them: the processes of a simulation verify real tokens, which the run signs itself."""


class _Time(types.SimpleNamespace):
    """What the services see of the module `time`."""

    def __init__(self) -> None:
        super().__init__(time=lambda: _instant[0], sleep=lambda _: None, monotonic=lambda: _instant[0])


_instant = [EPOCH]
_rng = [random.Random(0)]


def _now() -> float:
    return _instant[0]


def _new_uuid() -> str:
    return str(uuid.UUID(int=_rng[0].getrandbits(128), version=4))


def _plain_copy(value: Any) -> Any:
    """A deep copy of JSON, which is all that the services copy while they serve; several times faster than the library's."""
    if type(value) is dict:
        return {key: _plain_copy(each) for key, each in value.items()}
    if type(value) is list:
        return [_plain_copy(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else copy.deepcopy(value)


@functools.cache
def services() -> dict[str, Any]:
    """The service modules, with our clock, our ids and none of their threads."""
    os.environ.update(
        SERVICES=",".join(SERVICES), PERSIST_STATE="0", S3_PERSIST="0", LOG_LEVEL="ERROR", DOCKER_HOST="unix:///nonexistent"
    )
    with patch.object(threading.Thread, "start", lambda _: None):  # they sweep by the wall clock
        found = {name: importlib.import_module(f"ministack.services.{module}") for name, module in MODULES.items()}
    ours = {"time": _Time(), "new_uuid": _new_uuid, "copy": types.SimpleNamespace(deepcopy=_plain_copy), "_now_epoch": _now}
    for module in found.values():
        for name in ours.keys() & vars(module).keys():
            setattr(module, name, ours[name])
    logging.getLogger("ministack").setLevel(logging.ERROR)
    return found


STORES: Final = {
    "dynamodb": ("_tables", "_ttl_settings", "_txn_idempotency"),
    "sqs": ("_queues", "_queue_name_to_url"),
    "events": ("_event_buses", "_rules", "_targets"),
    "ssm": ("_parameters", "_parameter_history"),
}
"""What a moment consists of; the rest of the services' state never changes after provisioning."""

Moment = Mapping[tuple[str, str], Any]


def keep() -> Moment:
    """The state of the cloud, to come back to."""
    modules = services()
    return {
        (name, store): copy.deepcopy(getattr(modules[name], store)._data) for name, stores in STORES.items() for store in stores
    }


def put_back(moment: Moment) -> None:
    """Make it so again."""
    modules = services()
    for (name, store), data in moment.items():
        getattr(modules[name], store)._data = copy.deepcopy(data)
    modules["events"]._events_log._data = {}


def expired(table_name: str, *, before: float, chosen: Callable[[], bool]) -> int:
    """Delete rows as TTL does: only what is over, and late, so that `chosen` of them are still there; how many went."""
    module = services()["dynamodb"]
    table = module._tables[table_name]
    over = [
        (partition, sort)
        for partition, rows in table["items"].items()
        for sort, item in rows.items()
        if "expiresAt" in item and int(item["expiresAt"]["N"]) < before and chosen()
    ]
    for partition, sort in over:
        module._remove_item(table, partition, sort)
    return len(over)


def edited(table_name: str, key: Key, **changes: Mapping[str, str]) -> None:
    """Make a row what another program, or a day of trouble, would have made of it."""
    module = services()["dynamodb"]
    table = module._tables[table_name]
    rows = table["items"][key[0]]
    sort = key[1] if len(key) > 1 else next(iter(rows))
    item = {**rows[sort], **changes}
    module._remove_item(table, key[0], sort)
    table["items"][key[0]][sort] = item
    module._items_replaced(table)


def answer(service: str, target: str, body: bytes) -> Reply:
    """One operation, carried out now."""
    module = services()[service]
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0", "host": "cloud.invalid"}
    handling = module.handle_request("POST", "/", headers, body, {})
    try:
        handling.send(None)
    except StopIteration as done:
        status, given, content = done.value
        return Reply(
            status, {k.lower(): str(v) for k, v in given.items()}, content if isinstance(content, bytes) else content.encode()
        )
    raise AssertionError(f"{target} waits; only ReceiveMessage may, and is asked without")


@contextmanager
def _boto_in_process(clients: Clients) -> Iterator[None]:
    """Let boto3's clients, which provisioning uses, call the same functions."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415  # only provisioning needs it

    class Raw:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def stream(self, *_: object, **__: object) -> Iterator[bytes]:
            yield self._content

    def send(request: Any, **_: object) -> Any:
        target = request.headers["X-Amz-Target"]
        target = target.decode() if isinstance(target, bytes) else target
        service = next(name for name, prefix in PREFIXES.items() if target.startswith(prefix))
        reply = answer(service, target, request.body if isinstance(request.body, bytes) else request.body.encode())
        return AWSResponse(request.url, reply.status, cast("Any", reply.headers), Raw(reply.body))

    for client in (clients.dynamodb, clients.events, clients.sqs, clients.ssm):
        client.meta.events.register("before-send", send)
    yield


PREFIXES: Final = {
    "dynamodb": "DynamoDB_20120810",
    "events": "AWSEvents",
    "sqs": "AmazonSQS",
    "ssm": "AmazonSSM",
}


@functools.cache
def provisioned() -> Moment:
    """The cloud after provisioning, made once in the life of the Python process by the programme's own provisioning."""
    services()
    clients = Clients.of(Account.from_mapping(ENVIRONMENT))
    work = Provisioner(clients, NAMES, TABLES, SUBSCRIPTIONS, POLICY)
    with _boto_in_process(clients):
        for stage in (work._first(), work._second(), work._third()):
            for resource in stage:
                if not isinstance(resource, PoolResource | ClientResource | GroupResource):
                    finding = settle(resource)
                    assert finding.settled, finding
    return keep()


@dataclass(slots=True)
class SimCloud:
    """The cloud of one run. `shift` is how much later it is than the loop's time says, because days have passed."""

    now: Callable[[], float]
    rng: random.Random
    shift: float = 0.0

    def begin(self, moment: Moment) -> None:
        """Start from a kept moment."""
        _rng[0] = self.rng
        put_back(moment)

    @property
    def epoch(self) -> float:
        """The true instant, in epoch seconds."""
        return EPOCH + self.now() + self.shift

    def carry_out(self, call: Call) -> Reply:
        """One operation; it either happens at this instant or not at all."""
        _instant[0] = self.epoch
        body = call.body
        if call.operation == "ReceiveMessage":
            body = json.dumps({**json.loads(body), "WaitTimeSeconds": 0}).encode()
        return answer(call.service, f"{PREFIXES[call.service]}.{call.operation}", body)

    async def receive(self, call: Call) -> Reply:
        """ReceiveMessage waits as long as it is asked to, and looks now and then."""
        until = self.now() + float(json.loads(call.body).get("WaitTimeSeconds", 0))
        while True:
            reply = self.carry_out(call)
            if b'"Messages"' in reply.body or reply.status != 200 or self.now() >= until:  # HTTP
                return reply
            await asyncio.sleep(min(0.25, max(0.01, until - self.now())))

    def row(self, table_name: str, key: Key) -> Item | None:
        """One row by its key."""
        items = self.raw(table_name).get(key[0], {})
        if len(key) > 1:
            found: Item | None = items.get(key[1])
            return found
        return next(iter(items.values()), None)

    @staticmethod
    def raw(table_name: str) -> Any:
        """MiniStack's own map: partition → sort → item."""
        return services()["dynamodb"]._tables[table_name]["items"]

    @staticmethod
    def messages(queue: str) -> list[dict[str, Any]]:
        """What a queue holds, ready or hidden."""
        return list(_queue(queue)["messages"])

    @staticmethod
    def queue(name: str) -> dict[str, Any]:
        """MiniStack's own record of a queue."""
        return _queue(name)


def _queue(name: str) -> dict[str, Any]:
    queues: list[dict[str, Any]] = list(services()["sqs"]._queues.values())
    return next(each for each in queues if each["attributes"]["QueueArn"].endswith(f":{name}"))
