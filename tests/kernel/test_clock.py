"""Time: one text of 24 characters that sorts as the instants do, and whole days counted from both sides."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.clock import days_elapsed, days_rounded_up, from_text, system_clock, to_text

zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001 - hypothesis wants bounds without zone
durations = st.timedeltas(timedelta(0), timedelta(days=10_000))


def cut(moment: datetime) -> datetime:
    """The instant without what is finer than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(moments)
def test_an_instant_comes_back_to_the_millisecond_and_in_utc(moment: datetime) -> None:
    back = from_text(to_text(moment))
    assert back == cut(moment)
    assert back.tzinfo is UTC


@given(moments, moments)
def test_texts_sort_as_their_instants(one: datetime, other: datetime) -> None:
    one, other = cut(one), cut(other)
    assert (to_text(one) < to_text(other)) == (one < other)
    assert (to_text(one) == to_text(other)) == (one == other)


@given(moments)
def test_a_text_always_has_24_characters(moment: datetime) -> None:
    text = to_text(moment)
    assert (len(text), text[-1], text[10]) == (24, "Z", "T")


def test_the_text_is_the_one_of_the_contract() -> None:
    assert to_text(datetime(2031, 4, 5, 6, 7, 8, 90_999, tzinfo=UTC)) == "2031-04-05T06:07:08.090Z"
    assert to_text(datetime(2031, 4, 5, 6, 7, 8, tzinfo=UTC)) == "2031-04-05T06:07:08.000Z"


def test_an_instant_of_another_zone_is_told_in_utc() -> None:
    assert to_text(datetime(2031, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == "2030-12-31T22:30:00.000Z"


def test_a_datetime_without_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="no instant"):
        to_text(datetime(2031, 4, 5))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2031-04-05T06:07:08.090Z", datetime(2031, 4, 5, 6, 7, 8, 90_000, tzinfo=UTC)),
        ("2031-04-05T06:07:08.0909Z", datetime(2031, 4, 5, 6, 7, 8, 90_000, tzinfo=UTC)),
        ("2031-04-05T06:07:08", datetime(2031, 4, 5, 6, 7, 8, tzinfo=UTC)),
        ("2031-04-05", datetime(2031, 4, 5, tzinfo=UTC)),
        ("2031-04-05T06:07:08-03:00", datetime(2031, 4, 5, 9, 7, 8, tzinfo=UTC)),
    ],
)
def test_reading_takes_any_iso_form_and_no_zone_is_utc(text: str, instant: datetime) -> None:
    assert from_text(text) == instant


@pytest.mark.parametrize("text", ["", "now", "2031-13-01", "1795521600", "2031-04-05T25:00:00Z"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_text(text)


def test_the_system_clock_is_in_utc_and_no_finer_than_its_text() -> None:
    before = datetime.now(UTC)
    now = system_clock()
    assert now.tzinfo is UTC
    assert from_text(to_text(now)) == now
    assert timedelta(0) <= before - cut(before) + (now - cut(before)) < timedelta(seconds=5)


@given(durations)
def test_days_rounded_up_are_the_fewest_that_cover_the_duration(duration: timedelta) -> None:
    days = days_rounded_up(duration)
    assert timedelta(days=days - 1) < duration <= timedelta(days=days)


@given(durations)
def test_days_elapsed_are_the_most_that_fit_in_the_duration(duration: timedelta) -> None:
    days = days_elapsed(duration)
    assert timedelta(days=days) <= duration < timedelta(days=days + 1)


@pytest.mark.parametrize(
    ("duration", "rounded_up", "elapsed"),
    [
        (timedelta(0), 0, 0),
        (timedelta(milliseconds=1), 1, 0),
        (timedelta(days=7), 7, 7),
        (timedelta(days=7, milliseconds=1), 8, 7),
        (timedelta(days=8) - timedelta(milliseconds=1), 8, 7),
    ],
)
def test_seven_days_and_a_millisecond_are_eight_begun_and_seven_passed(duration: timedelta, rounded_up: int, elapsed: int) -> None:
    assert (days_rounded_up(duration), days_elapsed(duration)) == (rounded_up, elapsed)
