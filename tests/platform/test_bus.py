"""Calls of at most ten, and one verdict on each event."""

import json
from dataclasses import replace

import pytest

from tazco.kernel.clock import to_text
from tazco.platform.bus import Bus, BusDown, Verdict
from tazco.platform.outbox import OutboxRow
from tazco.platform.wire import Reply
from tests.platform.faults import error
from tests.platform.relay_rig import TYPE, Rig, refusing, stream


@pytest.fixture
def bus(rig: Rig) -> Bus:
    """Its bus."""
    return Bus.of(rig.services.aws, rig.services.settings)


def events(rig: Rig, count: int) -> list[OutboxRow]:
    """First events of so many cards."""
    return [stream(f"card-{number}", 1, rig.services)[0] for number in range(count)]


async def test_an_event_arrives_in_its_queue_with_the_envelope_of_the_contract(rig: Rig, bus: Bus) -> None:
    (row,) = events(rig, 1)
    assert await bus.put([row]) == (Verdict(),)
    (entry,) = json.loads(rig.seam.calls[-1].body)["Entries"]
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == (
        rig.stage.names.event_source,
        TYPE,
        rig.stage.names.event_bus,
    )
    assert round(entry["Time"] * 1000) == round(row.occurred_at.timestamp() * 1000)
    (received,) = await rig.received(1)
    assert received["source"] == rig.stage.names.event_source
    assert received["detail-type"] == TYPE
    assert received["detail"] == {
        "eventId": row.event_id,
        "eventType": TYPE,
        "aggregateType": "card",
        "aggregateId": "card-0",
        "sequence": 1,
        "schemaVersion": 1,
        "ecosystemId": "user-1",
        "occurredAt": to_text(row.occurred_at),
        "requestId": "r-1",
        "payload": {"amount": 12.5, "name": 'Čapek "K"'},
    }
    assert '"amount":12.50' in entry["Detail"], "the payload goes out as it was written down"


async def test_a_call_holds_ten_events_and_the_verdicts_keep_the_order(rig: Rig, bus: Bus) -> None:
    rows = events(rig, 23)
    rig.seam.refuse = refusing([rows[3].event_id, rows[12].event_id], "ThrottlingException")
    verdicts = await bus.put(rows)
    assert [len(batch) for batch in rig.seam.batches] == [10, 10, 3]
    assert [number for number, verdict in enumerate(verdicts) if not verdict.accepted] == [3, 12]
    assert verdicts[3] == Verdict("ThrottlingException", "planned")


async def test_a_call_stays_below_a_megabyte(rig: Rig, bus: Bus) -> None:
    rows = [replace(row, payload=json.dumps({"text": "x" * 300_000})) for row in events(rig, 5)]
    assert all(verdict.accepted for verdict in await bus.put(rows))
    assert [len(batch) for batch in rig.seam.batches] == [3, 2]


@pytest.mark.parametrize(
    "faults",
    [
        ["lost before"] * 2,
        ["lost after"] * 2,
        [error(400, "ThrottlingException")] * 2,
        [error(500, "InternalFailure")] * 2,
        [error(400, "AccessDeniedException")],
        [error(400, "ResourceNotFoundException")],
        [error(400, "SomethingNobodyKnows")],
        [Reply(200, {}, b'{"FailedEntryCount":0,"Entries":[]}')],
    ],
    ids=str,
)
async def test_a_call_that_fails_whole_judges_no_event(rig: Rig, bus: Bus, faults: list[str | Reply]) -> None:
    rig.seam.whole = list(faults)
    with pytest.raises(BusDown) as down:
        await bus.put(events(rig, 2))
    assert down.value.verdicts == ()
    assert not rig.seam.whole


async def test_an_outage_between_two_calls_leaves_the_verdicts_of_the_first(rig: Rig, bus: Bus) -> None:
    rows = events(rig, 12)
    rig.seam.refuse = refusing([rows[1].event_id])

    def then_down(event: dict[str, object]) -> str | None:
        rig.seam.whole = [error(400, "AccessDeniedException")]
        return "InternalFailure" if event["eventId"] == rows[1].event_id else None

    rig.seam.refuse = then_down
    with pytest.raises(BusDown) as down:
        await bus.put(rows)
    assert [verdict.accepted for verdict in down.value.verdicts] == [True, False, *[True] * 8]


async def test_one_event_that_spoils_a_call_is_refused_alone(rig: Rig, bus: Bus) -> None:
    rows = events(rig, 3)
    invalid = error(400, "ValidationException")
    rig.seam.whole = [invalid, "", invalid, ""]
    verdicts = await bus.put(rows)
    assert [verdict.code for verdict in verdicts] == ["", "ValidationException", ""]
    assert [len(batch) for batch in rig.seam.batches] == [1, 1]


async def test_an_entry_without_an_id_was_not_taken(rig: Rig, bus: Bus) -> None:
    rig.seam.whole = [Reply(200, {}, b'{"FailedEntryCount":0,"Entries":[{}]}')]
    (verdict,) = await bus.put(events(rig, 1))
    assert not verdict.accepted
