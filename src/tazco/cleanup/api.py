"""POST /v1/admin/cleanup, in two steps."""

import time
from functools import partial
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.cleanup.commands import PUBLIC_COUNTS, ask_to_confirm, clean_up, confirm
from tazco.cleanup.model import BadConfirmation, CleanupSwitchedOff
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Code
from tazco.platform.http.call import Call
from tazco.platform.http.edge import JSON_TYPE
from tazco.platform.http.fields import Body, OutTime
from tazco.platform.http.routing import Doc, Routes
from tazco.platform.http.schema import ErrorEnvelope
from tazco.platform.jsontext import encode

WARNING = "This deletes all data but the audit logs. Send the confirmationToken to go ahead."

CLEANUP_SECONDS_MAX = 900

routes = Routes()


class CleanupBody(Body):
    """The token of the first step; none asks for one."""

    confirmationToken: Annotated[Any, Field(default=None)]  # noqa: N815  # the wire's spelling; any value but a good token is refused


class DeletedCounts(TypedDict):
    """How many rows are gone."""

    users: int
    cards: int
    transactions: int
    cardRequests: int
    events: int


class CleanupReply(TypedDict):
    """What was deleted."""

    status: str
    deletedCounts: DeletedCounts
    duration: str


class ConfirmationReply(TypedDict):
    """The first step: nothing is deleted yet."""

    message: str
    confirmationToken: str
    expiresAt: OutTime


CLEANUP = Doc(
    summary="Delete all data but the audit",
    tag="Operators: cleanup",
    replies={200: CleanupReply, 400: ConfirmationReply | ErrorEnvelope},
    refusals=(Code.VALIDATION_ERROR, Code.CLEANUP_IN_PROGRESS, Code.FORBIDDEN),
    body=CleanupBody,
    body_required=False,
    example={"confirmationToken": "the token of the first answer"},
    operator=True,
)


@routes.post("/v1/admin/cleanup", CLEANUP)
async def post_cleanup(call: Call) -> Response:
    """First without a token: 400 with a token, good once, for five minutes. Then with it."""
    caller = await call.operator()
    services = call.services
    if not services.settings.cleanup_enabled:
        raise CleanupSwitchedOff
    body = await call.body(CleanupBody, optional=True)
    origin = call.origin(caller)
    if "confirmationToken" not in body.model_fields_set:
        asked = await services.commands.run(origin, ask_to_confirm, lane="cleanup")
        view = {
            "message": WARNING,
            "confirmationToken": asked.token,
            "expiresAt": to_text(asked.confirmation.valid_until),
        }
        return Response(encode(view), 400, media_type=JSON_TYPE)
    token = body.confirmationToken
    if not isinstance(token, str) or not token.strip() or not token.isascii():
        raise BadConfirmation
    began = time.perf_counter()
    email = await services.commands.run(origin, partial(confirm, token), lane="cleanup")
    call.allow(CLEANUP_SECONDS_MAX)
    counts = await clean_up(services, origin, email)
    return call.reply(
        {
            "status": "completed",
            "deletedCounts": {name: counts.get(name, 0) for name in PUBLIC_COUNTS},
            "duration": f"{time.perf_counter() - began:.1f}s",
        }
    )
