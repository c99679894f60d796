"""Records and items: what is written comes back, what others wrote is read with tolerance, what cannot be read says why."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.money import Money
from tazco.kernel.record import Record, Versioned
from tazco.platform.codec import Codec, Item, Undecodable, camel_case

ParcelId = NewType("ParcelId", str)
NOON = datetime(2026, 11, 24, 12, 0, 0, 90_000, tzinfo=UTC)


class State(StrEnum):
    ON_THE_WAY = "on_the_way"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel(Versioned):
    parcel_id: ParcelId
    state: State
    postage: Money
    insured: bool
    sent_at: datetime
    note: str | None = None
    lost_at: datetime | None = None
    weight_grams: int | None = None
    tries: int = 1


CODEC = Codec(Parcel, {"postage": "price"})
PARCEL = Parcel(parcel_id=ParcelId("p-1"), state=State.ON_THE_WAY, postage=Money(120_050), insured=False, sent_at=NOON)
ITEM: Item = {
    "parcelId": {"S": "p-1"},
    "state": {"S": "on_the_way"},
    "price": {"N": "120050"},
    "insured": {"BOOL": False},
    "sentAt": {"S": "2026-11-24T12:00:00.090Z"},
    "tries": {"N": "1"},
    "version": {"N": "0"},
    "sequence": {"N": "0"},
}

texts = st.text(st.characters(codec="utf-8"))
instants = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
integers = st.integers(-(10**38) + 1, 10**38 - 1)
parcels = st.builds(
    Parcel,
    parcel_id=texts.map(ParcelId),
    state=st.sampled_from(State),
    postage=integers.map(Money),
    insured=st.booleans(),
    sent_at=instants,
    note=st.none() | texts,
    lost_at=st.none() | instants,
    weight_grams=st.none() | integers,
    tries=integers,
    version=integers,
    sequence=integers,
)


def without(name: str) -> Item:
    return {attribute: value for attribute, value in ITEM.items() if attribute != name}


@given(parcels)
def test_what_is_written_comes_back(parcel: Parcel) -> None:
    assert CODEC.decode(CODEC.encode(parcel)) == parcel


@given(parcels)
def test_every_attribute_is_one_typed_value_and_no_value_is_absent(parcel: Parcel) -> None:
    for attribute in CODEC.encode(parcel).values():
        ((kind, value),) = attribute.items()
        assert (kind, type(value)) in {("S", str), ("N", str), ("BOOL", bool)}


def test_names_are_in_camel_case_unless_the_table_spells_them_otherwise() -> None:
    assert CODEC.encode(PARCEL) == ITEM
    assert [camel_case(name) for name in ("a", "available_credit", "next_due_on")] == ["a", "availableCredit", "nextDueOn"]


def test_attributes_of_others_are_left_alone() -> None:
    assert CODEC.decode(ITEM | {"gsi1pk": {"S": "x"}, "postage": {"N": "5"}, "expiresAt": {"N": "1"}}) == PARCEL


@pytest.mark.parametrize("name", ["note", "lostAt", "weightGrams", "tries", "version", "sequence"])
def test_what_the_record_can_do_without_may_be_missing_or_null(name: str) -> None:
    assert CODEC.decode(without(name)) == PARCEL
    assert CODEC.decode(without(name) | {name: {"NULL": True}}) == PARCEL


@pytest.mark.parametrize("name", ["parcelId", "state", "price", "insured", "sentAt"])
def test_what_the_record_needs_may_be_neither_missing_nor_null(name: str) -> None:
    for item in (without(name), without(name) | {name: {"NULL": True}}):
        with pytest.raises(Undecodable, match=f"a row of Parcel has no '{name}'"):
            CODEC.decode(item)


@pytest.mark.parametrize(
    ("text", "number"), [("5", 5), ("5.0", 5), ("5.00", 5), ("1E+2", 100), ("-0", 0), ("0012", 12), ("9" * 38, int("9" * 38))]
)
def test_an_integer_is_read_however_a_number_is_written(text: str, number: int) -> None:
    assert CODEC.decode(ITEM | {"tries": {"N": text}}).tries == number


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-24T12:00:00.090Z", NOON),
        ("2026-11-24T12:00:00.090123+00:00", NOON),
        ("2026-11-24T13:00:00.090+01:00", NOON),
        ("2026-11-24T12:00:00.090", NOON),
        ("2026-11-24T12:00:00Z", NOON - timedelta(milliseconds=90)),
    ],
)
def test_an_instant_is_read_in_any_iso_form(text: str, instant: datetime) -> None:
    assert CODEC.decode(ITEM | {"sentAt": {"S": text}}).sent_at == instant


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("parcelId", {"N": "5"}),
        ("state", {"S": "vanished"}),
        ("price", {"S": "5"}),
        ("price", {"N": "five"}),
        ("price", {"N": "5.5"}),
        ("price", {"N": "NaN"}),
        ("price", {"N": "Infinity"}),
        ("price", {}),
        ("insured", {"S": "true"}),
        ("sentAt", {"S": "yesterday"}),
        ("sentAt", {"S": ""}),
        ("sentAt", {"N": "1795521600"}),
    ],
)
def test_a_value_of_another_type_says_where_it_stands(name: str, attribute: dict[str, Any]) -> None:
    with pytest.raises(Undecodable, match=f"Parcel.{name} cannot be read"):
        CODEC.decode(ITEM | {name: attribute})


def test_a_naive_instant_is_never_written() -> None:
    naive = Parcel(parcel_id=ParcelId("p"), state=State.LOST, postage=Money(1), insured=True, sent_at=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="no instant"):
        CODEC.encode(naive)


@pytest.mark.parametrize("hint", [float, Decimal, list[str], dict[str, int], bytes, object])
def test_a_record_with_a_field_that_has_no_stored_form_is_refused_when_it_is_declared(hint: Any) -> None:
    record: Any = dataclass(frozen=True, kw_only=True)(type("Odd", (Record,), {"__annotations__": {"odd": hint}}))
    with pytest.raises(TypeError, match="no stored form"):
        Codec(record, {})
