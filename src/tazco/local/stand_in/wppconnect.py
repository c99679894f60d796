"""WPPConnect's HTTP contract: a token for a secret, text messages, the state of the session."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tazco.local.stand_in.account import same
from tazco.local.stand_in.connection import body_of, drop
from tazco.local.stand_in.faults import CHECK_CONNECTION, GENERATE_TOKEN, Answer, Fault
from tazco.local.stand_in.phones import Kind, Phone, Provider, Sender, is_number, new_id
from tazco.local.stand_in.provider import StandIn
from tazco.platform.jsontext import Malformed

CREATED: Final = 201


async def generate_token(request: Request) -> Response:
    """`POST /api/{session}/{secret}/generate-token`."""
    stand_in = _stand_in(request)
    spoilt = await _spoilt(request, stand_in, stand_in.faults.next(GENERATE_TOKEN, own_only=True))
    if spoilt:
        return spoilt
    if not same(request.path_params["secret"], stand_in.account.wpp_secret_key):
        return JSONResponse({"response": "error", "message": "The SECRET_KEY is incorrect"}, 400)
    session = request.path_params["session"]
    token = stand_in.new_wpp_token(session)
    return JSONResponse({"status": "success", "session": session, "token": token, "full": f"{session}:{token}"}, CREATED)


async def send_message(request: Request) -> Response:
    """`POST /api/{session}/send-message`: text to phones, never to user ids."""
    stand_in = _stand_in(request)
    refused = _unauthorised(request, stand_in)
    if refused:
        return refused
    try:
        body = await body_of(request)
    except Malformed as malformed:
        return _refused(400, str(malformed))
    given = body.get("phone")
    named = given if isinstance(given, list) else [given]
    phones = [each for each in named if isinstance(each, str) and is_number(each)]
    text = body.get("message")
    if not phones or phones != named or body.get("isGroup"):
        return _refused(400, "phone must name one or more phone numbers; groups are not served here.")
    if not isinstance(text, str) or not text:
        return _refused(400, "message must be a text.")
    if not stand_in.wpp_connected:
        return JSONResponse({"response": None, "status": "Disconnected", "message": "The WhatsApp session is not active."}, 404)
    return await _taken(request, stand_in, phones, text)


async def _taken(request: Request, stand_in: StandIn, phones: list[str], text: str) -> Response:
    fault = stand_in.faults.next(phones[0])
    ids = [new_id(Provider.WPPCONNECT, Phone(number=phone, user_id=None, name=""), Sender.BUSINESS) for phone in phones]
    if fault.delivers:
        ids = [
            stand_in.arrive(stand_in.phones.phone(phone), provider=Provider.WPPCONNECT, kind=Kind.TEXT, text=text).id
            for phone in phones
        ]
    spoilt = await _spoilt(request, stand_in, fault)
    if spoilt:
        return spoilt
    answer: dict[str, Any] = {"status": "success", "response": [{"id": each} for each in ids], "mapper": "return"}
    if fault.answer is Answer.ID_LOST:
        answer["response"] = []
    elif fault.answer is Answer.ID_IN_OBJECT:
        answer["response"] = [{"id": {"fromMe": True, "_serialized": each}} for each in ids]
    elif fault.answer is Answer.ID_ON_TOP:
        answer = {"status": "success", "id": ids[0]}
    return JSONResponse(answer, CREATED)


async def check_connection_session(request: Request) -> Response:
    """`GET /api/{session}/check-connection-session`."""
    stand_in = _stand_in(request)
    refused = _unauthorised(request, stand_in) or await _spoilt(
        request, stand_in, stand_in.faults.next(CHECK_CONNECTION, own_only=True)
    )
    if refused:
        return refused
    connected = stand_in.wpp_connected
    return JSONResponse({"status": connected, "message": "Connected" if connected else "Disconnected"})


def _stand_in(request: Request) -> StandIn:
    stand_in: StandIn = request.app.state.stand_in
    return stand_in


def _unauthorised(request: Request, stand_in: StandIn) -> Response | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and stand_in.knows_wpp_token(request.path_params["session"], token):
        return None
    return JSONResponse({"error": "Check that the Session and Token are correct"}, 401)


async def _spoilt(request: Request, stand_in: StandIn, fault: Fault) -> Response | None:
    """What the plan puts in the place of a good answer, if anything."""
    await stand_in.pause(fault.delay_seconds)
    if fault.refuses:
        return _refused(fault.status or 500, "Planned.", fault.code)
    if fault.answer is Answer.DROPPED:
        return await drop(request)
    if fault.answer is Answer.NOT_JSON:
        return PlainTextResponse("<html>OK</html>", CREATED, media_type="text/html")
    return None


def _refused(status: int, message: str, code: int | None = None) -> Response:
    return JSONResponse({"status": "error", "message": message, **({"code": code} if code is not None else {})}, status)
