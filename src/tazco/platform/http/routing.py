"""Routes: one declaration gives the path, the behaviour of its header checks and its page in the documentation."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

import structlog
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from tazco.kernel.errors import Code, Refused
from tazco.platform.http.call import KEY_HEADER, Call
from tazco.platform.http.edge import exchange_of
from tazco.platform.http.errors import STATUS, Unexpected, as_refusal, refusal_answer, retry_after
from tazco.platform.http.schema import ErrorEnvelope

log = structlog.get_logger()

USER_KEY_CHARACTERS_MAX: Final = 64
ADMIN_KEY_CHARACTERS_MAX: Final = 255
Handler = Callable[[Call], Awaitable[Response]]


class _Opaque(Convertor[str]):
    """A path id: any characters but a slash; the edge leaves the path escaped, so an id may contain an escaped one."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value, errors="strict")

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("opaque", _Opaque())


def with_opaque_ids(path: str) -> str:
    """A path with `{names}`, as the router takes it: each stands for one opaque id."""
    return re.sub(r"\{(\w+)\}", r"{\1:opaque}", path)


class TolerantRoute(APIRoute):
    """Literal segments match in any case, ids keep theirs, one trailing slash is tolerated."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + "/?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """A query parameter that takes one of a few values; an empty one counts as absent."""

    meaning: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """What the documentation says of a route. `replies` maps success statuses to views, `refusals` lists error codes."""

    summary: str
    tag: str
    replies: Mapping[int, Any]
    refusals: Sequence[Code] = ()
    body: type[BaseModel] | None = None
    body_required: bool = True
    example: Mapping[str, Any] | None = None
    query: Mapping[str, str | Choice] = field(default_factory=dict)
    key_characters_max: int = 0
    open: bool = False
    operator: bool = False


@dataclass(slots=True)
class Routes:
    """The routes of one slice."""

    router: APIRouter = field(default_factory=lambda: APIRouter(route_class=TolerantRoute))

    def get(self, path: str, doc: Doc) -> Callable[[Handler], Handler]:
        """A read."""
        return self._route("GET", path, doc)

    def post(self, path: str, doc: Doc) -> Callable[[Handler], Handler]:
        """A command."""
        return self._route("POST", path, doc)

    def patch(self, path: str, doc: Doc) -> Callable[[Handler], Handler]:
        """A command that sets a value."""
        return self._route("PATCH", path, doc)

    def _route(self, method: str, path: str, doc: Doc) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            async def endpoint(request: Request) -> Response:
                call = Call(request, request.app.state.services, doc.key_characters_max)
                return await answered(call, handler)

            self.router.add_api_route(
                with_opaque_ids(path),
                endpoint,
                methods=[method],
                name=handler.__name__,
                summary=doc.summary,
                description=handler.__doc__,
                tags=[doc.tag],
                response_model=None,
                status_code=next(iter(doc.replies)),
                responses=_responses(doc),
                openapi_extra=_extra(path, doc),
                operation_id=handler.__name__,
            )
            return handler

        return register


async def answered(call: Call, handler: Handler) -> Response:
    """The handler's answer, or the refusal that it met; a bug is logged once, here."""
    try:
        return await handler(call)
    except Refused as refusal:
        return refuse(call, refusal)
    except Exception as error:
        refusal_of_dependency = as_refusal(error)
        if refusal_of_dependency is None:
            log.exception("http.unexpected")
            return refuse(call, Unexpected("Something went wrong on our side. Quote the requestId when you ask about it."))
        log.warning("http.dependency", error=str(error))
        return refuse(call, refusal_of_dependency)


def refuse(call: Call, refusal: Refused) -> Response:
    """A refusal as a response."""
    exchange_of(call.request.scope).headers.update(retry_after(refusal))
    return call.answer(refusal_answer(refusal))


def _responses(doc: Doc) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": "Success", **({"model": view} if view is not None else {})} for status, view in doc.replies.items()
    }
    codes = [*doc.refusals, Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE]
    if not doc.open:
        codes += [Code.INVALID_TOKEN, Code.TOKEN_EXPIRED, Code.ACCOUNT_DISABLED]
        found[429] = {"description": "SERVICE_UNAVAILABLE (rate limit)", "model": ErrorEnvelope}
    if doc.operator:
        codes.append(Code.FORBIDDEN)
    if doc.body:
        codes += [Code.VALIDATION_ERROR, Code.PAYLOAD_TOO_LARGE]
    if doc.key_characters_max:
        codes += [Code.VALIDATION_ERROR, Code.REQUEST_ALREADY_PROCESSED, Code.IDEMPOTENCY_KEY_REUSED, Code.VERSION_CONFLICT]
    for status in sorted({STATUS[code] for code in codes}):
        if status in found:
            continue  # the route has an answer of its own shape with this status and says so
        names = sorted({code.value for code in codes if STATUS[code] == status})
        found[status] = {"description": " · ".join(names), "model": ErrorEnvelope}
    return found


def _query_parameter(name: str, meaning: str | Choice) -> dict[str, Any]:
    if isinstance(meaning, Choice):
        schema: dict[str, Any] = {"type": "string", "enum": [*meaning.values, ""]}
        return {"name": name, "in": "query", "required": False, "schema": schema, "description": meaning.meaning}
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": meaning}


def _extra(path: str, doc: Doc) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}, "description": "Opaque id."}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    parameters += [_query_parameter(name, meaning) for name, meaning in doc.query.items()]
    if doc.key_characters_max:
        schema = {"type": "string", "minLength": 1, "maxLength": doc.key_characters_max}
        meaning = "A new unique value for each new command; the same value repeats the answer."
        parameters.append({"name": KEY_HEADER, "in": "header", "required": True, "schema": schema, "description": meaning})
    extra: dict[str, Any] = {"parameters": parameters} if parameters else {}
    if not doc.open:
        extra["security"] = [{"bearer": []}]
    if doc.body:
        content: dict[str, Any] = {"schema": doc.body.model_json_schema()}
        if doc.example is not None:
            content["example"] = dict(doc.example)
        extra["requestBody"] = {"required": doc.body_required, "content": {"application/json": content}}
    return extra
