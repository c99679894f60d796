"""How a payment moves a score (`docs/rules.md`, "Score"). Points are whole numbers; money is in minor units."""

from tazco.kernel.money import Money, ratio_half_up
from tazco.users.model import SCORE_MAX, SCORE_MIN


def clamped(score: int) -> int:
    """The nearest score from 0 to 1000."""
    return max(SCORE_MIN, min(SCORE_MAX, score))


def bonus(paid: Money, owed: Money, *, lowest: int, highest: int) -> int:
    """Points for paying `paid` of `owed` in time: lowest + (highest - lowest)·paid/owed, rounded half up; 0 < paid ≤ owed."""
    assert 0 < paid <= owed, "a payment is part of what is owed"
    return ratio_half_up(lowest * owed + (highest - lowest) * paid, owed)


def penalty(days_overdue: int, *, mild: int, moderate: int, severe: int, mild_max_days: int, moderate_max_days: int) -> int:
    """Points (negative) for paying `days_overdue` ≥ 1 days late, whatever the amount."""
    assert days_overdue >= 1, "in time costs nothing"
    if days_overdue <= mild_max_days:
        return -mild
    return -moderate if days_overdue <= moderate_max_days else -severe
