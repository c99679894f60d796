"""A person's tier and sign-in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.ids import EcosystemId, Subject
from tazco.users.model import SCORE_AT_START, Role, Tier, User, UserStatus, tier_of

BEFORE = datetime(2031, 4, 1, tzinfo=UTC)
NOW = BEFORE + timedelta(days=1)
ADA = User(
    ecosystem_id=EcosystemId("user-77"), subject=Subject("5f1c"), email="ada@example.com", created_at=BEFORE, updated_at=BEFORE
)


@pytest.mark.parametrize(
    ("score", "tier"), [(0, "low"), (499, "low"), (500, "medium"), (699, "medium"), (700, "high"), (1000, "high")]
)
def test_the_tier_follows_from_the_score(score: int, tier: str) -> None:
    assert tier_of(score) == tier
    assert ADA.with_score(score, NOW).tier == tier


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_higher_score_never_has_a_lower_tier(one: int, other: int) -> None:
    order = [Tier.LOW, Tier.MEDIUM, Tier.HIGH]
    assert order.index(tier_of(min(one, other))) <= order.index(tier_of(max(one, other)))


def test_a_new_person_starts_with_500() -> None:
    assert SCORE_AT_START == 500


def test_a_sign_in_alone_does_not_count_as_an_update() -> None:
    signed_in = ADA.signed_in(role=Role.USER, email=None, now=NOW)
    assert (signed_in.last_login_at, signed_in.updated_at, signed_in.email) == (NOW, BEFORE, "ada@example.com")
    assert ADA.signed_in(role=Role.USER, email="ada@example.com", now=NOW).updated_at == BEFORE


@pytest.mark.parametrize(("role", "email"), [(Role.ADMIN, None), (Role.USER, "new@example.com")])
def test_a_new_role_or_verified_email_counts_as_one(role: Role, email: str | None) -> None:
    signed_in = ADA.signed_in(role=role, email=email, now=NOW)
    assert (signed_in.updated_at, signed_in.role, signed_in.email) == (NOW, role, email or "ada@example.com")


def test_a_disabled_person_is_disabled_until_enabled() -> None:
    disabled = ADA.with_status(UserStatus.DISABLED, NOW)
    assert (disabled.disabled, disabled.updated_at) == (True, NOW)
    assert not disabled.with_status(UserStatus.ACTIVE, NOW).disabled
