"""Time: aware UTC datetimes of millisecond precision, always passed in, one text form of 24 characters."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]
DAY: Final = timedelta(days=1)


def system_clock() -> datetime:
    """The present instant, cut to the millisecond that text can carry."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def to_text(instant: datetime) -> str:
    """`2031-04-05T06:07:08.090Z`: 24 characters, so that texts sort as the instants do. Raises on a naive datetime."""
    if instant.tzinfo is None:
        raise ValueError("a datetime without a zone is no instant")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read an ISO 8601 instant; a text without a zone counts as UTC."""
    instant = datetime.fromisoformat(text)
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def days_rounded_up(duration: timedelta) -> int:
    """Whole days of 24 hours that cover `duration`: 7 days and a millisecond are 8."""
    return -(-duration // DAY)


def days_elapsed(duration: timedelta) -> int:
    """Whole days of 24 hours that have passed in `duration`."""
    return duration // DAY
