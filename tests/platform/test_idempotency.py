"""How long an answer lives, without a server, §4.7."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.idempotency import Answer, Once, alive

ONCE = Once(scope="ada", key="k", operation="make-payment/card-1", asked={"amount": 100})
DAY, SECOND, MILLISECOND = timedelta(hours=24), timedelta(seconds=1), timedelta(milliseconds=1)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2099, 1, 1)).map(  # noqa: DTZ001  # the zone follows
    lambda instant: instant.replace(microsecond=instant.microsecond // 1000 * 1000, tzinfo=UTC)
)


@given(instants)
def test_an_answer_lives_its_whole_24_hours_and_not_a_second_more(completed_at: datetime) -> None:
    stored = ONCE.store(Answer(201, b"{}"), completed_at)
    assert alive(stored, completed_at)
    assert alive(stored, completed_at + DAY - MILLISECOND)
    assert not alive(stored, completed_at + DAY + SECOND)


@given(instants, st.integers(-2_000, 2_000))
def test_reading_and_overwriting_agree_on_the_moment(completed_at: datetime, milliseconds: int) -> None:
    stored = ONCE.store(Answer(201, b"{}"), completed_at)
    now = completed_at + DAY + milliseconds * MILLISECOND
    may_be_overwritten = stored.expires_at <= int(now.timestamp())  # the condition of the commit, in whole seconds
    assert may_be_overwritten is not alive(stored, now)
