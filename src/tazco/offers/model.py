"""The offer of a tier."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tazco.kernel.money import Money

PRODUCT_ID: Final = "default-credit-card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A card that a person may ask for, and what stands in the way. `apr` is in hundredths of a percent."""

    name: str
    description: str
    credit_limit: Money
    apr: int
    annual_fee: Money
    eligible: bool
    subject_to_approval: bool
    cooldown_until: datetime | None
