"""How payments move a score."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.money import Money
from tazco.scores.rules import bonus, clamped, penalty


@pytest.mark.parametrize(
    ("paid", "owed", "delta"),
    [(100_000, 100_000, 50), (20_000, 100_420, 18), (5_000, 100_000, 12), (1_250, 100_000, 11), (1, 100_000, 10)],
)
def test_the_bonus_follows_the_table_half_up(paid: int, owed: int, delta: int) -> None:
    assert bonus(Money(paid), Money(owed), lowest=10, highest=50) == delta


PARTS = st.integers(1, 10**11).flatmap(lambda owed: st.tuples(st.integers(1, owed), st.just(owed)))
BOUNDS = st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(sorted)


@given(part=PARTS, bounds=BOUNDS)
def test_the_bonus_is_the_contracts_formula_and_half_up(part: tuple[int, int], bounds: list[int]) -> None:
    (paid, owed), (low, high) = part, bounds
    found = bonus(Money(paid), Money(owed), lowest=low, highest=high)
    assert found == (2 * (low * owed + (high - low) * paid) + owed) // (2 * owed)
    exact = Decimal(low * owed + (high - low) * paid)
    assert found == int((exact / owed).quantize(Decimal(1), ROUND_HALF_UP)) or (2 * exact) % owed == 0
    assert low <= found <= high


@given(part=PARTS, more=st.integers(0, 10**11), bounds=BOUNDS)
def test_paying_more_never_earns_less(part: tuple[int, int], more: int, bounds: list[int]) -> None:
    (paid, owed), (low, high) = part, bounds
    larger = min(owed, paid + more)
    assert bonus(Money(larger), Money(owed), lowest=low, highest=high) >= bonus(Money(paid), Money(owed), lowest=low, highest=high)


@pytest.mark.parametrize(("days", "points"), [(1, -20), (7, -20), (8, -50), (30, -50), (31, -100), (400, -100)])
def test_the_penalty_depends_on_the_days_alone(days: int, points: int) -> None:
    assert penalty(days, mild=20, moderate=50, severe=100, mild_max_days=7, moderate_max_days=30) == points


def test_the_penalty_follows_the_policy_and_not_the_defaults() -> None:
    found = [penalty(days, mild=1, moderate=2, severe=3, mild_max_days=2, moderate_max_days=4) for days in range(1, 7)]
    assert found == [-1, -1, -2, -2, -3, -3]


@given(st.integers(-2000, 3000))
def test_a_score_stays_from_0_to_1000(score: int) -> None:
    assert clamped(score) == sorted((0, score, 1000))[1]
