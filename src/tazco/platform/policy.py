"""Policy: the numbers that operators tune while the program runs. One frozen value, handed to rules, never read inside them.

A field is one SSM parameter: its name, its default and its bounds stand here and nowhere else; the parameters that
provisioning creates, the docs page and the validation follow.
"""

import dataclasses
import json
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final

from tazco.kernel.money import Money, from_decimal
from tazco.platform.phones import normalise_phone

APPROVERS_MAX: Final = 20
NAME_CHARACTERS_MAX: Final = 100
TIER_LIMIT_MAX: Final = Money(1_000_000_000)
CURRENCIES_WITH_TWO_DECIMALS: Final = frozenset(
    (  # noqa: SIM905  # a list would take a line for each of them
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
        "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
        "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
        "MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
    ).split()
)
"""Every ISO 4217 code in use whose minor unit is a hundredth."""

LOCALES: Final = ("en", "pt-BR")


class InvalidPolicy(Exception):
    """A value is bad or the set contradicts itself; the message names the parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """An operator who may decide by WhatsApp: known by phone, by user id, or by both."""

    name: str
    phone: str | None = None
    user_id: str | None = None

    def sent_from(self, phone: str | None, user_id: str | None) -> bool:
        """Whether a sender is this approver: by phone or by user id, and by both where both sides know both.

        A number that comes with another user id has changed hands. Phones in normal form (`normalise_phone`).
        """
        phones = self.phone == phone if self.phone and phone else None
        users = self.user_id == user_id if self.user_id and user_id else None
        known = [agrees for agrees in (phones, users) if agrees is not None]
        return bool(known) and all(known)


Reading = Callable[[str], Any]


def integer(low: int, high: int) -> Reading:
    """A whole number within bounds, both included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,12}", text):
            raise ValueError("must be a whole number")
        if not low <= int(text) <= high:
            raise ValueError(f"must be from {low} to {high}")
        return int(text)

    return read


def money(text: str) -> Money:
    """An amount in whole units, at most two decimals, not negative."""
    value = Money(_hundredths(text))
    if value < 0:
        raise ValueError("must not be negative")
    return value


def hundredths(low: int, high: int) -> Reading:
    """A decimal with at most two places, kept as hundredths; bounds in hundredths, both included."""

    def read(text: str) -> int:
        value = _hundredths(text)
        if not low <= value <= high:
            raise ValueError(f"must be from {low / 100:g} to {high / 100:g}")
        return value

    return read


def _hundredths(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,9})?", text):
        raise ValueError("must be a number")
    try:
        return int(from_decimal(Decimal(text)))
    except InvalidOperation:
        raise ValueError("must be a number") from None


def flag(text: str) -> bool:
    """Exactly `true` or `false`."""
    if text not in ("true", "false"):
        raise ValueError("must be exactly true or false")
    return text == "true"


def one_of(*values: str) -> Reading:
    """One of a few texts."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"must be one of {', '.join(values)}")
        return text

    return read


def template_name(text: str) -> str:
    """The name of a WhatsApp template."""
    if not re.fullmatch(r"[a-z0-9_]{1,512}", text):
        raise ValueError("must be 1 to 512 of a-z, 0-9 and _")
    return text


def language(text: str) -> str:
    """The language code of a WhatsApp template."""
    if not re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2})?", text):
        raise ValueError("must be a language code such as en or pt_BR")
    return text


def currency(text: str) -> str:
    """An ISO 4217 code whose minor unit is a hundredth."""
    if text not in CURRENCIES_WITH_TWO_DECIMALS:
        raise ValueError("must be an ISO 4217 code of a currency with two decimals, such as USD")
    return text


@cache
def time_zones() -> frozenset[str]:
    """Every IANA time zone of this machine, looked for once: it takes the reading of hundreds of files, and nothing else runs meanwhile."""
    return frozenset(zoneinfo.available_timezones())


def time_zone(text: str) -> str:
    """An IANA time zone."""
    if text not in time_zones():
        raise ValueError("must be an IANA time zone such as America/Sao_Paulo")
    return text


def approvers(text: str) -> tuple[Approver, ...]:
    """A JSON list of `{"name", "phone"?, "userId"?}`; every identity once."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("must be JSON") from None
    if not isinstance(entries, list) or len(entries) > APPROVERS_MAX:
        raise ValueError(f"must be a list of at most {APPROVERS_MAX} approvers")
    found = tuple(_approver(entry) for entry in entries)
    for identities in ([a.phone for a in found if a.phone], [a.user_id for a in found if a.user_id]):
        if len(set(identities)) != len(identities):
            raise ValueError("must not name the same phone or userId twice")
    return found


