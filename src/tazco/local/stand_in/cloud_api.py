"""The Cloud API's HTTP contract: what it takes, what it refuses and in which words, what it answers."""

import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tazco.local.stand_in.account import same
from tazco.local.stand_in.cloud_api_rules import Incoming, Rejected, read_message
from tazco.local.stand_in.connection import body_of, drop
from tazco.local.stand_in.faults import Answer, Fault
from tazco.local.stand_in.phones import Kind, Provider
from tazco.local.stand_in.provider import StandIn
from tazco.platform.jsontext import Malformed

BAD_TOKEN: Final = "Invalid OAuth access token - Cannot parse access token"  # noqa: S105  # what the provider says of one
NO_OBJECT: Final = "Unsupported post request. Object with ID '{}' does not exist, cannot be loaded due to missing permissions."
RE_ENGAGEMENT: Final = 131047
STATUS: Final = {0: 401, 190: 401, 3: 500, 10: 403, 368: 403, 131031: 403, 131000: 500, 131016: 500, 131057: 500}
"""HTTP statuses of error codes; every other is a 400."""

TITLES: Final = {
    4: "Application request limit reached",
    10: "Application does not have permission for this action",
    100: "Invalid parameter",
    368: "Temporarily blocked for policies violations",
    80007: "Rate limit issues",
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131021: "Recipient cannot be sender",
    131026: "Message undeliverable",
    131030: "Recipient phone number not in allowed list",
    131031: "Business account locked",
    131042: "Business eligibility payment issue",
    131045: "Incorrect certificate",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131049: "Message not delivered to maintain healthy ecosystem engagement",
    131050: "Recipient has stopped marketing messages",
    131051: "Unsupported message type",
    131056: "Pair rate limit hit",
    131057: "Account in maintenance mode",
    132000: "Template parameter count mismatch",
    132001: "Template does not exist",
}


async def messages(request: Request) -> Response:
    """`POST /{version}/{phone_number_id}/messages`."""
    stand_in: StandIn = request.app.state.stand_in
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not same(token, stand_in.account.access_token):
        return JSONResponse({"error": _error(190, BAD_TOKEN)}, 401)
    if request.path_params["phone_number_id"] != stand_in.account.phone_number_id:
        unknown = {**_error(100, NO_OBJECT.format(request.path_params["phone_number_id"])), "type": "GraphMethodException"}
        return JSONResponse({"error": unknown}, 400)
    try:
        incoming = read_message(await body_of(request))
    except Malformed as malformed:
        return problem(100, f"Invalid parameter: {malformed}")
    except Rejected as rejected:
        return problem(rejected.code, str(rejected))
    return await _answered(request, stand_in, incoming)


async def _answered(request: Request, stand_in: StandIn, incoming: Incoming) -> Response:
    """Judge the message by the plan and by the window, put it on the phone, answer."""
    fault = stand_in.faults.next(incoming.address)
    phone = stand_in.phones.known(incoming.address)
    closed = incoming.kind is not Kind.TEMPLATE and stand_in.window_enforced and not (phone and stand_in.window_open(phone))
    if closed and not fault.refuses:
        fault = Fault(code=RE_ENGAGEMENT)
    message_id = f"wamid.{secrets.token_urlsafe(24)}"
    if fault.delivers and not incoming.gets_lost:
        message_id = _put_on_phone(stand_in, incoming)
    await stand_in.pause(fault.delay_seconds)
    if fault.refuses:
        return _refusal(fault)
    if fault.answer is Answer.DROPPED:
        return await drop(request)
    if fault.answer is Answer.NOT_JSON:
        return PlainTextResponse("<html>OK</html>", 200, media_type="text/html")
    found = {"wa_id": incoming.address} if incoming.to else {"user_id": incoming.address}
    answer = {"messaging_product": "whatsapp", "contacts": [{"input": incoming.address, **found}], "messages": [{"id": message_id}]}
    return JSONResponse({**answer, "messages": []} if fault.answer is Answer.ID_LOST else answer)


def _put_on_phone(stand_in: StandIn, incoming: Incoming) -> str:
    return stand_in.arrive(
        stand_in.phones.phone(incoming.address),
        provider=Provider.META,
        kind=incoming.kind,
        text=incoming.text,
        buttons=incoming.buttons,
        reference=incoming.reference,
    ).id


def _refusal(fault: Fault) -> Response:
    if fault.code is None:
        return PlainTextResponse("upstream connect error", fault.status or 503, media_type="text/html")
    return problem(fault.code, f"Planned: {fault.code}.", fault.status)


def problem(code: int, details: str, status: int | None = None) -> Response:
    """An error as Meta spells it; the status follows from the code unless given."""
    error = _error(code, f"(#{code}) {TITLES.get(code, 'Error')}")
    error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    return JSONResponse({"error": error}, status or STATUS.get(code, 400))


def _error(code: int, message: str) -> dict[str, Any]:
    return {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": secrets.token_urlsafe(12)}


def no_such_path(request: Request) -> Response:
    """What the Graph API says where there is nothing."""
    return JSONResponse({"error": _error(2500, f"Unknown path components: {request.url.path}")}, 400)
