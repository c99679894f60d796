"""Rows as the rules take them: short facts, no phone numbers, and what is still on its way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tazco.notifications.store import notification_id
from tazco.platform.outbox import OutboxRow
from tazco.platform.policy import Approver
from tazco.timeline.store.facts import facts_of, happened, heard, told, tracked
from tazco.trackers.model import Tracker, TrackerStatus
from tests.timeline.rows import CODE, NOON, ONE, OWNER, REQUEST, TRACKER, later, message, notification

ROW = OutboxRow(
    event_id="e-1",
    event_type="card.requested",
    aggregate_type="cardRequest",
    aggregate_id=REQUEST.id,
    sequence=1,
    schema_version=1,
    ecosystem_id=OWNER,
    occurred_at=NOON,
    request_id="r-1",
    payload="{}",
    published_at=later(20),
)
PAYMENT = replace(ROW, event_type="transaction.payment", aggregate_type="card", aggregate_id="c-1")
UNSENT = replace(ROW, pending_shard="pending#1", published_at=None)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_facts_are_short_typed_and_without_phone_numbers_or_flags() -> None:
    payload = (
        '{"amount":12.50,"newScore":640,"merchant":"Call +5511900000000 now","autoRejected":true,"email":"a@b.c","reason":null,'
        '"ecosystemId":"user-77","previousStatus":{"nested":"5511900000000"}}'
    )
    facts = facts_of(replace(ROW, payload=payload))
    assert {name: str(value) for name, value in facts.items()} == {
        "amount": "12.50",
        "newScore": "640",
        "merchant": "Call ****0000 now",
    }
    assert facts_of(replace(ROW, payload="no json")) == {}


@pytest.mark.parametrize(
    ("row", "tracker", "after", "awaited"),
    [
        (ROW, TRACKER, MINUTE, True),
        (ROW, TRACKER, HOUR, False),
        (ROW, replace(TRACKER, status=TrackerStatus.APPROVED), MINUTE, False),
        (ROW, replace(TRACKER, expires_at=NOON), MINUTE, False),
        (ROW, None, MINUTE, False),
        (UNSENT, TRACKER, MINUTE, False),
        (PAYMENT, None, MINUTE, True),
        (PAYMENT, None, HOUR, False),
        (replace(PAYMENT, event_type="transaction.purchase"), None, MINUTE, False),
    ],
)
def test_a_reaction_is_awaited_for_a_while_if_approvers_are_to_be_told(
    row: OutboxRow, tracker: Tracker | None, after: timedelta, *, awaited: bool
) -> None:
    trackers: dict[str, Tracker] = {tracker.request_id: tracker} if tracker else {}
    assert happened(row, trackers, NOON + after, reacting=True).awaited is awaited
    assert not happened(row, trackers, NOON + after, reacting=False).awaited


def test_what_has_not_left_has_no_instant_of_leaving_even_if_it_left_before() -> None:
    redriven = replace(ROW, pending_shard="pending#1")
    assert happened(redriven, {}, NOON, reacting=True).left_at is None
    assert happened(ROW, {}, NOON, reacting=True).left_at == later(20)


def test_a_command_that_names_no_code_is_cleared_of_phone_numbers() -> None:
    assert heard(message("wamid.A", NOON, command=f"approve {ONE}").row).row.command == "approve ****0000"
    assert heard(message("wamid.A", NOON).row).row.command == f"approve {CODE}"
    assert heard(message("wamid.A", NOON, command=None).row).row.command is None


def test_a_message_goes_by_the_correlation_id_of_what_it_did() -> None:
    assert heard(message(f"true_{ONE}@c.us_1", NOON).row).correlation_id == "true_****0000@c.us_1"


def test_a_notification_finds_its_cause_by_its_id() -> None:
    row = replace(notification().row, notification_id=notification_id("e-2", Approver(name="Desk 1", phone=ONE)))
    assert told(row, ("e-1", "e-2", "e-3")).cause == "e-2"
    assert told(row, ("e-1",)).cause is None


def test_a_tracker_of_another_program_shows_no_phone_number() -> None:
    assert tracked(replace(TRACKER, responded_by=f"whatsapp:{ONE}")).responded_by == "whatsapp:****0000"
    assert tracked(TRACKER).responded_by is None
