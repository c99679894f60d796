"""Reading events: whole, in integers and decimals, or refused with a reason that quotes nothing."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.envelopes import Poison, envelope_of
from tests.platform.subscribed import event

SOURCE = "tazco.financial-api"
SECRET = "do not quote me"
NO_SEQUENCES: list[Any] = [0, -1, 1.0, "1", None, True]
NO_PAYLOADS: list[Any] = [None, [], SECRET]


def body(detail: Any, **others: Any) -> str:
    outer = {"version": "0", "id": "e", "source": SOURCE, "detail-type": "card.requested", "detail": detail}
    return json.dumps({**outer, **others})


def without(name: str) -> dict[str, Any]:
    detail = event()
    del detail[name]
    return detail


def test_an_event_is_read_whole() -> None:
    detail = event(aggregate_id="q-1", sequence=7, eventId="e-1", payload={"amount": 1200.05, "count": 3, "none": None})
    envelope = envelope_of(body(detail), SOURCE)
    assert (envelope.event_id, envelope.event_type, envelope.sequence) == ("e-1", "card.requested", 7)
    assert (envelope.aggregate_type, envelope.aggregate_id, envelope.ecosystem_id) == ("cardRequest", "q-1", "user-77")
    assert envelope.occurred_at == datetime(2031, 4, 5, 6, 7, 8, 90_000, UTC)
    assert envelope.correlation_id == "r-1"
    assert envelope.payload == {"amount": Decimal("1200.05"), "count": 3, "none": None}
    assert not any(isinstance(value, float) for value in envelope.payload.values())


def test_what_a_later_version_adds_is_ignored() -> None:
    assert envelope_of(body(event(later={"a": 1}), resources=[], later=1), SOURCE).event_type == "card.requested"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (SECRET, "it is no event of the bus: The body is not valid JSON."),
        ("", "it is no event of the bus: The body is not valid JSON."),
        (f'["{SECRET}"]', "it is no event of the bus: The body must be a JSON object."),
        ("[" * 100_000, "it is no event of the bus: The body is nested too deeply."),
        ('{"a":NaN}', "it is no event of the bus: The body is not valid JSON."),
        (body(event(), source=SECRET), "its source is not ours"),
        (body(event(), source=None), "its source is not ours"),
        (body(None), "its detail is no object"),
        (body(SECRET), "its detail is no object"),
        (body({}), "its detail-type is not the type of the event in it"),
        (body(event(), **{"detail-type": SECRET}), "its detail-type is not the type of the event in it"),
        (body(event(eventType=["x"]), **{"detail-type": ["x"]}), "its eventType is missing or no text"),
        *(
            (body(without(name)), f"its {name} is missing or no text")
            for name in ("eventId", "aggregateType", "aggregateId", "ecosystemId", "occurredAt", "requestId")
        ),
        (body(event(eventId="")), "its eventId is missing or no text"),
        (body(event(aggregateId=7)), "its aggregateId is missing or no text"),
        *((body({**event(), "sequence": bad}), "its sequence is no whole number from 1") for bad in NO_SEQUENCES),
        *(
            (body(event(occurredAt=bad)), "its occurredAt is no instant")
            for bad in (SECRET, "2031-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00")
        ),
        *((body(event(payload=bad)), "its payload is no object") for bad in NO_PAYLOADS),
    ],
)
def test_what_is_no_event_of_ours_is_poison_and_the_reason_quotes_nothing_of_it(raw: str, reason: str) -> None:
    with pytest.raises(Poison) as caught:
        envelope_of(raw, SOURCE)
    assert str(caught.value) == reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(event())), json_values)
def test_whatever_stands_in_a_field_it_is_an_event_or_poison(name: str, value: Any) -> None:
    with suppress(Poison):
        envelope_of(body({**event(), name: value}), SOURCE)
