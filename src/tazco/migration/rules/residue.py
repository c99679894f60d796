"""What adding up binary floats leaves beside a cent: `0.1 + 0.2` is written 0.30000000000000004."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

CENT: Final = Decimal("0.01")
RESIDUE_MAX: Final = Decimal("0.000001")
"""In whole units. A thousand sums near a billion, the largest amount, leave less: a double is exact there to 0.00000012."""

UNITS_MAX: Final = Decimal(10**12)


def without_residue(value: Decimal) -> Decimal:
    """The cent beside which floats left a residue; every other number as it is, and a third decimal that somebody meant."""
    if abs(value) > UNITS_MAX:
        return value
    cent = value.quantize(CENT, ROUND_HALF_EVEN) + 0  # without a sign on nought
    return cent if value != cent and abs(value - cent) <= RESIDUE_MAX else value
