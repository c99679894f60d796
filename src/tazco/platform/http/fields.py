"""Fields of request bodies: strict types, money in minor units from the first moment, texts that can be stored."""

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from tazco.kernel.money import AMOUNT_MAX, AMOUNT_MIN, DIGITS_MAX, Money, from_decimal, to_literal

REASON_CHARACTERS_MAX: Final = 500


class Body(BaseModel):
    """A request body. Fields it does not know are ignored, never bound; values are never converted from another type."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


def _money(value: Any) -> Money:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")
    try:
        return from_decimal(value)
    except ValueError as error:
        raise ValueError(f"must be a number with at most two decimals: it {error}") from None


def _payable(value: Money) -> Money:
    if not AMOUNT_MIN <= value <= AMOUNT_MAX:
        raise ValueError(f"must be from {to_literal(AMOUNT_MIN)} to {to_literal(AMOUNT_MAX)}")
    return value


def _money_in_policy(value: Any) -> Money:
    try:
        return _money(value)
    except ValueError as error:
        raise ValueError(f"{error}; the policy sets how much") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a whole number")
    if Decimal(value).adjusted() > DIGITS_MAX:  # before the conversion, for which `1e999999999` is a gigabyte of digits
        raise ValueError("is out of range")
    if value != int(value):
        raise ValueError("must be a whole number")
    return int(value)


def storable(value: str) -> str:
    """The text, if it can be written as UTF-8."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("has a character that is no character") from None
    return value


def text(low: int, high: int, *, trimmed: bool = True) -> Any:
    """A text of `low` to `high` characters after trimming."""

    def check(value: str) -> str:
        value = value.strip() if trimmed else value
        if not low <= len(value) <= high:
            raise ValueError(f"must have {low} to {high} characters")
        return value

    return AfterValidator(lambda value: check(storable(value)))


WireMoney = Annotated[
    Money,
    BeforeValidator(_money),
    AfterValidator(_payable),
    WithJsonSchema({"type": "number", "minimum": 0.01, "maximum": 999999999.99}),
]
"""An amount in a body: a JSON number in whole units with at most two decimals, from 0.01 to 999999999.99."""

MoneyInPolicy = Annotated[
    Money, BeforeValidator(_money_in_policy), WithJsonSchema({"type": "number", "minimum": 0.01, "maximum": 10000000})
]
"""An amount like `WireMoney` whose bounds the policy in force sets, and which it names when it refuses."""

Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer"})]
"""A whole number; `650.0` is one."""

Reason = Annotated[str, text(1, REASON_CHARACTERS_MAX), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 500})]
"""Why: 1 to 500 characters after trimming."""


class ReasonBody(Body):
    """Why, and nothing else."""

    reason: Reason


OutMoney = Annotated[Any, WithJsonSchema({"type": "number"})]
"""An amount in an answer: whole units, at most two decimals."""

OutTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time", "minLength": 24, "maxLength": 24})]
"""An instant in an answer: UTC, 24 characters."""
