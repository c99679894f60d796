"""One line → one document: JSON with every number as a decimal of its own literal, then field by field, then what must hold in it."""

import json
from codecs import BOM_UTF8
from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

from tazco.card_requests.model import RequestStatus
from tazco.cards.model import CardStatus
from tazco.kernel.money import Money, to_literal
from tazco.migration.model import Collection, Fault, Oddity
from tazco.migration.rules.kinds import shown, storable
from tazco.migration.rules.residue import without_residue
from tazco.migration.rules.shapes import Shape
from tazco.transactions.model import TransactionStatus, TransactionType
from tazco.users.model import tier_of

LINE_BYTES_MAX: Final = 100_000
"""An item of DynamoDB holds four times as much."""

Values = dict[str, Any]
"""A document whose values have the program's types: cents, instants, members of enumerations."""


class Unreadable(Exception):
    """A line is no document."""


def blank(line: bytes) -> bool:
    """Nothing is on the line; of one that is too long nobody knows."""
    return len(line) <= LINE_BYTES_MAX and line.isspace()


def parse(line: bytes) -> dict[str, Any]:
    """The JSON object on a line; raise `Unreadable` for anything else."""
    if len(line) > LINE_BYTES_MAX:
        raise Unreadable(f"the line has more than {LINE_BYTES_MAX} bytes: one document, one line")
    if line.startswith(BOM_UTF8):
        raise Unreadable("begins with a byte order mark: export it as UTF-8 without one")
    try:
        document = json.loads(
            line.decode(), parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_twins
        )
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 from byte {error.start + 1} on: export it as UTF-8") from None
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not JSON at column {error.colno}: {error.msg.removesuffix(' at')}. Is the file cut off?") from None
    except ArithmeticError:
        raise Unreadable("has a number that is none") from None
    if not isinstance(document, dict):
        raise Unreadable("is no JSON object: one document in braces on each line")
    return document


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"has {name}, which is not JSON")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        raise Unreadable(f"has {next(name for name in document if names.count(name) > 1)!r} twice: which one counts?")
    return document


def read(shape: Shape, document: Mapping[str, Any], ignored: Names[str] = ()) -> tuple[Values, list[Fault]]:
    """The values of a document and every fault of its fields; null counts as absent."""
    values: Values = {}
    faults: list[Fault] = []
    fields = shape.by_name
    for name, value in document.items():
        if name in ignored:
            continue
        field = fields.get(name)
        if field is None:
            faults.append(Fault("is not a field of this collection. Rename it, or leave it out with --ignore", storable(name[:64])))
        elif value is not None:
            try:
                values[name] = field.kind.read(value)
            except ValueError as error:
                faults.append(Fault(str(error), name, shown(field.kind, value)))
    if not shape.required <= values.keys():
        named = {fault.field for fault in faults}
        missing = [field.name for field in shape.fields if field.required and field.name not in values.keys() | named]
        faults += [Fault("is missing", name) for name in missing]
    return values, faults


def cleaned(shape: Shape, document: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """A document whose amounts have no residue, and whether one had."""
    found = dict(document)
    for field in shape.fields:
        value = document.get(field.name)
        if field.kind.money and isinstance(value, Decimal):
            found[field.name] = without_residue(value)
    return found, any(found[name] is not document[name] for name in document)


def examine(collection: Collection, values: Values) -> Iterator[Fault | Oddity]:
    """What does not hold in a document whose fields are all right."""
    if collection in EXAMINED:
        yield from EXAMINED[collection](values)


def _needs(values: Values, names: tuple[str, ...], because: str) -> Iterator[Fault]:
    return (Fault(f"is missing: {because} has it", name) for name in names if name not in values)


def _user(values: Values) -> Iterator[Fault | Oddity]:
    if values["tier"] is not tier_of(values["currentScore"]):
        yield Oddity.STORED_TIER


def _card(values: Values) -> Iterator[Fault | Oddity]:
    left = Money(values["limit"] - values["balance"])
    if values["availableCredit"] != left:
        told = to_literal(values["availableCredit"])
        yield Fault(f"must be limit - balance, {to_literal(left)}. Correct whichever is wrong", "availableCredit", told)
    if values["status"] is CardStatus.CANCELLED and values["balance"]:
        yield Oddity.CANCELLED_WITH_BALANCE


DECISION: Final = ("decidedAt", "decisionSource")
GRANT: Final = ("approvedLimit", "cardId")


def _request(values: Values) -> Iterator[Fault | Oddity]:
    status = values["status"]
    if status is RequestStatus.PENDING:
        decided = [name for name in (*DECISION, "decidedBy", *GRANT) if name in values]
        yield from (Fault("contradicts the status pending: take it out, or write how it was decided", name) for name in decided)
        return
    yield from _needs(values, DECISION, "a decided request")
    if status is RequestStatus.APPROVED:
        yield from _needs(values, GRANT, "an approved request")


def _transaction(values: Values) -> Iterator[Fault | Oddity]:
    if values["status"] is TransactionStatus.FAILED:
        yield from _needs(values, ("failureReason",), "a failed transaction")
    elif values["type"] is TransactionType.PURCHASE:
        yield from _needs(values, ("merchant",), "a completed purchase")
    else:
        yield from _needs(values, ("paymentStatus", "scoreImpact"), "a completed payment")


def _score(values: Values) -> Iterator[Fault | Oddity]:
    if values["delta"] != values["value"] - values["previousValue"]:
        yield Oddity.SCORE_DELTA


EXAMINED: Final = {
    Collection.USERS: _user,
    Collection.CARDS: _card,
    Collection.CARD_REQUESTS: _request,
    Collection.TRANSACTIONS: _transaction,
    Collection.SCORES: _score,
}


def counted(values: Values) -> Money:
    """What a transaction adds to the balance of its card: a failed one nothing, a payment less than nothing."""
    if values["status"] is TransactionStatus.FAILED:
        return Money(0)
    return Money(values["amount"] if values["type"] is TransactionType.PURCHASE else -values["amount"])


def earned(values: Values) -> bool:
    """Whether a transaction is a payment that earned points."""
    return values["status"] is TransactionStatus.COMPLETED and values.get("scoreImpact", 0) > 0