def _approver(entry: Any) -> Approver:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > NAME_CHARACTERS_MAX:
        raise ValueError(f"each approver needs a name of at most {NAME_CHARACTERS_MAX} printable characters")
    phone, user_id = entry.get("phone"), entry.get("userId")
    if phone is None and user_id is None:
        raise ValueError("each approver needs a phone or a userId")
    if user_id is not None and (not isinstance(user_id, str) or not user_id.strip()):
        raise ValueError("a userId is a text")
    if phone is not None:
        phone = normalise_phone(phone) if isinstance(phone, str) else None
        if phone is None:
            raise ValueError("a phone has 8 to 15 digits, country code included")
    return Approver(name=name.strip(), phone=phone, user_id=user_id)


def tunable(name: str, default: str | None, read: Reading, meaning: str) -> Any:
    """A field of the policy: parameter name below the prefix, default as SSM would hold it (None: absent), validation, meaning."""
    value = None if default is None else read(default)
    return dataclasses.field(default=value, metadata={"name": name, "default": default, "read": read, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every tunable number, valid as a whole. Money in minor units, percentages and rates in hundredths."""

    low_tier_limit: Money = tunable("limits/lowTier", "500", money, "highest limit of a low tier")
    medium_tier_limit: Money = tunable("limits/mediumTier", "1500", money, "highest limit of a medium tier")
    high_tier_limit: Money = tunable("limits/highTier", "3000", money, "highest limit of a high tier")
    minimum_limit: Money = tunable("limits/minimum", "100", money, "lowest limit that may be granted")
    auto_approve_threshold: int = tunable(
        "approval/autoApproveThreshold", "700", integer(0, 1001), "score from which a request is approved at once; 1001 is never"
    )
    cooldown_days: int = tunable("approval/cooldownDays", "30", integer(0, 365), "days after a rejection; 0 is none")
    attention_days: int = tunable("approval/attentionDays", "7", integer(1, 365), "days after which a pending request is overdue")
    payment_bonus_min: int = tunable("scoring/paymentBonusMin", "10", integer(0, 1000), "points of the smallest payment in time")
    payment_bonus_max: int = tunable("scoring/paymentBonusMax", "50", integer(0, 1000), "points of a full payment in time")
    late_penalty_mild: int = tunable("scoring/latePenaltyMild", "20", integer(0, 1000), "points lost, a little late")
    late_penalty_moderate: int = tunable("scoring/latePenaltyModerate", "50", integer(0, 1000), "points lost, late")
    late_penalty_severe: int = tunable("scoring/latePenaltySevere", "100", integer(0, 1000), "points lost, very late")
    late_mild_max_days: int = tunable("scoring/lateMildMaxDays", "7", integer(1, 365), "days up to which late is mild")
    late_moderate_max_days: int = tunable("scoring/lateModerateMaxDays", "30", integer(1, 365), "days up to which late is moderate")
    one_bonus_per_cycle: bool = tunable("scoring/oneBonusPerCycle", "true", flag, "a card earns points at most once a cycle")
    cycle_days: int = tunable("billing/cycleDays", "30", integer(1, 90), "days from a payment to the next due date")
    minimum_payment_floor: Money = tunable("billing/minimumPaymentFloor", "25", money, "smallest minimum payment")
    minimum_payment_percent: int = tunable(
        "billing/minimumPaymentPercent", "2", hundredths(0, 10_000), "minimum payment in percent of the balance"
    )
    high_tier_apr: int = tunable("offers/highTierApr", "12.99", hundredths(0, 99_999), "yearly rate, high tier")
    medium_tier_apr: int = tunable("offers/mediumTierApr", "18.99", hundredths(0, 99_999), "yearly rate, medium tier")
    low_tier_apr: int = tunable("offers/lowTierApr", "24.99", hundredths(0, 99_999), "yearly rate, low tier")
    high_tier_annual_fee: Money = tunable("offers/highTierAnnualFee", "0", money, "yearly fee, high tier")
    medium_tier_annual_fee: Money = tunable("offers/mediumTierAnnualFee", "0", money, "yearly fee, medium tier")
    low_tier_annual_fee: Money = tunable("offers/lowTierAnnualFee", "29", money, "yearly fee, low tier")
    notifications_enabled: bool = tunable("whatsapp/notificationsEnabled", "true", flag, "send WhatsApp messages")
    approval_expiry_hours: int = tunable("whatsapp/approvalExpiryHours", "24", integer(1, 720), "life of an approval code")
    expiry_rejects: bool = tunable("whatsapp/expiryRejects", "false", flag, "an expired approval rejects the request")
    reply_to_approvers: bool = tunable("whatsapp/replyToApprovers", "true", flag, "tell approvers what their answer did")
    approvers: tuple[Approver, ...] = tunable("whatsapp/approvers", "[]", approvers, "who may decide by WhatsApp")
    approval_template: str | None = tunable("whatsapp/approvalTemplate", None, template_name, "template of an approval")
    payment_template: str | None = tunable("whatsapp/paymentTemplate", None, template_name, "template of a payment notice")
    template_language: str = tunable("whatsapp/templateLanguage", "en", language, "language of the templates")
    currency: str = tunable("texts/currency", "USD", currency, "currency in messages")
    locale: str = tunable("texts/locale", "en", one_of(*LOCALES), "language of messages")
    time_zone: str = tunable("texts/timeZone", "UTC", time_zone, "time zone in messages")
    api_per_minute: int = tunable("rateLimit/apiPerMinute", "0", integer(0, 1_000_000), "calls per person and minute; 0 is off")
    auth_failures_per_minute: int = tunable(
        "rateLimit/authFailuresPerMinute", "0", integer(0, 1_000_000), "failed sign-ins per address and minute; 0 is off"
    )

    def __post_init__(self) -> None:
        rules = (
            (
                0 < self.minimum_limit <= self.low_tier_limit <= self.medium_tier_limit <= self.high_tier_limit <= TIER_LIMIT_MAX,
                "limits must be 0.01 ≤ limits/minimum ≤ limits/lowTier ≤ limits/mediumTier ≤ limits/highTier ≤ 10000000",
            ),
            (self.payment_bonus_min <= self.payment_bonus_max, "scoring/paymentBonusMin must not be above scoring/paymentBonusMax"),
            (
                self.late_penalty_mild <= self.late_penalty_moderate <= self.late_penalty_severe,
                "penalties must be scoring/latePenaltyMild ≤ scoring/latePenaltyModerate ≤ scoring/latePenaltySevere",
            ),
            (
                self.late_mild_max_days < self.late_moderate_max_days,
                "scoring/lateMildMaxDays must be below scoring/lateModerateMaxDays",
            ),
        )
        for holds, complaint in rules:
            if not holds:
                raise InvalidPolicy(complaint)


TUNABLES: Final[Mapping[str, dataclasses.Field[Any]]] = {field.metadata["name"]: field for field in dataclasses.fields(Policy)}


def policy_from(parameters: Mapping[str, str]) -> Policy:
    """A whole policy from parameter names (below the prefix) and texts; missing ones have defaults, unknown ones do not count.

    Raise `InvalidPolicy`, naming the parameter, if any value or the set as a whole is bad.
    """
    values: dict[str, Any] = {}
    for name, text in parameters.items():
        field = TUNABLES.get(name)
        if field is None:
            continue
        try:
            values[field.name] = field.metadata["read"](text)
        except ValueError as error:
            raise InvalidPolicy(f"{name} {error}") from None
    return Policy(**values)
