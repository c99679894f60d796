"""The webhook of WPPConnect, §6.5: its secret, its two shapes, its odd senders, its health."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from tazco.approvals.reactions import sweep
from tazco.platform.logs import HIDDEN, redact, scrubbed
from tazco.platform.outbox import OUTBOX
from tests.approvals.desk import DEFAULTS, ONE, TWO, WPP, Desk, all_of, open_desk
from tests.contract.seeds import TIMESTAMP, with_policy
from tests.platform.faults import COMMIT, Faulty, error
from tests.stage import Stage
from tests.stand_in import ACCOUNT, Signature
from tests.world import Reply, open_world

SECRET = str(ACCOUNT.wpp_webhook_secret)
IGNORED = {"ok": True, "action": "ignored"}


@pytest.fixture(scope="module")
def faulty() -> Faulty:
    """Faults at the seam to AWS."""
    return Faulty()


@pytest.fixture(scope="module")
async def desk(stage: Stage, faulty: Faulty) -> AsyncIterator[Desk]:
    """Approvers."""
    async with open_desk(stage, transport=faulty, whatsapp_provider="wppconnect") as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _usual_policy(desk: Desk) -> None:
    await with_policy(desk.world, **DEFAULTS)


async def post(desk: Desk, body: Any, *, path: str = WPP, secret: str | None = SECRET) -> Reply:
    """A webhook as it is given."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await desk.world.call("POST", path, raw, {"X-Webhook-Secret": secret} if secret is not None else {})


def message(text: Any, message_id: str, sender: str = f"{ONE}@c.us", **more: Any) -> dict[str, Any]:
    """A message under `data`."""
    data = {"id": message_id, "body": text, "from": sender, "fromMe": False, "isGroupMsg": False, **more}
    return {"event": "onmessage", "session": ACCOUNT.wpp_session, "data": data}


async def test_a_text_decides_in_the_nested_and_in_the_flat_shape(desk: Desk) -> None:
    for flat in (False, True):
        waiting = await desk.asked()
        reply = await desk.hear(desk.stand_in.wpp_typed(ONE, f"y {waiting.code}", flat=flat), WPP)
        assert (reply.status, reply.body) == (200, {"ok": True, "action": "approved", "requestId": waiting.request_id})
        assert await desk.status(waiting) == "approved"
        assert await desk.told(waiting.request_id) == [("Desk 1", "approved")]


async def test_an_id_with_a_number_in_it_puts_none_into_events_audit_or_log(desk: Desk, faulty: Faulty) -> None:
    waiting = await desk.asked()
    body = message(f"n {waiting.code}", f"false_{ONE}@c.us_3EB0")
    faulty.strike(COMMIT, "none", *[error(500, "InternalServerError")] * 20)
    with capture_logs() as lines:
        await post(desk, body)
        faulty.strike(COMMIT, *[error(500, "InternalServerError")] * 20)
        desk.world.clock.pass_time(seconds=60)
        await sweep(desk.world.services)
    faulty.plan.clear()
    assert {line["event"] for line in lines if line["log_level"] == "error"} == {"approvals.unexpected", "approvals.not_finished"}
    assert ONE not in json.dumps([redact(None, "", line) for line in lines])
    assert (await post(desk, body)).body["action"] == "rejected"
    (entry,) = await desk.audited(waiting.request_id)
    assert entry["requestId"] == "false_****0000@c.us_3EB0"
    assert ONE not in json.dumps(await desk.world.rows(OUTBOX))


async def test_a_hundred_webhooks_of_one_message_are_one_decision(desk: Desk) -> None:
    waiting = await desk.asked()
    replies = await all_of(desk, desk.stand_in.wpp_typed(TWO, f"n {waiting.code}"), 100, WPP)
    assert {(reply.status, reply.body["action"], reply.body["requestId"]) for reply in replies} == {
        (200, "rejected", waiting.request_id)
    }
    assert (len(await desk.audited(waiting.request_id)), len(await desk.told(waiting.request_id))) == (1, 1)


