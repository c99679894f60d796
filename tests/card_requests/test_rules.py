"""Who may ask for a card, and how long a request has waited."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.card_requests.model import (
    AlreadyDecided,
    CardAlreadyHeld,
    CardRequest,
    CoolingDown,
    DecisionSource,
    RequestPending,
    RequestStatus,
)
from tazco.card_requests.rules import days_pending, free_again_at, refuse_unless_free, requires_attention
from tazco.cards.model import Card, CardStatus
from tazco.kernel.errors import Code
from tazco.kernel.ids import CardId, CardRequestId, EcosystemId
from tazco.kernel.money import Money

REJECTED_AT = datetime(2031, 4, 1, 12, tzinfo=UTC)
NOW = datetime(2031, 4, 5, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def request(status: RequestStatus = RequestStatus.PENDING, decided_at: datetime | None = None) -> CardRequest:
    """A request made before it was decided."""
    return CardRequest(
        ecosystem_id=EcosystemId("user-77"),
        request_id=CardRequestId("request-1"),
        status=status,
        created_at=REJECTED_AT - timedelta(days=2),
        updated_at=REJECTED_AT - timedelta(days=2),
        decided_at=decided_at,
    )


def card(status: CardStatus) -> Card:
    """A card in a status."""
    return Card(ecosystem_id=EcosystemId("user-77"), card_id=CardId("card-1"), limit=Money(100), status=status)


REJECTED = request(RequestStatus.REJECTED, REJECTED_AT)


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (REJECTED_AT, "30 days"),
        (REJECTED_AT + MS, "30 days"),
        (REJECTED_AT + timedelta(days=1), "29 days"),
        (datetime(2031, 4, 30, 13, tzinfo=UTC), "1 day"),
        (datetime(2031, 5, 1, 11, 59, 59, 999_000, UTC), "1 day"),
    ],
)
def test_a_recent_rejection_bars_and_names_the_days_left_rounded_up(now: datetime, days: str) -> None:
    with pytest.raises(CoolingDown, match="rejected recently") as refused:
        refuse_unless_free([], [REJECTED], 30, now)
    assert f"{days}." in refused.value.message.replace(" in ", " ").replace("again ", "")
    assert refused.value.code is Code.VALIDATION_ERROR


def test_the_cooldown_counts_from_the_decision_and_ends_to_the_millisecond() -> None:
    end = datetime(2031, 5, 1, 12, tzinfo=UTC)
    assert free_again_at([REJECTED], 30, end - MS) == end
    assert free_again_at([REJECTED], 30, end) is None
    refuse_unless_free([], [REJECTED], 30, end)


def test_no_cooldown_with_zero_days_and_the_newest_rejection_counts_otherwise() -> None:
    assert free_again_at([REJECTED], 0, REJECTED_AT) is None
    later = replace(REJECTED, decided_at=REJECTED_AT + timedelta(days=5))
    assert free_again_at([later, REJECTED], 30, NOW) == REJECTED_AT + timedelta(days=35)


@pytest.mark.parametrize("status", [RequestStatus.APPROVED, RequestStatus.PENDING])
def test_only_rejections_cool_down(status: RequestStatus) -> None:
    assert free_again_at([request(status, REJECTED_AT)], 30, REJECTED_AT) is None


def test_refusals_come_in_the_order_card_pending_request_cooldown() -> None:
    pending = request()
    for status in (CardStatus.ACTIVE, CardStatus.SUSPENDED):
        with pytest.raises(CardAlreadyHeld) as held:
            refuse_unless_free([card(CardStatus.CANCELLED), card(status)], [pending, REJECTED], 30, NOW)
        assert held.value.code is Code.CARD_ALREADY_EXISTS
    with pytest.raises(RequestPending) as waiting:
        refuse_unless_free([card(CardStatus.CANCELLED)], [REJECTED, pending], 30, NOW)
    assert (waiting.value.code, waiting.value.details) == (Code.CARD_REQUEST_EXISTS, {"existing_request_id": "request-1"})
    refuse_unless_free([card(CardStatus.CANCELLED)], [request(RequestStatus.APPROVED, NOW)], 30, NOW)


@given(st.timedeltas(timedelta(0), timedelta(days=900)))
def test_days_pending_are_whole_elapsed_days(waited: timedelta) -> None:
    days = days_pending(NOW, NOW + waited)
    assert timedelta(days=days) <= waited < timedelta(days=days + 1)


def test_attention_is_required_from_the_first_instant_of_the_last_day_while_pending() -> None:
    pending = replace(request(), created_at=NOW)
    assert not requires_attention(pending, 7, NOW + timedelta(days=7) - MS)
    assert requires_attention(pending, 7, NOW + timedelta(days=7))
    for status in (RequestStatus.APPROVED, RequestStatus.REJECTED):
        assert not requires_attention(replace(pending, status=status), 7, NOW + timedelta(days=70))


def test_a_request_is_decided_once() -> None:
    approved = request().approve(Money(5), CardId("card-1"), DecisionSource.ADMIN, "admin-001", NOW)
    rejected = request().reject("no", DecisionSource.AUTO, None, NOW)
    assert (approved.status, approved.approved_limit, approved.card_id, approved.decided_at) == ("approved", 5, "card-1", NOW)
    assert (rejected.status, rejected.reason, rejected.decision_source, rejected.decided_at) == ("rejected", "no", "auto", NOW)
    for decided in (approved, rejected):
        with pytest.raises(AlreadyDecided) as refused:
            decided.reject("again", DecisionSource.ADMIN, "admin-002", NOW)
        assert refused.value.code is Code.REQUEST_ALREADY_PROCESSED
        with pytest.raises(AlreadyDecided):
            decided.approve(Money(5), CardId("card-2"), DecisionSource.ADMIN, "admin-002", NOW)
