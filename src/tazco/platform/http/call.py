"""A call: one request as a handler sees it. A handler's lines stand in the contract's order of checks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tazco.kernel.errors import Invalid, NotFound
from tazco.kernel.ids import CorrelationId, EcosystemId
from tazco.platform.caller import Caller, Origin
from tazco.platform.http.edge import JSON_TYPE, exchange_of
from tazco.platform.http.errors import PayloadTooLarge, with_meta
from tazco.platform.http.gate import require_admin
from tazco.platform.idempotency import Answer, Once
from tazco.platform.jsontext import Malformed, encode, parse_object
from tazco.platform.paging import page_size
from tazco.platform.services import Services
from tazco.platform.work import Work

PATH_ID_BYTES_MAX: Final = 512
USER_AGENT_CHARACTERS_MAX: Final = 200
KEY_HEADER: Final = "Idempotency-Key"
B = TypeVar("B", bound=BaseModel)
E = TypeVar("E", bound=StrEnum)
R = TypeVar("R")


@dataclass(slots=True)
class Call:
    """One request. `key_characters_max` is what the route declares for its Idempotency-Key."""

    request: Request
    services: Services
    key_characters_max: int

    async def caller(self) -> Caller:
        """Who calls; refuse anyone without a good token or with a disabled account."""
        headers = exchange_of(self.request.scope).headers
        return await self.services.gate.admit(self.request.headers.get("authorization"), self.address, headers)

    async def operator(self) -> Caller:
        """The caller, if an operator."""
        caller = await self.caller()
        require_admin(caller)
        return caller

    @property
    def address(self) -> str:
        """Where the call comes from, as far as trusted proxies tell."""
        hops = self.services.settings.trusted_proxy_hops
        forwarded = [part.strip() for part in ",".join(self.request.headers.getlist("x-forwarded-for")).split(",") if part.strip()]
        if hops and len(forwarded) >= hops:
            return forwarded[-hops][:64]
        return self.request.client.host if self.request.client else ""

    def origin(self, caller: Caller) -> Origin:
        """Where a command of this call comes from."""
        return Origin(
            caller=caller,
            correlation_id=CorrelationId(exchange_of(self.request.scope).meta.request_id),
            ip_address=self.address,
            user_agent=self.request.headers.get("user-agent", "")[:USER_AGENT_CHARACTERS_MAX],
        )

    def key(self) -> str:
        """The Idempotency-Key; refuse a missing, blank or overlong one."""
        key = self.request.headers.get(KEY_HEADER, "").strip()
        if not key:
            raise Invalid(f"The header {KEY_HEADER} is required. Send a new unique value for each new command.")
        if len(key) > self.key_characters_max:
            raise Invalid(f"The header {KEY_HEADER} must have at most {self.key_characters_max} characters.")
        return key

    def path_id(self, name: str) -> str:
        """An id from the path, decoded and otherwise as it came."""
        value = str(self.request.path_params[name])
        if len(value.encode()) > PATH_ID_BYTES_MAX:
            raise NotFound(f"There is nothing with this {name}.")
        return value

    def query(self, name: str) -> str | None:
        """A query parameter; of several the first, an empty one counts as absent."""
        pairs = parse_qsl(self.request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return next((value for key, value in pairs if key == name), None) or None

    def choice(self, name: str, choices: type[E]) -> E | None:
        """A query parameter that takes one of a few values; refuse another one, naming them."""
        given = self.query(name)
        if given is not None and given not in set(choices):
            raise Invalid(f"{name} must be one of {', '.join(choices)}.", field=name)
        return None if given is None else choices(given)

    @property
    def page_size(self) -> int:
        """How many rows the caller wants."""
        return page_size(self.query("limit"))

    def cursor(self, binding: Sequence[Any]) -> tuple[str, ...] | None:
        """The position after which the list goes on; refuse a cursor of another list."""
        return self.services.cursors.read(binding, self.query("cursor"))

    def pagination(self, binding: Sequence[Any], next_position: Sequence[str] | None) -> dict[str, Any]:
        """How a list says whether there is more."""
        cursor = self.services.cursors.write(binding, next_position) if next_position else None
        return {"nextCursor": cursor, "hasMore": cursor is not None}

    async def body(self, model: type[B], *, optional: bool = False) -> B:
        """The body, read up to the limit, parsed and validated; refuse with the field that is wrong."""
        raw = await self.raw_body(self.services.settings.max_body_bytes)
        try:
            fields = {} if optional and not raw.strip() else parse_object(raw)
            return model.model_validate(fields)
        except Malformed as fault:
            raise Invalid(str(fault)) from None
        except ValidationError as error:
            raise _invalid_field(error) from None

    async def raw_body(self, limit: int) -> bytes:
        """The bytes of the body as they came; refuse more than `limit` of them."""
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in self.request.stream():
                size += len(chunk)
                if size > limit:
                    raise PayloadTooLarge(f"The body is larger than {limit} bytes.")
                chunks.append(chunk)
        except ClientDisconnect:
            raise Invalid("The connection ended before the body did.") from None
        return b"".join(chunks)

    def allow(self, seconds: float) -> None:
        """Give this request more time than the usual deadline, from now."""
        deadline = exchange_of(self.request.scope).deadline
        assert deadline is not None, "the edge sets a deadline for every request"
        deadline.reschedule(asyncio.get_running_loop().time() + seconds)

    async def once(  # each is a different thing of one command
        self,
        caller: Caller,
        key: str,
        *,
        operation: str,
        asked: Any,
        lane: str,
        use_case: Callable[[Work], Awaitable[R]],
        render: Callable[[R], Answer],
    ) -> Response:
        """Run a command under its key and answer, or replay the answer."""
        once = Once(scope=caller.actor_id, key=key, operation=operation, asked=asked)
        answer = await self.services.commands.once(self.origin(caller), use_case, once=once, lane=lane, render=render)
        return self.answer(answer)

    def answer(self, answer: Answer) -> Response:
        """Send an answer; a refusal gets the `meta` of this request."""
        body = answer.body if answer.status < 400 else with_meta(answer.body, exchange_of(self.request.scope).meta)  # noqa: PLR2004  # HTTP
        headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
        return Response(body, answer.status, headers, media_type=JSON_TYPE)

    def reply(self, view: Mapping[str, Any], status: int = 200) -> Response:
        """Send a view."""
        return Response(encode(view), status, media_type=JSON_TYPE)


def success(view: Mapping[str, Any], status: int = 200) -> Answer:
    """A success as a command stores it."""
    return Answer(status, encode(view))


def registered(caller: Caller, what: str) -> EcosystemId:
    """The caller's own id; someone who is not registered owns nothing, so the answer is that it does not exist."""
    if caller.ecosystem_id is None:
        raise NotFound(f"{what} not found. Register first with POST /v1/users.")
    return caller.ecosystem_id


def _invalid_field(error: ValidationError) -> Invalid:
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    reason = "is required" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return Invalid(f"{field} {reason}" if field else reason, **({"field": field} if field else {}))
