"""The webhooks of both providers: raw bytes are proved first, then read; what they say is in `commands`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final

import structlog
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response

from tazco.approvals.commands import NotRecorded, Processed, process
from tazco.approvals.model import Action, Outcome, Why
from tazco.approvals.store import spelled
from tazco.approvals.views import BridgeHealthView, FailureView, OutcomesView, OutcomeView, RefusalView, failure
from tazco.kernel.clock import to_text
from tazco.kernel.errors import Forbidden, Invalid
from tazco.notifications.commands import deliver_all, take_status
from tazco.platform.http.call import Call
from tazco.platform.http.edge import JSON_TYPE
from tazco.platform.http.errors import refusal_answer
from tazco.platform.http.fields import Body
from tazco.platform.http.routing import Doc, Routes
from tazco.platform.http.schema import ErrorEnvelope
from tazco.platform.jsontext import Malformed, parse_object
from tazco.platform.running import may_pass, tell_failure
from tazco.platform.whatsapp.incoming import Broken, Ignored, Incoming, Item, StatusUpdate, parse_meta, parse_wppconnect
from tazco.platform.whatsapp.signatures import SignatureMissing, SignatureWrong, answer_handshake, check_secret, check_signature

log = structlog.get_logger()

REPLY_SECONDS_MARGIN: Final = 5.0
"""Beyond what a send takes at most, for a message that goes out after the answer; the worker's timer sends what takes longer."""

PROBE_SECONDS_MAX: Final = 2.0

UNEXPECTED: Final = "Something went wrong on our side."

Heard = tuple[Mapping[str, Any] | None, str | None]
"""What is answered about one item, and the notification that has to be sent because of it."""

routes = Routes()


class MetaNotice(Body):
    """A notice of the Cloud API; read leniently, because one broken message must not cost the others."""

    object: str
    entry: list[Any]


class BridgeNotice(Body):
    """A notice of WPPConnect; a message stands under `data` or beside `event`."""

    event: str
    session: str
    data: Any = None


def proving(handler: Callable[[Call], Awaitable[Response]]) -> Callable[[Call], Awaitable[Response]]:
    """Answer whoever proves nothing with 401 or 403, and input that makes no sense with 400, in the shapes of webhooks."""

    @wraps(handler)
    async def answered(call: Call) -> Response:
        try:
            return await handler(call)
        except (SignatureMissing, SignatureWrong, Forbidden) as refusal:
            bare = refusal_answer(refusal)
            return Response(bare.body, bare.status, media_type=JSON_TYPE)
        except Invalid as refusal:
            return call.reply(failure(refusal.message), 400)

    return answered


HANDSHAKE = Doc(
    summary="Meta's handshake",
    tag="Webhooks",
    replies={200: None, 403: RefusalView},
    query={"hub.mode": "subscribe", "hub.verify_token": "the token that we agreed upon", "hub.challenge": "what to answer"},
    open=True,
)


@routes.get("/webhooks/whatsapp", HANDSHAKE)
@proving
async def shake_hands(call: Call) -> Response:
    """Proves to Meta that this address is ours: the challenge comes back as plain text."""
    expected = call.services.settings.whatsapp_meta_verify_token
    return PlainTextResponse(
        answer_handshake(call.query("hub.mode"), call.query("hub.verify_token"), call.query("hub.challenge"), expected)
    )


META = Doc(
    summary="Messages and statuses from Meta",
    tag="Webhooks",
    replies={200: OutcomesView, 400: FailureView, 401: RefusalView, 413: ErrorEnvelope, 500: FailureView},
    body=MetaNotice,
    example={"object": "whatsapp_business_account", "entry": []},
    open=True,
)


@routes.post("/webhooks/whatsapp", META)
@proving
async def hear_meta(call: Call) -> Response:
    """Proved by `X-Hub-Signature-256` over the raw body. One broken message costs none of the others.

    Meta repeats for days what is not answered with 200, and never what is: so a message that failed is answered with 200 if it is
    recorded, because the worker finishes it. One that is not, or a status that could not be written down, is answered with 500.
    """
    settings = call.services.settings
    raw = await call.raw_body(settings.webhook_max_body_bytes)
    check_signature(call.request.headers.get("x-hub-signature-256"), raw, settings.whatsapp_meta_app_secrets)
    heard: list[Heard] = []
    lost = False
    for item in parse_meta(_parsed(raw), settings.whatsapp_meta_phone_number_id or ""):
        try:
            heard += await _hear(call, item)
        except NotRecorded:
            log.exception("approvals.not_recorded")
            lost = True
        except Exception as error:  # noqa: BLE001  # told in the log; it must not cost the rest of the batch
            tell_failure("approvals.unexpected", error)
            lost = lost or (isinstance(item, StatusUpdate) and may_pass(error))
            heard += [] if isinstance(item, StatusUpdate) else [(failure(UNEXPECTED), None)]
    replies = [notification_id for _, notification_id in heard if notification_id]
    results = [view for view, _ in heard if view is not None]
    answer = failure(UNEXPECTED) if lost else {"ok": True, "results": results}
    return _answered(call, answer, 500 if lost else 200, replies)


