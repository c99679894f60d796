"""The cloud under test, and what tests need of it: calls by AWS's own names, throw-away names, waiting for a condition."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from tazco.platform.cloud import Cloud
from tazco.platform.resources import error_code
from tests.conformance.behaviours import Service
from tests.conformance.targets import Target

T = TypeVar("T")

POLL_SECONDS: Final = 0.05
KNOWN_SECONDS: Final = 2.0
ATTEMPTS_MAX: Final = 10
CHUNK_BYTES: Final = 64 * 1024
"""SQS and EventBridge bill a request, or an event, for each 64 KB begun."""

READS: Final = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})
WRITES: Final = frozenset({"BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"})
DATA_CALLS: Final = READS | WRITES


@dataclass(slots=True)
class Usage:
    """What a run has used up, in the units that AWS bills; counted from the requests, and from what DynamoDB says of them."""

    calls: int = 0
    write_units: Decimal = Decimal(0)
    read_units: Decimal = Decimal(0)
    chunks: int = 0
    people: int = 0
    decryptions: int = 0


@dataclass(slots=True)
class Api:
    """One service: `dynamodb("PutItem", TableName=…)`. Nothing is checked on this side, so that it is the service that refuses."""

    service: Service
    client: Any
    usage: Usage = field(default_factory=Usage)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """The answer; raise botocore's `ClientError` for a refusal."""
        if self.service is Service.DYNAMODB and operation in DATA_CALLS:
            arguments.setdefault("ReturnConsumedCapacity", "TOTAL")
        answer: dict[str, Any] = {}
        try:
            answer = getattr(self.client, xform_name(operation))(**arguments)
        finally:
            with self._lock:
                self._count(operation, arguments, answer)
        return answer

    def _count(self, operation: str, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        self.usage.calls += 1
        told = answer.get("ConsumedCapacity") or []
        units = sum(Decimal(str(each["CapacityUnits"])) for each in (told if isinstance(told, list) else [told]))
        if self.service is Service.DYNAMODB and operation in DATA_CALLS:
            counted = max(Decimal(units), Decimal(1))  # a refusal may cost something, and does not say what
            if operation in WRITES:
                self.usage.write_units += counted
            else:
                self.usage.read_units += counted
        self.usage.chunks += -(-max(1, len(json.dumps(arguments, default=str))) // CHUNK_BYTES)
        self.usage.people += operation == "AdminCreateUser"
        self.usage.decryptions += arguments.get("Type") == "SecureString" or bool(arguments.get("WithDecryption"))


@dataclass(slots=True)
class Here:
    """The cloud that is judged. Everything that a test makes there has a name that begins with `prefix`."""

    target: Target
    cloud: Cloud
    prefix: str
    apis: dict[Service, Api]

    @classmethod
    def at(cls, target: Target, cloud: Cloud, prefix: str) -> "Here":
        """Clients of all five services, patient with throttling."""
        session = boto3.Session(botocore_session=cloud.session, region_name=cloud.region)
        config = Config(
            retries={"mode": "standard", "max_attempts": ATTEMPTS_MAX}, parameter_validation=False, max_pool_connections=16
        )

        def client(service: Any) -> Any:
            return session.client(service, endpoint_url=cloud.endpoint_override(service), config=config)

        return cls(target, cloud, prefix, {service: Api(service, client(service.value)) for service in Service})

    def name(self, kind: str = "x") -> str:
        """A name that nobody has; `kind` tells people what it is."""
        return f"{self.prefix}-{kind}-{uuid.uuid4().hex[:10]}"

    @property
    def dynamodb(self) -> Api:
        """DynamoDB."""
        return self.apis[Service.DYNAMODB]

    @property
    def cognito(self) -> Api:
        """Cognito user pools."""
        return self.apis[Service.COGNITO]

    @property
    def events(self) -> Api:
        """EventBridge."""
        return self.apis[Service.EVENTBRIDGE]

    @property
    def sqs(self) -> Api:
        """SQS."""
        return self.apis[Service.SQS]

    @property
    def ssm(self) -> Api:
        """SSM."""
        return self.apis[Service.SSM]

    def until(self, look: Callable[[], T], what: str, *, known: str = "") -> T:
        """Look again and again until there is something; at last fail and say `what` did not come.

        For a behaviour that is `known` to be missing here the wait is a short one.
        """
        patience = KNOWN_SECONDS if known in self.target.deviations else self.target.patience_seconds
        deadline = time.monotonic() + patience
        while True:
            if found := look():
                return found
            assert time.monotonic() < deadline, f"{what} did not come within {patience:g} s"
            time.sleep(POLL_SECONDS)  # another system has no event to wait for


@dataclass(slots=True)
class Refusal:
    """What a service answered when it refused."""

    body: dict[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What it says to people."""
        return str(self.body["Error"].get("Message", ""))


@contextmanager
def refused(*codes: str) -> Iterator[Refusal]:
    """What is called inside must be refused with one of these codes."""
    refusal = Refusal()
    try:
        yield refusal
    except ClientError as error:
        refusal.body = dict(error.response)
        code = error_code(error)
        assert code in codes, f"refused with {code}, not {' or '.join(codes)}: {refusal.message}"
    else:
        raise AssertionError(f"accepted, and not refused with {' or '.join(codes)}")
