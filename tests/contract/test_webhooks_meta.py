"""The webhook of the Cloud API, §6.4: handshake, signatures, batches, statuses."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from tazco.kernel.ids import EcosystemId
from tazco.notifications.model import DeliveryStatus, Kind, Notification
from tazco.notifications.store import INBOUND_MESSAGES, NOTIFICATIONS
from tests.approvals.desk import DEFAULTS, META, ONE, TWO, WPP, Desk, open_desk
from tests.contract.seeds import plain, row, seed, with_policy
from tests.stage import Stage
from tests.stand_in import ACCOUNT, Signature
from tests.world import Reply, open_world

CHALLENGE = "1158201444"
OLD_SECRET = "the secret before the rotation"


@pytest.fixture(scope="module")
async def desk(stage: Stage) -> AsyncIterator[Desk]:
    """Approvers; two app secrets count, as during a rotation."""
    secrets = (SecretStr(OLD_SECRET), SecretStr(str(ACCOUNT.app_secret)))
    async with open_desk(stage, whatsapp_meta_app_secrets=secrets) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _usual_policy(desk: Desk) -> None:
    await with_policy(desk.world, **DEFAULTS)


def signed(raw: bytes, secret: str | None = None) -> dict[str, str]:
    """The header that proves these bytes."""
    digest = hmac.new((secret or str(ACCOUNT.app_secret)).encode(), raw, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


async def shake(desk: Desk, **parameters: str) -> tuple[int, str, str]:
    """Status, type and text of what a handshake is answered."""
    given = {"mode": "subscribe", "verify_token": str(ACCOUNT.verify_token), "challenge": CHALLENGE, **parameters}
    reply = await desk.world.http.get(META, params={f"hub.{name}": value for name, value in given.items() if value})
    return reply.status_code, reply.headers["content-type"], reply.text


def refused(reply: Reply, status: int, code: str) -> bool:
    """Whether a webhook was refused in the bare shape."""
    return (
        (reply.status, set(reply.body), set(reply.body["error"]), reply.code) == (status, {"error"}, {"code", "message"}, code)
        and reply.headers["content-type"] == "application/json; charset=utf-8"
        and bool(reply.headers["x-request-id"])
    )


def said(text: str, message_id: str, sender: str = ONE) -> dict[str, Any]:
    """A text as a message of the batch."""
    return {"from": sender, "id": message_id, "timestamp": "1933221228", "type": "text", "text": {"body": text}}


async def test_the_handshake_gives_the_challenge_back_as_plain_text(desk: Desk) -> None:
    status, kind, text = await shake(desk)
    assert (status, kind.partition(";")[0], text) == (200, "text/plain", CHALLENGE)


@pytest.mark.parametrize(
    "wrong", [{"verify_token": "guess"}, {"verify_token": ""}, {"verify_token": "\u00e9"}, {"mode": "unsubscribe"}, {"mode": ""}]
)
async def test_a_handshake_with_another_token_or_mode_is_forbidden(desk: Desk, wrong: dict[str, str]) -> None:
    status, kind, text = await shake(desk, **wrong)
    assert (status, kind) == (403, "application/json; charset=utf-8")
    body = json.loads(text)
    assert (set(body), body["error"]["code"], CHALLENGE in text) == ({"error"}, "FORBIDDEN", False)


async def test_every_secret_of_a_rotation_counts(desk: Desk) -> None:
    raw, _ = desk.stand_in.typed(ONE, "hello")
    for secret in (OLD_SECRET, str(ACCOUNT.app_secret)):
        assert (await desk.hear((raw, signed(raw, secret)))).status == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "UNAUTHORIZED"),
        ("", "UNAUTHORIZED"),
        ("sha256=", "INVALID_SECRET"),
        ("sha256=" + "0" * 64, "INVALID_SECRET"),
        ("sha256=\u00e9\u00e9", "INVALID_SECRET"),
        ("good as SHA256=", "INVALID_SECRET"),
        ("good without its name", "INVALID_SECRET"),
        ("good of another secret", "INVALID_SECRET"),
        ("good of another body", "INVALID_SECRET"),
        ("x" * 10_000, "INVALID_SECRET"),
    ],
)
async def test_without_a_good_signature_nothing_happens(desk: Desk, header: str | None, code: str) -> None:
    waiting = await desk.asked()
    raw, _ = desk.stand_in.tap(ONE, f"approve:{waiting.code}", message_id=f"wamid.forged.{waiting.code}")
    good = signed(raw)["X-Hub-Signature-256"]
    made = {
        "good as SHA256=": good.replace("sha256=", "SHA256="),
        "good without its name": good.removeprefix("sha256="),
        "good of another secret": signed(raw, "guess")["X-Hub-Signature-256"],
        "good of another body": signed(raw + b" ")["X-Hub-Signature-256"],
    }
    headers = {} if header is None else {"X-Hub-Signature-256": made.get(header, header)}
    reply = await desk.world.http.post(
        META, content=raw, headers=[(name.encode(), value.encode()) for name, value in headers.items()]
    )
    assert refused(Reply(reply.status_code, reply.headers, reply.json()), 401, code)
    assert await desk.status(waiting) == "pending"
    assert await desk.record(f"wamid.forged.{waiting.code}") == {}


async def test_a_body_that_was_written_anew_does_not_fit_its_signature(desk: Desk) -> None:
    waiting = await desk.asked()
    raw, headers = desk.stand_in.tap(ONE, f"approve:{waiting.code}")
    again = json.dumps(json.loads(raw)).encode()
    assert again != raw
    assert refused(await desk.hear((again, headers)), 401, "INVALID_SECRET")
    assert await desk.status(waiting) == "pending"


async def test_the_stand_in_can_sign_badly_too(desk: Desk) -> None:
    for signature, code in ((Signature.WRONG, "INVALID_SECRET"), (Signature.MISSING, "UNAUTHORIZED")):
        assert refused(await desk.hear(desk.stand_in.typed(ONE, "y 00000000", signature=signature)), 401, code)


async def test_a_signature_is_checked_before_anything_is_decoded(desk: Desk) -> None:
    for raw in (b"\xff\xfe", b"{", b'{"a":' * 50_000, b""):
        assert refused(await desk.hear((raw, {"X-Hub-Signature-256": "sha256=00"})), 401, "INVALID_SECRET")


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"{", b"[]", b"null", b'{"a":' * 50_000, b'{"a":NaN}', b'"text"'])
async def test_a_signed_body_that_is_no_object_is_400_in_the_shape_of_webhooks(desk: Desk, raw: bytes) -> None:
    reply = await desk.hear((raw, signed(raw)))
    assert (reply.status, set(reply.body), reply.body["ok"], reply.body["action"]) == (
        400,
        {"ok", "action", "error"},
        False,
        "error",
    )


async def test_a_body_over_the_limit_is_413_and_one_of_media_size_is_not(desk: Desk) -> None:
    limit = desk.world.settings.webhook_max_body_bytes
    big = desk.stand_in.posted({"messages": [said("hello", "wamid.big")], "media": "x" * 200_000})
    assert (await desk.hear(big)).status == 200
    raw = b'{"object":"' + b"x" * limit + b'"}'
    reply = await desk.hear((raw, signed(raw)))
    assert (reply.status, reply.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_all_entries_changes_and_messages_are_heard_and_a_broken_one_costs_none_of_the_others(desk: Desk) -> None:
    one, two, three = [await desk.asked() for _ in range(3)]
    metadata = {"phone_number_id": ACCOUNT.phone_number_id}
    body = {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "1",
                "changes": [
                    {
                        "field": "messages",
                        "value": {"metadata": metadata, "messages": [said(f"y {one.code}", "wamid.b1"), {"id": 5}]},
                    },
                    {"field": "account_update", "value": {}},
                ],
            },
            "nonsense",
            {
                "id": "2",
                "changes": [
                    {
                        "field": "messages",
                        "value": {"metadata": {"phone_number_id": "9"}, "messages": [said(f"y {two.code}", "wamid.b2")]},
                    },
                    {"field": "messages", "value": {"metadata": metadata, "messages": [said(f"n {three.code}", "wamid.b3", TWO)]}},
                ],
            },
        ],
    }
    raw = json.dumps(body).encode()
    with capture_logs():
        reply = await desk.hear((raw, signed(raw)))
    assert (reply.status, reply.body["ok"]) == (200, True)
    broken = [each for each in reply.body["results"] if not each["ok"]]
    assert [each for each in reply.body["results"] if each["ok"]] == [
        {"ok": True, "action": "approved", "requestId": one.request_id},
        {"ok": True, "action": "ignored", "reason": "non_message_event"},
        {"ok": True, "action": "ignored", "reason": "session_mismatch"},
        {"ok": True, "action": "rejected", "requestId": three.request_id},
    ]
    assert [(each["action"], bool(each["error"])) for each in broken] == [("error", True)] * 2
    assert await desk.status(two) == "pending"


@pytest.mark.parametrize("body", [{"object": "page", "entry": []}, {}, {"object": None}])
async def test_what_is_no_notice_of_whatsapp_is_ignored(desk: Desk, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    reply = await desk.hear((raw, signed(raw)))
    assert (reply.status, reply.body) == (
        200,
        {"ok": True, "results": [{"ok": True, "action": "ignored", "reason": "non_message_event"}]},
    )


async def test_messages_of_a_group_are_ignored_and_not_recorded(desk: Desk) -> None:
    waiting = await desk.asked()
    message = {**said(f"y {waiting.code}", "wamid.group"), "group_id": "g"}
    reply = await desk.hear(desk.stand_in.posted({"messages": [message]}))
    assert reply.body["results"] == [{"ok": True, "action": "ignored", "reason": "group_message"}]
    assert await desk.record("wamid.group") == {}


@pytest.mark.parametrize(
    "content",
    [
        {
            "type": "interactive",
            "interactive": {"type": "button_reply", "button_reply": {"id": "approve:{code}", "title": "Approve"}},
        },
        {"type": "button", "button": {"payload": "approve:{code}", "text": "Approve"}},
        {"type": "text", "text": {"body": "Sim  #{code}"}},
    ],
)
async def test_taps_of_both_kinds_and_texts_are_understood(desk: Desk, content: dict[str, Any]) -> None:
    waiting = await desk.asked()
    filled = json.loads(json.dumps(content).replace("{code}", waiting.code))
    message = {"from": ONE, "id": f"wamid.{waiting.code}", **filled}
    assert (await desk.outcome(desk.stand_in.posted({"messages": [message]})))["action"] == "approved"


@pytest.mark.parametrize(
    "content",
    [
        {"type": "image", "image": {"id": "1", "caption": "y 00000000"}},
        {"type": "text", "text": {"body": None}},
        {"type": "text", "text": "y 00000000"},
        {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "approve:00000000"}}},
        {"type": "unsupported", "errors": [{"code": 131051}]},
        {},
    ],
)
async def test_everything_else_is_no_command(desk: Desk, content: dict[str, Any]) -> None:
    message = {"from": ONE, "id": f"wamid.else.{json.dumps(content)[:40]}", **content}
    assert (await desk.outcome(desk.stand_in.posted({"messages": [message]})))["reason"] == "invalid_command"


async def test_hostile_ids_and_senders_never_give_anything_but_200(desk: Desk) -> None:
    values: list[Any] = ["x" * 5_000, "\ud800", "\x00", "", None, 5, [], {}, "a#b%23c", "\U0001f600"]
    messages = [{**said("y 00000000", "id"), key: value} for key in ("id", "from", "from_user_id", "text") for value in values]
    with capture_logs() as lines:
        reply = await desk.hear(_posted(messages))
    assert (reply.status, len(reply.body["results"])) == (200, len(messages))
    assert [line for line in lines if line["log_level"] == "error"] == []


def _posted(messages: list[Any]) -> tuple[bytes, dict[str, str]]:
    value = {"metadata": {"phone_number_id": ACCOUNT.phone_number_id}, "messages": messages}
    body = {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": value}]}]}
    raw = json.dumps(body).encode()
    return raw, signed(raw)


async def test_statuses_reach_their_notification_by_reference_and_answer_nothing(desk: Desk) -> None:
    now = desk.world.clock()
    for number, reference in enumerate(("told-1", None)):
        sent = Notification(
            notification_id=f"told-{number + 1}",
            notification_type=Kind.REPLY,
            related_entity_type="cardRequest",
            related_entity_id="r",
            ecosystem_id=EcosystemId("e"),
            recipient_name="Desk 1",
            recipient_phone=ONE,
            content="{}",
            provider="meta",
            provider_message_id=f"wamid.sent.{number}",
            delivery_status=DeliveryStatus.SENT,
            created_at=now,
            version=1,
        )
        await seed(desk.world, NOTIFICATIONS, **plain(NOTIFICATIONS.item(sent)))
        status = {"id": f"wamid.sent.{number}", "status": "delivered", "timestamp": "1933221229"}
        status |= {"biz_opaque_callback_data": reference} if reference else {}
        reply = await desk.hear(desk.stand_in.posted({"statuses": [status]}))
        assert (reply.status, reply.body) == (200, {"ok": True, "results": []})
        assert (await row(desk.world, NOTIFICATIONS, f"told-{number + 1}"))["deliveryStatus"] == "delivered"


async def test_a_status_of_nothing_of_ours_is_no_failure(desk: Desk) -> None:
    status = {"id": "wamid.unknown", "status": "failed", "timestamp": "1", "errors": [{"code": 131026}]}
    reply = await desk.hear(desk.stand_in.posted({"statuses": [status, {"id": "wamid.unknown", "status": "novel"}]}))
    assert reply.status == 200
    assert all(each["ok"] for each in reply.body["results"])


async def test_a_webhook_without_a_configured_secret_is_503(stage: Stage) -> None:
    missing: dict[str, Any] = {"whatsapp_meta_app_secrets": (), "whatsapp_meta_verify_token": None}
    async with open_world(stage) as world:
        world.set_parameter("whatsapp/notificationsEnabled", "false")
        async with open_world(stage, **missing) as silent:
            raw = b"{}"
            for reply in (
                await silent.call("POST", META, raw, signed(raw)),
                await silent.call("GET", f"{META}?hub.mode=subscribe"),
            ):
                assert (reply.status, reply.code) == (503, "SERVICE_UNAVAILABLE")
                assert int(reply.headers["retry-after"]) > 0
        world.set_parameter("whatsapp/notificationsEnabled", "true")


async def test_webhooks_need_no_token_and_count_for_no_rate_limit(desk: Desk) -> None:
    await with_policy(desk.world, rateLimit__apiPerMinute="1", rateLimit__authFailuresPerMinute="1")
    for _ in range(5):
        assert refused(await desk.world.call("POST", META, b"{}"), 401, "UNAUTHORIZED")
        assert (await desk.hear(desk.stand_in.typed("5511912345678", "hello"))).status == 200
    await with_policy(desk.world, rateLimit__apiPerMinute="0", rateLimit__authFailuresPerMinute="0")


async def test_no_text_of_anybody_is_kept(desk: Desk) -> None:
    for sender in (ONE, "5511987654321"):
        await desk.says("what a secret this is", sender=sender)
    assert "what a secret" not in json.dumps(await desk.world.rows(INBOUND_MESSAGES))


async def test_wppconnect_is_not_connected_where_meta_carries_the_messages(desk: Desk) -> None:
    assert desk.world.services.messenger is not None
    assert await desk.world.services.messenger.connected()
    reply = await desk.world.call("GET", f"{WPP}/health")
    assert (reply.status, reply.body["whatsapp"]["connected"]) == (200, False)
