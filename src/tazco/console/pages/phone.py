"""An approver's phone: the thread with Tazco as WhatsApp draws it, buttons that work, a line to write on. Only with a stand-in."""

from typing import Any, Final

from starlette.responses import Response

from tazco.console.frame.routing import Pages
from tazco.console.frame.stand_in import Bubble, Phone, StandIn, StandInSilent
from tazco.console.frame.visit import Visit
from tazco.kernel.errors import Invalid, NotFound, Refused
from tazco.platform.http.errors import status_of
from tazco.platform.phones import normalise_phone

PHONE: Final = "/console/phone"
BUBBLES_MAX: Final = 60
TEXT_CHARACTERS_MAX: Final = 1_000
BRAZILIAN_MOBILE_DIGITS: Final = 13

pages = Pages()


def _stand_in(visit: Visit) -> StandIn:
    """The stand-in; there is no such page without one."""
    url = visit.services.settings.stand_in_url
    if not url:
        raise NotFound("There is no stand-in for WhatsApp here, so there is no phone to show. `tazco dev` has one.")
    return StandIn(url)


async def _state(visit: Visit) -> Any:
    try:
        return await _stand_in(visit).phones()
    except StandInSilent:
        return None


@pages.get("/phone", watch=_state)
async def show_phone(visit: Visit) -> Response:
    """One phone and the others to choose from; who opens it has read what is on it."""
    return await _page(visit, visit.given("phone"))


async def _page(visit: Visit, address: str, *, http_status: int = 200, refusal: Refused | None = None) -> Response:
    stand_in = _stand_in(visit)
    try:
        phones = await stand_in.phones()
        chosen = _chosen(phones, address)
        thread = await _opened(stand_in, chosen) if chosen else ()
    except StandInSilent as silent:
        return visit.page("phone.html", http_status=status_of(silent), refusal=refusal or silent, phones=None)
    return visit.page(
        "phone.html",
        http_status=http_status,
        refusal=refusal,
        phones=phones,
        chosen=chosen,
        holders={phone.address: _holder(visit, phone) for phone in phones},
        spoken=spoken,
        thread=thread[-BUBBLES_MAX:],
        cut=len(thread) > BUBBLES_MAX,
        answered={bubble.answers for bubble in thread},
        quoted={bubble.id: bubble.text.partition("\n")[0] for bubble in thread},
        typed=visit.fields.get("text", ""),
    )


def _chosen(phones: tuple[Phone, ...], address: str) -> Phone | None:
    """The phone that is asked for, else the first that there is."""
    if not address:
        return next(iter(phones), None)
    found = next((phone for phone in phones if phone.address == address), None)
    if found is None:
        raise NotFound("No such phone: nothing has been sent to it since `tazco dev` began. Choose one that is there.")
    return found


async def _opened(stand_in: StandIn, phone: Phone) -> tuple[Bubble, ...]:
    await stand_in.read(phone.address)
    return await stand_in.thread(phone.address)


def _holder(visit: Visit, phone: Phone) -> str:
    """Whose phone it is: as the stand-in knows it, or the approver of that number; empty for somebody else's."""
    enrolled = (each.name for each in visit.policy.approvers if each.sent_from(normalise_phone(phone.address), phone.address))
    return phone.name or next(enrolled, "")


def spoken(address: str) -> str:
    """An address as people read it: `+55 11 90000-0000`; user ids as they are."""
    if not address.isdigit():
        return address
    if address.startswith("55") and len(address) == BRAZILIAN_MOBILE_DIGITS:
        return f"+55 {address[2:4]} {address[4:9]}-{address[9:]}"
    return f"+{address}"


@pages.post("/phone/type")
async def write(visit: Visit) -> Response:
    """The holder writes."""
    stand_in, address, text = _stand_in(visit), visit.fields.get("phone", ""), visit.fields.get("text", "").strip()
    try:
        if not 0 < len(text) <= TEXT_CHARACTERS_MAX:
            raise Invalid(f"A message has from 1 to {TEXT_CHARACTERS_MAX} characters.")
        await stand_in.type(address, text)
    except Refused as refusal:
        return await _page(visit, address, http_status=status_of(refusal), refusal=refusal)
    return visit.to(PHONE, phone=address, said="typed")


@pages.post("/phone/tap")
async def tap(visit: Visit) -> Response:
    """The holder taps a button."""
    stand_in, fields = _stand_in(visit), visit.fields
    address = fields.get("phone", "")
    try:
        await stand_in.tap(address, fields.get("message", ""), fields.get("button", ""))
    except Refused as refusal:
        return await _page(visit, address, http_status=status_of(refusal), refusal=refusal)
    return visit.to(PHONE, phone=address)
