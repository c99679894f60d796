"""One narrow client for the five AWS services: signed JSON over kept connections, with deadlines and bounded retries.

All five speak the same protocol: `POST /`, the operation in `X-Amz-Target`. Every operation that this program sends is safe
to send twice (reads, conditional writes, transactions with a token, messages to readers that know a repetition), so a lost answer
is simply asked for again.
This is also the one seam at which tests inject faults: replace `Aws.transport`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol

import orjson

from tazco.kernel.clock import Clock
from tazco.platform.sigv4 import Credentials, Signer
from tazco.platform.wire import Address, Pool, Reply, WireFailure, request_bytes

CALL_SECONDS: Final = 3.0
ATTEMPTS_MAX: Final = 4
BACKOFF_BASE_SECONDS: Final = 0.025
BACKOFF_MAX_SECONDS: Final = 1.0

TARGETS: Final[Mapping[str, tuple[str, str]]] = {
    "dynamodb": ("DynamoDB_20120810", "application/x-amz-json-1.0"),
    "events": ("AWSEvents", "application/x-amz-json-1.1"),
    "sqs": ("AmazonSQS", "application/x-amz-json-1.0"),
    "ssm": ("AmazonSSM", "application/x-amz-json-1.1"),
    "cognito-idp": ("AWSCognitoIdentityProviderService", "application/x-amz-json-1.1"),
}
"""Service → prefix of its operations and content type, from the service models that botocore ships."""

THROTTLES: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "LimitExceededException",
    }
)
REPEATABLE: Final = frozenset(
    {
        "TransactionConflictException",
        "TransactionInProgressException",
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)


class AwsError(Exception):
    """The service answered with an error; `body` is its JSON, `code` the short name of the exception."""

    def __init__(self, operation: str, status: int, code: str, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation = operation
        self.status = status
        self.code = code
        self.body = body

    @property
    def throttled(self) -> bool:
        """The service asks for a slower pace; nothing was done."""
        return self.code in THROTTLES or self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def repeatable(self) -> bool:
        """The same request may succeed a little later."""
        return self.throttled or self.code in REPEATABLE or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class AwsUnreachable(Exception):
    """No answer after all attempts; whether the last one acted is unknown."""


class CredentialSource(Protocol):
    """Where credentials come from: botocore's chain in production, fixed ones in a signature test."""

    async def current(self) -> Credentials:
        """Credentials that are valid now; refreshing them must not block the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One operation on its way out, as a fault injector sees it."""

    service: str
    operation: str
    body: bytes


Transport = Callable[[Call, Pool, bytes, float], Awaitable[Reply]]


async def over_the_wire(_: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
    """The real transport."""
    return await pool.exchange(request, timeout_seconds=timeout_seconds)


@dataclass(slots=True)
class Aws:
    """Calls operations by name: `await aws.call("dynamodb", "GetItem", {...})`."""

    endpoints: Mapping[str, str]
    region: str
    credentials: CredentialSource
    clock: Clock
    rng: random.Random = field(default_factory=random.SystemRandom)
    transport: Transport = over_the_wire
    call_seconds: float = CALL_SECONDS
    _pools: dict[str, Pool] = field(default_factory=dict)
    _signers: dict[str, Signer] = field(default_factory=dict)

    async def call(
        self,
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        attempts_max: int = ATTEMPTS_MAX,
        answer_after_seconds: float = 0.0,
    ) -> dict[str, Any]:
        """Send until answered, at most `attempts_max` times with full jitter; raise `AwsError` or `AwsUnreachable`.

        `answer_after_seconds` is how long the service was asked to wait before it answers; each attempt gets so much more time.
        """
        call = Call(service, operation, orjson.dumps(arguments))
        for attempt in range(1, attempts_max + 1):
            try:
                return await self._send(call, self.call_seconds + answer_after_seconds)
            except AwsError as error:
                if attempt == attempts_max or not error.repeatable:
                    raise
            except WireFailure as failure:
                if attempt == attempts_max:
                    raise AwsUnreachable(f"{service} {operation}: {failure}, {attempt} attempts") from failure
            await asyncio.sleep(self.rng.uniform(0, min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2**attempt)))
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, call: Call, timeout_seconds: float) -> dict[str, Any]:
        prefix, content_type = TARGETS[call.service]
        pool, signer = self._pool(call.service)
        target = f"{prefix}.{call.operation}"
        credentials = await self.credentials.current()
        headers = signer.headers(credentials, pool.address.authority, target, content_type, call.body, self.clock())
        request = request_bytes("POST", "/", headers, call.body)
        reply = await self.transport(call, pool, request, timeout_seconds)
        return self._read(call, reply)

    def _read(self, call: Call, reply: Reply) -> dict[str, Any]:
        status = reply.status
        try:
            body = orjson.loads(reply.body) if reply.body else {}
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):  # a proxy answered, or half of the answer was lost
            body = {"message": "the answer is not a JSON object"}
            status = HTTPStatus.BAD_GATEWAY if status == HTTPStatus.OK else status
        if status == HTTPStatus.OK:
            return body
        name = str(body.get("__type") or reply.headers.get("x-amzn-errortype") or f"HTTP {int(status)}")
        message = str(body.get("message") or body.get("Message") or "")
        raise AwsError(call.operation, status, name.rsplit("#", 1)[-1].split(":", 1)[0], message, body)

    def _pool(self, service: str) -> tuple[Pool, Signer]:
        if service not in self._pools:
            self._pools[service] = Pool(Address.of(self.endpoints[service]))
            self._signers[service] = Signer(service, self.region)
        return self._pools[service], self._signers[service]

    def close(self) -> None:
        """Close every idle connection."""
        for pool in self._pools.values():
            pool.close()
