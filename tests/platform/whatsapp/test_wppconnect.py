"""WPPConnect's client against a small server of ours; time is moved by hand."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import structlog

from tazco.platform.whatsapp.messages import Button, Content, Question, Recipient, SendFailed, Template, Text, Verdict
from tazco.platform.whatsapp.outbound import Line
from tazco.platform.whatsapp.wppconnect import WppMessenger
from tests.platform.servers import Request, Server, http, nothing_unheard, serving, until

PHONE = Recipient(phone="5511900000000", user_id="BR.1")
TEXT = Text("a confidential text")
SECRET = "hush/hush ?#é"
SECRET_IN_PATH = "hush%2Fhush%20%3F%23%C3%A9"
SENT = http(orjson.dumps({"status": "success", "response": [{"id": "true_1"}], "mapper": "return"}), 201)
CONNECTED = http(b'{"status":true,"message":"Connected"}')
HANG_UP = b""


@pytest.fixture(autouse=True)
async def _quiet() -> AsyncIterator[None]:
    async with nothing_unheard():
        yield


@dataclass
class Bridge:
    """A WPPConnect server: planned answers by call, else good ones; and the clock and pauses of its client."""

    token: deque[bytes] = field(default_factory=deque)
    send: deque[bytes] = field(default_factory=deque)
    check: deque[bytes] = field(default_factory=deque)
    calls: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    now: datetime = datetime(2031, 4, 5, tzinfo=UTC)
    tokens_given: int = 0
    tokens_good: set[str] = field(default_factory=set)
    gate: asyncio.Event | None = None
    server: Server = field(init=False)
    client: WppMessenger = field(init=False)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        call = request.line.split()[1].rsplit("/", 1)[1]
        self.calls.append(call)
        if self.gate is not None:
            await self.gate.wait()
        planned = {"generate-token": self.token, "send-message": self.send, "check-connection-session": self.check}[call]
        if call != "generate-token" and request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens_good:
            writer.write(http(b'{"error":"Check that the Session and Token are correct"}', 401))
        elif planned:
            self._write(writer, planned.popleft())
        elif call == "generate-token":
            writer.write(self._new_token())
        else:
            writer.write(SENT if call == "send-message" else CONNECTED)

    @staticmethod
    def _write(writer: asyncio.StreamWriter, answer: bytes) -> None:
        if answer == HANG_UP:
            writer.transport.abort()
        else:
            writer.write(answer)

    def _new_token(self) -> bytes:
        self.tokens_given += 1
        token = f"$2b$10${self.tokens_given}"
        self.tokens_good.add(token)
        return http(orjson.dumps({"status": "success", "session": "s", "token": token, "full": f"s:{token}"}), 201)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def sent(self, content: Content = TEXT, recipient: Recipient = PHONE) -> str:
        return await self.client.send(recipient, content, "n-1")

    async def failure(self, content: Content = TEXT, recipient: Recipient = PHONE) -> SendFailed:
        with pytest.raises(SendFailed) as caught:
            await self.sent(content, recipient)
        return caught.value

    def bodies(self) -> list[Any]:
        return [orjson.loads(request.body) for request in self.server.requests if "send-message" in request.line]


@asynccontextmanager
async def bridging(
    call_seconds: float = 5.0, send_seconds: float = 20.0, session: str = "tazco-financial-api"
) -> AsyncIterator[Bridge]:
    bridge = Bridge()
    async with serving(bridge.answer) as bridge.server:
        bridge.client = WppMessenger(
            base_url=bridge.server.url,
            session=session,
            secret_key=SECRET,
            clock=lambda: bridge.now,
            pause=bridge.pause,
            send_seconds=send_seconds,
            line=Line("WPPConnect", call_seconds),
        )
        try:
            yield bridge
        finally:
            await bridge.client.close()


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    async with bridging() as opened:
        yield opened


async def test_a_text_goes_out_with_a_token_that_the_secret_bought(bridge: Bridge) -> None:
    assert await bridge.sent() == "true_1"
    token, send = bridge.server.requests
    assert token.line == f"POST /api/tazco-financial-api/{SECRET_IN_PATH}/generate-token HTTP/1.1"
    assert (token.body, "authorization" in token.headers) == (b"", False)
    assert send.line == "POST /api/tazco-financial-api/send-message HTTP/1.1"
    assert send.headers["authorization"] == "Bearer $2b$10$1"
    assert bridge.bodies() == [{"phone": ["5511900000000"], "message": "a confidential text", "isGroup": False}]


async def test_the_session_is_encoded_into_the_path() -> None:
    async with bridging(session="a/b c") as bridge:
        await bridge.sent()
        assert bridge.server.requests[1].line == "POST /api/a%2Fb%20c/send-message HTTP/1.1"


async def test_a_question_goes_out_as_its_body_and_what_is_too_long_is_cut(bridge: Bridge) -> None:
    await bridge.sent(Question("Reply y 7K3M9QXD", (Button("approve:7K3M9QXD", "Approve"),)))
    await bridge.sent(Text("é" * 4097))
    assert [body["message"] for body in bridge.bodies()] == ["Reply y 7K3M9QXD", "é" * 4095 + "…"]


async def test_templates_and_recipients_without_a_phone_are_given_up_without_a_call(bridge: Bridge) -> None:
    for failed in (await bridge.failure(Template("t", "en", ())), await bridge.failure(recipient=Recipient(user_id="BR.1"))):
        assert failed.verdict is Verdict.GIVE_UP
    assert bridge.calls == []
    assert (bridge.client.provider, bridge.client.has_window) == ("wppconnect", False)


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        ({"response": [{"id": {"_serialized": "true_2", "fromMe": True}}]}, "true_2"),
        ({"response": {"id": "true_3"}}, "true_3"),
        ({"id": "true_4"}, "true_4"),
        ({"id": {"_serialized": "true_5"}, "response": []}, "true_5"),
    ],
)
async def test_the_id_is_found_in_every_form(bridge: Bridge, body: dict[str, Any], message_id: str) -> None:
    bridge.send.append(http(orjson.dumps(body), 201))
    assert await bridge.sent() == message_id


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"response":[]}', b'{"response":"x"}', b'{"response":[7]}', b'{"id":7}', b'{"id":{"_serialized":7}}'],
)
async def test_a_good_answer_without_an_id_is_tried_again_later_and_not_at_once(bridge: Bridge, body: bytes) -> None:
    bridge.send.append(http(body, 201))
    failed = await bridge.failure()
    assert (failed.verdict, failed.code, bridge.pauses) == (Verdict.RETRY, "no_id", [])


async def test_the_token_is_kept_for_23_hours(bridge: Bridge) -> None:
    await bridge.sent()
    bridge.now += timedelta(hours=22, minutes=59)
    await bridge.sent()
    assert bridge.tokens_given == 1
    bridge.now += timedelta(minutes=1)
    await bridge.sent()
    assert bridge.tokens_given == 2


async def test_fifty_messages_at_once_share_one_token(bridge: Bridge) -> None:
    assert await asyncio.gather(*(bridge.sent() for _ in range(50))) == ["true_1"] * 50
    assert bridge.tokens_given == 1


async def test_a_refused_token_is_renewed_once_for_all_who_held_it(bridge: Bridge) -> None:
    await bridge.sent()
    bridge.tokens_good.clear()
    assert await asyncio.gather(*(bridge.sent() for _ in range(20))) == ["true_1"] * 20
    assert bridge.tokens_given == 2


async def test_a_token_that_is_refused_when_new_raises_the_alarm(bridge: Bridge) -> None:
    bridge.send.extend([http(b"{}", 401)] * 2)
    failed = await bridge.failure()
    assert (failed.verdict, failed.code, bridge.tokens_given, bridge.pauses) == (Verdict.ALARM, "http_401", 2, [])


async def test_a_wrong_secret_raises_the_alarm_and_names_the_variable(bridge: Bridge) -> None:
    bridge.token.append(http(b'{"response":false,"message":"The SECRET_KEY is incorrect"}', 400))
    failed = await bridge.failure()
    assert (failed.verdict, failed.code, bridge.pauses) == (Verdict.ALARM, "http_400", [])
    assert "TAZCO_WPP_SECRET_KEY" in str(failed)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"token":7}', b'{"token":""}', b'{"token":"a\\nb"}', '{"token":"é"}'.encode()])
async def test_a_token_that_is_none_is_tried_again(bridge: Bridge, body: bytes) -> None:
    bridge.token.append(http(body, 201))
    assert (await bridge.failure()).verdict is Verdict.RETRY
    assert await bridge.sent() == "true_1"


@pytest.mark.parametrize("trouble", [HANG_UP, http(b"{}", 500), http(b"<html>", 503)])
async def test_three_quick_retries_with_growing_pauses_and_then_no_more(bridge: Bridge, trouble: bytes) -> None:
    bridge.send.extend([trouble] * 3)
    assert await bridge.sent() == "true_1"
    assert bridge.pauses == [1.0, 2.0, 4.0]
    bridge.pauses.clear()
    bridge.calls.clear()
    bridge.send.extend([trouble] * 5)
    assert (await bridge.failure()).verdict is Verdict.RETRY
    assert (bridge.calls.count("send-message"), bridge.pauses) == (4, [1.0, 2.0, 4.0])


async def test_trouble_with_the_token_is_retried_quickly_too(bridge: Bridge) -> None:
    bridge.token.extend([http(b"", 502), HANG_UP])
    assert await bridge.sent() == "true_1"
    assert bridge.pauses == [1.0, 2.0]


@pytest.mark.parametrize(("status", "code"), [(400, "http_400"), (404, "http_404"), (302, "http_302"), (429, "http_429")])
async def test_any_other_refusal_waits_for_the_next_attempt(bridge: Bridge, status: int, code: str) -> None:
    bridge.send.append(http(b'{"response":null,"status":"Disconnected"}', status))
    failed = await bridge.failure()
    assert (failed.verdict, failed.code, bridge.pauses) == (Verdict.RETRY, code, [])


async def test_a_slow_server_is_not_sent_the_same_message_again_at_once() -> None:
    async with bridging(call_seconds=0.2) as bridge:
        await bridge.sent()
        bridge.gate = asyncio.Event()
        failed = await bridge.failure()
        assert (failed.verdict, failed.code, bridge.pauses) == (Verdict.RETRY, "timeout", [])
        assert bridge.calls.count("send-message") == 2


async def test_all_retries_together_end_in_time() -> None:
    async with asyncio.timeout(3), bridging(send_seconds=0.2) as bridge:
        bridge.gate = asyncio.Event()
        failed = await bridge.failure()
        assert (failed.verdict, failed.code) == (Verdict.RETRY, "timeout")


async def test_who_gives_up_waiting_does_not_end_the_fetch_of_the_token_for_others(bridge: Bridge) -> None:
    bridge.gate = asyncio.Event()
    first, second = (asyncio.create_task(bridge.sent()) for _ in range(2))
    while not bridge.calls:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    bridge.gate.set()
    assert (await second, bridge.tokens_given) == ("true_1", 1)


async def test_a_fetch_that_fails_after_everybody_left_is_not_reported_as_unheard() -> None:
    async with bridging() as bridge:
        bridge.token.append(http(b"", 502))
        bridge.gate = asyncio.Event()
        waiter = asyncio.create_task(bridge.sent())
        while not bridge.calls:
            await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        fetch = bridge.client._token._task
        assert fetch is not None
        bridge.gate.set()
        await until(fetch.done)
        del fetch
        assert await bridge.sent() == "true_1"


@pytest.mark.parametrize(
    ("answer", "connected"),
    [
        (CONNECTED, True),
        (http(b'{"status":true,"message":"CONNECTED"}'), True),
        (http(b'{"status":"CONNECTED"}'), True),
        (http(b'{"message":"CONNECTED"}'), True),
        (http(b'{"status":false,"message":"Disconnected"}'), False),
        (http(b'{"status":false,"message":"Connected"}'), False),
        (http(b'{"status":true,"message":"Disconnected"}'), False),
        (http(b'{"status":true,"message":["Connected"]}'), False),
        (http(b'{"status":true}'), False),
        (http(b"Connected"), False),
        (http(b'{"status":true,"message":"Connected"}', 500), False),
        (HANG_UP, False),
    ],
)
async def test_only_a_session_that_says_so_is_connected(bridge: Bridge, answer: bytes, connected: bool) -> None:  # noqa: FBT001  # a parameter of the table
    bridge.check.append(answer)
    assert await bridge.client.connected() is connected


async def test_the_probe_is_kept_for_30_seconds_and_shared(bridge: Bridge) -> None:
    bridge.check.append(HANG_UP)
    assert await asyncio.gather(*(bridge.client.connected() for _ in range(20))) == [False] * 20
    bridge.now += timedelta(seconds=29)
    assert await bridge.client.connected() is False
    assert bridge.calls.count("check-connection-session") == 1
    bridge.now += timedelta(seconds=1)
    assert await bridge.client.connected() is True
    assert bridge.calls.count("check-connection-session") == 2


async def test_a_probe_without_an_answer_or_a_token_says_not_connected() -> None:
    async with bridging(call_seconds=0.2) as bridge:
        bridge.token.append(http(b"{}", 400))
        assert await bridge.client.connected() is False
        bridge.now += timedelta(seconds=30)
        bridge.gate = asyncio.Event()
        assert await bridge.client.connected() is False


async def test_neither_secret_nor_text_nor_token_are_in_logs_errors_or_reprs(
    bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as ours:
        bridge.token.append(http(b"{}", 500))
        bridge.send.extend([http(orjson.dumps({"message": f"{SECRET} {TEXT.body}"}), 500), HANG_UP])
        assert await bridge.sent() == "true_1"
        bridge.send.append(http(orjson.dumps({"message": f"{SECRET} {TEXT.body}"}), 400))
        failures = [await bridge.failure()]
        bridge.tokens_good.clear()
        bridge.token.append(http(orjson.dumps({"message": SECRET}), 400))
        failures.append(await bridge.failure())
        bridge.token.append(HANG_UP)
        assert not await bridge.client.connected()
    assert {entry["event"] for entry in ours} == {"whatsapp.quick_retry", "whatsapp.not_connected"}
    said = f"{ours} {caplog.text} {failures} {bridge.client!r}"
    assert not [
        said[max(0, said.find(secret) - 80) :][:200]
        for secret in ("hush", "confidential", "$2b$10$", "5511900000000")
        if secret in said
    ]
