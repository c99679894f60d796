"""The policy as a value, §8.1: what is accepted, what is refused, and that a refusal names the parameter."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.policy import TUNABLES, InvalidPolicy, Policy, policy_from, time_zones

SHIPPED = {
    "limits/lowTier": "500",
    "limits/mediumTier": "1500",
    "limits/highTier": "3000",
    "limits/minimum": "100",
    "approval/autoApproveThreshold": "700",
    "approval/cooldownDays": "30",
    "approval/attentionDays": "7",
    "scoring/paymentBonusMin": "10",
    "scoring/paymentBonusMax": "50",
    "scoring/latePenaltyMild": "20",
    "scoring/latePenaltyModerate": "50",
    "scoring/latePenaltySevere": "100",
    "scoring/lateMildMaxDays": "7",
    "scoring/lateModerateMaxDays": "30",
    "scoring/oneBonusPerCycle": "true",
    "billing/cycleDays": "30",
    "billing/minimumPaymentFloor": "25",
    "billing/minimumPaymentPercent": "2",
    "offers/highTierApr": "12.99",
    "offers/mediumTierApr": "18.99",
    "offers/lowTierApr": "24.99",
    "offers/highTierAnnualFee": "0",
    "offers/mediumTierAnnualFee": "0",
    "offers/lowTierAnnualFee": "29",
    "whatsapp/notificationsEnabled": "true",
    "whatsapp/approvalExpiryHours": "24",
    "whatsapp/expiryRejects": "false",
    "whatsapp/replyToApprovers": "true",
    "whatsapp/approvers": "[]",
    "whatsapp/templateLanguage": "en",
    "texts/currency": "USD",
    "texts/locale": "en",
    "texts/timeZone": "UTC",
    "rateLimit/apiPerMinute": "0",
    "rateLimit/authFailuresPerMinute": "0",
}
WITHOUT_DEFAULT = {"whatsapp/approvalTemplate", "whatsapp/paymentTemplate"}
ACCEPTED: list[tuple[str, str]] = [
    ("limits/lowTier", "1500"),
    ("limits/lowTier", "100"),
    ("limits/lowTier", "499.99"),
    ("limits/highTier", "10000000"),
    ("limits/highTier", "10000000.00"),
    ("limits/minimum", "0.01"),
    ("approval/autoApproveThreshold", "0"),
    ("approval/autoApproveThreshold", "1001"),
    ("approval/cooldownDays", "0"),
    ("approval/cooldownDays", "365"),
    ("approval/attentionDays", "1"),
    ("scoring/paymentBonusMin", "50"),
    ("scoring/paymentBonusMax", "1000"),
    ("scoring/latePenaltyMild", "0"),
    ("scoring/latePenaltySevere", "1000"),
    ("scoring/lateModerateMaxDays", "365"),
    ("scoring/lateMildMaxDays", "29"),
    ("billing/cycleDays", "1"),
    ("billing/cycleDays", "90"),
    ("billing/minimumPaymentFloor", "0"),
    ("billing/minimumPaymentPercent", "0"),
    ("billing/minimumPaymentPercent", "100"),
    ("offers/lowTierApr", "999.99"),
    ("offers/lowTierAnnualFee", "0"),
    ("whatsapp/approvalExpiryHours", "720"),
    ("whatsapp/approvalTemplate", "x_1"),
    ("texts/currency", "BRL"),
    ("texts/currency", "KES"),
    ("texts/currency", "PKR"),
    ("texts/locale", "pt-BR"),
    ("texts/timeZone", "America/Sao_Paulo"),
]
REFUSED: list[tuple[str, str]] = [
    ("limits/lowTier", "1500.01"),
    ("limits/lowTier", "99.99"),
    ("limits/lowTier", "500.001"),
    ("limits/lowTier", "-500"),
    ("limits/lowTier", ""),
    ("limits/lowTier", " 500"),
    ("limits/lowTier", "500\n"),
    ("limits/lowTier", "5e2"),
    ("limits/lowTier", "NaN"),
    ("limits/lowTier", "1_000"),
    ("limits/lowTier", "1,000"),
    ("limits/lowTier", "\u0665\u0660\u0660"),
    ("limits/highTier", "10000000.01"),
    ("limits/highTier", "1499.99"),
    ("limits/minimum", "0"),
    ("limits/minimum", "500.01"),
    ("approval/autoApproveThreshold", "-1"),
    ("approval/autoApproveThreshold", "1002"),
    ("approval/autoApproveThreshold", "700.0"),
    ("approval/autoApproveThreshold", "\u0667\u0660\u0660"),
    ("approval/autoApproveThreshold", "9" * 5_000),
    ("approval/cooldownDays", "366"),
    ("approval/attentionDays", "0"),
    ("scoring/paymentBonusMin", "51"),
    ("scoring/paymentBonusMin", "-1"),
    ("scoring/paymentBonusMax", "1001"),
    ("scoring/latePenaltyMild", "51"),
    ("scoring/latePenaltySevere", "49"),
    ("scoring/latePenaltySevere", "1001"),
    ("scoring/lateMildMaxDays", "30"),
    ("scoring/lateMildMaxDays", "0"),
    ("scoring/lateModerateMaxDays", "7"),
    ("scoring/lateModerateMaxDays", "366"),
    ("scoring/oneBonusPerCycle", "True"),
    ("scoring/oneBonusPerCycle", "1"),
    ("scoring/oneBonusPerCycle", " true"),
    ("scoring/oneBonusPerCycle", ""),
    ("billing/cycleDays", "0"),
    ("billing/cycleDays", "91"),
    ("billing/minimumPaymentFloor", "-0.01"),
    ("billing/minimumPaymentPercent", "100.01"),
    ("billing/minimumPaymentPercent", "-1"),
    ("billing/minimumPaymentPercent", "2.005"),
    ("offers/highTierApr", "1000"),
    ("offers/highTierApr", "12.999"),
    ("offers/highTierAnnualFee", "-1"),
    ("whatsapp/notificationsEnabled", "yes"),
    ("whatsapp/approvalExpiryHours", "0"),
    ("whatsapp/approvalExpiryHours", "721"),
    ("whatsapp/approvalTemplate", "Has Capitals"),
    ("whatsapp/approvalTemplate", "x" * 513),
    ("whatsapp/approvalTemplate", ""),
    ("whatsapp/approvalTemplate", "x\n"),
    ("texts/currency", "JPY"),
    ("texts/currency", "KWD"),
    ("texts/currency", "usd"),
    ("texts/currency", "XXX"),
    ("texts/locale", "de"),
    ("texts/timeZone", "Mars/Olympus"),
    ("texts/timeZone", "../../etc/passwd"),
    ("texts/timeZone", ""),
    ("rateLimit/apiPerMinute", "-1"),
    ("rateLimit/authFailuresPerMinute", "many"),
]
DESK: Mapping[str, Any] = {"name": "Desk 1", "phone": "5511900000000"}
BAD_APPROVERS: list[Any] = [
    {},
    [[]],
    [{}],
    ["5511900000000"],
    [{"phone": "5511900000000"}],
    [{**DESK, "name": "  "}],
    [{**DESK, "name": 5}],
    [{"name": "x"}],
    [{"name": "x", "phone": "1234567"}],
    [{"name": "x", "phone": "1" * 16}],
    [{"name": "x", "phone": 5511900000000}],
    [{"name": "x", "userId": ""}],
    [{"name": "x", "userId": 5}],
    [DESK, DESK],
    [DESK, {"name": "y", "phone": "+55 (11) 90000-0000"}],
    [{"name": "x", "phone": "551190000000"}, {"name": "y", "phone": "5511990000000"}],
    [{"name": "x", "userId": "BR.1"}, {"name": "y", "phone": "5511900000000", "userId": "BR.1"}],
    [{"name": str(number), "phone": f"55119000000{number:02}"} for number in range(21)],
]


def test_the_defaults_are_the_contracts_and_nothing_else_is_tunable() -> None:
    assert set(TUNABLES) == set(SHIPPED) | WITHOUT_DEFAULT
    assert {name: field.metadata["default"] for name, field in TUNABLES.items() if name not in WITHOUT_DEFAULT} == SHIPPED
    assert policy_from({}) == policy_from(SHIPPED) == Policy()


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_a_bound_itself_is_within(name: str, value: str) -> None:
    assert policy_from({**SHIPPED, name: value})


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda text: text[:40])
def test_one_bad_value_refuses_the_whole_set_and_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        policy_from({**SHIPPED, name: value})
    assert name in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("entries", BAD_APPROVERS, ids=lambda entries: json.dumps(entries)[:60])
def test_approvers_are_few_complete_and_each_identity_once(entries: Any) -> None:
    with pytest.raises(InvalidPolicy, match="whatsapp/approvers"):
        policy_from({"whatsapp/approvers": json.dumps(entries)})


@pytest.mark.parametrize("text", ["", "[", "null", "NaN", "[" * 4_000, '{"a":' * 1_000, "5" * 8_000], ids=lambda text: text[:8])
def test_approvers_that_are_no_list_of_json_are_refused_whatever_they_are(text: str) -> None:
    with pytest.raises(InvalidPolicy, match="whatsapp/approvers"):
        policy_from({"whatsapp/approvers": text})


def test_approvers_are_known_by_their_normalised_phone_by_user_id_or_both() -> None:
    given_ones = [DESK, {"name": " Desk 2 ", "userId": "BR.7"}, {"name": "Desk 3", "phone": "+55 (11) 8234-5678", "userId": "BR.8"}]
    found = policy_from({"whatsapp/approvers": json.dumps(given_ones)}).approvers
    assert [(each.name, each.phone, each.user_id) for each in found] == [
        ("Desk 1", "5511900000000", None),
        ("Desk 2", None, "BR.7"),
        ("Desk 3", "5511982345678", "BR.8"),
    ]


def test_twenty_approvers_are_not_too_many() -> None:
    entries = [{"name": str(number), "phone": f"55119000000{number:02}"} for number in range(20)]
    assert len(policy_from({"whatsapp/approvers": json.dumps(entries)}).approvers) == 20


@given(st.dictionaries(st.text(), st.text()))
def test_unknown_names_do_not_count_whatever_they_hold(others: dict[str, str]) -> None:
    unknown = {name: value for name, value in others.items() if name not in TUNABLES}
    assert policy_from({**SHIPPED, **unknown}) == Policy()


@pytest.mark.parametrize("name", ["limits/lowtier", "Limits/lowTier", "/limits/lowTier", "limits/lowTier/", "lowTier", ""])
def test_a_name_that_is_nearly_known_is_unknown(name: str) -> None:
    assert policy_from({name: "nonsense"}) == Policy()


@given(st.sampled_from(sorted(TUNABLES)), st.text())
def test_no_value_raises_anything_but_a_refusal(name: str, value: str) -> None:
    try:
        policy_from({name: value})
    except InvalidPolicy as refusal:
        problem = str(refusal)
    else:
        problem = name
    assert name in problem


def test_money_is_kept_in_cents_and_decimals_in_hundredths() -> None:
    policy = policy_from({"limits/lowTier": "499.5", "offers/lowTierApr": "24.9", "billing/minimumPaymentPercent": "2.05"})
    assert (policy.low_tier_limit, policy.low_tier_apr, policy.minimum_payment_percent) == (49_950, 2_490, 205)


def test_the_time_zones_are_looked_for_once() -> None:
    """It walks hundreds of files, which no process should do every 30 seconds in the middle of its requests."""
    assert time_zones() is time_zones()
    assert "America/Sao_Paulo" in time_zones()
