"""Cards: the owner's list, detail and cancelling; the operators' suspending, reactivating and cancelling."""

from functools import partial
from typing import Any, NotRequired
from urllib.parse import quote

from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.cards.commands import CancelOwnCard, SetCardStatus, cancel_own_card, set_card_status
from tazco.cards.model import CREDIT_CARD, Card, CardNotFound, CardStatus
from tazco.cards.store import card, cards_of, newest_first
from tazco.cards.views import CardDetail, CardSummary, card_detail, card_summary
from tazco.kernel.errors import Code, Invalid
from tazco.kernel.ids import CardId, EcosystemId
from tazco.platform.http.call import Call, registered, success
from tazco.platform.http.fields import Body, Reason, ReasonBody
from tazco.platform.http.routing import ADMIN_KEY_CHARACTERS_MAX, USER_KEY_CHARACTERS_MAX, Choice, Doc, Routes
from tazco.platform.idempotency import Answer

SUGGESTION = "No cards here. See what you may apply for at /v1/offers."

routes = Routes()


class CancelBody(Body):
    """Why, if the cardholder wants to say."""

    reason: Reason | None = None


class CardList(TypedDict):
    """A person's cards, newest first."""

    cards: list[CardSummary]
    suggestion: NotRequired[str]


class CardReply(TypedDict):
    """A card."""

    card: CardDetail


LIST = Doc(
    summary="My cards",
    tag="Cardholder: cards",
    replies={200: CardList},
    refusals=(Code.VALIDATION_ERROR,),
    query={
        "status": Choice("only cards in this state", list(CardStatus)),
        "type": Choice("only cards of this kind", [CREDIT_CARD]),
    },
)


@routes.get("/v1/cards", LIST)
async def list_cards(call: Call) -> Response:
    """The caller's cards, newest first; empty for someone who is not registered."""
    caller = await call.caller()
    status, kind = call.choice("status", CardStatus), call.query("type")
    if kind is not None and kind != CREDIT_CARD:
        raise Invalid(f"type must be {CREDIT_CARD}.", field="type")
    found: tuple[Card, ...] = ()
    if caller.ecosystem_id is not None:
        (found,) = await call.services.database.read(cards_of(caller.ecosystem_id))
    shown = [card_summary(each) for each in newest_first(found) if status in (None, each.status)]
    view: dict[str, Any] = {"cards": shown}
    if not shown:
        view["suggestion"] = SUGGESTION
    return call.reply(view)


GET = Doc(summary="One of my cards", tag="Cardholder: cards", replies={200: CardReply}, refusals=(Code.NOT_FOUND,))


@routes.get("/v1/cards/{cardId}", GET)
async def get_card(call: Call) -> Response:
    """A card in full."""
    caller = await call.caller()
    ecosystem_id = registered(caller, "Card")
    (found,) = await call.services.database.read(card(ecosystem_id, call.path_id("cardId")))
    if found is None:
        raise CardNotFound
    return call.reply({"card": card_detail(found)})


CANCEL = Doc(
    summary="Cancel my card",
    tag="Cardholder: cards",
    replies={200: CardReply},
    refusals=(Code.NOT_FOUND,),
    body=CancelBody,
    body_required=False,
    example={"reason": "No longer needed"},
    key_characters_max=USER_KEY_CHARACTERS_MAX,
)


@routes.post("/v1/cards/{cardId}/cancel", CANCEL)
async def cancel_card(call: Call) -> Response:
    """Give the card back; only with nothing owed."""
    caller = await call.caller()
    key = call.key()
    body = await call.body(CancelBody, optional=True)
    ecosystem_id = registered(caller, "Card")
    command = CancelOwnCard(ecosystem_id=ecosystem_id, card_id=CardId(call.path_id("cardId")), reason=body.reason)
    return await call.once(
        caller,
        key,
        operation=f"cancel-card/{command.card_id}",
        asked=body.model_dump(),
        lane=f"user#{command.ecosystem_id}",
        use_case=partial(cancel_own_card, command),
        render=_rendered,
    )


def _life_cycle_doc(summary: str) -> Doc:
    return Doc(
        summary=summary,
        tag="Operators: cards",
        replies={200: CardReply},
        refusals=(Code.NOT_FOUND,),
        body=ReasonBody,
        example={"reason": "Reported stolen"},
        key_characters_max=ADMIN_KEY_CHARACTERS_MAX,
        operator=True,
    )


@routes.post("/v1/admin/cards/{ecosystemId}/{cardId}/suspend", _life_cycle_doc("Suspend a card"))
async def suspend_card(call: Call) -> Response:
    """No purchases until it is reactivated; payments are welcome."""
    return await _set_status(call, CardStatus.SUSPENDED, "suspend-card")


@routes.post("/v1/admin/cards/{ecosystemId}/{cardId}/reactivate", _life_cycle_doc("Reactivate a card"))
async def reactivate_card(call: Call) -> Response:
    """A suspended card buys again."""
    return await _set_status(call, CardStatus.ACTIVE, "reactivate-card")


@routes.post("/v1/admin/cards/{ecosystemId}/{cardId}/cancel", _life_cycle_doc("Cancel a card"))
async def cancel_card_by_operator(call: Call) -> Response:
    """The end of a card with nothing owed."""
    return await _set_status(call, CardStatus.CANCELLED, "admin-cancel-card")


async def _set_status(call: Call, status: CardStatus, operation: str) -> Response:
    caller = await call.operator()
    key = call.key()
    body = await call.body(ReasonBody)
    ecosystem_id, card_id = EcosystemId(call.path_id("ecosystemId")), CardId(call.path_id("cardId"))
    command = SetCardStatus(ecosystem_id=ecosystem_id, card_id=card_id, status=status, reason=body.reason)
    return await call.once(
        caller,
        key,
        operation=f"{operation}/{quote(ecosystem_id, safe='')}/{card_id}",  # two ids: an escaped slash in one must not part them
        asked=body.model_dump(),
        lane=f"user#{ecosystem_id}",
        use_case=partial(set_card_status, command),
        render=_rendered,
    )


def _rendered(found: Card) -> Answer:
    return success({"card": card_detail(found)})
