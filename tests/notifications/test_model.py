"""How far a message gets: what may follow what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.ids import EcosystemId
from tazco.notifications.model import UNSENT, DeliveryStatus, Kind, Notification
from tazco.notifications.rules import wait_after

NOON = datetime(2031, 4, 5, 12, tzinfo=UTC)
MINUTE = timedelta(seconds=60)
PENDING, SENT, DELIVERED, READ, FAILED, DEAD = (
    DeliveryStatus.PENDING,
    DeliveryStatus.SENT,
    DeliveryStatus.DELIVERED,
    DeliveryStatus.READ,
    DeliveryStatus.FAILED,
    DeliveryStatus.DEAD_LETTER,
)
FRESH = Notification(
    notification_id="n1",
    notification_type=Kind.APPROVAL,
    related_entity_type="cardRequest",
    related_entity_id="r1",
    ecosystem_id=EcosystemId("user-77"),
    recipient_name="Desk 1",
    recipient_phone="5511900000000",
    content="{}",
    provider="meta",
    created_at=NOON,
    next_attempt_at=NOON,
)


def in_status(status: DeliveryStatus) -> Notification:
    return replace(FRESH, delivery_status=status, next_attempt_at=NOON if status in UNSENT else None)


@pytest.mark.parametrize(
    ("told", "counts_after"),
    [
        (SENT, {PENDING}),
        (DELIVERED, {PENDING, SENT, FAILED, DEAD}),
        (READ, {PENDING, SENT, DELIVERED, FAILED, DEAD}),
        (FAILED, {PENDING, SENT}),
        (PENDING, set()),
        (DEAD, set()),
    ],
)
def test_the_word_of_the_provider_counts_only_if_it_moves_forward(told: DeliveryStatus, counts_after: set[DeliveryStatus]) -> None:
    assert {status for status in DeliveryStatus if in_status(status).heeds(told, "wamid.A")} == counts_after


def test_a_failure_of_a_message_that_was_sent_again_does_not_count() -> None:
    again = replace(in_status(SENT), provider_message_id="wamid.B")
    assert not again.heeds(FAILED, "wamid.A")
    assert again.heeds(FAILED, "wamid.B")
    assert again.heeds(DELIVERED, "wamid.A")


def test_nobody_else_takes_a_message_while_somebody_sends_it() -> None:
    claimed = FRESH.claimed(NOON + MINUTE)
    assert FRESH.due(NOON)
    assert not FRESH.due(NOON - timedelta(milliseconds=1))
    assert not claimed.due(NOON + MINUTE - timedelta(milliseconds=1))
    assert claimed.due(NOON + MINUTE)


@pytest.mark.parametrize("status", [SENT, DELIVERED, READ, DEAD])
def test_what_is_sent_or_given_up_is_never_due(status: DeliveryStatus) -> None:
    assert not replace(in_status(status), next_attempt_at=NOON).due(NOON + MINUTE)


def test_an_accepted_message_is_sent_and_waits_for_nothing() -> None:
    sent = FRESH.claimed(NOON + MINUTE).accepted("meta", "wamid.A", as_template=False, now=NOON)
    assert (sent.delivery_status, sent.provider_message_id, sent.sent_at) == (SENT, "wamid.A", NOON)
    assert sent.next_attempt_at is None


@pytest.mark.parametrize("status", [DELIVERED, READ])
def test_a_status_that_overtakes_the_record_stands_and_the_record_adds_what_it_knows(status: DeliveryStatus) -> None:
    overtaken = FRESH.claimed(NOON + MINUTE).told(status, "wamid.A", NOON)
    recorded = overtaken.accepted("meta", "wamid.A", as_template=False, now=NOON)
    assert (recorded.delivery_status, recorded.provider_message_id, recorded.sent_at) == (status, "wamid.A", NOON)


def test_a_failure_that_overtakes_the_record_of_the_same_message_stands() -> None:
    failed = replace(FRESH, provider_message_id="wamid.A").put_off("131000", NOON + MINUTE)
    recorded = failed.accepted("meta", "wamid.A", as_template=False, now=NOON)
    assert (recorded.delivery_status, recorded.next_attempt_at) == (FAILED, NOON + MINUTE)


def test_a_message_waits_a_minute_then_two_then_is_given_up() -> None:
    assert [wait_after(failures) for failures in range(4)] == [MINUTE, 2 * MINUTE, None, None]


RANK = {PENDING: 0, FAILED: 0, DEAD: 0, SENT: 1, DELIVERED: 2, READ: 3}
STEPS = st.tuples(
    st.sampled_from(["claim", "accept", "put off", "give up", "template", "sent", "delivered", "read"]),
    st.sampled_from(["wamid.A", "wamid.B"]),
)


def step(row: Notification, action: str, message_id: str, now: datetime) -> Notification:
    """One thing that can happen to a notification, with the guards under which the commands let it happen."""
    if action == "claim":
        return row.claimed(now + MINUTE) if row.due(now) else row
    if action == "accept":
        return row.accepted("meta", message_id, as_template=False, now=now)
    if action in ("put off", "give up", "template"):
        if row.next_attempt_at is None:
            return row
        ends = {"put off": row.put_off("x", now + MINUTE), "give up": row.given_up("x"), "template": row.due_as_template("x", now)}
        return ends[action]
    status = DeliveryStatus(action)
    return row.told(status, message_id, now) if row.heeds(status, message_id) else row


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_in_whatever_order_a_message_never_moves_back(steps: list[tuple[str, str]]) -> None:
    row, now = FRESH, NOON
    for action, message_id in steps:
        now += timedelta(seconds=45)
        after = step(row, action, message_id, now)
        assert RANK[after.delivery_status] >= RANK[row.delivery_status]
        assert (after.next_attempt_at is not None) == (after.delivery_status in UNSENT)
        row = after


def test_nothing_is_read_before_it_was_sent_whatever_the_provider_s_clock_says() -> None:
    second = NOON + timedelta(seconds=1)
    read = FRESH.told(READ, "wamid.A", NOON - timedelta(milliseconds=700))
    assert read.read_at == NOON
    assert read.accepted("meta", "wamid.A", as_template=False, now=second).sent_at == NOON
    sent = FRESH.accepted("meta", "wamid.A", as_template=False, now=second)
    assert sent.told(DELIVERED, "wamid.A", NOON).delivered_at == sent.sent_at == second
