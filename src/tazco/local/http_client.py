"""A small HTTP client for our own API: JSON in, JSON out, a deadline on every call."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tazco.platform.jsontext import encode
from tazco.platform.wire import Address, Pool, request_bytes

CALL_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; numbers in `body` are integers or decimals."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(slots=True)
class ApiClient:
    """Calls the API at one URL."""

    url: str
    pool: Pool = field(init=False)

    def __post_init__(self) -> None:
        self.pool = Pool(Address.of(self.url))

    async def call(
        self, method: str, path: str, *, token: str | None = None, body: Mapping[str, Any] | None = None, key: str | None = None
    ) -> Reply:
        """One request; commands get a fresh key unless one is given. Raises `WireFailure` when there is no answer."""
        headers = {"host": self.pool.address.authority, "content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        if method != "GET":
            headers["idempotency-key"] = key or str(uuid.uuid4())
        content = b"" if body is None else encode(dict(body))
        reply = await self.pool.exchange(request_bytes(method, path, headers, content), timeout_seconds=CALL_SECONDS)
        parsed = json.loads(reply.body, parse_float=Decimal) if reply.body else None
        return Reply(reply.status, parsed, reply.headers)

    def close(self) -> None:
        """Close the connections."""
        self.pool.close()
