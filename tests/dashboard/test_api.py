"""When a dashboard counts as unchanged."""

from datetime import UTC, datetime, timedelta

import pytest

from tazco.dashboard.api import http_date, not_modified

CHANGED = datetime(2031, 4, 5, 6, 7, 8, 90_000, UTC)
ETAG = '"abc"'


def test_last_modified_is_rounded_up_to_a_second() -> None:
    assert http_date(CHANGED, CHANGED + timedelta(seconds=5)) == "Sat, 05 Apr 2031 06:07:09 GMT"
    assert http_date(CHANGED, CHANGED + timedelta(milliseconds=910)) == "Sat, 05 Apr 2031 06:07:09 GMT"


def test_last_modified_is_rounded_down_while_the_next_second_is_to_come() -> None:
    assert http_date(CHANGED, CHANGED + timedelta(milliseconds=909)) == "Sat, 05 Apr 2031 06:07:08 GMT"
    assert http_date(CHANGED, CHANGED) == "Sat, 05 Apr 2031 06:07:08 GMT"


def test_a_whole_second_stays() -> None:
    whole = CHANGED.replace(microsecond=0)
    assert http_date(whole, CHANGED + timedelta(days=1)) == "Sat, 05 Apr 2031 06:07:08 GMT"


@pytest.mark.parametrize("tags", ['"abc"', 'W/"abc"', '"x", "abc"', '"x",W/"abc" , "y"', "*", ' "abc" '])
def test_a_known_tag_is_not_modified(tags: str) -> None:
    assert not_modified(tags, None, ETAG, CHANGED)


@pytest.mark.parametrize("tags", ['"abd"', "abc", 'W/"abd", "x"', "", '"*"'])
def test_another_tag_is_modified_whatever_the_date_says(tags: str) -> None:
    assert not not_modified(tags, "Sat, 05 Apr 2099 06:07:09 GMT", ETAG, CHANGED)


@pytest.mark.parametrize(
    ("since", "unchanged"),
    [
        ("Sat, 05 Apr 2031 06:07:09 GMT", True),
        ("Sat, 05 Apr 2031 06:07:08 GMT", False),
        ("Sun, 06 Apr 2031 00:00:00 GMT", True),
        ("yesterday", False),
        ("", False),
        ("Sat, 05 Apr 99999 06:07:09 GMT", False),
        ("Sat, 05 Apr 2031 06:07:09 +999999999999999", False),
    ],
)
def test_a_date_counts_against_the_exact_instant_and_nonsense_counts_as_absent(since: str, unchanged: bool) -> None:  # noqa: FBT001  # a table
    assert not_modified(None, since, ETAG, CHANGED) is unchanged
