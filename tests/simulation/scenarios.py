"""What the sweep strikes: every route that changes something, every step of the relay, every reaction, every timer."""

import json
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tazco.slices import REACTIONS, ROUTES, TIMERS
from tests.simulation.bench import Bench, died_after
from tests.simulation.cloud import APPROVERS, NAMES, edited
from tests.simulation.history import Op
from tests.simulation.process import ConnectionLost

Work = Callable[[Bench], Awaitable[None]]
NOTIFICATIONS, TALLY = REACTIONS
RELAY: Final = "relay: settle and step"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prepare` leads to a moment, `act` is what is struck. `covers` names routes, reactions and timers. A `rival` commits in between.

    `empties` says that the operation deletes what clients were told of, so that only what comes after it is judged.
    """

    name: str
    covers: tuple[str, ...]
    prepare: tuple[Work, ...]
    act: Work
    rival: Work | None = None
    empties: bool = False


def op(kind: str, who: str, path: str, body: Any, *, method: str = "POST", card: str = "", key: str = "") -> Op:
    """A command with a key that says what it is for."""
    return Op(kind, who, method, path, body, key or f"{kind}-{zlib.crc32(f'{path} {json.dumps(body)}'.encode()):08x}", card)


async def operator(bench: Bench) -> None:
    """There is an operator."""
    await bench.register("operator")


async def ada(bench: Bench) -> None:
    """Ada is registered, with her 500 points."""
    await bench.register("ada")


async def trusted(bench: Bench, score: int = 760) -> None:
    """Ada has a score that grants a card at once."""
    await bench.do(op("score", "operator", "/v1/admin/users/ada/score", {"score": score, "reason": "r"}, method="PATCH"))


async def asked(bench: Bench) -> None:
    """Ada asks for a card."""
    await bench.do(op("ask", "ada", "/v1/cards/requests", {"productId": "basic"}))


def card_of(bench: Bench) -> str:
    """Ada's card."""
    return str(bench.row("users", ecosystemId="ada")["activeCardId"])


def request_of(bench: Bench) -> str:
    """Ada's request."""
    return str(bench.row("card-requests", ecosystemId="ada")["requestId"])


async def bought(bench: Bench, amount: float = 120.5, key: str = "") -> None:
    """Ada buys something."""
    card = card_of(bench)
    body = {"amount": amount, "merchant": "Shop"}
    await bench.do(
        op("purchase", "ada", f"/v1/cards/{card}/transactions/purchases", body, card=card, key=key), name=_rival_or_not(key)
    )


def _rival_or_not(key: str) -> str:
    return "rival" if key == "rival" else ""


async def declined(bench: Bench) -> None:
    """Ada wants to buy too much."""
    await bought(bench, 9_000.0)


async def paid(bench: Bench, amount: float = 50.25) -> None:
    """Ada pays back a part."""
    card = card_of(bench)
    await bench.do(op("payment", "ada", f"/v1/cards/{card}/transactions/payments", {"amount": amount}, card=card))


async def buys_in_between(bench: Bench) -> None:
    """Ada buys with another device at the same instant."""
    await bought(bench, 1.0, key="rival")


async def scored_in_between(bench: Bench) -> None:
    """An operator moves Ada's score at the same instant."""
    body = {"score": 705, "reason": "rival"}
    await bench.do(op("score", "operator", "/v1/admin/users/ada/score", body, method="PATCH", key="rival"), name="rival")


async def rejected_in_between(bench: Bench) -> None:
    """Another operator turns the request down at the same instant."""
    path = f"/v1/admin/card-requests/{request_of(bench)}/reject"
    await bench.do(op("reject", "operator", path, {"reason": "rival"}, key="rival"), name="rival")


async def month_passes(bench: Bench) -> None:
    """So late that the next payment is."""
    bench.cloud.shift += 33 * 86_400


async def day_passes(bench: Bench) -> None:
    """So late that an approval is overdue."""
    bench.cloud.shift += 24 * 3_600 + 60


async def drained(bench: Bench) -> None:
    """Everything so far has left and was acted upon."""
    await bench.drained()


async def relayed(bench: Bench) -> None:
    """Everything so far has left."""
    await bench.relayed()


async def act(make: Callable[[Bench], Op], bench: Bench) -> None:
    """A command, and the same key once more."""
    done = await bench.do(make(bench))
    with suppress(ConnectionLost):
        await bench.again(done)


def admin(kind: str, path: str, body: Any, *, method: str = "POST") -> Work:
    """An operator's command; the path may name Ada's card or request."""

    def make(bench: Bench) -> Op:
        card = bench.row("users", ecosystemId="ada").get("activeCardId", "") if "{card}" in path else ""
        request = request_of(bench) if "{request}" in path else ""
        return op(kind, "operator", path.format(card=card, request=request), body, method=method)

    return partial(act, make)


def own(kind: str, path: str, body: Any) -> Work:
    """A command of Ada's."""

    def make(bench: Bench) -> Op:
        card = card_of(bench) if "{card}" in path else ""
        return op(kind, "ada", path.format(card=card), body, card=card)

    return partial(act, make)


async def set_status(kind: str, bench: Bench) -> None:
    """An operator disables, enables, suspends."""
    path = {"disable": "/v1/admin/users/ada/disable", "suspend": f"/v1/admin/cards/ada/{card_of(bench)}/suspend"}[kind]
    await bench.do(op(kind, "operator", path, {"reason": "r"}))


async def given_up(bench: Bench) -> None:
    """Ada's first event is a dead letter, as a relay leaves it."""
    for row in bench.pending():
        if row["aggregateId"] == "ada" and row["sequence"] == 1:
            edited(NAMES.table_prefix + "outbox", (row["eventId"],), pendingShard={"S": "dead_letter"}, retryCount={"N": "5"})


async def redrive(bench: Bench) -> None:
    """An operator redrives it."""
    event = bench.row("outbox", aggregateId="ada", sequence=1)["eventId"]
    await act(lambda _: op("redrive", "operator", f"/v1/admin/events/{event}/redrive", {}), bench)


def _tap(bench: Bench, verb: str) -> dict[str, Any]:
    code = bench.row("pending-approvals", requestId=request_of(bench))["code"]
    reply = {"type": "button_reply", "button_reply": {"id": f"{verb}:{code}", "title": "x"}}
    message = {"id": "wamid.tap", "from": APPROVERS[0][1], "timestamp": "1", "type": "interactive", "interactive": reply}
    return {"contacts": [{"wa_id": APPROVERS[0][1]}], "messages": [message]}


async def tap(verb: str, bench: Bench) -> None:
    """An approver answers."""
    await bench.webhook(bench.notes.setdefault("tap", _tap(bench, verb)), "wamid.tap")


async def left_lying(bench: Bench) -> None:
    """An approver's answer was recorded by a process that died before it did anything about it."""
    bench.notes["tap"] = _tap(bench, "approve")
    await died_after(bench, "sim-whatsapp-inbound", tap_once)


async def tap_once(bench: Bench) -> None:
    """One delivery, whatever comes of it."""
    with suppress(ConnectionLost):
        await bench.webhook_once(bench.notes["tap"])


async def told_status(bench: Bench) -> None:
    """The provider says that a message was read."""
    row = next(row for row in bench.books.rows("whatsapp-notifications") if row["notificationType"] == "card_request_approval")
    status = {
        "id": row["providerMessageId"],
        "status": "read",
        "timestamp": str(int(bench.cloud.epoch)),
        "biz_opaque_callback_data": row["notificationId"],
    }
    await bench.webhook({"statuses": [status]})


async def bridge(path: str, bench: Bench) -> None:
    """An approver's text over WPPConnect."""
    code = bench.row("pending-approvals", requestId=request_of(bench))["code"]
    data = {"id": "true_1", "from": f"{APPROVERS[0][1]}@c.us", "body": f"y {code}", "type": "chat", "fromMe": False}
    await bench.bridge(path, bench.notes.setdefault("text", {"event": "onmessage", "session": "tazco-financial-api", "data": data}))


async def expire(bench: Bench) -> None:
    """The timer finds an approval overdue."""
    timer = next(timer for timer in TIMERS if timer.name == "approval-expiry")
    await bench.fired(timer, over=lambda: bench.row("pending-approvals", requestId=request_of(bench))["status"] != "pending")


async def sweep_inbound(bench: Bench) -> None:
    """The timer finds an answer that was left lying."""
    timer = next(timer for timer in TIMERS if timer.name == "inbound-sweep")
    await bench.fired(timer, over=lambda: all("outcome" in row for row in bench.books.rows("whatsapp-inbound")))
    await bench.webhook(bench.notes["tap"], "wamid.tap")


async def unsent(bench: Bench) -> None:
    """The provider was away when the worker reacted; now messages are due."""
    bench.provider_down = True
    await bench.consumed(NOTIFICATIONS)
    bench.provider_down = False
    bench.cloud.shift += 3_600


async def send_due(bench: Bench) -> None:
    """The timer finds messages that are due."""
    timer = next(timer for timer in TIMERS if timer.name == "notification-retry")
    await bench.fired(timer, over=lambda: not any("nextAttemptAt" in row for row in bench.books.rows("whatsapp-notifications")))


async def consume(queue: Any, bench: Bench) -> None:
    """A worker reacts."""
    await bench.consumed(queue)


async def register_ada(bench: Bench) -> None:
    """Ada registers, and signs in again."""
    await bench.register("ada")
    await bench.register("ada")


async def clean(bench: Bench) -> None:
    """An operator deletes everything, until it is done; then Ada comes back."""
    await bench.cleaned()


GRANTED: Final = (operator, ada, trusted, asked)
PENDING: Final = (operator, ada, asked)
ASK, CARD = "/v1/cards/requests", "/v1/cards/{card}"
ADMIN_CARD = "/v1/admin/cards/ada/{card}"
OF_NOTIFICATIONS = ("notifications: card.requested", "notifications: transaction.payment")
OF_TALLY = tuple(
    f"tally: {kind}" for kind in ("card.requested", "card.approved", "transaction.purchase", "transaction.payment", "score.changed")
)

SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("register", ("POST /v1/users",), (operator,), register_ada),
    Scenario("ask, pending", (f"POST {ASK}",), (operator, ada), own("ask", ASK, {"productId": "basic"}), scored_in_between),
    Scenario(
        "ask, granted", (f"POST {ASK}",), (operator, ada, trusted), own("ask", ASK, {"productId": "basic"}), scored_in_between
    ),
    Scenario(
        "approve",
        ("POST /v1/admin/card-requests/{requestId}/approve",),
        PENDING,
        admin("approve", "/v1/admin/card-requests/{request}/approve", {"creditLimit": 400}),
        rejected_in_between,
    ),
    Scenario(
        "reject",
        ("POST /v1/admin/card-requests/{requestId}/reject",),
        PENDING,
        admin("reject", "/v1/admin/card-requests/{request}/reject", {"reason": "no"}),
        scored_in_between,
    ),
    Scenario(
        "purchase",
        ("POST /v1/cards/{cardId}/transactions/purchases",),
        GRANTED,
        own("purchase", f"{CARD}/transactions/purchases", {"amount": 42.42, "merchant": "Shop"}),
        buys_in_between,
    ),
    Scenario(
        "purchase, declined",
        ("POST /v1/cards/{cardId}/transactions/purchases",),
        GRANTED,
        own("purchase", f"{CARD}/transactions/purchases", {"amount": 3000.01, "merchant": "Shop"}),
        buys_in_between,
    ),
    Scenario(
        "payment",
        ("POST /v1/cards/{cardId}/transactions/payments",),
        (*GRANTED, bought),
        own("payment", f"{CARD}/transactions/payments", {"amount": 60.25}),
        buys_in_between,
    ),
    Scenario(
        "payment, late",
        ("POST /v1/cards/{cardId}/transactions/payments",),
        (*GRANTED, bought, drained, month_passes),
        own("payment", f"{CARD}/transactions/payments", {"amount": 120.5}),
        scored_in_between,
    ),
    Scenario(
        "cancel", ("POST /v1/cards/{cardId}/cancel",), GRANTED, own("cancel", f"{CARD}/cancel", {"reason": "r"}), buys_in_between
    ),
    Scenario(
        "score",
        ("PATCH /v1/admin/users/{ecosystemId}/score",),
        (operator, ada),
        admin("score", "/v1/admin/users/ada/score", {"score": 700, "reason": "r"}, method="PATCH"),
        scored_in_between,
    ),
    Scenario(
        "disable",
        ("POST /v1/admin/users/{ecosystemId}/disable",),
        (operator, ada),
        admin("disable", "/v1/admin/users/ada/disable", {"reason": "r"}),
        scored_in_between,
    ),
    Scenario(
        "enable",
        ("POST /v1/admin/users/{ecosystemId}/enable",),
        (operator, ada, trusted, asked, partial(set_status, "disable")),
        admin("enable", "/v1/admin/users/ada/enable", {"reason": "r"}),
        scored_in_between,
    ),
    Scenario(
        "suspend",
        ("POST /v1/admin/cards/{ecosystemId}/{cardId}/suspend",),
        GRANTED,
        admin("suspend", f"{ADMIN_CARD}/suspend", {"reason": "r"}),
        buys_in_between,
    ),
    Scenario(
        "reactivate",
        ("POST /v1/admin/cards/{ecosystemId}/{cardId}/reactivate",),
        (*GRANTED, partial(set_status, "suspend")),
        admin("reactivate", f"{ADMIN_CARD}/reactivate", {"reason": "r"}),
        scored_in_between,
    ),
    Scenario(
        "cancel by an operator",
        ("POST /v1/admin/cards/{ecosystemId}/{cardId}/cancel",),
        GRANTED,
        admin("cancel", f"{ADMIN_CARD}/cancel", {"reason": "r"}),
        buys_in_between,
    ),
    Scenario("redrive", ("POST /v1/admin/events/{eventId}/redrive",), (operator, ada, given_up), redrive),
    Scenario("cleanup", ("POST /v1/admin/cleanup",), (*GRANTED, bought, drained), clean, empties=True),
    Scenario("webhook: approve", ("POST /webhooks/whatsapp",), (*PENDING, drained), partial(tap, "approve"), rejected_in_between),
    Scenario("webhook: reject", ("POST /webhooks/whatsapp",), (*PENDING, drained), partial(tap, "reject"), scored_in_between),
    Scenario("webhook: status", ("POST /webhooks/whatsapp",), (*PENDING, drained), told_status),
    Scenario("webhook: WPPConnect", ("POST /webhooks/wpp-connect",), (*PENDING, drained), partial(bridge, "/webhooks/wpp-connect")),
    Scenario(
        "webhook: WPPConnect, secret in the path",
        ("POST /webhooks/wpp-connect/{secret}",),
        (*PENDING, drained),
        partial(bridge, "/webhooks/wpp-connect/simulated-wpp-secret"),
    ),
    Scenario("relay", (RELAY,), (*GRANTED, bought, paid), relayed),
    Scenario("notifications: asked", OF_NOTIFICATIONS[:1], (*PENDING, relayed), partial(consume, NOTIFICATIONS), scored_in_between),
    Scenario("notifications: paid", OF_NOTIFICATIONS[1:], (*GRANTED, bought, paid, relayed), partial(consume, NOTIFICATIONS)),
    Scenario("tally", OF_TALLY, (*GRANTED, bought, paid, relayed), partial(consume, TALLY)),
    Scenario("tally: declined", ("tally: transaction.declined",), (*GRANTED, declined, relayed), partial(consume, TALLY)),
    Scenario(
        "tally: expired",
        ("tally: card_request.expired", "tally: card.rejected"),
        (*PENDING, drained, day_passes, expire, relayed),
        partial(consume, TALLY),
    ),
    Scenario("timer: approval-expiry", ("timer: approval-expiry",), (*PENDING, drained, day_passes), expire, rejected_in_between),
    Scenario(
        "timer: inbound-sweep", ("timer: inbound-sweep",), (*PENDING, drained, left_lying), sweep_inbound, rejected_in_between
    ),
    Scenario("timer: notification-retry", ("timer: notification-retry",), (*PENDING, relayed, unsent), send_due),
)


def everything() -> frozenset[str]:
    """What must be covered: each route that changes something, the relay, each reaction, each timer."""
    routes = {
        f"{method} {str(getattr(route, 'path', '')).replace(':opaque', '')}"
        for routes in ROUTES
        for route in routes.router.routes
        for method in getattr(route, "methods", ())
        if method not in ("GET", "HEAD")
    }
    reactions = {f"{each.queue}: {kind}" for each in REACTIONS for kind in each.react}
    return frozenset({*routes, RELAY, *reactions, *(f"timer: {timer.name}" for timer in TIMERS)})
