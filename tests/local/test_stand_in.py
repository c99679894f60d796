"""The stand-in answers as the providers do, and sends back what they would send."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tazco.kernel.clock import system_clock
from tazco.local.stand_in.account import Account
from tazco.local.stand_in.courier import Manner, Order
from tazco.local.stand_in.phones import BUBBLES_MAX, Phones, Provider, Sender
from tests.platform.servers import Request, Server, http, serving, until
from tests.processes import free_port
from tests.stand_in import ACCOUNT, Answer, Fault, Kind, RunningStandIn, Signature, Tick, stand_in_running
from tests.world import MovableClock

PHONE = "5511900000000"
USER_ID = "BR.1349120865530274"
TEXT = {"messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": {"body": "Hello"}}
APPROVE = {"type": "reply", "reply": {"id": "approve:7K3M9QXD", "title": "Approve"}}
REJECT = {"type": "reply", "reply": {"id": "reject:7K3M9QXD", "title": "Reject"}}
TEMPLATE = {
    "name": "card_request",
    "language": {"code": "en"},
    "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "user-77@example.com"}]},
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "approve:7K3M9QXD"}],
        },
    ],
}


def question(*buttons: Any, body: str = "[CARD REQUEST] #7K3M9QXD") -> dict[str, Any]:
    interactive = {"type": "button", "body": {"text": body}, "action": {"buttons": list(buttons)}}
    return {**TEXT, "type": "interactive", "interactive": interactive, "biz_opaque_callback_data": "notice-1"}


def without(body: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in keys}


@dataclass(slots=True)
class Meta:
    """A client of the Cloud API."""

    stand_in: RunningStandIn
    http: httpx.AsyncClient

    async def send(self, body: Any, *, token: str | None = None, number: str = "123456") -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.stand_in.account.access_token}"}
        return await self.http.post(f"/v25.0/{number}/messages", content=json.dumps(body).encode(), headers=headers)

    async def control(self, path: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        return (await self.http.request(method, f"/stand-in{path}", json=body)).json()


@dataclass(slots=True)
class Api:
    """An API that answers webhooks with what is planned for it, then with 200."""

    answers: list[int] = field(default_factory=list)
    posts: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.posts.append(request)
        return httpx.Response(self.answers.pop(0) if self.answers else 200, json={"ok": True, "results": []})

    @property
    def values(self) -> list[Any]:
        return [json.loads(post.content)["entry"][0]["changes"][0]["value"] for post in self.posts]

    @property
    def ticks(self) -> list[str]:
        return [status["status"] for value in self.values for status in value.get("statuses", [])]


@asynccontextmanager
async def opened(api: Api | None = None, **options: Any) -> AsyncIterator[Meta]:
    to = httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://api.test") if api else None
    async with stand_in_running(to, **options) as stand_in, httpx.AsyncClient(base_url=stand_in.url) as client:
        yield Meta(stand_in, client)
    if to:
        await to.aclose()


@pytest.fixture
async def meta() -> AsyncIterator[Meta]:
    async with opened() as client:
        yield client


async def test_a_message_is_accepted_in_metas_words_and_is_on_the_phone(meta: Meta) -> None:
    reply = await meta.send(question(APPROVE, REJECT))
    assert reply.status_code == 200
    (bubble,) = meta.stand_in.thread(PHONE)
    assert reply.json() == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": PHONE, "wa_id": PHONE}],
        "messages": [{"id": bubble.id}],
    }
    assert bubble.id.startswith("wamid.")
    assert [(button.id, button.title) for button in bubble.buttons] == [
        ("approve:7K3M9QXD", "Approve"),
        ("reject:7K3M9QXD", "Reject"),
    ]
    assert (bubble.kind, bubble.reference, bubble.tick) == (Kind.QUESTION, "notice-1", Tick.DELIVERED)


async def test_a_user_id_is_reached_as_recipient_and_silently_lost_in_to(meta: Meta) -> None:
    reached = await meta.send({**without(TEXT, "to"), "recipient": USER_ID})
    lost = await meta.send({**TEXT, "to": USER_ID})
    assert (reached.status_code, lost.status_code) == (200, 200)
    assert [bubble.id for bubble in meta.stand_in.thread(USER_ID)] == [reached.json()["messages"][0]["id"]]


async def test_a_template_shows_its_texts_and_its_quick_replies(meta: Meta) -> None:
    await meta.send({**TEXT, "type": "template", "template": TEMPLATE})
    (bubble,) = meta.stand_in.thread(PHONE)
    assert bubble.kind is Kind.TEMPLATE
    assert bubble.text == "[card_request]\nuser-77@example.com"
    assert [(button.id, button.title) for button in bubble.buttons] == [("approve:7K3M9QXD", "Approve")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(without(TEXT, "messaging_product"), 100, id="no messaging_product"),
        pytest.param(without(TEXT, "to"), 100, id="neither to nor recipient"),
        pytest.param({**TEXT, "recipient": USER_ID}, 100, id="to and recipient"),
        pytest.param([], 100, id="no object"),
        pytest.param({**TEXT, "text": {"body": "x" * 4097}}, 100, id="text too long"),
        pytest.param({**TEXT, "to": 5}, 131009, id="to is a number"),
        pytest.param({**without(TEXT, "to"), "recipient": PHONE}, 131009, id="a phone as recipient"),
        pytest.param({**TEXT, "recipient_type": "group"}, 131009, id="group"),
        pytest.param({**TEXT, "biz_opaque_callback_data": "x" * 513}, 131009, id="reference too long"),
        pytest.param(without(TEXT, "text"), 131008, id="text missing"),
        pytest.param({**TEXT, "type": "interactive"}, 131008, id="interactive missing"),
        pytest.param({**TEXT, "type": "carrier_pigeon"}, 131051, id="unknown type"),
        pytest.param(question(), 131009, id="no buttons"),
        pytest.param(question(APPROVE, REJECT, *({"type": "reply", "reply": {"id": i, "title": i}} for i in "ab")), 131009, id="4"),
        pytest.param(question(APPROVE, APPROVE), 131009, id="twice the same button"),
        pytest.param(question({"type": "reply", "reply": {"id": "a", "title": "x" * 21}}), 131009, id="title too long"),
        pytest.param(question({"type": "url"}), 131009, id="no reply button"),
        pytest.param(question(APPROVE, body="x" * 1025), 131009, id="body too long"),
        pytest.param({**TEXT, "type": "template", "template": {**TEMPLATE, "name": "No Name"}}, 131009, id="template name"),
        pytest.param({**TEXT, "type": "template", "template": {"name": "a"}}, 131008, id="template without language"),
    ],
)
async def test_a_malformed_message_is_refused_under_metas_code(meta: Meta, body: Any, code: int) -> None:
    reply = await meta.send(body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error.keys() == {"message", "type", "code", "error_data", "fbtrace_id"}
    assert (error["code"], error["type"]) == (code, "OAuthException")
    assert error["error_data"]["messaging_product"] == "whatsapp"
    assert error["error_data"]["details"]
    assert meta.stand_in.thread(PHONE) == []


async def test_the_longest_that_is_allowed_passes(meta: Meta) -> None:
    longest = {"type": "reply", "reply": {"id": "i" * 256, "title": "t" * 20}}
    assert (await meta.send(question(longest, APPROVE, REJECT, body="x" * 1024))).status_code == 200
    assert (await meta.send({**TEXT, "text": {"body": "x" * 4096}})).status_code == 200


async def test_a_wrong_token_a_wrong_number_and_a_wrong_path_are_told_apart(meta: Meta) -> None:
    token, number = await meta.send(TEXT, token="guessed"), await meta.send(TEXT, number="999")
    nowhere = await meta.http.get("/v25.0/123456")
    assert (token.status_code, token.json()["error"]["code"]) == (401, 190)
    assert (number.status_code, number.json()["error"]["code"]) == (400, 100)
    assert number.json()["error"]["type"] == "GraphMethodException"
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (400, 2500)
    assert meta.stand_in.thread(PHONE) == []


async def test_outside_of_24_hours_only_templates_pass() -> None:
    clock = MovableClock()
    async with opened(clock=clock) as meta:
        assert (await meta.send(TEXT)).status_code == 200, "the window is not enforced unless asked for"
        meta.stand_in.behind.window_enforced = True
        assert (await meta.send(TEXT)).json()["error"]["code"] == 131047
        assert (await meta.send({**TEXT, "type": "template", "template": TEMPLATE})).status_code == 200
        meta.stand_in.behind.type(meta.stand_in.phone(PHONE), "hello")
        clock.pass_time(hours=23, minutes=59)
        assert (await meta.send(TEXT)).status_code == 200
        clock.pass_time(minutes=1)
        assert (await meta.send(TEXT)).json()["error"]["code"] == 131047


async def test_faults_strike_in_order_a_recipients_own_first(meta: Meta) -> None:
    meta.stand_in.plan(None, Fault(status=502))
    meta.stand_in.plan(PHONE, Fault(code=131056), Fault(code=131000), Fault(status=503, code=131016))
    answers = [await meta.send(TEXT) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [400, 500, 503, 502, 200]
    assert [answer.json()["error"]["code"] for answer in answers[:3]] == [131056, 131000, 131016]
    assert len(meta.stand_in.received(PHONE)) == 1


async def test_an_answer_can_be_spoilt_although_the_message_arrives(meta: Meta) -> None:
    meta.stand_in.plan(PHONE, Fault(answer=Answer.DROPPED), Fault(answer=Answer.NOT_JSON), Fault(answer=Answer.ID_LOST))
    with pytest.raises(httpx.RemoteProtocolError):
        await meta.send(TEXT)
    no_json, no_id = await meta.send(TEXT), await meta.send(TEXT)
    with pytest.raises(ValueError, match="Expecting value"):
        no_json.json()
    assert no_id.json()["messages"] == []
    assert len(meta.stand_in.received(PHONE)) == 3


async def test_a_refusal_can_lie(meta: Meta) -> None:
    meta.stand_in.plan(PHONE, Fault(status=500, taken=True))
    assert (await meta.send(TEXT)).status_code == 500
    assert len(meta.stand_in.received(PHONE)) == 1


async def test_a_late_answer_does_not_keep_the_message_from_the_phone(meta: Meta) -> None:
    meta.stand_in.plan(PHONE, Fault(delay_seconds=30))
    sending = asyncio.create_task(meta.send(TEXT))
    await meta.stand_in.next_message(PHONE)
    assert not sending.done()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


def token_url(stand_in: RunningStandIn, secret: str) -> httpx.URL:
    return httpx.URL(stand_in.url).copy_with(raw_path=f"/api/tazco-financial-api/{secret}/generate-token".encode())


async def test_wppconnect_gives_a_token_for_its_secret_and_sends_with_it(meta: Meta) -> None:
    wrong = await meta.http.post(token_url(meta.stand_in, "guessed"))
    right = await meta.http.post(token_url(meta.stand_in, "stand-in%2Fsecret%20key"))
    assert (wrong.status_code, right.status_code) == (400, 201)
    assert right.json().keys() == {"status", "session", "token", "full"}
    headers = {"authorization": f"Bearer {right.json()['token']}"}
    body = {"phone": [PHONE], "message": "Hello", "isGroup": False}
    assert (await meta.http.post("/api/tazco-financial-api/send-message", json=body)).status_code == 401
    assert (await meta.http.post("/api/another/send-message", json=body, headers=headers)).status_code == 401
    meta.stand_in.plan(PHONE, Fault(answer=Answer.ID_IN_OBJECT), Fault(answer=Answer.ID_ON_TOP))
    sent = [await meta.http.post("/api/tazco-financial-api/send-message", json=body, headers=headers) for _ in range(3)]
    ids = [bubble.id for bubble in meta.stand_in.thread(PHONE)]
    assert [reply.status_code for reply in sent] == [201, 201, 201]
    assert sent[0].json()["response"][0]["id"]["_serialized"] == ids[0]
    assert sent[1].json()["id"] == ids[1]
    assert sent[2].json()["response"] == [{"id": ids[2]}]
    by_user_id = await meta.http.post("/api/tazco-financial-api/send-message", json={**body, "phone": [USER_ID]}, headers=headers)
    assert by_user_id.status_code == 400
    meta.stand_in.behind.expire_wpp_tokens()
    assert (await meta.http.post("/api/tazco-financial-api/send-message", json=body, headers=headers)).status_code == 401


async def test_wppconnect_tells_whether_it_is_connected(meta: Meta) -> None:
    token = (await meta.http.post(token_url(meta.stand_in, "stand-in%2Fsecret%20key"))).json()["token"]
    headers, path = {"authorization": f"Bearer {token}"}, "/api/tazco-financial-api/check-connection-session"
    assert (await meta.http.get(path, headers=headers)).json() == {"status": True, "message": "Connected"}
    await meta.control("/habits", {"wppConnected": False})
    assert (await meta.http.get(path, headers=headers)).json()["status"] is False
    assert (await meta.http.get(path)).status_code == 401


async def test_statuses_follow_a_message_with_its_reference_and_in_order() -> None:
    api = Api()
    async with opened(api) as meta:
        message_id = (await meta.send(question(APPROVE))).json()["messages"][0]["id"]
        await meta.stand_in.courier.settled()
        await meta.control(f"/phones/{PHONE}/read", {})
        await meta.stand_in.courier.settled()
    assert api.ticks == ["sent", "delivered", "read"]
    status = api.values[0]["statuses"][0]
    assert (status["id"], status["biz_opaque_callback_data"], status["recipient_id"]) == (message_id, "notice-1", PHONE)
    assert api.values[0]["metadata"]["phone_number_id"] == "123456"
    assert status["timestamp"].isdigit()


async def test_every_webhook_is_signed_over_its_raw_bytes() -> None:
    api = Api()
    async with opened(api) as meta:
        await meta.control(f"/phones/{PHONE}/type", {"text": "não, obrigado"})
    (post,) = api.posts
    assert ACCOUNT.app_secret
    digest = hmac.new(ACCOUNT.app_secret.encode(), post.content, hashlib.sha256).hexdigest()
    assert post.headers["x-hub-signature-256"] == f"sha256={digest}"
    assert post.url.path == "/webhooks/whatsapp"
    assert "não".encode() in post.content


async def test_a_tap_and_a_text_have_metas_shape() -> None:
    api = Api()
    async with opened(api) as meta:
        meta.stand_in.behind.tells_ticks = False
        meta.stand_in.phone(PHONE, user_id=USER_ID, name="Desk")
        asked = (await meta.send(question(APPROVE, REJECT))).json()["messages"][0]["id"]
        tapped = await meta.control(f"/phones/{PHONE}/tap", {"button": "approve"})
        await meta.control(f"/phones/{PHONE}/type", {"text": "y 7K3M9QXD"})
    tap, text = (value["messages"][0] for value in api.values)
    assert tapped["taken"]
    assert tap["interactive"] == {"type": "button_reply", "button_reply": {"id": "approve:7K3M9QXD", "title": "Approve"}}
    assert (tap["type"], tap["from"], tap["from_user_id"], tap["context"]["id"]) == ("interactive", PHONE, USER_ID, asked)
    assert (text["type"], text["text"]) == ("text", {"body": "y 7K3M9QXD"})
    assert api.values[0]["contacts"] == [{"profile": {"name": "Desk"}, "wa_id": PHONE, "user_id": USER_ID}]
    assert tap["id"] != text["id"]


async def test_who_is_known_by_user_id_alone_sends_no_number() -> None:
    api = Api()
    async with opened(api) as meta:
        await meta.control(f"/phones/{USER_ID}/type", {"text": "hello"})
    (value,) = api.values
    assert "from" not in value["messages"][0]
    assert "wa_id" not in value["contacts"][0]
    assert value["messages"][0]["from_user_id"] == value["contacts"][0]["user_id"] == USER_ID


async def test_a_tap_on_a_template_comes_back_as_its_payload() -> None:
    api = Api()
    async with opened(api) as meta:
        meta.stand_in.behind.tells_ticks = False
        await meta.send({**TEXT, "type": "template", "template": TEMPLATE})
        await meta.control(f"/phones/{PHONE}/tap", {"button": "Approve"})
    message = api.values[0]["messages"][0]
    assert (message["type"], message["button"]) == ("button", {"payload": "approve:7K3M9QXD", "text": "Approve"})


async def test_a_webhook_is_sent_again_until_it_is_answered_200() -> None:
    api = Api(answers=[500, 404, 503])
    async with opened(api) as meta:
        told = await meta.control(f"/phones/{PHONE}/type", {"text": "hello"})
        assert not told["taken"], "the first answer is what the holder sees"
        await meta.stand_in.courier.settled()
        (delivery,) = (await meta.control("/webhooks"))["webhooks"]
    assert len({post.content for post in api.posts}) == 1
    assert (len(api.posts), delivery["attempts"], delivery["status"], delivery["ended"]) == (4, 4, 200, True)
    assert meta.stand_in.thread(PHONE)[0].tick is Tick.DELIVERED


async def test_a_webhook_that_nobody_answers_is_given_up() -> None:
    async with stand_in_running(f"http://127.0.0.1:{free_port()}") as stand_in:
        _, (delivery,) = stand_in.behind.type(stand_in.phone(PHONE), "hello")
        await stand_in.courier.settled()
    assert (delivery.attempts, delivery.status, delivery.ended) == (4, 0, True)
    assert stand_in.thread(PHONE)[0].tick is Tick.SENT


async def test_webhooks_come_doubled_in_parallel_reversed_or_as_one_when_told_so() -> None:
    api = Api()
    async with opened(api) as meta:
        behind = meta.stand_in.behind
        behind.type(meta.stand_in.phone(PHONE), "hello", Manner(copies=100, parallel=True))
        await behind.courier.settled()
        assert len(api.posts) == 100
        assert len({post.content for post in api.posts}) == 1
        api.posts.clear()
        behind.manner = Manner(order=Order.REVERSED)
        await meta.send(TEXT)
        await behind.courier.settled()
        assert api.ticks == ["delivered", "sent"]
        api.posts.clear()
        behind.manner = Manner(as_batch=True)
        await meta.send(TEXT)
        await behind.courier.settled()
    (post,) = api.posts
    changes = json.loads(post.content)["entry"][0]["changes"]
    assert [change["value"]["statuses"][0]["status"] for change in changes] == ["sent", "delivered"]


async def test_a_signature_can_be_wrong_or_missing() -> None:
    api = Api()
    async with opened(api) as meta:
        for signature in ("wrong", "missing", "good"):
            await meta.control(f"/phones/{PHONE}/type", {"text": "hello", "manner": {"signature": signature}})
    wrong, missing, good = (post.headers.get("x-hub-signature-256") for post in api.posts)
    assert missing is None
    assert wrong
    assert good
    assert wrong.startswith("sha256=")
    assert wrong != good


async def test_any_status_can_be_told_on_demand(meta: Meta) -> None:
    await meta.send(question(APPROVE))
    raw, _ = meta.stand_in.status("notice-1", "failed", code=131049)
    status = json.loads(raw)["entry"][0]["changes"][0]["value"]["statuses"][0]
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131049)
    told = await meta.control("/status", {"message": "notice-1", "status": "failed", "code": 131026})
    assert '"code":131026' in told["webhooks"][0]["body"]
    assert meta.stand_in.thread(PHONE)[0].tick is Tick.FAILED
    unknown = await meta.http.post("/stand-in/status", json={"message": "another", "status": "read"})
    assert unknown.status_code == 404


async def test_wppconnects_webhooks_carry_its_secret_nested_or_flat() -> None:
    api = Api()
    async with opened(api) as meta:
        behind, phone = meta.stand_in.behind, meta.stand_in.phone(PHONE)
        behind.arrive(phone, provider=Provider.WPPCONNECT, kind=Kind.TEXT, text="Hello")
        behind.type(phone, "y 7K3M9QXD")
        behind.type(phone, "y 7K3M9QXD", Manner(flat=True))
        await behind.courier.settled()
    assert {post.url.path for post in api.posts} == {"/webhooks/wpp-connect"}
    assert {post.headers["x-webhook-secret"] for post in api.posts} == {ACCOUNT.wpp_webhook_secret}
    nested, flat = (body for body in (json.loads(post.content) for post in api.posts) if body["event"] == "onmessage")
    assert nested["session"] == "tazco-financial-api"
    assert (nested["data"]["from"], nested["data"]["body"], nested["data"]["fromMe"]) == (f"{PHONE}@c.us", "y 7K3M9QXD", False)
    assert (flat["from"], flat["body"]) == (f"{PHONE}@c.us", "y 7K3M9QXD")


async def test_bodies_to_post_by_hand_are_those_that_would_be_sent(meta: Meta) -> None:
    raw, headers = meta.stand_in.tap(PHONE, "approve:7K3M9QXD", message_id="wamid.A")
    message = json.loads(raw)["entry"][0]["changes"][0]["value"]["messages"][0]
    assert (message["id"], message["interactive"]["button_reply"]["id"]) == ("wamid.A", "approve:7K3M9QXD")
    assert headers["X-Hub-Signature-256"]
    assert "X-Hub-Signature-256" not in meta.stand_in.typed(PHONE, "y", signature=Signature.MISSING)[1]
    assert meta.stand_in.wpp_typed(PHONE, "y")[1]["X-Webhook-Secret"] == ACCOUNT.wpp_webhook_secret
    assert meta.stand_in.thread(PHONE) == []


async def test_whoever_waits_for_a_message_gets_it_when_it_arrives(meta: Meta) -> None:
    waiting = asyncio.create_task(meta.control(f"/phones/{PHONE}/next?after=0&seconds=10"))
    following = asyncio.create_task(meta.control("/phones?seconds=10"))
    await meta.send(TEXT)
    assert (await waiting)["message"]["text"] == "Hello"
    assert (await following)["phones"][0]["address"] == PHONE
    revision = (await meta.control(f"/phones/{PHONE}/thread"))["revision"]
    changing = asyncio.create_task(meta.control(f"/phones/{PHONE}/thread?since={revision}&seconds=10"))
    assert not (await asyncio.wait({changing}, timeout=0.1))[0], "nothing has changed yet"
    await meta.send(TEXT)
    assert [bubble["text"] for bubble in (await changing)["thread"]] == ["Hello", "Hello"]
    assert (await meta.control(f"/phones/{PHONE}/next?after=2&seconds=0"))["message"] is None
    assert [each["number"] for each in (await meta.control("/messages?last=1"))["messages"]] == [2]


async def test_the_control_api_says_what_is_wrong_with_a_call(meta: Meta) -> None:
    for path, body, status, told in (
        ("/plan", {"faults": [{"satus": 500}]}, 400, "satus"),
        ("/phones", {"name": "Desk"}, 400, "number or userId"),
        (f"/phones/{PHONE}/tap", {"button": "approve"}, 404, "nothing was sent to it yet"),
        (f"/phones/{PHONE}/type", {"text": ""}, 400, "text"),
    ):
        reply = await meta.http.post(f"/stand-in{path}", json=body)
        assert reply.status_code == status
        assert told in reply.json()["error"]
    await meta.send(question(APPROVE))
    reply = await meta.http.post(f"/stand-in/phones/{PHONE}/tap", json={"button": "maybe"})
    assert (reply.status_code, "it has: Approve" in reply.json()["error"]) == (404, True)


async def test_faults_can_be_planned_from_another_process(meta: Meta) -> None:
    await meta.control("/plan", {"recipient": PHONE, "faults": [{"code": 131056}, {"answer": "id_lost"}]})
    assert (await meta.send(TEXT)).json()["error"]["code"] == 131056
    assert (await meta.send(TEXT)).json()["messages"] == []
    await meta.control("/forget", {})
    assert (await meta.control("/phones"))["phones"] == []


async def test_the_handshake_proves_the_api() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        right = request.url.params["hub.verify_token"] == ACCOUNT.verify_token
        return httpx.Response(200, text=echo or request.url.params["hub.challenge"]) if right else httpx.Response(403)

    echo = ""

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://api.test") as api:
        async with stand_in_running(api) as stand_in:
            assert await stand_in.courier.shake_hands()
            echo = "something else"
            assert not await stand_in.courier.shake_hands()
            echo = ""
        async with stand_in_running(api, account=Account(verify_token="another")) as stand_in:
            assert not await stand_in.courier.shake_hands()


def test_a_thread_keeps_the_newest_messages_and_a_phone_keeps_both_its_addresses() -> None:
    phones = Phones(system_clock)
    phone = phones.phone(PHONE)
    for number in range(BUBBLES_MAX + 10):
        phones.add(phone, sender=Sender.BUSINESS, provider=Provider.META, kind=Kind.TEXT, text=str(number))
    assert (len(phone.thread), phone.thread[0].text) == (BUBBLES_MAX, "10")
    phones.register(number=PHONE, user_id=USER_ID, name="Desk")
    assert phones.known(USER_ID) is phones.known(f"+{PHONE}") is phone
    assert [each.name for each in phones] == ["Desk"]


def test_a_tick_never_moves_back() -> None:
    phones = Phones(system_clock)
    bubble = phones.add(phones.phone(PHONE), sender=Sender.BUSINESS, provider=Provider.META, kind=Kind.TEXT, text="Hello")
    told = [phones.ticked(bubble, tick).tick for tick in (Tick.READ, Tick.DELIVERED)]
    assert told[0] is Tick.READ
    assert [each.tick for each in phones.phone(PHONE).thread] == [Tick.READ]


async def test_the_process_serves_sends_webhooks_and_ends_when_told(tmp_path: Any) -> None:
    async def take(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b'{"ok":true,"results":[]}'))

    async with serving(take) as api:
        port = free_port()
        code = f"import sys; from tazco.local.stand_in.server import serve; sys.exit(serve('127.0.0.1', {port}, '{api.url}', with_parent=True))"
        secrets = {"TAZCO_WHATSAPP_META_APP_SECRETS": "new,old", "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID": "1"}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, cwd=tmp_path, env={**os.environ, **secrets}
        )
        try:
            await _typed(api, port)
            child.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await child.wait() == 0
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()


async def _typed(api: Server, port: int) -> None:
    """Type something as soon as it is up, and see the API called with the newer secret."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(20):
        while True:
            try:
                assert (await client.get("/stand-in/health")).status_code == 200
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
        reply = await client.post(f"/stand-in/phones/{PHONE}/type", json={"text": "hello"})
        assert reply.json()["taken"]
    await until(lambda: len(api.requests) == 1)
    digest = hmac.new(b"new", api.requests[0].body, hashlib.sha256).hexdigest()
    assert api.requests[0].headers["x-hub-signature-256"] == f"sha256={digest}"
