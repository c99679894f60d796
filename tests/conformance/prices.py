"""What a run on AWS costs: the units that the last run on the embedded cloud used up, times the list prices of us-east-1."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tests.conformance.results import Results

MILLION: Final = 1_000_000
PER_UNIT: Final[Mapping[tuple[str, str], tuple[Decimal, str]]] = {
    ("dynamodb", "write_units"): (Decimal("0.625") / MILLION, "write units on demand"),
    ("dynamodb", "read_units"): (Decimal("0.125") / MILLION, "read units on demand"),
    ("events", "chunks"): (Decimal("1.00") / MILLION, "events, 64 KB each"),
    ("sqs", "chunks"): (Decimal("0.40") / MILLION, "requests, 64 KB each"),
    ("cognito-idp", "people"): (Decimal("0.0055"), "monthly active users of the Lite plan, its free 10,000 not counted"),
    ("ssm", "decryptions"): (Decimal("0.03") / 10_000, "encryptions and decryptions by KMS"),
}
"""Service and unit → dollars for one, and what it is. Standard parameters cost nothing; tables live for minutes."""

MARGIN: Final = 3
"""Waiting takes more calls on AWS than on a laptop."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the estimate."""

    what: str
    count: float
    dollars: Decimal


def estimate(results: Results) -> Iterator[Line]:
    """What a run costs at most, line by line; what costs nothing is left out."""
    for (service, unit), (price, what) in PER_UNIT.items():
        count = results.units.get(service, {}).get(unit, 0) * MARGIN
        if count:
            yield Line(f"{service}: {what}", count, Decimal(str(count)) * price)


def total(results: Results) -> Decimal:
    """The sum, in dollars."""
    return sum((line.dollars for line in estimate(results)), Decimal(0))
