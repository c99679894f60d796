"""Every row of the error table, through the real clients, against the stand-in on a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from tazco.kernel.clock import system_clock
from tazco.local.stand_in.faults import CHECK_CONNECTION, GENERATE_TOKEN, Answer
from tazco.platform.jsontext import parse_object
from tazco.platform.settings import Settings
from tazco.platform.whatsapp.choosing import messenger_for
from tazco.platform.whatsapp.incoming import Incoming, StatusUpdate, parse_meta, parse_wppconnect
from tazco.platform.whatsapp.messages import Button, Content, Messenger, Question, Recipient, SendFailed, Template, Text, Verdict
from tazco.platform.whatsapp.meta import MetaMessenger
from tazco.platform.whatsapp.outbound import Line
from tazco.platform.whatsapp.signatures import check_secret, check_signature
from tazco.platform.whatsapp.verdicts import verdict_of
from tazco.platform.whatsapp.wppconnect import WppMessenger
from tests.platform.servers import nothing_unheard
from tests.stand_in import Fault, Kind, RunningStandIn, stand_in_running

NUMBER = "5511900000000"
PHONE = Recipient(phone=NUMBER)
USER = Recipient(user_id="BR.1349120865530274")
TEXT = Text("[PAYMENT RECEIVED]")
ASK = Question("[CARD REQUEST] #7K3M9QXD", (Button("approve:7K3M9QXD", "Approve"), Button("reject:7K3M9QXD", "Reject")))
TEMPLATE = Template("card_request", "en", ("user-77", "low", "430", "7K3M9QXD"), ("approve:7K3M9QXD", "reject:7K3M9QXD"))

CODES = {
    Verdict.AS_TEMPLATE: (131047,),
    Verdict.RETRY: (4, 80007, 130429, 131000, 131016, 131048, 131056, 131057, 135000, 1, 2, 33, 999_999),
    Verdict.GIVE_UP: (131021, 131026, 131030, 131049, 131050, 131062),
    Verdict.ALARM: (
        *(0, 3, 10, 100, 190, *range(200, 300), 368, 131008, 131009, 131031, 131042, 131045, 131051),
        *(132000, 132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069, 132999),
    ),
}


@pytest.fixture(scope="module")
async def stand_in() -> AsyncIterator[RunningStandIn]:
    async with nothing_unheard(), stand_in_running() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_window(stand_in: RunningStandIn) -> None:
    stand_in.behind.faults.forget()
    stand_in.behind.window_enforced = False


def settings(stand_in: RunningStandIn, **more: Any) -> Settings:
    needed: dict[str, Any] = {"cognito_user_pool_id": "p", "cognito_client_ids": ("c",), "cursor_secrets": (SecretStr("s" * 32),)}
    return Settings(**needed, **{**stand_in.settings, **more})


@asynccontextmanager
async def messenger(stand_in: RunningStandIn, provider: str = "meta", **more: Any) -> AsyncIterator[Messenger]:
    opened = messenger_for(settings(stand_in, whatsapp_provider=provider, **more), system_clock)
    assert opened is not None
    if isinstance(opened, WppMessenger):
        opened.pause = no_pause
    try:
        yield opened
    finally:
        await opened.close()


async def no_pause(_seconds: float) -> None:
    """Quick retries of a test are quick."""


async def failure(messenger: Messenger, content: Content = TEXT, recipient: Recipient = PHONE) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        await messenger.send(recipient, content, "n-1")
    return caught.value


@pytest.mark.parametrize(("verdict", "code"), [(verdict, code) for verdict, codes in CODES.items() for code in codes])
async def test_every_code_has_its_verdict(stand_in: RunningStandIn, verdict: Verdict, code: int) -> None:
    stand_in.plan(NUMBER, Fault(code=code))
    async with messenger(stand_in) as meta:
        failed = await failure(meta, ASK)
    assert (failed.verdict, failed.code) == (verdict, str(code))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 403, 302])
async def test_an_answer_by_something_in_between_is_tried_again(stand_in: RunningStandIn, status: int) -> None:
    stand_in.plan(NUMBER, Fault(status=status))
    async with messenger(stand_in) as meta:
        failed = await failure(meta)
    assert (failed.verdict, failed.code) == (Verdict.RETRY, f"http_{status}")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(answer=Answer.DROPPED), "unreachable"),
        (Fault(answer=Answer.NOT_JSON), "no_id"),
        (Fault(answer=Answer.ID_LOST), "no_id"),
    ],
)
async def test_nobody_knows_whether_it_arrived_and_so_it_is_tried_again(stand_in: RunningStandIn, fault: Fault, code: str) -> None:
    stand_in.plan(NUMBER, fault)
    before = len(stand_in.received(NUMBER))
    async with messenger(stand_in) as meta:
        failed = await failure(meta)
    assert (failed.verdict, failed.code) == (Verdict.RETRY, code)
    assert len(stand_in.received(NUMBER)) == before + 1


@pytest.mark.parametrize("provider", ["meta", "wppconnect"])
async def test_a_time_out_is_tried_again(stand_in: RunningStandIn, provider: str) -> None:
    stand_in.plan(NUMBER, Fault(delay_seconds=1.0))
    async with messenger(stand_in, provider) as slow:
        assert isinstance(slow, MetaMessenger | WppMessenger)
        await slow.line.close()
        slow.line = Line(provider, 0.3)
        failed = await failure(slow)
    assert (failed.verdict, failed.code) == (Verdict.RETRY, "timeout")


async def test_a_wrong_token_and_a_wrong_number_raise_the_alarm(stand_in: RunningStandIn) -> None:
    async with messenger(stand_in, whatsapp_meta_access_token=SecretStr("expired")) as meta:
        failed = await failure(meta)
        assert (failed.verdict, failed.code) == (Verdict.ALARM, "190")
    async with messenger(stand_in, whatsapp_meta_phone_number_id="999") as meta:
        failed = await failure(meta)
        assert (failed.verdict, failed.code) == (Verdict.ALARM, "100")


async def test_outside_the_window_only_the_template_arrives(stand_in: RunningStandIn) -> None:
    stand_in.behind.window_enforced = True
    async with messenger(stand_in) as meta:
        recipient = Recipient(phone="5511900000099")
        assert (await failure(meta, ASK, recipient)).verdict is Verdict.AS_TEMPLATE
        message_id = await meta.send(recipient, TEMPLATE, "n-2")
    (bubble,) = stand_in.received("5511900000099")
    assert (bubble.id, bubble.kind, bubble.reference) == (message_id, Kind.TEMPLATE, "n-2")
    assert [button.id for button in bubble.buttons] == ["approve:7K3M9QXD", "reject:7K3M9QXD"]


@pytest.mark.parametrize("recipient", [PHONE, USER])
@pytest.mark.parametrize("content", [TEXT, ASK, TEMPLATE])
async def test_every_content_arrives_at_a_phone_and_at_a_user_id(
    stand_in: RunningStandIn, content: Content, recipient: Recipient
) -> None:
    async with messenger(stand_in) as meta:
        message_id = await meta.send(recipient, content, "n-3")
    assert stand_in.received(recipient.phone or recipient.user_id or "")[-1].id == message_id


async def test_wppconnect_takes_a_question_as_text(stand_in: RunningStandIn) -> None:
    async with messenger(stand_in, "wppconnect") as wpp:
        message_id = await wpp.send(PHONE, ASK, "n-4")
        assert await wpp.connected()
    bubble = stand_in.received(NUMBER)[-1]
    assert (bubble.id, bubble.text, bubble.kind) == (message_id, ASK.body, Kind.TEXT)


@pytest.mark.parametrize("answer", [Answer.ID_IN_OBJECT, Answer.ID_ON_TOP])
async def test_wppconnects_id_is_found_in_every_form(stand_in: RunningStandIn, answer: Answer) -> None:
    stand_in.plan(NUMBER, Fault(answer=answer))
    async with messenger(stand_in, "wppconnect") as wpp:
        assert await wpp.send(PHONE, TEXT, "n-5") == stand_in.received(NUMBER)[-1].id


async def test_wppconnects_hiccups_are_retried_at_once_and_an_outage_later(stand_in: RunningStandIn) -> None:
    hiccups = [Fault(status=500), Fault(answer=Answer.DROPPED), Fault(status=503)]
    async with messenger(stand_in, "wppconnect") as wpp:
        stand_in.plan(NUMBER, *hiccups)
        assert await wpp.send(PHONE, TEXT, "n-6")
        stand_in.plan(NUMBER, *hiccups, Fault(status=500))
        failed = await failure(wpp)
        assert (failed.verdict, failed.code) == (Verdict.RETRY, "http_500")
        stand_in.plan(GENERATE_TOKEN, Fault(status=502))
        stand_in.behind.expire_wpp_tokens()
        assert await wpp.send(PHONE, TEXT, "n-7")


async def test_wppconnects_wrong_secret_raises_the_alarm_and_a_lost_session_does_not(stand_in: RunningStandIn) -> None:
    async with messenger(stand_in, "wppconnect", wpp_secret_key=SecretStr("wrong")) as wpp:
        assert (await failure(wpp)).verdict is Verdict.ALARM
        assert not await wpp.connected()
    async with messenger(stand_in, "wppconnect") as wpp:
        stand_in.behind.wpp_connected = False
        try:
            assert not await wpp.connected()
            assert (await failure(wpp)).verdict is Verdict.RETRY
        finally:
            stand_in.behind.wpp_connected = True


async def test_a_probe_that_fails_says_not_connected(stand_in: RunningStandIn) -> None:
    stand_in.plan(CHECK_CONNECTION, Fault(answer=Answer.DROPPED))
    async with messenger(stand_in, "wppconnect") as wpp:
        assert not await wpp.connected()


@pytest.mark.parametrize(("verdict", "code"), [(verdict, codes[-1]) for verdict, codes in CODES.items()])
async def test_a_failure_that_comes_later_by_webhook_has_the_same_verdict(
    stand_in: RunningStandIn, verdict: Verdict, code: int
) -> None:
    async with messenger(stand_in) as meta:
        message_id = await meta.send(PHONE, ASK, f"n-{code}")
    raw, headers = stand_in.status(message_id, "failed", code=code)
    known = settings(stand_in)
    check_signature(
        {name.lower(): value for name, value in headers.items()}.get("x-hub-signature-256"), raw, known.whatsapp_meta_app_secrets
    )
    (item,) = parse_meta(parse_object(raw), known.whatsapp_meta_phone_number_id or "")
    assert isinstance(item, StatusUpdate)
    assert item.at is not None
    assert item == StatusUpdate(message_id=message_id, reference=f"n-{code}", status="failed", error_code=code, at=item.at)
    assert verdict_of(code) is verdict


async def test_what_the_phone_sends_back_is_understood(stand_in: RunningStandIn) -> None:
    for (raw, _), text in (
        (stand_in.tap(NUMBER, "approve:7K3M9QXD"), "approve:7K3M9QXD"),
        (stand_in.typed(NUMBER, "n 7K3M9QXD"), "n 7K3M9QXD"),
    ):
        (item,) = parse_meta(parse_object(raw), "123456")
        assert isinstance(item, Incoming)
        assert (item.phone, item.text, item.from_self, item.group) == (NUMBER, text, False, False)
    for flat in (False, True):
        raw, headers = stand_in.wpp_typed(NUMBER, "y 7K3M9QXD", flat=flat)
        check_secret(
            {name.lower(): value for name, value in headers.items()}.get("x-webhook-secret"), settings(stand_in).wpp_webhook_secret
        )
        found = parse_wppconnect(parse_object(raw), settings(stand_in).wpp_session)
        assert isinstance(found, Incoming)
        assert (found.phone, found.text) == (NUMBER, "y 7K3M9QXD")