async def test_the_secret_may_be_the_last_part_of_the_path(desk: Desk) -> None:
    assert (await post(desk, message("hello", "by-path"), path=f"{WPP}/{SECRET}", secret=None)).status == 200
    assert (await post(desk, message("hello", "by-path"), path=f"{WPP.upper()}/{SECRET}/", secret=None)).status == 200


@pytest.mark.parametrize(
    ("path", "secret", "code"),
    [
        (WPP, None, "UNAUTHORIZED"),
        (WPP, "", "UNAUTHORIZED"),
        (WPP, "guess", "INVALID_SECRET"),
        (WPP, SECRET + "x", "INVALID_SECRET"),
        (WPP, SECRET.upper(), "INVALID_SECRET"),
        (f"{WPP}/guess", None, "INVALID_SECRET"),
        (f"{WPP}/health", None, "INVALID_SECRET"),
        (f"{WPP}/{quote('é/ü')}".replace("/%C3%BC", "%2F%C3%BC"), None, "INVALID_SECRET"),
        (f"{WPP}/{SECRET}", "guess", "INVALID_SECRET"),
    ],
)
async def test_without_the_secret_nothing_happens(desk: Desk, path: str, secret: str | None, code: str) -> None:
    waiting = await desk.asked()
    for body in (message(f"y {waiting.code}", f"forged-{waiting.code}"), b"{"):
        reply = await post(desk, body, path=path, secret=secret)
        assert (reply.status, set(reply.body), set(reply.body["error"]), reply.code) == (401, {"error"}, {"code", "message"}, code)
    assert await desk.status(waiting) == "pending"
    assert await desk.record(f"forged-{waiting.code}", "wppconnect") == {}


async def test_a_secret_that_is_no_ascii_is_wrong_and_no_failure(desk: Desk) -> None:
    headers = [(b"X-Webhook-Secret", "é".encode())]
    reply = await desk.world.http.post(WPP, content=b"{}", headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "INVALID_SECRET")
    wrong = await desk.hear(desk.stand_in.wpp_typed(ONE, "y", signature=Signature.WRONG), WPP)
    assert wrong.code == "INVALID_SECRET"


@pytest.mark.parametrize("secret", ["s3cret", "with/slash and blank", "é", "health-2"])
def test_the_secret_in_a_path_is_in_no_log(secret: str) -> None:
    for path in (f"{WPP}/{secret}", f"{WPP}/{secret}/", f"/Webhooks/WPP-connect/{secret}"):
        line = redact(None, "info", {"event": "http.request", "path": path, "status": 200})
        assert secret not in json.dumps(line, ensure_ascii=False)
        assert HIDDEN in line["path"]
    assert scrubbed(f"{WPP}/health") == f"{WPP}/health"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"null",
        {},
        {"event": "onmessage"},
        {"session": ACCOUNT.wpp_session},
        {"event": 5, "session": ACCOUNT.wpp_session},
        {"event": "onmessage", "session": ACCOUNT.wpp_session},
        {"event": "onmessage", "session": ACCOUNT.wpp_session, "data": {"id": "x"}},
        {"event": "onmessage", "session": ACCOUNT.wpp_session, "data": {"from": ONE}},
    ],
)
async def test_a_body_that_lacks_what_it_must_have_is_400(desk: Desk, body: Any) -> None:
    reply = await post(desk, body)
    assert (reply.status, set(reply.body), reply.body["ok"], reply.body["action"]) == (
        400,
        {"ok", "action", "error"},
        False,
        "error",
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"event": "onack", "session": ACCOUNT.wpp_session}, "non_message_event"),
        ({**message("y 1", "i1"), "session": "another"}, "session_mismatch"),
        (message("y 00000000", "i2", fromMe=True), "from_self"),
        (message("y 00000000", "i3", isGroupMsg=True), "group_message"),
        (message("y 00000000", "i4", "12036304@g.us"), "group_message"),
        (message("y 00000000", "i5", "5511911111111@c.us"), "not_whitelisted"),
        (message("y 00000000", "i6", "55119000000001@lid"), "not_whitelisted"),
        (message("y 00000000", "i7", "status@broadcast"), "not_whitelisted"),
        (message("y 00000000", "i8", "\u0665"), "not_whitelisted"),
        (message("hello", "i9"), "invalid_command"),
        (message(None, "i10"), "invalid_command"),
        (message({"a": 1}, "i11"), "invalid_command"),
        (message("y 00000000", "i12"), "request_not_found"),
        ({**message("y 00000000", "i13"), "event": "unreadmessages"}, "request_not_found"),
    ],
)
async def test_each_row_of_the_table_of_outcomes(desk: Desk, body: dict[str, Any], reason: str) -> None:
    reply = await post(desk, body)
    assert (reply.status, reply.body) == (200, {**IGNORED, "reason": reason})
    recorded = await desk.record(str(body.get("data", {}).get("id")), "wppconnect")
    stored = reason in ("not_whitelisted", "invalid_command", "request_not_found")
    assert bool(recorded) == stored
    assert not stored or json.loads(recorded["outcome"]) == reply.body


