"""The Cloud API's client against real sockets that answer well and badly."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from tazco.platform.whatsapp.messages import Button, Content, Question, Recipient, SendFailed, Template, Text, Verdict
from tazco.platform.whatsapp.meta import MetaMessenger, body_of
from tazco.platform.whatsapp.outbound import ANSWER_BYTES_MAX, Line
from tests.platform.servers import Request, Server, http, nothing_unheard, serving, speaking

PHONE = Recipient(phone="5511900000000")
TEXT = Text("a confidential text")
TOKEN = "EAA-confidential-token"
SENT = orjson.dumps({"messaging_product": "whatsapp", "messages": [{"id": "wamid.A"}]})
ASK = Question("[CARD REQUEST] #7K3M9QXD\n…", (Button("approve:7K3M9QXD", "Approve"), Button("reject:7K3M9QXD", "Reject")))


@pytest.fixture(autouse=True)
async def _quiet() -> AsyncIterator[None]:
    async with nothing_unheard():
        yield


@asynccontextmanager
async def messenger(url: str, seconds: float = 5.0, token: str = TOKEN) -> AsyncIterator[MetaMessenger]:
    opened = MetaMessenger(
        base_url=url + "/", api_version="v25.0", phone_number_id="123456", access_token=token, line=Line("Meta", seconds)
    )
    try:
        yield opened
    finally:
        await opened.close()


def answering(answer: bytes) -> Callable[[Request, asyncio.StreamWriter], Awaitable[None]]:
    async def write(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return write


async def send_to(answer: bytes, content: Content = TEXT, recipient: Recipient = PHONE) -> tuple[str, Request]:
    async with serving(answering(answer)) as server, messenger(server.url) as meta:
        message_id = await meta.send(recipient, content, "n-1")
        (request,) = server.requests
        return message_id, request


async def failure_of(answer: bytes, seconds: float = 5.0) -> SendFailed:
    async with serving(answering(answer)) as server, messenger(server.url, seconds) as meta:
        with pytest.raises(SendFailed) as caught:
            await meta.send(PHONE, TEXT, "n-1")
        assert len(server.requests) == 1
        return caught.value


def refusal(code: Any, status: int = 400) -> bytes:
    return http(
        orjson.dumps({"error": {"message": f"(#{code}) {TOKEN}: {TEXT.body}", "type": "OAuthException", "code": code}}), status
    )


async def test_a_text_goes_out_exactly_as_the_cloud_api_wants_it() -> None:
    message_id, request = await send_to(http(SENT))
    assert message_id == "wamid.A"
    assert request.line == "POST /v25.0/123456/messages HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert orjson.loads(request.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "5511900000000",
        "biz_opaque_callback_data": "n-1",
        "type": "text",
        "text": {"body": "a confidential text"},
    }


async def test_a_question_goes_out_with_its_buttons() -> None:
    _, request = await send_to(http(SENT), ASK)
    assert orjson.loads(request.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "5511900000000",
        "biz_opaque_callback_data": "n-1",
        "type": "interactive",
        "interactive": {
            "type": "button",
            "body": {"text": "[CARD REQUEST] #7K3M9QXD\n…"},
            "action": {
                "buttons": [
                    {"type": "reply", "reply": {"id": "approve:7K3M9QXD", "title": "Approve"}},
                    {"type": "reply", "reply": {"id": "reject:7K3M9QXD", "title": "Reject"}},
                ]
            },
        },
    }


def test_a_template_carries_its_texts_and_what_its_buttons_send_back() -> None:
    template = Template("card_request", "pt_BR", ("user-77", "R$\u00a01.234,56\n  now"), ("approve:7K3M9QXD", "reject:7K3M9QXD"))
    assert body_of(PHONE, template, "n-1") == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "5511900000000",
        "biz_opaque_callback_data": "n-1",
        "type": "template",
        "template": {
            "name": "card_request",
            "language": {"code": "pt_BR"},
            "components": [
                {
                    "type": "body",
                    "parameters": [{"type": "text", "text": "user-77"}, {"type": "text", "text": "R$\u00a01.234,56 now"}],
                },
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "0",
                    "parameters": [{"type": "payload", "payload": "approve:7K3M9QXD"}],
                },
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "1",
                    "parameters": [{"type": "payload", "payload": "reject:7K3M9QXD"}],
                },
            ],
        },
    }


def test_a_template_without_gaps_and_buttons_has_no_components() -> None:
    assert body_of(PHONE, Template("hello", "en", ()), "n-1")["template"]["components"] == []


def test_a_user_id_goes_into_recipient_and_never_into_to() -> None:
    body = body_of(Recipient(user_id="BR.1349120865530274"), TEXT, "n-1")
    assert body["recipient"] == "BR.1349120865530274"
    assert "to" not in body
    assert "recipient" not in body_of(Recipient(phone="5511900000000", user_id="BR.1"), TEXT, "n-1")


async def test_a_recipient_of_whom_nothing_is_known_is_given_up() -> None:
    async with messenger("http://127.0.0.1:9") as meta:
        with pytest.raises(SendFailed) as caught:
            await meta.send(Recipient(), TEXT, "n-1")
    assert (caught.value.verdict, caught.value.code) == (Verdict.GIVE_UP, "no_recipient")


def test_what_is_too_long_is_cut_with_an_ellipsis() -> None:
    question = body_of(PHONE, Question("b" * 1025, (Button("i", "t" * 21), Button("j", "t" * 20))), "n-1")["interactive"]
    assert question["body"]["text"] == "b" * 1023 + "…"
    assert [button["reply"]["title"] for button in question["action"]["buttons"]] == ["t" * 19 + "…", "t" * 20]
    assert body_of(PHONE, Text("é" * 4097), "n-1")["text"]["body"] == "é" * 4095 + "…"
    assert body_of(PHONE, Text("é" * 4096), "n-1")["text"]["body"] == "é" * 4096


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        (131047, 400, Verdict.AS_TEMPLATE),
        (130429, 429, Verdict.RETRY),
        (131026, 400, Verdict.GIVE_UP),
        (190, 401, Verdict.ALARM),
        (3, 500, Verdict.ALARM),
        (0, 401, Verdict.ALARM),
        (132001, 404, Verdict.ALARM),
        (999, 400, Verdict.RETRY),
        (2, 503, Verdict.RETRY),
    ],
)
async def test_the_error_code_decides_and_not_the_status(code: int, status: int, verdict: Verdict) -> None:
    failed = await failure_of(refusal(code, status))
    assert (failed.verdict, failed.code) == (verdict, str(code))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http(b"<html>bad gateway</html>", 502), "http_502"),
        (http(b"", 500), "http_500"),
        (http(b"slow down", 429), "http_429"),
        (http(b"[]", 404), "http_404"),
        (http(b'{"error":"no"}', 400), "http_400"),
        (refusal("131026"), "http_400"),
        (refusal(True), "http_400"),
        (refusal(131026.5), "http_400"),
        (http(b'{"error":{"code":NaN}}', 400), "http_400"),
        (http(b"[" * 60_000, 400), "http_400"),
        (http(SENT, 302, location="http://127.0.0.1:1/"), "http_302"),
        (http(SENT, 400), "http_400"),
        (http(b"{}"), "no_id"),
        (http(b'{"messages":[]}'), "no_id"),
        (http(b'{"messages":[{"id":7}]}'), "no_id"),
        (http(b'{"messages":[{"id":""}]}'), "no_id"),
        (http(b'{"messages":{"id":"wamid.A"}}'), "no_id"),
        (http(b"<html>"), "no_id"),
        (http(b'{"messages":[{"id":"wamid.A"}],"pad":"' + b"x" * ANSWER_BYTES_MAX + b'"}'), "no_id"),
        (http(SENT, content_encoding="gzip"), ""),
        (b"nonsense\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{}", "timeout"),
    ],
)
async def test_what_makes_no_sense_is_tried_again(answer: bytes, code: str) -> None:
    if not code:
        assert (await send_to(answer))[0] == "wamid.A"  # we asked for no compression, so nothing is unpacked
        return
    failed = await failure_of(answer, 0.3 if code == "timeout" else 5.0)
    assert (failed.verdict, failed.code) == (Verdict.RETRY, code)


async def test_an_error_inside_a_good_answer_counts() -> None:
    assert (await failure_of(refusal(190, 200))).verdict is Verdict.ALARM


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    written = 0

    async def flood(_request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            written += 65_536
            await writer.drain()

    async with serving(flood) as server, messenger(server.url) as meta:
        with pytest.raises(SendFailed) as caught:
            await meta.send(PHONE, TEXT, "n-1")
    assert caught.value.code == "no_id"
    assert written < 50_000_000


async def test_silence_ends_after_the_time_for_a_call() -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()
        writer.close()

    async with speaking(silent) as server, messenger(server.url, 0.2) as meta:
        with pytest.raises(SendFailed) as caught:
            await meta.send(PHONE, TEXT, "n-1")
    assert (caught.value.verdict, caught.value.code) == (Verdict.RETRY, "timeout")


async def test_an_answer_that_trickles_ends_after_the_time_for_a_call_too() -> None:
    async def trickle(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with asyncio.timeout(5), serving(trickle) as server, messenger(server.url, 0.2) as meta:
        with pytest.raises(SendFailed) as caught:
            await meta.send(PHONE, TEXT, "n-1")
    assert caught.value.code == "timeout"


async def test_a_provider_that_is_not_there_is_unreachable() -> None:
    async with serving(answering(b"")) as server:
        url = server.url
    async with messenger(url) as meta:
        with pytest.raises(SendFailed) as caught:
            await meta.send(PHONE, TEXT, "n-1")
    assert (caught.value.verdict, caught.value.code) == (Verdict.RETRY, "unreachable")


async def test_a_cancelled_send_leaves_a_messenger_that_still_works() -> None:
    slow = asyncio.Event()

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        await slow.wait()
        writer.write(http(SENT))

    async with serving(answer) as server, messenger(server.url) as meta:
        sending = asyncio.create_task(meta.send(PHONE, TEXT, "n-1"))
        while not server.requests:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        slow.set()
        assert await meta.send(PHONE, TEXT, "n-1") == "wamid.A"


async def test_the_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await send_to(http(SENT)))[0] == "wamid.A"


async def test_neither_token_nor_text_are_in_logs_or_errors_even_at_debug(capfd: pytest.CaptureFixture[str]) -> None:
    heard = io.StringIO()
    handler, root = logging.StreamHandler(heard), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        failures = [await failure_of(answer) for answer in (refusal(190, 401), http(b"x", 500), b"nonsense\r\n\r\n")]
        async with serving(answering(http(SENT))) as server, messenger(server.url, token=TOKEN + "\r\nx: y") as meta:
            with pytest.raises(SendFailed) as caught:
                await meta.send(PHONE, TEXT, "n-1")
        assert TOKEN not in repr(meta)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    said = heard.getvalue() + "".join(capfd.readouterr()) + "".join(map(str, [*failures, caught.value]))
    assert "confidential" not in said
    assert "5511900000000" not in said


async def test_it_is_always_connected_and_has_the_window() -> None:
    async with messenger("http://127.0.0.1:9") as meta:
        assert (meta.provider, meta.has_window, await meta.connected()) == ("meta", True, True)


async def test_twenty_messages_at_once_keep_their_answers_apart() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        reference = orjson.loads(request.body)["biz_opaque_callback_data"]
        writer.write(http(orjson.dumps({"messages": [{"id": f"wamid.{reference}"}]})))

    async with serving(answer) as server, messenger(server.url) as meta:
        ids = await asyncio.gather(*(meta.send(PHONE, TEXT, f"n-{number}") for number in range(20)))
    assert ids == [f"wamid.n-{number}" for number in range(20)]
    assert isinstance(server, Server)