async def _hear(call: Call, item: Item) -> list[Heard]:
    """One item; nothing is answered about statuses, but one may cause a message."""
    match item:
        case StatusUpdate():
            return [(None, await take_status(call.services, item))]
        case Broken():
            log.warning("approvals.broken_message", reason=item.reason)
            return [(failure(f"{item.reason}."), None)]
    processed = await _processed(call, item)
    return [(spelled(processed.outcome), processed.notification_id)]


async def _processed(call: Call, item: Incoming | Ignored) -> Processed:
    if isinstance(item, Ignored):
        return _ignored(Why(item.reason))
    if item.from_self:
        return _ignored(Why.FROM_SELF)
    if item.group:
        return _ignored(Why.GROUP_MESSAGE)
    return await process(call.services, item)


def _ignored(why: Why) -> Processed:
    return Processed(outcome=Outcome(action=Action.IGNORED, reason=why))


HEALTH = Doc(summary="How WPPConnect does", tag="Webhooks", replies={200: BridgeHealthView}, open=True)


@routes.get("/webhooks/wpp-connect/health", HEALTH)
async def get_bridge_health(call: Call) -> Response:
    """Always 200; whether WPPConnect is connected is at most 30 seconds old."""
    services = call.services
    used = services.messenger is not None and services.settings.whatsapp_provider == "wppconnect"
    connected = used and services.messenger is not None and await _in_time(services.messenger.connected())
    whatsapp = {"connected": connected, "session": services.settings.wpp_session}
    return call.reply({"status": "ok", "timestamp": to_text(services.clock()), "whatsapp": whatsapp})


async def _in_time(probe: Awaitable[bool]) -> bool:
    """Connected, as far as that shows in a moment; a probe that takes longer goes on for whoever asks next."""
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            return await probe
    except TimeoutError:
        return False


BRIDGE = Doc(
    summary="Messages from WPPConnect",
    tag="Webhooks",
    replies={200: OutcomeView, 400: FailureView, 401: RefusalView, 413: ErrorEnvelope, 500: FailureView},
    body=BridgeNotice,
    example={"event": "onmessage", "session": "tazco-financial-api", "data": {"id": "true_1", "from": "5511900000000@c.us"}},
    open=True,
)


@routes.post("/webhooks/wpp-connect", BRIDGE)
@proving
async def hear_bridge(call: Call) -> Response:
    """Proved by the secret in `X-Webhook-Secret`."""
    return await _hear_bridge(call, call.request.headers.get("x-webhook-secret"))


@routes.post("/webhooks/wpp-connect/{secret}", BRIDGE)
@proving
async def hear_bridge_by_path(call: Call) -> Response:
    """Proved by the secret in the path, for a WPPConnect that cannot send headers."""
    return await _hear_bridge(call, call.request.headers.get("x-webhook-secret") or str(call.request.path_params["secret"]))


async def _hear_bridge(call: Call, secret: str | None) -> Response:
    settings = call.services.settings
    check_secret(secret, settings.wpp_webhook_secret)
    raw = await call.raw_body(settings.webhook_max_body_bytes)
    item = parse_wppconnect(_parsed(raw), settings.wpp_session)
    try:
        processed = await _processed(call, item)
    except Exception:
        log.exception("approvals.unexpected")
        return call.reply(failure(UNEXPECTED), 500)
    told = [processed.notification_id] if processed.notification_id else []
    return _answered(call, spelled(processed.outcome), 200, told)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        return parse_object(raw)
    except Malformed as fault:
        raise Invalid(str(fault)) from None


def _answered(call: Call, view: Mapping[str, Any], status: int, replies: Sequence[str]) -> Response:
    """The answer; replies to approvers are sent after it, so that no provider waits for another."""
    response = call.reply(view, status)
    if replies:
        response.background = BackgroundTask(_send, call, replies)
    return response


async def _send(call: Call, replies: Sequence[str]) -> None:
    messenger = call.services.messenger
    call.allow((messenger.send_seconds if messenger else 0) + REPLY_SECONDS_MARGIN)
    await deliver_all(call.services, replies)