async def test_an_old_way_of_writing_a_brazilian_number_is_the_same_approver(desk: Desk) -> None:
    waiting = await desk.asked()
    reply = await post(desk, message(f"y {waiting.code}", "old-way", f"{TWO[:4]}{TWO[5:]}@c.us"))
    assert reply.body["action"] == "approved"


async def test_an_unexpected_failure_is_500_and_a_repetition_finds_it_recorded(desk: Desk, faulty: Faulty) -> None:
    waiting = await desk.asked()
    body = message(f"y {waiting.code}", "fails")
    faulty.strike(COMMIT, "none", *[error(500, "InternalServerError")] * 20)
    with capture_logs() as lines:
        reply = await post(desk, body)
    faulty.plan.clear()
    assert (reply.status, set(reply.body), reply.body["action"]) == (500, {"ok", "action", "error"}, "error")
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["approvals.unexpected"]
    desk.world.clock.pass_time(seconds=60)
    assert (await post(desk, body)).body == {"ok": True, "action": "approved", "requestId": waiting.request_id}


async def test_health_is_always_200(desk: Desk) -> None:
    reply = await desk.world.call("GET", f"{WPP}/health")
    assert (reply.status, set(reply.body), reply.body["status"]) == (200, {"status", "timestamp", "whatsapp"}, "ok")
    assert (set(reply.body["whatsapp"]), reply.body["whatsapp"]["session"]) == ({"connected", "session"}, ACCOUNT.wpp_session)
    assert reply.body["whatsapp"]["connected"] is True
    assert re.fullmatch(TIMESTAMP, reply.body["timestamp"])


async def test_with_another_provider_wppconnect_is_not_connected(stage: Stage) -> None:
    async with open_world(stage, wpp_webhook_secret=None) as world:
        reply = await world.call("GET", f"{WPP}/health")
        assert (reply.status, reply.body["whatsapp"]["connected"]) == (200, False)
        for path in (WPP, f"{WPP}/guess"):
            refused = await world.call("POST", path, b"{}", {"X-Webhook-Secret": "guess"})
            assert (refused.status, refused.code) == (503, "SERVICE_UNAVAILABLE")


async def test_a_large_body_is_read_up_to_the_webhooks_own_limit(desk: Desk) -> None:
    media = message("hello", "media", content="x" * 1_000_000)
    assert (await post(desk, media)).status == 200
    reply = await post(desk, b'{"event":"' + b"x" * desk.world.settings.webhook_max_body_bytes + b'"}')
    assert (reply.status, reply.code) == (413, "PAYLOAD_TOO_LARGE")
