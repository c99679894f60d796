"""The stand-in's own control API below `/stand-in`: look at phones, type, tap, plan faults, see what webhooks were answered."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tazco.local.stand_in.connection import body_of
from tazco.local.stand_in.courier import PLAINLY, Delivery, Manner
from tazco.local.stand_in.faults import Fault
from tazco.local.stand_in.phones import Bubble, NothingToTap, Phone, Sender, Tick
from tazco.local.stand_in.provider import StandIn, Unknown
from tazco.local.stand_in.shapes import bubble_json, delivery_json, phone_json
from tazco.platform.jsontext import Malformed

PATIENCE_SECONDS_MAX: Final = 60.0
ANSWER_SECONDS_MAX: Final = 10.0
LATEST_MAX: Final = 100
PREFIX: Final = "/stand-in"


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Holder(_Body):
    """Whose phone it is."""

    name: str = ""
    number: str | None = None
    user_id: str | None = None


class Typed(_Body):
    """A text that the holder writes."""

    text: str = Field(min_length=1, max_length=4096)
    manner: Manner = PLAINLY


class Tapped(_Body):
    """A button that the holder taps, by id, by the verb of its id or by title."""

    button: str
    message_id: str | None = None
    manner: Manner = PLAINLY


class Reported(_Body):
    """A status to tell of the message with this id or reference."""

    message: str
    status: Tick
    code: int | None = None
    manner: Manner = PLAINLY


class Planned(_Body):
    """What the next answers shall be."""

    recipient: str | None = None
    faults: list[Fault] = Field(max_length=1000)


class Habits(_Body):
    """How the stand-in behaves from now on; what is not given stays."""

    window_enforced: bool | None = None
    wpp_connected: bool | None = None
    tells_ticks: bool | None = None
    manner: Manner | None = None


Answering = Callable[[StandIn, Request], Awaitable[Any]]


def _json(answering: Answering) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await answering(request.app.state.stand_in, request))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            return JSONResponse({"error": faults}, 400)
        except (Malformed, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        except (Unknown, NothingToTap) as error:
            return JSONResponse({"error": str(error)}, 404)

    return answer


async def list_phones(stand_in: StandIn, request: Request) -> Any:
    """Every phone, in the order in which they came; if there is none yet, wait for one for `seconds` at most."""
    await stand_in.phones.until(lambda: any(True for _ in stand_in.phones), _patience(request))
    return {"phones": [phone_json(phone) for phone in stand_in.phones]}


async def register(stand_in: StandIn, request: Request) -> Any:
    """Make a phone before anything arrives on it."""
    holder = Holder.model_validate(await body_of(request))
    if not holder.number and not holder.user_id:
        raise ValueError("number or userId: one of them is needed")
    return phone_json(stand_in.phones.register(number=holder.number, user_id=holder.user_id, name=holder.name))


async def thread(stand_in: StandIn, request: Request) -> Any:
    """A phone and its thread; with `since` wait, for `seconds` at most, until its revision is higher than that."""
    address, since = request.path_params["address"], int(request.query_params.get("since", "-1"))

    def changed() -> bool:
        phone = stand_in.phones.known(address)
        return phone is not None and phone.revision > since

    await stand_in.phones.until(changed, _patience(request))
    phone = _phone(stand_in, address)
    return {"phone": phone_json(phone), "revision": phone.revision, "thread": [bubble_json(bubble) for bubble in phone.thread]}


async def next_message(stand_in: StandIn, request: Request) -> Any:
    """The first message to a phone whose number is above `after`; wait for it for `seconds` at most, then `null`."""
    address, after = request.path_params["address"], int(request.query_params.get("after", "0"))
    bubble = await awaited_message(stand_in, address, after, _patience(request))
    return {"message": bubble_json(bubble) if bubble else None}


async def awaited_message(stand_in: StandIn, address: str, after: int, seconds: float) -> Bubble | None:
    """The first message of ours on a phone with a number above `after`, waited for; None if none comes in time."""

    def arrived() -> Bubble | None:
        phone = stand_in.phones.known(address)
        bubbles = phone.thread if phone else []
        return next((each for each in bubbles if each.sender is Sender.BUSINESS and each.number > after), None)

    await stand_in.phones.until(lambda: arrived() is not None, seconds)
    return arrived()


async def latest(stand_in: StandIn, request: Request) -> Any:
    """The newest messages of all phones, newest first."""
    count = min(int(request.query_params.get("last", "20")), LATEST_MAX)
    found = [(phone, bubble) for phone in stand_in.phones for bubble in phone.thread]
    found.sort(key=lambda each: each[1].number, reverse=True)
    return {"messages": [{"phone": phone.address, **bubble_json(bubble)} for phone, bubble in found[:count]]}


async def read(stand_in: StandIn, request: Request) -> Any:
    """Somebody looks at the phone."""
    phone = _phone(stand_in, request.path_params["address"])
    stand_in.read(phone)
    return phone_json(phone)


async def write(stand_in: StandIn, request: Request) -> Any:
    """The holder types; answered when the API has answered, or does not in time."""
    typed = Typed.model_validate(await body_of(request))
    phone = stand_in.phones.phone(request.path_params["address"])
    bubble, deliveries = stand_in.type(phone, typed.text, typed.manner)
    return await _told(stand_in, bubble, deliveries)


async def tap(stand_in: StandIn, request: Request) -> Any:
    """The holder taps a button; answered as `write` is."""
    tapped = Tapped.model_validate(await body_of(request))
    phone = _phone(stand_in, request.path_params["address"])
    bubble, deliveries = stand_in.tap(phone, tapped.button, tapped.message_id, tapped.manner)
    return await _told(stand_in, bubble, deliveries)


async def report(stand_in: StandIn, request: Request) -> Any:
    """Tell a status, whatever was told before."""
    reported = Reported.model_validate(await body_of(request))
    deliveries = stand_in.report(reported.message, reported.status, code=reported.code, manner=reported.manner)
    await stand_in.courier.answered(deliveries, ANSWER_SECONDS_MAX)
    return {"webhooks": [delivery_json(each) for each in deliveries]}


async def plan(stand_in: StandIn, request: Request) -> Any:
    """Plan faults."""
    planned = Planned.model_validate(await body_of(request))
    stand_in.faults.plan(planned.recipient, *planned.faults)
    return {"planned": len(planned.faults)}


async def behave(stand_in: StandIn, request: Request) -> Any:
    """Change habits; the answer tells all of them."""
    habits = Habits.model_validate(await body_of(request))
    for name in habits.model_fields_set:
        if getattr(habits, name) is not None:
            setattr(stand_in, name, getattr(habits, name))
    names = ("window_enforced", "wpp_connected", "tells_ticks", "manner")
    return Habits(**{name: getattr(stand_in, name) for name in names}).model_dump(by_alias=True, mode="json")


async def webhooks(stand_in: StandIn, _request: Request) -> Any:
    """Every webhook remembered, and what it was answered."""
    return {"webhooks": [delivery_json(each) for each in stand_in.courier.deliveries]}


async def handshake(stand_in: StandIn, _request: Request) -> Any:
    """Ask the API for its handshake, as Meta does before it sends webhooks."""
    return {"verified": await stand_in.courier.shake_hands()}


async def forget(stand_in: StandIn, _request: Request) -> Any:
    """Start over."""
    stand_in.forget()
    return {}


ROUTES: Final = [
    Route(PREFIX + path, _json(answering), methods=[method])
    for method, path, answering in (
        ("GET", "/phones", list_phones),
        ("POST", "/phones", register),
        ("GET", "/phones/{address}/thread", thread),
        ("GET", "/phones/{address}/next", next_message),
        ("POST", "/phones/{address}/read", read),
        ("POST", "/phones/{address}/type", write),
        ("POST", "/phones/{address}/tap", tap),
        ("GET", "/messages", latest),
        ("POST", "/status", report),
        ("POST", "/plan", plan),
        ("POST", "/habits", behave),
        ("GET", "/webhooks", webhooks),
        ("POST", "/handshake", handshake),
        ("POST", "/forget", forget),
    )
]


async def _told(stand_in: StandIn, bubble: Bubble, deliveries: list[Delivery]) -> Any:
    taken = await stand_in.courier.answered(deliveries, ANSWER_SECONDS_MAX)
    return {"message": bubble_json(bubble), "taken": taken, "webhooks": [delivery_json(each) for each in deliveries]}


def _phone(stand_in: StandIn, address: str) -> Phone:
    phone = stand_in.phones.known(address)
    if phone is None:
        raise Unknown(f"No phone {address}: nothing was sent to it yet. GET {PREFIX}/phones lists those there are.")
    return phone


def _patience(request: Request) -> float:
    return min(float(request.query_params.get("seconds", "0")), PATIENCE_SECONDS_MAX)
